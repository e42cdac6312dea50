/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log is one for the process and reads its environment once, so each test acts in a child
 * of its own; what the child wrote to stderr is what the parent looks at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"
#include "log.h"

static char directory[] = "log-XXXXXX";
static char log_path[PATH_MAX]; /* absolute */

static int make_directory(void **state)
{
    char cwd[PATH_MAX - 64];

    (void)state;
    unsetenv("HSMBRIDGE_LOG");
    if (!mkdtemp(directory) || !getcwd(cwd, sizeof(cwd)))
        return -1;
    snprintf(log_path, sizeof(log_path), "%s/%s/test.log", cwd, directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(log_path);
    return rmdir(directory);
}

static int remove_log(void **state)
{
    (void)state;
    unlink(log_path);
    return 0;
}

static void slurp(int fd, char *ret, size_t size)
{
    size_t used = 0;
    ssize_t n;

    while (used + 1 < size && (n = read(fd, ret + used, size - 1 - used)) > 0)
        used += (size_t)n;
    ret[used] = '\0';
    close(fd);
}

static const char *log_text(void)
{
    static char text[1 << 20];
    int fd = open(log_path, O_RDONLY);

    if (fd < 0)
        return NULL;
    slurp(fd, text, sizeof(text));
    return text;
}

/* What act() wrote to stderr; fails the test unless it returned. */
static const char *stderr_of(void (*act)(void))
{
    static char text[1 << 16];
    int ends[2], status;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        act();
        _exit(0);
    }
    close(ends[1]);
    slurp(ends[0], text, sizeof(text));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return text;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    int rc;

    assert_non_null(text);
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    rc = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (rc != 0)
        fail_msg("'%s' does not match '%s'", text, pattern);
}

#define STAMP                                                                                      \
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z hsmbridge\\[[0-9]+\\] "

static void setup_or_say(const char *sink, const char *level)
{
    struct remote_error err = { 0 };
    enum remote_rc rc = remote_log_setup(sink, level, &err);

    if (rc != REMOTE_OK)
        dprintf(STDERR_FILENO, "%s: %s\n", remote_rc_name(rc), err.text);
}

static void log_each_level(void)
{
    remote_log(REMOTE_LOG_ERROR, "e");
    remote_log(REMOTE_LOG_WARNING, "w");
    remote_log(REMOTE_LOG_INFO, "i");
    remote_log(REMOTE_LOG_DEBUG, "d");
}

static void act_nothing_set_up(void)
{
    log_each_level();
    if (remote_log_enabled(REMOTE_LOG_ERROR))
        dprintf(STDERR_FILENO, "enabled");
}

static void test_log_when_nothing_was_set_up_is_silent(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_nothing_set_up), "");
}

static void act_default_stderr(void)
{
    remote_log_default("stderr");
    log_each_level();
    if (!remote_log_enabled(REMOTE_LOG_WARNING) || remote_log_enabled(REMOTE_LOG_INFO))
        dprintf(STDERR_FILENO, "enabled is wrong");
}

static void test_log_with_default_stderr_writes_errors_and_warnings(void **state)
{
    (void)state;
    assert_matches(stderr_of(act_default_stderr), STAMP "error: e\n[^\n]* warning: w\n$");
}

static void act_json(void)
{
    remote_log_default("stderr");
    remote_log_json();
    remote_log(REMOTE_LOG_WARNING, "a \"word\" and C:\\path\n");
}

static void test_log_lines_are_json_objects_when_asked_for(void **state)
{
    (void)state;
    assert_matches(stderr_of(act_json),
                   "^\\{\"ts\":\"[0-9T:.-]+Z\",\"level\":\"warning\",\"pid\":[0-9]+,"
                   "\"msg\":\"a \\\\\"word\\\\\" and C:\\\\\\\\path \"\\}\n$");
}

static void act_level_debug(void)
{
    setup_or_say("stderr", "debug");
    log_each_level();
    setup_or_say(NULL, "error"); /* keeps the sink */
    log_each_level();
    setup_or_say("none", NULL);
    log_each_level();
}

static void test_setup_again_changes_what_it_names(void **state)
{
    (void)state;
    assert_matches(stderr_of(act_level_debug), STAMP "error: e\n.*warning: w\n.*info: i\n.*debug: "
                                                     "d\n[^\n]*error: e\n$");
}

