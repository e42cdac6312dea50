/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "args.h"
#include "buf.h"
#include "fail.h"

static char said[1024]; /* what the last parse wrote to stderr */

/* Parses with stderr in a temporary file, whose text is then in `said`. */
static int parse(const struct tools_command *command, char *const *words, struct tools_args *args,
                 int *ret_next)
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO), argc = 0, code;
    char *argv[16];
    size_t len;

    *args = tools_args_default;
    argv[argc++] = (char *)"hsmbridge";
    for (; words[argc - 1]; argc++)
        argv[argc] = words[argc - 1];
    argv[argc] = NULL;
    dup2(fileno(file), STDERR_FILENO);
    code = tools_args_parse(command, argc, argv, args, ret_next);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    len = fread(said, 1, sizeof(said) - 1, file);
    said[len] = '\0';
    fclose(file);
    return code;
}

#define PARSE(command, args, ...)                                                                  \
    parse((command), (char *const[]){ __VA_ARGS__, NULL }, (args), &(int){ 0 })

static void test_parse_when_options_are_long_short_or_joined_then_all_are_read(void **state)
{
    struct tools_args args;

    (void)state;
    assert_int_equal(PARSE(&tools_cmd_sign, &args, "--slot", "web", "-ktls-www", "--in=file",
                           "--digest", "-vv", "--salt-length", "20"),
                     TOOLS_OK);
    assert_string_equal(args.slot, "web");
    assert_string_equal(args.key, "tls-www");
    assert_string_equal(args.in, "file");
    assert_true(args.digest);
    assert_int_equal(args.verbose, 2);
    assert_int_equal(args.salt_length, 20);
    assert_string_equal(said, "");
}

static void test_parse_when_nothing_is_given_then_defaults_stand(void **state)
{
    struct tools_args args;
    int next = 0;

    (void)state;
    assert_int_equal(parse(&tools_cmd_bench, (char *const[]){ NULL }, &args, &next), TOOLS_OK);
    assert_int_equal(args.threads, 1);
    assert_int_equal(args.pairs, 20);
    assert_int_equal(args.block_ms, 1000);
    assert_true(args.salt_length == TOOLS_SALT_AS_HASH);
    assert_int_equal(next, 1);
}

static void test_parse_in_front_of_a_command_stops_at_it(void **state)
{
    struct tools_args args;
    char *const words[] = { "-c", "file", "list", "--slot", "x", NULL };
    int next = 0;

    (void)state;
    assert_int_equal(parse(NULL, words, &args, &next), TOOLS_OK);
    assert_string_equal(args.config, "file");
    assert_int_equal(next, 3);
    assert_null(args.slot);
}

static void assert_usage(const struct tools_command *command, char *word, char *value,
                         const char *expected)
{
    struct tools_args args;

    assert_int_equal(PARSE(command, &args, word, value), TOOLS_USAGE);
    assert_string_equal(said, expected);
}

static void test_parse_when_an_option_is_unknown_then_it_is_named_with_the_near_one(void **state)
{
    (void)state;
    assert_usage(&tools_cmd_list, "--slto", "x",
                 "hsmbridge: unknown option '--slto' for 'list'; did you mean '--slot'?\n");
    assert_usage(&tools_cmd_list, "--slto=x", NULL,
                 "hsmbridge: unknown option '--slto' for 'list'; did you mean '--slot'?\n");
}

static void test_parse_when_another_command_has_the_option_then_it_is_unknown(void **state)
{
    (void)state;
    assert_usage(&tools_cmd_version, "--markdown", NULL,
                 "hsmbridge: unknown option '--markdown' for 'version'; its options are --config, "
                 "--json, --verbose, --help\n");
    assert_usage(NULL, "-z", NULL,
                 "hsmbridge: unknown option '-z'; its options are --config, --json, --verbose, "
                 "--help\n");
}

static void test_parse_when_a_value_is_missing_or_surplus_then_it_is_said(void **state)
{
    (void)state;
    assert_usage(&tools_cmd_sign, "--key", NULL, "hsmbridge: option --key needs a value: LABEL\n");
    assert_usage(&tools_cmd_sign, "-k", NULL, "hsmbridge: option --key needs a value: LABEL\n");
    assert_usage(&tools_cmd_sign, "--json=1", NULL, "hsmbridge: option --json takes no value\n");
}

