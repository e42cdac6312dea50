/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store keeps for a key: KES's own text, clear or wrapped by the transit engine of a Vault,
 * or that text sealed (seal.h). A reader takes the form that is configured and no other: whoever
 * can write to the store could else put a key there that he knows. Any thread; inside the guard;
 * blocks for a service where one has a part in it.
 */
#ifndef KESD_RECORD_H
#define KESD_RECORD_H

#include "kes_stored.h"
#include "keys.h"
#include "seal.h"

struct kesd_record_form {
    enum kesd_format format;
    struct kesd_sealer sealer;         /* KESD_FORMAT_SEALED */
    struct kesd_slot_ref transit_slot; /* KESD_FORMAT_KES; without a name: clear */
    char *transit;                     /* the key there */
};
/* Copies from settings. ret: zero before; clear it in any case. REMOTE_E_CONFIG: no such slot. */
enum remote_rc kesd_record_form_init(struct kesd_record_form *ret, struct remote_core *core,
                                     const struct kesd_settings *settings, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_record_form_clear(struct kesd_record_form *form);

enum remote_rc kesd_record_write(const struct kesd_record_form *form, const char *name,
                                 const struct kes_stored *stored, struct remote_secret *ret,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
/* ret: zero before; clear it. REMOTE_E_PROTOCOL: what is there is no such record. */
enum remote_rc kesd_record_read(const struct kesd_record_form *form, const char *name,
                                struct remote_slice text, struct kes_stored *ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;

#endif
