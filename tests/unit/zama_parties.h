/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parties of a zama slot in memory, with a clock that moves only by waiting: what each answers
 * to which request, and when. Programs that include it are linked with the wraps of meson.build; an
 * answer is "=" and the plaintext (authentic) or anything else (not), for what makes one authentic
 * has tests of its own.
 */
#ifndef TESTS_UNIT_ZAMA_PARTIES_H
#define TESTS_UNIT_ZAMA_PARTIES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libctx.h"
#include "remote/log.h"
#include "remote/slot_private.h"
#include "remote/zama/zama_slot.h"

#define STEPS_MAX 8
#define FLIGHTS_MAX 64
#define START_MS 1000000
#define HANGS INT64_MAX

#define KEY "6c34000000000000000000000000000000000000000000000000000000000001"
#define ADDRESS(n) "0x000000000000000000000000000000000000000" #n
#define DOMAIN_OPTIONS                                                                             \
    "domain_name = Authorization token\ndomain_version = 1\nchain_id = 8006\n"                     \
    "verifying_contract = 0x66f9664f97F2b50F62D13eA064982f936dE76657\n"
#define PARTY(n) "parties = " #n "@http://127.0.0.1:5010" #n "#" ADDRESS(n) "\n"
#define SLOT "[slot kms]\nbackend = zama\ninsecure_transport = yes\n"
#define CENTRALIZED SLOT DOMAIN_OPTIONS PARTY(1)
#define FOUR SLOT DOMAIN_OPTIONS PARTY(1) PARTY(2) PARTY(3) PARTY(4)

struct step {         /* what becomes of one request of a party */
    int64_t after_ms; /* HANGS: nothing */
    int status;       /* gRPC's; REMOTE_GRPC_NONE: no connection */
    const char *body; /* the message */
    size_t len;       /* of it; 0: a string */
};

static struct parties {
    struct step steps[ZAMA_SLOT_PARTIES_MAX][STEPS_MAX]; /* the last one goes on */
    size_t count[ZAMA_SLOT_PARTIES_MAX];
    size_t asked[ZAMA_SLOT_PARTIES_MAX];
    char paths[ZAMA_SLOT_PARTIES_MAX][STEPS_MAX * 4][32]; /* methods, in order */
    struct remote_buf request;                            /* the first of PublicDecrypt[Sync] */
    bool differed;                                        /* another one was not the same */
    size_t cancelled;
    int64_t now_ms;
    char log[1024]; /* warnings */
} parties;

/* ---- what ld puts in the place of the core's ---- */

int64_t __wrap_remote_now_ms(void);
void __wrap_remote_log(enum remote_log_level level, const char *fmt, ...) REMOTE_PRINTF(2, 3);
enum remote_rc __wrap_zama_answer_read(const struct zama_question *question, unsigned party,
                                       const struct zama_pin *pin, struct remote_slice message,
                                       struct zama_answer *ret, struct remote_error *err);
const struct remote_backend_ops *__wrap_remote_backend_find(const char *name);

int64_t __wrap_remote_now_ms(void)
{
    return parties.now_ms;
}

void __wrap_remote_log(enum remote_log_level level, const char *fmt, ...)
{
    size_t used = strlen(parties.log);
    va_list args;

    if (level > REMOTE_LOG_WARNING)
        return;
    va_start(args, fmt);
    vsnprintf(parties.log + used, sizeof(parties.log) - used, fmt, args);
    va_end(args);
}

enum remote_rc __wrap_zama_answer_read(const struct zama_question *question, unsigned party,
                                       const struct zama_pin *pin, struct remote_slice message,
                                       struct zama_answer *ret, struct remote_error *err)
{
    (void)question, (void)pin;
    if (message.len == 0 || message.data[0] != '=')
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "answer of party %u: forged", party);
    memset(ret->signature, (int)party, sizeof(ret->signature));
    ret->has_signature = true;
    return remote_secret_set(&ret->plaintexts, message.data + 1, message.len - 1, err);
}

/* ---- the transport ---- */

struct remote_unit {
    const struct remote_transport *transport;
    struct remote_transfer *flying[FLIGHTS_MAX];
    struct step step[FLIGHTS_MAX];
    int64_t ends_ms[FLIGHTS_MAX];
    size_t count;
};

static inline enum remote_rc unit_acquire(struct remote_slot *slot, struct remote_unit **ret,
                                          struct remote_error *err)
{
    (void)slot, (void)err;
    *ret = calloc(1, sizeof(**ret));
    return REMOTE_OK;
}

static inline void unit_release(struct remote_unit *unit)
{
    assert_int_equal(unit->count, 0);
    free(unit);
}

static inline void note_request(const struct remote_transfer *transfer)
{
    size_t party = transfer->endpoint, at = parties.asked[party]++;
    const char *path = (const char *)transfer->request->path.data;
    struct remote_slice body = remote_buf_slice(&transfer->request->body);

    assert_true(transfer->request->grpc);
    assert_int_equal(strncmp(path, ZAMA_SERVICE, strlen(ZAMA_SERVICE)), 0);
    path += strlen(ZAMA_SERVICE);
    if (at < ARRAY_SIZE(parties.paths[party]))
        snprintf(parties.paths[party][at], sizeof(parties.paths[party][at]), "%s", path);
    if (strncmp(path, "PublicDecrypt", 13) != 0)
        return;
    if (parties.request.len == 0)
        remote_buf_append(&parties.request, body.data, body.len);
    parties.differed =
        parties.differed || !remote_slice_equal(remote_buf_slice(&parties.request), body);
}

static inline enum remote_rc unit_start(struct remote_unit *unit, struct remote_transfer *transfer,
                                        struct remote_error *err)
{
    size_t party = transfer->endpoint, at = parties.asked[party];

