/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"

static void test_append_number_writes_decimal_digits(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    (void)state;
    remote_buf_append_number(&buf, 0);
    remote_buf_append_char(&buf, ' ');
    remote_buf_append_number(&buf, 42);
    remote_buf_append_char(&buf, ' ');
    remote_buf_append_number(&buf, UINT64_MAX);
    assert_string_equal(buf.data, "0 42 18446744073709551615");
}

static void test_append_grows_and_ends_with_nul(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++) {
        remote_buf_append_char(&buf, 'a');
        assert_int_equal(buf.data[buf.len], '\0');
    }
    remote_buf_append_str(&buf, "bc");
    remote_buf_append(&buf, "\0d", 2);
    remote_buf_printf(&buf, "%d-%s", 42, "e");
    assert_int_equal(buf.len, 1008);
    assert_memory_equal(buf.data + 1000, "bc\0d42-e", 9);
    assert_int_equal(remote_buf_check(&buf, NULL), REMOTE_OK);
}

static void test_append_of_nothing_makes_an_empty_text(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    (void)state;
    remote_buf_append(&buf, NULL, 0);
    assert_string_equal((char *)buf.data, "");
    assert_int_equal(buf.len, 0);
}

static void test_reserve_beyond_memory_fails_and_stays_failed(void **state)
{
    static const size_t too_much[] = { SIZE_MAX, SIZE_MAX - 3, SIZE_MAX - 4 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(too_much); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };
        struct remote_error err = { 0 };

        remote_buf_append_str(&buf, "kept");
        assert_null(remote_buf_reserve(&buf, too_much[i]));
        remote_buf_append_str(&buf, "more");
        assert_string_equal((char *)buf.data, "kept");
        assert_int_equal(remote_buf_check(&buf, &err), REMOTE_E_NOMEM);
        assert_string_equal(err.text, "out of memory");
        remote_buf_clear(&buf);
        assert_int_equal(remote_buf_check(&buf, &err), REMOTE_OK);
    }
}

static void test_reserve_then_fewer_bytes_ends_with_nul(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };
    unsigned char *room;

    (void)state;
    remote_buf_append_str(&buf, "ab");
    room = remote_buf_reserve(&buf, 100);
    assert_non_null(room);
    assert_int_equal(buf.len, 2);
    memcpy(room, "cd", 2);
    buf.len += 2;
    assert_string_equal((char *)buf.data, "abcd");
}

static void test_truncate_wipes_what_is_cut_off(void **state)
{
    static const unsigned char zeroes[6];
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    (void)state;
    remote_buf_append_str(&buf, "user:secret");
    remote_buf_truncate(&buf, 100);
    assert_int_equal(buf.len, 11);
    remote_buf_truncate(&buf, 5);
    assert_string_equal((char *)buf.data, "user:");
    assert_memory_equal(buf.data + 5, zeroes, sizeof(zeroes));
}

static void test_clear_empties_and_accepts_null(void **state)
{
    struct remote_buf buf = { 0 };

    (void)state;
    remote_buf_append_str(&buf, "x");
    remote_buf_clear(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.len + buf.cap, 0);
    remote_buf_clear(&buf);
    remote_buf_clear(NULL);
}

static void test_slice_equal_compares_length_and_bytes(void **state)
{
    (void)state;
    assert_true(remote_slice_equal(remote_slice_str("abc"), remote_slice("abcd", 3)));
    assert_false(remote_slice_equal(remote_slice_str("abc"), remote_slice_str("abd")));
    assert_false(remote_slice_equal(remote_slice_str("abc"), remote_slice_str("ab")));
    assert_true(remote_slice_equal(remote_slice(NULL, 0), remote_slice_str("")));
}

static void test_secret_set_copies_into_pages_of_its_own(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    assert_int_equal(remote_secret_set(&secret, "hvs.token", 9, NULL), REMOTE_OK);
    assert_string_equal((char *)secret.data, "hvs.token");
    assert_int_equal(secret.len, 9);
    assert_int_equal((uintptr_t)secret.data % page, 0);
    assert_int_equal(secret.cap % page, 0);
}

static void test_secret_set_again_wipes_the_longer_one(void **state)
{
    static const unsigned char zeroes[16];
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };

    (void)state;
    assert_int_equal(remote_secret_set(&secret, "0123456789abcdef", 16, NULL), REMOTE_OK);
    assert_int_equal(remote_secret_set(&secret, "xy", 2, NULL), REMOTE_OK);
    assert_string_equal((char *)secret.data, "xy");
    assert_memory_equal(secret.data + 2, zeroes, 14);
}

