/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <string.h>

#include "metrics.h"

#define AGE_MS 20000 /* probes that come more often are told what the last one found */

/* One line for each key. */
static bool check(struct kms_keyring *ring, int64_t deadline_ms, struct remote_buf *ret)
{
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;
    struct remote_error err = { 0 };
    enum remote_rc rc = kms_keyring_snapshot(ring, AGE_MS, deadline_ms, &snapshot, &err);

    if (rc == REMOTE_OK)
        rc = kms_keyring_health(ring, &err);
    if (rc == REMOTE_OK && remote_now_ms() - snapshot->made_ms > AGE_MS)
        rc = REMOTE_FAIL(&err, REMOTE_E_TIMEOUT, "its service does not answer in time");
    remote_buf_printf(ret, "%s: %s\n", kms_keyring_name(ring), rc == REMOTE_OK ? "ok" : err.text);
    return rc == REMOTE_OK;
}

static void write_health(const struct kms_health *health, struct daemon_http1_answer *ret)
{
    int64_t deadline_ms = remote_now_ms() + health->timeout_ms;

    for (size_t i = 0; i < health->count; i++)
        if (!check(health->rings[i], deadline_ms, &ret->body))
            ret->status = 503;
}

bool kms_health_answer(void *arg, const char *path, struct daemon_http1_answer *ret)
{
    const struct kms_health *health = arg;

    if (strcmp(path, health->path) == 0)
        write_health(health, ret);
    else if (strcmp(path, "/livez") == 0)
        remote_buf_append_str(&ret->body, "ok\n");
    else if (strcmp(path, "/metrics") == 0)
        kms_metrics_write(health->rings, health->count, &ret->body);
    else
        return false;
    return true;
}
