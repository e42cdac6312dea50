/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kesd_vectors.h"
#include "old_ciphertext.h"

static void decode(const char *base64, struct remote_buf *ret)
{
    assert_true(remote_base64_decode(remote_slice_str(base64), ret));
}

static void test_both_older_forms_become_body_tag_iv_and_nonce(void **state)
{
    static const char *const forms[] = { KESD_SEALED_JSON, KESD_SEALED_MSGPACK };
    static const size_t len = sizeof("legacy") - 1 + 16 + 16 + 12;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf raw = { 0 };

        decode(forms[i], &sealed);
        assert_true(kesd_old_ciphertext_read(remote_buf_slice(&sealed), &raw));
        assert_int_equal(raw.len, len);
        assert_memory_equal(raw.data + len - 28, "\x84\x2b\xad\x54", 4); /* the iv's first bytes */
        assert_memory_equal(raw.data + len - 12, "\x99\x0d\x8c\x58", 4); /* the nonce's */
    }
}

static void test_msgpack_when_cut_or_longer_then_it_is_none(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf raw = { 0 };

    (void)state;
    decode(KESD_SEALED_MSGPACK, &sealed);
    for (size_t len = 0; len < sealed.len; len++)
        assert_false(kesd_old_ciphertext_read(remote_slice(sealed.data, len), &raw));
    remote_buf_append_char(&sealed, '\0');
    assert_false(kesd_old_ciphertext_read(remote_buf_slice(&sealed), &raw));
    assert_int_equal(raw.len, 0);
}

static void test_what_has_not_every_part_is_none(void **state)
{
    static const char *const texts[] = {
        "{",
        "{}",
        "{\"aead\":\"AES-256-GCM-HMAC-SHA-256\"}",
        "{\"aead\":\"DES\",\"iv\":\"hCutVGcGIxz4hzzf30Ifmw==\",\"nonce\":\"mQ2MWBV0SskScyWg\","
        "\"bytes\":\"pwz1jlxZFJQVBXPFMn/v2Og2uG8zDQ==\"}",
        "{\"aead\":\"ChaCha20Poly1305\",\"iv\":\"hCut\",\"nonce\":\"mQ2MWBV0SskScyWg\","
        "\"bytes\":\"pwz1jlxZFJQVBXPFMn/v2Og2uG8zDQ==\"}",
        "{\"aead\":\"ChaCha20Poly1305\",\"iv\":\"hCutVGcGIxz4hzzf30Ifmw==\",\"nonce\":"
        "\"mQ2MWBV0SskScyWg\",\"bytes\":\"pwz1\"}", /* shorter than a tag */
        "raw",
        "\x95raw",
    };
    CLEANUP(remote_buf_clear) struct remote_buf raw = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_false(kesd_old_ciphertext_read(remote_slice_str(texts[i]), &raw));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_older_forms_become_body_tag_iv_and_nonce),
        cmocka_unit_test(test_msgpack_when_cut_or_longer_then_it_is_none),
        cmocka_unit_test(test_what_has_not_every_part_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
