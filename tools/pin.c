/* SPDX-License-Identifier: Apache-2.0 */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "fail.h"
#include "file.h"

#define PIN_MAX 4096

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static size_t trimmed_length(const unsigned char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return len;
}

/*
 * The terminal is silent before the prompt shows: what is typed at once is neither shown nor
 * flushed. ISIG goes with ECHO, so that no Ctrl-C leaves the user with a terminal that stays so.
 */
static ssize_t prompt(int tty, const char *slot, unsigned char *line, size_t room)
{
    struct termios before, silent;
    ssize_t n;

    if (tcgetattr(tty, &before) != 0)
        return -1;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    if (tcsetattr(tty, TCSAFLUSH, &silent) != 0)
        return -1;
    dprintf(tty, "PIN of slot '%s': ", slot);
    n = read(tty, line, room);
    dprintf(tty, "\n");
    tcsetattr(tty, TCSAFLUSH, &before);
    return n;
}

static int ask(const char *slot, struct remote_secret *ret)
{
    CLEANUP(close_fd) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    unsigned char line[PIN_MAX];
    struct remote_error err = { 0 };
    enum remote_rc rc;
    ssize_t n;

    if (tty < 0)
        return tools_fail(TOOLS_USAGE,
                          "slot '%s' takes a PIN and there is no terminal to ask: give --pin-file",
                          slot);
    n = prompt(tty, slot, line, sizeof(line));
    if (n <= 0)
        return tools_fail(TOOLS_FAILED, "no PIN was given for slot '%s'", slot);
    rc = remote_secret_set(ret, line, trimmed_length(line, (size_t)n), &err);
    explicit_bzero(line, sizeof(line));
    return rc == REMOTE_OK ? TOOLS_OK : tools_fail_core(&err);
}

int tools_pin(const struct tools_args *args, const char *slot, struct remote_secret *ret)
{
    CLEANUP(remote_secret_clear) struct remote_secret file = { 0 };
    struct remote_error err = { 0 };

    if (!args->pin_file)
        return ask(slot, ret);
    if (remote_file_read(args->pin_file, REMOTE_FILE_SECRET, &file, &err) != REMOTE_OK ||
        remote_secret_set(ret, file.data, trimmed_length(file.data, file.len), &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return TOOLS_OK;
}
