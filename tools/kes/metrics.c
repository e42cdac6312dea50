/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api_private.h"
#include "build-config.h"

/* Upper bounds of KES's own histogram. */
static const int64_t bounds_us[] = { 10000,   50000,   100000,  250000,  500000,
                                     1000000, 1500000, 3000000, 5000000, 10000000 };
#define BOUNDS ARRAY_SIZE(bounds_us)
_Static_assert(BOUNDS + 1 == KESD_BUCKETS, "one bucket has no bound");

/* What the API answers; the last stands for any other. */
static const int codes[] = { 200, 400, 403, 404, 405, 406, 409, 307, 500, 502, 504, 0 };
_Static_assert(ARRAY_SIZE(codes) == KESD_CODES, "a counter for each code");

/* ---- counting ---- */

static void add(atomic_ullong *counter, unsigned long long number)
{
    atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

static unsigned long long value(atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void kesd_counters_request(struct kesd_counters *counters, int status, bool waited, int64_t took_us)
{
    size_t code = 0, bucket = 0;

    while (code + 1 < KESD_CODES && codes[code] != status)
        code++;
    while (bucket < BOUNDS && took_us > bounds_us[bucket])
        bucket++;
    add(waited ? &counters->waited : &counters->at_once, 1);
    add(&counters->codes[code], 1);
    add(&counters->buckets[bucket], 1);
    add(&counters->sum_us, (unsigned long long)took_us);
}

void kesd_metrics_certificate(struct kesd_api *api, int64_t not_after_s)
{
    atomic_store(&api->counters.certificate_not_after_s, not_after_s);
}

void kesd_metrics_connections(struct kesd_api *api, int change)
{
    atomic_fetch_add_explicit(&api->counters.connections, change, memory_order_relaxed);
}

/* ---- this process ---- */

/* Numbers of /proc/self/status, as proc(5) has them; 0 where it cannot be read. */
static void read_proc(int *ret_threads, uint64_t *ret_stack_bytes)
{
    FILE *file = fopen("/proc/self/status", "re");
    unsigned long long number;
    char line[256];

    *ret_threads = 0;
    *ret_stack_bytes = 0;
    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "Threads: %llu", &number) == 1)
            *ret_threads = (int)number;
        else if (sscanf(line, "VmStk: %llu kB", &number) == 1)
            *ret_stack_bytes = number * 1024;
    }
    fclose(file);
}

