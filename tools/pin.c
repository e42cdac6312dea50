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

/* ISIG goes with ECHO, so that no Ctrl-C leaves the user with a terminal that shows nothing. */
static ssize_t read_unseen(int tty, unsigned char *line, size_t room)
{
    struct termios before, silent;
    ssize_t n;

    if (tcgetattr(tty, &before) != 0)
        return -1;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    if (tcsetattr(tty, TCSAFLUSH, &silent) != 0)
        return -1;
    n = read(tty, line, room);
    tcsetattr(tty, TCSAFLUSH, &before);
    return n;
}

static int ask(const char *slot, struct remote_secret *ret)
{
    CLEANUP(close_fd) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    unsigned char line[PIN_MAX];
    struct remote_error err = { 0 };
    ssize_t n;

    if (tty < 0)
        return tools_fail(TOOLS_USAGE,
                          "slot '%s' takes a PIN and there is no terminal to ask: give --pin-file",
                          slot);
    dprintf(tty, "PIN of slot '%s': ", slot);
    n = read_unseen(tty, line, sizeof(line));
    dprintf(tty, "\n");
    if (n <= 0)
        return tools_fail(TOOLS_FAILED, "no PIN was given for slot '%s'", slot);
    if (remote_secret_set(ret, line, trimmed_length(line, (size_t)n), &err) != REMOTE_OK)
        n = -1;
    explicit_bzero(line, sizeof(line));
    return n < 0 ? tools_fail_core(&err) : TOOLS_OK;
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
