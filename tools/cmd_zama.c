/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to do with Zama's threshold KMS beyond what all services have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "encode.h"
#include "fail.h"
#include "io.h"
#include "output.h"
#include "remote/zama/zama_admin.h"
#include "target.h"

static int open_slot(const struct tools_args *args, struct tools_target *ret)
{
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_target_slot(args, ret));
    return zama_admin_check(ret->slot, &err) == REMOTE_OK ? TOOLS_OK : tools_fail_core(&err);
}

/* ---- health ---- */

struct report {
    const struct tools_args *args;
    struct tools_table table;
    json_t *list; /* --json */
};

static int print(struct report *report)
{
    return report->args->json ? tools_json_print(report->args, json_incref(report->list))
                              : tools_table_print(&report->table);
}

static void add_health(struct report *report, unsigned party, const struct remote_health *health)
{
    bool well = health->rc == REMOTE_OK;
    char id[16], latency[32];

    snprintf(id, sizeof(id), "%u", party);
    snprintf(latency, sizeof(latency), "%.1f ms", (double)health->latency_us / 1000.0);
    if (report->args->json)
        json_array_append_new(report->list,
                              json_pack("{s:i,s:s,s:b,s:s,s:f}", "party", (int)party, "url",
                                        health->endpoint, "well", well, "detail",
                                        well ? health->detail : health->err.text, "latency_ms",
                                        (double)health->latency_us / 1000.0));
    else
        TOOLS_TABLE_ROW(&report->table, id, health->endpoint, well ? "well" : "FAILS",
                        well ? latency : NULL, well ? health->detail : health->err.text);
}

static int tell_health(struct report *report, struct remote_slot *slot,
                       const struct remote_health *health, size_t count)
{
    size_t well = 0;

    if (!report->args->json)
        TOOLS_TABLE_ROW(&report->table, "PARTY", "URL", "STATE", "LATENCY", "DETAIL");
    for (size_t i = 0; i < count; i++) {
        add_health(report, zama_admin_party_id(slot, i), &health[i]);
        well += health[i].rc == REMOTE_OK;
    }
    TOOLS_TRY(print(report));
    if (well >= zama_admin_needed(slot))
        return TOOLS_OK;
    return tools_fail(TOOLS_UNREACHABLE, "%zu of %zu parties are well where %u are needed", well,
                      count, zama_admin_needed(slot));
}

static int run_health(struct report *report)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    struct remote_error err = { 0 };
    struct remote_health *health;
    size_t count = 0, parties;
    int code;

    TOOLS_TRY(open_slot(report->args, &target));
    parties = zama_admin_parties(target.slot);
    health = calloc(parties, sizeof(*health));
    if (health == NULL)
        return tools_fail(TOOLS_FAILED, "out of memory");
    if (remote_slot_health(target.slot, health, parties, &count, &err) == REMOTE_OK)
        code = tell_health(report, target.slot, health, count);
    else
        code = tools_fail_core(&err);
    free(health);
    return code;
}

/* ---- keys ---- */

static size_t count_reports(const struct zama_ids *ids, size_t parties, const uint8_t *id)
{
    size_t count = 0;

    for (size_t p = 0; p < parties; p++)
        for (size_t i = 0; i < ids[p].count; i++)
            if (memcmp(ids[p].ids[i], id, ZAMA_ID_LEN) == 0) {
                count++;
                break;
            }
    return count;
}

static void add_key(struct report *report, const uint8_t *id, size_t reports, bool shown)
{
    char name[2 * ZAMA_ID_LEN + 1], count[24];

    zama_id_format(id, name);
    snprintf(count, sizeof(count), "%zu", reports);
    if (report->args->json)
        json_array_append_new(report->list, json_pack("{s:s,s:I,s:b}", "id", name, "parties",
                                                      (json_int_t)reports, "usable", shown));
    else
        TOOLS_TABLE_ROW(&report->table, name, count, shown ? "yes" : "no");
}

static int tell_keys(struct report *report, const struct remote_slot *slot,
                     const struct zama_ids *ids)
{
    size_t parties = zama_admin_parties(slot);

    if (!report->args->json)
        TOOLS_TABLE_ROW(&report->table, "FHE KEY", "PARTIES", "USABLE");
    for (size_t p = 0; p < parties; p++)
        for (size_t i = 0; i < ids[p].count; i++) {
            size_t reports = count_reports(ids, parties, ids[p].ids[i]);

            if (count_reports(ids, p, ids[p].ids[i]) == 0) /* else told before */
                add_key(report, ids[p].ids[i], reports, reports >= zama_admin_needed(slot));
        }
    return print(report);
}

