/* SPDX-License-Identifier: Apache-2.0 */
/* Who keeps the keys: a store, with their bytes in use here (keys_kept.c), or a slot, whose service
 * uses them (keys_slot.c). The functions are those of keys.h. */
#ifndef KESD_KEYS_PRIVATE_H
#define KESD_KEYS_PRIVATE_H

#include "keys.h"
#include "making.h"
#include "store.h"

struct kesd_keys_ops {
    bool (*is_near)(struct kesd_keys *keys, const char *name);
    enum remote_rc (*create)(struct kesd_keys *keys, const char *name, const char *identity,
                             struct remote_error *err);
    enum remote_rc (*import)(struct kesd_keys *keys, const char *name, const char *identity,
                             enum kesd_algorithm algorithm, struct remote_slice bytes,
                             struct remote_error *err);
    enum remote_rc (*describe)(struct kesd_keys *keys, const char *name, struct kesd_info *ret,
                               struct remote_error *err);
    enum remote_rc (*remove)(struct kesd_keys *keys, const char *name, struct remote_error *err);
    /* All there are, in any order. */
    enum remote_rc (*list)(struct kesd_keys *keys, struct kesd_names *ret,
                           struct remote_error *err);
    enum remote_rc (*generate)(struct kesd_keys *keys, const char *name,
                               struct remote_slice context, struct remote_secret *ret_plain,
                               struct remote_buf *ret_sealed, struct remote_error *err);
    enum remote_rc (*encrypt)(struct kesd_keys *keys, const char *name, struct remote_slice plain,
                              struct remote_slice context, struct remote_buf *ret,
                              struct remote_error *err);
    enum remote_rc (*decrypt)(struct kesd_keys *keys, const char *name, struct remote_slice sealed,
                              struct remote_slice context, struct remote_secret *ret,
                              struct remote_error *err);
    enum remote_rc (*hmac)(struct kesd_keys *keys, const char *name, struct remote_slice message,
                           unsigned char ret[KESD_KEY_LEN], struct remote_error *err);
    enum remote_rc (*probe)(struct kesd_keys *keys, struct remote_error *err);
    void (*tick)(struct kesd_keys *keys); /* NULL: nothing to do */
    void (*close)(struct kesd_keys *keys);
};

struct kesd_keys { /* the struct of a kind begins with it */
    const struct kesd_keys_ops *ops;
    struct kesd_makings makings; /* keys.c */
};

enum remote_rc kesd_keys_open_kept(struct remote_core *core, const struct kesd_settings *settings,
                                   struct kesd_keys **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
enum remote_rc kesd_keys_open_slot(struct remote_core *core, const struct kesd_settings *settings,
                                   struct kesd_keys **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
