/* SPDX-License-Identifier: Apache-2.0 */
/* The store: what it finds in which order, when it asks for a PIN, how it fails. */
#include "provider_host.h"

#include <stdio.h>

#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>

static struct {
    const char *pin; /* what the user types; NULL: nothing */
    unsigned asked;
} user;

static int type_pin(char *buf, int size, int rwflag, void *arg)
{
    (void)rwflag;
    (void)arg;
    assert_false(remote_guard_held());
    user.asked++;
    return user.pin ? snprintf(buf, (size_t)size, "%s", user.pin) : -1;
}

static OSSL_STORE_CTX *open_store(const char *uri, int expect)
{
    static UI_METHOD *method;
    OSSL_STORE_CTX *store;

    if (!method)
        method = UI_UTIL_wrap_read_pem_callback(type_pin, 0);
    user.asked = 0;
    store = OSSL_STORE_open_ex(uri, host.ctx, NULL, method, NULL, NULL, NULL, NULL);
    if (store && expect != 0)
        assert_int_equal(OSSL_STORE_expect(store, expect), 1);
    return store;
}

/* One letter for each object, in order: c(ertificate), k(ey pair), p(ublic key). */
static const char *drain(OSSL_STORE_CTX *store)
{
    static char found[64];
    size_t count = 0;

    assert_non_null(store);
    while (!OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        int type = info ? OSSL_STORE_INFO_get_type(info) : 0;

        if (info)
            found[count++] = type == OSSL_STORE_INFO_CERT   ? 'c'
                             : type == OSSL_STORE_INFO_PKEY ? 'k'
                                                            : 'p';
        OSSL_STORE_INFO_free(info);
        assert_true(count < sizeof(found));
    }
    found[count] = '\0';
    assert_int_equal(OSSL_STORE_close(store), 1);
    return found;
}

#define assert_lists(uri, expect, letters)                                                         \
    assert_string_equal(drain(open_store((uri), (expect))), (letters))

/* ---- what is found ---- */

static void test_slot_lists_certificates_then_key_pairs(void **state)
{
    (void)state;
    assert_lists("hsmbridge:slot=web", 0, "cckkk");
    assert_lists("pkcs11:token=web", OSSL_STORE_INFO_CERT, "cc");
    assert_lists("pkcs11:token=web", OSSL_STORE_INFO_PKEY, "kkk");
    assert_lists("pkcs11:token=web", OSSL_STORE_INFO_PUBKEY, "ppp");
    assert_lists("pkcs11:token=web", OSSL_STORE_INFO_CRL, "");
    assert_lists("pkcs11:token=web;type=public", 0, "ppp");
    assert_lists("pkcs11:token=web;type=cert", 0, "cc");
    assert_lists("pkcs11:token=web;type=data", 0, "");
    host_assert_quiet();
}

static void test_key_comes_with_its_certificate_and_the_issuer(void **state)
{
    (void)state;
    assert_lists("pkcs11:token=web;object=ec", 0, "cck");
    assert_lists("pkcs11:token=web;object=rsa", 0, "k");
    assert_lists("pkcs11:token=web;object=Test%20CA", OSSL_STORE_INFO_CERT, "c");
}

static void test_opening_makes_no_request_and_a_certificate_by_id_none(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf uri = { 0 };
    const struct remote_cert *cert;
    struct remote_core *core;

    (void)state;
    assert_int_equal(remote_core_open(NULL, &core, NULL), REMOTE_OK);
    cert = remote_slot_cert(remote_core_slot(core, 0), 0);
    remote_buf_append_str(&uri, "pkcs11:token=web;id=");
    for (size_t i = 0; i < sizeof(cert->id); i++)
        remote_buf_printf(&uri, "%%%02x", cert->id[i]);
    OSSL_STORE_close(open_store("pkcs11:token=web;object=ec", 0));
    assert_lists((char *)uri.data, OSSL_STORE_INFO_CERT, "cc");
    assert_int_equal(fake.requests, 0);
    remote_core_close(core);
}

static void assert_search(OSSL_STORE_SEARCH *search, const char *letters)
{
    OSSL_STORE_CTX *store = open_store("pkcs11:token=web", 0);

    assert_int_equal(OSSL_STORE_find(store, search), 1);
    assert_string_equal(drain(store), letters);
    OSSL_STORE_SEARCH_free(search);
}

