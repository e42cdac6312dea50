/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that a service gave out, with their bytes already here: what is done with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "encode.h"
#include "libctx.h"
#include "released.h"
#include "slot_private.h"

static struct remote_guard guard;
static struct remote_slot slot = { .name = "s" };
static char name[] = "d";
static struct remote_key key;

static int setup(void **state)
{
    static const unsigned char bytes[16] = { 0 };
    struct remote_secret_key *value = NULL;

    (void)state;
    if (remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return -1;
    key = (struct remote_key){ .slot = &slot, .name = name, .type = REMOTE_KEY_AES, .bits = 128 };
    key.released = true;
    if (remote_secret_key_new(REMOTE_KEY_AES, remote_slice(bytes, sizeof(bytes)), &value, NULL) !=
        REMOTE_OK)
        return -1;
    atomic_store(&key.value, value);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remote_secret_key_unref(atomic_load(&key.value));
    remote_guard_leave(&guard);
    return 0;
}

static void test_release_when_here_already_then_the_same_and_no_request(void **state)
{
    struct remote_secret_key *value = NULL;

    (void)state;
    assert_int_equal(remote_key_release(&key, &value, NULL), REMOTE_OK);
    assert_ptr_equal(value, atomic_load(&key.value));
    remote_secret_key_unref(value);
}

static void test_release_when_the_key_stays_in_its_service_then_unsupported(void **state)
{
    struct remote_secret_key *value = NULL;
    struct remote_error err = { 0 };

    (void)state;
    key.released = false;
    assert_int_equal(remote_key_release(&key, &value, &err), REMOTE_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "'d' does not come out"));
    assert_null(value);
}

static void test_gcm_when_sealed_then_nonce_ciphertext_and_tag_and_opened_again(void **state)
{
    const struct remote_params params = { .alg = REMOTE_ALG_AES_GCM, .aad = remote_slice("x", 1) };
    struct remote_buf one = { 0 }, other = { 0 }, plain = { 0 };

    (void)state;
    assert_int_equal(remote_released_encrypt(&key, &params, remote_slice_str("text"), &one, NULL),
                     REMOTE_OK);
    assert_int_equal(remote_released_encrypt(&key, &params, remote_slice_str("text"), &other, NULL),
                     REMOTE_OK);
    assert_int_equal(one.len, 12 + 4 + 16);
    assert_memory_not_equal(one.data, other.data, 12); /* a nonce is used once */
    assert_int_equal(remote_released_decrypt(&key, &params, remote_buf_slice(&one), &plain, NULL),
                     REMOTE_OK);
    assert_string_equal((char *)plain.data, "text");
    remote_buf_clear(&one);
    remote_buf_clear(&other);
    remote_buf_clear(&plain);
}

static void test_gcm_when_it_does_not_open_then_one_error_and_no_output(void **state)
{
    const struct remote_params params = { .alg = REMOTE_ALG_AES_GCM };
    struct remote_buf plain = { 0 };
    static const char junk[64];

    (void)state;
    for (size_t len = 0; len <= sizeof(junk); len += 4) {
        struct remote_error err = { 0 };

        assert_int_equal(remote_released_decrypt(&key, &params, remote_slice(junk, len), &plain,
                                                 &err),
                         REMOTE_E_DATA);
        assert_string_equal(err.text, "slot 's': key 'd' does not open this ciphertext");
        assert_null(plain.data);
    }
}

static void test_cbc_when_sealed_then_as_the_standard_says(void **state)
{
    static const unsigned char iv[16];
    const struct remote_params params = { .alg = REMOTE_ALG_AES_CBC,
                                          .iv = remote_slice(iv, sizeof(iv)) };
    struct remote_buf sealed = { 0 }, hex = { 0 };

    (void)state;
    assert_int_equal(remote_released_encrypt(&key, &params, remote_slice(iv, 16), &sealed, NULL),
                     REMOTE_OK);
    remote_hex_append(&hex, remote_buf_slice(&sealed));
    assert_string_equal((char *)hex.data, "66e94bd4ef8a2c3b884cfa59ca342b2e");
    remote_buf_clear(&sealed);
    remote_buf_clear(&hex);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_release_when_here_already_then_the_same_and_no_request),
        TEST(test_release_when_the_key_stays_in_its_service_then_unsupported),
        TEST(test_gcm_when_sealed_then_nonce_ciphertext_and_tag_and_opened_again),
        TEST(test_gcm_when_it_does_not_open_then_one_error_and_no_output),
        TEST(test_cbc_when_sealed_then_as_the_standard_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
