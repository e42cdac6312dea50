/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public decryption: the same request to every party, and a vote. Every party answers with the
 * whole result; one is believed when enough of them gave it, each under its own pinned key
 * (kms-core, engine/validation_non_wasm.rs, but with the party's own key and without an end to
 * collecting at the first bad answer).
 */
#include <stdlib.h>
#include <string.h>

#include "remote/local/local.h"
#include "remote/log.h"
#include "remote/slot_private.h"
#include "zama_slot.h"

/* A party without PublicDecryptSync (before 0.14) is not asked for it again for so long. */
#define OLD_MS 600000
/* A result that a party does not know was lost with a restart: it is asked anew, so many times. */
#define SUBMITS_MAX 3
#define SUBMIT_PAUSE_MS 500
/* When there can be no result any more, but the others may yet say that it is the request's fault.
 */
#define CAUSE_MS 500

struct vote {
    struct zama_question question;
    struct zama_ciphertext ciphertext;
    struct remote_buf request, request_id; /* as they are sent */
    size_t agreed;                         /* the most that have given one result */
    const struct zama_part *winner;        /* one of those */
};

/* ---- what can be known before ---- */

static enum remote_rc check_proof(const struct zama *zama, const struct remote_fhe_params *fhe,
                                  struct remote_error *err)
{
    size_t max = zama_proof_max(zama);

    if (fhe->proof_len == NULL)
        return REMOTE_OK;
    if ((zama->schemes >> ZAMA_ECDSA256K1 & 1u) == 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "slot '%s': no proof without signing_schemes = ecdsa",
                           zama->base.slot->name);
    if (fhe->proof == NULL)
        *fhe->proof_len = max;
    else if (*fhe->proof_len < max)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "slot '%s': room for %lu bytes of proof where %zu may be needed",
                           zama->base.slot->name, *fhe->proof_len, max);
    return REMOTE_OK;
}

enum remote_rc zama_check(const struct remote_conn *conn, const struct remote_key *key,
                          const struct remote_params *params, struct remote_error *err)
{
    const struct remote_fhe_params *fhe = &params->fhe;

    (void)key;
    if (params->alg != REMOTE_ALG_FHE)
        return REMOTE_OK;
    if (zama_plaintext_len(fhe->type) == 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "FHE type %d: no answer about it can be signed; bool (0), uint8 (2) to "
                           "uint256 (8) can",
                           fhe->type);
    if (fhe->format != REMOTE_FHE_FORMAT_TOLD &&
        (fhe->format < ZAMA_SMALL_COMPRESSED || fhe->format > ZAMA_BIG_EXPANDED))
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "ciphertext format %d is none of 0 to 3",
                           fhe->format);
    if (params->iv.len > ZAMA_HANDLE_LEN)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "a handle of %zu bytes, where at most %d fit",
                           params->iv.len, ZAMA_HANDLE_LEN);
    return check_proof((const struct zama *)conn, fhe, err);
}

/* ---- the request ---- */

/* A handle that was used before makes old answers good again: docs/zama.md. */
static enum remote_rc make_handle(struct remote_slice given, uint8_t ret[ZAMA_HANDLE_LEN],
                                  struct remote_error *err)
{
    if (given.len == 0)
        return remote_local_random(ret, ZAMA_HANDLE_LEN, err);
    memset(ret, 0, ZAMA_HANDLE_LEN);
    memcpy(ret + ZAMA_HANDLE_LEN - given.len, given.data, given.len);
    return REMOTE_OK;
}

static enum remote_rc read_format(int told, struct remote_slice bytes, enum zama_format *ret,
                                  struct remote_error *err)
{
    if (told == REMOTE_FHE_FORMAT_TOLD && !zama_format_detect(bytes, ret))
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "the header of the ciphertext tells no format that is known");
    if (told != REMOTE_FHE_FORMAT_TOLD)
        *ret = (enum zama_format)told;
    return REMOTE_OK;
}

static enum remote_rc ask_question(const struct zama *zama, const struct remote_op *op,
                                   const struct remote_item *item, struct vote *vote,
                                   struct remote_error *err)
{
    struct zama_question *question = &vote->question;
    struct zama_ciphertext *ciphertext = &vote->ciphertext;

    *ciphertext = (struct zama_ciphertext){ .bytes = item->in, .fhe_type = op->params.fhe.type };
    REMOTE_TRY(read_format(op->params.fhe.format, item->in, &ciphertext->format, err));
    REMOTE_TRY(make_handle(op->params.iv, ciphertext->handle, err));
    REMOTE_TRY(remote_local_random(question->request_id, ZAMA_ID_LEN, err));
    memcpy(question->key_id, op->key->id, ZAMA_ID_LEN);
    memcpy(question->context_id, zama->context_id, ZAMA_ID_LEN);
    memcpy(question->epoch_id, zama->epoch_id, ZAMA_ID_LEN);
    question->domain = &zama->domain;
    question->extra_data = remote_slice(zama->extra_data, zama->extra_data_len);
    question->schemes = zama->schemes;
    question->ciphertexts = ciphertext;
    question->count = 1;
    REMOTE_TRY(zama_question_write(question, &vote->request, err));
    return zama_request_id_write(question->request_id, &vote->request_id, err);
}

