/* SPDX-License-Identifier: Apache-2.0 */
#include "temp_dir.h"

#include <fcntl.h>
#include <string.h>

#include "file.h"
#include "log.h"

static char log_path[PATH_MAX + 8];

static int start(void **state)
{
    if (temp_dir_make(state) != 0)
        return -1;
    snprintf(log_path, sizeof(log_path), "%s.log", temp_dir);
    return remote_log_setup(log_path, "warning", NULL) == REMOTE_OK ? 0 : -1;
}

static int stop(void **state)
{
    unlink(log_path);
    return temp_dir_remove(state);
}

static int empty_log(void **state)
{
    (void)state;
    return truncate(log_path, 0);
}

static unsigned logged(const char *what)
{
    static char text[1 << 16];
    FILE *file = fopen(log_path, "r");
    unsigned count = 0;
    size_t len;

    assert_non_null(file);
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    for (const char *p = text; (p = strstr(p, what)); p++)
        count++;
    return count;
}

static void assert_refused(const char *path, enum remote_file_kind kind, const char *expected)
{
    CLEANUP(remote_secret_clear) struct remote_secret bytes = { 0 };
    struct remote_error err = { 0 };

    assert_int_equal(remote_file_read(path, kind, &bytes, &err), REMOTE_E_CONFIG);
    assert_memory_equal(err.text, path, strlen(path));
    if (!strstr(err.text, expected))
        fail_msg("'%s' does not hold '%s'", err.text, expected);
    assert_null(bytes.data);
}

static void assert_reads(const char *path, enum remote_file_kind kind, const char *expected)
{
    CLEANUP(remote_secret_clear) struct remote_secret bytes = { 0 };
    struct remote_error err = { 0 };

    if (remote_file_read(path, kind, &bytes, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_string_equal((char *)bytes.data, expected);
    assert_int_equal(bytes.len, strlen(expected));
}

static void test_read_gives_the_bytes(void **state)
{
    (void)state;
    assert_reads(make_file("plain", "a\nb\n", 0600), REMOTE_FILE_PUBLIC, "a\nb\n");
    assert_reads(make_file("empty", "", 0600), REMOTE_FILE_PUBLIC, "");
}

static void test_read_replaces_what_was_there(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret bytes = { 0 };

    (void)state;
    assert_int_equal(remote_secret_set(&bytes, "something longer", 16, NULL), REMOTE_OK);
    assert_int_equal(remote_file_read(make_file("new", "new", 0600), REMOTE_FILE_PUBLIC, &bytes,
                                      NULL),
                     REMOTE_OK);
    assert_string_equal((char *)bytes.data, "new");
}

static void test_read_of_a_link_follows_it(void **state)
{
    const char *link = path_of("link");

    (void)state;
    make_file("target", "token", 0600);
    assert_int_equal(symlink("target", link), 0);
    assert_reads(link, REMOTE_FILE_SECRET, "token");
}

static void test_read_of_a_file_without_size_reads_to_its_end(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret bytes = { 0 };

    (void)state;
    assert_int_equal(remote_file_read("/proc/self/stat", REMOTE_FILE_PUBLIC, &bytes, NULL),
                     REMOTE_OK);
    assert_true(bytes.len > 0);
}

static void test_read_of_what_is_no_file_says_what_it_is(void **state)
{
    const char *fifo = path_of("fifo");

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    alarm(10); /* it must not wait for the FIFO's writer */
    assert_refused(fifo, REMOTE_FILE_PUBLIC, "is not a regular file");
    alarm(0);
    assert_refused(temp_dir, REMOTE_FILE_PUBLIC, "is a directory; name a file");
    assert_refused("/dev/null", REMOTE_FILE_PUBLIC, "is not a regular file");
    assert_refused(path_of("absent"), REMOTE_FILE_PUBLIC,
                   "No such file or directory; correct the path or make the file");
}

static void test_read_of_a_huge_file_is_refused(void **state)
{
    const char *path = make_file("huge", "", 0600);

    (void)state;
    assert_int_equal(truncate(path, REMOTE_FILE_MAX + 1), 0);
    assert_refused(path, REMOTE_FILE_PUBLIC, "is larger than 4194304 bytes");
}

static void test_secret_that_others_may_write_is_refused(void **state)
{
    const char *path = make_file("written", "s", 0602);
    char hint[PATH_MAX + 80];

    (void)state;
    snprintf(hint, sizeof(hint), "chmod o-w %s", path);
    assert_refused(path, REMOTE_FILE_SECRET, hint);
    assert_reads(path, REMOTE_FILE_PUBLIC, "s");
}

static void test_secret_that_others_may_read_is_warned_of_once(void **state)
{
    const char *path = make_file("readable", "s", 0644);
    char warning[PATH_MAX + 80];

    (void)state;
    snprintf(warning, sizeof(warning), "warning: %s: any user may read this secret; chmod o-r",
             path);
    assert_reads(path, REMOTE_FILE_SECRET, "s");
    assert_reads(path, REMOTE_FILE_SECRET, "s");
    assert_int_equal(logged(warning), 1);
    assert_reads(make_file("readable too", "s", 0644), REMOTE_FILE_SECRET, "s");
    assert_int_equal(logged("any user may read"), 2);
}

static void test_secret_for_the_group_is_fine(void **state)
{
    (void)state;
    assert_reads(make_file("group", "s", 0640), REMOTE_FILE_SECRET, "s");
    assert_int_equal(logged("warning"), 0);
}

static void test_config_that_others_may_write_is_refused(void **state)
{
    const char *path = make_file("world.conf", "c", 0646);

    (void)state;
    assert_refused(path, REMOTE_FILE_CONFIG, "any user may write it; chmod o-w ");
    assert_int_equal(chmod(path, 0644), 0);
    assert_reads(path, REMOTE_FILE_CONFIG, "c");
}

static void test_config_that_a_group_may_write_is_refused_unless_it_is_roots(void **state)
{
    const char *path = make_file("group.conf", "c", 0664);
    char expected[64];

    (void)state;
    if (geteuid() != 0 && getegid() == 0)
        skip();
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 0, 0), 0);
        assert_reads(path, REMOTE_FILE_CONFIG, "c");
        assert_int_equal(chown(path, 0, 12345), 0);
    }
    snprintf(expected, sizeof(expected), "all members of group %ld may write it; chmod g-w ",
             geteuid() == 0 ? 12345L : (long)getegid());
    assert_refused(path, REMOTE_FILE_CONFIG, expected);
}

