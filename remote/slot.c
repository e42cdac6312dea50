/* SPDX-License-Identifier: Apache-2.0 */
#include "slot.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "remote/net/exchange.h"
#include "slot_private.h"

#define CERT_FILES_MAX 1024
#define RANDOM_CHUNK 65536
#define SERVICE_CERTS_MAX 1024

static _Thread_local int last_status;

void remote_slot_note_status(int http_status)
{
    last_status = http_status;
}

int remote_slot_last_status(void)
{
    return last_status;
}

/* ---- open ---- */

static unsigned read_key_types(const struct remote_section *section)
{
    const char *const *words = remote_section_words(section, "key_types");
    unsigned types = 0;

    for (; *words != NULL; words++)
        for (int t = 0; t < REMOTE_KEY_TYPE_COUNT; t++)
            if (strcmp(*words, remote_key_type_name((enum remote_key_type)t)) == 0)
                types |= 1u << t;
    return types != 0 ? types : ~0u;
}

static unsigned read_allow(const struct remote_section *section)
{
    static const char *const words[] = { "generate", "import", "rotate", "destroy", "label" };
    unsigned allow = 0;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (remote_section_has_word(section, "allow", words[i]))
            allow |= 1u << i; /* as enum remote_allow counts */
    return remote_section_bool(section, "read_only", false) ? 0 : allow;
}

static void read_policy(struct remote_slot *slot)
{
    const struct remote_section *section = slot->section;
    struct remote_policy *policy = &slot->policy;

    policy->timeout_ms =
        (int64_t)remote_section_number(section, "timeout", (uint64_t)slot->ops->timeout_ms);
    policy->connect_timeout_ms = (int64_t)remote_section_number(section, "connect_timeout", 1000);
    policy->list_timeout_ms = (int64_t)remote_section_number(section, "list_timeout", 60000);
    policy->cache_ms = (int64_t)remote_section_number(section, "cache", 300000);
    policy->key_types = read_key_types(section);
    policy->all_versions = strcmp(remote_section_text(section, "versions", "latest"), "all") == 0;
    policy->decrypt_versions = (unsigned)remote_section_number(section, "decrypt_versions", 4);
    policy->allow = read_allow(section);
    policy->needs_pin = remote_section_has(section, "pin");
    policy->keys = remote_section_words(section, "keys");
    policy->mechanisms = remote_section_words(section, "mechanisms");
    policy->deny_mechanisms = remote_section_words(section, "deny_mechanisms");
}

static enum remote_rc check_mechanism_words(const struct remote_section *section,
                                            const char *option, struct remote_error *err)
{
    for (const char *const *words = remote_section_words(section, option); *words; words++)
        if (remote_mechanism_by_name(*words) == NULL)
            return remote_section_fail(section, option, err,
                                       "'%s' is no mechanism; 'hsmbridge mechanisms' lists them",
                                       *words);
    return REMOTE_OK;
}

static enum remote_rc check_pin(const struct remote_slot *slot, struct remote_error *err)
{
    const char *pin = remote_section_text(slot->section, "pin", NULL);
    const char *at = slot->ops->pins;
    size_t len = pin ? strlen(pin) : 0;

    if (pin == NULL)
        return REMOTE_OK;
    for (; at != NULL && *at != '\0'; at += strcspn(at, " "), at += *at == ' ')
        if (len > 0 && strcspn(at, " ") == len && strncmp(at, pin, len) == 0)
            return REMOTE_OK;
    return remote_section_fail(slot->section, "pin", err, "'%s' cannot be the PIN; use one of: %s",
                               pin, slot->ops->pins ? slot->ops->pins : "(none)");
}

static enum remote_rc load_certs_of(struct remote_slot *slot, const char *path,
                                    struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret pem = { 0 };
    size_t count = slot->cert_count;
    enum remote_rc rc;

    REMOTE_TRY(remote_file_read(path, REMOTE_FILE_PUBLIC, &pem, err));
    rc = remote_local_certs(path, remote_secret_slice(&pem), &slot->certs, &count, err);
    slot->cert_count = count;
    return rc;
}

