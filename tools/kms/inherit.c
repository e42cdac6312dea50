/* SPDX-License-Identifier: Apache-2.0 */
#include "inherit.h"

#include <string.h>
#include <unistd.h>

#include "activation.h"

void kms_inherit_from_manager(struct kms_inherited *inherited)
{
    inherited->count +=
        kms_activation_fds(inherited->fds + inherited->count, KMS_INHERIT_MAX - inherited->count);
}

void kms_inherit_clear(struct kms_inherited *inherited)
{
    for (size_t i = 0; i < inherited->count; i++)
        if (inherited->fds[i] >= 0)
            close(inherited->fds[i]);
    inherited->count = 0;
}

static bool is_at(const struct kms_listener *listener, const struct kms_address *address)
{
    return strcmp(listener->address.text, address->text) == 0;
}

bool kms_inherit_unix(struct kms_inherited *inherited, const struct kms_address *address,
                      struct kms_listener *ret)
{
    for (size_t i = 0; i < inherited->count; i++) {
        struct kms_listener listener;

        if (inherited->fds[i] < 0 ||
            kms_socket_inherit(inherited->fds[i], &listener, NULL) != REMOTE_OK ||
            (address != NULL && !is_at(&listener, address)))
            continue;
        if (inherited->ours[i])
            kms_socket_own(&listener);
        inherited->fds[i] = -1;
        *ret = listener;
        return true;
    }
    return false;
}

int kms_inherit_tcp(struct kms_inherited *inherited, const struct sockaddr *address, socklen_t len)
{
    for (size_t i = 0; i < inherited->count; i++) {
        struct sockaddr_storage theirs;
        socklen_t size = sizeof(theirs);
        int fd = inherited->fds[i];

        if (fd < 0 || getsockname(fd, (struct sockaddr *)&theirs, &size) < 0 || size != len ||
            memcmp(&theirs, address, len) != 0)
            continue;
        inherited->fds[i] = -1;
        return fd;
    }
    return -1;
}
