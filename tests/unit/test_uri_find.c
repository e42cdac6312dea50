/* SPDX-License-Identifier: Apache-2.0 */
/* What URIs name among slots; how a key file's URI comes to one key, and to its PIN. */
#include "memory.h"

#include "identity.h"
#include "temp_dir.h"
#include "uri.h"

#define SLOT(name) "[slot " name "]\nbackend = memory\nurl = https://a\n"
#define PIN_SLOT(name) "[slot " name "]\nbackend = memory-login\nurl = https://a\npin = password\n"
#define PIN_SHARED(name) PIN_SLOT(name) "pin_shared = yes\n"

static struct remote_core *core;

static void configure(const char *text)
{
    struct remote_error err = { 0 };

    make_file("hsmbridge.conf", text, 0600);
    assert_ok(remote_core_open(path_of("hsmbridge.conf"), &core, &err), err);
}

static int setup(void **state)
{
    core = NULL;
    return temp_dir_make(state) | memory_setup(state);
}

static int teardown(void **state)
{
    remote_core_close(core);
    return memory_teardown(state) | temp_dir_remove(state);
}

static enum remote_rc find(const char *text, struct remote_key_list *keys, struct remote_error *err)
{
    CLEANUP(remote_uri_clear) struct remote_uri uri = { 0 };

    remote_key_list_clear(keys);
    memset(err, 0, sizeof(*err));
    assert_ok(remote_uri_parse(text, &uri, err), *err);
    return remote_uri_find(core, &uri, keys, err);
}

static enum remote_rc find_one(const char *text, struct remote_key **ret, struct remote_error *err)
{
    CLEANUP(remote_uri_clear) struct remote_uri uri = { 0 };

    *ret = NULL;
    memset(err, 0, sizeof(*err));
    assert_ok(remote_uri_parse(text, &uri, err), *err);
    return remote_uri_find_one(core, &uri, ret, err);
}

static void assert_finds(const char *text, size_t count, const char *slot, const char *name)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err;

    assert_ok(find(text, &keys, &err), err);
    assert_int_equal(keys.count, count);
    assert_string_equal(remote_slot_name(keys.keys[0]->slot), slot);
    assert_string_equal(keys.keys[0]->name, name);
    remote_key_list_clear(&keys);
}

static void assert_fails(const char *text, enum remote_rc rc, const char *says)
{
    struct remote_key *key;
    struct remote_error err;

    assert_int_equal(find_one(text, &key, &err), rc);
    assert_says(err.text, says);
    assert_null(key);
}

/* ---- which keys ---- */

static void test_label_and_slot_name_one_key(void **state)
{
    (void)state;
    configure(SLOT("web") SLOT("mail"));
    memory_add_key("site", 1);
    memory_add_key("other", 1);
    assert_finds("pkcs11:token=mail;object=site", 1, "mail", "site");
    assert_int_equal(memory.requests, 1);
    assert_finds("hsmbridge:slot=web;object=site", 1, "web", "site");
}

static void test_label_alone_names_the_keys_of_all_slots_in_order(void **state)
{
    (void)state;
    configure(SLOT("web") SLOT("mail"));
    memory_add_key("site", 1);
    assert_finds("pkcs11:object=site", 2, "web", "site");
    assert_finds("pkcs11:", 2, "web", "site");
}

static void test_id_names_a_version_whatever_the_label_is_now(void **state)
{
    struct remote_key *key;
    struct remote_error err;

    (void)state;
    configure(SLOT("web"));
    memory_add_key("site", 1)->id = 0x11;
    memory_add_key("site", 2)->id = 0x22;
    assert_ok(find_one("pkcs11:object=site;id=%11%11%11%11%11%11%11%11%11%11%11%11%11%11%11%11%11"
                       "%11%11%11",
                       &key, &err),
              err);
    assert_int_equal(key->version, 1);
    remote_key_unref(key);
    assert_ok(find_one("pkcs11:object=site", &key, &err), err);
    assert_int_equal(key->version, 2);
    remote_key_unref(key);
    assert_fails("pkcs11:token=web;object=other;id=%11%11%11%11%11%11%11%11%11%11%11%11%11%11%11"
                 "%11%11%11%11%11",
                 REMOTE_E_NOT_FOUND, "no key 'other' in slot 'web'");
    assert_fails("pkcs11:object=site;id=%33", REMOTE_E_NOT_FOUND, "no slot has what");
}

/* A key file made anew after a rotation, in a process that has read the key before. */
static void test_id_of_a_version_made_since_is_read_without_a_listing(void **state)
{
    struct remote_key *key;
    struct remote_error err;

    (void)state;
    configure(SLOT("web"));
    memory_add_key("site", 1)->id = 0x11;
    assert_finds("pkcs11:object=site", 1, "web", "site");
    memory_add_key("site", 2)->id = 0x22;
    assert_ok(find_one("pkcs11:object=site;id=%22%22%22%22%22%22%22%22%22%22%22%22%22%22%22%22%22"
                       "%22%22%22",
                       &key, &err),
              err);
    assert_int_equal(key->version, 2);
    remote_key_unref(key);
    assert_int_equal(memory_count(REMOTE_OP_LIST), 0);
    assert_int_equal(memory_count(REMOTE_OP_READ), 2);
}