/* A pattern that matches nothing is a fault: it names certificates that somebody expects. */
static enum remote_rc load_certs(struct remote_slot *slot, struct remote_error *err)
{
    for (const char *const *words = remote_section_words(slot->section, "certificates"); *words;
         words++) {
        glob_t found = { 0 };
        struct remote_error why = { 0 };
        enum remote_rc rc = REMOTE_OK;

        if (glob(*words, GLOB_ERR, NULL, &found) != 0 || found.gl_pathc == 0)
            rc = REMOTE_FAIL(&why, REMOTE_E_CONFIG, "no file '%s'", *words);
        else if (found.gl_pathc > CERT_FILES_MAX)
            rc = REMOTE_FAIL(&why, REMOTE_E_CONFIG, "'%s' matches more than %d files", *words,
                             CERT_FILES_MAX);
        for (size_t i = 0; rc == REMOTE_OK && i < found.gl_pathc; i++)
            rc = load_certs_of(slot, found.gl_pathv[i], &why);
        globfree(&found);
        if (rc != REMOTE_OK)
            return remote_section_fail(slot->section, "certificates", err, "%s", why.text);
    }
    return REMOTE_OK;
}

/* For what the service has; see slot_private.h. */
static enum remote_rc make_cert_room(struct remote_slot *slot, struct remote_error *err)
{
    size_t room = slot->cert_count + (slot->ops->keeps_certs ? SERVICE_CERTS_MAX : 0);
    struct remote_cert **longer;

    if (room > slot->cert_count) {
        longer = reallocarray(slot->certs, room, sizeof(struct remote_cert *));
        if (longer == NULL)
            return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        slot->certs = longer;
    }
    slot->cert_room = room;
    return REMOTE_OK;
}

static enum remote_rc find_backend(struct remote_slot *slot, struct remote_error *err)
{
    const char *name = remote_section_text(slot->section, "backend", NULL);

    if (name == NULL)
        return remote_section_fail(slot->section, "backend", err, "missing; use one of: %s",
                                   remote_backend_names());
    slot->ops = remote_backend_find(name);
    if (slot->ops == NULL)
        return remote_section_fail(slot->section, "backend", err,
                                   "'%s' is not in this build; use one of: %s", name,
                                   remote_backend_names());
    slot->transport = slot->ops->transport ? slot->ops->transport
                      : slot->ops->https   ? &remote_transport_http
                                           : NULL; /* it is reached by perform() */
    return REMOTE_OK;
}

static enum remote_rc open_slot(struct remote_slot *slot, struct remote_error *err)
{
    const struct remote_option *tables[4];
    size_t count = 0;

    REMOTE_TRY(remote_section_status(slot->section, err));
    REMOTE_TRY(find_backend(slot, err));
    tables[count++] = remote_options_slot;
    if (slot->ops->https)
        tables[count++] = remote_options_https;
    if (slot->ops->options != NULL)
        tables[count++] = slot->ops->options;
    tables[count] = NULL;
    REMOTE_TRY(remote_section_check(slot->section, tables, err));
    read_policy(slot);
    REMOTE_TRY(check_pin(slot, err));
    REMOTE_TRY(check_mechanism_words(slot->section, "mechanisms", err));
    REMOTE_TRY(check_mechanism_words(slot->section, "deny_mechanisms", err));
    REMOTE_TRY(load_certs(slot, err));
    REMOTE_TRY(make_cert_room(slot, err));
    if (slot->transport != NULL && slot->transport->open != NULL)
        REMOTE_TRY(slot->transport->open(slot, slot->section, err));
    REMOTE_TRY(slot->ops->open(slot, slot->section, &slot->conn, err));
    slot->conn->slot = slot;
    return REMOTE_OK;
}

