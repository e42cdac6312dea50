/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate that a fork closes: it waits until no thread is inside libcrypto or libcurl on our
 * behalf. Those have locks that no handler of ours could take (of a random generator, of a trust
 * store), and a child that inherits one taken would hang in its first handshake.
 *
 * The guard goes in and out with its thread (libctx.h). Whoever is about to wait for the network
 * or for another thread steps out meanwhile, so that a fork waits for computations only. No lock
 * of ours may be held on the way in.
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

/* For the handlers of a fork, one at a time. The thread that forks is outside meanwhile. */
void remote_gate_close(void);
void remote_gate_open(bool child);

#endif
