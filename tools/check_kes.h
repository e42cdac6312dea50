/* SPDX-License-Identifier: Apache-2.0 */
/* What `hsmbridge check` says of hsmbridge-kes, where the configuration has a [kes]. */
#ifndef TOOLS_CHECK_KES_H
#define TOOLS_CHECK_KES_H

#include "check_report.h"
#include "remote.h"

/* Whether it has one, or a [kes-policy NAME]; true too when it cannot be read now. */
bool tools_check_kes_is_served(const struct remote_core *core);
void tools_check_kes(struct tools_check_report *report, struct remote_core *core);

#endif
