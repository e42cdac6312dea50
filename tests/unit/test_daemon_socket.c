/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, modes and owners; and what a listener leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socket.h"

static void test_address_takes_every_form_of_a_path(void **state)
{
    static const char *const forms[] = { "unix:///run/k.sock", "unix:/run/k.sock", "/run/k.sock" };
    struct daemon_address address;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        assert_int_equal(daemon_address_parse(forms[i], &address, NULL), REMOTE_OK);
        assert_string_equal(address.text, "/run/k.sock");
        assert_string_equal(address.name.sun_path, "/run/k.sock");
        assert_false(address.abstract);
    }
}

static void test_address_takes_abstract_names(void **state)
{
    static const char *const forms[] = { "unix:///@kms", "unix://@kms", "@kms" };
    struct daemon_address address;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        assert_int_equal(daemon_address_parse(forms[i], &address, NULL), REMOTE_OK);
        assert_true(address.abstract);
        assert_memory_equal(address.name.sun_path, "\0kms", 4);
        assert_int_equal(address.len, offsetof(struct sockaddr_un, sun_path) + 4);
        assert_string_equal(address.text, "@kms");
    }
}

static void test_address_that_is_none_is_refused(void **state)
{
    char longest[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
    static const char *const bad[] = {
        "", "unix://", "unix:///", "/", "@", "tcp://1.2.3.4:5", "k"
    };
    struct daemon_address address;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(daemon_address_parse(bad[i], &address, NULL), REMOTE_E_USAGE);
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(daemon_address_parse(longest, &address, NULL), REMOTE_E_USAGE);
    longest[sizeof(longest) - 2] = '\0';
    assert_int_equal(daemon_address_parse(longest, &address, NULL), REMOTE_OK);
}

static void test_mode_is_octal(void **state)
{
    mode_t mode = 0;

    (void)state;
    assert_int_equal(daemon_socket_mode_parse("0660", &mode, NULL), REMOTE_OK);
    assert_int_equal(mode, 0660);
    assert_int_equal(daemon_socket_mode_parse("", &mode, NULL), REMOTE_E_USAGE);
    assert_int_equal(daemon_socket_mode_parse("1777", &mode, NULL), REMOTE_E_USAGE);
    assert_int_equal(daemon_socket_mode_parse("0680", &mode, NULL), REMOTE_E_USAGE);
    assert_int_equal(daemon_socket_mode_parse("rw", &mode, NULL), REMOTE_E_USAGE);
}

static void test_owner_is_a_user_a_group_or_both(void **state)
{
    struct daemon_socket_options options = { .owner = 7, .group = 8 };

    (void)state;
    assert_int_equal(daemon_socket_owner_parse("root", &options, NULL), REMOTE_OK);
    assert_int_equal(options.owner, 0);
    assert_int_equal(options.group, 8);
    assert_int_equal(daemon_socket_owner_parse(":4711", &options, NULL), REMOTE_OK);
    assert_int_equal(options.group, 4711);
    assert_int_equal(daemon_socket_owner_parse("12:root", &options, NULL), REMOTE_OK);
    assert_int_equal(options.owner, 12);
    assert_int_equal(options.group, 0);
    assert_int_equal(daemon_socket_owner_parse("no-such-user", &options, NULL), REMOTE_E_USAGE);
    assert_int_equal(daemon_socket_owner_parse("0:no-such-group", &options, NULL), REMOTE_E_USAGE);
}

static void test_close_takes_away_its_own_file_only(void **state)
{
    const struct daemon_socket_options closed = { 0600, (uid_t)-1, (gid_t)-1 };
    struct daemon_listener first = { .fd = -1 }, second = { .fd = -1 };
    struct daemon_address address;
    char directory[] = "/tmp/hsmbridge-kms-XXXXXX"; /* a build's own path may be too long */
    char path[64];

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/kms.sock", directory);
    assert_int_equal(daemon_address_parse(path, &address, NULL), REMOTE_OK);
    assert_int_equal(daemon_socket_listen(&address, &closed, &first, NULL), REMOTE_OK);
    assert_int_equal(daemon_socket_listen(&address, &closed, &second, NULL), REMOTE_E_CONFIG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(daemon_socket_listen(&address, &closed, &second, NULL), REMOTE_OK);
    daemon_socket_close(&first);
    assert_int_equal(access(path, F_OK), 0);
    daemon_socket_close(&second);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_takes_every_form_of_a_path),
        cmocka_unit_test(test_address_takes_abstract_names),
        cmocka_unit_test(test_address_that_is_none_is_refused),
        cmocka_unit_test(test_mode_is_octal),
        cmocka_unit_test(test_owner_is_a_user_a_group_or_both),
        cmocka_unit_test(test_close_takes_away_its_own_file_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
