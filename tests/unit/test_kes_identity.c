/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate that an API key stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "in_guard.h"
#include "kes.h"

/* The seed 00 01 .. 1f; its identity is that of KES's own tool. */
#define API_KEY "kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define IDENTITY "a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5"

static bool fits(const char *text)
{
    return kes_api_key_fits(remote_slice_str(text));
}

static void test_api_key_when_of_the_form_then_fits(void **state)
{
    (void)state;
    assert_true(fits(API_KEY));
    assert_false(fits("") || fits("kes:v1:") || fits(API_KEY "A"));
    assert_false(fits("kes:v2:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"));
    assert_false(fits("kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4"));
    assert_false(fits("kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4\n"));
    /* another kind of key than 0 */
    assert_false(fits("kes:v1:AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"));
}

static void test_certificate_when_derived_then_as_kes_clients_make_it(void **state)
{
    struct remote_error err = { 0 };
    char identity[KES_IDENTITY_LEN + 1], name[KES_IDENTITY_LEN + 1];
    EVP_PKEY *pkey = NULL;
    X509 *cert = NULL;

    (void)state;
    if (kes_identity_derive(remote_slice_str(API_KEY), &cert, &pkey, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(kes_identity_of(pkey, identity, &err), REMOTE_OK);
    assert_string_equal(identity, IDENTITY);
    assert_int_equal(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
                                               sizeof(name)),
                     KES_IDENTITY_LEN);
    assert_string_equal(name, IDENTITY);
    assert_int_equal(X509_verify(cert, pkey), 1);
    assert_int_equal(X509_check_private_key(cert, pkey), 1);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT);
    assert_int_equal(X509_cmp_current_time(X509_get0_notBefore(cert)), -1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notAfter(cert)), 1);
    X509_free(cert);
    EVP_PKEY_free(pkey);
}

static void test_certificate_when_of_no_api_key_then_says_what_one_looks_like(void **state)
{
    struct remote_error err = { 0 };
    EVP_PKEY *pkey = NULL;
    X509 *cert = NULL;

    (void)state;
    assert_int_equal(kes_identity_derive(remote_slice_str("hvs.secret"), &cert, &pkey, &err),
                     REMOTE_E_PARAM);
    assert_non_null(strstr(err.text, "kes:v1:"));
    assert_null(strstr(err.text, "hvs"));
    assert_null(cert);
    assert_null(pkey);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_key_when_of_the_form_then_fits),
        cmocka_unit_test(test_certificate_when_derived_then_as_kes_clients_make_it),
        cmocka_unit_test(test_certificate_when_of_no_api_key_then_says_what_one_looks_like),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
