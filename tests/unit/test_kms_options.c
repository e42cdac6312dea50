/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: ours, and those of Azure's plugin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"

static enum remote_rc parse(struct kms_options *ret, struct remote_error *err, ...)
{
    char *argv[32] = { (char *)(uintptr_t) "hsmbridge-kms" };
    int argc = 1;
    va_list args;

    va_start(args, err);
    for (char *word; (word = va_arg(args, char *)) != NULL;)
        argv[argc++] = word;
    va_end(args);
    return kms_options_parse(argc, argv, ret, err);
}

static void test_options_have_one_dash_or_two_and_a_blank_or_an_equals_sign(void **state)
{
    struct kms_options options;
    struct kms_serving serving;

    (void)state;
    assert_int_equal(parse(&options, NULL, "--slot", "a", "-key=k", "--listen=unix:///s",
                           "-timeout", "5s", "--log-format-json=false", "-take-over", NULL),
                     REMOTE_OK);
    assert_int_equal(kms_options_count(&options), 1);
    serving = kms_options_at(&options, 0);
    assert_string_equal(serving.slot, "a");
    assert_string_equal(serving.key, "k");
    assert_string_equal(serving.listen, "unix:///s");
    assert_null(serving.key_version);
    assert_int_equal(options.timeout_ms, 5000);
    assert_false(options.log_format_json);
    assert_true(options.take_over);
    assert_int_equal(options.rotation_check_ms, 60000);
    assert_string_equal(options.healthz_address, "127.0.0.1");
    assert_int_equal(options.healthz_port, 0);
}

static void test_several_keys_share_a_slot_or_have_their_own(void **state)
{
    struct kms_options options;
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(parse(&options, NULL, "--slot=s", "--key=a", "--listen=/a", "--key=b",
                           "--listen=/b", NULL),
                     REMOTE_OK);
    assert_int_equal(kms_options_count(&options), 2);
    assert_string_equal(kms_options_at(&options, 1).slot, "s");
    assert_string_equal(kms_options_at(&options, 1).listen, "/b");
    assert_int_equal(parse(&options, NULL, "--key=a", "--slot=1", "--key=b", "--slot=2", NULL),
                     REMOTE_OK);
    assert_string_equal(kms_options_at(&options, 1).slot, "2");
    assert_null(kms_options_at(&options, 1).listen);
    assert_int_equal(parse(&options, &err, "--key=a", "--key=b", "--key=c", "--slot=1", "--slot=2",
                           NULL),
                     REMOTE_E_USAGE);
    assert_non_null(strstr(err.text, "3 keys with 0 sockets and 2 slots"));
}

static void test_flags_of_azures_plugin_have_its_defaults(void **state)
{
    struct kms_options options;

    (void)state;
    assert_int_equal(parse(&options, NULL, "--keyvault-name=v", "--key-name=k", "--key-version=1f",
                           "-v=5", "--healthz-timeout=15s", "--metrics-addr", ":8096", NULL),
                     REMOTE_OK);
    assert_string_equal(kms_options_at(&options, 0).listen, "unix:///opt/azurekms.socket");
    assert_string_equal(kms_options_at(&options, 0).key, "k");
    assert_string_equal(kms_options_at(&options, 0).key_version, "1f");
    assert_string_equal(options.azure_json, "/etc/kubernetes/azure.json");
    assert_string_equal(options.healthz_address, "::");
    assert_int_equal(options.healthz_port, 8787);
    assert_int_equal(options.healthz_timeout_ms, 15000);
    assert_int_equal(options.metrics_port, 8096);
    assert_int_equal(options.verbosity, 5);
}

static void test_what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *words[3];
        const char *text;
    } cases[] = {
        { { "--slot", "s" }, "name the key" },
        { { "--kay", "s" }, "did you mean 'key'" },
        { { "--key" }, "--key needs a value" },
        { { "--key=" }, "--key needs a value" },
        { { "stray" }, "'stray' is no option" },
        { { "-" }, "'-' is no option" },
        { { "--timeout=never" }, "--timeout" },
        { { "--help=perhaps" }, "takes true or false" },
        { { "--keyvault-name=v", "--config=/c", "--key=k" }, "take either it" },
        { { "--keyvault-name=v", "--key=k", "--key=l" }, "serves one key" },
        { { "--managed-hsm", "--key=k" }, "go with --keyvault-name" },
        { { "--proxy-mode" }, "not served" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kms_options options;
        struct remote_error err = { 0 };
        const char *const *words = cases[i].words;

        assert_int_equal(parse(&options, &err, words[0], words[1], words[2], NULL), REMOTE_E_USAGE);
        if (strstr(err.text, cases[i].text) == NULL)
            fail_msg("'%s' does not say '%s'", err.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_have_one_dash_or_two_and_a_blank_or_an_equals_sign),
        cmocka_unit_test(test_several_keys_share_a_slot_or_have_their_own),
        cmocka_unit_test(test_flags_of_azures_plugin_have_its_defaults),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
