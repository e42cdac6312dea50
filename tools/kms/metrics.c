/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include "build-config.h"

/* Upper bounds; from what a session key takes to what the API server waits for. */
static const int64_t bounds_us[] = { 100,    500,     1000,    2500,    5000,
                                     10000,  25000,   50000,   100000,  250000,
                                     500000, 1000000, 2500000, 5000000, 10000000 };
#define BOUNDS ARRAY_SIZE(bounds_us)

static struct {
    atomic_ullong calls[KMS_METHODS][KMS_GRPC_STATUS_COUNT];
    atomic_ullong buckets[KMS_METHODS][BOUNDS + 1];
    atomic_ullong sum_us[KMS_METHODS];
    atomic_int in_flight, connections;
} counted;

static void add(atomic_ullong *counter, unsigned long long number)
{
    atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

static unsigned long long value(atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void kms_metrics_call(const struct kms_method *method, enum kms_grpc_status status, int64_t us)
{
    size_t index = (size_t)(method - kms_methods), bucket = 0;

    while (bucket < BOUNDS && us > bounds_us[bucket])
        bucket++;
    add(&counted.calls[index][status], 1);
    add(&counted.buckets[index][bucket], 1);
    add(&counted.sum_us[index], (unsigned long long)us);
}

void kms_metrics_in_flight(int change)
{
    atomic_fetch_add_explicit(&counted.in_flight, change, memory_order_relaxed);
}

void kms_metrics_connections(int change)
{
    atomic_fetch_add_explicit(&counted.connections, change, memory_order_relaxed);
}

static void head(struct remote_buf *ret, const char *name, const char *type, const char *help)
{
    remote_buf_printf(ret, "# HELP hsmbridge_kms_%s %s\n# TYPE hsmbridge_kms_%s %s\n", name, help,
                      name, type);
}

static void labels(struct remote_buf *ret, const struct kms_method *method)
{
    remote_buf_printf(ret, "version=\"%s\",operation=\"%s\"", method->version,
                      kms_operation_names[method->operation]);
}

static void write_calls(struct remote_buf *ret)
{
    head(ret, "operations_total", "counter", "Calls answered, by their gRPC status.");
    for (size_t m = 0; m < KMS_METHODS; m++) {
        for (int s = 0; s < KMS_GRPC_STATUS_COUNT; s++) {
            unsigned long long count = value(&counted.calls[m][s]);

            if (count == 0 && s != KMS_GRPC_OK)
                continue;
            remote_buf_append_str(ret, "hsmbridge_kms_operations_total{");
            labels(ret, &kms_methods[m]);
            remote_buf_printf(ret, ",status=\"%s\"} %llu\n",
                              kms_grpc_status_name((enum kms_grpc_status)s), count);
        }
    }
}

static void write_histogram(struct remote_buf *ret, size_t m)
{
    unsigned long long below = 0;

    for (size_t b = 0; b <= BOUNDS; b++) {
        below += value(&counted.buckets[m][b]);
        remote_buf_append_str(ret, "hsmbridge_kms_operation_seconds_bucket{");
        labels(ret, &kms_methods[m]);
        if (b < BOUNDS)
            remote_buf_printf(ret, ",le=\"%g\"} %llu\n", (double)bounds_us[b] / 1e6, below);
        else
            remote_buf_printf(ret, ",le=\"+Inf\"} %llu\n", below);
    }
    remote_buf_append_str(ret, "hsmbridge_kms_operation_seconds_sum{");
    labels(ret, &kms_methods[m]);
    remote_buf_printf(ret, "} %.6f\nhsmbridge_kms_operation_seconds_count{",
                      (double)value(&counted.sum_us[m]) / 1e6);
    labels(ret, &kms_methods[m]);
    remote_buf_printf(ret, "} %llu\n", below);
}

/* ---- keys and their slots ---- */

struct row { /* one number of each key */
    const char *name, *type, *help;
    /* False: not known. */
    bool (*get)(struct kms_keyring *ring, double *ret);
};

static bool get_healthy(struct kms_keyring *ring, double *ret)
{
    struct remote_error health;

    *ret = kms_keyring_made_ms(ring) != 0 && kms_keyring_health(ring, &health) == REMOTE_OK;
    return true;
}

static bool get_age(struct kms_keyring *ring, double *ret)
{
    int64_t made = kms_keyring_made_ms(ring);

    *ret = (double)(remote_now_ms() - made) / 1000;
    return made != 0;
}

static bool get_version(struct kms_keyring *ring, double *ret)
{
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;

    if (kms_keyring_snapshot(ring, INT64_MAX, 0, &snapshot, NULL) != REMOTE_OK)
        return false;
    *ret = kms_snapshot_current(snapshot)->key->version;
    return true;
}

static bool get_versions(struct kms_keyring *ring, double *ret)
{
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;

    if (kms_keyring_snapshot(ring, INT64_MAX, 0, &snapshot, NULL) != REMOTE_OK)
        return false;
    *ret = (double)snapshot->count;
    return true;
}

static bool get_token_left(struct kms_keyring *ring, double *ret)
{
    struct remote_slot *slot = kms_keyring_slot(ring);
    int64_t left_ms = slot != NULL ? remote_slot_login_left_ms(slot) : INT64_MAX;

    *ret = (double)left_ms / 1000;
    return left_ms != INT64_MAX;
}

#define STAT(member)                                                                               \
    static bool get_##member(struct kms_keyring *ring, double *ret)                                \
    {                                                                                              \
        struct remote_slot *slot = kms_keyring_slot(ring);                                         \
        struct remote_stats stats = { 0 };                                                         \
                                                                                                   \
        if (slot != NULL)                                                                          \
            remote_slot_stats(slot, &stats);                                                       \
        *ret = (double)stats.member;                                                               \
        return slot != NULL;                                                                       \
    }
STAT(requests)
STAT(retries)
STAT(logins)

/* clang-format off */
static const struct row rows[] = {
    { "healthy", "gauge", "Whether the last look at the key succeeded.", get_healthy },
    { "key_age_seconds", "gauge", "How long ago the key was read.", get_age },
    { "key_version", "gauge", "The version that encrypts.", get_version },
    { "key_versions", "gauge", "Versions that decrypt.", get_versions },
    { "token_left_seconds", "gauge", "How long the service's token is good for.", get_token_left },
    { "slot_requests_total", "counter", "Requests to the key service.", get_requests },
    { "slot_retries_total", "counter", "Requests that were repeated.", get_retries },
    { "slot_logins_total", "counter", "Logins to the key service.", get_logins },
};
/* clang-format on */

static void write_row(struct remote_buf *ret, const struct row *row,
                      struct kms_keyring *const *rings, size_t count)
{
    head(ret, row->name, row->type, row->help);
    for (size_t i = 0; i < count; i++) {
        double number;

        if (row->get(rings[i], &number))
            remote_buf_printf(ret, "hsmbridge_kms_%s{key=\"%s\"} %.15g\n", row->name,
                              kms_keyring_name(rings[i]), number);
    }
}

/* The key_id is no secret: etcd has it in clear, and the API server's own metrics its hash. */
static void write_ids(struct remote_buf *ret, struct kms_keyring *const *rings, size_t count)
{
    head(ret, "key_info", "gauge", "The key_id that Status tells.");
    for (size_t i = 0; i < count; i++) {
        CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;

        if (kms_keyring_snapshot(rings[i], INT64_MAX, 0, &snapshot, NULL) == REMOTE_OK)
            remote_buf_printf(ret, "hsmbridge_kms_key_info{key=\"%s\",key_id=\"%s\"} 1\n",
                              kms_keyring_name(rings[i]), kms_snapshot_current(snapshot)->key_id);
    }
}

void kms_metrics_write(struct kms_keyring *const *rings, size_t count, struct remote_buf *ret)
{
    head(ret, "build_info", "gauge", "This program.");
    remote_buf_append_str(ret, "hsmbridge_kms_build_info{version=\"" HSMBRIDGE_VERSION "\"} 1\n");
    write_calls(ret);
    head(ret, "operation_seconds", "histogram", "How long calls took.");
    for (size_t m = 0; m < KMS_METHODS; m++)
        write_histogram(ret, m);
    head(ret, "in_flight", "gauge", "Calls that are being answered.");
    remote_buf_printf(ret, "hsmbridge_kms_in_flight %d\n", atomic_load(&counted.in_flight));
    head(ret, "connections", "gauge", "Connections of API servers.");
    remote_buf_printf(ret, "hsmbridge_kms_connections %d\n", atomic_load(&counted.connections));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        write_row(ret, &rows[i], rings, count);
    write_ids(ret, rings, count);
}