static int usable_cpus(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

void kesd_process_read(const struct kesd_api *api, struct kesd_process *ret)
{
    struct mallinfo2 heap = mallinfo2();
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    ret->up_s = (double)(remote_now_ms() - api->started_ms) / 1000;
    ret->cpus = cpus > 0 ? (int)cpus : 1;
    ret->cpus_used = usable_cpus();
    ret->heap_bytes = heap.uordblks + heap.hblkhd;
    read_proc(&ret->threads, &ret->stack_bytes);
}

/* ---- telling ---- */

static void head(struct remote_buf *ret, const char *name, const char *type, const char *help)
{
    remote_buf_printf(ret, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct remote_buf *ret, const char *name, const char *type, const char *help,
                   double what)
{
    head(ret, name, type, help);
    remote_buf_printf(ret, "%s %.15g\n", name, what);
}

/* Codes from `from` up to but not including `to`; a code that never was is not told. */
static void write_codes(struct remote_buf *ret, struct kesd_counters *counters, const char *name,
                        const char *help, int from, int to)
{
    bool headed = false;

    for (size_t i = 0; i < KESD_CODES; i++) {
        unsigned long long count = value(&counters->codes[i]);

        if (count == 0 || codes[i] < from || codes[i] >= to)
            continue;
        if (!headed)
            head(ret, name, "counter", help);
        headed = true;
        remote_buf_printf(ret, "%s{code=\"%d\"} %llu\n", name, codes[i], count);
    }
}

static void write_times(struct remote_buf *ret, struct kesd_counters *counters)
{
    static const char name[] = "kes_http_response_time";
    unsigned long long below = 0;

    head(ret, name, "histogram", "Histogram of request response times spawning from 10ms to 10s.");
    for (size_t i = 0; i < BOUNDS; i++) {
        below += value(&counters->buckets[i]);
        remote_buf_printf(ret, "%s_bucket{le=\"%g\"} %llu\n", name, (double)bounds_us[i] / 1e6,
                          below);
    }
    below += value(&counters->buckets[BOUNDS]);
    remote_buf_printf(ret, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.15g\n%s_count %llu\n", name,
                      below, name, (double)value(&counters->sum_us) / 1e6, name, below);
}

static void write_requests(struct kesd_api *api, struct remote_buf *ret)
{
    struct kesd_counters *counters = &api->counters;

    number(ret, "kes_http_request_active", "gauge",
           "Number of active requests that are not finished, yet.", atomic_load(&counters->active));
    write_codes(ret, counters, "kes_http_request_error",
                "Number of request that failed due to some error. (HTTP 4xx status code)", 400,
                500);
    write_codes(ret, counters, "kes_http_request_failure",
                "Number of request that failed due to some internal failure. (HTTP 5xx status "
                "code)",
                500, 600);
    write_codes(ret, counters, "kes_http_request_success",
                "Number of requests that have been served successfully.", 200, 300);
    write_times(ret, counters);
    number(ret, "kes_log_audit_events", "counter",
           "Number of audit log events written to the audit log targets.",
           (double)value(&api->audit.streams[KESD_STREAM_AUDIT].events));
    number(ret, "kes_log_error_events", "counter",
           "Number of error log events written to the error log targets.",
           (double)value(&api->audit.streams[KESD_STREAM_ERROR].events));
}

static void write_process(struct kesd_api *api, struct remote_buf *ret)
{
    struct kesd_process process;

    kesd_process_read(api, &process);
    number(ret, "kes_system_mem_heap_used", "gauge",
           "The number of bytes that are currently allocated on the heap memory.",
           (double)process.heap_bytes);
    number(ret, "kes_system_mem_stack_used", "gauge",
           "The bytes of stack memory obtained from the OS.", (double)process.stack_bytes);
    number(ret, "kes_system_num_cpu", "gauge",
           "The number of logical CPUs available on the system. It may be larger than the number "
           "of usable CPUs.",
           process.cpus);
    number(ret, "kes_system_num_cpu_used", "gauge",
           "The number of logical CPUs usable by the server. It may be smaller than the number of "
           "available CPUs.",
           process.cpus_used);
    number(ret, "kes_system_num_threads", "gauge",
           "The number of concurrent co-routines/threads that currently exists.", process.threads);
    number(ret, "kes_system_up_time", "gauge",
           "The time the server has been up and running in seconds.", process.up_s);
}

/* ---- what KES does not tell ---- */

/* Each name has one value: KES's own SDK gives up at two, whatever their labels. */

struct row {
    const char *name, *type, *help; /* name: behind that of the slot's part */
    double (*get)(struct remote_slot *slot);
};

#define STAT(member)                                                                               \
    static double get_##member(struct remote_slot *slot)                                           \
    {                                                                                              \
        struct remote_stats stats = { 0 };                                                         \
                                                                                                   \
        remote_slot_stats(slot, &stats);                                                           \
        return (double)stats.member;                                                               \
    }
STAT(requests)
STAT(retries)
STAT(logins)

static double get_token_left(struct remote_slot *slot)
{
    int64_t left_ms = remote_slot_login_left_ms(slot);

    return left_ms == INT64_MAX ? -1 : (double)left_ms / 1000;
}

/* clang-format off */
static const struct row rows[] = {
    { "requests_total", "counter", "Requests to the slot's service.", get_requests },
    { "retries_total", "counter", "Requests that were repeated.", get_retries },
    { "logins_total", "counter", "Logins to the slot's service.", get_logins },
    { "token_left_seconds", "gauge",
      "How long the service's token is good for; -1: it does not expire, or there is none.",
      get_token_left },
};
/* clang-format on */

static void write_slot(struct kesd_api *api, const char *part, const char *slot_name,
                       struct remote_buf *ret)
{
    struct remote_slot *slot = slot_name ? remote_core_find_slot(api->core, slot_name) : NULL;
    char name[64];

    for (size_t i = 0; slot && i < ARRAY_SIZE(rows); i++) {
        snprintf(name, sizeof(name), "hsmbridge_kes_%s_%s", part, rows[i].name);
        head(ret, name, rows[i].type, rows[i].help);
        remote_buf_printf(ret, "%s{slot=\"%s\"} %.15g\n", name, slot_name, rows[i].get(slot));
    }
}

static void write_ours(struct kesd_api *api, struct remote_buf *ret)
{
    long long not_after = atomic_load(&api->counters.certificate_not_after_s);
    struct kesd_state *state = kesd_api_take_state(api);

    head(ret, "hsmbridge_kes_build_info", "gauge", "This program.");
    remote_buf_append_str(ret, "hsmbridge_kes_build_info{version=\"" HSMBRIDGE_VERSION "\"} 1\n");
    number(ret, "hsmbridge_kes_connections", "gauge", "Connections of clients.",
           atomic_load(&api->counters.connections));
    number(ret, "hsmbridge_kes_requests_at_hand_total", "counter",
           "Requests that counted above and waited for nothing.",
           (double)value(&api->counters.at_once));
    number(ret, "hsmbridge_kes_requests_waited_total", "counter",
           "Requests that counted above and waited for store or slot.",
           (double)value(&api->counters.waited));
    if (not_after != 0)
        number(ret, "hsmbridge_kes_certificate_not_after_seconds", "gauge",
               "When the server's certificate expires, in seconds since 1970.", (double)not_after);
    write_slot(api, "slot", state->settings->slot, ret);
    write_slot(api, "store", state->settings->vault_slot, ret);
    kesd_api_drop_state(state);
}

void kesd_metrics_write(struct kesd_api *api, struct remote_buf *ret)
{
    write_requests(api, ret);
    write_process(api, ret);
    write_ours(api, ret);
}
