/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to all parties at once, in the calling thread. The backend's requests are sent
 * once each by the core; when to try a party again is decided here, for the rules are the
 * KMS's: the same bytes, whether it was throttled, had no result yet or was not there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/slot_private.h"
#include "zama_slot.h"

#define PAUSE_FIRST_MS 200
#define PAUSE_MAX_MS 5000

struct zama_fan *zama_fan_new(struct zama *zama, int64_t deadline_ms)
{
    struct zama_fan *fan = calloc(1, sizeof(*fan));

    if (fan == NULL)
        return NULL;
    fan->zama = zama;
    fan->deadline_ms = deadline_ms;
    fan->enough_ms = INT64_MAX;
    for (size_t i = 0; i < zama->count; i++) {
        fan->parts[i].fan = fan;
        fan->parts[i].party = &zama->parties[i];
        fan->parts[i].index = i;
    }
    fan->open = zama->count;
    return fan;
}

void zama_fan_free(struct zama_fan **fan)
{
    for (size_t i = 0; *fan != NULL && i < (*fan)->zama->count; i++) {
        struct zama_part *part = &(*fan)->parts[i];

        remote_call_clear(&part->call);
        zama_answer_clear(&part->answer);
        zama_ids_clear(&part->ids);
    }
    free(*fan);
    *fan = NULL;
}

static void begin_call(struct zama_part *part, int64_t delay_ms)
{
    struct zama_fan *fan = part->fan;
    int64_t now = remote_now_ms();

    remote_call_init(&part->call, fan->zama->base.slot, REMOTE_OP_DOCUMENT);
    remote_call_allow(&part->call, fan->deadline_ms - now);
    part->call.op.name = part->path;
    part->call.op.material = part->message;
    part->call.endpoint = (int)part->index;
    part->call.single_shot = true;
    part->call.start_ms = now + delay_ms;
}

void zama_part_ask(struct zama_part *part, const char *path, struct remote_slice message,
                   int64_t delay_ms)
{
    part->path = path;
    part->message = message;
    part->tries = 0;
    begin_call(part, delay_ms);
}

void zama_part_end(struct zama_part *part, enum remote_rc rc)
{
    part->ended = true;
    part->rc = rc;
    part->err.rc = rc;
    part->fan->open--;
}

static bool may_pass(enum remote_rc rc)
{
    return rc == REMOTE_E_BUSY || rc == REMOTE_E_UNAVAILABLE || rc == REMOTE_E_TIMEOUT;
}

static int64_t pause_ms(unsigned tries)
{
    int64_t pause = PAUSE_FIRST_MS;

    while (tries-- > 1 && pause < PAUSE_MAX_MS)
        pause *= 2;
    pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
    return pause / 2 + remote_exchange_jitter(pause / 2);
}

/* False: it is not worth another try, or there is no time for one. */
static bool try_again(struct zama_part *part, bool lasting)
{
    const struct zama_fan *fan = part->fan;
    int64_t pause = pause_ms(++part->tries);

    if (lasting || (fan->tries_max != 0 && part->tries >= fan->tries_max) ||
        remote_now_ms() + pause >= fan->deadline_ms)
        return false;
    remote_call_clear(&part->call);
    begin_call(part, pause);
    return true;
}

/* The core begins with the slot, which whoever hears of the whole fan says anyway. */
static void take_error(struct zama_part *part)
{
    const char *text = part->call.err.text;
    char slot[REMOTE_SLOT_NAME_MAX + 16];

    snprintf(slot, sizeof(slot), "slot '%s': ", part->fan->zama->base.slot->name);
    if (strncmp(text, slot, strlen(slot)) == 0)
        text += strlen(slot);
    REMOTE_FAIL(&part->err, part->call.rc, "party %u: %s", part->party->id, text);
    part->err.http_status = part->call.err.http_status;
}

/* A remote_exchange() `each`. */
static void ended(void *arg, struct remote_call *call)
{
    struct zama_part *part = (struct zama_part *)((char *)call - offsetof(struct zama_part, call));
    enum remote_rc rc = call->rc;

    (void)arg;
    if (rc != REMOTE_OK)
        take_error(part);
    if (may_pass(rc) && try_again(part, call->transfer.lasting))
        return;
    part->fan->take(part->fan, part, rc);
    if (part->ended)
        remote_call_clear(&part->call);
}

/* What it ran into before tells more than that it was not waited for. */
static void end_rest(struct zama_fan *fan)
{
    for (size_t i = 0; i < fan->zama->count; i++) {
        struct zama_part *part = &fan->parts[i];

        if (part->ended)
            continue;
        if (part->err.rc == REMOTE_OK && remote_now_ms() < fan->deadline_ms &&
            fan->enough_ms == INT64_MAX) /* no request could be made at all */
            take_error(part);
        else if (part->err.rc == REMOTE_OK)
            REMOTE_FAIL(&part->err, REMOTE_E_TIMEOUT, "party %u: no answer yet", part->party->id);
        zama_part_end(part, part->err.rc);
    }
}

void zama_fan_run(struct zama_fan *fan)
{
    struct remote_call *calls[ZAMA_SLOT_PARTIES_MAX];
    size_t count = fan->zama->count;

    for (size_t i = 0; i < count; i++)
        calls[i] = &fan->parts[i].call;
    remote_exchange_until(calls, count, count, ended, fan, &fan->enough_ms);
    end_rest(fan);
}

size_t zama_fan_count(const struct zama_fan *fan, enum remote_rc rc)
{
    size_t count = 0;

    for (size_t i = 0; i < fan->zama->count; i++)
        count += fan->parts[i].ended && fan->parts[i].rc == rc;
    return count;
}

/* That a party answered nonsense says more than that another is away, and that more than that a
 * third waits for those. */
static unsigned telling(const struct zama_part *part)
{
    if (part == NULL || part->rc == REMOTE_OK)
        return 0;
    if (!may_pass(part->rc))
        return 3;
    return part->rc == REMOTE_E_TIMEOUT ? 1 : 2;
}

static const struct zama_part *most_telling(const struct zama_fan *fan)
{
    const struct zama_part *why = NULL;

    for (size_t i = 0; i < fan->zama->count; i++)
        if (telling(&fan->parts[i]) > telling(why))
            why = &fan->parts[i];
    return why;
}

/* A single party's word about the request says nothing of it; that it is away does. */
static enum remote_rc told_as(enum remote_rc rc)
{
    return may_pass(rc) || rc == REMOTE_E_NOMEM || rc == REMOTE_E_CONFIG ? rc : REMOTE_E_PROTOCOL;
}

enum remote_rc zama_fan_fail(const struct zama_fan *fan, size_t got, const char *what,
                             struct remote_error *err)
{
    const struct zama_part *why = most_telling(fan);
    enum remote_rc rc = why != NULL ? told_as(why->rc) : REMOTE_E_PROTOCOL;

    REMOTE_FAIL(err, rc, "%zu of %zu parties %s where %u are needed%s%s", got, fan->zama->count,
                what, fan->zama->needed, why != NULL ? "; " : "", why != NULL ? why->err.text : "");
    if (err != NULL && why != NULL)
        err->http_status = why->err.http_status;
    return rc;
}
