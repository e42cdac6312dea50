/* SPDX-License-Identifier: Apache-2.0 */
#include "local_keys.h"

static enum remote_rc spki_of(const struct remote_public_parts *parts, struct remote_key *key)
{
    CLEANUP(remote_buf_clear) struct remote_buf spki = { 0 };

    REMOTE_TRY(remote_local_spki(parts, &spki, NULL));
    return remote_local_set_spki(key, remote_buf_slice(&spki), NULL);
}

/* Of each kind of key: taken apart, and put together again. */
static void test_parts_when_put_together_then_are_the_same_key(void **state)
{
    EVP_PKEY *keys[] = { make_rsa(2048), make_ec("P-256"), make_ec("P-521"), make_ed25519() };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct remote_public public = { 0 };
        struct remote_key again = { 0 };
        struct pair pair;

        pair_init(&pair, keys[i]);
        assert_int_equal(remote_local_public(&pair.key, &public, NULL), REMOTE_OK);
        for (size_t skip = 0; skip < 4; skip++) { /* raw, too: P-521 has a longer header */
            struct remote_public_parts parts = { .type = pair.key.type,
                                                 .modulus = remote_buf_slice(&public.modulus),
                                                 .exponent = remote_buf_slice(&public.exponent),
                                                 .curve = pair.key.curve,
                                                 .bits = pair.key.bits,
                                                 .ec_point = remote_buf_slice(&public.ec_point) };
            bool whole = skip == 0 || pair.key.type == REMOTE_KEY_RSA ||
                         skip == (pair.key.bits == 521 ? 3 : 2);

            if (parts.ec_point.len > skip) {
                parts.ec_point.data += skip;
                parts.ec_point.len -= skip;
            }
            assert_int_equal(spki_of(&parts, &again), whole ? REMOTE_OK : REMOTE_E_DATA);
            if (whole)
                assert_true(remote_slice_equal(remote_buf_slice(&again.spki),
                                               remote_buf_slice(&pair.key.spki)));
        }
        remote_public_clear(&public);
        key_clear(&again);
        pair_clear(&pair);
    }
}

/* A raw point may begin as an OCTET STRING of its own rest would: its length tells. */
static void test_point_when_it_looks_like_an_octet_string_then_is_a_point(void **state)
{
    unsigned char raw[65] = { 4, 63 };
    struct remote_public_parts parts = { .type = REMOTE_KEY_EC,
                                         .curve = NID_X9_62_prime256v1,
                                         .bits = 256,
                                         .ec_point = remote_slice(raw, sizeof(raw)) };
    struct remote_buf spki = { 0 };

    (void)state;
    assert_int_equal(remote_local_spki(&parts, &spki, NULL), REMOTE_OK);
    assert_memory_equal(spki.data + spki.len - sizeof(raw), raw, sizeof(raw));
    remote_buf_clear(&spki);
}

static void test_parts_when_missing_or_too_long_then_data(void **state)
{
    static const unsigned char zeros[4096];
    struct remote_public_parts rsa = { .type = REMOTE_KEY_RSA,
                                       .modulus = remote_slice("abc", 3),
                                       .exponent = remote_slice(zeros, 3) };
    struct remote_public_parts ec = { .type = REMOTE_KEY_EC,
                                      .curve = NID_X9_62_prime256v1,
                                      .bits = 256 };
    struct remote_error err = { 0 };
    struct remote_buf spki = { 0 };

    (void)state;
    assert_int_equal(remote_local_spki(&rsa, &spki, NULL), REMOTE_E_DATA);
    rsa.exponent = rsa.modulus;
    rsa.modulus = remote_slice(zeros, sizeof(zeros));
    assert_int_equal(remote_local_spki(&rsa, &spki, NULL), REMOTE_E_DATA);
    assert_int_equal(remote_local_spki(&ec, &spki, &err), REMOTE_E_DATA);
    assert_says(err.text, "a point of 65 bytes");
    assert_null(spki.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_when_put_together_then_are_the_same_key),
        cmocka_unit_test(test_point_when_it_looks_like_an_octet_string_then_is_a_point),
        cmocka_unit_test(test_parts_when_missing_or_too_long_then_data),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
