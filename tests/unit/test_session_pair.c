/* SPDX-License-Identifier: Apache-2.0 */
#include "local_keys.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session_pair.h"

static const unsigned char digest[32] = { 1, 2, 3 };

static struct remote_session_pair *pair_of(const struct remote_key_spec *spec)
{
    struct remote_session_pair *pair = NULL;

    assert_int_equal(remote_session_pair_generate(spec, &pair, NULL), REMOTE_OK);
    return pair;
}

static struct remote_session_pair *p256(void)
{
    return pair_of(&(struct remote_key_spec){
        .type = REMOTE_KEY_EC, .bits = 256, .curve = NID_X9_62_prime256v1 });
}

static enum remote_rc sign_and_verify(struct remote_session_pair *by,
                                      struct remote_session_pair *of, enum remote_alg alg)
{
    const struct remote_params params = { .alg = alg };
    const struct remote_slice input = { digest, sizeof(digest) };
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };

    assert_int_equal(remote_session_pair_sign(by, &params, input, &sig, NULL), REMOTE_OK);
    assert_int_equal(sig.len, remote_session_pair_output_size(by));
    return remote_session_pair_verify(of, &params, input, remote_buf_slice(&sig), NULL);
}

static void test_generate_when_size_is_not_made_then_says_which_are(void **state)
{
    static const unsigned sizes[] = { 1024, 4097, 8192 };
    struct remote_session_pair *pair = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct remote_key_spec spec = { .type = REMOTE_KEY_RSA, .bits = sizes[i] };
        struct remote_error err = { 0 };

        assert_int_equal(remote_session_pair_generate(&spec, &pair, &err), REMOTE_E_UNSUPPORTED);
        assert_says(err.text, "2048 to 4096 bits");
        assert_null(pair);
    }
}

/* What is kept is what comes back, and each half checks what the other made. */
static void test_private_when_read_back_then_is_the_same_pair(void **state)
{
    static const struct {
        struct remote_key_spec spec;
        enum remote_alg alg;
    } rows[] = {
        { { .type = REMOTE_KEY_RSA, .bits = 2048 }, REMOTE_ALG_RSA_PKCS1 },
        { { .type = REMOTE_KEY_RSA, .bits = 4096 }, REMOTE_ALG_RSA_PKCS1 },
        { { .type = REMOTE_KEY_EC, .bits = 521, .curve = NID_secp521r1 }, REMOTE_ALG_ECDSA },
        { { .type = REMOTE_KEY_ED25519, .bits = 256 }, REMOTE_ALG_EDDSA },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct remote_session_pair *pair = pair_of(&rows[i].spec), *back = NULL, *half = NULL;

        assert_int_equal(remote_session_pair_private(remote_secret_key_value(pair->pkcs8), &back,
                                                     NULL),
                         REMOTE_OK);
        assert_int_equal(remote_session_pair_public(remote_buf_slice(&pair->public.spki), &half,
                                                    NULL),
                         REMOTE_OK);
        assert_int_equal(back->public.bits, rows[i].spec.bits);
        assert_null(half->pkcs8);
        assert_int_equal(sign_and_verify(back, half, rows[i].alg), REMOTE_OK);
        assert_int_equal(sign_and_verify(back, pair, rows[i].alg), REMOTE_OK);
        remote_session_pair_unref(pair);
        remote_session_pair_unref(back);
        remote_session_pair_unref(half);
    }
}

static void test_private_when_der_is_wrong_then_is_refused(void **state)
{
    struct remote_session_pair *pair = p256(), *other = p256(), *made = NULL;
    struct remote_slice pkcs8 = remote_secret_key_value(pair->pkcs8);
    unsigned char *bytes = malloc(pkcs8.len);
    struct remote_error err = { 0 };

    (void)state;
    assert_non_null(bytes);
    for (size_t len = 0; len < pkcs8.len; len++)
        assert_int_equal(remote_session_pair_private(remote_slice(pkcs8.data, len), &made, NULL),
                         REMOTE_E_DATA);
    memcpy(bytes, pkcs8.data, pkcs8.len); /* its public half ends the DER */
    memcpy(bytes + pkcs8.len - 64, other->public.spki.data + other->public.spki.len - 64, 64);
    assert_int_equal(remote_session_pair_private(remote_slice(bytes, pkcs8.len), &made, &err),
                     REMOTE_E_DATA);
    assert_says(err.text, "do not belong together");
    assert_null(made);
    free(bytes);
    remote_session_pair_unref(pair);
    remote_session_pair_unref(other);
}

