/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fail.h"
#include "output.h"

static char printed[2048];

static int print_captured(const struct tools_table *table,
                          int (*print)(const struct tools_table *table))
{
    FILE *file = tmpfile();
    int saved, code;
    size_t len;

    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    code = print(table);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    len = fread(printed, 1, sizeof(printed) - 1, file);
    printed[len] = '\0';
    fclose(file);
    return code;
}

static void test_table_when_cells_differ_in_width_then_columns_are_aligned(void **state)
{
    CLEANUP(tools_table_clear) struct tools_table table = { 0 };

    (void)state;
    TOOLS_TABLE_ROW(&table, "SLOT", "KEY", "URI");
    TOOLS_TABLE_ROW(&table, "web", "tls-www", "pkcs11:a");
    TOOLS_TABLE_ROW(&table, "w\xc3\xa4sche", NULL, "");
    assert_int_equal(print_captured(&table, tools_table_print), TOOLS_OK);
    assert_string_equal(printed, "SLOT    KEY      URI\n"
                                 "web     tls-www  pkcs11:a\n"
                                 "w\xc3\xa4sche  -        \n");
}

static void test_table_when_a_cell_has_control_characters_then_the_terminal_gets_none(void **state)
{
    CLEANUP(tools_table_clear) struct tools_table table = { 0 };

    (void)state;
    TOOLS_TABLE_ROW(&table, "A");
    TOOLS_TABLE_ROW(&table, "x\033[31m\n\x7f");
    assert_int_equal(print_captured(&table, tools_table_print), TOOLS_OK);
    assert_string_equal(printed, "A\nx?[31m??\n");
}

static void test_markdown_when_printed_then_a_rule_follows_the_heading(void **state)
{
    CLEANUP(tools_table_clear) struct tools_table table = { 0 };

    (void)state;
    TOOLS_TABLE_ROW(&table, "A", "B");
    TOOLS_TABLE_ROW(&table, "1", "2");
    assert_int_equal(print_captured(&table, tools_table_print_markdown), TOOLS_OK);
    assert_string_equal(printed, "| A | B |\n|---|---|\n| 1 | 2 |\n");
}

static void test_date_when_the_time_is_unknown_then_it_is_a_dash(void **state)
{
    char text[16];

    (void)state;
    tools_output_date(0, text);
    assert_string_equal(text, "-");
    tools_output_date(1795417185, text);
    assert_string_equal(text, "2026-11-23");
    tools_output_date(INT64_MAX, text);
    assert_string_equal(text, "-");
}

static void test_uses_when_several_bits_are_set_then_all_words_stand(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    tools_output_uses(REMOTE_USE_SIGN | REMOTE_USE_DECRYPT, &text);
    assert_string_equal((char *)text.data, "sign decrypt");
}

static void test_exit_code_of_each_kind_is_as_the_manual_says(void **state)
{
    (void)state;
    assert_int_equal(tools_exit_of(REMOTE_OK), TOOLS_OK);
    assert_int_equal(tools_exit_of(REMOTE_E_USAGE), TOOLS_USAGE);
    assert_int_equal(tools_exit_of(REMOTE_E_CONFIG), TOOLS_CONFIG);
    assert_int_equal(tools_exit_of(REMOTE_E_TIMEOUT), TOOLS_UNREACHABLE);
    assert_int_equal(tools_exit_of(REMOTE_E_UNAVAILABLE), TOOLS_UNREACHABLE);
    assert_int_equal(tools_exit_of(REMOTE_E_BUSY), TOOLS_UNREACHABLE);
    assert_int_equal(tools_exit_of(REMOTE_E_RIGHTS), TOOLS_FAILED);
    assert_int_equal(tools_exit_of(REMOTE_E_NOT_FOUND), TOOLS_FAILED);
    assert_int_equal(tools_exit_of(REMOTE_E_DATA), TOOLS_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_when_cells_differ_in_width_then_columns_are_aligned),
        cmocka_unit_test(test_table_when_a_cell_has_control_characters_then_the_terminal_gets_none),
        cmocka_unit_test(test_markdown_when_printed_then_a_rule_follows_the_heading),
        cmocka_unit_test(test_date_when_the_time_is_unknown_then_it_is_a_dash),
        cmocka_unit_test(test_uses_when_several_bits_are_set_then_all_words_stand),
        cmocka_unit_test(test_exit_code_of_each_kind_is_as_the_manual_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
