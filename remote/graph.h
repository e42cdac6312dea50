/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots that need other slots: a quorum its members, a TLS client key that is another slot's key.
 * Checked in the configuration, before any of them is opened: a slot that needs itself by way of
 * others would call itself for ever.
 */
#ifndef REMOTE_GRAPH_H
#define REMOTE_GRAPH_H

#include "remote/config/config.h"

/* Breaks every section that needs a slot which is not there, or that needs itself. Fails for want
 * of memory only. */
enum remote_rc remote_graph_check(struct remote_config *config, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