static void test_public_half_when_asked_to_sign_then_cannot(void **state)
{
    const struct remote_params params = { .alg = REMOTE_ALG_ECDSA };
    struct remote_session_pair *pair = p256(), *half = NULL;
    struct remote_buf sig = { 0 };

    (void)state;
    assert_int_equal(remote_session_pair_public(remote_buf_slice(&pair->public.spki), &half, NULL),
                     REMOTE_OK);
    assert_int_equal(remote_session_pair_sign(half, &params, remote_slice(digest, 32), &sig, NULL),
                     REMOTE_E_UNSUPPORTED);
    assert_int_equal(remote_session_pair_sign(pair, &params, remote_slice(digest, 0), &sig, NULL),
                     REMOTE_E_LENGTH);
    assert_null(sig.data);
    remote_session_pair_unref(pair);
    remote_session_pair_unref(half);
}

static void test_check_when_padding_has_no_room_then_param(void **state)
{
    struct remote_session_pair *pair =
        pair_of(&(struct remote_key_spec){ .type = REMOTE_KEY_RSA, .bits = 2048 });
    struct remote_params pss = { .alg = REMOTE_ALG_RSA_PSS,
                                 .hash = REMOTE_HASH_SHA256,
                                 .mgf_hash = REMOTE_HASH_SHA256,
                                 .salt_len = 222 };

    (void)state;
    assert_int_equal(remote_session_pair_check(pair, &pss, NULL), REMOTE_OK);
    pss.salt_len++;
    assert_int_equal(remote_session_pair_check(pair, &pss, NULL), REMOTE_E_PARAM);
    pss.salt_len = 32;
    pss.mgf_hash = REMOTE_HASH_NONE;
    assert_int_equal(remote_session_pair_check(pair, &pss, NULL), REMOTE_E_PARAM);
    pss.alg = REMOTE_ALG_ECDSA;
    assert_int_equal(remote_session_pair_check(pair, &pss, NULL), REMOTE_E_UNSUPPORTED);
    remote_session_pair_unref(pair);
}

static void *sign_often(void *arg)
{
    struct remote_session_pair *pair = arg;
    struct remote_guard guard;

    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    for (int i = 0; i < 50; i++)
        if (sign_and_verify(pair, pair, REMOTE_ALG_ECDSA) != REMOTE_OK)
            arg = NULL;
    remote_guard_leave(&guard);
    remote_session_pair_unref(pair);
    return arg;
}

static void test_pair_when_many_threads_use_it_then_each_signs(void **state)
{
    struct remote_session_pair *pair = p256();
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sign_often,
                                        remote_session_pair_ref(pair)),
                         0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        void *good = NULL;

        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_ptr_equal(good, pair);
    }
    remote_session_pair_unref(pair);
}

static void test_pair_when_forked_then_child_signs_otherwise_than_its_parent(void **state)
{
    const struct remote_params params = { .alg = REMOTE_ALG_ECDSA };
    struct remote_session_pair *pair = p256();
    struct remote_buf ours = { 0 };
    unsigned char theirs[64];
    int ends[2], status = -1;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (remote_session_pair_sign(pair, &params, remote_slice(digest, 32), &ours, NULL) != REMOTE_OK)
        _exit(1);
    if (child == 0)
        _exit(write(ends[1], ours.data, ours.len) == 64 && remote_secret_key_value(pair->pkcs8).len
                  ? 0
                  : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], theirs, sizeof(theirs)), 64);
    assert_memory_not_equal(ours.data, theirs, 32); /* r comes of a number used once */
    close(ends[0]);
    close(ends[1]);
    remote_buf_clear(&ours);
    remote_session_pair_unref(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate_when_size_is_not_made_then_says_which_are),
        cmocka_unit_test(test_private_when_read_back_then_is_the_same_pair),
        cmocka_unit_test(test_private_when_der_is_wrong_then_is_refused),
        cmocka_unit_test(test_public_half_when_asked_to_sign_then_cannot),
        cmocka_unit_test(test_check_when_padding_has_no_room_then_param),
        cmocka_unit_test(test_pair_when_many_threads_use_it_then_each_signs),
        cmocka_unit_test(test_pair_when_forked_then_child_signs_otherwise_than_its_parent),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