struct remote_slot *remote_slot_open(struct remote_core *core, struct remote_section *section)
{
    struct remote_slot *slot = calloc(1, sizeof(*slot));
    struct remote_error err = { 0 };

    if (slot == NULL || (slot->name = strdup(remote_section_name(section))) == NULL) {
        free(slot);
        return NULL;
    }
    slot->core = core;
    slot->section = section;
    remote_lock_init(&slot->lock, REMOTE_LOCK_SLOT);
    remote_cond_init(&slot->lookup);
    remote_login_init(&slot->login);
    remote_cache_init(&slot->cache);
    remote_coalesce_init(&slot->coalesce);
    if (open_slot(slot, &err) != REMOTE_OK) {
        slot->broken = err;
        remote_log(REMOTE_LOG_ERROR, "slot '%s' is not usable: %s", slot->name, err.text);
    }
    return slot;
}

void remote_slot_close(struct remote_slot *slot)
{
    if (slot == NULL)
        return;
    remote_coalesce_clear(&slot->coalesce);
    remote_cache_clear(&slot->cache);
    remote_login_clear(&slot->login);
    if (slot->conn != NULL)
        slot->ops->close(slot->conn);
    if (slot->transport != NULL && slot->transport->close != NULL)
        slot->transport->close(slot);
    for (size_t i = 0; i < slot->cert_count; i++)
        remote_cert_free(slot->certs[i]);
    free(slot->certs);
    remote_cond_destroy(&slot->lookup);
    remote_lock_destroy(&slot->lock);
    free(slot->name);
    free(slot);
}

void remote_slot_trim(struct remote_slot *slot)
{
    if (slot->conn == NULL)
        return;
    if (slot->transport != NULL && slot->transport->trim != NULL)
        slot->transport->trim(slot);
    if (slot->ops->trim != NULL)
        slot->ops->trim(slot->conn);
}

/* ---- facts ---- */

const char *remote_slot_name(const struct remote_slot *slot)
{
    return slot->name;
}

size_t remote_slot_index(const struct remote_slot *slot)
{
    size_t index = 0;

    while (strcmp(remote_core_slot(slot->core, index)->name, slot->name) != 0)
        index++;
    return index;
}

const char *remote_slot_backend(const struct remote_slot *slot)
{
    return slot->ops ? slot->ops->name : "";
}

void remote_slot_describe(const struct remote_slot *slot, struct remote_buf *ret)
{
    if (slot->conn != NULL && slot->ops->describe != NULL)
        slot->ops->describe(slot->conn, ret);
}

const struct remote_section *remote_slot_section(const struct remote_slot *slot)
{
    return slot->section;
}

enum remote_rc remote_slot_status(const struct remote_slot *slot, struct remote_error *err)
{
    if (atomic_load_explicit(&slot->removed, memory_order_acquire))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "slot '%s' was removed from the configuration",
                           slot->name);
    if (slot->broken.rc != REMOTE_OK && err != NULL)
        *err = slot->broken;
    return slot->broken.rc;
}

bool remote_slot_needs_login(const struct remote_slot *slot)
{
    return slot->policy.needs_pin;
}

bool remote_slot_writable(const struct remote_slot *slot)
{
    return slot->policy.allow != 0;
}

bool remote_slot_allows(const struct remote_slot *slot, enum remote_allow what)
{
    return (slot->policy.allow & (unsigned)what) != 0;
}

bool remote_slot_makes_keys(const struct remote_slot *slot)
{
    return slot->ops == NULL || remote_backend_has_op(slot->ops, REMOTE_OP_GENERATE);
}

bool remote_slot_has_random(const struct remote_slot *slot)
{
    return slot->ops != NULL && remote_slot_serves(slot, REMOTE_OP_RANDOM);
}

