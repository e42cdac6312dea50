/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager gives and is told: sd_listen_fds(3) and sd_notify(3), without its library.
 */
#ifndef DAEMON_ACTIVATION_H
#define DAEMON_ACTIVATION_H

#include <stddef.h>

/* How many sockets were passed on, at most max; their descriptors. Takes them from the environment.
 */
size_t daemon_activation_fds(int *ret, size_t max);
/* "READY=1", "STOPPING=1", ...; nothing where nobody listens. */
void daemon_activation_notify(const char *state);

#endif
