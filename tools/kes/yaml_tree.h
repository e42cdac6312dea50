/* SPDX-License-Identifier: Apache-2.0 */
/* A document of YAML, through libyaml, with the environment's variables put in. */
#ifndef KESD_YAML_TREE_H
#define KESD_YAML_TREE_H

#include "remote.h"

struct kesd_yaml;                          /* the document */
typedef struct yaml_node_s kesd_yaml_node; /* libyaml's, opaque to the rest; borrowed */

/* REMOTE_E_CONFIG: FILE:LINE and what is wrong. The file has to be one that nobody else writes. */
enum remote_rc kesd_yaml_read(const char *path, struct kesd_yaml **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The same from memory; name: for messages. */
enum remote_rc kesd_yaml_parse(const char *name, struct remote_slice text, struct kesd_yaml **ret,
                               struct remote_error *err) REMOTE_MUST_CHECK;
void kesd_yaml_free(struct kesd_yaml *yaml); /* NULL is fine */

/* NULL: the document is empty. */
const kesd_yaml_node *kesd_yaml_root(struct kesd_yaml *yaml);
/* The member of a mapping; NULL: there is none, or it is null, or this is NULL or no mapping. */
const kesd_yaml_node *kesd_yaml_at(struct kesd_yaml *yaml, const kesd_yaml_node *node,
                                   const char *name);
bool kesd_yaml_is_map(const kesd_yaml_node *node);
bool kesd_yaml_is_list(const kesd_yaml_node *node);
/* The nth pair of a mapping, or item of a list (without name); false: there are no more. */
bool kesd_yaml_nth(struct kesd_yaml *yaml, const kesd_yaml_node *node, size_t n,
                   const char **ret_name, const kesd_yaml_node **ret);
/* A text, where ${NAME} stands for the variable, which is empty when it is not set. */
enum remote_rc kesd_yaml_text(struct kesd_yaml *yaml, const kesd_yaml_node *node, char **ret,
                              struct remote_error *err) REMOTE_MUST_CHECK;
/* Sets err to "FILE:LINE: text" and returns REMOTE_E_CONFIG. node NULL: without a line. */
enum remote_rc kesd_yaml_fail(const struct kesd_yaml *yaml, const kesd_yaml_node *node,
                              struct remote_error *err, const char *fmt, ...) REMOTE_PRINTF(4, 5);
/* Logs the same as a warning. */
void kesd_yaml_warn(const struct kesd_yaml *yaml, const kesd_yaml_node *node, const char *fmt, ...)
    REMOTE_PRINTF(3, 4);

#endif