bool remote_slot_serves(const struct remote_slot *slot, enum remote_op_kind kind)
{
    return remote_backend_has_op(slot->ops, kind) &&
           (slot->ops->serves == NULL || slot->conn == NULL || slot->ops->serves(slot->conn, kind));
}

int64_t remote_slot_timeout_ms(const struct remote_slot *slot)
{
    return slot->policy.timeout_ms;
}

static bool listed(const char *const *words, const struct remote_mechanism *row)
{
    for (; *words != NULL; words++) {
        const struct remote_mechanism *named = remote_mechanism_by_name(*words);

        if (named != NULL && named->ckm == row->ckm)
            return true;
    }
    return false;
}

static bool policy_has(const struct remote_slot *slot, const struct remote_mechanism *row)
{
    if (slot->broken.rc != REMOTE_OK || listed(slot->policy.deny_mechanisms, row))
        return false;
    return slot->policy.mechanisms[0] == NULL || listed(slot->policy.mechanisms, row);
}

static bool offers(const struct remote_slot *slot, const struct remote_mechanism *row)
{
    return slot->ops->offers == NULL || slot->ops->offers(slot->conn, row->alg, row->hash);
}

bool remote_slot_can(const struct remote_slot *slot, const struct remote_mechanism *row)
{
    return policy_has(slot, row) && (slot->policy.key_types >> row->key & 1u) != 0 &&
           (row->alg != REMOTE_ALG_KEY_GEN || remote_slot_allows(slot, REMOTE_ALLOW_GENERATE)) &&
           remote_backend_can(slot->ops, row) && offers(slot, row);
}

/* key_types is about the service's keys. */
bool remote_slot_can_here(const struct remote_slot *slot, const struct remote_mechanism *row)
{
    return (row->served & REMOTE_SERVED_HERE) != 0 && policy_has(slot, row);
}

void remote_slot_key_sizes(const struct remote_slot *slot, enum remote_key_type type,
                           unsigned *ret_min, unsigned *ret_max)
{
    *ret_min = slot->ops ? slot->ops->sizes[type].min : 0;
    *ret_max = slot->ops ? slot->ops->sizes[type].max : 0;
}

void remote_slot_stats(struct remote_slot *slot, struct remote_stats *ret)
{
    ret->requests = atomic_load(&slot->counters.requests);
    ret->retries = atomic_load(&slot->counters.retries);
    ret->connections = atomic_load(&slot->counters.connections);
    ret->logins = atomic_load(&slot->counters.logins);
    ret->batches = atomic_load(&slot->counters.batches);
    ret->batched_items = atomic_load(&slot->counters.batched_items);
    ret->missing_shares = atomic_load(&slot->counters.missing_shares);
}

/* ---- certificates ---- */

size_t remote_slot_cert_count(const struct remote_slot *slot)
{
    return slot->cert_count;
}

const struct remote_cert *remote_slot_cert(const struct remote_slot *slot, size_t index)
{
    return index < slot->cert_count ? slot->certs[index] : NULL;
}

size_t remote_slot_cert_room(const struct remote_slot *slot)
{
    return slot->cert_room;
}

bool remote_slot_finds_certs(const struct remote_slot *slot)
{
    return slot->conn != NULL && slot->ops->keeps_certs != NULL &&
           slot->ops->keeps_certs(slot->conn);
}

static bool has_cert(const struct remote_slot *slot, const struct remote_cert *cert)
{
    for (size_t i = 0; i < slot->cert_count; i++)
        if (remote_slice_equal(remote_buf_slice(&slot->certs[i]->der),
                               remote_buf_slice(&cert->der)))
            return true;
    return false;
}

void remote_slot_add_certs(struct remote_slot *slot, struct remote_cert **certs, size_t count)
{
    remote_lock_acquire(&slot->lock);
    for (size_t i = 0; i < count && slot->cert_count < slot->cert_room; i++) {
        if (has_cert(slot, certs[i]))
            continue;
        slot->certs[slot->cert_count] = certs[i];
        certs[i] = NULL;
        slot->cert_count++; /* last: a reader sees whole entries only */
    }
    remote_lock_release(&slot->lock);
}

