/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot by its name, looked up for each use: after a reload of the configuration another one may
 * stand there. Any thread.
 */
#ifndef KESD_SLOT_REF_H
#define KESD_SLOT_REF_H

#include "remote.h"

struct kesd_slot_ref {
    struct remote_core *core; /* borrowed */
    char *name;               /* owned; NULL: none */
};

/* option: for messages. REMOTE_E_CONFIG: the configuration has no such slot. */
enum remote_rc kesd_slot_ref_init(struct kesd_slot_ref *ret, struct remote_core *core,
                                  const char *option, const char *name, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_slot_ref_clear(struct kesd_slot_ref *ref);

/* ret: borrowed, good until the core closes. REMOTE_E_CONFIG: it has gone. */
enum remote_rc kesd_slot_ref_find(const struct kesd_slot_ref *ref, struct remote_slot **ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

#endif
