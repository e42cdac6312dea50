/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "encode.h"
#include "fail.h"
#include "local.h"

#define CHUNK 65536

static bool is_stream(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

static void close_file(const int *fd)
{
    if (*fd > STDERR_FILENO)
        close(*fd);
}

static int open_input(const char *path, int *ret_fd)
{
    int fd = is_stream(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return tools_fail(TOOLS_FAILED, "cannot read '%s': %s", path, strerror(errno));
    *ret_fd = fd;
    return TOOLS_OK;
}

/* *ret_len 0: the end. */
static int read_chunk(int fd, const char *path, void *into, size_t room, size_t *ret_len)
{
    ssize_t n;

    do
        n = read(fd, into, room);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return tools_fail(TOOLS_FAILED, "cannot read '%s': %s",
                          is_stream(path) ? "standard input" : path, strerror(errno));
    *ret_len = (size_t)n;
    return TOOLS_OK;
}

int tools_io_read(const char *path, struct remote_buf *ret)
{
    CLEANUP(close_file) int fd = -1;
    size_t len = 0;

    TOOLS_TRY(open_input(path, &fd));
    do {
        unsigned char *room = remote_buf_reserve(ret, CHUNK);

        if (!room)
            return tools_fail(TOOLS_FAILED, "out of memory");
        TOOLS_TRY(read_chunk(fd, path, room, CHUNK, &len));
        ret->len += len;
        if (ret->len > TOOLS_INPUT_MAX)
            return tools_fail(TOOLS_FAILED, "the input is longer than %u bytes", TOOLS_INPUT_MAX);
    } while (len > 0);
    return TOOLS_OK;
}

static struct remote_slice trimmed(struct remote_slice text)
{
    static const char blanks[] = " \t\r\n";

    while (text.len && strchr(blanks, text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len && strchr(blanks, text.data[text.len - 1]))
        text.len--;
    return text;
}

/* Base64 is often wrapped (openssl base64 does); line ends are taken out, nothing else is. */
static void without_line_ends(struct remote_slice text, struct remote_buf *ret)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\n' && text.data[i] != '\r')
            remote_buf_append_char(ret, (char)text.data[i]);
}

static int decode(const char *form, struct remote_slice text, struct remote_buf *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf joined = { 0 };
    bool base64 = strcmp(form, "base64") == 0;
    bool good;

    without_line_ends(trimmed(text), &joined);
    good = base64 ? remote_base64_decode(remote_buf_slice(&joined), ret)
                  : remote_hex_decode(remote_buf_slice(&joined), ret);
    return good ? TOOLS_OK : tools_fail(TOOLS_FAILED, "what was read is not %s", form);
}

int tools_io_read_decoded(const struct tools_args *args, const char *path, struct remote_buf *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    if (!args->decode)
        return tools_io_read(path, ret);
    if (strcmp(args->decode, "base64") != 0 && strcmp(args->decode, "hex") != 0)
        return tools_fail(TOOLS_USAGE, "option --decode takes base64 or hex, not '%s'",
                          args->decode);
    TOOLS_TRY(tools_io_read(path, &text));
    return decode(args->decode, remote_buf_slice(&text), ret);
}

int tools_io_digest(const char *path, enum remote_hash hash, struct remote_buf *ret)
{
    CLEANUP(remote_digest_clear) struct remote_digest digest = { 0 };
    CLEANUP(close_file) int fd = -1;
    unsigned char chunk[CHUNK];
    struct remote_error err = { 0 };
    size_t len = 0;

    TOOLS_TRY(open_input(path, &fd));
    if (remote_digest_init(&digest, hash, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    do {
        TOOLS_TRY(read_chunk(fd, path, chunk, sizeof(chunk), &len));
        if (remote_digest_update(&digest, remote_slice(chunk, len), &err) != REMOTE_OK)
            return tools_fail_core(&err);
    } while (len > 0);
    return remote_digest_final(&digest, ret, &err) == REMOTE_OK ? TOOLS_OK : tools_fail_core(&err);
}

static int write_failed(const char *path)
{
    return tools_fail(TOOLS_FAILED, "cannot write %s%s%s: %s", path ? "'" : "",
                      path ? path : "the output", path ? "'" : "", strerror(errno));
}

static bool write_all(int fd, struct remote_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
    return true;
}

int tools_io_write(const struct tools_args *args, struct remote_slice bytes, bool secret)
{
    const char *path = is_stream(args->out) ? NULL : args->out;
    CLEANUP(close_file) int fd = STDOUT_FILENO;

    if (path)
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, secret ? 0600 : 0666);
    return fd >= 0 && write_all(fd, bytes) ? TOOLS_OK : write_failed(path);
}

/* Beside the file, since rename(2) wants one file system; all of it is on the disk before that. */
static bool write_beside(const char *path, char *beside, struct remote_slice bytes)
{
    struct stat before;
    int fd = stat(path, &before) == 0 ? mkostemp(beside, O_CLOEXEC) : -1;
    bool written = fd >= 0 && write_all(fd, bytes) && fchmod(fd, before.st_mode & 07777) == 0 &&
                   (fchown(fd, before.st_uid, before.st_gid) == 0 || errno == EPERM) &&
                   fsync(fd) == 0;

    if (fd >= 0 && close(fd) != 0)
        written = false;
    if (written && rename(beside, path) == 0)
        return true;
    if (fd >= 0) {
        int why = errno;

        unlink(beside);
        errno = why;
    }
    return false;
}

int tools_io_replace(const char *path, struct remote_slice bytes)
{
    CLEANUP(remote_buf_clear) struct remote_buf beside = { 0 };

    remote_buf_printf(&beside, "%s.XXXXXX", path);
    if (beside.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    return write_beside(path, (char *)beside.data, bytes) ? TOOLS_OK : write_failed(path);
}

static bool is_printable(struct remote_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if ((bytes.data[i] < ' ' && !strchr("\t\n\r", bytes.data[i])) || bytes.data[i] > '~')
            return false;
    return true;
}

int tools_io_write_result(const struct tools_args *args, struct remote_slice bytes, bool secret)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    bool terminal = is_stream(args->out) && isatty(STDOUT_FILENO);

    if (args->hex)
        remote_hex_append(&text, bytes);
    else if (args->base64 || (terminal && !is_printable(bytes)))
        remote_base64_append(&text, bytes);
    else if (terminal)
        remote_buf_append(&text, bytes.data, bytes.len);
    else
        return tools_io_write(args, bytes, secret);
    if (text.len == 0 || text.data[text.len - 1] != '\n')
        remote_buf_append_char(&text, '\n');
    if (text.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    return tools_io_write(args, remote_buf_slice(&text), secret);
}
