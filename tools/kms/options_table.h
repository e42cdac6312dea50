/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of options.h. */
#ifndef KMS_OPTIONS_TABLE_H
#define KMS_OPTIONS_TABLE_H

#include "options.h"

extern const struct daemon_option kms_option_table[]; /* ends with a NULL name */

#endif