static void test_secret_set_of_a_whole_page_has_room_for_the_nul(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    assert_non_null(remote_buf_reserve(&bytes, page));
    memset(bytes.data, 'p', page);
    assert_int_equal(remote_secret_set(&secret, bytes.data, page, NULL), REMOTE_OK);
    assert_int_equal(secret.cap, 2 * page);
    assert_int_equal(secret.data[page - 1], 'p');
    assert_int_equal(secret.data[page], '\0');
}

static void test_secret_set_from_a_part_of_itself_keeps_that(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };

    (void)state;
    assert_int_equal(remote_secret_set(&secret, "prefix:token", 12, NULL), REMOTE_OK);
    assert_int_equal(remote_secret_set(&secret, secret.data + 7, 5, NULL), REMOTE_OK);
    assert_string_equal((char *)secret.data, "token");
}

static void test_secret_set_without_data_is_zeroes(void **state)
{
    static const unsigned char zeroes[32];
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };

    (void)state;
    assert_int_equal(remote_secret_set(&secret, "old", 3, NULL), REMOTE_OK);
    assert_int_equal(remote_secret_set(&secret, NULL, 32, NULL), REMOTE_OK);
    assert_int_equal(secret.len, 32);
    assert_memory_equal(secret.data, zeroes, 32);
}

static void test_secret_set_beyond_memory_leaves_the_old_one(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_secret_set(&secret, "old", 3, NULL), REMOTE_OK);
    assert_int_equal(remote_secret_set(&secret, "x", SIZE_MAX - 1, &err), REMOTE_E_NOMEM);
    assert_int_equal(remote_secret_set(&secret, "x", SIZE_MAX / 2, &err), REMOTE_E_NOMEM);
    assert_string_equal((char *)secret.data, "old");
}

static void test_secret_clear_empties_and_accepts_null(void **state)
{
    struct remote_secret secret = { 0 };

    (void)state;
    assert_int_equal(remote_secret_set(&secret, "s", 1, NULL), REMOTE_OK);
    remote_secret_clear(&secret);
    assert_null(secret.data);
    remote_secret_clear(&secret);
    remote_secret_clear(NULL);
}

static void test_secret_equal_compares_length_and_bytes(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };

    (void)state;
    assert_true(remote_secret_equal(&secret, remote_slice_str("")));
    assert_false(remote_secret_equal(&secret, remote_slice("", 1)));
    assert_int_equal(remote_secret_set(&secret, "token", 5, NULL), REMOTE_OK);
    assert_true(remote_secret_equal(&secret, remote_slice_str("token")));
    assert_false(remote_secret_equal(&secret, remote_slice_str("tokem")));
    assert_false(remote_secret_equal(&secret, remote_slice_str("uoken")));
    assert_false(remote_secret_equal(&secret, remote_slice_str("toke")));
    assert_false(remote_secret_equal(&secret, remote_slice("token\0", 6)));
}

static void test_str_free_forgets_the_pointer(void **state)
{
    char *text = strdup("x");

    (void)state;
    assert_non_null(text);
    remote_str_free(&text);
    assert_null(text);
    remote_str_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_number_writes_decimal_digits),
        cmocka_unit_test(test_append_grows_and_ends_with_nul),
        cmocka_unit_test(test_append_of_nothing_makes_an_empty_text),
        cmocka_unit_test(test_reserve_beyond_memory_fails_and_stays_failed),
        cmocka_unit_test(test_reserve_then_fewer_bytes_ends_with_nul),
        cmocka_unit_test(test_truncate_wipes_what_is_cut_off),
        cmocka_unit_test(test_clear_empties_and_accepts_null),
        cmocka_unit_test(test_slice_equal_compares_length_and_bytes),
        cmocka_unit_test(test_secret_set_copies_into_pages_of_its_own),
        cmocka_unit_test(test_secret_set_again_wipes_the_longer_one),
        cmocka_unit_test(test_secret_set_of_a_whole_page_has_room_for_the_nul),
        cmocka_unit_test(test_secret_set_from_a_part_of_itself_keeps_that),
        cmocka_unit_test(test_secret_set_without_data_is_zeroes),
        cmocka_unit_test(test_secret_set_beyond_memory_leaves_the_old_one),
        cmocka_unit_test(test_secret_clear_empties_and_accepts_null),
        cmocka_unit_test(test_secret_equal_compares_length_and_bytes),
        cmocka_unit_test(test_str_free_forgets_the_pointer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
