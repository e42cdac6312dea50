/* SPDX-License-Identifier: Apache-2.0 */
/* What the core's own files know of a slot. Front ends see slot.h only. */
#ifndef REMOTE_SLOT_PRIVATE_H
#define REMOTE_SLOT_PRIVATE_H

#include "backend.h"
#include "cache.h"
#include "coalesce.h"
#include "endpoint.h"
#include "fork.h"
#include "login.h"
#include "slot.h"
#include "tls.h"
#include "transport.h"

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
    atomic_ullong requests, retries, connections, logins, batches, batched_items;
};

struct remote_http; /* http.c: idle units and options of the slot */

struct remote_slot {
    struct remote_core *core;
    char *name;
    struct remote_section *section;
    const struct remote_backend_ops *ops; /* NULL: backend unknown */
    const struct remote_transport *transport;
    struct remote_conn *conn;   /* NULL: broken */
    struct remote_error broken; /* rc OK: usable */
    struct remote_policy policy;
    struct remote_cert **certs;
    size_t cert_count;
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

/* lookup.c: the other enabled versions of a key, newest first, from the cache alone. */
void remote_lookup_siblings(struct remote_slot *slot, const struct remote_key *key,
                            struct remote_key_list *ret);

/* lookup.c: what the service has under this name now, oldest version first; one request. */
enum remote_rc remote_lookup_read(struct remote_slot *slot, const char *name,
                                  struct remote_key_list *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* lookup.c: the service says that the key is gone; the next look-up asks anew. */
void remote_lookup_forget(struct remote_slot *slot, const char *name);

/* Sets the thread's last HTTP status for remote_slot_last_status(). */
void remote_slot_note_status(int http_status);

#endif