static void ask(struct zama_part *part, enum zama_stage stage, int64_t delay_ms)
{
    static const char *const paths[] = {
        [ZAMA_STAGE_SYNC] = ZAMA_DECRYPT_SYNC,
        [ZAMA_STAGE_SUBMIT] = ZAMA_DECRYPT,
        [ZAMA_STAGE_RESULT] = ZAMA_DECRYPT_RESULT,
    };
    const struct vote *vote = part->fan->arg;

    part->stage = stage;
    part->submits += stage == ZAMA_STAGE_SUBMIT;
    zama_part_ask(part, paths[stage],
                  remote_buf_slice(stage == ZAMA_STAGE_RESULT ? &vote->request_id : &vote->request),
                  delay_ms);
}

/* ---- the vote ---- */

static bool agree(const struct zama_part *a, const struct zama_part *b)
{
    return a->ended && b->ended && a->rc == REMOTE_OK && b->rc == REMOTE_OK &&
           remote_slice_equal(remote_secret_slice(&a->answer.plaintexts),
                              remote_secret_slice(&b->answer.plaintexts));
}

static void count_vote(struct vote *vote, const struct zama_fan *fan, const struct zama_part *part)
{
    size_t count = 0;

    for (size_t i = 0; i < fan->zama->count; i++)
        count += agree(&fan->parts[i], part);
    if (count > vote->agreed) {
        vote->agreed = count;
        vote->winner = part;
    }
}

/* What says something of the request when so many parties say it that one of them is honest and
 * nothing can come of the others: n - t. */
static bool blames_request(enum remote_rc rc)
{
    return rc == REMOTE_E_DATA || rc == REMOTE_E_NOT_FOUND || rc == REMOTE_E_PARAM ||
           rc == REMOTE_E_LENGTH || rc == REMOTE_E_RIGHTS;
}

static size_t blame_needed(const struct zama *zama)
{
    return zama->count - zama->threshold;
}

/* The parties' common verdict on the request; REMOTE_OK: there is none. */
static enum remote_rc common_verdict(const struct zama_fan *fan)
{
    for (size_t i = 0; i < fan->zama->count; i++) {
        enum remote_rc rc = fan->parts[i].rc;

        if (blames_request(rc) && zama_fan_count(fan, rc) >= blame_needed(fan->zama))
            return rc;
    }
    return REMOTE_OK;
}

static bool verdict_may_come(const struct zama_fan *fan)
{
    if (common_verdict(fan) != REMOTE_OK)
        return false;
    for (size_t i = 0; i < fan->zama->count; i++) {
        enum remote_rc rc = fan->parts[i].rc;

        if (blames_request(rc) && zama_fan_count(fan, rc) + fan->open >= blame_needed(fan->zama))
            return true;
    }
    return false;
}

/* Whether there is anything left to wait for. */
static void look(struct zama_fan *fan)
{
    const struct vote *vote = fan->arg;

    if (vote->agreed >= fan->zama->needed)
        fan->enough_ms = 0;
    else if (vote->agreed + fan->open >= fan->zama->needed)
        return;
    else if (!verdict_may_come(fan))
        fan->enough_ms = 0;
    else if (fan->enough_ms == INT64_MAX)
        fan->enough_ms = remote_now_ms() + CAUSE_MS;
}

/* ---- what a party answers ---- */

static void judge(struct zama_fan *fan, struct zama_part *part)
{
    struct vote *vote = fan->arg;
    enum remote_rc rc =
        zama_answer_read(&vote->question, part->party->id, &part->party->pin,
                         remote_buf_slice(&part->call.op.answer), &part->answer, &part->err);

    zama_part_end(part, rc);
    if (rc != REMOTE_OK) {
        remote_log(REMOTE_LOG_WARNING, "slot '%s': %s", fan->zama->base.slot->name, part->err.text);
        return;
    }
    zama_learn(fan->zama, part->party, &part->answer);
    count_vote(vote, fan, part);
}

static bool is_old(const struct zama_party *party)
{
    return remote_now_ms() < atomic_load(&party->old_until_ms);
}

static void note_old(const struct zama_part *part)
{
    struct zama_party *party = part->party;

    if (atomic_exchange(&party->old_until_ms, remote_now_ms() + OLD_MS) == 0)
        remote_log(REMOTE_LOG_INFO, "slot '%s': party %u has no PublicDecryptSync; it is polled",
                   part->fan->zama->base.slot->name, party->id);
}

