/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "activation.h"
#include "door.h"
#include "setup.h"
#include "slim.h"

#define LANES_MAX 64
#define QUEUE_MAX 4096      /* requests that wait for a worker */
#define CERTIFICATE_TICKS 4 /* between looks at the certificate's files and at old keys */

struct kesd_server {
    const struct kesd_options *options;
    struct kesd_setup setup;
    struct kesd_service service;
    struct kesd_lane *lanes; /* the first is that of the thread that runs the server */
    size_t lane_count;
    pthread_t threads[LANES_MAX];
    size_t thread_count; /* of the lanes behind the first */
    struct kesd_door door;
    struct daemon_source signals;
    struct daemon_job task; /* what a worker does with the setup: one at a time */
    bool busy;
    bool reload_wanted; /* once it is not */
    bool draining;
    unsigned ticks;
};

/* ---- the setup's tasks ---- */

static struct kesd_server *of_task(struct daemon_job *job)
{
    return (struct kesd_server *)(void *)((char *)job - offsetof(struct kesd_server, task));
}

static void reload_work(struct daemon_job *job)
{
    kesd_setup_reload(&of_task(job)->setup);
}

static void create_work(struct daemon_job *job)
{
    kesd_setup_create_keys(&of_task(job)->setup);
}

static void start_task(struct kesd_server *server, void (*work)(struct daemon_job *job));

static void task_done(struct daemon_job *job)
{
    struct kesd_server *server = of_task(job);

    server->busy = false;
    if (job->work == reload_work)
        daemon_activation_notify("READY=1");
    if (server->reload_wanted)
        start_task(server, reload_work);
}

static void start_task(struct kesd_server *server, void (*work)(struct daemon_job *job))
{
    if (work == reload_work) {
        server->reload_wanted = false;
        daemon_activation_notify("RELOADING=1");
    }
    server->task = (struct daemon_job){ work, task_done, NULL, NULL };
    server->busy = daemon_pool_submit(server->service.pool, &server->task);
}

/* What has changed since one began that is under way wants another one. */
static void reload(struct kesd_server *server)
{
    if (server->busy)
        server->reload_wanted = true;
    else
        start_task(server, reload_work);
}

/* ---- signals ---- */

static void drain(struct kesd_server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    daemon_activation_notify("STOPPING=1");
    kesd_door_close(&server->door);
    for (size_t i = 0; i < server->lane_count; i++)
        kesd_lane_drain(&server->lanes[i], (int64_t)server->options->drain_timeout_ms);
}

static void on_signal(struct daemon_source *source, uint32_t events)
{
    struct kesd_server *server =
        (struct kesd_server *)(void *)((char *)source - offsetof(struct kesd_server, signals));
    struct signalfd_siginfo info;

    (void)events;
    while (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            reload(server);
        else
            drain(server);
    }
}

static enum remote_rc open_signals(struct kesd_server *server, struct remote_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made */
    (void)signal(SIGPIPE, SIG_IGN);         /* OpenSSL writes with write(2) */
    server->signals =
        (struct daemon_source){ signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), 0, on_signal };
    if (server->signals.fd < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "signalfd: %s", strerrordesc_np(errno));
    return daemon_loop_add(server->lanes[0].loop, &server->signals, EPOLLIN, err);
}

/* ---- the start ---- */

static size_t threads_wanted(const struct kesd_options *options)
{
    cpu_set_t set;
    int cpus = 1;

    if (options->threads > 0)
        return (size_t)options->threads;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        cpus = CPU_COUNT(&set);
    return cpus < LANES_MAX ? (size_t)cpus : LANES_MAX;
}

