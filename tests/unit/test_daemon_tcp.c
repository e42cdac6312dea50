/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen at, and sockets that are there already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "tcp.h"

static void test_address_and_port_are_told_apart(void **state)
{
    static const char *const cases[][3] = {
        { "127.0.0.1:7373", "127.0.0.1", "7373" },
        { "[::1]:1", "::1", "1" },
        { "[::]:65535", "::", "65535" },
        { ":7373", "", "7373" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct daemon_tcp_name name;

        assert_int_equal(daemon_tcp_parse(cases[i][0], &name, NULL), REMOTE_OK);
        assert_string_equal(name.host, cases[i][1]);
        assert_string_equal(name.port, cases[i][2]);
    }
}

static void test_what_is_no_address_is_refused(void **state)
{
    static const char *const cases[] = { "",       "7373",     "127.0.0.1", "127.0.0.1:",
                                         "::1:73", "[::1]73",  "[::1]",     "host:port",
                                         ":",      "a:123456", "[:7373",    "]:1" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct remote_error err = { 0 };
        struct daemon_tcp_name name;

        if (daemon_tcp_parse(cases[i], &name, &err) == REMOTE_OK) {
            struct daemon_inherited none = { .count = 0 };
            int fd = -1;

            assert_int_not_equal(daemon_tcp_listen(name.host, name.port, &none, &fd, &err),
                                 REMOTE_OK);
        }
        assert_true(err.rc == REMOTE_E_USAGE);
        assert_non_null(strstr(err.text, "would be"));
    }
}

static void test_socket_that_was_passed_on_is_taken(void **state)
{
    struct daemon_inherited none = { .count = 0 }, inherited = { .count = 1 };
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int first, second;
    char port[8];

    (void)state;
    assert_int_equal(daemon_tcp_listen("127.0.0.1", "0", &none, &first, NULL), REMOTE_OK);
    assert_int_equal(getsockname(first, (struct sockaddr *)&address, &len), 0);
    snprintf(port, sizeof(port), "%u", (unsigned)ntohs(address.sin_port));
    assert_int_equal(daemon_tcp_listen("127.0.0.1", port, &none, &second, NULL), REMOTE_E_CONFIG);
    inherited.fds[0] = first;
    assert_int_equal(daemon_tcp_listen("127.0.0.1", port, &inherited, &second, NULL), REMOTE_OK);
    assert_int_equal(second, first);
    inherited.fds[0] = first;
    assert_int_equal(daemon_inherit_tcp(&inherited, NULL, 0), first);
    assert_int_equal(daemon_inherit_tcp(&inherited, NULL, 0), -1);
    close(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_and_port_are_told_apart),
        cmocka_unit_test(test_what_is_no_address_is_refused),
        cmocka_unit_test(test_socket_that_was_passed_on_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
