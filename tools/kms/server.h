/* SPDX-License-Identifier: Apache-2.0 */
/* All of the daemon: sockets, keys, connections, and the way from its start to its end. */
#ifndef KMS_SERVER_H
#define KMS_SERVER_H

#include "options.h"
#include "slot.h"

struct kms_server;
/*
 * Opens sockets and keys, which makes no request yet. Signals are blocked from here on.
 * options and core must outlive it.
 */
enum remote_rc kms_server_new(const struct kms_options *options, struct remote_core *core,
                              struct kms_server **ret, struct remote_error *err) REMOTE_MUST_CHECK;
void kms_server_free(struct kms_server *server); /* NULL is fine */
/* Until SIGTERM, SIGINT or a successor; everything that was asked for is answered by then. */
void kms_server_run(struct kms_server *server);

#endif
