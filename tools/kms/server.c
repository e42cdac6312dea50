/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "activation.h"
#include "handover.h"
#include "health.h"
#include "http2.h"

#define TICK_MS 250
#define QUEUE_MAX 512 /* calls that wait for a worker */

struct service {                 /* a socket and its key */
    struct daemon_source source; /* first; the listener's descriptor */
    struct kms_server *server;
    struct daemon_listener listener;
    struct kms_keyring *ring;
};

struct kms_server {
    const struct kms_options *options;
    struct remote_core *core;
    struct daemon_loop *loop;
    struct daemon_pool *pool;
    struct kms_http2 *http2;
    struct daemon_http1 *http1;
    struct daemon_handover *handover;
    struct kms_health health;
    struct daemon_source signals;
    struct daemon_job reload;
    bool reloading, draining;
    bool reload_wanted; /* another SIGHUP came while one was being served */
    int64_t drained_by_ms;
    unsigned long long refused;
    uid_t allowed[KMS_SERVICES_MAX];
    size_t allowed_count;
    int predecessor; /* who waits for us to be ready; -1: nobody */
    size_t count;
    struct service services[KMS_SERVICES_MAX];
    struct kms_keyring *rings[KMS_SERVICES_MAX];
};

/* ---- connections ---- */

static bool may_call(const struct kms_server *server, uid_t peer)
{
    for (size_t i = 0; i < server->allowed_count; i++)
        if (server->allowed[i] == peer)
            return true;
    return server->allowed_count == 0;
}

static void on_accept(struct daemon_source *source, uint32_t events)
{
    struct service *service = (struct service *)source;
    struct kms_server *server = service->server;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t peer;

    (void)events;
    if (fd < 0)
        return;
    peer = daemon_socket_peer(fd);
    if (!may_call(server, peer)) {
        remote_log(REMOTE_LOG_WARNING, "user %u may not call: --allow-uid does not name it",
                   (unsigned)peer);
        close(fd);
        return;
    }
    kms_http2_accept(server->http2, fd, service->ring);
}

/* ---- the end ---- */

static void close_listeners(struct kms_server *server, bool handed_over)
{
    for (size_t i = 0; i < server->count; i++) {
        struct service *service = &server->services[i];

        if (service->source.fd < 0)
            continue;
        if (handed_over)
            service->listener.ours = false;
        service->listener.fd = dup(service->source.fd); /* the loop closes its own */
        daemon_loop_remove(server->loop, &service->source);
        daemon_socket_close(&service->listener);
    }
}

static void drain(struct kms_server *server, bool handed_over)
{
    if (server->draining)
        return;
    server->draining = true;
    server->drained_by_ms = remote_now_ms() + (int64_t)server->options->drain_timeout_ms;
    daemon_activation_notify("STOPPING=1");
    close_listeners(server, handed_over);
    kms_http2_drain(server->http2);
    kms_http2_flush(server->http2);
}

static void offer(void *arg, struct daemon_inherited *ret)
{
    struct kms_server *server = arg;

    for (size_t i = 0; i < server->count && server->services[i].source.fd >= 0; i++) {
        ret->ours[ret->count] = server->services[i].listener.ours;
        ret->fds[ret->count++] = server->services[i].source.fd;
    }
    daemon_http1_offer(server->http1, ret);
}

static void taken(void *arg)
{
    remote_log(REMOTE_LOG_INFO, "another process has taken over");
    drain(arg, true);
}

/* ---- signals ---- */

static void reload_work(struct daemon_job *job)
{
    struct kms_server *server =
        (struct kms_server *)(void *)((char *)job - offsetof(struct kms_server, reload));
    struct remote_error err = { 0 };

    if (remote_core_reload(server->core, true, &err) != REMOTE_OK)
        remote_log(REMOTE_LOG_ERROR, "the configuration stays as it was: %s", err.text);
    else
        remote_log(REMOTE_LOG_INFO, "%s has been read again", remote_core_source(server->core));
    for (size_t i = 0; i < server->count; i++)
        kms_keyring_want(server->rings[i]);
}

static void reload(struct kms_server *server);

static void reload_done(struct daemon_job *job)
{
    struct kms_server *server =
        (struct kms_server *)(void *)((char *)job - offsetof(struct kms_server, reload));

    server->reloading = false;
    if (server->reload_wanted)
        reload(server);
    else
        daemon_activation_notify("READY=1");
}

static void reload(struct kms_server *server)
{
    server->reload_wanted = server->reloading;
    if (server->reloading)
        return;
    daemon_activation_notify("RELOADING=1");
    server->reload = (struct daemon_job){ reload_work, reload_done, NULL };
    server->reloading = daemon_pool_submit(server->pool, &server->reload);
}

