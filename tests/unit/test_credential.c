/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend.h"

static const struct remote_option options[] = {
    { "token", REMOTE_OPTION_SECRET, NULL, 0, 0, "a token of the service" },
    { NULL },
};
static const struct remote_option *const tables[] = { options, NULL };

static char path[PATH_MAX]; /* absolute */

static int make_file(void **state)
{
    char cwd[PATH_MAX - 64];
    int fd;

    (void)state;
    if (!getcwd(cwd, sizeof(cwd)))
        return -1;
    snprintf(path, sizeof(path), "%s/token-XXXXXX", cwd);
    fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path); /* a test may have removed it */
    return 0;
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Opens `token` as the line gives it. */
static enum remote_rc open_line(const char *line, struct remote_credential **ret,
                                struct remote_error *err)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    char text[PATH_MAX + 64];

    /* Short enough for a line of the configuration, or the test cannot run here. */
    snprintf(text, sizeof(text), "[slot web]\n%s\n", line);
    assert_int_equal(remote_config_parse("t.conf", remote_slice_str(text), &config, err),
                     REMOTE_OK);
    assert_int_equal(remote_section_check(config.slots[0], tables, err), REMOTE_OK);
    return remote_credential_open(config.slots[0], "token", ret, err);
}

static enum remote_rc open_file(struct remote_credential **ret, struct remote_error *err)
{
    char line[PATH_MAX + 16];

    snprintf(line, sizeof(line), "token_file = %s", path);
    return open_line(line, ret, err);
}

static void assert_gives(struct remote_credential *credential, const char *expected)
{
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };

    assert_non_null(credential);
    assert_int_equal(remote_credential_get(credential, &secret, NULL), REMOTE_OK);
    assert_string_equal((char *)secret.data, expected);
    assert_int_equal(secret.len, strlen(expected));
}

static void test_open_when_absent_gives_null(void **state)
{
    struct remote_credential *credential = (struct remote_credential *)path;

    (void)state;
    assert_int_equal(open_line("", &credential, NULL), REMOTE_OK);
    assert_null(credential);
    remote_credential_close(credential);
}

static void test_typed_secret_is_given(void **state)
{
    struct remote_credential *credential = NULL;

    (void)state;
    assert_int_equal(open_line("token = hvs.typed", &credential, NULL), REMOTE_OK);
    assert_gives(credential, "hvs.typed"); /* the configuration is gone by now */
    remote_credential_close(credential);
}

static void test_environment_is_read_at_open_and_kept(void **state)
{
    struct remote_credential *credential = NULL;

    (void)state;
    setenv("TEST_CREDENTIAL", "hvs.first\r\n", 1);
    assert_int_equal(open_line("token_env = TEST_CREDENTIAL", &credential, NULL), REMOTE_OK);
    unsetenv("TEST_CREDENTIAL");
    assert_gives(credential, "hvs.first");
    remote_credential_close(credential);
}

static void test_environment_when_unset_is_an_error(void **state)
{
    struct remote_credential *credential = NULL;
    struct remote_error err = { 0 };

    (void)state;
    unsetenv("TEST_CREDENTIAL");
    assert_int_equal(open_line("token_env = TEST_CREDENTIAL", &credential, &err), REMOTE_E_CONFIG);
    assert_memory_equal(err.text,
                        "t.conf:2: [slot web] token_env: this environment variable is "
                        "not set here",
                        73);
    assert_null(credential);
}

static void test_file_is_given_without_its_last_newlines(void **state)
{
    struct remote_credential *credential = NULL;

    (void)state;
    write_file("two\nlines\r\n\n");
    assert_int_equal(open_file(&credential, NULL), REMOTE_OK);
    assert_gives(credential, "two\nlines");
    remote_credential_close(credential);
}

static void test_file_when_changed_is_given_anew(void **state)
{
    struct remote_credential *credential = NULL;

    (void)state;
    write_file("hvs.old\n");
    assert_int_equal(open_file(&credential, NULL), REMOTE_OK);
    assert_gives(credential, "hvs.old");
    write_file("hvs.renewed\n");
    assert_gives(credential, "hvs.renewed");
    assert_int_equal(unlink(path), 0);
    assert_gives(credential, "hvs.renewed");
    remote_credential_close(credential);
}

static void test_file_when_empty_is_an_error(void **state)
{
    struct remote_credential *credential = NULL;
    struct remote_error err = { 0 };

    (void)state;
    write_file("\n");
    assert_int_equal(open_file(&credential, &err), REMOTE_E_CONFIG);
    assert_memory_equal(err.text, "t.conf:2: [slot web] token_file: /", 34);
    assert_non_null(strstr(err.text, ": is empty; put the secret into it"));
    assert_null(credential);
}

static void test_file_when_absent_is_an_error(void **state)
{
    struct remote_credential *credential = NULL;
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_file(&credential, &err), REMOTE_E_CONFIG);
    assert_non_null(strstr(err.text, "No such file or directory; correct the path"));
    assert_null(credential);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_when_absent_gives_null),
        cmocka_unit_test(test_typed_secret_is_given),
        cmocka_unit_test(test_environment_is_read_at_open_and_kept),
        cmocka_unit_test(test_environment_when_unset_is_an_error),
        FILE_TEST(test_file_is_given_without_its_last_newlines),
        FILE_TEST(test_file_when_changed_is_given_anew),
        FILE_TEST(test_file_when_empty_is_an_error),
        FILE_TEST(test_file_when_absent_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
