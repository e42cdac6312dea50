/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef KESD_OPTIONS_H
#define KESD_OPTIONS_H

#include "../daemon/options.h"

struct kesd_options {
    bool help, version, log_format_json;
    const char *config, *kes_config, *address;
    uint64_t threads; /* 0: as many as there are CPUs for this process */
    uint64_t workers, spin_us, drain_timeout_ms, verbosity;
};

/* REMOTE_E_USAGE: one line that says what is wrong and what would be right. */
enum remote_rc kesd_options_parse(int argc, char *const *argv, struct kesd_options *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
void kesd_options_help(void);

#endif
