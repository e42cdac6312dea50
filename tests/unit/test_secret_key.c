/* SPDX-License-Identifier: Apache-2.0 */
#include "local_keys.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "encode.h"
#include "secret_key.h"

#define THREADS 8
#define ROUNDS 500

static struct remote_secret_key *make_key(enum remote_key_type type, const char *hex)
{
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };
    struct remote_secret_key *key = NULL;

    assert_true(remote_hex_decode(remote_slice_str(hex), &value));
    assert_int_equal(remote_secret_key_new(type, remote_buf_slice(&value), &key, NULL), REMOTE_OK);
    return key;
}

static void assert_hex(const struct remote_buf *bytes, const char *hex)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    remote_hex_append(&text, remote_buf_slice(bytes));
    assert_string_equal((char *)text.data, hex);
}

/* ---- keys ---- */

static bool length_fits(enum remote_key_type type, size_t len)
{
    switch (type) {
    case REMOTE_KEY_AES:
        return len == 16 || len == 24 || len == 32;
    case REMOTE_KEY_CHACHA20:
        return len == 32;
    default:
        return len >= 1 && len <= REMOTE_SECRET_KEY_MAX;
    }
}

static void check_length(enum remote_key_type type, size_t len)
{
    static const unsigned char bytes[REMOTE_SECRET_KEY_MAX + 1] = { 1 };
    struct remote_secret_key *key = NULL, *made = NULL;
    struct remote_error err = { 0 };
    bool fits = length_fits(type, len);
    enum remote_rc expected = fits ? REMOTE_OK : REMOTE_E_LENGTH;

    assert_int_equal(remote_secret_key_new(type, remote_slice(bytes, len), &key, &err), expected);
    assert_int_equal(remote_secret_key_generate(type, len, &made, &err), expected);
    if (fits) {
        assert_true(remote_secret_equal(&key->value, remote_slice(bytes, len)));
        assert_int_equal(made->value.len, len);
        assert_int_equal(made->type, type);
    } else {
        assert_null(key);
        assert_null(made);
        assert_says(err.text, "bytes, not ");
    }
    remote_secret_key_unref(key);
    remote_secret_key_unref(made);
}

static void test_key_when_its_length_is_not_one_of_its_type_then_refused(void **state)
{
    static const size_t generic[] = { 0, 1, 4095, 4096, 4097 };

    (void)state;
    for (size_t len = 0; len <= 33; len++) {
        check_length(REMOTE_KEY_AES, len);
        check_length(REMOTE_KEY_CHACHA20, len);
    }
    for (size_t i = 0; i < ARRAY_SIZE(generic); i++)
        check_length(REMOTE_KEY_GENERIC, generic[i]);
}

static void test_key_when_of_a_type_that_is_no_secret_then_unsupported(void **state)
{
    struct remote_secret_key *key = NULL;
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_secret_key_generate(REMOTE_KEY_RSA, 32, &key, &err),
                     REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "AES, ChaCha20 or generic");
    assert_null(key);
}

static void test_key_when_its_bytes_are_missing_then_never_zeros(void **state)
{
    struct remote_secret_key *key = NULL;

    (void)state;
    assert_int_equal(remote_secret_key_new(REMOTE_KEY_AES, remote_slice(NULL, 16), &key, NULL),
                     REMOTE_E_USAGE);
    assert_null(key);
}

static void test_generate_when_repeated_then_differs(void **state)
{
    struct remote_secret_key *one = NULL, *two = NULL;

    (void)state;
    assert_int_equal(remote_secret_key_generate(REMOTE_KEY_AES, 32, &one, NULL), REMOTE_OK);
    assert_int_equal(remote_secret_key_generate(REMOTE_KEY_AES, 32, &two, NULL), REMOTE_OK);
    assert_false(remote_secret_equal(&one->value, remote_secret_slice(&two->value)));
    remote_secret_key_unref(one);
    remote_secret_key_unref(two);
}

static void test_key_when_one_of_two_references_goes_then_stays(void **state)
{
    struct remote_secret_key *key = make_key(REMOTE_KEY_GENERIC, "0102");

    (void)state;
    assert_ptr_equal(remote_secret_key_ref(key), key);
    remote_secret_key_unref(key);
    assert_memory_equal(remote_secret_key_value(key).data, "\x01\x02", 2);
    remote_secret_key_unref(key);
    remote_secret_key_unref(NULL);
}

/* ---- forks ---- */

/* Of this process, in KiB; -1: not told. */
static long locked_memory(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long locked = -1;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmLck: %ld kB", &locked) == 1)
            break;
    }
    if (file != NULL)
        fclose(file);
    return locked;
}

/* 0: as it should be; the number says what is not. */
static int relocks(struct remote_secret_key *key, bool can_lock)
{
    unsigned inherited = atomic_load(&key->locked_generation);

    if (can_lock && locked_memory() != 0)
        return 1;
    if (memcmp(remote_secret_key_value(key).data, "\xaa\xbb", 2) != 0)
        return 2;
    if (atomic_load(&key->locked_generation) == inherited)
        return 3;
    return can_lock && locked_memory() <= 0 ? 4 : 0;
}

