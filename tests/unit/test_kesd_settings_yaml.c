/* SPDX-License-Identifier: Apache-2.0 */
/* The kes.yml of a KES. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "kesd_files.h"

#define APP "4c3bf738eba9bb797fe9da7b45035767d5b7b1d1478dfcc461d34237f073d5e0"
#define OPS "ae1415fb87f3b8c457eef084e88a1126b1697d0e92b044b4a526ecf93068e436"
#define TLS "tls: {key: /s.key, cert: /s.crt}\n"
#define FS "keystore: {fs: {path: /keys}}\n"

static struct remote_core *core;

static int set_up(void **state)
{
    if (kesd_files_begin(state) != 0)
        return -1;
    core = kesd_core("");
    return setenv("HSMBRIDGE_TEST_IDENTITY", OPS, 1);
}

static int tear_down(void **state)
{
    remote_core_close(core);
    return kesd_files_end(state);
}

static enum remote_rc read_text(const char *text, struct kesd_settings **ret,
                                struct remote_error *err)
{
    return kesd_settings_read_yaml(make_file("kes.yml", text, 0600), core, ret, err);
}

static struct kesd_settings *good(const char *text)
{
    struct kesd_settings *settings = NULL;
    struct remote_error err = { 0 };

    if (read_text(text, &settings, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return settings;
}

static void assert_fault(const char *text, const char *expected)
{
    struct kesd_settings *settings = NULL;
    struct remote_error err = { 0 };

    if (read_text(text, &settings, &err) != REMOTE_E_CONFIG)
        fail_msg("taken: %s", text);
    assert_null(settings);
    if (!strstr(err.text, expected))
        fail_msg("'%s' is not in: %s", expected, err.text);
}

/* As a running KES of our recordings was told. */
static void test_file_when_of_a_running_kes_then_taken_over(void **state)
{
    struct kesd_settings *s = good(
        "version: v1\naddress: 127.0.0.1:17373\nadmin: {identity: " APP "}\n" TLS "policy:\n"
        "  app1: {allow: [/v1/key/create/app1*, /v1/api], deny: [/v1/key/generate/app1-internal*],"
        " identities: [\"${HSMBRIDGE_TEST_IDENTITY}\", \"${HSMBRIDGE_TEST_NOT_SET}\"]}\n"
        "  ops:\n    allow:\n    - /v1/status\n"
        "cache: {expiry: {any: 5m0s, unused: 20s, offline: 1h}}\nlog: {error: on, audit: on}\n"
        "keys: [{name: boot-key}]\n"
        "api: {/v1/ready: {skip_auth: true}, /v1/key/list/: {skip_auth: true}, "
        "/v1/status: {skip_auth: false}}\n" FS);

    (void)state;
    assert_string_equal(s->address, "127.0.0.1:17373");
    assert_string_equal(s->admin, APP);
    assert_string_equal(s->cert_file, "/s.crt");
    assert_null(s->ca_file);
    assert_int_equal(s->policy_count, 2);
    assert_string_equal(s->policies[0].name, "app1");
    assert_int_equal(s->policies[0].allow.count, 2);
    assert_true(s->policies[0].deny.rules[0].prefix);
    assert_int_equal(s->policies[0].identity_count, 1);
    assert_string_equal(s->policies[0].identities[0], OPS);
    assert_int_equal(s->cache_any_ms, 300000);
    assert_int_equal(s->cache_unused_ms, 20000);
    assert_int_equal(s->cache_offline_ms, 3600000);
    assert_true(s->log_audit && s->log_error && !s->audit_all);
    assert_string_equal(s->create[0], "boot-key");
    assert_int_equal(s->skip_auth.count, 2);
    assert_true(s->skip_auth.rules[1].prefix);
    assert_int_equal(s->store, KESD_STORE_DIRECTORY);
    assert_int_equal(s->format, KESD_FORMAT_KES);
    assert_string_equal(s->directory, "/keys");
    kesd_settings_free(s);
}