/* One that does not answer is said on stderr, and hides nothing of the others. */
static int ask_keys(struct report *report, struct remote_slot *slot, struct zama_ids *ids)
{
    size_t parties = zama_admin_parties(slot);
    int first = TOOLS_OK;

    for (size_t p = 0; p < parties; p++) {
        struct remote_error err = { 0 };
        int code;

        if (zama_admin_keys(slot, p, &ids[p], &err) == REMOTE_OK)
            continue;
        remote_error_prefix(&err, "party %u", zama_admin_party_id(slot, p));
        code = tools_fail_core(&err);
        first = first == TOOLS_OK ? code : first;
    }
    TOOLS_TRY(tell_keys(report, slot, ids));
    return first;
}

static int run_keys(struct report *report)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    struct zama_ids *ids;
    int code;

    TOOLS_TRY(open_slot(report->args, &target));
    ids = calloc(zama_admin_parties(target.slot), sizeof(*ids));
    if (ids == NULL)
        return tools_fail(TOOLS_FAILED, "out of memory");
    code = ask_keys(report, target.slot, ids);
    for (size_t p = 0; p < zama_admin_parties(target.slot); p++)
        zama_ids_clear(&ids[p]);
    free(ids);
    return code;
}

/* ---- decrypt ---- */

static int read_format(const char *word, int *ret)
{
    static const char *const words[] = {
        [ZAMA_SMALL_COMPRESSED] = "small-compressed",
        [ZAMA_SMALL_EXPANDED] = "small-expanded",
        [ZAMA_BIG_COMPRESSED] = "big-compressed",
        [ZAMA_BIG_EXPANDED] = "big-expanded",
    };

    *ret = REMOTE_FHE_FORMAT_TOLD;
    for (size_t i = 0; word != NULL && i < ARRAY_SIZE(words); i++)
        if (strcmp(word, words[i]) == 0)
            *ret = (int)i;
    if (word == NULL || *ret != REMOTE_FHE_FORMAT_TOLD)
        return TOOLS_OK;
    return tools_fail(TOOLS_USAGE,
                      "--format '%s' is none of small-compressed, small-expanded, big-compressed, "
                      "big-expanded",
                      word);
}

static int read_handle(const char *hex, struct remote_buf *ret)
{
    if (hex == NULL)
        return TOOLS_OK;
    hex += strncmp(hex, "0x", 2) == 0 ? 2 : 0;
    if (!remote_hex_decode(remote_slice_str(hex), ret) || ret->len == 0 ||
        ret->len > ZAMA_HANDLE_LEN)
        return tools_fail(TOOLS_USAGE, "--handle '%s' is not the hex digits of 1 to %d bytes", hex,
                          ZAMA_HANDLE_LEN);
    return TOOLS_OK;
}

static int read_params(const struct tools_args *args, struct remote_buf *handle,
                       struct remote_params *ret)
{
    *ret = (struct remote_params){ .alg = REMOTE_ALG_FHE };
    if (args->type == NULL)
        return tools_fail(TOOLS_USAGE, "--type is missing; it says what is encrypted: bool, uint8, "
                                       "... uint256");
    ret->fhe.type = zama_fhe_type_parse(args->type);
    if (ret->fhe.type < 0 || zama_plaintext_len(ret->fhe.type) == 0)
        return tools_fail(TOOLS_USAGE,
                          "--type '%s' is none of bool, uint8, uint16, uint32, uint64, "
                          "uint128, uint160, uint256",
                          args->type);
    TOOLS_TRY(read_format(args->format, &ret->fhe.format));
    TOOLS_TRY(read_handle(args->handle, handle));
    ret->iv = remote_buf_slice(handle);
    return TOOLS_OK;
}

/* With room for the proof where one is wanted. */
static int decrypt(const struct tools_args *args, const struct tools_target *target,
                   const struct remote_params *given, struct remote_buf *ret_plain,
                   struct remote_buf *ret_proof)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_params params = *given;
    struct remote_error err = { 0 };
    unsigned long len = zama_admin_proof_max(target->slot);

    if (args->signatures != NULL) {
        params.fhe.proof_len = &len;
        params.fhe.proof = remote_buf_reserve(ret_proof, len);
        if (params.fhe.proof == NULL)
            return tools_fail(TOOLS_FAILED, "out of memory");
    }
    TOOLS_TRY(tools_io_read_decoded(args, args->in, &sealed));
    if (remote_key_decrypt(target->key, &params, remote_buf_slice(&sealed), ret_plain, &err) !=
        REMOTE_OK)
        return tools_fail_core(&err);
    ret_proof->len = args->signatures != NULL ? len : 0;
    return TOOLS_OK;
}

