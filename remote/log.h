/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sink for the process: none (the module's default), syslog, stderr or a file; never
 * stdout. HSMBRIDGE_LOG (secure_getenv; "SINK" or "SINK:LEVEL") overrides the configuration.
 * A line holds time, level and a sentence; never contents, never a secret. Any thread may log.
 */
#ifndef REMOTE_LOG_H
#define REMOTE_LOG_H

#include <stdbool.h>

#include "error.h"

enum remote_log_level { REMOTE_LOG_ERROR, REMOTE_LOG_WARNING, REMOTE_LOG_INFO, REMOTE_LOG_DEBUG };

/*
 * sink: "none", "syslog", "stderr" or an absolute path. level: "error", "warning", "info",
 * "debug". Both may be NULL: keep. The first configured core sets it; later ones may change it.
 * REMOTE_E_CONFIG names the word that was wrong and what would be right.
 */
enum remote_rc remote_log_setup(const char *sink, const char *level, struct remote_error *err);
/* The sink when the configuration names none; daemons and the CLI choose stderr. */
void remote_log_default(const char *sink);
/* Lines for stderr and files are JSON objects from now on: ts, level, msg. For daemons. */
void remote_log_json(void);
bool remote_log_enabled(enum remote_log_level level);
void remote_log(enum remote_log_level level, const char *fmt, ...) REMOTE_PRINTF(2, 3);

#endif