static void test_type_leaves_out_what_is_of_another(void **state)
{
    (void)state;
    configure(SLOT("web"));
    memory_add_key("pair", 1);
    memory_add_typed("secret", 1, REMOTE_KEY_AES, 256);
    assert_finds("pkcs11:", 2, "web", "pair");
    assert_finds("pkcs11:type=private", 1, "web", "pair");
    assert_finds("pkcs11:type=public", 1, "web", "pair");
    assert_finds("pkcs11:type=secret-key", 1, "web", "secret");
    assert_fails("pkcs11:object=secret", REMOTE_E_NOT_FOUND, "no slot has what");
    assert_fails("pkcs11:object=pair;type=cert", REMOTE_E_PARAM, "of another type");
    assert_fails("pkcs11:object=pair;type=data", REMOTE_E_PARAM, "of another type");
}

/* ---- which slots ---- */

static void test_token_of_another_name_lists_those_there_are(void **state)
{
    (void)state;
    configure(SLOT("web") SLOT("mail"));
    assert_fails("pkcs11:token=wep;object=site", REMOTE_E_NOT_FOUND, "no slot 'wep' in ");
    assert_fails("pkcs11:token=wep;object=site", REMOTE_E_NOT_FOUND, "there are 'web', 'mail'");
    assert_fails("pkcs11:token=web;manufacturer=SoftHSM", REMOTE_E_NOT_FOUND,
                 "names another module's token, by its manufacturer");
    assert_int_equal(memory.requests, 0);
}

static void test_what_else_names_a_token_has_to_fit(void **state)
{
    char serial[REMOTE_IDENTITY_SERIAL_LEN + 1], text[128];
    struct remote_error err = { 0 };

    (void)state;
    configure(SLOT("web") SLOT("mail"));
    memory_add_key("site", 1);
    assert_ok(remote_identity_serial(remote_core_slot(core, 1), serial, &err), err);
    snprintf(text, sizeof(text), "pkcs11:serial=%s;model=memory", serial);
    assert_finds(text, 1, "mail", "site");
    assert_finds("pkcs11:slot-id=1", 1, "mail", "site");
    assert_finds("pkcs11:slot-description=web%20%28memory%29", 1, "web", "site");
    assert_finds("pkcs11:manufacturer=hsmbridge;model=memory", 2, "web", "site");
    assert_fails("pkcs11:model=vault", REMOTE_E_NOT_FOUND, "fits no slot of ");
    assert_fails("pkcs11:slot-id=2", REMOTE_E_NOT_FOUND, "fits no slot of ");
    assert_fails("pkcs11:token=web;slot-id=1", REMOTE_E_NOT_FOUND, "fits no slot of ");
    assert_fails("pkcs11:serial=0000000000000000", REMOTE_E_NOT_FOUND, "fits no slot of ");
}

static void test_slot_that_is_away_matters_only_when_it_is_named(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err;

    (void)state;
    configure(SLOT("web") "[slot broken]\nbackend = nosuch\n");
    memory_add_key("site", 1);
    assert_finds("pkcs11:object=site", 1, "web", "site");
    assert_int_equal(find("pkcs11:token=broken;object=site", &keys, &err), REMOTE_E_CONFIG);
    assert_says(err.text, "nosuch");
    assert_int_equal(find("pkcs11:object=none", &keys, &err), REMOTE_E_CONFIG);
}

/* ---- one key ---- */

static void test_one_of_several_is_refused_with_two_of_them(void **state)
{
    (void)state;
    configure(SLOT("web") SLOT("mail"));
    memory_add_key("site", 1);
    assert_fails("pkcs11:object=site", REMOTE_E_PARAM,
                 "names 2 keys, 'site' of slot 'web' and 'site' of slot 'mail' among them: name "
                 "one with token=, object= and id=");
    memory_add_key("other", 1);
    assert_fails("pkcs11:token=web", REMOTE_E_PARAM, "'other' of slot 'web' and 'site' of slot");
}

static void test_versions_of_one_label_are_one_key_the_pinned_one(void **state)
{
    struct remote_key *key;
    struct remote_error err;

    (void)state;
    configure(SLOT("web") "versions = all\n");
    memory_add_key("site", 1);
    memory_add_key("site", 2);
    assert_ok(find_one("pkcs11:object=site", &key, &err), err);
    assert_int_equal(key->version, 2);
    remote_key_unref(key);
    assert_ok(find_one("pkcs11:object=site%40v1", &key, &err), err);
    assert_int_equal(key->version, 1);
    remote_key_unref(key);
}

/* ---- PINs ---- */

static void test_pin_slot_without_a_pin_says_where_to_put_it(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err;

    (void)state;
    configure(PIN_SLOT("web"));
    memory_add_key("site", 1);
    assert_fails("pkcs11:token=web;object=site", REMOTE_E_AUTH,
                 "has no PIN: add ?pin-source=file:PATH");
    assert_int_equal(find("pkcs11:token=web;object=site", &keys, &err), REMOTE_E_AUTH);
    assert_says(err.text, "slot 'web' takes a PIN: add ?pin-source=file:PATH to ");
    assert_int_equal(memory.requests, 0);
}

