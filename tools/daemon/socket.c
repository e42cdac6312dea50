/* SPDX-License-Identifier: Apache-2.0 */
#include "socket.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 128

/* ---- addresses ---- */

static const char *without_scheme(const char *text)
{
    static const char *const schemes[] = { "unix://", "unix:" };

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            return text + strlen(schemes[i]);
    return text;
}

enum remote_rc daemon_address_parse(const char *text, struct daemon_address *ret,
                                    struct remote_error *err)
{
    struct daemon_address address = { .name.sun_family = AF_UNIX };
    const char *path = without_scheme(text);
    size_t len;

    if (strncmp(path, "/@", 2) == 0) /* unix:///@name, as the API server's configuration has it */
        path++;
    len = strlen(path);
    if (path[0] != '/' && path[0] != '@')
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "'%s' is not a unix socket: unix:///run/hsmbridge/kms.sock would be one",
                           text);
    if (len < 2 || len >= sizeof(address.name.sun_path))
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "socket '%s': its path has %zu bytes, 2 to %zu fit",
                           text, len, sizeof(address.name.sun_path) - 1);
    address.abstract = path[0] == '@';
    memcpy(address.name.sun_path, path, len + 1);
    if (address.abstract)
        address.name.sun_path[0] = '\0';
    address.len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (address.abstract ? 0 : 1));
    snprintf(address.text, sizeof(address.text), "%s", path);
    *ret = address;
    return REMOTE_OK;
}

/* ---- options ---- */

enum remote_rc daemon_socket_mode_parse(const char *text, mode_t *ret, struct remote_error *err)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);

    if (text[0] < '0' || text[0] > '7' || *end != '\0' || mode > 0777)
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "'%s' is not the mode of a socket; octal digits like 0600 would be",
                           text);
    *ret = (mode_t)mode;
    return REMOTE_OK;
}

static bool parse_number(const char *text, unsigned *ret)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number >= UINT32_MAX)
        return false;
    *ret = (unsigned)number;
    return true;
}

static bool find_user(const char *name, uid_t *ret)
{
    const struct passwd *user = getpwnam(name);

    if (user == NULL)
        return parse_number(name, ret);
    *ret = user->pw_uid;
    return true;
}

static bool find_group(const char *name, gid_t *ret)
{
    const struct group *group = getgrnam(name);

    if (group == NULL)
        return parse_number(name, ret);
    *ret = group->gr_gid;
    return true;
}

enum remote_rc daemon_socket_owner_parse(const char *text, struct daemon_socket_options *ret,
                                         struct remote_error *err)
{
    CLEANUP(remote_str_free) char *user = strdup(text);
    char *group;

    if (user == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    group = strchr(user, ':');
    if (group != NULL)
        *group++ = '\0';
    if (user[0] != '\0' && !find_user(user, &ret->owner))
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "there is no user '%s'; a user, USER:GROUP or :GROUP would be right",
                           user);
    if (group != NULL && group[0] != '\0' && !find_group(group, &ret->group))
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "there is no group '%s'", group);
    return REMOTE_OK;
}

/* ---- listening ---- */

void daemon_socket_own(struct daemon_listener *listener)
{
    struct stat st;

    listener->ours =
        !listener->address.abstract && lstat(listener->address.name.sun_path, &st) == 0;
    if (listener->ours) {
        listener->dev = st.st_dev;
        listener->inode = st.st_ino;
    }
}

static enum remote_rc failed(const struct daemon_address *address, const char *what,
                             struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_CONFIG, "socket %s: %s: %s", address->text, what,
                       strerrordesc_np(errno));
}

static bool somebody_answers(const struct daemon_address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers;

    if (fd < 0)
        return true; /* not to be found out: then it is left alone */
    answers = connect(fd, (const struct sockaddr *)&address->name, address->len) == 0 ||
              errno == EAGAIN; /* its backlog is full */
    close(fd);
    return answers;
}

static enum remote_rc clear_path(const struct daemon_address *address, struct remote_error *err)
{
    struct stat st;