static void on_signal(struct daemon_source *source, uint32_t events)
{
    struct kms_server *server =
        (struct kms_server *)(void *)((char *)source - offsetof(struct kms_server, signals));
    struct signalfd_siginfo info;

    (void)events;
    while (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            reload(server);
        else
            drain(server, false);
    }
}

static enum remote_rc open_signals(struct kms_server *server, struct remote_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made */
    server->signals =
        (struct daemon_source){ signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), 0, on_signal };
    if (server->signals.fd < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "signalfd: %s", strerrordesc_np(errno));
    return daemon_loop_add(server->loop, &server->signals, EPOLLIN, err);
}

/* ---- the start ---- */

static enum remote_rc open_ring(struct kms_server *server, size_t index, struct remote_error *err)
{
    const struct kms_options *options = server->options;
    const struct kms_serving serving = kms_options_at(options, index);
    const struct kms_keyring_options ring = {
        .slot = serving.slot,
        .key = serving.key,
        .version = serving.key_version,
        .pin_file = options->pin_file,
        .check_ms = (int64_t)options->rotation_check_ms,
        .proof_ms = (int64_t)options->proof_ms,
        .legacy_ids = options->keyvault_name != NULL,
        .local_kek = options->local_kek,
        .local_kek_uses = options->local_kek_uses,
        .local_kek_age_ms = (int64_t)options->local_kek_age_ms,
    };

    REMOTE_TRY(kms_keyring_new(server->core, &ring, &server->rings[index], err));
    server->services[index].ring = server->rings[index];
    kms_keyring_want(server->rings[index]);
    return REMOTE_OK;
}

static enum remote_rc find_listener(struct kms_server *server, const char *listen,
                                    struct daemon_inherited *inherited, struct daemon_listener *ret,
                                    struct remote_error *err)
{
    struct daemon_socket_options options = { .owner = (uid_t)-1, .group = (gid_t)-1 };
    struct daemon_address address;

    if (listen == NULL)
        return daemon_inherit_unix(inherited, NULL, ret)
                   ? REMOTE_OK
                   : REMOTE_FAIL(err, REMOTE_E_USAGE,
                                 "no --listen for every key, and no socket was passed on by a "
                                 "service manager");
    REMOTE_TRY(daemon_address_parse(listen, &address, err));
    REMOTE_TRY(daemon_socket_mode_parse(server->options->socket_mode, &options.mode, err));
    if (server->options->socket_owner != NULL)
        REMOTE_TRY(daemon_socket_owner_parse(server->options->socket_owner, &options, err));
    if (daemon_inherit_unix(inherited, &address, ret))
        return REMOTE_OK;
    return daemon_socket_listen(&address, &options, ret, err);
}

static enum remote_rc open_socket(struct kms_server *server, size_t index,
                                  struct daemon_inherited *inherited, struct remote_error *err)
{
    struct service *service = &server->services[index];

    REMOTE_TRY(find_listener(server, kms_options_at(server->options, index).listen, inherited,
                             &service->listener, err));
    service->source = (struct daemon_source){ service->listener.fd, 0, on_accept };
    service->server = server;
    server->count++;
    return REMOTE_OK;
}

static enum remote_rc open_http1(struct kms_server *server, struct daemon_inherited *inherited,
                                 struct remote_error *err)
{
    const struct kms_options *options = server->options;

    server->health = (struct kms_health){ server->rings, server->count, options->healthz_path,
                                          (int64_t)options->healthz_timeout_ms };
    server->http1 =
        daemon_http1_new(server->loop, server->pool, kms_health_answer, &server->health, err);
    if (server->http1 == NULL)
        return err->rc;
    if (options->healthz_port != 0)
        REMOTE_TRY(daemon_http1_listen(server->http1, options->healthz_address,
                                       (unsigned)options->healthz_port, inherited, err));
    if (options->metrics_port != 0)
        REMOTE_TRY(daemon_http1_listen(server->http1, options->metrics_address,
                                       (unsigned)options->metrics_port, inherited, err));
    return REMOTE_OK;
}

static enum remote_rc take_over(struct kms_server *server, struct daemon_inherited *inherited,
                                struct remote_error *err)
{
    const char *listen = kms_options_at(server->options, 0).listen;
    struct daemon_address address;

    if (!server->options->take_over)
        return REMOTE_OK;
    if (listen == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "--take-over needs --listen");
    REMOTE_TRY(daemon_address_parse(listen, &address, err));
    return daemon_handover_ask(&address, inherited, &server->predecessor, err);
}

static enum remote_rc open_sockets(struct kms_server *server, struct daemon_inherited *inherited,
                                   struct remote_error *err)
{
    size_t count = kms_options_count(server->options);