static void act_configured_over_default(void)
{
    remote_log_default("stderr");
    setup_or_say("none", NULL);
    remote_log_default("stderr");
    log_each_level();
}

static void test_setup_overrides_the_default(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_configured_over_default), "");
}

static void act_environment(void)
{
    setenv("HSMBRIDGE_LOG", "stderr:info", 1);
    log_each_level(); /* in force before any setup */
    setup_or_say("none", "error");
    remote_log(REMOTE_LOG_INFO, "still");
    remote_log(REMOTE_LOG_DEBUG, "not");
}

static void test_environment_overrides_the_configuration(void **state)
{
    (void)state;
    assert_matches(stderr_of(act_environment),
                   STAMP "error: e\n.*warning: w\n.*info: i\n[^\n]*info: still\n$");
}

static void act_environment_file(void)
{
    char value[PATH_MAX + 16];

    snprintf(value, sizeof(value), "%s:debug", log_path);
    setenv("HSMBRIDGE_LOG", value, 1);
    setup_or_say(NULL, NULL);
    remote_log(REMOTE_LOG_DEBUG, "to the file");
}

static void test_environment_with_path_and_level_writes_the_file(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_environment_file), "");
    assert_matches(log_text(), STAMP "debug: to the file\n$");
}

static void act_environment_wrong_sink(void)
{
    setenv("HSMBRIDGE_LOG", "stdout", 1);
    setup_or_say("stderr", NULL);
}

static void act_environment_wrong_level(void)
{
    setenv("HSMBRIDGE_LOG", "stderr:loud", 1);
    setup_or_say("stderr", NULL);
}

static void test_environment_with_a_wrong_word_is_an_error_that_names_it(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_environment_wrong_sink),
                        "config: HSMBRIDGE_LOG: 'stdout' is not a log; none, syslog, stderr or an "
                        "absolute path would be\n");
    assert_string_equal(stderr_of(act_environment_wrong_level),
                        "config: HSMBRIDGE_LOG: 'loud' is not a log level; error, warning, info or "
                        "debug would be\n");
}

static void act_wrong_words(void)
{
    setup_or_say("stdout", NULL);
    setup_or_say("relative/path", NULL);
    setup_or_say("stderr", "verbose");
    setup_or_say("/nonexistent-directory/log", NULL);
    log_each_level();
}

static void test_setup_with_wrong_words_says_so_and_changes_nothing(void **state)
{
    const char *text;

    (void)state;
    text = stderr_of(act_wrong_words);
    assert_non_null(strstr(text, "'stdout' is not a log"));
    assert_non_null(strstr(text, "'relative/path' is not a log"));
    assert_non_null(strstr(text, "'verbose' is not a log level"));
    assert_non_null(strstr(text, "config: log file /nonexistent-directory/log: No such file or "
                                 "directory; name a file that this process may write\n"));
    assert_null(strstr(text, "hsmbridge["));
}

static void act_file(void)
{
    setup_or_say(log_path, "info");
    errno = EXDEV;
    remote_log(REMOTE_LOG_INFO, "one\nline\x1b[1m for %d", 7);
    if (errno != EXDEV)
        dprintf(STDERR_FILENO, "errno");
}

static void test_log_to_a_file_is_appended_as_one_line(void **state)
{
    struct stat st;

    (void)state;
    assert_string_equal(stderr_of(act_file), "");
    assert_string_equal(stderr_of(act_file), "");
    assert_matches(log_text(), STAMP "info: one line \\[1m for 7\n[^\n]* for 7\n$");
    assert_int_equal(stat(log_path, &st), 0);
    assert_int_equal(st.st_mode & 0137, 0); /* not for others */
}

static void act_long_line(void)
{
    char text[5000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    setup_or_say(log_path, NULL);
    remote_log(REMOTE_LOG_ERROR, "%s", text);
    remote_log(REMOTE_LOG_ERROR, "next");
}

static void test_log_of_a_long_text_is_cut_and_ends_the_line(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_long_line), "");
    assert_matches(log_text(), STAMP "error: x+\n[^\n]*error: next\n$");
}

/* What a daemon does: closes every descriptor and opens its own, which get the same numbers. */
static void act_closed_descriptors(void)
{
    char other[PATH_MAX + 8];

    setup_or_say(log_path, NULL);
    remote_log(REMOTE_LOG_ERROR, "before");
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    snprintf(other, sizeof(other), "%s.other", log_path);
    for (int i = 0; i < 8; i++)
        (void)open(other, O_RDWR | O_CREAT, 0600);
    remote_log(REMOTE_LOG_ERROR, "after");
    slurp(3, other, sizeof(other)); /* the host's file: nothing of ours in it */
    dprintf(STDERR_FILENO, "[%s]", other);
    snprintf(other, sizeof(other), "%s.other", log_path);
    unlink(other);
}