    if (address->abstract || lstat(address->name.sun_path, &st) < 0)
        return REMOTE_OK;
    if (!S_ISSOCK(st.st_mode))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "%s is there and is not a socket: name another path, or move it away",
                           address->text);
    if (somebody_answers(address))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "another process serves %s: stop it first, or take it over with "
                           "--take-over",
                           address->text);
    if (unlink(address->name.sun_path) < 0 && errno != ENOENT)
        return failed(address, "cannot replace the dead one", err);
    return REMOTE_OK;
}

static enum remote_rc make_directory(const struct daemon_address *address, struct remote_error *err)
{
    char path[sizeof(address->name.sun_path)];
    char *slash;

    if (address->abstract)
        return REMOTE_OK;
    snprintf(path, sizeof(path), "%s", address->name.sun_path);
    slash = strrchr(path, '/');
    if (slash == path)
        return REMOTE_OK;
    *slash = '\0';
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return failed(address, "cannot make its directory", err);
    return REMOTE_OK;
}

/* Nobody may connect before mode and owner are as they should be. */
static enum remote_rc bind_closed(struct daemon_listener *listener, struct remote_error *err)
{
    const struct daemon_address *address = &listener->address;
    mode_t before = umask(0177);
    int bound = bind(listener->fd, (const struct sockaddr *)&address->name, address->len);
    int why = errno;

    umask(before);
    errno = why;
    if (bound < 0)
        return failed(address, "cannot bind", err);
    daemon_socket_own(listener);
    return REMOTE_OK;
}

static enum remote_rc dress(const struct daemon_address *address,
                            const struct daemon_socket_options *options, struct remote_error *err)
{
    if (address->abstract)
        return REMOTE_OK;
    if (options->owner != (uid_t)-1 || options->group != (gid_t)-1)
        if (chown(address->name.sun_path, options->owner, options->group) < 0)
            return failed(address, "cannot give it to its owner", err);
    if (chmod(address->name.sun_path, options->mode) < 0)
        return failed(address, "cannot set its mode", err);
    return REMOTE_OK;
}

static enum remote_rc listen_on(struct daemon_listener *listener,
                                const struct daemon_socket_options *options,
                                struct remote_error *err)
{
    const struct daemon_address *address = &listener->address;

    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return failed(address, "no socket", err);
    REMOTE_TRY(bind_closed(listener, err));
    REMOTE_TRY(dress(address, options, err));
    if (listen(listener->fd, BACKLOG) < 0)
        return failed(address, "cannot listen", err);
    return REMOTE_OK;
}

enum remote_rc daemon_socket_listen(const struct daemon_address *address,
                                    const struct daemon_socket_options *options,
                                    struct daemon_listener *ret, struct remote_error *err)
{
    struct daemon_listener listener = { .address = *address, .fd = -1 };
    enum remote_rc rc;

    REMOTE_TRY(make_directory(address, err));
    REMOTE_TRY(clear_path(address, err));
    rc = listen_on(&listener, options, err);
    if (rc != REMOTE_OK) {
        daemon_socket_close(&listener);
        return rc;
    }
    *ret = listener;
    return REMOTE_OK;
}

enum remote_rc daemon_socket_inherit(int fd, struct daemon_listener *ret, struct remote_error *err)
{
    struct daemon_listener listener = { .fd = fd };
    struct daemon_address *address = &listener.address;
    socklen_t size = sizeof(int);
    int listens = 0;

    address->len = sizeof(address->name);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens ||
        getsockname(fd, (struct sockaddr *)&address->name, &address->len) < 0 ||
        address->name.sun_family != AF_UNIX)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "descriptor %d, which was passed on, is not a listening unix socket",
                           fd);
    address->abstract = address->name.sun_path[0] == '\0';
    snprintf(address->text, sizeof(address->text), "%s%.107s", address->abstract ? "@" : "",
             address->name.sun_path + (address->abstract ? 1 : 0));
    *ret = listener;
    return REMOTE_OK;
}

void daemon_socket_close(struct daemon_listener *listener)
{
    struct stat st;

    if (listener->fd < 0)
        return;
    if (listener->ours && lstat(listener->address.name.sun_path, &st) == 0 &&
        st.st_dev == listener->dev && st.st_ino == listener->inode)
        unlink(listener->address.name.sun_path);
    close(listener->fd);
    listener->fd = -1;
}

uid_t daemon_socket_peer(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.uid : (uid_t)-1;
}