static void test_key_when_used_in_a_child_then_locked_again(void **state)
{
    long before = locked_memory();
    struct remote_secret_key *key = make_key(REMOTE_KEY_GENERIC, "aabb");
    bool can_lock = locked_memory() > before; /* not under a sanitizer, nor with a limit of 0 */
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(relocks(key, can_lock));
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    remote_secret_key_unref(key);
    assert_int_equal(locked_memory(), before);
}

/* ---- check values ---- */

/* FIPS 197 has no such block: AES-128 of zeros under a key of zeros is the H of GCM's test cases 1
 * and 2. */
static void test_check_value_when_aes_then_of_the_encrypted_zero_block(void **state)
{
    struct remote_secret_key *key = make_key(REMOTE_KEY_AES, "00000000000000000000000000000000");
    unsigned char value[3] = { 0 };

    (void)state;
    assert_int_equal(remote_secret_key_check_value(key, value, NULL), REMOTE_OK);
    assert_memory_equal(value, "\x66\xe9\x4b", 3);
    remote_secret_key_unref(key);
}

/* FIPS 180: SHA-1 of "abc" */
static void test_check_value_when_generic_then_of_sha1(void **state)
{
    struct remote_secret_key *key = make_key(REMOTE_KEY_GENERIC, "616263");
    unsigned char value[3] = { 0 };

    (void)state;
    assert_int_equal(remote_secret_key_check_value(key, value, NULL), REMOTE_OK);
    assert_memory_equal(value, "\xa9\x99\x3e", 3);
    remote_secret_key_unref(key);
}

/* ---- HMAC ---- */

struct mac_vector {
    enum remote_hash hash;
    const char *key, *data, *mac;
};

#define DATA_2 "7768617420646f2079612077616e7420666f72206e6f7468696e673f"
#define DATA_3                                                                                     \
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd" \
    "dddddddd"
#define KEY_1 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
#define KEY_3 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* RFC 4231 4.2 to 4.4; RFC 2202 3 for SHA-1. */
/* clang-format off */
static const struct mac_vector mac_vectors[] = {
    { REMOTE_HASH_SHA1, KEY_1, "4869205468657265", "b617318655057264e28bc0b6fb378c8ef146be00" },
    { REMOTE_HASH_SHA224, KEY_1, "4869205468657265",
      "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22" },
    { REMOTE_HASH_SHA256, KEY_1, "4869205468657265",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { REMOTE_HASH_SHA384, KEY_1, "4869205468657265",
      "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
      "faea9ea9076ede7f4af152e8b2fa9cb6" },
    { REMOTE_HASH_SHA512, KEY_1, "4869205468657265",
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
      "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
    { REMOTE_HASH_SHA256, "4a656665", DATA_2,
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { REMOTE_HASH_SHA512, "4a656665", DATA_2,
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
    { REMOTE_HASH_SHA256, KEY_3, DATA_3,
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
};
/* clang-format on */

static void mac_in_pieces(struct remote_secret_key *key, enum remote_hash hash,
                          struct remote_slice data, size_t piece, struct remote_buf *ret)
{
    struct remote_mac_run run = { 0 };

    assert_int_equal(remote_mac_init(&run, key, hash, NULL), REMOTE_OK);
    while (data.len > 0) {
        size_t len = data.len < piece ? data.len : piece;

        assert_int_equal(remote_mac_update(&run, remote_slice(data.data, len), NULL), REMOTE_OK);
        data = remote_slice(data.data + len, data.len - len);
    }
    assert_int_equal(remote_mac_final(&run, ret, NULL), REMOTE_OK);
    assert_null(run.ctx);
}

static void test_mac_when_published_vector_then_matches_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(mac_vectors); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf data = { 0 };
        struct remote_secret_key *key = make_key(REMOTE_KEY_GENERIC, mac_vectors[i].key);

        assert_true(remote_hex_decode(remote_slice_str(mac_vectors[i].data), &data));
        for (size_t piece = 1; piece <= data.len; piece++) {
            CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };

            mac_in_pieces(key, mac_vectors[i].hash, remote_buf_slice(&data), piece, &mac);
            assert_hex(&mac, mac_vectors[i].mac);
        }
        remote_secret_key_unref(key);
    }
}

static void test_mac_when_any_hash_then_as_long_as_it(void **state)
{
    struct remote_secret_key *key = make_key(REMOTE_KEY_GENERIC, "00");

    (void)state;
    for (enum remote_hash hash = REMOTE_HASH_SHA1; hash < REMOTE_HASH_COUNT; hash++) {
        CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };

        mac_in_pieces(key, hash, remote_slice(NULL, 0), 1, &mac);
        assert_int_equal(mac.len, remote_hash_size(hash));
    }
    remote_secret_key_unref(key);
}

static void test_mac_when_key_or_hash_do_not_fit_then_refused(void **state)
{
    struct remote_secret_key *aes = make_key(REMOTE_KEY_AES, "00000000000000000000000000000000");
    struct remote_secret_key *generic = make_key(REMOTE_KEY_GENERIC, "00");
    struct remote_mac_run run = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_mac_init(&run, aes, REMOTE_HASH_SHA256, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "a key of type aes does not make an HMAC");
    assert_int_equal(remote_mac_init(&run, generic, REMOTE_HASH_NONE, &err), REMOTE_E_PARAM);
    assert_says(err.text, "needs a hash");
    assert_null(run.ctx);
    remote_secret_key_unref(aes);
    remote_secret_key_unref(generic);
}

static void test_mac_when_not_begun_then_usage(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };
    struct remote_mac_run run = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_mac_update(&run, remote_slice("x", 1), &err), REMOTE_E_USAGE);
    assert_says(err.text, "no HMAC has been begun");
    assert_int_equal(remote_mac_final(&run, &mac, &err), REMOTE_E_USAGE);
    assert_null(mac.data);
    remote_mac_clear(&run);
    remote_mac_clear(NULL);
}

