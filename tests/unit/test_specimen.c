/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are made and not sent. */
#include "memory.h"

#include "specimen.h"

#define LOGIN "[slot web]\nbackend = memory-login\nurl = https://a:8200\n"

static const struct remote_params ecdsa = { .alg = REMOTE_ALG_ECDSA, .hash = REMOTE_HASH_SHA256 };
static const struct remote_params oaep = { .alg = REMOTE_ALG_RSA_OAEP,
                                           .hash = REMOTE_HASH_SHA256,
                                           .mgf_hash = REMOTE_HASH_SHA256 };
static const unsigned char digest[32] = "specimen";

static enum remote_rc make(struct remote_key *key, enum remote_use use,
                           const struct remote_params *params, struct remote_specimen *ret,
                           struct remote_error *err)
{
    memset(err, 0, sizeof(*err));
    return remote_specimen_make(key, use, params, remote_slice(digest, sizeof(digest)), ret, err);
}

static bool holds(const struct remote_buf *buf, const void *bytes, size_t len)
{
    return buf->data != NULL && memmem(buf->data, buf->len, bytes, len) != NULL;
}

static void test_make_when_logged_in_then_all_of_the_request_and_none_is_sent(void **state)
{
    CLEANUP(remote_specimen_clear) struct remote_specimen specimen = { 0 };
    struct remote_error err;
    struct remote_key *key;
    size_t sent;

    (void)state;
    memory_add_key("k", 1);
    key = memory_find(memory_open(LOGIN "connect_to = 127.0.0.1:9 b:1:c:2\n"), "k");
    sent = memory.requests;
    for (int i = 0; i < 2; i++) { /* the second time over the first */
        assert_ok(make(key, REMOTE_USE_SIGN, &ecdsa, &specimen, &err), err);
        assert_string_equal(specimen.method, "POST");
        assert_memory_equal(specimen.url.data, "https://a:8200", 14);
        assert_true(holds(&specimen.url, "t1", 3)); /* the token, where this service wants it */
        assert_true(holds(&specimen.body, digest, sizeof(digest)));
        assert_string_equal((char *)specimen.connect_to.data, "::127.0.0.1:9\nb:1:c:2\n");
        assert_null(specimen.unix_path);
        assert_false(specimen.fresh);
    }
    assert_int_equal(memory.requests, sent);
    remote_key_unref(key);
}

static void test_make_when_never_logged_in_then_refused(void **state)
{
    CLEANUP(remote_specimen_clear) struct remote_specimen specimen = { 0 };
    struct remote_error err;
    struct remote_slot *slot;
    struct remote_key *key;

    (void)state;
    slot = memory_open(LOGIN);
    key = remote_key_new(slot, "k", 1, &err);
    key->type = REMOTE_KEY_EC;
    assert_int_equal(make(key, REMOTE_USE_SIGN, &ecdsa, &specimen, &err), REMOTE_E_AUTH);
    assert_says(err.text, "slot 'web': not logged in");
    assert_null(specimen.url.data);
    assert_int_equal(memory.requests, 0);
    remote_key_unref(key);
}

static void test_make_when_done_without_a_request_then_refused(void **state)
{
    CLEANUP(remote_specimen_clear) struct remote_specimen specimen = { 0 };
    struct remote_error err;
    struct remote_key *key;

    (void)state;
    memory_add_typed("r", 1, REMOTE_KEY_RSA, 2048);
    key = memory_find(memory_open("[slot web]\nbackend = memory\nurl = https://a\n"), "r");
    assert_int_equal(make(key, REMOTE_USE_ENCRYPT, &oaep, &specimen, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "key 'r': this is done here, without a request");
    assert_ok(make(key, REMOTE_USE_DECRYPT, &oaep, &specimen, &err), err);
    key->released = true;
    assert_int_equal(make(key, REMOTE_USE_DECRYPT, &oaep, &specimen, &err), REMOTE_E_UNSUPPORTED);
    remote_key_unref(key);
}

static void test_client_in_files_when_there_is_none_then_true(void **state)
{
    (void)state;
    assert_true(remote_specimen_client_in_files(
        memory_open("[slot web]\nbackend = memory\nurl = https://a\n")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_make_when_logged_in_then_all_of_the_request_and_none_is_sent),
        TEST(test_make_when_never_logged_in_then_refused),
        TEST(test_make_when_done_without_a_request_then_refused),
        TEST(test_client_in_files_when_there_is_none_then_true),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