/* False: the party has failed. */
static bool go_on(struct zama_part *part, enum remote_rc rc)
{
    if (part->stage == ZAMA_STAGE_SYNC && rc == REMOTE_E_UNSUPPORTED) {
        note_old(part);
        ask(part, ZAMA_STAGE_SUBMIT, 0);
    } else if (part->stage != ZAMA_STAGE_RESULT && rc == REMOTE_E_EXISTS) {
        ask(part, ZAMA_STAGE_RESULT, 0); /* an attempt that we heard nothing of has reached it */
    } else if (part->stage == ZAMA_STAGE_RESULT && rc == REMOTE_E_NOT_FOUND &&
               part->submits < SUBMITS_MAX) {
        ask(part, ZAMA_STAGE_SUBMIT, SUBMIT_PAUSE_MS);
    } else {
        return false;
    }
    return true;
}

static void take(struct zama_fan *fan, struct zama_part *part, enum remote_rc rc)
{
    if (rc == REMOTE_OK && part->stage != ZAMA_STAGE_SUBMIT) {
        judge(fan, part);
    } else if (rc == REMOTE_OK) {
        remote_call_clear(&part->call);
        ask(part, ZAMA_STAGE_RESULT, 0);
    } else if (!go_on(part, rc)) {
        zama_part_end(part, rc);
    }
    look(fan);
}

/* ---- the end ---- */

/* Evidence of a party that lies, or computes wrongly: said each time. */
static void log_disagreement(const struct zama_fan *fan, const struct vote *vote)
{
    for (size_t i = 0; i < fan->zama->count; i++) {
        const struct zama_part *part = &fan->parts[i];

        if (part->rc == REMOTE_OK && !agree(part, vote->winner))
            remote_log(REMOTE_LOG_WARNING,
                       "slot '%s': party %u gives, under its own signature, another result than "
                       "%zu others",
                       fan->zama->base.slot->name, part->party->id, vote->agreed);
    }
}

static enum remote_rc deliver(const struct zama_fan *fan, const struct vote *vote,
                              const struct remote_params *params, struct remote_item *item,
                              struct remote_error *err)
{
    const struct zama_answer *answers[ZAMA_SLOT_PARTIES_MAX];
    struct remote_slice plain = remote_secret_slice(&vote->winner->answer.plaintexts);
    size_t count = 0;

    for (size_t i = 0; i < fan->zama->count; i++)
        if (agree(&fan->parts[i], vote->winner))
            answers[count++] = &fan->parts[i].answer;
    remote_buf_append(&item->out, plain.data, plain.len);
    REMOTE_TRY(remote_buf_check(&item->out, err));
    zama_proof_write(fan->zama, vote->ciphertext.handle, answers, count, &params->fhe);
    return REMOTE_OK;
}

/* NOT_FOUND is said of an unknown key, context or epoch, and before there is any. */
static enum remote_rc explain_not_found(struct zama *zama, const struct vote *vote,
                                        int64_t deadline_ms, struct remote_error *err)
{
    REMOTE_TRY(zama_has_key(zama, vote->question.key_id, deadline_ms, err));
    return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE,
                       "the parties have this key, but not the slot's context_id or epoch_id, or "
                       "they are not initialized");
}

static enum remote_rc fail(const struct zama_fan *fan, const struct vote *vote,
                           struct remote_error *err)
{
    enum remote_rc rc = common_verdict(fan);

    if (rc == REMOTE_E_NOT_FOUND)
        return explain_not_found(fan->zama, vote, fan->deadline_ms, err);
    if (rc == REMOTE_OK)
        return zama_fan_fail(fan, vote->agreed, "agree", err);
    REMOTE_FAIL(err, rc, "%zu of %zu parties refuse the request (%s)", zama_fan_count(fan, rc),
                fan->zama->count, remote_rc_name(rc));
    if (rc == REMOTE_E_DATA) /* programs hear of all causes in the same words */
        remote_log(REMOTE_LOG_WARNING,
                   "slot '%s': the parties cannot decrypt this: not a ciphertext under this key, "
                   "or of another type or format than was said",
                   fan->zama->base.slot->name);
    return rc;
}

static enum remote_rc run(struct zama_fan *fan, struct vote *vote,
                          const struct remote_params *params, struct remote_item *item,
                          struct remote_error *err)
{
    fan->take = take;
    fan->arg = vote;
    for (size_t i = 0; i < fan->zama->count; i++)
        ask(&fan->parts[i], is_old(fan->parts[i].party) ? ZAMA_STAGE_SUBMIT : ZAMA_STAGE_SYNC, 0);
    zama_fan_run(fan);
    if (vote->winner != NULL)
        log_disagreement(fan, vote);
    return vote->agreed >= fan->zama->needed ? deliver(fan, vote, params, item, err)
                                             : fail(fan, vote, err);
}

enum remote_rc zama_decrypt(struct zama *zama, const struct remote_op *op, struct remote_item *item,
                            int64_t deadline_ms, struct remote_error *err)
{
    CLEANUP(zama_fan_free) struct zama_fan *fan = zama_fan_new(zama, deadline_ms);
    struct vote vote = { 0 };
    enum remote_rc rc;

    if (fan == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = ask_question(zama, op, item, &vote, err);
    if (rc == REMOTE_OK)
        rc = run(fan, &vote, &op->params, item, err);
    remote_buf_clear(&vote.request);
    remote_buf_clear(&vote.request_id);
    return rc;
}
