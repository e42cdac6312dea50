/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes keys in a service: off until the slot's `allow` names it, for every backend
 * alike. None of these requests is repeated after it may have reached the service. Existing
 * names are refused, never silently versioned. Called inside the guard, by any thread. Each
 * request may take 30 s, or the slot's timeout where that is longer: services make RSA keys while
 * we wait.
 *
 * In all of them:
 * REMOTE_E_FORBIDDEN_USE  the slot's `allow` does not name it
 * REMOTE_E_UNSUPPORTED    the service has no such operation, or no such keys
 * REMOTE_E_RIGHTS, _AUTH, _BUSY, _TIMEOUT, _UNAVAILABLE, _PROTOCOL  as for every request
 */
#ifndef REMOTE_LIFECYCLE_H
#define REMOTE_LIFECYCLE_H

#include "key.h"
#include "slot.h"

#define REMOTE_KEY_NAME_MAX 256 /* bytes */

/* Makes a key in the service. REMOTE_E_EXISTS: the name is taken. ret: one reference. */
enum remote_rc remote_slot_generate(struct remote_slot *slot, const char *name,
                                    const struct remote_key_spec *spec, struct remote_key **ret,
                                    struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * Brings a key of ours into the service (BYOK). material: PKCS#8 DER of a key pair, or the
 * secret's bytes; it leaves this process only wrapped for the service, or where the service has no
 * such wrapping, inside TLS. REMOTE_E_EXISTS as above;
 * REMOTE_E_DATA: the material is not a key of that kind.
 */
enum remote_rc remote_slot_import(struct remote_slot *slot, const char *name,
                                  const struct remote_key_spec *spec, struct remote_slice material,
                                  struct remote_key **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* A new version of a key; ret is it. REMOTE_E_NOT_FOUND. */
enum remote_rc remote_slot_rotate(struct remote_slot *slot, const char *name,
                                  struct remote_key **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* Destroys a key with all its versions. There is no way back. REMOTE_E_NOT_FOUND. */
enum remote_rc remote_slot_destroy(struct remote_slot *slot, const char *name,
                                   struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * Calls a key otherwise, with all its versions; ret is the newest. REMOTE_E_EXISTS: the new name is
 * taken. REMOTE_E_NOT_FOUND. REMOTE_E_UNSUPPORTED: a key's name is for good in this service.
 */
enum remote_rc remote_slot_rename(struct remote_slot *slot, const char *name, const char *label,
                                  struct remote_key **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

/*
 * A data key made by the service: its clear bytes, and the same sealed under `key` in the
 * service's own form. One request, and no `allow`: nothing in the service changes. But where the
 * service keeps data keys itself, the sealed form is the key's name there, `name`, or a random one
 * (NULL); that is several requests, and `allow` must name generate. REMOTE_E_EXISTS.
 */
enum remote_rc remote_key_data_key(struct remote_key *key, const char *name, size_t len,
                                   struct remote_secret *ret_clear, struct remote_buf *ret_sealed,
                                   struct remote_error *err) REMOTE_MUST_CHECK;

/* Whether it does so. */
bool remote_slot_keeps_data_keys(const struct remote_slot *slot);

#endif
