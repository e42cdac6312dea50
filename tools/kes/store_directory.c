/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file for each key, called as the key is. It is there whole or not at all: it is written under
 * another name, synchronized, and then linked to its own, which never replaces another file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "store.h"

#define TEMPORARY "/.hsmbridge-kes-XXXXXX" /* no key is called so */

struct directory {
    struct kesd_store base; /* first */
    char *path;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* What is wrong with the directory, not with a key in it: it may be back in a moment. */
static enum remote_rc fail(const struct directory *directory, const char *name, int error,
                           struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "%s%s%s: %s", directory->path,
                       name != NULL ? "/" : "", name != NULL ? name : "", strerrordesc_np(error));
}

/* -1: err says why. */
static enum remote_rc open_directory(const struct directory *directory, int *ret,
                                     struct remote_error *err)
{
    int fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return fail(directory, NULL, errno, err);
    *ret = fd;
    return REMOTE_OK;
}

/* ---- creating ---- */

static bool write_all(int fd, struct remote_slice text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.data, text.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text = remote_slice(text.data + n, text.len - (size_t)n);
    }
    return fsync(fd) == 0;
}

/* False, errno: what went wrong. */
static bool write_linked(const char *temporary, int fd, int dir, const char *name,
                         struct remote_slice text)
{
    bool done = write_all(fd, text) && linkat(AT_FDCWD, temporary, dir, name, 0) == 0;
    int error = errno;

    (void)unlink(temporary);
    if (done && fsync(dir) == 0)
        return true;
    if (!done)
        errno = error;
    return false;
}

static enum remote_rc create_in(const struct directory *directory, int dir, const char *name,
                                struct remote_slice text, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *temporary = NULL;
    CLEANUP(close_fd) int fd = -1;

    if (asprintf(&temporary, "%s" TEMPORARY, directory->path) < 0) {
        temporary = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    fd = mkostemp(temporary, O_CLOEXEC); /* of mode 0600 */
    if (fd < 0)
        return fail(directory, NULL, errno, err);
    if (write_linked(temporary, fd, dir, name, text))
        return REMOTE_OK;
    if (errno == EEXIST)
        return REMOTE_FAIL(err, REMOTE_E_EXISTS, "%s/%s is there already", directory->path, name);
    return fail(directory, name, errno, err);
}

static enum remote_rc directory_create(struct kesd_store *store, const char *name,
                                       struct remote_slice text, struct remote_error *err)
{
    const struct directory *directory = (const struct directory *)store;
    CLEANUP(close_fd) int dir = -1;

    REMOTE_TRY(open_directory(directory, &dir, err));
    return create_in(directory, dir, name, text, err);
}

/* ---- the rest ---- */

/* Not there: of the key, if the directory is there. */
static enum remote_rc absent(const struct directory *directory, const char *name,
                             struct remote_error *err)
{
    CLEANUP(close_fd) int dir = -1;

    REMOTE_TRY(open_directory(directory, &dir, err));
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "there is no %s/%s", directory->path, name);
}

static enum remote_rc directory_read(struct kesd_store *store, const char *name,
                                     struct remote_secret *ret, struct remote_error *err)
{
    const struct directory *directory = (const struct directory *)store;
    CLEANUP(remote_str_free) char *path = NULL;

    if (asprintf(&path, "%s/%s", directory->path, name) < 0) {
        path = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return absent(directory, name, err);
    return remote_file_read(path, REMOTE_FILE_SECRET, ret, err);
}

static enum remote_rc directory_list(struct kesd_store *store, struct kesd_names *ret,
                                     struct remote_error *err)
{
    const struct directory *directory = (const struct directory *)store;
    DIR *dir = opendir(directory->path);
    const struct dirent *entry;
    enum remote_rc rc = REMOTE_OK;

    if (dir == NULL)
        return fail(directory, NULL, errno, err);
    while (rc == REMOTE_OK && (errno = 0, entry = readdir(dir)) != NULL)
        if (entry->d_type == DT_REG || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN)
            rc = kesd_names_add(ret, entry->d_name, err);
    if (rc == REMOTE_OK && errno != 0)
        rc = fail(directory, NULL, errno, err);
    closedir(dir);
    return rc;
}

static enum remote_rc directory_remove(struct kesd_store *store, const char *name,
                                       struct remote_error *err)
{
    const struct directory *directory = (const struct directory *)store;
    CLEANUP(close_fd) int dir = -1;

    REMOTE_TRY(open_directory(directory, &dir, err));
    if (unlinkat(dir, name, 0) == 0)
        return fsync(dir) == 0 ? REMOTE_OK : fail(directory, NULL, errno, err);
    if (errno == ENOENT)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "there is no %s/%s", directory->path, name);
    return fail(directory, name, errno, err);
}

static enum remote_rc directory_probe(struct kesd_store *store, struct remote_error *err)
{
    const struct directory *directory = (const struct directory *)store;
    CLEANUP(close_fd) int dir = -1;

    return open_directory(directory, &dir, err);
}

static void directory_close(struct kesd_store *store)
{
    struct directory *directory = (struct directory *)store;

    free(directory->path);
    free(directory);
}

enum remote_rc kesd_store_open_directory(const char *path, struct kesd_store **ret,
                                         struct remote_error *err)
{
    static const struct kesd_store_ops ops = {
        .create = directory_create,
        .read = directory_read,
        .list = directory_list,
        .remove = directory_remove,
        .probe = directory_probe,
        .close = directory_close,
    };
    struct directory *directory = calloc(1, sizeof(*directory));

    if (directory == NULL || (directory->path = strdup(path)) == NULL) {
        free(directory);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    directory->base.ops = &ops;
    *ret = &directory->base;
    return REMOTE_OK;
}
