/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/provider.h>

#include "buf.h"
#include "libctx.h"
#include "log.h"

static void test_enter_makes_the_private_context_the_threads_default(void **state)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    OSSL_LIB_CTX *host = OSSL_LIB_CTX_set0_default(NULL);

    (void)state;
    assert_false(remote_guard_held());
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    assert_true(remote_guard_held());
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), remote_libctx());
    assert_ptr_not_equal(remote_libctx(), host);
    assert_true(OSSL_PROVIDER_available(remote_libctx(), "default"));
    remote_guard_leave(&guard);
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), host);
    assert_false(remote_guard_held());
    remote_guard_leave(&guard); /* CLEANUP() may come after an explicit call */
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), host);
}

static void test_leave_gives_back_a_context_of_the_hosts_own(void **state)
{
    OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();
    OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(own);
    struct remote_guard guard = { 0 };

    (void)state;
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    remote_guard_leave(&guard);
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(before), own);
    OSSL_LIB_CTX_free(own);
}

static void test_guard_leaves_the_hosts_errors_as_they_were(void **state)
{
    struct remote_guard guard = { 0 };
    const char *data;

    (void)state;
    ERR_clear_error();
    ERR_raise_data(ERR_LIB_EVP, ERR_R_INTERNAL_ERROR, "the host's");
    ERR_set_mark();
    ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    assert_int_equal(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR);
    ERR_clear_error(); /* as libcurl does */
    ERR_raise(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR);
    remote_guard_leave(&guard);
    assert_int_equal(ERR_pop_to_mark(), 1);
    assert_int_equal(ERR_get_error_all(NULL, NULL, NULL, &data, NULL),
                     ERR_PACK(ERR_LIB_EVP, 0, ERR_R_INTERNAL_ERROR));
    assert_string_equal(data, "the host's");
    assert_int_equal(ERR_get_error(), 0);
}

static void test_guard_leaves_an_empty_queue_empty(void **state)
{
    struct remote_guard guard = { 0 };

    (void)state;
    ERR_clear_error();
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    ERR_raise(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR);
    remote_guard_leave(&guard);
    assert_int_equal(ERR_peek_error(), 0);
}

static size_t count_lines(const char *path)
{
    size_t lines = 0;
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static void test_enter_within_the_guard_is_refused_with_one_log_line(void **state)
{
    CLEANUP(remote_guard_leave) struct remote_guard outer = { 0 };
    char dir[] = P_tmpdir "/test_libctx.XXXXXX", path[64];
    struct remote_guard inner = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    assert_int_equal(remote_log_setup(path, "warning", &err), REMOTE_OK);
    assert_int_equal(remote_guard_enter(&outer, &err), REMOTE_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(remote_guard_enter(&inner, &err), REMOTE_E_USAGE);
        remote_guard_leave(&inner); /* holds nothing */
        assert_true(remote_guard_held());
    }
    assert_non_null(strstr(err.text, "from within"));
    assert_int_equal(count_lines(path), 1);
    assert_int_equal(remote_log_setup("none", NULL, &err), REMOTE_OK);
    unlink(path);
    rmdir(dir);
}

static void test_suspend_gives_the_hosts_context_until_resume(void **state)
{
    OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();
    OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(own);
    struct remote_guard guard = { 0 }, inner = { 0 };
    struct remote_guard_pause pause;

    (void)state;
    ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT); /* the host's */
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    remote_guard_suspend(&pause);
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), own);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(remote_guard_enter(&inner, NULL), REMOTE_E_USAGE); /* still inside */
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), own);
    ERR_raise(ERR_LIB_EVP, EVP_R_INVALID_KEY); /* the other code's */
    remote_guard_resume(&pause);
    assert_int_equal(ERR_peek_error(), 0);
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), remote_libctx());
    remote_guard_leave(&guard);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), EVP_R_BAD_DECRYPT);
    assert_int_equal(ERR_peek_error(), 0);
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(before), own);
    OSSL_LIB_CTX_free(own);
}

static void test_suspend_outside_the_guard_changes_nothing(void **state)
{
    OSSL_LIB_CTX *host = OSSL_LIB_CTX_set0_default(NULL);
    struct remote_guard_pause pause;

    (void)state;
    ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
    remote_guard_suspend(&pause);
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), host);
    remote_guard_resume(&pause);
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), host);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), EVP_R_BAD_DECRYPT);
}

static void test_crypto_fail_adds_the_reason_and_empties_the_queue(void **state)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
    assert_int_equal(remote_crypto_fail(&err, "cannot do it"), REMOTE_E_CRYPTO);
    assert_string_equal(err.text, "cannot do it: bad decrypt");
    assert_int_equal(err.rc, REMOTE_E_CRYPTO);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(remote_crypto_fail(&err, "cannot do it"), REMOTE_E_CRYPTO);
    assert_string_equal(err.text, "cannot do it");
    assert_int_equal(remote_crypto_fail(NULL, "cannot do it"), REMOTE_E_CRYPTO);
}

static void *use_guard(void *arg)
{
    OSSL_LIB_CTX *seen = NULL;

    (void)arg;
    for (int i = 0; i < 200; i++) {
        CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };

        if (remote_guard_enter(&guard, NULL) != REMOTE_OK)
            return NULL;
        if (seen != NULL && seen != remote_libctx())
            return NULL;
        seen = remote_libctx();
    }
    return seen;
}

static void test_threads_share_one_context(void **state)
{
    pthread_t threads[8];
    void *seen[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_guard, NULL), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], &seen[i]);
    for (int i = 0; i < 8; i++)
        assert_ptr_equal(seen[i], remote_libctx());
}