static void test_vault_when_a_slot_has_its_url_then_that_slot_logs_in(void **state)
{
    struct kesd_settings *s =
        good(TLS "keystore:\n  vault:\n    endpoint: http://127.0.0.1:8200/\n    engine: secret\n"
                 "    version: v2\n    prefix: kes/dev\n    approle: {id: a, secret: b}\n"
                 "    transit: {key: wrap}\n    status: {ping: 3s}\n");

    (void)state;
    assert_int_equal(s->store, KESD_STORE_VAULT);
    assert_string_equal(s->vault_slot, "vault");
    assert_string_equal(s->vault_mount, "secret");
    assert_string_equal(s->vault_prefix, "kes/dev");
    assert_int_equal(s->vault_version, 2);
    assert_string_equal(s->vault_transit, "wrap");
    assert_string_equal(s->address, "0.0.0.0:7373");
    kesd_settings_free(s);
}

static void test_clients_when_verified_then_by_the_ca_and_their_dates(void **state)
{
    struct kesd_settings *s = good("tls: {key: s.key, cert: /s.crt, auth: on, ca: /ca}\n" FS);

    (void)state;
    assert_string_equal(s->ca_file, "/ca");
    assert_true(s->client_cert_expiry);
    assert_int_equal(s->key_file[0], '/'); /* where this program was started */
    assert_non_null(strstr(s->key_file, "/s.key"));
    kesd_settings_free(s);
    s = good("tls: {key: /s.key, cert: /s.crt, auth: off, ca: /ca}\n" FS);
    assert_null(s->ca_file);
    kesd_settings_free(s);
    s = good(TLS "admin: {identity: _}\n" FS);
    assert_string_equal(s->admin, "");
    kesd_settings_free(s);
}

static void test_fault_when_a_value_makes_no_sense_then_named_with_its_line(void **state)
{
    (void)state;
    assert_fault("a: [\n", "kes.yml:2:");
    assert_fault("- a\n", "this file holds names with values");
    assert_fault(FS, "tls.cert is missing");
    assert_fault("version: v2\n" TLS FS, "kes.yml:1: version: 'v2' is not known");
    assert_fault(TLS "address: here\n" FS, "kes.yml:2: address: 'here' is not HOST:PORT");
    assert_fault(TLS "cache: {expiry: {any: 5}}\n" FS, "cache.expiry.any: '5' is no duration");
    assert_fault(TLS "log: {audit: maybe}\n" FS, "log.audit: 'maybe' is neither on nor off");
    assert_fault("tls: {key: /s.key, cert: /s.crt, password: x}\n" FS, "tls.password: a key with");
    assert_fault("tls: {key: /s.key, cert: /s.crt, auth: on}\n" FS, "tls.ca is missing");
    assert_fault(TLS "keys: [{nam: x}]\n" FS, "keys: each item is a name: of a key");
    assert_fault(TLS, "keystore is missing");
    assert_fault(TLS "keystore: {gemalto: {}}\n", "keystore.gemalto is not served");
    assert_fault(TLS "keystore: {vault: {endpoint: \"http://127.0.0.1:1\"}}\n",
                 "none with backend = vault and url = http://127.0.0.1:1");
    assert_fault(TLS "keystore: {vault: {endpoint: \"http://127.0.0.1:8200\", "
                     "transit: {engine: other, key: k}}}\n",
                 "keystore.vault.transit.engine is other, and [slot vault] has mount = transit");
}

static void test_fault_when_a_policy_is_of_the_old_form_then_it_says_what_to_write(void **state)
{
    (void)state;
    assert_fault(TLS "policy:\n  app:\n    paths: [/v1/key/*]\n    identities: [" APP "]\n" FS,
                 "kes.yml:4: policy.app.paths is of a form that KES no longer reads, so that the "
                 "policy allows nothing; write allow: in its place");
    assert_fault(TLS "policy: {app: {allow: [v1]}}\n" FS, "policy.app.allow: 'v1' is not a path");
    assert_fault(TLS "policy: {app: {allow: /v1/*}}\n" FS, "policy.app.allow: a list is expected");
    assert_fault(TLS "policy: {app: {identities: [x]}}\n" FS, "policy.app.identities: 'x' is no");
    assert_fault(TLS "policy: {a: {identities: [" APP "]}, b: {identities: [" APP "]}}\n" FS,
                 "is in policy a already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_when_of_a_running_kes_then_taken_over),
        cmocka_unit_test(test_vault_when_a_slot_has_its_url_then_that_slot_logs_in),
        cmocka_unit_test(test_clients_when_verified_then_by_the_ca_and_their_dates),
        cmocka_unit_test(test_fault_when_a_value_makes_no_sense_then_named_with_its_line),
        cmocka_unit_test(test_fault_when_a_policy_is_of_the_old_form_then_it_says_what_to_write),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
