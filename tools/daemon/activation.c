/* SPDX-License-Identifier: Apache-2.0 */
#include "activation.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST 3 /* SD_LISTEN_FDS_START */

static long number_of(const char *name)
{
    const char *text = getenv(name);

    return text != NULL ? strtol(text, NULL, 10) : 0;
}

size_t daemon_activation_fds(int *ret, size_t max)
{
    long count = number_of("LISTEN_FDS");
    size_t taken = 0;

    if (number_of("LISTEN_PID") != (long)getpid())
        count = 0;
    for (int fd = FIRST; fd < FIRST + count && taken < max; fd++) {
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            continue;
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        ret[taken++] = fd;
    }
    unsetenv("LISTEN_FDS"); /* they are nobody else's */
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    return taken;
}

void daemon_activation_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = path != NULL ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}
