/* SPDX-License-Identifier: Apache-2.0 */
/* One operation over the members of a quorum, all at once, in the calling thread. */
#include <stdlib.h>
#include <string.h>

#include "quorum_slot.h"
#include "remote/log.h"
#include "remote/slot_private.h"

/* How long the fastest members may take before slower ones are asked as well. */
#define HEDGE_FACTOR 4
#define HEDGE_MIN_MS 100
#define HEDGE_FIRST_MS 500 /* nothing is known of them yet */
/* A member that failed is asked after the others for so long. */
#define FAILING_MS 30000
/* Sealing tries it all the same, but waits no longer when the others suffice. */
#define SPARE_MS 300
/* An opening that does not ask a member forgets this part of how slow it was. */
#define FORGET 256

#define TYPES (1u << REMOTE_KEY_AES | 1u << REMOTE_KEY_CHACHA20 | 1u << REMOTE_KEY_RSA)

static const struct remote_params how_params[] = {
    [REMOTE_QUORUM_AEAD] = { .alg = REMOTE_ALG_AEAD },
    [REMOTE_QUORUM_AES_GCM] = { .alg = REMOTE_ALG_AES_GCM, .tag_len = 16 },
    [REMOTE_QUORUM_OAEP_256] = { .alg = REMOTE_ALG_RSA_OAEP,
                                 .hash = REMOTE_HASH_SHA256,
                                 .mgf_hash = REMOTE_HASH_SHA256 },
    [REMOTE_QUORUM_OAEP_1] = { .alg = REMOTE_ALG_RSA_OAEP,
                               .hash = REMOTE_HASH_SHA1,
                               .mgf_hash = REMOTE_HASH_SHA1 },
};

/* ---- making and ending one ---- */

enum remote_rc quorum_fan_new(const struct quorum *quorum, enum quorum_fan_what what,
                              const struct remote_quorum_header *header, size_t room,
                              int64_t deadline_ms, struct remote_secret *memory,
                              struct quorum_fan **ret, struct remote_error *err)
{
    struct quorum_fan *fan;

    REMOTE_TRY(remote_secret_set(memory, NULL, sizeof(*fan) + room * sizeof(fan->parts[0]), err));
    fan = (struct quorum_fan *)(void *)memory->data; /* pages: aligned for anything */
    fan->quorum = quorum;
    fan->what = what;
    fan->header = header;
    fan->room = room;
    fan->deadline_ms = deadline_ms;
    fan->enough_ms = INT64_MAX;
    *ret = fan;
    return REMOTE_OK;
}

struct quorum_part *quorum_fan_add(struct quorum_fan *fan, struct quorum_member *member)
{
    struct quorum_part *part = &fan->parts[fan->count++];

    part->fan = fan;
    part->member = member;
    return part;
}

void quorum_fan_free(struct remote_secret *memory)
{
    struct quorum_fan *fan = (struct quorum_fan *)(void *)memory->data;

    for (size_t i = 0; fan != NULL && i < fan->count; i++) {
        struct quorum_part *part = &fan->parts[i];

        remote_call_clear(&part->call);
        remote_buf_clear(&part->item.out);
        remote_key_unref(part->key);
    }
    remote_secret_clear(memory);
}

/* ---- what is learnt of members ---- */

static bool is_failing(const struct quorum_member *member)
{
    return remote_now_ms() < atomic_load(&member->failing_until_ms);
}

/* Says so the first time. */
static void note_failing(const struct quorum_part *part)
{
    const struct quorum_member *member = part->member;

    if (atomic_exchange(&part->member->failing_until_ms, remote_now_ms() + FAILING_MS) == 0)
        remote_log(REMOTE_LOG_WARNING, "slot '%s': member '%s/%s': %s",
                   part->fan->quorum->base.slot->name, member->slot, member->key, part->err.text);
}

static void note_well(const struct quorum_part *part)
{
    if (atomic_exchange(&part->member->failing_until_ms, 0) != 0)
        remote_log(REMOTE_LOG_INFO, "slot '%s': member '%s/%s' answers again",
                   part->fan->quorum->base.slot->name, part->member->slot, part->member->key);
}