static void test_search_finds_certificates_by_name_and_serial(void **state)
{
    X509_NAME *name = X509_NAME_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();

    (void)state;
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"Test CA", -1, -1,
                               0);
    assert_search(OSSL_STORE_SEARCH_by_name(name), "c");
    ASN1_INTEGER_set(serial, 7);
    assert_search(OSSL_STORE_SEARCH_by_issuer_serial(name, serial), "c");
    ASN1_INTEGER_set(serial, 8);
    assert_search(OSSL_STORE_SEARCH_by_issuer_serial(name, serial), "");
    assert_search(OSSL_STORE_SEARCH_by_alias("rsa"), "k");
    X509_NAME_free(name);
    ASN1_INTEGER_free(serial);
}

/* ---- failures ---- */

static void test_unknown_slot_or_uri_does_not_open(void **state)
{
    (void)state;
    assert_null(open_store("pkcs11:token=wep", 0));
    host_assert_said("no slot 'wep' in ");
    assert_null(open_store("hsmbridge:slot=web;slot=web", 0));
    host_assert_said("'slot' stands twice");
}

static void test_failure_is_told_once_and_ends_the_store(void **state)
{
    OSSL_STORE_CTX *store = open_store("pkcs11:token=web;object=rsa", 0);

    (void)state;
    fake.fail = REMOTE_E_UNAVAILABLE;
    assert_null(OSSL_STORE_load(store));
    assert_int_equal(OSSL_STORE_error(store), 1);
    host_assert_error("");
    fake.fail = REMOTE_OK;
    assert_null(OSSL_STORE_load(store));
    assert_int_equal(OSSL_STORE_eof(store), 1);
    host_assert_quiet();
    OSSL_STORE_close(store);
}

static void test_nothing_found_is_a_failure_when_something_was_named(void **state)
{
    (void)state;
    assert_lists("pkcs11:token=web;object=nope", 0, "");
    host_assert_said("no key 'nope' in slot 'web'");
    assert_lists("pkcs11:token=web;object=rsa", OSSL_STORE_INFO_CERT, "");
    host_assert_said("no certificate belongs to 'pkcs11:token=web;object=rsa'");
    assert_lists("pkcs11:token=web;object=mac", 0, ""); /* a secret key */
    host_assert_said("no key 'mac' in slot 'web'");
}

/* ---- PINs ---- */

static void test_pin_is_asked_once_and_only_for_private_keys(void **state)
{
    (void)state;
    user.pin = "1234";
    assert_lists("pkcs11:token=pin;type=cert", 0, "c");
    assert_int_equal(user.asked, 0);
    assert_lists("pkcs11:token=pin;object=hidden.example", OSSL_STORE_INFO_CERT, "c");
    assert_int_equal(user.asked, 0);
    assert_lists("pkcs11:token=pin", 0, "ck");
    assert_int_equal(user.asked, 1);
    assert_lists("pkcs11:token=pin;object=hidden", 0, "ck");
    assert_int_equal(user.asked, 1);
    assert_lists("pkcs11:token=pin;object=hidden?pin-value=1234", 0, "ck");
    assert_int_equal(user.asked, 0);
    host_assert_quiet();
}

static void test_pin_that_is_not_given_or_wrong_is_told(void **state)
{
    (void)state;
    user.pin = NULL;
    assert_lists("pkcs11:token=pin", OSSL_STORE_INFO_PKEY, "");
    host_assert_said("slot 'pin' takes a PIN and none was given");
    assert_lists("pkcs11:token=pin;object=hidden?pin-value=9999", 0, "");
    assert_int_equal(user.asked, 0);
    assert_int_not_equal(ERR_peek_error(), 0);
    assert_lists("pkcs11:token=pin;object=hidden", OSSL_STORE_INFO_PUBKEY, "");
    assert_int_equal(user.asked, 0);
    host_assert_said("slot 'pin' takes a PIN: add ?pin-source=file:PATH");
}

static void test_listing_all_slots_asks_for_no_pin(void **state)
{
    (void)state;
    assert_lists("pkcs11:", 0, "ccckkk");
    assert_int_equal(user.asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_slot_lists_certificates_then_key_pairs),
        HOST_TEST(test_key_comes_with_its_certificate_and_the_issuer),
        HOST_TEST(test_opening_makes_no_request_and_a_certificate_by_id_none),
        HOST_TEST(test_search_finds_certificates_by_name_and_serial),
        HOST_TEST(test_unknown_slot_or_uri_does_not_open),
        HOST_TEST(test_failure_is_told_once_and_ends_the_store),
        HOST_TEST(test_nothing_found_is_a_failure_when_something_was_named),
        HOST_TEST(test_pin_that_is_not_given_or_wrong_is_told), /* before anybody logs in */
        HOST_TEST(test_pin_is_asked_once_and_only_for_private_keys),
        HOST_TEST(test_listing_all_slots_asks_for_no_pin),
    };

    return HOST_GROUP(tests);
}