static void test_log_after_the_host_reused_our_descriptor_spares_its_file(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_closed_descriptors), "[]");
    assert_matches(log_text(), "error: before\n.*error: after\n$");
}

static void act_no_standard_descriptors(void)
{
    int fd = dup(STDERR_FILENO);

    close(0);
    close(1);
    close(2);
    setup_or_say(log_path, NULL);
    remote_log(REMOTE_LOG_ERROR, "x");
    if (write(1, "stray", 5) >= 0 || write(2, "stray", 5) >= 0 || write(0, "stray", 5) >= 0)
        dprintf(fd, "the log is a standard descriptor");
}

static void test_log_file_is_never_a_standard_descriptor(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_no_standard_descriptors), "");
    assert_matches(log_text(), STAMP "error: x\n$");
}

static void act_broken_pipe(void)
{
    int ends[2], kept = dup(STDERR_FILENO);

    if (pipe(ends) < 0)
        return;
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    setup_or_say("stderr", NULL);
    remote_log(REMOTE_LOG_ERROR, "nobody reads this"); /* SIGPIPE would end the process */
    dprintf(kept, "alive");
}

static void test_log_to_a_broken_pipe_raises_no_signal(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_broken_pipe), "alive");
}

static void act_fifo(void)
{
    char path[PATH_MAX + 8];

    snprintf(path, sizeof(path), "%s.fifo", log_path);
    if (mkfifo(path, 0600) < 0)
        return;
    alarm(10);
    setup_or_say(path, NULL);
    unlink(path);
}

static void test_setup_with_a_fifo_without_reader_does_not_hang(void **state)
{
    (void)state;
    assert_matches(stderr_of(act_fifo), "^config: log file .*/test\\.log\\.fifo: ");
}

static void act_syslog(void)
{
    setup_or_say("syslog", NULL);
    log_each_level();
    if (!remote_log_enabled(REMOTE_LOG_WARNING))
        dprintf(STDERR_FILENO, "disabled");
}

static void test_log_to_syslog_writes_nothing_here(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(act_syslog), "");
}

#define THREADS 8
#define LINES 250

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        remote_log(REMOTE_LOG_ERROR, "thread %d line %d end", *(int *)arg, i);
    return NULL;
}

static void act_threads(void)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];

    setup_or_say(log_path, NULL);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, write_lines, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_log_from_many_threads_keeps_lines_whole(void **state)
{
    const char *text;
    int lines = 0;

    (void)state;
    assert_string_equal(stderr_of(act_threads), "");
    text = log_text();
    assert_non_null(text);
    while (*text) {
        int thread, line, used = 0;

        sscanf(text, "%*[^ ] %*[^ ] error: thread %d line %d end%n", &thread, &line, &used);
        assert_true(used > 0 && text[used] == '\n');
        text += used + 1;
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
}

#define TEST(name) cmocka_unit_test_teardown(name, remove_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_log_when_nothing_was_set_up_is_silent),
        TEST(test_log_with_default_stderr_writes_errors_and_warnings),
        TEST(test_log_lines_are_json_objects_when_asked_for),
        TEST(test_setup_again_changes_what_it_names),
        TEST(test_setup_overrides_the_default),
        TEST(test_environment_overrides_the_configuration),
        TEST(test_environment_with_path_and_level_writes_the_file),
        TEST(test_environment_with_a_wrong_word_is_an_error_that_names_it),
        TEST(test_setup_with_wrong_words_says_so_and_changes_nothing),
        TEST(test_log_to_a_file_is_appended_as_one_line),
        TEST(test_log_of_a_long_text_is_cut_and_ends_the_line),
        TEST(test_log_after_the_host_reused_our_descriptor_spares_its_file),
        TEST(test_log_file_is_never_a_standard_descriptor),
        TEST(test_log_to_a_broken_pipe_raises_no_signal),
        TEST(test_setup_with_a_fifo_without_reader_does_not_hang),
        TEST(test_log_to_syslog_writes_nothing_here),
        TEST(test_log_from_many_threads_keeps_lines_whole),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