/* ---- under the host's openssl.cnf: this program runs itself with a task ---- */

static int can_fetch(OSSL_LIB_CTX *ctx, const char *name)
{
    EVP_MD *md = EVP_MD_fetch(ctx, name, NULL);
    int found = md != NULL;

    EVP_MD_free(md);
    ERR_clear_error();
    return found;
}

/* Exit status: bits of what worked. */
#define OURS_WORKS 1
#define HOST_WORKS 2
#define HOST_HAS_LEGACY 4

static int task_crypto(void)
{
    struct remote_guard guard = { 0 };
    int works = 0;

    if (remote_guard_enter(&guard, NULL) == REMOTE_OK) {
        works |=
            can_fetch(remote_libctx(), "SHA2-256") && can_fetch(NULL, "SHA2-256") ? OURS_WORKS : 0;
        works |= can_fetch(remote_libctx(), "MD4") ? 0x40 : 0; /* only "legacy" has it */
        works |= ERR_peek_error() != 0 ? 0x80 : 0;
    }
    remote_guard_leave(&guard);
    works |= ERR_peek_error() != 0 ? 0x80 : 0;
    works |= can_fetch(NULL, "SHA2-256") ? HOST_WORKS : 0;
    works |= can_fetch(NULL, "MD4") ? HOST_HAS_LEGACY : 0;
    return works;
}

/* Entering has loaded it: when nothing may load it any more, its object is known. */
static int task_config(void)
{
    struct remote_guard guard = { 0 };
    int loaded;

    if (remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return 1;
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    loaded = OBJ_sn2nid("testObject") != NID_undef;
    remote_guard_leave(&guard);
    return loaded ? 0 : 2;
}

static int run_with_config(const char *task, const char *text)
{
    char dir[] = P_tmpdir "/test_libctx.XXXXXX", path[64];
    int status = 0;
    FILE *file;
    pid_t pid;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/openssl.cnf", dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    pid = fork();
    if (pid == 0) {
        setenv("OPENSSL_CONF", path, 1);
        execl("/proc/self/exe", "test_libctx", task, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unlink(path);
    rmdir(dir);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_host_config_that_activates_no_provider_does_not_reach_us(void **state)
{
    (void)state;
    assert_int_equal(run_with_config("crypto", "openssl_conf = init\n"
                                               "[init]\nproviders = provider_sect\n"
                                               "[provider_sect]\nbase = base_sect\n"
                                               "[base_sect]\nactivate = 1\n"),
                     OURS_WORKS);
}

static void test_host_config_that_fails_loudly_does_not_reach_us(void **state)
{
    (void)state;
    assert_int_equal(run_with_config("crypto",
                                     "config_diagnostics = 1\nopenssl_conf = init\n"
                                     "[init]\nproviders = provider_sect\n"
                                     "[provider_sect]\nnone = none_sect\n"
                                     "[none_sect]\nmodule = /nonexistent.so\nactivate = 1\n") &
                         ~HOST_WORKS,
                     OURS_WORKS);
}

static void test_host_config_of_an_unknown_property_does_not_reach_us(void **state)
{
    (void)state;
    assert_int_equal(run_with_config("crypto", "openssl_conf = init\n"
                                               "[init]\nalg_section = evp\n"
                                               "[evp]\ndefault_properties = vendor=nobody\n"),
                     OURS_WORKS);
}

static void test_host_config_still_serves_the_host(void **state)
{
    (void)state;
    assert_int_equal(run_with_config("crypto", "openssl_conf = init\n"
                                               "[init]\nproviders = provider_sect\n"
                                               "[provider_sect]\ndefault = on\nlegacy = on\n"
                                               "[on]\nactivate = 1\n"),
                     OURS_WORKS | HOST_WORKS | HOST_HAS_LEGACY);
}

/* Later, inside the guard, a provider that it names could not call us: see libctx.c. */
static void test_enter_loads_the_host_config_before_the_guard_stands(void **state)
{
    (void)state;
    assert_int_equal(run_with_config("config", "openssl_conf = init\n"
                                               "[init]\noid_section = oids\n"
                                               "[oids]\ntestObject = 1.2.3.4.5\n"),
                     0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enter_makes_the_private_context_the_threads_default),
        cmocka_unit_test(test_leave_gives_back_a_context_of_the_hosts_own),
        cmocka_unit_test(test_guard_leaves_the_hosts_errors_as_they_were),
        cmocka_unit_test(test_guard_leaves_an_empty_queue_empty),
        cmocka_unit_test(test_enter_within_the_guard_is_refused_with_one_log_line),
        cmocka_unit_test(test_crypto_fail_adds_the_reason_and_empties_the_queue),
        cmocka_unit_test(test_threads_share_one_context),
        cmocka_unit_test(test_host_config_that_activates_no_provider_does_not_reach_us),
        cmocka_unit_test(test_host_config_that_fails_loudly_does_not_reach_us),
        cmocka_unit_test(test_host_config_of_an_unknown_property_does_not_reach_us),
        cmocka_unit_test(test_host_config_still_serves_the_host),
        cmocka_unit_test(test_enter_loads_the_host_config_before_the_guard_stands),
        /* behind the test of the one log line, since it leads back in as well */
        cmocka_unit_test(test_suspend_gives_the_hosts_context_until_resume),
        cmocka_unit_test(test_suspend_outside_the_guard_changes_nothing),
    };

    if (argc > 1 && strcmp(argv[1], "crypto") == 0)
        return task_crypto();
    if (argc > 1 && strcmp(argv[1], "config") == 0)
        return task_config();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