    daemon_inherit_from_manager(inherited);
    REMOTE_TRY(take_over(server, inherited, err));
    for (size_t i = 0; i < count; i++)
        REMOTE_TRY(open_socket(server, i, inherited, err));
    for (size_t i = 0; i < count; i++)
        REMOTE_TRY(open_ring(server, i, err));
    REMOTE_TRY(open_http1(server, inherited, err));
    for (size_t i = 0; i < count; i++)
        REMOTE_TRY(daemon_loop_add(server->loop, &server->services[i].source, EPOLLIN, err));
    return REMOTE_OK;
}

static enum remote_rc read_allowed(struct kms_server *server, struct remote_error *err)
{
    const struct daemon_list *list = &server->options->allow_uid;

    for (size_t i = 0; i < list->count; i++) {
        char *end;
        unsigned long uid = strtoul(list->items[i], &end, 10);

        if (list->items[i][0] < '0' || list->items[i][0] > '9' || *end != '\0' || uid > UINT32_MAX)
            return REMOTE_FAIL(err, REMOTE_E_USAGE, "--allow-uid '%.40s' is not a user's number",
                               list->items[i]);
        server->allowed[server->allowed_count++] = (uid_t)uid;
    }
    return REMOTE_OK;
}

static enum remote_rc open_all(struct kms_server *server, struct daemon_inherited *inherited,
                               struct remote_error *err)
{
    const struct daemon_handover_hooks hooks = { offer, taken, server };
    const struct kms_http2_options http2 = { .timeout_ms = (int64_t)server->options->timeout_ms };

    REMOTE_TRY(read_allowed(server, err));
    server->loop = daemon_loop_new(err);
    if (server->loop == NULL)
        return err->rc;
    REMOTE_TRY(open_signals(server, err));
    server->pool =
        daemon_pool_new(server->loop, (unsigned)server->options->workers, QUEUE_MAX, err);
    if (server->pool == NULL)
        return err->rc;
    server->http2 = kms_http2_new(server->loop, server->pool, &http2, err);
    if (server->http2 == NULL)
        return err->rc;
    REMOTE_TRY(open_sockets(server, inherited, err));
    server->handover =
        daemon_handover_new(server->loop, &server->services[0].listener.address, &hooks);
    return REMOTE_OK;
}

enum remote_rc kms_server_new(const struct kms_options *options, struct remote_core *core,
                              struct kms_server **ret, struct remote_error *err)
{
    CLEANUP(daemon_inherit_clear) struct daemon_inherited inherited = { .count = 0 };
    struct kms_server *server = calloc(1, sizeof(*server));
    enum remote_rc rc;

    if (server == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    server->options = options;
    server->core = core;
    server->predecessor = -1;
    server->signals.fd = -1;
    for (size_t i = 0; i < KMS_SERVICES_MAX; i++)
        server->services[i].source.fd = -1;
    rc = open_all(server, &inherited, err);
    if (rc != REMOTE_OK) {
        kms_server_free(server);
        return rc;
    }
    *ret = server;
    return REMOTE_OK;
}

void kms_server_free(struct kms_server *server)
{
    if (server == NULL)
        return;
    daemon_handover_free(server->handover);
    if (server->loop != NULL)
        close_listeners(server, server->predecessor >= 0); /* not ours before we were ready */
    if (server->predecessor >= 0)
        close(server->predecessor);
    for (size_t i = 0; i < KMS_SERVICES_MAX; i++)
        kms_keyring_stop(server->rings[i]); /* workers wait for it */
    daemon_pool_free(server->pool);
    for (size_t i = 0; i < KMS_SERVICES_MAX; i++)
        kms_keyring_free(server->rings[i]);
    daemon_http1_free(server->http1);
    kms_http2_free(server->http2);
    if (server->loop != NULL)
        daemon_loop_remove(server->loop, &server->signals);
    daemon_loop_free(server->loop);
    free(server);
}

/* ---- in between ---- */

static void tick(void *arg)
{
    struct kms_server *server = arg;

    kms_http2_tick(server->http2);
    daemon_http1_tick(server->http1);
    if (server->draining &&
        (kms_http2_is_empty(server->http2) || remote_now_ms() > server->drained_by_ms))
        daemon_loop_stop(server->loop);
}

static void after(void *arg)
{
    struct kms_server *server = arg;

    kms_http2_flush(server->http2);
    if (server->draining && kms_http2_is_empty(server->http2))
        daemon_loop_stop(server->loop);
}

void kms_server_run(struct kms_server *server)
{
    const struct daemon_loop_hooks hooks = { tick, after, server, TICK_MS };

    daemon_activation_notify("READY=1");
    daemon_handover_ready(server->predecessor);
    server->predecessor = -1;
    for (size_t i = 0; i < server->count; i++)
        remote_log(REMOTE_LOG_INFO, "key '%s' is served at %s", kms_keyring_name(server->rings[i]),
                   server->services[i].listener.address.text);
    daemon_loop_run(server->loop, &hooks);
}