static int run_decrypt(struct report *report)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf handle = { 0 }, plain = { 0 }, proof = { 0 };
    const struct tools_args *args = report->args;
    struct tools_args beside = *args;
    struct remote_params params;
    struct remote_error err = { 0 };

    TOOLS_TRY(read_params(args, &handle, &params));
    TOOLS_TRY(tools_target_key_for(args, REMOTE_USE_DECRYPT, &target));
    if (zama_admin_check(target.slot, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    TOOLS_TRY(decrypt(args, &target, &params, &plain, &proof));
    beside.out = args->signatures;
    if (args->signatures != NULL)
        TOOLS_TRY(tools_io_write(&beside, remote_buf_slice(&proof), false));
    return tools_output_result(args, target.key, "HSMBRIDGE-FHE-DECRYPT", "plaintext",
                               remote_buf_slice(&plain), true);
}

/* ---- verify ---- */

/* One line for each plaintext: its type, and the bytes as they are, little-endian. */
static int tell_verified(const struct report *report, unsigned party,
                         const struct zama_question *question, const struct zama_answer *answer)
{
    json_t *values = json_array();
    size_t at = 0;

    if (!report->args->json)
        printf("party %u: authentic\n", party);
    for (size_t i = 0; i < question->count; i++) {
        CLEANUP(remote_buf_clear) struct remote_buf hex = { 0 };
        const char *type = zama_fhe_type_name(question->ciphertexts[i].fhe_type);
        size_t len = zama_plaintext_len(question->ciphertexts[i].fhe_type);

        remote_hex_append(&hex, remote_slice(answer->plaintexts.data + at, len));
        at += len;
        if (hex.failed)
            return tools_fail(TOOLS_FAILED, "out of memory");
        if (report->args->json)
            json_array_append_new(values, json_pack("{s:s,s:s}", "type", type, "value", hex.data));
        else
            printf("%s %s\n", type, (const char *)hex.data);
    }
    if (report->args->json)
        return tools_json_print(report->args,
                                json_pack("{s:i,s:o}", "party", (int)party, "plaintexts", values));
    json_decref(values);
    return TOOLS_OK;
}

/* By the party that --party names, or by any. */
static int verify(const struct report *report, const struct remote_slot *slot,
                  const struct zama_stored *request, struct remote_slice response)
{
    struct remote_error err = { 0 };
    bool named = report->args->party != 0;

    for (size_t i = 0; i < zama_admin_parties(slot); i++) {
        CLEANUP(zama_answer_clear) struct zama_answer answer = { 0 };
        unsigned party = zama_admin_party_id(slot, i);

        if (named && party != report->args->party)
            continue;
        if (zama_admin_verify(slot, i, request, response, &answer, &err) == REMOTE_OK)
            return tell_verified(report, party, &request->question, &answer);
    }
    if (named && err.rc == REMOTE_OK)
        return tools_fail(TOOLS_USAGE, "--party: slot '%s' has %zu parties", remote_slot_name(slot),
                          zama_admin_parties(slot));
    return named ? tools_fail_core(&err)
                 : tools_fail(TOOLS_FAILED,
                              "it is no party's answer to this request; --party N tells why (%s)",
                              err.text);
}

static int run_verify(struct report *report)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(zama_stored_clear) struct zama_stored stored = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf request = { 0 }, response = { 0 };
    struct remote_error err = { 0 };

    if (report->args->request == NULL)
        return tools_fail(TOOLS_USAGE, "--request is missing; it names what was sent");
    TOOLS_TRY(open_slot(report->args, &target));
    TOOLS_TRY(tools_io_read(report->args->request, &request));
    TOOLS_TRY(tools_io_read_decoded(report->args, report->args->in, &response));
    if (zama_stored_read(remote_buf_slice(&request), &stored, &err) != REMOTE_OK) {
        remote_error_prefix(&err, "%s", report->args->request);
        return tools_fail_core(&err);
    }
    return verify(report, target.slot, &stored, remote_buf_slice(&response));
}

/* ---- which ---- */

static int run_action(struct report *report)
{
    static const struct {
        const char *name;
        int (*run)(struct report *report);
    } actions[] = {
        { "health", run_health },
        { "keys", run_keys },
        { "decrypt", run_decrypt },
        { "verify", run_verify },
    };

    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (report->args->action != NULL && strcmp(report->args->action, actions[i].name) == 0)
            return actions[i].run(report);
    return tools_fail(TOOLS_USAGE, "what to do? 'hsmbridge zama health', keys, decrypt or verify");
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_json_free) json_t *list = json_array();
    struct report report = { .args = args, .list = list };
    int code;

    if (list == NULL)
        return tools_fail(TOOLS_FAILED, "out of memory");
    code = run_action(&report);
    tools_table_clear(&report.table);
    return code;
}

const struct tools_command tools_cmd_zama = {
    .name = "zama",
    .purpose = "Asks Zama's threshold KMS, party by party",
    .text = "health tells of each party whether it answers, how it is and how many FHE keys it\n"
            "has. keys tells how many parties report each FHE key. decrypt decrypts in public\n"
            "a ciphertext of --type, and writes with --signatures what a chain needs to check\n"
            "the result. verify checks a stored answer (--in) to a stored request (--request)\n"
            "by what the slot pins, without asking anybody.\n",
    .actions = "health keys decrypt verify",
    .options =
        TOOLS_KEY_OPTIONS TOOLS_IO_OPTIONS "decode type format handle signatures request party ",
    .example = "hsmbridge zama decrypt --key 0a1b... --type uint64 --in balance.ct --hex",
    .run = run,
};