/* Each connection is a descriptor; the lower limit is there for programs that use select(2). */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum remote_rc open_lanes(struct kesd_server *server, struct remote_error *err)
{
    size_t count = threads_wanted(server->options);

    server->lanes = calloc(count, sizeof(*server->lanes));
    if (server->lanes == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (; server->lane_count < count; server->lane_count++)
        REMOTE_TRY(kesd_lane_init(&server->lanes[server->lane_count], &server->service, err));
    return REMOTE_OK;
}

static const char *address_of(const struct kesd_server *server)
{
    return server->options->address != NULL ? server->options->address
                                            : server->setup.settings->address;
}

static enum remote_rc open_all(struct kesd_server *server, struct remote_core *core,
                               struct remote_error *err)
{
    allow_descriptors();
    REMOTE_TRY(kesd_setup_init(&server->setup, server->options, core, err));
    REMOTE_TRY(open_lanes(server, err));
    server->service.api = server->setup.api;
    server->service.tls = server->setup.tls;
    REMOTE_TRY(open_signals(server, err));
    server->door.lanes = server->lanes;
    server->door.lane_count = server->lane_count;
    REMOTE_TRY(kesd_door_open(&server->door, server->lanes[0].loop, address_of(server), err));
    server->service.pool =
        daemon_pool_new(server->lanes[0].loop, (unsigned)server->options->workers, QUEUE_MAX, err);
    return server->service.pool != NULL ? REMOTE_OK : err->rc;
}

enum remote_rc kesd_server_new(const struct kesd_options *options, struct remote_core *core,
                               struct kesd_server **ret, struct remote_error *err)
{
    struct kesd_server *server = calloc(1, sizeof(*server));
    enum remote_rc rc;

    if (server == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    server->options = options;
    server->signals.fd = server->door.source.fd = -1;
    rc = open_all(server, core, err);
    if (rc != REMOTE_OK) {
        kesd_server_free(server);
        return rc;
    }
    *ret = server;
    return REMOTE_OK;
}

void kesd_server_free(struct kesd_server *server)
{
    if (server == NULL)
        return;
    kesd_door_close(&server->door);
    daemon_pool_free(server->service.pool); /* what it did goes to the lanes' mailboxes */
    if (server->lane_count > 0)
        daemon_loop_remove(server->lanes[0].loop, &server->signals);
    for (size_t i = 0; i < server->lane_count; i++)
        kesd_lane_clear(&server->lanes[i]);
    free(server->lanes);
    kesd_setup_clear(&server->setup);
    free(server);
}

/* ---- in between ---- */

static void tick(void *arg)
{
    struct kesd_server *server = arg;

    kesd_door_tick(&server->door);
    if (++server->ticks % CERTIFICATE_TICKS != 0 || server->busy)
        return;
    kesd_keys_tick(server->setup.keys); /* a reload, which may free them, is under way when busy */
    kesd_tls_refresh(server->service.tls);
    kesd_metrics_certificate(server->service.api, kesd_tls_expiry(server->service.tls));
}

struct start { /* of a thread, for as long as the server runs */
    struct kesd_lane *lane;
    int64_t spin_us;
};

static void *run_lane(void *arg)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    const struct start *start = arg;

    if (remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return NULL; /* main() has entered it before: only memory can be short */
    kesd_lane_run(start->lane, start->spin_us, NULL, NULL);
    return NULL;
}

static enum remote_rc start_threads(struct kesd_server *server, struct start *starts,
                                    struct remote_error *err)
{
    for (size_t i = 1; i < server->lane_count; i++) {
        int failed;

        starts[i] = (struct start){ &server->lanes[i], (int64_t)server->options->spin_us };
        failed = pthread_create(&server->threads[i], NULL, run_lane, &starts[i]);
        if (failed != 0)
            return REMOTE_FAIL(err, REMOTE_E_CONFIG, "cannot start %zu threads: %s",
                               server->lane_count, strerrordesc_np(failed));
        server->thread_count++;
    }
    return REMOTE_OK;
}

enum remote_rc kesd_server_run(struct kesd_server *server, struct remote_error *err)
{
    struct start starts[LANES_MAX];
    enum remote_rc rc = start_threads(server, starts, err);

    if (rc == REMOTE_OK) {
        remote_log(REMOTE_LOG_INFO, "serving at %s", address_of(server));
        daemon_activation_notify("READY=1");
        daemon_slim();
        if (server->setup.settings->create_count > 0)
            start_task(server, create_work);
    } else {
        drain(server);
    }
    kesd_lane_run(&server->lanes[0], (int64_t)server->options->spin_us, tick, server);
    for (size_t i = 1; i <= server->thread_count; i++)
        pthread_join(server->threads[i], NULL);
    return rc;
}
