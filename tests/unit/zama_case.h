/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to Zama's KMS and what its parties answered: tests/fixtures/zama/answers.json. */
#ifndef TESTS_UNIT_ZAMA_CASE_H
#define TESTS_UNIT_ZAMA_CASE_H

#include <stdio.h>
#include <string.h>

#include "remote/encode.h"
#include "remote/json.h"
#include "zama.h"

#define ZAMA_CASE_CIPHERTEXTS 4

static inline const remote_json *zama_case_json(void)
{
    static remote_json *json;
    struct remote_buf text = { 0 };
    char part[4096];
    size_t len;
    FILE *in;

    if (json == NULL) {
        in = fopen(ZAMA_ANSWERS, "r");
        assert_non_null(in);
        while ((len = fread(part, 1, sizeof(part), in)) > 0)
            remote_buf_append(&text, part, len);
        fclose(in);
        json = remote_json_read(remote_buf_slice(&text), NULL);
        assert_non_null(json);
        remote_buf_clear(&text);
    }
    return json;
}

/* Deployments, their questions, and so on, by name. */
static inline const remote_json *zama_case_find(const remote_json *list, const char *name)
{
    for (size_t i = 0; i < remote_json_count(list); i++)
        if (strcmp(remote_json_text(remote_json_index(list, i), "name"), name) == 0)
            return remote_json_index(list, i);
    fail_msg("%s is not in the fixture", name);
    return NULL;
}

static inline const remote_json *zama_case_deployment(const char *name)
{
    return zama_case_find(remote_json_at(zama_case_json(), "deployments"), name);
}

/* Just len bytes. */
static inline void zama_case_hex(const char *text, void *ret, size_t len)
{
    struct remote_buf bytes = { 0 };

    assert_true(remote_hex_decode(remote_slice_str(text), &bytes));
    assert_int_equal(bytes.len, len);
    memcpy(ret, bytes.data, len);
    remote_buf_clear(&bytes);
}

static inline struct remote_buf zama_case_base64(const char *text)
{
    struct remote_buf bytes = { 0 };

    assert_true(remote_base64_decode(remote_slice_str(text), &bytes));
    return bytes;
}

static inline void zama_case_pin(const remote_json *deployment, unsigned party,
                                 struct zama_pin *ret)
{
    const remote_json *parties = remote_json_at(deployment, "parties");
    const remote_json *json = remote_json_index(parties, party - 1);

    *ret = (struct zama_pin){ .has_address = true, .has_point = true, .has_ed25519 = true };
    assert_true(zama_address_parse(remote_json_text(json, "address"), ret->address));
    zama_case_hex(remote_json_text(json, "point"), ret->point, sizeof(ret->point));
    zama_case_hex(remote_json_text(json, "ed25519"), ret->ed25519, sizeof(ret->ed25519));
}

struct zama_case_question {
    struct zama_question question;
    struct zama_domain domain;
    struct zama_ciphertext ciphertexts[ZAMA_CASE_CIPHERTEXTS];
    struct remote_buf extra_data;
    struct remote_buf plaintexts; /* what is right */
    struct remote_slice parts[ZAMA_CASE_CIPHERTEXTS];
};

static inline void zama_case_domain(const remote_json *json, struct zama_domain *ret)
{
    unsigned chain_id;

    *ret = (struct zama_domain){ .name = (char *)(uintptr_t)remote_json_text(json, "name"),
                                 .version = (char *)(uintptr_t)remote_json_text(json, "version") };
    assert_int_equal(sscanf(remote_json_text(json, "chain_id"), "%x", &chain_id), 1);
    ret->chain_id[30] = (uint8_t)(chain_id >> 8);
    ret->chain_id[31] = (uint8_t)chain_id;
    assert_true(
        zama_address_parse(remote_json_text(json, "verifying_contract"), ret->verifying_contract));
}

static inline void zama_case_ciphertexts(const remote_json *json, struct zama_case_question *ret)
{
    const remote_json *types = remote_json_at(json, "types");
    int64_t type;

    ret->question.count = remote_json_count(types);
    assert_in_range(ret->question.count, 1, ZAMA_CASE_CIPHERTEXTS);
    ret->question.ciphertexts = ret->ciphertexts;
    for (size_t i = 0; i < ret->question.count; i++) {
        assert_true(remote_json_number_value(remote_json_index(types, i), &type));
        ret->ciphertexts[i].fhe_type = (int32_t)type;
        zama_case_hex(remote_json_string(remote_json_index(remote_json_at(json, "handles"), i)),
                      ret->ciphertexts[i].handle, ZAMA_HANDLE_LEN);
    }
}

static inline void zama_case_plaintexts(const remote_json *json, struct zama_case_question *ret)
{
    const remote_json *plaintexts = remote_json_at(json, "plaintexts");
    size_t at = 0;

    for (size_t i = 0; i < ret->question.count; i++)
        assert_true(remote_hex_decode(remote_slice_str(
                                          remote_json_string(remote_json_index(plaintexts, i))),
                                      &ret->plaintexts));
    for (size_t i = 0; i < ret->question.count; i++) {
        ret->parts[i] = remote_slice(ret->plaintexts.data + at,
                                     zama_plaintext_len(ret->ciphertexts[i].fhe_type));
        at += ret->parts[i].len;
    }
    assert_int_equal(at, ret->plaintexts.len);
}

/* The ciphertexts have no bytes, and the key no id: an answer does not depend on them. */
static inline void zama_case_question(const remote_json *deployment, const remote_json *json,
                                      struct zama_case_question *ret)
{
    int64_t schemes;

    memset(ret, 0, sizeof(*ret));
    zama_case_domain(remote_json_at(deployment, "domain"), &ret->domain);
    ret->question.domain = &ret->domain;
    assert_true(zama_id_parse(remote_json_text(json, "request_id"), ret->question.request_id));
    assert_true(remote_hex_decode(remote_json_slice(json, "extra_data"), &ret->extra_data));
    ret->question.extra_data = remote_buf_slice(&ret->extra_data);
    assert_true(remote_json_number(json, "schemes", &schemes));
    ret->question.schemes = (unsigned)schemes;
    zama_case_ciphertexts(json, ret);
    zama_case_plaintexts(json, ret);
}

static inline void zama_case_question_clear(struct zama_case_question *question)
{
    remote_buf_clear(&question->extra_data);
    remote_buf_clear(&question->plaintexts);
}

#endif