static void test_pin_by_value_or_file_logs_in(void **state)
{
    char text[PATH_MAX + 128];
    struct remote_key *key;
    struct remote_error err;

    (void)state;
    configure(PIN_SLOT("web"));
    memory_add_key("site", 1);
    make_file("pin", "pin-right\r\n", 0600);
    snprintf(text, sizeof(text), "pkcs11:token=web;object=site?pin-source=file:%s", path_of("pin"));
    assert_ok(find_one(text, &key, &err), err);
    remote_key_unref(key);
    assert_string_equal(memory.log[0].pin, "pin-right");
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1);
    assert_ok(find_one("pkcs11:token=web;object=site?pin-value=pin-right", &key, &err), err);
    remote_key_unref(key);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1); /* the same one: nothing to prove */
}

static void test_pin_that_is_wrong_or_not_there_is_told_without_it(void **state)
{
    struct remote_key *key;
    struct remote_error err;

    (void)state;
    configure(PIN_SLOT("web"));
    memory_add_key("site", 1);
    assert_int_equal(find_one("pkcs11:object=site?pin-value=pin-wrong", &key, &err), REMOTE_E_PIN);
    assert_null(strstr(err.text, "pin-wrong"));
    assert_fails("pkcs11:object=site?pin-source=file:/nonexistent/pin", REMOTE_E_CONFIG,
                 "/nonexistent/pin");
}

static void test_pin_is_for_one_slot(void **state)
{
    struct remote_key *key;
    struct remote_error err;

    (void)state;
    configure(PIN_SHARED("web") PIN_SHARED("mail") SLOT("open"));
    memory_add_key("site", 1);
    assert_fails("pkcs11:object=site?pin-value=pin-right", REMOTE_E_PARAM,
                 "names several slots that take a PIN ('web' and 'mail')");
    assert_int_equal(memory.requests, 0);
    assert_ok(find_one("pkcs11:token=open;object=site", &key, &err), err);
    remote_key_unref(key);
}

static void test_pin_of_the_user_does_not_open_the_slot_for_a_uri(void **state)
{
    struct remote_slice right = remote_slice_str("pin-right");
    struct remote_slot *slot;
    struct remote_key *key;
    struct remote_error err = { 0 };

    (void)state;
    configure(PIN_SLOT("web"));
    memory_add_key("site", 1);
    slot = remote_core_slot(core, 0);
    assert_ok(remote_slot_login(slot, right, &err), err);
    assert_fails("pkcs11:token=web;object=site", REMOTE_E_AUTH, "has no PIN");
    assert_fails("pkcs11:token=web;object=site?pin-value=pin-other", REMOTE_E_USAGE,
                 "logged in with another PIN");
    assert_ok(find_one("pkcs11:token=web;object=site?pin-value=pin-right", &key, &err), err);
    remote_slot_logout(slot); /* the user's */
    assert_true(remote_slot_logged_in(slot));
    remote_key_unref(key);
    assert_ok(remote_slot_login(slot, right, &err), err);
}

/* ---- written ---- */

static void test_what_is_written_names_the_same_key(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf uri = { 0 };
    struct remote_key *key, *same;
    struct remote_error err;

    (void)state;
    configure(SLOT("my web"));
    memory_add_key("a;b=c", 1)->id = 0xab;
    assert_ok(find_one("pkcs11:object=a%3Bb=c", &key, &err), err);
    remote_uri_write(key, &uri);
    assert_string_equal((char *)uri.data,
                        "pkcs11:token=my%20web;object=a%3Bb%3Dc;id=%AB%AB%AB%AB%AB%AB%AB%AB%AB%AB"
                        "%AB%AB%AB%AB%AB%AB%AB%AB%AB%AB;type=private");
    assert_ok(find_one((char *)uri.data, &same, &err), err);
    assert_ptr_equal(same, key);
    remote_key_unref(same);
    remote_key_unref(key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_label_and_slot_name_one_key),
        TEST(test_label_alone_names_the_keys_of_all_slots_in_order),
        TEST(test_id_names_a_version_whatever_the_label_is_now),
        TEST(test_id_of_a_version_made_since_is_read_without_a_listing),
        TEST(test_type_leaves_out_what_is_of_another),
        TEST(test_token_of_another_name_lists_those_there_are),
        TEST(test_what_else_names_a_token_has_to_fit),
        TEST(test_slot_that_is_away_matters_only_when_it_is_named),
        TEST(test_one_of_several_is_refused_with_two_of_them),
        TEST(test_versions_of_one_label_are_one_key_the_pinned_one),
        TEST(test_pin_slot_without_a_pin_says_where_to_put_it),
        TEST(test_pin_by_value_or_file_logs_in),
        TEST(test_pin_that_is_wrong_or_not_there_is_told_without_it),
        TEST(test_pin_is_for_one_slot),
        TEST(test_pin_of_the_user_does_not_open_the_slot_for_a_uri),
        TEST(test_what_is_written_names_the_same_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