static void learn_latency(struct quorum_member *member, int64_t us)
{
    int64_t known = atomic_load(&member->latency_us);

    atomic_store(&member->latency_us, known == 0 ? us + 1 : (known * 3 + us) / 4 + 1);
}

/* Who was slow once is asked again some day. */
static void forget_latency(struct quorum_member *member)
{
    int64_t known = atomic_load(&member->latency_us);

    atomic_store(&member->latency_us, known - known / FORGET);
}

/* ---- how a part ends ---- */

static void part_done(struct quorum_part *part)
{
    struct quorum_fan *fan = part->fan;

    part->done = true;
    fan->done++;
    if (fan->done == fan->needed && fan->what != QUORUM_FAN_FIND)
        fan->enough_ms =
            remote_now_ms() + (fan->what == QUORUM_FAN_SEAL ? fan->hedge_ms : (int64_t)0);
    note_well(part);
}

static bool waits_its_turn(const struct quorum_part *part)
{
    return part->begun && part->call.state == REMOTE_CALL_WAITING && part->call.attempt == 0 &&
           part->call.start_ms > remote_now_ms();
}

/* The next member in line need not wait any longer. */
static void ask_next(struct quorum_fan *fan)
{
    for (size_t i = 0; i < fan->count; i++) {
        struct quorum_part *part = &fan->parts[i];

        if (waits_its_turn(part)) {
            part->call.start_ms = part->asked_ms = remote_now_ms();
            return;
        }
    }
}

/*
 * That it opened something else may be its lie, or the container's: said each time, and no word
 * about the member's health, for anybody can make a container.
 */
static void part_failed(struct quorum_part *part, enum remote_rc rc)
{
    part->err.rc = rc;
    if (rc == REMOTE_E_DATA)
        remote_log(REMOTE_LOG_WARNING, "slot '%s': member '%s/%s': %s",
                   part->fan->quorum->base.slot->name, part->member->slot, part->member->key,
                   part->err.text);
    else
        note_failing(part);
    ask_next(part->fan);
}

/* ---- the operation, once the member's key is known ---- */

/* A key may be for wrapping alone, which is the same operation. */
static enum remote_rc check_use(struct quorum_part *part, enum remote_quorum_how how,
                                enum remote_use data, enum remote_use keys)
{
    return remote_key_check(part->key, &how_params[how],
                            (part->key->uses & data) == 0 && (part->key->uses & keys) != 0 ? keys
                                                                                           : data,
                            &part->err);
}

/* The first way that this key, its policy and its service have both ways. */
static enum remote_rc choose_how(struct quorum_part *part)
{
    for (int i = REMOTE_QUORUM_AEAD; i <= REMOTE_QUORUM_OAEP_1; i++) {
        enum remote_quorum_how how = (enum remote_quorum_how)i;

        if (check_use(part, how, REMOTE_USE_ENCRYPT, REMOTE_USE_WRAP) != REMOTE_OK ||
            check_use(part, how, REMOTE_USE_DECRYPT, REMOTE_USE_UNWRAP) != REMOTE_OK)
            continue;
        part->how = how;
        part->err = (struct remote_error){ 0 };
        return REMOTE_OK;
    }
    return REMOTE_FAIL(&part->err, REMOTE_E_UNSUPPORTED,
                       "this key cannot both encrypt and decrypt");
}

/* Anybody can seal for an RSA key: such a member says nothing about who made a container. */
static enum remote_rc check_origin(struct quorum_part *part)
{
    if (part->key->type != REMOTE_KEY_RSA || part->fan->quorum->unauthenticated)
        return REMOTE_OK;
    return REMOTE_FAIL(&part->err, REMOTE_E_CONFIG,
                       "an RSA key, for which anybody can make a container; set "
                       "allow_unauthenticated = yes in slot '%s' if that is meant",
                       part->fan->quorum->base.slot->name);
}