bool remote_cert_matches(const struct remote_cert *cert, const struct remote_key *key)
{
    return key->spki.len > 0 && key->id_len == sizeof(cert->id) &&
           memcmp(cert->id, key->id, sizeof(cert->id)) == 0;
}

/* ---- login ---- */

/* *ret_proved: this PIN is in use already. Lock held; unref *ret_old without it. */
static enum remote_rc take_pin(struct remote_slot *slot, enum remote_login_holder holder,
                               struct remote_slice pin, bool *ret_proved,
                               struct remote_grant_ref **ret_old, struct remote_error *err)
{
    struct remote_login *login = &slot->login;

    if ((login->holders & holder & REMOTE_HOLDER_USER) != 0)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "slot '%s': logged in already", slot->name);
    *ret_proved = login->pin.data != NULL && remote_secret_equal(&login->pin, pin);
    if (!*ret_proved && (login->holders & ~(unsigned)holder) != 0)
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "slot '%s': another part of this process is logged in with another PIN",
                           slot->name);
    if (!*ret_proved) {
        REMOTE_TRY(remote_secret_set(&login->pin, pin.data, pin.len, err));
        *ret_old = remote_login_forget(login);
    }
    login->holders |= holder;
    return REMOTE_OK;
}

static void logout(struct remote_slot *slot, enum remote_login_holder holder)
{
    struct remote_grant_ref *old = NULL;
    bool last;

    remote_lock_acquire(&slot->lock);
    slot->login.holders &= ~(unsigned)holder;
    last = slot->login.holders == 0;
    if (last) {
        remote_secret_clear(&slot->login.pin);
        old = remote_login_forget(&slot->login);
    }
    remote_lock_release(&slot->lock);
    remote_grant_unref(old);
    if (last)
        remote_lookup_forget_released(slot);
}

void remote_slot_logout(struct remote_slot *slot)
{
    if (slot->policy.needs_pin)
        logout(slot, REMOTE_HOLDER_USER);
}

bool remote_slot_logged_in(struct remote_slot *slot)
{
    bool in;

    if (!slot->policy.needs_pin)
        return true;
    remote_lock_acquire(&slot->lock);
    in = slot->login.pin.data != NULL;
    remote_lock_release(&slot->lock);
    return in;
}

enum remote_rc remote_slot_login(struct remote_slot *slot, struct remote_slice pin,
                                 struct remote_error *err)
{
    return remote_slot_login_as(slot, REMOTE_HOLDER_USER, pin, err);
}

static enum remote_rc check_form(struct remote_slot *slot, struct remote_slice pin,
                                 struct remote_error *err)
{
    REMOTE_TRY(remote_slot_status(slot, err));
    if (!slot->policy.needs_pin)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "slot '%s' takes no PIN", slot->name);
    if (pin.len == 0 || (slot->ops->pin_fits != NULL && !slot->ops->pin_fits(slot->conn, pin)))
        return REMOTE_FAIL(err, REMOTE_E_PIN,
                           "slot '%s': the PIN is not of the form of this slot's credential (pin = "
                           "%s)",
                           slot->name, remote_section_text(slot->section, "pin", ""));
    return REMOTE_OK;
}

enum remote_rc remote_slot_login_as(struct remote_slot *slot, enum remote_login_holder holder,
                                    struct remote_slice pin, struct remote_error *err)
{
    struct remote_grant_ref *old = NULL;
    struct remote_error why = { 0 };
    bool proved = false;
    enum remote_rc rc;

