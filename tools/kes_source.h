/* SPDX-License-Identifier: Apache-2.0 */
/* Where a KES keeps its keys: a directory of files, or the K/V engine of a Vault. */
#ifndef TOOLS_KES_SOURCE_H
#define TOOLS_KES_SOURCE_H

#include "kes_kv.h"
#include "kes_stored.h"
#include "target.h"

#define TOOLS_KES_NAMES_MAX 100000

struct tools_kes_source {
    const char *dir;          /* borrowed; NULL: a Vault */
    struct remote_slot *slot; /* borrowed */
    struct kes_kv kv;
    struct remote_key *transit;
    char **names; /* sorted */
    size_t count;
};

/* By --dir, or --from and --path; finds out what is there. One line on stderr when it fails. */
int tools_kes_source_open(const struct tools_args *args, struct remote_core *core,
                          struct tools_kes_source *ret);
/* The text kept under a name, in locked memory. It fails without a word on stderr: err says it. */
enum remote_rc tools_kes_source_read(const struct tools_kes_source *source, const char *name,
                                     struct remote_secret *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void tools_kes_source_close(struct tools_kes_source *source);

#endif
