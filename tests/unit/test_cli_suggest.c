/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suggest.h"

static const char *const commands[] = { "check", "list", "sign", "verify", "encrypt", "decrypt" };

static void assert_suggestion(const char *word, const char *const *words, size_t count,
                              const char *expected)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    remote_buf_append_str(&text, ".");
    tools_suggest(&text, word, words, count, "the commands are");
    assert_string_equal((char *)text.data, expected);
}

static void test_suggest_when_one_word_is_near_then_it_is_the_guess(void **state)
{
    (void)state;
    assert_suggestion("lst", commands, 6, ".; did you mean 'list'?");
    assert_suggestion("SIGN", commands, 6, ".; did you mean 'sign'?");
    assert_suggestion("verfy", commands, 6, ".; did you mean 'verify'?");
}

static void test_suggest_when_several_are_equally_near_then_all_are_named(void **state)
{
    (void)state;
    assert_suggestion("ncrypt", commands, 6, ".; did you mean 'encrypt'?");
    assert_suggestion("xxcrypt", commands, 6, ".; did you mean 'encrypt' or 'decrypt'?");
}

static void test_suggest_when_a_word_holds_the_given_one_then_it_is_near(void **state)
{
    static const char *const keys[] = { "tls-www", "codesign", "tls-mail" };

    (void)state;
    assert_suggestion("tls", keys, 3, ".; did you mean 'tls-www' or 'tls-mail'?");
}

static void test_suggest_when_nothing_is_near_then_the_words_are_listed(void **state)
{
    (void)state;
    assert_suggestion("frobnicate", commands, 3, ".; the commands are check, list, sign");
}

static void test_suggest_when_there_are_many_words_then_the_list_ends_in_dots(void **state)
{
    const char *words[20];
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    for (size_t i = 0; i < 20; i++)
        words[i] = "abc";
    tools_suggest(&text, "zzzzzzzz", words, 20, "the keys are");
    assert_non_null(strstr((char *)text.data, ", ..."));
}

static void test_suggest_when_there_are_no_words_then_nothing_is_added(void **state)
{
    (void)state;
    assert_suggestion("list", commands, 0, ".");
}

static void test_suggest_when_words_are_very_long_then_they_are_compared_all_the_same(void **state)
{
    char word[300], other[300];
    const char *words[] = { other };
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    memset(word, 'a', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    memcpy(other, word, sizeof(other));
    other[0] = 'b';
    tools_suggest(&text, word, words, 1, "the keys are");
    assert_non_null(strstr((char *)text.data, "did you mean 'baaa"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggest_when_one_word_is_near_then_it_is_the_guess),
        cmocka_unit_test(test_suggest_when_several_are_equally_near_then_all_are_named),
        cmocka_unit_test(test_suggest_when_a_word_holds_the_given_one_then_it_is_near),
        cmocka_unit_test(test_suggest_when_nothing_is_near_then_the_words_are_listed),
        cmocka_unit_test(test_suggest_when_there_are_many_words_then_the_list_ends_in_dots),
        cmocka_unit_test(test_suggest_when_there_are_no_words_then_nothing_is_added),
        cmocka_unit_test(test_suggest_when_words_are_very_long_then_they_are_compared_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
