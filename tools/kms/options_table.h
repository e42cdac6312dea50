/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of options.h's table. */
#ifndef KMS_OPTIONS_TABLE_H
#define KMS_OPTIONS_TABLE_H

#include "../../remote/config/options.h"

enum kms_option_kind {
    KMS_FLAG, /* alone, or =true, =false */
    KMS_TEXT,
    KMS_LIST,
    KMS_NUMBER,
    KMS_DURATION,
    KMS_REFUSED /* known, and not served; `value` says why */
};

struct kms_option {
    const char *name;
    enum kms_option_kind kind;
    const char *value; /* what stands for it in help */
    size_t field;      /* offset in struct kms_options */
    uint64_t min, max;
    const char *help; /* NULL: another name of one that is listed, or of no matter */
};
#define KMS_OPTION_MAX 64
extern const struct kms_option kms_option_table[]; /* ends with a NULL name */

#endif