static void test_mac_when_begun_again_then_starts_anew(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };
    struct remote_secret_key *key = make_key(REMOTE_KEY_GENERIC, "00");
    struct remote_mac_run run = { 0 };

    (void)state;
    assert_int_equal(remote_mac_init(&run, key, REMOTE_HASH_SHA256, NULL), REMOTE_OK);
    assert_int_equal(remote_mac_update(&run, remote_slice("x", 1), NULL), REMOTE_OK);
    assert_int_equal(remote_mac_init(&run, key, REMOTE_HASH_SHA256, NULL), REMOTE_OK);
    assert_int_equal(remote_mac_final(&run, &mac, NULL), REMOTE_OK);
    mac_in_pieces(key, REMOTE_HASH_SHA256, remote_slice(NULL, 0), 1, &fresh);
    assert_true(remote_slice_equal(remote_buf_slice(&mac), remote_buf_slice(&fresh)));
    remote_secret_key_unref(key);
}

/* ---- threads ---- */

static bool mac_is_right(struct remote_secret_key *key)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };
    CLEANUP(remote_mac_clear) struct remote_mac_run run = { 0 };

    /* RFC 4231 4.2; the length and last byte are enough to notice a mix-up. */
    return remote_mac_init(&run, key, REMOTE_HASH_SHA256, NULL) == REMOTE_OK &&
           remote_mac_update(&run, remote_slice("Hi There", 8), NULL) == REMOTE_OK &&
           remote_mac_final(&run, &mac, NULL) == REMOTE_OK && mac.len == 32 &&
           mac.data[0] == 0xb0 && mac.data[31] == 0xf7;
}

/* Returns NULL when every MAC was right; drops one reference. */
static void *use_key(void *arg)
{
    struct remote_secret_key *key = arg;
    struct remote_guard guard;
    bool good = remote_guard_enter(&guard, NULL) == REMOTE_OK;

    for (int i = 0; good && i < ROUNDS; i++) {
        good = mac_is_right(remote_secret_key_ref(key));
        remote_secret_key_unref(key);
    }
    remote_secret_key_unref(key);
    remote_guard_leave(&guard);
    return good ? NULL : arg;
}

static void test_key_when_used_by_many_threads_then_right_and_freed_once(void **state)
{
    struct remote_secret_key *key = make_key(REMOTE_KEY_GENERIC, KEY_1);
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_key, remote_secret_key_ref(key)), 0);
    remote_secret_key_unref(key);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = &wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_when_its_length_is_not_one_of_its_type_then_refused),
        cmocka_unit_test(test_key_when_of_a_type_that_is_no_secret_then_unsupported),
        cmocka_unit_test(test_key_when_its_bytes_are_missing_then_never_zeros),
        cmocka_unit_test(test_generate_when_repeated_then_differs),
        cmocka_unit_test(test_key_when_one_of_two_references_goes_then_stays),
        cmocka_unit_test(test_key_when_used_in_a_child_then_locked_again),
        cmocka_unit_test(test_check_value_when_aes_then_of_the_encrypted_zero_block),
        cmocka_unit_test(test_check_value_when_generic_then_of_sha1),
        cmocka_unit_test(test_mac_when_published_vector_then_matches_in_any_pieces),
        cmocka_unit_test(test_mac_when_any_hash_then_as_long_as_it),
        cmocka_unit_test(test_mac_when_key_or_hash_do_not_fit_then_refused),
        cmocka_unit_test(test_mac_when_not_begun_then_usage),
        cmocka_unit_test(test_mac_when_begun_again_then_starts_anew),
        cmocka_unit_test(test_key_when_used_by_many_threads_then_right_and_freed_once),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
