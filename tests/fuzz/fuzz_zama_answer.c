/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parties of Zama's KMS send. Input: a character for the kind of answer, then the message.
 * No change to the recorded answer of a party may make another answer of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_guard.h"
#include "zama.h"

#define CIPHERTEXTS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* clang-format off */
static const char one_id[] = "1475dbc6f24abbeb9d841297d0bda66224733a91d86376a17a2ed95b3203f9dd";
static const char three_id[] = "9cd599e494195df6ad48f183c829ffe508710e7ce0e4ee3a8458b2545712b7cd";
static const char context_id[] = "0700000000000000000000000000000000000000000000000000000000000001";
static const uint8_t extra_data[65] = { 2, 7, [32] = 1, 8, [64] = 1 };
static const uint8_t one_plain[] = { 0x2a };
static const uint8_t three_plain[] = { 1, 0x2a, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
static const struct zama_pin pin = {
    .point = { 0x03, 0x53, 0x67, 0xa8, 0x57, 0xb2, 0x53, 0x4d, 0xd3, 0x03, 0x43, 0xa8, 0x1e, 0x60,
               0xac, 0x0b, 0x8d, 0x4b, 0x9f, 0xfa, 0xff, 0x88, 0xcc, 0xd9, 0x5a, 0xcf, 0x1a, 0x8e,
               0x48, 0x5c, 0xcf, 0x01, 0xb2 },
    .ed25519 = { 0xbd, 0xa8, 0x0c, 0x05, 0x41, 0x83, 0x76, 0x8a, 0x9f, 0xc2, 0xcf, 0xb5, 0x0d,
                 0xd9, 0x4a, 0xd0, 0xc9, 0x2d, 0xd3, 0x10, 0x58, 0x67, 0x6f, 0xbd, 0xa6, 0x7e,
                 0x89, 0xc0, 0xaa, 0xae, 0x16, 0x6f },
    .has_point = true, .has_ed25519 = true,
};
/* clang-format on */

static void check_failure(enum remote_rc rc, const struct remote_error *err)
{
    if (rc != REMOTE_OK && (rc != REMOTE_E_PROTOCOL || err->text[0] == '\0'))
        abort();
}

static void read_answer(const char *request_id, const int32_t *types, size_t count,
                        struct remote_slice plain, struct remote_slice message)
{
    static char name[] = "Authorization token", version[] = "1";
    struct zama_domain domain = { .name = name, .version = version };
    struct zama_ciphertext ciphertexts[CIPHERTEXTS] = { 0 };
    struct zama_question question = { .domain = &domain,
                                      .ciphertexts = ciphertexts,
                                      .count = count,
                                      .extra_data = remote_slice(extra_data, sizeof(extra_data)) };
    struct zama_answer answer = { 0 };
    struct remote_error err = { 0 };
    enum remote_rc rc;

    domain.chain_id[30] = 0x1f;
    domain.chain_id[31] = 0x46;
    if (!zama_address_parse("0x66f9664f97F2b50F62D13eA064982f936dE76657",
                            domain.verifying_contract) ||
        !zama_id_parse(request_id, question.request_id))
        abort();
    for (size_t i = 0; i < count; i++) {
        ciphertexts[i].fhe_type = types[i];
        memset(ciphertexts[i].handle, 0x17, ZAMA_HANDLE_LEN - 2);
        ciphertexts[i].handle[ZAMA_HANDLE_LEN - 1] = (uint8_t)(i + 1);
    }
    rc = zama_answer_read(&question, 1, &pin, message, &answer, &err);
    check_failure(rc, &err);
    if (rc == REMOTE_OK && !remote_slice_equal(remote_secret_slice(&answer.plaintexts), plain))
        abort();
    zama_answer_clear(&answer);
}

static void read_availability(struct remote_slice message)
{
    struct zama_ids ids = { 0 };
    struct remote_error err = { 0 };
    enum remote_rc rc = zama_availability_read(message, &ids, &err);

    check_failure(rc, &err);
    if (rc != REMOTE_OK && ids.ids != NULL)
        abort();
    zama_ids_clear(&ids);
}

static void read_health(struct remote_slice message)
{
    struct zama_health health = { 0 };
    struct remote_error err = { 0 };
    uint8_t id[ZAMA_ID_LEN];

    if (!zama_id_parse(context_id, id))
        abort();
    check_failure(zama_health_read(message, id, &health, &err), &err);
    if (health.status > ZAMA_UNHEALTHY)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t types[] = { 2, 0, 2, 5 };
    struct remote_slice message;
    enum zama_format format;

    if (size < 1)
        return 0;
    fuzz_enter_guard();
    message = remote_slice(data + 1, size - 1);
    switch (data[0]) {
    case '1':
        read_answer(one_id, types, 1, remote_slice(one_plain, sizeof(one_plain)), message);
        break;
    case '3':
        read_answer(three_id, types + 1, 3, remote_slice(three_plain, sizeof(three_plain)),
                    message);
        break;
    case 'a':
        read_availability(message);
        break;
    case 'h':
        read_health(message);
        break;
    case 'f':
        if (zama_format_detect(message, &format) && format > ZAMA_BIG_EXPANDED)
            abort();
        break;
    default:
        break;
    }
    return 0;
}
