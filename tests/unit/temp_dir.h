/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for the files of the running test; one at a time. */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char temp_dir[PATH_MAX]; /* absolute */

/* Fixtures, for cmocka. */
static inline int temp_dir_make(void **state)
{
    char cwd[PATH_MAX - 64];

    (void)state;
    if (!getcwd(cwd, sizeof(cwd)))
        return -1;
    snprintf(temp_dir, sizeof(temp_dir), "%s/files-XXXXXX", cwd);
    return mkdtemp(temp_dir) ? 0 : -1;
}

static inline int temp_dir_remove(void **state)
{
    char command[PATH_MAX + 16];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", temp_dir);
    return system(command);
}

/* Good for the next three calls. */
static inline const char *path_of(const char *name)
{
    static char paths[4][PATH_MAX + 64];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", temp_dir, name);
    return path;
}

static inline const char *make_file(const char *name, const char *text, mode_t mode)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

#endif
