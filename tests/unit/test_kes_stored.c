/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as a KES stores them: what a real one wrote, and what it did not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "encode.h"
#include "in_guard.h"
#include "kes_stored.h"

#define AES                                                                                        \
    "CiQKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEAESJAogzRL4dU9N2fpah/1IBv/ETvlQZ0Dm4SC+"     \
    "0Ux5jw17OS4QARoMCLbTj9gGEPa4zpACIkA2MDc0NmU3MmYzMmQ5NjI2Mzg2ZDE5YjRkNjI0M2YzNGJhMjQ3ZWVm"     \
    "NmJjYjM1ZDUxOTMyYmU2M2Q3NmYzNWJh"
#define CHACHA20                                                                                   \
    "CiQKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEAISJAogsUhVsbLHJSSyxRIPOR4A/AYGHCfax01P"     \
    "+ULWNp3dkS8QARoMCLbTj9gGEIK7yZcCIkA2MDc0NmU3MmYzMmQ5NjI2Mzg2ZDE5YjRkNjI0M2YzNGJhMjQ3ZWVm"     \
    "NmJjYjM1ZDUxOTMyYmU2M2Q3NmYzNWJh"
#define BYTES "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define MADE 1795418550 /* 2026-11-23T07:22:30Z */

static void assert_reads(const char *text, enum remote_key_type type, bool mac, int64_t created)
{
    struct kes_stored stored = { 0 };
    struct remote_error err = { 0 };

    if (kes_stored_read(remote_slice_str(text), &stored, &err) != REMOTE_OK)
        fail_msg("%s: %s", text, err.text);
    assert_int_equal(stored.type, type);
    assert_int_equal(stored.cipher.len, KES_KEY_LEN);
    for (size_t i = 0; i < KES_KEY_LEN; i++)
        assert_int_equal(stored.cipher.data[i], i);
    assert_int_equal(stored.mac.len, mac ? KES_KEY_LEN : 0);
    assert_int_equal(stored.created, created);
    kes_stored_clear(&stored);
}

static void test_recorded_keys_are_read(void **state)
{
    (void)state;
    assert_reads(AES, REMOTE_KEY_AES, true, MADE);
    assert_reads(CHACHA20, REMOTE_KEY_CHACHA20, true, MADE);
    assert_reads("  " AES "\n", REMOTE_KEY_AES, true, MADE);
}

static void test_keys_of_older_versions_are_read(void **state)
{
    (void)state;
    assert_reads("{\"bytes\":\"" BYTES "\"}", REMOTE_KEY_AES, false, 0);
    assert_reads("{\"bytes\":\"" BYTES "\",\"algorithm\":\"AES256-GCM_SHA256\"}", REMOTE_KEY_AES,
                 false, 0);
    assert_reads("{\"bytes\":\"" BYTES "\",\"algorithm\":\"XCHACHA20-POLY1305\",\"created_at\":"
                 "\"2026-11-23T07:22:30Z\",\"created_by\":\"00ff\"}",
                 REMOTE_KEY_CHACHA20, false, MADE);
}

static void assert_refused(struct remote_slice text)
{
    struct kes_stored stored = { 0 };
    struct remote_error err = { 0 };

    assert_int_equal(kes_stored_read(text, &stored, &err), REMOTE_E_DATA);
    assert_true(err.text[0] != '\0');
    assert_null(stored.cipher.data);
    assert_null(stored.mac.data);
}

static void test_what_is_no_key_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "{}",
        "=",
        "====",
        "garbage",
        "AAAA",
        "{\"bytes\":\"AAEC\"}",
        "{\"bytes\":5}",
        "{\"bytes\":\"" BYTES "\",\"algorithm\":\"DES\"}",
        /* no HMAC key, which KES does not survive */
        "CiQKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEAE=",
        /* a field that is longer than what is there, a group, an endless number */
        "Cv8B",
        "CwA=",
        "////////////////",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_refused(remote_slice_str(texts[i]));
}

static void test_key_when_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < 96; len++) /* as far as key and HMAC key reach */
        assert_refused(remote_slice(AES, len));
}

static void test_key_when_of_an_unknown_type_is_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    assert_true(remote_base64_decode(remote_slice_str(AES), &bytes));
    bytes.data[37] = 3; /* behind the key: its type */
    remote_base64_append(&text, remote_buf_slice(&bytes));
    assert_refused(remote_buf_slice(&text));
}

static void assert_writes_the_same(const char *text)
{
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret written = { 0 };

    assert_int_equal(kes_stored_read(remote_slice_str(text), &stored, NULL), REMOTE_OK);
    assert_int_equal(stored.created, MADE);
    assert_int_not_equal(stored.created_ns, 0);
    assert_string_equal(stored.created_by,
                        "60746e72f32d9626386d19b4d6243f34ba247eef6bcb35d51932be63d76f35ba");
    assert_int_equal(kes_stored_write(&stored, &written, NULL), REMOTE_OK);
    assert_int_equal(written.len, strlen(text));
    assert_string_equal((char *)written.data, text);
}

static void test_recorded_keys_are_written_as_they_were(void **state)
{
    (void)state;
    assert_writes_the_same(AES);
    assert_writes_the_same(CHACHA20);
}

static void test_key_without_hmac_key_is_not_written(void **state)
{
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret written = { 0 };

    (void)state;
    assert_int_equal(kes_stored_read(remote_slice_str("{\"bytes\":\"" BYTES "\"}"), &stored, NULL),
                     REMOTE_OK);
    assert_int_equal(kes_stored_write(&stored, &written, NULL), REMOTE_E_USAGE);
    assert_null(written.data);
}

static void test_time_and_creator_of_older_versions_are_read(void **state)
{
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };
    static const char text[] = "{\"bytes\":\"" BYTES "\",\"created_at\":"
                               "\"2026-11-23T07:22:30.25Z\",\"created_by\":\"00ff\"}";

    (void)state;
    assert_int_equal(kes_stored_read(remote_slice_str(text), &stored, NULL), REMOTE_OK);
    assert_int_equal(stored.created, MADE);
    assert_int_equal(stored.created_ns, 250000000);
    assert_string_equal(stored.created_by, "00ff");
}

static void test_creator_that_is_no_identity_is_passed_over(void **state)
{
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };
    static const char text[] = "{\"bytes\":\"" BYTES "\",\"created_by\":\"a\\nb\"}";

    (void)state;
    assert_int_equal(kes_stored_read(remote_slice_str(text), &stored, NULL), REMOTE_OK);
    assert_string_equal(stored.created_by, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_keys_are_read),
        cmocka_unit_test(test_keys_of_older_versions_are_read),
        cmocka_unit_test(test_what_is_no_key_is_refused),
        cmocka_unit_test(test_key_when_cut_anywhere_is_refused),
        cmocka_unit_test(test_key_when_of_an_unknown_type_is_refused),
        cmocka_unit_test(test_recorded_keys_are_written_as_they_were),
        cmocka_unit_test(test_key_without_hmac_key_is_not_written),
        cmocka_unit_test(test_time_and_creator_of_older_versions_are_read),
        cmocka_unit_test(test_creator_that_is_no_identity_is_passed_over),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
