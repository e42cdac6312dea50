/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core instances and their slots. A core is one loaded configuration, keyed by its path and
 * counted by front end: the same path gives the same instance, so that a process which reaches
 * us by two routes shares connections, credentials and caches.
 *
 * Unless said otherwise, functions are called inside the guard, by any thread.
 */
#ifndef REMOTE_SLOT_H
#define REMOTE_SLOT_H

#include "config.h"
#include "key.h"
#include "local.h"

struct remote_core;
struct remote_slot;

/*
 * Loads (or shares) the configuration and opens its slots: reads the files that they name,
 * makes no request. named: see remote_config_path(). One remote_core_close() for each success.
 * REMOTE_E_CONFIG: no usable configuration. A broken slot does not fail this call.
 */
enum remote_rc remote_core_open(const char *named, struct remote_core **ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;
void remote_core_close(struct remote_core *core); /* NULL is fine; revokes nothing */
size_t remote_core_slot_count(const struct remote_core *core);
struct remote_slot *remote_core_slot(const struct remote_core *core, size_t index); /* borrowed */
struct remote_slot *remote_core_find_slot(const struct remote_core *core, const char *name);
const char *remote_core_source(const struct remote_core *core);

/* ---- facts, answered without the network; static while the core is open ---- */
const char *remote_slot_name(const struct remote_slot *slot);
const char *remote_slot_backend(const struct remote_slot *slot); /* "vault"; "" when unknown */
const struct remote_section *remote_slot_section(const struct remote_slot *slot);
/* REMOTE_OK: usable (token present). Else why it is broken, text for the operator. */
enum remote_rc remote_slot_status(const struct remote_slot *slot, struct remote_error *err);
bool remote_slot_needs_login(const struct remote_slot *slot); /* a `pin` option */
bool remote_slot_writable(const struct remote_slot *slot);    /* `allow` names something */
bool remote_slot_has_random(const struct remote_slot *slot);
/* what `allow` may name; bits */
enum remote_allow {
    REMOTE_ALLOW_GENERATE = 1u << 0,
    REMOTE_ALLOW_IMPORT = 1u << 1,
    REMOTE_ALLOW_ROTATE = 1u << 2,
    REMOTE_ALLOW_DESTROY = 1u << 3
};
bool remote_slot_allows(const struct remote_slot *slot, enum remote_allow what);
/* Whether the service could do this with some key of the row's type; the policy included. */
bool remote_slot_can(const struct remote_slot *slot, const struct remote_mechanism *row);
/* Whether session keys may be used with it, or made by it: only the policy is asked. */
bool remote_slot_can_here(const struct remote_slot *slot, const struct remote_mechanism *row);
/* Key sizes in bits that the service makes for this row's key type. */
void remote_slot_key_sizes(const struct remote_slot *slot, enum remote_key_type type,
                           unsigned *ret_min, unsigned *ret_max);
int64_t remote_slot_timeout_ms(const struct remote_slot *slot);
/* The HTTP status of the last failed request by this thread, for ulDeviceError; 0: none. */
int remote_slot_last_status(void);

/* ---- certificates, loaded with the slot ---- */
size_t remote_slot_cert_count(const struct remote_slot *slot);
const struct remote_cert *remote_slot_cert(const struct remote_slot *slot, size_t index);
bool remote_cert_matches(const struct remote_cert *cert, const struct remote_key *key);

/* ---- login with a PIN (slots with `pin`) ---- */
/*
 * Checks the PIN's form (REMOTE_E_PIN without a packet), then asks the service.
 * REMOTE_E_PIN: refused. REMOTE_E_USAGE: logged in already, or this slot takes no PIN.
 */
enum remote_rc remote_slot_login(struct remote_slot *slot, struct remote_slice pin,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
void remote_slot_logout(struct remote_slot *slot);    /* forgets it; revokes nothing */
bool remote_slot_logged_in(struct remote_slot *slot); /* true where no PIN is needed */

/* ---- finding keys ---- */
/*
 * The versions a name shows: the pinned one (design section 2), and with `versions = all` the
 * older ones behind it. label: NAME or NAME@vN. An unknown name is REMOTE_OK with an empty list.
 * One request at most, none when cached.
 */
enum remote_rc remote_slot_find_label(struct remote_slot *slot, const char *label,
                                      struct remote_key_list *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Exactly the version with this CKA_ID; cache, plain names, then one listing. */
enum remote_rc remote_slot_find_id(struct remote_slot *slot, struct remote_slice id,
                                   struct remote_key_list *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* progress may be NULL; called outside locks while a long listing is read. */
struct remote_progress {
    void (*step)(void *arg, size_t done, size_t total);
    void *arg;
};
enum remote_rc remote_slot_list(struct remote_slot *slot, const struct remote_progress *progress,
                                struct remote_key_list *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Label of a key as front ends show it: NAME, or NAME@vN when it is not the pinned version. */
void remote_slot_label(struct remote_slot *slot, const struct remote_key *key,
                       struct remote_buf *ret);
/* Forgets what is cached, so that the next look-up asks the service. */
void remote_slot_refresh(struct remote_slot *slot);

/* ---- the service itself ---- */
enum remote_rc remote_slot_random(struct remote_slot *slot, unsigned char *out, size_t len,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

struct remote_health { /* for `hsmbridge check` */
    char endpoint[256];
    enum remote_rc rc; /* reachability and credentials in err of the call */
    struct remote_error err;
    int64_t latency_us;    /* of the second request, on a warm connection */
    int64_t clock_skew_ms; /* server's Date minus ours; meaningful to a second */
    bool clock_known;
    char detail[128]; /* "Vault 1.21.4, active" */
};
/* One entry for each endpoint, at most max; *ret_count is set in any case. */
enum remote_rc remote_slot_health(struct remote_slot *slot, struct remote_health *ret, size_t max,
                                  size_t *ret_count, struct remote_error *err) REMOTE_MUST_CHECK;
/* Logs in (or proves the token) now. */
enum remote_rc remote_slot_prove(struct remote_slot *slot, struct remote_error *err)
    REMOTE_MUST_CHECK;

struct remote_stats { /* since the core was opened; for bench, metrics and tests */
    uint64_t requests, retries, connections, logins, batches, batched_items;
};
void remote_slot_stats(struct remote_slot *slot, struct remote_stats *ret);

#endif
