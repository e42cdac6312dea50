/* SPDX-License-Identifier: Apache-2.0 */
/* The text of URIs: RFC 7512 sections 2.3 to 2.5, and our own scheme. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "uri.h"

#define PIN "hvs.very-secret"

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

static struct remote_uri parse(const char *text)
{
    struct remote_error err = { 0 };
    struct remote_uri uri = { 0 };

    if (remote_uri_parse(text, &uri, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return uri;
}

static void assert_refused(const char *text, const char *says)
{
    struct remote_error err = { 0 };
    struct remote_uri uri = { 0 };

    if (remote_uri_parse(text, &uri, &err) != REMOTE_E_PARAM)
        fail_msg("'%s' was taken: %s", text, err.text);
    assert_has(err.text, says);
    assert_null(uri.text);
}

static void test_is_when_the_scheme_is_ours_in_any_case(void **state)
{
    (void)state;
    assert_true(remote_uri_is("pkcs11:"));
    assert_true(remote_uri_is("PKCS11:token=a"));
    assert_true(remote_uri_is("HsmBridge:slot=a"));
    assert_false(remote_uri_is("pkcs11"));
    assert_false(remote_uri_is("file:pkcs11:"));
    assert_false(remote_uri_is(""));
}

static void test_parse_of_rfc_7512_takes_all_that_names_a_key(void **state)
{
    struct remote_uri uri = parse("pkcs11:token=my%20web;object=a%3bb;id=%00%ff~;type=private"
                                  "?pin-source=file:/run/p%69n&module-name=hsmbridge");

    (void)state;
    assert_string_equal(uri.slot, "my web");
    assert_string_equal(uri.object, "a;b");
    assert_int_equal(uri.id.len, 3);
    assert_memory_equal(uri.id.data, "\0\xff~", 3);
    assert_int_equal(uri.class, REMOTE_URI_PRIVATE);
    assert_string_equal(uri.pin_source, "/run/pin");
    assert_null(uri.pin.data);
    assert_null(uri.foreign);
    assert_int_equal(uri.slot_id, -1);
    remote_uri_clear(&uri);
}

static void test_parse_of_our_scheme_is_the_same_with_slot(void **state)
{
    struct remote_uri uri = parse("hsmbridge:slot=web;object=site@v3;type=cert");

    (void)state;
    assert_string_equal(uri.slot, "web");
    assert_string_equal(uri.object, "site@v3");
    assert_int_equal(uri.class, REMOTE_URI_CERT);
    remote_uri_clear(&uri);
    assert_refused("hsmbridge:token=web", "'token' is no attribute");
    assert_refused("pkcs11:slot=web", "'slot' is no attribute");
}

static void test_parse_when_nothing_is_named_then_everything_is(void **state)
{
    static const char *const all[] = { "pkcs11:", "hsmbridge:", "pkcs11:?module-name=hsmbridge" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        struct remote_uri uri = parse(all[i]);

        assert_null(uri.slot);
        assert_null(uri.object);
        assert_int_equal(uri.id.len, 0);
        assert_int_equal(uri.class, REMOTE_URI_ANY);
        assert_false(remote_uri_has_slot(&uri));
        remote_uri_clear(&uri);
    }
}

static void test_parse_of_what_is_wrong_says_what(void **state)
{
    static const struct {
        const char *uri, *says;
    } wrong[] = {
        { "file:/etc/key.pem", "begins with 'hsmbridge:' or 'pkcs11:'" },
        { "pkcs11:token=a;token=b", "'token' stands twice" },
        { "pkcs11:token=a?pin-value=x&pin-value=y", "'pin-value' stands twice" },
        { "pkcs11:object", "'object' stands without a value" },
        { "pkcs11:object=", "object= has no value" },
        { "pkcs11:object=a;", "'' is no attribute" },
        { "pkcs11:;object=a", "'' is no attribute" },
        { "pkcs11:object=a%", "object= has a '%' without two hex digits" },
        { "pkcs11:object=a%2", "object= has a '%' without two hex digits" },
        { "pkcs11:object=a%zz", "object= has a '%' without two hex digits" },
        { "pkcs11:object=a%00b", "object= has a NUL byte" },
        { "pkcs11:object=a b", "must be written as %20" },
        { "pkcs11:object=a/b", "must be written as %2F" },
        { "pkcs11:object=\xc3\xa4", "must be written as %C3" },
        { "pkcs11:type=key", "type=key is none of private, public" },
        { "pkcs11:type=Private", "type=Private is none of" },
        { "pkcs11:tokem=a", "'tokem' is no attribute before the '?'" },
        { "pkcs11:x-vendor=a", "'x-vendor' is no attribute" },
        { "pkcs11:token=a?object=b", "'object' is no attribute after the '?'" },
        { "pkcs11:slot-id=one", "slot-id=one is no number" },
        { "pkcs11:slot-id=-1", "slot-id=-1 is no number" },
        { "pkcs11:slot-id=99999999999999999999", "is no number" },
        { "pkcs11:?pin-source=pin", "write it as pin-source=file:/absolute/path" },
        { "pkcs11:?pin-source=|/usr/bin/ask", "write it as pin-source=file:/absolute/path" },
        { "pkcs11:?pin-source=file://host/pin", "write it as pin-source=file:/absolute/path" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_refused(wrong[i].uri, wrong[i].says);
}

static void test_parse_of_more_than_a_uri_may_have_is_refused(void **state)
{
    char text[REMOTE_URI_MAX + 2] = "pkcs11:object=";
    size_t len = strlen(text);
    struct remote_uri uri;

    (void)state;
    memset(text + len, 'a', sizeof(text) - 1 - len);
    assert_refused(text, "more than 4096 bytes");
    text[REMOTE_URI_MAX] = '\0';
    uri = parse(text);
    remote_uri_clear(&uri);
}

static void test_parse_of_pin_source_takes_file_uris_and_paths(void **state)
{
    static const char *const forms[] = { "pkcs11:?pin-source=/run/pin",
                                         "pkcs11:?pin-source=file:/run/pin",
                                         "pkcs11:?pin-source=FILE:///run/pin",
                                         "hsmbridge:?pin-source=file:%2Frun%2Fpin" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct remote_uri uri = parse(forms[i]);

        assert_string_equal(uri.pin_source, "/run/pin");
        assert_true(remote_uri_has_pin(&uri));
        remote_uri_clear(&uri);
    }
}

static void test_parse_never_shows_a_pin(void **state)
{
    static const char *const right[][2] = {
        { "pkcs11:token=a?pin-value=" PIN, "pkcs11:token=a" },
        { "pkcs11:token=a?pin-value=" PIN "&module-name=m", "pkcs11:token=a" },
        { "pkcs11:token=a?module-name=m&pin-value=" PIN, "pkcs11:token=a?module-name=m" },
    };
    static const char *const wrong[] = {
        "pkcs11:token=a?pin-value=" PIN "&pin-value=" PIN,
        "pkcs11:token=a;pin-value=" PIN,
        "pkcs11:pin-value=" PIN ";token=a",
        "pkcs11:token=a?pin=" PIN,
        "pkcs11:token=a?PIN-VALUE=" PIN,
        "pkcs11:token=a?pin-value=" PIN "%",
        "pkcs11:token=a?pinvalue=" PIN "&x=y",
        "pkcs11:token=a?pin-value=a?&" PIN,
        "pkcs11:token=a?pin-value=a;" PIN,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
        struct remote_uri uri = parse(right[i][0]);

        assert_string_equal(uri.text, right[i][1]);
        assert_int_equal(uri.pin.len, strlen(PIN));
        assert_memory_equal(uri.pin.data, PIN, strlen(PIN));
        remote_uri_clear(&uri);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct remote_error err = { 0 };
        struct remote_uri uri = { 0 };

        assert_int_equal(remote_uri_parse(wrong[i], &uri, &err), REMOTE_E_PARAM);
        assert_null(strstr(err.text, PIN));
    }
}

static void test_parse_tells_the_tokens_of_other_modules(void **state)
{
    static const struct {
        const char *uri, *foreign;
    } cases[] = {
        { "pkcs11:manufacturer=hsmbridge", NULL },
        { "pkcs11:manufacturer=SoftHSM%20project", "manufacturer" },
        { "pkcs11:library-manufacturer=hsmbridge", NULL },
        { "pkcs11:library-manufacturer=Yubico", "library-manufacturer" },
        { "pkcs11:library-description=Remote%20key%20services%20as%20HSM%20slots", NULL },
        { "pkcs11:library-description=OpenSC", "library-description" },
        { "pkcs11:library-version=99.0", "library-version" },
        { "pkcs11:slot-manufacturer=x", "slot-manufacturer" },
        { "pkcs11:?module-name=hsmbridge", NULL },
        { "pkcs11:?module-name=opensc", "module-name" },
        { "pkcs11:?module-path=/usr/lib/x86_64-linux-gnu/pkcs11/hsmbridge.so", NULL },
        { "pkcs11:?module-path=/usr/lib/pkcs11/", NULL },
        { "pkcs11:?module-path=/usr/lib/softhsm/libsofthsm2.so", "module-path" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct remote_uri uri = parse(cases[i].uri);

        if (cases[i].foreign)
            assert_string_equal(uri.foreign, cases[i].foreign);
        else
            assert_null(uri.foreign);
        remote_uri_clear(&uri);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_when_the_scheme_is_ours_in_any_case),
        cmocka_unit_test(test_parse_of_rfc_7512_takes_all_that_names_a_key),
        cmocka_unit_test(test_parse_of_our_scheme_is_the_same_with_slot),
        cmocka_unit_test(test_parse_when_nothing_is_named_then_everything_is),
        cmocka_unit_test(test_parse_of_what_is_wrong_says_what),
        cmocka_unit_test(test_parse_of_more_than_a_uri_may_have_is_refused),
        cmocka_unit_test(test_parse_of_pin_source_takes_file_uris_and_paths),
        cmocka_unit_test(test_parse_never_shows_a_pin),
        cmocka_unit_test(test_parse_tells_the_tokens_of_other_modules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
