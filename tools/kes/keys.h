/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that the server serves, by name: kept in a store (and cached), or keys of a slot. Any
 * thread; inside the guard. Functions block for the store or the slot's service unless
 * kesd_keys_is_near() said otherwise just before.
 */
#ifndef KESD_KEYS_H
#define KESD_KEYS_H

#include "settings.h"

#define KESD_KEY_LEN 32
#define KESD_OVERHEAD 44 /* bytes of a KES ciphertext beside the text: tag, iv, nonce */

struct kesd_keys;
/*
 * settings: copied from. No request is made. A slot is looked up by its name for each use, so a
 * reload that changed it needs no other keys. REMOTE_E_CONFIG: no such slot.
 */
enum remote_rc kesd_keys_new(struct remote_core *core, const struct kesd_settings *settings,
                             struct kesd_keys **ret, struct remote_error *err) REMOTE_MUST_CHECK;
void kesd_keys_free(struct kesd_keys *keys); /* NULL is fine */

enum kesd_algorithm { KESD_AES256, KESD_CHACHA20 };
extern const char *const kesd_algorithm_names[]; /* "AES256", "ChaCha20" */

struct kesd_info {
    enum kesd_algorithm algorithm;
    int64_t created_s; /* seconds since 1970 */
    int32_t created_ns;
    char created_by[KESD_IDENTITY_LEN + 1];
};

/* Whether a use of this key needs neither store nor service now: it may be done in a loop. */
bool kesd_keys_is_near(struct kesd_keys *keys, const char *name);

/*
 * Codes: REMOTE_E_EXISTS, REMOTE_E_NOT_FOUND, REMOTE_E_DATA (not authentic), REMOTE_E_UNSUPPORTED
 * (an algorithm, an HMAC), REMOTE_E_UNAVAILABLE and the like for store and service. `identity` is
 * who asks. One of several that create the same name at once succeeds, whatever the store.
 */
enum remote_rc kesd_keys_create(struct kesd_keys *keys, const char *name, const char *identity,
                                struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc kesd_keys_import(struct kesd_keys *keys, const char *name, const char *identity,
                                enum kesd_algorithm algorithm, struct remote_slice bytes,
                                struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc kesd_keys_describe(struct kesd_keys *keys, const char *name, struct kesd_info *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc kesd_keys_delete(struct kesd_keys *keys, const char *name, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Sorted names that begin with prefix, at most max; more: the name that would be next. */
struct kesd_names { /* owned */
    char **names;
    size_t count;
    char *more; /* NULL: no more */
};
enum remote_rc kesd_keys_list(struct kesd_keys *keys, const char *prefix, size_t max,
                              struct kesd_names *ret, struct remote_error *err) REMOTE_MUST_CHECK;
void kesd_names_clear(struct kesd_names *names);

/*
 * plain: KESD_KEY_LEN random bytes. A secret that the caller uses again and again, one for each
 * thread, spares the making of locked pages, which costs more than all the rest. ret, ret_sealed:
 * appended to.
 */
enum remote_rc kesd_keys_generate(struct kesd_keys *keys, const char *name,
                                  struct remote_slice context, struct remote_secret *ret_plain,
                                  struct remote_buf *ret_sealed, struct remote_error *err)
    REMOTE_MUST_CHECK;
enum remote_rc kesd_keys_encrypt(struct kesd_keys *keys, const char *name,
                                 struct remote_slice plain, struct remote_slice context,
                                 struct remote_buf *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
enum remote_rc kesd_keys_decrypt(struct kesd_keys *keys, const char *name,
                                 struct remote_slice sealed, struct remote_slice context,
                                 struct remote_secret *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
enum remote_rc kesd_keys_hmac(struct kesd_keys *keys, const char *name, struct remote_slice message,
                              unsigned char ret[KESD_KEY_LEN], struct remote_error *err)
    REMOTE_MUST_CHECK;

/* Whether the store can be reached; REMOTE_E_UNAVAILABLE and a sentence if not. *ret_ms: it took.
 */
enum remote_rc kesd_keys_probe(struct kesd_keys *keys, int64_t *ret_ms, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Forgets, and so wipes, keys whose time is over: about once a second. Does not block. */
void kesd_keys_tick(struct kesd_keys *keys);

#endif