/* Later members of an opening have as long as the first ones: until the slot's own deadline. */
static void init_call(struct quorum_part *part, enum remote_op_kind kind)
{
    struct quorum_fan *fan = part->fan;
    bool spare = fan->what == QUORUM_FAN_SEAL && is_failing(part->member) &&
                 fan->quorum->wrap_min < fan->count;
    int64_t now = remote_now_ms();
    int64_t limit = spare && now + SPARE_MS < fan->deadline_ms ? now + SPARE_MS : fan->deadline_ms;

    remote_call_init(&part->call, part->slot, kind);
    if (part->call.deadline_ms > limit || fan->what == QUORUM_FAN_OPEN)
        remote_call_allow(&part->call, limit - now);
    part->begun = true;
}

static void begin_operation(struct quorum_part *part, enum remote_op_kind kind)
{
    init_call(part, kind);
    part->item.in = kind == REMOTE_OP_ENCRYPT ? remote_slice(part->record, sizeof(part->record))
                                              : part->entry->sealed;
    part->call.op.key = part->key;
    part->call.op.params = how_params[part->how];
    part->call.op.items = &part->item;
    part->call.op.item_count = 1;
}

static enum remote_rc check_sealed(struct quorum_part *part)
{
    if (part->item.out.len > 0 && part->item.out.len <= REMOTE_QUORUM_SEALED_MAX)
        return REMOTE_OK;
    return REMOTE_FAIL(&part->err, REMOTE_E_PROTOCOL, "sealed a share into %zu bytes",
                       part->item.out.len);
}

static enum remote_rc seal_part(struct quorum_part *part)
{
    REMOTE_TRY(check_origin(part));
    REMOTE_TRY(choose_how(part));
    if (part->key->type != REMOTE_KEY_RSA && !part->key->released) {
        begin_operation(part, REMOTE_OP_ENCRYPT);
        return REMOTE_OK;
    }
    REMOTE_TRY(remote_key_encrypt(part->key, &how_params[part->how],
                                  remote_slice(part->record, sizeof(part->record)), &part->item.out,
                                  &part->err)); /* done here */
    REMOTE_TRY(check_sealed(part));
    part_done(part);
    return REMOTE_OK;
}

static enum remote_rc check_how(struct quorum_part *part)
{
    bool rsa = part->how == REMOTE_QUORUM_OAEP_256 || part->how == REMOTE_QUORUM_OAEP_1;

    if (rsa == (part->key->type == REMOTE_KEY_RSA))
        return REMOTE_OK;
    return REMOTE_FAIL(&part->err, REMOTE_E_DATA,
                       "its part is sealed in a way that is not its key's");
}

static enum remote_rc take_share(struct quorum_part *part)
{
    REMOTE_TRY(remote_quorum_share(part->fan->header, part->entry,
                                   remote_buf_slice(&part->item.out), &part->share, &part->err));
    part_done(part);
    return REMOTE_OK;
}

static enum remote_rc open_part(struct quorum_part *part)
{
    part->how = part->entry->how;
    REMOTE_TRY(check_origin(part));
    REMOTE_TRY(check_how(part));
    REMOTE_TRY(check_use(part, part->how, REMOTE_USE_DECRYPT, REMOTE_USE_UNWRAP));
    if (!part->key->released) {
        begin_operation(part, REMOTE_OP_DECRYPT);
        return REMOTE_OK;
    }
    REMOTE_TRY(remote_key_decrypt(part->key, &how_params[part->how], part->entry->sealed,
                                  &part->item.out, &part->err));
    return take_share(part);
}

static enum remote_rc go_on(struct quorum_part *part)
{
    if (part->fan->what == QUORUM_FAN_SEAL)
        return seal_part(part);
    if (part->fan->what == QUORUM_FAN_OPEN)
        return open_part(part);
    part_done(part);
    return REMOTE_OK;
}

/* ---- the member's key ---- */

static struct remote_key *known_version(const struct quorum_part *part, unsigned version,
                                        bool stale)
{
    return remote_lookup_cached(part->slot, part->member->key, version, TYPES, stale);
}

/*
 * Opening can do with what is known from long ago: the service will say if it is wrong. The
 * service's own form says itself which version sealed it; for the others it is worth a look at the
 * service when that version is not known here.
 */
static struct remote_key *known_key(const struct quorum_part *part)
{
    struct remote_key *key;