static void test_parse_when_an_argument_is_no_option_then_it_is_named(void **state)
{
    (void)state;
    assert_usage(&tools_cmd_list, "web", NULL, "hsmbridge: 'list' takes no argument 'web'\n");
    assert_usage(&tools_cmd_sign, "page.html", NULL,
                 "hsmbridge: 'sign' takes no argument 'page.html'; a file goes with --in\n");
    assert_usage(&tools_cmd_sign, "--", "page.html",
                 "hsmbridge: 'sign' takes no argument 'page.html'; a file goes with --in\n");
}

static void test_parse_when_a_number_is_wrong_then_its_range_is_said(void **state)
{
    static char *const wrong[] = { "x",  "0",  "1025",
                                   "",   "-1", "+1",
                                   " 1", "1x", "99999999999999999999" };
    struct tools_args args;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char expected[160];

        snprintf(expected, sizeof(expected),
                 "hsmbridge: option --threads takes a number from 1 to 1024, not '%s'\n", wrong[i]);
        assert_int_equal(PARSE(&tools_cmd_bench, &args, "--threads", wrong[i]), TOOLS_USAGE);
        assert_string_equal(said, expected);
    }
}

static void test_parse_when_a_time_has_no_unit_or_is_out_of_range_then_it_is_refused(void **state)
{
    static char *const wrong[] = { "1", "1m", "5ms", "61s", "s", "18446744073709551615s" };
    struct tools_args args;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(PARSE(&tools_cmd_bench, &args, "--block", wrong[i]), TOOLS_USAGE);
        assert_non_null(strstr(said, "--block takes a time from 10ms to 60s, e.g. 500ms or 2s"));
    }
    assert_int_equal(PARSE(&tools_cmd_bench, &args, "--block", "250ms"), TOOLS_OK);
    assert_int_equal(args.block_ms, 250);
    assert_int_equal(PARSE(&tools_cmd_bench, &args, "--block", "2s"), TOOLS_OK);
    assert_int_equal(args.block_ms, 2000);
}

static void test_parse_when_an_option_may_be_repeated_then_all_values_are_kept(void **state)
{
    struct tools_args args;

    (void)state;
    assert_int_equal(PARSE(&tools_cmd_csr, &args, "--san", "DNS:a", "--san", "DNS:b"), TOOLS_OK);
    assert_string_equal(args.san[0], "DNS:a");
    assert_string_equal(args.san[1], "DNS:b");
    assert_null(args.san[2]);
}

/* A command that names an option which does not exist would silently not take it. */
static void test_commands_name_only_options_that_exist(void **state)
{
    (void)state;
    for (size_t c = 0; tools_commands[c]; c++) {
        CLEANUP(remote_str_free) char *words = strdup(tools_commands[c]->options);
        char *rest = NULL;

        for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
            const struct tools_option *option = tools_options;

            while (option->name && strcmp(option->name, word) != 0)
                option++;
            if (!option->name)
                fail_msg("'%s' names option '%s'", tools_commands[c]->name, word);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_when_options_are_long_short_or_joined_then_all_are_read),
        cmocka_unit_test(test_parse_when_nothing_is_given_then_defaults_stand),
        cmocka_unit_test(test_parse_in_front_of_a_command_stops_at_it),
        cmocka_unit_test(test_parse_when_an_option_is_unknown_then_it_is_named_with_the_near_one),
        cmocka_unit_test(test_parse_when_another_command_has_the_option_then_it_is_unknown),
        cmocka_unit_test(test_parse_when_a_value_is_missing_or_surplus_then_it_is_said),
        cmocka_unit_test(test_parse_when_an_argument_is_no_option_then_it_is_named),
        cmocka_unit_test(test_parse_when_a_number_is_wrong_then_its_range_is_said),
        cmocka_unit_test(test_parse_when_a_time_has_no_unit_or_is_out_of_range_then_it_is_refused),
        cmocka_unit_test(test_parse_when_an_option_may_be_repeated_then_all_values_are_kept),
        cmocka_unit_test(test_commands_name_only_options_that_exist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
