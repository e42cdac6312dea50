/* SPDX-License-Identifier: Apache-2.0 */
/* Keccak-256 on known answers (eth-hash 0.8.0), EIP-712 on what real servers signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zama_case.h"

static void assert_keccak(const char *text, size_t times, const char *hash)
{
    struct remote_slice parts[300] = { 0 };
    uint8_t ours[ZAMA_HASH_LEN], theirs[ZAMA_HASH_LEN];

    for (size_t i = 0; i < times; i++)
        parts[i] = remote_slice_str(text);
    zama_keccak256(parts, times, ours);
    zama_case_hex(hash, theirs, sizeof(theirs));
    assert_memory_equal(ours, theirs, sizeof(ours));
}

static void test_keccak256_of_known_texts_is_known(void **state)
{
    (void)state;
    assert_keccak("", 0, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    assert_keccak("", 3, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    assert_keccak("abc", 1, "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
}

/* 135 bytes: the first and the last byte of the padding are one. 136: it has a block of its own. */
static void test_keccak256_around_a_block_is_known(void **state)
{
    (void)state;
    assert_keccak("a", 135, "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446");
    assert_keccak("a", 136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e");
    assert_keccak("a", 137, "d869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39");
    assert_keccak("aa", 136, "cf7fcd4f705ee749930d19ca84561a9bf62516bd90a471545fa2f49fdc7e63c8");
}

static size_t check_deployment(const remote_json *deployment)
{
    const remote_json *questions = remote_json_at(deployment, "questions");
    struct zama_case_question asked;
    uint8_t ours[ZAMA_HASH_LEN], theirs[ZAMA_HASH_LEN];
    size_t checked = 0;

    for (size_t i = 0; i < remote_json_count(questions); i++) {
        const remote_json *question = remote_json_index(questions, i);
        const char *hash = remote_json_text(question, "eip712");

        if (hash == NULL)
            continue;
        zama_case_question(deployment, question, &asked);
        zama_eip712_hash(&asked.question, asked.parts, ours);
        zama_case_hex(hash, theirs, sizeof(theirs));
        assert_memory_equal(ours, theirs, sizeof(ours));
        zama_case_question_clear(&asked);
        checked++;
    }
    return checked;
}

static void test_eip712_hashes_of_real_answers_agree(void **state)
{
    (void)state;
    assert_int_equal(check_deployment(zama_case_deployment("centralized")), 26);
    assert_int_equal(check_deployment(zama_case_deployment("threshold")), 26);
    assert_int_equal(check_deployment(zama_case_deployment("synthetic")), 3);
}

static void test_every_member_changes_the_hash(void **state)
{
    const remote_json *deployment = zama_case_deployment("synthetic");
    struct zama_case_question asked;
    uint8_t hashes[8][ZAMA_HASH_LEN];
    static char other[] = "other";
    char *name;

    (void)state;
    zama_case_question(deployment,
                       zama_case_find(remote_json_at(deployment, "questions"), "bool_u64_u256"),
                       &asked);
    name = asked.domain.name;
    zama_eip712_hash(&asked.question, asked.parts, hashes[0]);
    asked.domain.name = other;
    zama_eip712_hash(&asked.question, asked.parts, hashes[1]);
    asked.domain.name = name;
    asked.domain.version = other;
    zama_eip712_hash(&asked.question, asked.parts, hashes[2]);
    asked.domain.chain_id[0] ^= 1;
    zama_eip712_hash(&asked.question, asked.parts, hashes[3]);
    asked.domain.verifying_contract[19] ^= 1;
    zama_eip712_hash(&asked.question, asked.parts, hashes[4]);
    asked.domain.has_salt = true;
    zama_eip712_hash(&asked.question, asked.parts, hashes[5]);
    asked.ciphertexts[2].handle[0] ^= 1;
    zama_eip712_hash(&asked.question, asked.parts, hashes[6]);
    asked.plaintexts.data[1] ^= 1;
    zama_eip712_hash(&asked.question, asked.parts, hashes[7]);
    for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(hashes[i], hashes[j], ZAMA_HASH_LEN);
    zama_case_question_clear(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keccak256_of_known_texts_is_known),
        cmocka_unit_test(test_keccak256_around_a_block_is_known),
        cmocka_unit_test(test_eip712_hashes_of_real_answers_agree),
        cmocka_unit_test(test_every_member_changes_the_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
