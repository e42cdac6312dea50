/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fork.h"
#include "log.h"

/* Beside st_size: files of /proc and /sys say 0 and hold a page at most. */
#define SIZE_SLACK 4096

/* ---- owner and mode ---- */

/*
 * Whether a path was named before; remembers its hash. The newest few dozen are enough to keep
 * a file that is read again and again from filling the log.
 */
static bool said_before(const char *path)
{
    static struct remote_lock lock = REMOTE_LOCK_STATIC(REMOTE_LOCK_LOG);
    static uint64_t seen[64];
    static size_t next;
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    bool found = false;

    for (const char *p = path; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    remote_lock_enroll(&lock);
    remote_lock_acquire(&lock);
    for (size_t i = 0; i < ARRAY_SIZE(seen) && !found; i++)
        found = seen[i] == hash;
    if (!found)
        seen[next++ % ARRAY_SIZE(seen)] = hash;
    remote_lock_release(&lock);
    return found;
}

static enum remote_rc check_secret(const struct stat *st, const char *path,
                                   struct remote_error *err)
{
    if (st->st_mode & S_IWOTH)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: any user may write this secret; chmod o-w %s",
                           path, path);
    if ((st->st_mode & S_IROTH) && !said_before(path))
        remote_log(REMOTE_LOG_WARNING,
                   "%s: any user may read this secret; chmod o-r %s unless that is meant", path,
                   path);
    return REMOTE_OK;
}

static enum remote_rc check_config(const struct stat *st, const char *path,
                                   struct remote_error *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "%s: belongs to user %ld, who could change it; chown root %s", path,
                           (long)st->st_uid, path);
    if (st->st_mode & S_IWOTH)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: any user may write it; chmod o-w %s", path,
                           path);
    if ((st->st_mode & S_IWGRP) && st->st_gid != 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "%s: all members of group %ld may write it; chmod g-w %s", path,
                           (long)st->st_gid, path);
    return REMOTE_OK;
}

static enum remote_rc check_mode(const struct stat *st, const char *path,
                                 enum remote_file_kind kind, struct remote_error *err)
{
    switch (kind) {
    case REMOTE_FILE_PUBLIC:
        break;
    case REMOTE_FILE_SECRET:
        return check_secret(st, path, err);
    case REMOTE_FILE_CONFIG:
        return check_config(st, path, err);
    case REMOTE_FILE_CONFIG_SECRET:
        REMOTE_TRY(check_config(st, path, err));
        if (st->st_mode & (S_IRWXG | S_IRWXO))
            return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                               "%s: others than its owner may read it; chmod 600 %s", path, path);
        break;
    }
    return REMOTE_OK;
}

enum remote_rc remote_file_check(int fd, const char *path, enum remote_file_kind kind,
                                 struct remote_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    return check_mode(&st, path, kind, err);
}

/* ---- reading ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static const char *open_hint(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return "; correct the path or make the file";
    case EACCES:
        return "; let this process's user read it and enter its directories";
    default:
        return "";
    }
}

static enum remote_rc check_type(const struct stat *st, const char *path, struct remote_error *err)
{
    if (S_ISDIR(st->st_mode))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: is a directory; name a file", path);
    if (!S_ISREG(st->st_mode))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: is not a regular file; name one", path);
    if (st->st_size > REMOTE_FILE_MAX)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: is larger than %u bytes; name the right file",
                           path, REMOTE_FILE_MAX);
    return REMOTE_OK;
}

/* Fills at most size bytes; -1 and errno on failure. */
static ssize_t read_all(int fd, unsigned char *data, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t n = read(fd, data + used, size - used);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static enum remote_rc read_fd(int fd, const char *path, off_t expected, struct remote_secret *ret,
                              struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret room = { 0 };
    size_t size = (size_t)expected + SIZE_SLACK;
    ssize_t n;

    REMOTE_TRY(remote_secret_set(&room, NULL, size, err));
    n = read_all(fd, room.data, size);
    if (n < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    if ((size_t)n == size)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: grew while it was read; try again", path);
    return remote_secret_set(ret, room.data, (size_t)n, err);
}

/* ret_st: of the descriptor that was read, taken before, so that a later change is noticed. */
static enum remote_rc read_path(const char *path, enum remote_file_kind kind,
                                struct remote_secret *ret, struct stat *ret_st,
                                struct remote_error *err)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0) {
        int error = errno;

        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: %s%s", path, strerrordesc_np(error),
                           open_hint(error));
    }
    if (fstat(fd, ret_st) < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    REMOTE_TRY(check_type(ret_st, path, err));
    REMOTE_TRY(check_mode(ret_st, path, kind, err));
    return read_fd(fd, path, ret_st->st_size, ret, err);
}

enum remote_rc remote_file_read(const char *path, enum remote_file_kind kind,
                                struct remote_secret *ret, struct remote_error *err)
{
    struct stat st;

    return read_path(path, kind, ret, &st, err);
}

/* ---- kept files ---- */

static void remember(struct remote_kept_file *file, const struct stat *st)
{
    file->mtime = st->st_mtim;
    file->size = st->st_size;
    file->inode = st->st_ino;
}

static bool unchanged(const struct remote_kept_file *file, const struct stat *st)
{
    return file->mtime.tv_sec == st->st_mtim.tv_sec && file->mtime.tv_nsec == st->st_mtim.tv_nsec &&
           file->size == st->st_size && file->inode == st->st_ino;
}

enum remote_rc remote_kept_file_open(struct remote_kept_file *file, const char *path,
                                     enum remote_file_kind kind, struct remote_error *err)
{
    struct remote_kept_file opened = { .kind = kind };
    enum remote_rc rc;
    struct stat st;

    opened.path = strdup(path);
    if (!opened.path)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = read_path(path, kind, &opened.bytes, &st, err);
    if (rc != REMOTE_OK) {
        remote_kept_file_close(&opened);
        return rc;
    }
    remember(&opened, &st);
    *file = opened;
    return REMOTE_OK;
}

static enum remote_rc read_anew(const struct remote_kept_file *file, struct remote_secret *ret,
                                struct stat *ret_st, struct remote_error *err)
{
    REMOTE_TRY(read_path(file->path, file->kind, ret, ret_st, err));
    if (ret->len == 0 && file->bytes.len > 0) /* caught between truncation and writing? */
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: is empty now", file->path);
    return REMOTE_OK;
}

bool remote_kept_file_refresh(struct remote_kept_file *file)
{
    CLEANUP(remote_secret_clear) struct remote_secret bytes = { 0 };
    struct remote_error err = { 0 };
    struct stat st;

    if (!file->path)
        return false;
    if (stat(file->path, &st) == 0 && unchanged(file, &st)) {
        file->said_stale = false;
        return false;
    }
    if (read_anew(file, &bytes, &st, &err) != REMOTE_OK) {
        if (!file->said_stale)
            remote_log(REMOTE_LOG_WARNING, "%s; what was read before stays in use", err.text);
        file->said_stale = true;
        return false;
    }
    remember(file, &st);
    file->said_stale = false;
    remote_secret_clear(&file->bytes);
    file->bytes = bytes;
    bytes = (struct remote_secret){ 0 };
    return true;
}

void remote_kept_file_close(struct remote_kept_file *file)
{
    if (!file)
        return;
    free(file->path);
    remote_secret_clear(&file->bytes);
    *file = (struct remote_kept_file){ 0 };
}
