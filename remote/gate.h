/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate that a fork closes: it waits until no thread is inside libcrypto or libcurl on our
 * behalf. Those have locks that no handler of ours could take (of a random generator, of a trust
 * store), and a child that inherits one taken would hang in its first handshake.
 *
 * The guard goes in and out with its thread (libctx.h). Whoever is about to wait for the network
 * or for another thread steps out meanwhile, so that a fork waits for computations only. No lock
 * of ours may be held on the way in.
 *
 * Another PKCS#11 module has locks of its own that a child would inherit taken, so a fork waits
 * for calls of it, too; but not for ever, since such a call may hang as long as its HSM is away.
 * A child that was made all the same must leave such modules alone: remote_gate_cut_off().
 */
#ifndef REMOTE_GATE_H
#define REMOTE_GATE_H

#include <stdbool.h>

/* Both count: a thread may go in again. */
void remote_gate_enter(void);
void remote_gate_leave(void);

/* Out however deep the thread is inside; the result is for step_in(). */
unsigned remote_gate_step_out(void);
void remote_gate_step_in(unsigned depth);

/* Around a call of another module, likewise; a thread does not go twice. */
unsigned remote_gate_go_abroad(void);
void remote_gate_come_home(unsigned depth);
/* Whether this process was made while such a call hung: its locks may be taken for ever. */
bool remote_gate_cut_off(void);

/* For the handlers of a fork, one at a time. The thread that forks is outside meanwhile. */
void remote_gate_close(void);
void remote_gate_open(bool child);

#endif
