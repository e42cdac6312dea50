/* SPDX-License-Identifier: Apache-2.0 */
/* [kes] and [kes-policy NAME]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kesd_files.h"

#define TLS "cert_file = /s.crt\nkey_file = /s.key\n"
#define APP "4c3bf738eba9bb797fe9da7b45035767d5b7b1d1478dfcc461d34237f073d5e0"
#define OPS "AE1415FB87F3B8C457EEF084E88A1126B1697D0E92B044B4A526ECF93068E436"

static struct kesd_settings *good(const char *sections)
{
    struct remote_core *core = kesd_core(sections);
    struct kesd_settings *settings = NULL;
    struct remote_error err = { 0 };

    if (kesd_settings_read(core, &settings, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    remote_core_close(core);
    return settings;
}

static void assert_fault(const char *sections, const char *expected)
{
    struct remote_core *core = kesd_core(sections);
    struct kesd_settings *settings = NULL;
    struct remote_error err = { 0 };

    assert_int_equal(kesd_settings_read(core, &settings, &err), REMOTE_E_CONFIG);
    assert_null(settings);
    if (!strstr(err.text, expected))
        fail_msg("'%s' is not in: %s", expected, err.text);
    remote_core_close(core);
}

static void test_settings_when_only_what_must_be_then_defaults(void **state)
{
    struct kesd_settings *s = good("[kes]\n" TLS "slot = vault\n");

    (void)state;
    assert_string_equal(s->address, "0.0.0.0:7373");
    assert_string_equal(s->admin, "");
    assert_int_equal(s->store, KESD_STORE_SLOT);
    assert_string_equal(s->slot, "vault");
    assert_false(s->client_cert_expiry);
    assert_false(s->log_audit);
    assert_true(s->log_error);
    assert_int_equal(s->cache_any_ms, 300000);
    assert_int_equal(s->policy_count, 0);
    kesd_settings_free(s);
}

static void test_settings_when_all_is_given_then_taken(void **state)
{
    struct kesd_settings *s =
        good("[kes]\n" TLS "address = [::1]:7000\nca_file = /ca\nclient_cert_expiry = enforce\n"
             "admin = " OPS "\nskip_auth = /v1/ready /v1/met*\nstore = vault\n"
             "store_format = kes\nvault_slot = vault\nvault_mount = kv\nvault_prefix = p/q\n"
             "vault_version = 2\nvault_transit = wrap\ncache_any = 1h\ncache_unused = 0s\n"
             "cache_offline = 2m\ncreate = a b\ncreate = c\naudit = all\nerror_log = no\n"
             "[kes-policy app]\nallow = /v1/key/* /v1/api\ndeny = /v1/key/delete/*\n"
             "identities = " APP "\n");

    (void)state;
    assert_string_equal(s->address, "[::1]:7000");
    assert_string_equal(s->ca_file, "/ca");
    assert_true(s->client_cert_expiry);
    assert_string_equal(s->admin,
                        "ae1415fb87f3b8c457eef084e88a1126b1697d0e92b044b4a526ecf93068e436");
    assert_int_equal(s->skip_auth.count, 2);
    assert_string_equal(s->skip_auth.rules[1].path, "/v1/met");
    assert_true(s->skip_auth.rules[1].prefix);
    assert_int_equal(s->store, KESD_STORE_VAULT);
    assert_int_equal(s->format, KESD_FORMAT_KES);
    assert_string_equal(s->vault_slot, "vault");
    assert_string_equal(s->vault_mount, "kv");
    assert_string_equal(s->vault_prefix, "p/q");
    assert_int_equal(s->vault_version, 2);
    assert_string_equal(s->vault_transit, "wrap");
    assert_int_equal(s->cache_any_ms, 3600000);
    assert_int_equal(s->cache_unused_ms, 0);
    assert_int_equal(s->cache_offline_ms, 120000);
    assert_int_equal(s->create_count, 3);
    assert_string_equal(s->create[2], "c");
    assert_true(s->log_audit && s->audit_all && !s->log_error);
    assert_string_equal(s->policies[0].name, "app");
    assert_int_equal(s->policies[0].allow.count, 2);
    assert_false(s->policies[0].allow.rules[1].prefix);
    assert_string_equal(s->policies[0].deny.rules[0].path, "/v1/key/delete/");
    assert_string_equal(s->policies[0].identities[0], APP);
    kesd_settings_free(s);
}

static void test_store_when_not_named_then_what_is_given_tells(void **state)
{
    struct kesd_settings *s = good("[kes]\n" TLS "directory = /d\nstore_format = kes\n");

    (void)state;
    assert_int_equal(s->store, KESD_STORE_DIRECTORY);
    assert_null(s->slot);
    kesd_settings_free(s);
    s = good("[kes]\n" TLS "vault_slot = vault\nslot = vault\nsealing_key = k\n");
    assert_int_equal(s->store, KESD_STORE_VAULT);
    assert_int_equal(s->format, KESD_FORMAT_SEALED);
    kesd_settings_free(s);
}

static void test_fault_when_of_the_server_then_named(void **state)
{
    (void)state;
    assert_fault("", "has no section [kes]");
    assert_fault("[kes]\n", "[kes] cert_file: is missing");
    assert_fault("[kes]\n" TLS "adress = x\n", "[kes] adress: unknown option; did you mean "
                                               "'address'?");
    assert_fault("[kes]\n" TLS "address = nowhere\n", "[kes] address: 'nowhere' is not HOST:PORT");
    assert_fault("[kes]\n" TLS "address = a:70000\n", "is not HOST:PORT");
    assert_fault("[kes]\n" TLS "admin = me\n", "[kes] admin: 'me' is no identity");
    assert_fault("[kes]\n" TLS "slot = web\n", "[kes] slot: there is no [slot web]");
    assert_fault("[kes]\n" TLS, "[kes] slot: is missing; the slot whose keys are served");
    assert_fault("[kes]\n" TLS "directory = /d\n", "[kes] slot: is missing");
    assert_fault("[kes]\n" TLS "directory = /d\nslot = vault\n", "[kes] sealing_key: is missing");
    assert_fault("[kes]\n" TLS "store = directory\n", "[kes] directory: is missing");
    assert_fault("[kes]\n" TLS "slot = vault\nsealing_key = k\n",
                 "[kes] sealing_key: is of no use here: it goes with store = directory or vault");
    assert_fault("[kes]\n" TLS "slot = vault\nvault_slot = vault\nsealing_key = k\n"
                 "vault_transit = t\n",
                 "[kes] vault_transit: goes with store_format = kes");
    assert_fault("[kes]\n" TLS "slot = vault\ncreate = a/b\n", "[kes] create: 'a/b' is no name");
    assert_fault("[kes]\n" TLS "slot = vault\nskip_auth = v1\n", "[kes] skip_auth: 'v1' is not a");
    assert_fault("[kes]\n" TLS "slot = vault\n[kes]\n", "[kes] this section stands in");
}

static void test_fault_when_of_a_policy_then_named(void **state)
{
#define SERVER "[kes]\n" TLS "slot = vault\n"
    (void)state;
    assert_fault(SERVER "[kes-policy a b]\n", "'a b' is no name for a policy");
    assert_fault(SERVER "[kes-policy]\n", "'' is no name for a policy");
    assert_fault(SERVER "[kes-policy a]\nallow = /v1/*/x\n", "[kes-policy a] allow: '/v1/*/x'");
    assert_fault(SERVER "[kes-policy a]\nidentities = me\n",
                 "[kes-policy a] identities: 'me' is no identity");
    assert_fault(SERVER "[kes-policy a]\npaths = /v1/*\n", "[kes-policy a] paths: unknown option");
    assert_fault(SERVER "[kes-policy a]\nidentities = " APP "\n[kes-policy b]\nidentities = " APP
                        "\n",
                 "is in policy a already; an identity has one policy");
    assert_fault(SERVER "[kes-policy a]\n[kes-policy a]\n", "[kes-policy a] this name is taken in");
#undef SERVER
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_when_only_what_must_be_then_defaults),
        cmocka_unit_test(test_settings_when_all_is_given_then_taken),
        cmocka_unit_test(test_store_when_not_named_then_what_is_given_tells),
        cmocka_unit_test(test_fault_when_of_the_server_then_named),
        cmocka_unit_test(test_fault_when_of_a_policy_then_named),
    };

    return cmocka_run_group_tests(tests, kesd_files_begin, kesd_files_end);
}