    (void)err;
    assert_true(unit->count < FLIGHTS_MAX);
    assert_true(parties.count[party] > 0);
    note_request(transfer);
    at = at < parties.count[party] ? at : parties.count[party] - 1;
    unit->flying[unit->count] = transfer;
    unit->step[unit->count] = parties.steps[party][at];
    unit->ends_ms[unit->count] = unit->step[unit->count].after_ms == HANGS
                                     ? transfer->deadline_ms
                                     : parties.now_ms + unit->step[unit->count].after_ms;
    unit->count++;
    return REMOTE_OK;
}

static inline void forget(struct remote_unit *unit, size_t at)
{
    unit->count--;
    unit->flying[at] = unit->flying[unit->count];
    unit->step[at] = unit->step[unit->count];
    unit->ends_ms[at] = unit->ends_ms[unit->count];
}

static inline void unit_cancel(struct remote_unit *unit, struct remote_transfer *transfer)
{
    for (size_t i = 0; i < unit->count; i++)
        if (unit->flying[i] == transfer)
            forget(unit, i);
    parties.cancelled++;
}

static inline void append_frame(struct remote_buf *body, const struct step *step)
{
    size_t len = step->len > 0 || step->body == NULL ? step->len : strlen(step->body);
    unsigned char prefix[5] = { 0, 0, 0, (unsigned char)(len >> 8), (unsigned char)len };

    remote_buf_append(body, prefix, sizeof(prefix));
    remote_buf_append(body, step->body, len);
}

static inline struct remote_transfer *land(struct remote_unit *unit, size_t at)
{
    struct remote_transfer *transfer = unit->flying[at];
    struct step step = unit->step[at];

    forget(unit, at);
    transfer->sent = step.status != REMOTE_GRPC_NONE;
    transfer->status = 200;
    transfer->grpc_status = step.status;
    if (step.after_ms == HANGS)
        transfer->rc = REMOTE_FAIL(&transfer->err, REMOTE_E_TIMEOUT, "timed out");
    else if (step.status == REMOTE_GRPC_NONE)
        transfer->rc = REMOTE_FAIL(&transfer->err, REMOTE_E_UNAVAILABLE, "cannot connect");
    else if (step.status == REMOTE_GRPC_OK)
        append_frame(&transfer->body, &step);
    return transfer;
}

static inline struct remote_transfer *unit_wait(struct remote_unit *unit, int64_t until_ms)
{
    size_t next = 0;

    for (size_t i = 1; i < unit->count; i++)
        if (unit->ends_ms[i] < unit->ends_ms[next])
            next = i;
    if (unit->count > 0 && unit->ends_ms[next] <= until_ms) {
        if (unit->ends_ms[next] > parties.now_ms)
            parties.now_ms = unit->ends_ms[next];
        return land(unit, next);
    }
    assert_true(until_ms != INT64_MAX); /* it would wait for ever */
    if (until_ms > parties.now_ms)
        parties.now_ms = until_ms;
    return NULL;
}

static inline enum remote_rc transport_open(struct remote_slot *slot,
                                            const struct remote_section *section,
                                            struct remote_error *err)
{
    (void)section, (void)err;
    remote_endpoints_begin(&slot->endpoints);
    return REMOTE_OK;
}

static inline void transport_close(struct remote_slot *slot)
{
    remote_endpoints_close(&slot->endpoints);
}

extern const struct remote_backend_ops remote_backend_zama;

const struct remote_backend_ops *__wrap_remote_backend_find(const char *name)
{
    static const struct remote_transport transport = {
        .acquire = unit_acquire,
        .release = unit_release,
        .start = unit_start,
        .cancel = unit_cancel,
        .wait = unit_wait,
        .open = transport_open,
        .close = transport_close,
    };
    static struct remote_backend_ops ops;

    memcpy(&ops, &remote_backend_zama, sizeof(ops)); /* it has a member that is const */
    ops.transport = &transport;
    return strcmp(name, "zama") == 0 ? &ops : NULL;
}

/* ---- for the tests ---- */

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;

static inline int parties_setup(void **state)
{
    (void)state;
    memset(&parties, 0, sizeof(parties));
    parties.now_ms = START_MS;
    return remote_guard_enter(&guard, NULL) == REMOTE_OK ? 0 : -1;
}

static inline void close_slot(void)
{
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
}

static inline int parties_teardown(void **state)
{
    (void)state;
    close_slot();
    remote_buf_clear(&parties.request);
    remote_guard_leave(&guard);
    return 0;
}

/* Opens the one slot of this configuration, broken or not. */
static inline void open_slot(const char *text)
{
    struct remote_error err = { 0 };

    if (remote_config_parse("kms.conf", remote_slice_str(text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    slot = remote_slot_open(NULL, config.slots[0]);
    assert_non_null(slot);
}

/* What the party (1 and up) does next, behind what was said before. */
static inline void will(size_t party, int64_t after_ms, int status, const char *body)
{
    assert_true(parties.count[party - 1] < STEPS_MAX);
    parties.steps[party - 1][parties.count[party - 1]++] =
        (struct step){ after_ms, status, body, 0 };
}

static inline void all_will(int64_t after_ms, int status, const char *body)
{
    for (size_t party = 1; party <= slot->endpoints.count; party++)
        will(party, after_ms, status, body);
}

static inline void assert_asked(size_t party, size_t at, const char *method)
{
    assert_true(at < parties.asked[party - 1]);
    assert_string_equal(parties.paths[party - 1][at], method);
}

static inline void assert_says(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("'%s' does not say '%s'", text, what);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, parties_setup, parties_teardown)

#endif