    REMOTE_TRY(check_form(slot, pin, err));
    remote_lock_acquire(&slot->lock);
    rc = take_pin(slot, holder, pin, &proved, &old, err);
    remote_lock_release(&slot->lock);
    remote_grant_unref(old);
    if (rc != REMOTE_OK || proved)
        return rc;
    rc = remote_slot_prove(slot, &why);
    if (rc == REMOTE_OK)
        return REMOTE_OK;
    logout(slot, holder);
    if (rc == REMOTE_E_AUTH || rc == REMOTE_E_RIGHTS || rc == REMOTE_E_DATA)
        rc = why.rc = REMOTE_E_PIN;
    if (err != NULL)
        *err = why;
    return rc;
}

/* ---- the service ---- */

enum remote_rc remote_slot_prove(struct remote_slot *slot, struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(remote_slot_status(slot, err));
    if (!remote_backend_has_op(slot->ops, REMOTE_OP_PROVE))
        return REMOTE_OK;
    remote_call_init(&call, slot, REMOTE_OP_PROVE);
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    return rc == REMOTE_E_RIGHTS ? REMOTE_OK : rc; /* good, without the right to look at itself */
}

enum remote_rc remote_slot_random(struct remote_slot *slot, unsigned char *out, size_t len,
                                  struct remote_error *err)
{
    REMOTE_TRY(remote_slot_status(slot, err));
    while (len > 0) {
        struct remote_item item = { 0 };
        struct remote_call call;
        size_t most = slot->ops->random_max ? slot->ops->random_max : RANDOM_CHUNK;
        size_t chunk = len < most ? len : most;
        enum remote_rc rc;

        remote_call_init(&call, slot, REMOTE_OP_RANDOM);
        call.op.items = &item;
        call.op.item_count = 1;
        call.op.length = chunk;
        rc = remote_exchange_one(&call, err);
        if (rc == REMOTE_OK && item.out.len != chunk)
            rc = REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                             "slot '%s': %zu random bytes answered where %zu were asked",
                             slot->name, item.out.len, chunk);
        if (rc == REMOTE_OK)
            memcpy(out, item.out.data, chunk);
        remote_buf_clear(&item.out);
        remote_call_clear(&call);
        REMOTE_TRY(rc);
        out += chunk;
        len -= chunk;
    }
    return REMOTE_OK;
}

static void ask_health(struct remote_slot *slot, size_t index, const char *endpoint,
                       struct remote_health *ret)
{
    struct remote_call call;

    memset(ret, 0, sizeof(*ret));
    snprintf(ret->endpoint, sizeof(ret->endpoint), "%s", endpoint);
    for (int round = 0; round < 2; round++) { /* the first pays for the connection */
        struct timespec now;

        remote_call_init(&call, slot, REMOTE_OP_HEALTH);
        call.endpoint = (int)index;
        call.single_shot = true;
        ret->rc = remote_exchange_one(&call, &ret->err);
        clock_gettime(CLOCK_REALTIME, &now);
        ret->latency_us = call.latency_us;
        ret->clock_known = call.date > 0;
        /* Date has whole seconds: half of one is its expected remainder */
        ret->clock_skew_ms =
            call.date * 1000 + 500 - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
        snprintf(ret->detail, sizeof(ret->detail), "%s", call.op.detail);
        remote_call_clear(&call);
        if (ret->rc != REMOTE_OK)
            return;
    }
}

enum remote_rc remote_slot_health(struct remote_slot *slot, struct remote_health *ret, size_t max,
                                  size_t *ret_count, struct remote_error *err)
{
    *ret_count = 0;
    REMOTE_TRY(remote_slot_status(slot, err));
    if (!remote_backend_has_op(slot->ops, REMOTE_OP_HEALTH))
        return REMOTE_OK;
    if (slot->transport == NULL && max > 0) {
        ask_health(slot, 0, slot->ops->title, &ret[0]);
        *ret_count = 1;
    }
    for (size_t i = 0; i < slot->endpoints.count && i < max; i++) {
        ask_health(slot, i, slot->endpoints.list[i].url, &ret[i]);
        *ret_count = i + 1;
    }
    return REMOTE_OK;
}
