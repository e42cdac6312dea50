/* SPDX-License-Identifier: Apache-2.0 */
/* What the core's own files know of a slot. Front ends see slot.h only. */
#ifndef REMOTE_SLOT_PRIVATE_H
#define REMOTE_SLOT_PRIVATE_H

#include "backend.h"
#include "cache.h"
#include "fork.h"
#include "login.h"
#include "remote/net/coalesce.h"
#include "remote/net/endpoint.h"
#include "remote/net/tls.h"
#include "remote/net/transport.h"
#include "slot.h"

struct remote_policy { /* from the slot's options; fixed at load */
    int64_t timeout_ms, connect_timeout_ms, list_timeout_ms, cache_ms;
    unsigned key_types; /* bits 1u << enum remote_key_type */
    bool all_versions;
    unsigned decrypt_versions;
    unsigned allow; /* enum remote_allow bits; 0 with read_only */
    bool needs_pin;
    const char *const *keys;       /* names and globs */
    const char *const *mechanisms; /* allow list; empty: all */
    const char *const *deny_mechanisms;
};

struct remote_counters {
    atomic_ullong requests, retries, connections, logins, batches, batched_items, missing_shares;
};

struct remote_http; /* http.c: idle units and options of the slot */

struct remote_slot {
    struct remote_core *core;
    char *name;
    struct remote_section *section;
    const struct remote_backend_ops *ops; /* NULL: backend unknown */
    const struct remote_transport *transport;
    struct remote_conn *conn;          /* NULL: broken */
    struct remote_error broken;        /* rc OK: usable */
    atomic_bool removed;               /* its section is gone from the configuration */
    struct remote_slot *next_replaced; /* core.c's list of those that others took the place of */
    struct remote_policy policy;
    /* Room is made at open, and entries are only added (under the lock), so that readers need none:
     * those of `certificates`, then what READ brought. */
    struct remote_cert **certs;
    size_t cert_room;
    atomic_size_t cert_count;
    struct remote_counters counters;

    struct remote_lock lock; /* REMOTE_LOCK_SLOT: login, cache, coalesce, lookup */
    struct remote_login login;
    struct remote_cache cache;
    struct remote_cond lookup; /* a read or a listing ended */
    bool listing;
    unsigned listing_generation;
    struct remote_coalesce coalesce;

    struct remote_endpoints endpoints; /* locks for itself */
    struct remote_tls tls;             /* locks for itself */
    struct remote_http *http;
};

/* core.c makes and ends slots; never fails but for memory: a fault is kept in slot->broken. */
struct remote_slot *remote_slot_open(struct remote_core *core, struct remote_section *section);
void remote_slot_close(struct remote_slot *slot);
/* Gives up its idle connections; whoever still uses the slot gets new ones. Under no lock. */
void remote_slot_trim(struct remote_slot *slot);

/* lookup.c: the other enabled versions of a key, newest first, from the cache alone. */
void remote_lookup_siblings(struct remote_slot *slot, const struct remote_key *key,
                            struct remote_key_list *ret);

/* lookup.c: what the service has under this name now, oldest version first; one request. */
enum remote_rc remote_lookup_read(struct remote_slot *slot, const char *name,
                                  struct remote_key_list *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* lookup.c: keeps what an OP_READ of op.name found. */
struct remote_call;
void remote_lookup_store(struct remote_slot *slot, struct remote_call *call);
/*
 * lookup.c: a version (0: the one that the name shows) of a key of one of `types` (bits), from the
 * cache alone. NULL: not known, or for so long that it wants to be read anew, unless `stale` will
 * do. One reference.
 */
struct remote_key *remote_lookup_cached(struct remote_slot *slot, const char *name,
                                        unsigned version, unsigned types, bool stale);
/* slot.c: keeps those that are not known yet, and takes them out of certs. No lock is held. */
void remote_slot_add_certs(struct remote_slot *slot, struct remote_cert **certs, size_t count);

/* Whether this slot's service has the operation, as far as that is known without asking it. */
bool remote_slot_serves(const struct remote_slot *slot, enum remote_op_kind kind);
/* lookup.c: the service says that the key is gone; the next look-up asks anew. */
void remote_lookup_forget(struct remote_slot *slot, const char *name);
/* Keys whose bytes may be here: they go with the login that brought them. */
void remote_lookup_forget_released(struct remote_slot *slot);

/* Sets the thread's last HTTP status for remote_slot_last_status(). */
void remote_slot_note_status(int http_status);

#endif
