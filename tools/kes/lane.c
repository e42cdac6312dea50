/* SPDX-License-Identifier: Apache-2.0 */
#include "lane.h"

#include <string.h>

#include "conn.h"

enum remote_rc kesd_lane_init(struct kesd_lane *lane, const struct kesd_service *service,
                              struct remote_error *err)
{
    lane->service = service;
    lane->loop = daemon_loop_new(err);
    if (lane->loop == NULL)
        return err->rc;
    lane->mailbox = daemon_mailbox_new(lane->loop, err);
    return lane->mailbox != NULL ? REMOTE_OK : err->rc;
}

void kesd_lane_clear(struct kesd_lane *lane)
{
    lane->draining = true; /* those that are on their way here do not begin */
    while (lane->conns != NULL)
        kesd_conn_end(lane->conns);
    daemon_mailbox_free(lane->mailbox);
    daemon_loop_free(lane->loop);
    remote_buf_clear(&lane->out);
    explicit_bzero(lane->in, sizeof(lane->in));
}

/* RFC 9110, 5.6.7. */
const char *kesd_lane_date(struct kesd_lane *lane)
{
    time_t now = time(NULL);
    struct tm parts;

    if (now != lane->date_s && gmtime_r(&now, &parts) != NULL) {
        strftime(lane->date, sizeof(lane->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
        lane->date_s = now;
    }
    return lane->date;
}

/* ---- the end ---- */

static void drain(struct daemon_job *job)
{
    struct kesd_lane *lane =
        (struct kesd_lane *)(void *)((char *)job - offsetof(struct kesd_lane, drain));

    lane->draining = true;
    lane->drained_by_ms = remote_now_ms() + lane->drain_timeout_ms;
    for (struct kesd_conn *conn = lane->conns, *next; conn != NULL; conn = next) {
        next = kesd_conn_next(conn);
        kesd_conn_drain(conn);
    }
}

void kesd_lane_drain(struct kesd_lane *lane, int64_t timeout_ms)
{
    lane->drain_timeout_ms = timeout_ms;
    lane->drain = (struct daemon_job){ NULL, drain, NULL, lane->mailbox };
    daemon_mailbox_put(lane->mailbox, &lane->drain);
}

/* ---- in between ---- */

struct run {
    struct kesd_lane *lane;
    void (*tick)(void *arg);
    void *arg;
};

static void tick(void *arg)
{
    struct run *run = arg;
    struct kesd_lane *lane = run->lane;
    int64_t now_ms = remote_now_ms();

    for (struct kesd_conn *conn = lane->conns, *next; conn != NULL; conn = next) {
        next = kesd_conn_next(conn);
        kesd_conn_tick(conn, now_ms);
    }
    if (run->tick != NULL)
        run->tick(run->arg);
    if (lane->draining && now_ms >= lane->drained_by_ms)
        daemon_loop_stop(lane->loop);
}

static void after(void *arg)
{
    const struct kesd_lane *lane = ((const struct run *)arg)->lane;

    if (lane->draining && lane->conns == NULL)
        daemon_loop_stop(lane->loop);
}

void kesd_lane_run(struct kesd_lane *lane, int64_t spin_us, void (*also)(void *arg), void *arg)
{
    struct run run = { lane, also, arg };
    const struct daemon_loop_hooks hooks = { tick, after, &run, KESD_TICK_MS, spin_us };

    daemon_loop_run(lane->loop, &hooks);
}
