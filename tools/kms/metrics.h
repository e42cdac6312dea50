/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted, and how Prometheus is told (text format 0.0.4). Any thread. */
#ifndef KMS_METRICS_H
#define KMS_METRICS_H

#include "grpc.h"
#include "service.h"

/* One call, answered with this status after so long. */
void kms_metrics_call(const struct kms_method *method, enum kms_grpc_status status, int64_t us);
/* Calls and connections that there are now. */
void kms_metrics_in_flight(int change);
void kms_metrics_connections(int change);

/* rings: of each key that is served. Inside the guard. */
void kms_metrics_write(struct kms_keyring *const *rings, size_t count, struct remote_buf *ret);

#endif