    if (part->fan->what == QUORUM_FAN_FIND)
        return NULL;
    if (part->fan->what == QUORUM_FAN_SEAL)
        return known_version(part, 0, false);
    key = known_version(part, part->entry->version, true);
    if (key == NULL && part->entry->how == REMOTE_QUORUM_AEAD)
        key = known_version(part, 0, true);
    return key;
}

/* What is wrong with another slot's configuration makes its member one that is away. */
static enum remote_rc find_slot(struct quorum_part *part)
{
    part->slot = remote_core_find_slot(part->fan->quorum->base.slot->core, part->member->slot);
    if (part->slot == NULL)
        return REMOTE_FAIL(&part->err, REMOTE_E_UNAVAILABLE, "there is no such slot");
    return remote_slot_status(part->slot, &part->err) == REMOTE_OK ? REMOTE_OK
                                                                   : REMOTE_E_UNAVAILABLE;
}

static void begin(struct quorum_part *part)
{
    enum remote_rc rc = find_slot(part);

    part->asked_ms = remote_now_ms();
    if (rc == REMOTE_OK)
        part->key = known_key(part);
    if (rc == REMOTE_OK && part->key != NULL)
        rc = go_on(part);
    else if (rc == REMOTE_OK) {
        init_call(part, REMOTE_OP_READ);
        part->call.op.name = part->member->key;
    }
    if (rc != REMOTE_OK)
        part_failed(part, rc);
}

/* A version that is gone, or a service that is away, may still do with what is known. */
static enum remote_rc after_read(struct quorum_part *part, enum remote_rc rc)
{
    if (rc == REMOTE_OK)
        remote_lookup_store(part->slot, &part->call);
    part->key = known_version(part, part->entry != NULL ? part->entry->version : 0, true);
    if (part->key == NULL)
        part->key = known_version(part, 0, true);
    if (part->key != NULL && (rc == REMOTE_OK || part->fan->what != QUORUM_FAN_FIND))
        return REMOTE_OK;
    if (rc != REMOTE_OK)
        return rc;
    return REMOTE_FAIL(&part->err, REMOTE_E_NOT_FOUND,
                       "it has no key of that name that encrypts and decrypts");
}

static enum remote_rc after_operation(struct quorum_part *part)
{
    learn_latency(part->member, part->call.latency_us);
    if (part->fan->what == QUORUM_FAN_OPEN)
        return take_share(part);
    REMOTE_TRY(check_sealed(part));
    part_done(part);
    return REMOTE_OK;
}

/* A remote_exchange() `each`. */
static void ended(void *arg, struct remote_call *call)
{
    struct quorum_part *part =
        (struct quorum_part *)((char *)call - offsetof(struct quorum_part, call));
    enum remote_rc rc = call->rc;

    (void)arg;
    part->err = call->err;
    if (call->op.kind == REMOTE_OP_READ) {
        rc = after_read(part, rc);
        remote_call_clear(call);
        if (rc == REMOTE_OK)
            rc = go_on(part); /* which may give the call new work */
    } else if (rc == REMOTE_OK) {
        rc = after_operation(part);
    } else if (rc == REMOTE_E_NOT_FOUND) {
        remote_lookup_forget(part->slot, part->member->key);
    }
    if (rc != REMOTE_OK)
        part_failed(part, rc);
}

/* ---- all of them ---- */

static bool goes_before(const struct quorum_part *a, const struct quorum_part *b)
{
    bool a_failing = is_failing(a->member), b_failing = is_failing(b->member);

    if (a_failing != b_failing)
        return b_failing;
    return atomic_load(&a->member->latency_us) < atomic_load(&b->member->latency_us);
}

/* Insertion: stable, so that what is not known yet is asked in the configuration's order. */
static void order(struct quorum_fan *fan)
{
    for (size_t i = 1; i < fan->count; i++)
        for (size_t j = i; j > 0 && goes_before(&fan->parts[j], &fan->parts[j - 1]); j--) {
            struct quorum_part earlier = fan->parts[j - 1];

            fan->parts[j - 1] = fan->parts[j];
            fan->parts[j] = earlier;
        }
}

