/* SPDX-License-Identifier: Apache-2.0 */
/* What is told over plain HTTP: /healthz (does it work?), /livez (does it run?), /metrics. */
#ifndef KMS_HEALTH_H
#define KMS_HEALTH_H

#include "http1.h"
#include "keyring.h"

struct kms_health {
    struct kms_keyring *const *rings;
    size_t count;
    const char *path; /* of healthz */
    int64_t timeout_ms;
};
/* A daemon_http1_handler; arg: struct kms_health. */
bool kms_health_answer(void *arg, const char *path, struct daemon_http1_answer *ret);

#endif
