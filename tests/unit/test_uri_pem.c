/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "der.h"
#include "uri.h"

#define URI "pkcs11:token=web;object=site"
#define FOREIGN "PKCS#11 Provider URI v1.0"

static enum remote_rc read_back(struct remote_buf *der, char **ret, struct remote_error *err)
{
    memset(err, 0, sizeof(*err));
    return remote_uri_der_read(remote_buf_slice(der), ret, err);
}

static void make(struct remote_buf *ret, const char *form, struct remote_slice uri)
{
    CLEANUP(remote_buf_clear) struct remote_buf content = { 0 };

    remote_der_append(&content, REMOTE_DER_VISIBLE_STRING, remote_slice_str(form));
    remote_der_append(&content, REMOTE_DER_UTF8_STRING, uri);
    remote_der_append(ret, REMOTE_DER_SEQUENCE, remote_buf_slice(&content));
}

static void test_what_is_written_is_read(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    CLEANUP(remote_str_free) char *uri = NULL;
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_uri_der_write(URI, &der, &err), REMOTE_OK);
    assert_int_equal(read_back(&der, &uri, &err), REMOTE_OK);
    assert_string_equal(uri, URI);
}

static void test_pem_is_our_label_around_lines_of_64(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_uri_pem_write(URI, &pem, &err), REMOTE_OK);
    assert_string_equal((char *)pem.data,
                        "-----BEGIN HSMBRIDGE KEY URI-----\n"
                        "MDQaFGhzbWJyaWRnZSBrZXkgVVJJIHYxDBxwa2NzMTE6dG9rZW49d2ViO29iamVj\n"
                        "dD1zaXRl\n"
                        "-----END HSMBRIDGE KEY URI-----\n");
}

static void test_the_foreign_form_is_read(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    CLEANUP(remote_str_free) char *uri = NULL;
    struct remote_error err;

    (void)state;
    make(&der, FOREIGN, remote_slice_str(URI));
    assert_int_equal(read_back(&der, &uri, &err), REMOTE_OK);
    assert_string_equal(uri, URI);
}

static void assert_refused(struct remote_buf *der, const char *says)
{
    struct remote_error err;
    char *uri = NULL;

    assert_int_equal(read_back(der, &uri, &err), REMOTE_E_PARAM);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    assert_null(uri);
}

static void test_der_that_is_cut_or_followed_is_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };

    (void)state;
    make(&der, FOREIGN, remote_slice_str(URI));
    remote_buf_append_char(&der, '\0');
    while (der.len > 0) {
        if (der.len != 2 + 2 + strlen(FOREIGN) + 2 + strlen(URI))
            assert_refused(&der, "damaged: no key URI is in it");
        remote_buf_truncate(&der, der.len - 1);
    }
    assert_refused(&der, "damaged");
}

static void test_der_of_another_form_or_scheme_says_so(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf form = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf scheme = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf nul = { 0 };

    (void)state;
    make(&form, "hsmbridge key URI v2", remote_slice_str(URI));
    assert_refused(&form, "of the form 'hsmbridge key URI v2', which this version");
    make(&scheme, FOREIGN, remote_slice_str("file:/etc/key"));
    assert_refused(&scheme, "holds no 'hsmbridge:' or 'pkcs11:' URI");
    make(&nul, FOREIGN, remote_slice(URI "\0x", sizeof(URI) + 1));
    assert_refused(&nul, "holds no 'hsmbridge:' or 'pkcs11:' URI");
}

static void test_der_larger_than_any_uri_is_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf uri = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };

    (void)state;
    remote_buf_append_str(&uri, URI);
    while (uri.len < 2 * REMOTE_URI_MAX)
        remote_buf_append_char(&uri, 'a');
    make(&der, FOREIGN, remote_buf_slice(&uri));
    assert_refused(&der, "damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_pem_is_our_label_around_lines_of_64),
        cmocka_unit_test(test_the_foreign_form_is_read),
        cmocka_unit_test(test_der_that_is_cut_or_followed_is_refused),
        cmocka_unit_test(test_der_of_another_form_or_scheme_says_so),
        cmocka_unit_test(test_der_larger_than_any_uri_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
