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

#include "key.h"
#include "remote/config/config.h"
#include "remote/local/local.h"

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
/*
 * The same where libcrypto and libcurl may be gone already, because the process is exiting: only
 * gives the count back. A core that nobody else holds stays as it is, reachable, until its path is
 * opened again, which ends it and loads anew. Outside the guard or inside; NULL is fine.
 */
void remote_core_release(struct remote_core *core);
/*
 * Slots, under no lock. An index stands for the same name as long as the core is open, the count
 * never falls, and what is borrowed is good until the core closes; but after a reload that changed
 * a slot's section its index has another slot, and one whose section is gone tells so by its
 * status, keys included. find_slot() does not find removed ones.
 */
size_t remote_core_slot_count(const struct remote_core *core);
struct remote_slot *remote_core_slot(const struct remote_core *core, size_t index); /* borrowed */
struct remote_slot *remote_core_find_slot(const struct remote_core *core, const char *name);
/*
 * Looks whether the configuration's files have changed, at most once a second unless `now`, and
 * takes over what they say: slots whose section is unchanged stay as they are, with connections,
 * cache and login; others come, change or go. Keys of a changed slot go on working with the slot
 * that they came from. Makes no request; files are read. REMOTE_E_CONFIG: what is on disk cannot
 * be used, and all stays as it was; this is logged once for each change.
 */
enum remote_rc remote_core_reload(struct remote_core *core, bool now, struct remote_error *err);
/* Another number once a reload has changed any slot. */
unsigned remote_core_generation(const struct remote_core *core);
const char *remote_core_source(const struct remote_core *core);

/* ---- facts, answered without the network; static while the core is open, save the status ---- */
const char *remote_slot_name(const struct remote_slot *slot);
size_t remote_slot_index(const struct remote_slot *slot);        /* in its core */
const char *remote_slot_backend(const struct remote_slot *slot); /* "vault"; "" when unknown */
/* Appends what else is known of the service, if anything: ", 4 parties" */
void remote_slot_describe(const struct remote_slot *slot, struct remote_buf *ret);
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
    REMOTE_ALLOW_DESTROY = 1u << 3,
    REMOTE_ALLOW_LABEL = 1u << 4
};
bool remote_slot_allows(const struct remote_slot *slot, enum remote_allow what);
/* Whether keys are made through its service's API at all, whoever may. */
bool remote_slot_makes_keys(const struct remote_slot *slot);
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

/* ---- certificates: loaded with the slot, or found at the service beside its keys ---- */
/* May grow with any look-up; what is there stays, under its index. */
size_t remote_slot_cert_count(const struct remote_slot *slot);
size_t remote_slot_cert_room(const struct remote_slot *slot); /* what it may grow to */
/* Whether looking for keys may bring certificates. */
bool remote_slot_finds_certs(const struct remote_slot *slot);
const struct remote_cert *remote_slot_cert(const struct remote_slot *slot, size_t index);
bool remote_cert_matches(const struct remote_cert *cert, const struct remote_key *key);

/* ---- login with a PIN (slots with `pin`) ---- */
/*
 * Checks the PIN's form (REMOTE_E_PIN without a packet), then asks the service.
 * REMOTE_E_PIN: refused. REMOTE_E_USAGE: logged in already, or this slot takes no PIN.
 *
 * Whoever gives a PIN holds it until logging out. A second holder has to give the same one, which
 * is compared here: it never uses what only the other was trusted with, and outlives the other's
 * logout. The provider may give its PIN as often as it likes, and a new one in its place.
 */
enum remote_login_holder {
    REMOTE_HOLDER_USER = 1 << 0,    /* C_Login, the CLI: remote_slot_login() */
    REMOTE_HOLDER_PROVIDER = 1 << 1 /* never logs out */
};
enum remote_rc remote_slot_login_as(struct remote_slot *slot, enum remote_login_holder holder,
                                    struct remote_slice pin, struct remote_error *err)
    REMOTE_MUST_CHECK;
enum remote_rc remote_slot_login(struct remote_slot *slot, struct remote_slice pin,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
void remote_slot_logout(struct remote_slot *slot);    /* forgets it; revokes nothing */
bool remote_slot_logged_in(struct remote_slot *slot); /* true where no PIN is needed */
/* How long the service's token is good for; INT64_MAX: none is held, or it does not expire. */
int64_t remote_slot_login_left_ms(struct remote_slot *slot);

/* ---- finding keys ---- */
/*
 * The versions a name shows: the pinned one (design section 2), and with `versions = all` the
 * older ones behind it. label: NAME or NAME@vN. An unknown name is REMOTE_OK with an empty list.
 * One request at most, none when cached.
 */
enum remote_rc remote_slot_find_label(struct remote_slot *slot, const char *label,
                                      struct remote_key_list *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/*
 * The same, but asks the service whatever is cached, and tells when it does not answer; what was
 * known then stays. name: without a version. ret_all: every version that the service has, oldest
 * first, as far as the slot shows the name at all.
 */
enum remote_rc remote_slot_read(struct remote_slot *slot, const char *name,
                                struct remote_key_list *ret, struct remote_key_list *ret_all,
                                struct remote_error *err) REMOTE_MUST_CHECK;
/* Whether a version with this CKA_ID is cached, however old: no request. */
bool remote_slot_knows_id(struct remote_slot *slot, struct remote_slice id);
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
/* Whether any endpoint answers and is well: one request to each until one is. */
enum remote_rc remote_slot_reach(struct remote_slot *slot, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Logs in (or proves the token) now. */
enum remote_rc remote_slot_prove(struct remote_slot *slot, struct remote_error *err)
    REMOTE_MUST_CHECK;

struct remote_stats { /* since the core was opened; for bench, metrics and tests */
    uint64_t requests, retries, connections, logins, batches, batched_items;
    uint64_t missing_shares; /* of members of a quorum that did not answer when it sealed */
};
void remote_slot_stats(struct remote_slot *slot, struct remote_stats *ret);

#endif