static void test_config_of_another_user_is_refused(void **state)
{
    const char *path = make_file("foreign.conf", "c", 0644);

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 12345, 0), 0);
    assert_refused(path, REMOTE_FILE_CONFIG, "belongs to user 12345, who could change it; chown");
}

static void test_config_secret_that_others_may_read_is_refused(void **state)
{
    const char *path = make_file("typed.conf", "c", 0640);

    (void)state;
    assert_refused(path, REMOTE_FILE_CONFIG_SECRET, "chmod 600 ");
    assert_int_equal(chmod(path, 0600), 0);
    assert_reads(path, REMOTE_FILE_CONFIG_SECRET, "c");
}

static void test_check_of_an_open_directory_looks_at_its_mode(void **state)
{
    struct remote_error err = { 0 };
    const char *path = path_of("conf.d");
    int fd;

    (void)state;
    assert_int_equal(mkdir(path, 0755), 0);
    fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(remote_file_check(fd, path, REMOTE_FILE_CONFIG, &err), REMOTE_OK);
    assert_int_equal(chmod(path, 0757), 0);
    assert_int_equal(remote_file_check(fd, path, REMOTE_FILE_CONFIG, &err), REMOTE_E_CONFIG);
    assert_non_null(strstr(err.text, "chmod o-w "));
    close(fd);
}

static void test_kept_file_when_unchanged_is_not_new(void **state)
{
    struct remote_kept_file file = { 0 };

    (void)state;
    assert_int_equal(remote_kept_file_open(&file, make_file("kept", "one", 0600),
                                           REMOTE_FILE_SECRET, NULL),
                     REMOTE_OK);
    assert_string_equal((char *)file.bytes.data, "one");
    assert_false(remote_kept_file_refresh(&file));
    remote_kept_file_close(&file);
    assert_null(file.path);
    assert_false(remote_kept_file_refresh(&file));
    remote_kept_file_close(NULL);
}

static void test_kept_file_when_changed_is_read_again(void **state)
{
    struct remote_kept_file file = { 0 };
    const char *path = make_file("changing", "one", 0600);

    (void)state;
    assert_int_equal(remote_kept_file_open(&file, path, REMOTE_FILE_SECRET, NULL), REMOTE_OK);
    make_file("changing", "three", 0600); /* another size */
    assert_true(remote_kept_file_refresh(&file));
    assert_string_equal((char *)file.bytes.data, "three");
    make_file("renamed", "other", 0600); /* same size, another inode: how Kubernetes does it */
    assert_int_equal(rename(path_of("renamed"), path), 0);
    assert_true(remote_kept_file_refresh(&file));
    assert_string_equal((char *)file.bytes.data, "other");
    assert_false(remote_kept_file_refresh(&file));
    remote_kept_file_close(&file);
}