/* By the slowest of those that are asked at once. */
static int64_t hedge_of(const struct quorum_fan *fan)
{
    size_t first = fan->what == QUORUM_FAN_OPEN ? fan->needed : fan->count;
    int64_t wait = HEDGE_MIN_MS, left = (fan->deadline_ms - remote_now_ms()) / 3;

    for (size_t i = 0; i < first; i++) {
        int64_t known = atomic_load(&fan->parts[i].member->latency_us);
        int64_t allowed = known == 0 ? HEDGE_FIRST_MS : HEDGE_FACTOR * known / 1000;

        wait = allowed > wait ? allowed : wait;
    }
    return wait < left ? wait : left;
}

/* As many more as are needed each time that it takes too long: all that were asked may be away. */
static void begin_all(struct quorum_fan *fan)
{
    bool choose = fan->what == QUORUM_FAN_OPEN && fan->needed < fan->count;
    size_t asked = 0;

    if (choose)
        order(fan);
    fan->hedge_ms = hedge_of(fan);
    for (size_t i = 0; i < fan->count; i++) {
        struct quorum_part *part = &fan->parts[i];
        int64_t rounds = choose ? (int64_t)(asked / fan->needed) : 0;

        begin(part);
        if (rounds > 0 && part->begun) {
            part->asked_ms += rounds * fan->hedge_ms;
            part->call.start_ms = part->asked_ms;
        }
        asked += part->begun || part->done;
    }
}

/* What the caller hears of a member's trouble; its own key is neither gone nor unfit. */
static enum remote_rc told_as(enum remote_rc rc)
{
    switch (rc) {
    case REMOTE_E_LENGTH: /* the sealed share's */
        return REMOTE_E_DATA;
    case REMOTE_E_NOT_FOUND:
    case REMOTE_E_FORBIDDEN_USE:
    case REMOTE_E_UNSUPPORTED:
    case REMOTE_E_PARAM:
    case REMOTE_E_USAGE:
        return REMOTE_E_UNAVAILABLE;
    default:
        return rc;
    }
}

/* That members are away says more than what the others answered. */
static enum remote_rc tell(struct quorum_fan *fan, struct remote_error *err)
{
    struct quorum_part *why = fan->parts;

    for (size_t i = 0; i < fan->count; i++) {
        struct quorum_part *part = &fan->parts[i];

        if (part->done)
            continue;
        if (part->err.rc == REMOTE_OK) /* no request could be made at all */
            part->err = part->call.err;
        if (why->done || told_as(why->err.rc) == REMOTE_E_DATA)
            why = part;
    }
    REMOTE_FAIL(err, told_as(why->err.rc),
                "%zu of %zu members answered where %zu are needed; '%s/%s': %s", fan->done,
                fan->count, fan->needed, why->member->slot, why->member->key, why->err.text);
    if (err != NULL)
        err->http_status = why->err.http_status;
    return told_as(why->err.rc);
}

/* One that held an opening up, and others answered in its place, is not waited for next time. */
static void judge_rest(struct quorum_fan *fan)
{
    int64_t now = remote_now_ms();

    for (size_t i = 0; i < fan->count; i++) {
        struct quorum_part *part = &fan->parts[i];

        if (part->done || part->err.rc != REMOTE_OK || !part->begun)
            continue;
        if (now >= part->asked_ms + fan->hedge_ms) {
            REMOTE_FAIL(&part->err, REMOTE_E_TIMEOUT, "no answer within %lld ms",
                        (long long)(now - part->asked_ms));
            note_failing(part);
        } else if (part->call.attempt == 0) {
            forget_latency(part->member);
        }
    }
}

enum remote_rc quorum_fan_run(struct quorum_fan *fan, struct remote_error *err)
{
    struct remote_call *calls[REMOTE_QUORUM_MEMBERS_MAX];
    size_t count = 0;

    if (fan->count < fan->needed)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "%zu of the %zu members that are needed have a part",
                           fan->count, fan->needed);
    begin_all(fan);
    for (size_t i = 0; i < fan->count; i++)
        if (fan->parts[i].begun && !fan->parts[i].done)
            calls[count++] = &fan->parts[i].call;
    if (count > 0)
        remote_exchange_until(calls, count, count, ended, fan, &fan->enough_ms);
    if (fan->done < fan->needed)
        return tell(fan, err);
    judge_rest(fan);
    return REMOTE_OK;
}
