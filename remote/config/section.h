/* SPDX-License-Identifier: Apache-2.0 */
/* How config.c fills the sections that config.h lets others read. */
#ifndef REMOTE_SECTION_H
#define REMOTE_SECTION_H

#include "config.h"

/*
 * kind: static, "slot" of [slot NAME]. name: NULL for [hsmbridge]. where: "FILE:LINE".
 * file_private: see section.c.
 */
enum remote_rc remote_section_new(const char *kind, const char *name, const char *where,
                                  bool file_private, struct remote_section **ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
void remote_section_free(struct remote_section *section);

/* One OPTION = VALUE line. All texts are borrowed: they live as long as the configuration. */
enum remote_rc remote_section_add(struct remote_section *section, const char *file, unsigned line,
                                  const char *option, const char *value, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* Whether a file of conf.d is read, by its name. */
bool remote_config_is_drop_in(const char *name);

/* The value of the nth line with this option, as written, checked or not; NULL: no such line. */
const char *remote_section_line(const struct remote_section *section, const char *option, size_t n);

const char *remote_section_title(const struct remote_section *section); /* "[slot web]" */

#endif