static void test_kept_file_when_gone_serves_and_one_line_says_so(void **state)
{
    struct remote_kept_file file = { 0 };
    const char *path = make_file("going", "kept", 0600);

    (void)state;
    assert_int_equal(remote_kept_file_open(&file, path, REMOTE_FILE_SECRET, NULL), REMOTE_OK);
    assert_int_equal(unlink(path), 0);
    assert_false(remote_kept_file_refresh(&file));
    assert_false(remote_kept_file_refresh(&file));
    assert_string_equal((char *)file.bytes.data, "kept");
    assert_int_equal(logged("going: No such file or directory"), 1);
    assert_int_equal(logged("what was read before stays in use"), 1);
    make_file("going", "back", 0600);
    assert_true(remote_kept_file_refresh(&file));
    assert_string_equal((char *)file.bytes.data, "back");
    assert_int_equal(unlink(path), 0);
    assert_false(remote_kept_file_refresh(&file));
    assert_int_equal(logged("what was read before stays in use"), 2);
    remote_kept_file_close(&file);
}

static void test_kept_file_when_emptied_serves_the_old_bytes(void **state)
{
    struct remote_kept_file file = { 0 };
    const char *path = make_file("emptied", "kept", 0600);

    (void)state;
    assert_int_equal(remote_kept_file_open(&file, path, REMOTE_FILE_SECRET, NULL), REMOTE_OK);
    make_file("emptied", "", 0600);
    assert_false(remote_kept_file_refresh(&file));
    assert_string_equal((char *)file.bytes.data, "kept");
    assert_int_equal(logged("emptied: is empty now"), 1);
    make_file("emptied", "again", 0600);
    assert_true(remote_kept_file_refresh(&file));
    assert_string_equal((char *)file.bytes.data, "again");
    remote_kept_file_close(&file);
}

static void test_kept_file_when_others_may_write_it_now_is_not_taken(void **state)
{
    struct remote_kept_file file = { 0 };
    const char *path = make_file("opened-up", "kept", 0600);

    (void)state;
    assert_int_equal(remote_kept_file_open(&file, path, REMOTE_FILE_SECRET, NULL), REMOTE_OK);
    make_file("opened-up", "forged token", 0666);
    assert_false(remote_kept_file_refresh(&file));
    assert_string_equal((char *)file.bytes.data, "kept");
    assert_int_equal(logged("chmod o-w"), 1);
    remote_kept_file_close(&file);
}

static void test_kept_file_open_of_an_absent_file_leaves_it_closed(void **state)
{
    struct remote_kept_file file = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_kept_file_open(&file, path_of("none"), REMOTE_FILE_SECRET, &err),
                     REMOTE_E_CONFIG);
    assert_non_null(strstr(err.text, "none: No such file or directory"));
    assert_null(file.path);
}

#define TEST(name) cmocka_unit_test_setup(name, empty_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_gives_the_bytes),
        TEST(test_read_replaces_what_was_there),
        TEST(test_read_of_a_link_follows_it),
        TEST(test_read_of_a_file_without_size_reads_to_its_end),
        TEST(test_read_of_what_is_no_file_says_what_it_is),
        TEST(test_read_of_a_huge_file_is_refused),
        TEST(test_secret_that_others_may_write_is_refused),
        TEST(test_secret_that_others_may_read_is_warned_of_once),
        TEST(test_secret_for_the_group_is_fine),
        TEST(test_config_that_others_may_write_is_refused),
        TEST(test_config_that_a_group_may_write_is_refused_unless_it_is_roots),
        TEST(test_config_of_another_user_is_refused),
        TEST(test_config_secret_that_others_may_read_is_refused),
        TEST(test_check_of_an_open_directory_looks_at_its_mode),
        TEST(test_kept_file_when_unchanged_is_not_new),
        TEST(test_kept_file_when_changed_is_read_again),
        TEST(test_kept_file_when_gone_serves_and_one_line_says_so),
        TEST(test_kept_file_when_emptied_serves_the_old_bytes),
        TEST(test_kept_file_when_others_may_write_it_now_is_not_taken),
        TEST(test_kept_file_open_of_an_absent_file_leaves_it_closed),
    };

    unsetenv("HSMBRIDGE_LOG");
    umask(022);
    return cmocka_run_group_tests(tests, start, stop);
}
