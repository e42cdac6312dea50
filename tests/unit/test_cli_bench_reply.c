/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench_reply.h"

static bool decodes(const char *backend, enum remote_alg alg, const char *body)
{
    const struct tools_bench_reply_form *form = tools_bench_reply_form(backend);

    assert_non_null(form);
    return tools_bench_reply_decode(form, alg, remote_slice_str(body));
}

static void test_decode_when_each_service_answers_then_read(void **state)
{
    (void)state;
    assert_true(decodes("vault", REMOTE_ALG_ECDSA, "{\"data\":{\"signature\":\"vault:v1:-_-_\"}}"));
    assert_true(decodes("vault", REMOTE_ALG_HMAC, "{\"data\":{\"hmac\":\"vault:v1:+/+/\"}}"));
    assert_true(decodes("azure", REMOTE_ALG_RSA_PSS, "{\"kid\":\"k\",\"value\":\"-_-_\"}"));
    assert_true(decodes("kes", REMOTE_ALG_AEAD, "{\"ciphertext\":\"+/+/\"}"));
    assert_true(
        decodes("ehsm", REMOTE_ALG_ECDSA, "{\"code\":200,\"result\":{\"signature\":\"+/+/\"}}"));
    assert_true(decodes("bigdl", REMOTE_ALG_BIGDL_NAME, "+/+/"));
}

static void test_decode_when_it_is_no_result_then_false(void **state)
{
    (void)state;
    assert_false(
        decodes("vault", REMOTE_ALG_ECDSA, "{\"data\":{\"signature\":\"vault:v1:+/+/\"}}"));
    assert_false(decodes("vault", REMOTE_ALG_HMAC, "{\"data\":{\"hmac\":7}}"));
    assert_false(decodes("azure", REMOTE_ALG_ECDSA, "{\"value\":\"\"}"));
    assert_false(decodes("kes", REMOTE_ALG_HMAC, "{\"message\":\"no\"}"));
    assert_false(decodes("ehsm", REMOTE_ALG_ECDSA, "{\"code\":400,\"message\":\"sign error\"}"));
    assert_false(decodes("ehsm", REMOTE_ALG_ECDSA, "{\"result\":"));
    assert_false(decodes("bigdl", REMOTE_ALG_BIGDL_NAME, "no such key"));
    assert_false(decodes("bigdl", REMOTE_ALG_BIGDL_NAME, ""));
}

static void test_form_when_the_backend_is_unknown_then_none(void **state)
{
    (void)state;
    assert_null(tools_bench_reply_form("pkcs11"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_when_each_service_answers_then_read),
        cmocka_unit_test(test_decode_when_it_is_no_result_then_false),
        cmocka_unit_test(test_form_when_the_backend_is_unknown_then_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
