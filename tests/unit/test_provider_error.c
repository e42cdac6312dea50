/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "provider.h"

static char path[] = "/tmp/hsmbridge-XXXXXX";

static unsigned lines_with(const char *part)
{
    FILE *file = fopen(path, "r");
    unsigned count = 0;
    char line[512];

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, part) != NULL;
    fclose(file);
    return count;
}

static int log_to_file(void **state)
{
    (void)state;
    close(mkstemp(path));
    assert_int_equal(remote_log_setup(path, "warning", NULL), REMOTE_OK);
    return fake_core_make(state);
}

static int log_nothing(void **state)
{
    (void)state;
    assert_int_equal(remote_log_setup("none", NULL, NULL), REMOTE_OK);
    unlink(path);
    return fake_core_free(state);
}

static void test_error_when_raised_then_is_logged_once_with_its_function(void **state)
{
    const struct host_signing how = { "SHA256", 0, 0, NULL };
    EVP_PKEY *pkey = host_key("ec");
    unsigned char sig[512];

    (void)state;
    fake.fail = REMOTE_E_RIGHTS;
    assert_int_equal(host_sign(pkey, &how, sig), 0);
    assert_int_equal(lines_with("sign_final: the fake was told to fail"), 1);
    assert_int_equal(lines_with("the fake was told to fail"), 1);
    host_assert_said("the fake was told to fail");
    EVP_PKEY_free(pkey);
}

/* A host may try what a key can do: that is no line in the operator's log. */
static void test_error_when_of_libcrypto_then_is_raised_and_not_logged(void **state)
{
    EVP_PKEY *pkey = host_key("ed");
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    (void)state;
    assert_int_not_equal(EVP_DigestSignInit_ex(md, NULL, "SHA256", host.ctx, NULL, pkey, NULL), 1);
    host_assert_said("cannot begin a signature");
    assert_int_equal(lines_with("cannot begin a signature"), 0);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(pkey);
}

static void test_error_when_without_a_sentence_or_upcalls_then_nothing_happens(void **state)
{
    const struct provider provider = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    provider_raise(&provider, "nobody", &err);
    REMOTE_FAIL(&err, REMOTE_E_PARAM, "a sentence of nobody's");
    provider_raise(&provider, "nobody", &err);
    host_assert_quiet();
    assert_int_equal(lines_with("nobody: a sentence of nobody's"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_error_when_raised_then_is_logged_once_with_its_function),
        HOST_TEST(test_error_when_of_libcrypto_then_is_raised_and_not_logged),
        HOST_TEST(test_error_when_without_a_sentence_or_upcalls_then_nothing_happens),
    };

    return cmocka_run_group_tests(tests, log_to_file, log_nothing);
}
