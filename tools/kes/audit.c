/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "go_json.h"

void kesd_audit_init(struct kesd_audit *audit)
{
    remote_lock_init(&audit->lock, REMOTE_LOCK_FRONT);
    remote_cond_init(&audit->idle);
}

void kesd_audit_clear(struct kesd_audit *audit)
{
    remote_cond_destroy(&audit->idle);
    remote_lock_destroy(&audit->lock);
}

/* ---- who listens ---- */

static struct kesd_stream_log *log_of(struct kesd_audit *audit, enum kesd_stream stream)
{
    return &audit->streams[stream];
}

void kesd_audit_listen(struct kesd_audit *audit, enum kesd_stream stream,
                       struct kesd_listener *listener)
{
    struct kesd_stream_log *log = log_of(audit, stream);

    listener->busy = 0;
    listener->leaving = false;
    listener->prev = NULL;
    remote_lock_acquire(&audit->lock);
    listener->next = log->first;
    if (log->first)
        log->first->prev = listener;
    log->first = listener;
    atomic_fetch_add(&log->listeners, 1);
    remote_lock_release(&audit->lock);
}

void kesd_audit_unlisten(struct kesd_audit *audit, enum kesd_stream stream,
                         struct kesd_listener *listener)
{
    struct kesd_stream_log *log = log_of(audit, stream);

    remote_lock_acquire(&audit->lock);
    listener->leaving = true;
    while (listener->busy > 0)
        (void)remote_cond_wait(&audit->idle, &audit->lock, remote_now_ms() + 1000);
    if (listener->prev)
        listener->prev->next = listener->next;
    else
        log->first = listener->next;
    if (listener->next)
        listener->next->prev = listener->prev;
    atomic_fetch_sub(&log->listeners, 1);
    remote_lock_release(&audit->lock);
}

/* A listener is called under no lock; while it is busy it stays in the list. */
static void tell(struct kesd_audit *audit, struct kesd_stream_log *log, struct remote_slice line)
{
    remote_lock_acquire(&audit->lock);
    for (struct kesd_listener *l = log->first; l; l = l->next) {
        if (l->leaving)
            continue;
        l->busy++;
        remote_lock_release(&audit->lock);
        l->line(l, line);
        remote_lock_acquire(&audit->lock);
        l->busy--;
        if (l->leaving)
            remote_cond_broadcast(&audit->idle);
    }
    remote_lock_release(&audit->lock);
}

/* ---- lines ---- */

/* One write for a line, so that lines of several threads do not mix. */
static void print(struct remote_slice line)
{
    while (line.len > 0) {
        ssize_t written = write(STDOUT_FILENO, line.data, line.len);

        if (written < 0 && errno != EINTR)
            return; /* nobody reads it: requests go on */
        if (written > 0) {
            line.data += written;
            line.len -= (size_t)written;
        }
    }
}

static bool is_wanted(struct kesd_stream_log *log, bool to_stdout)
{
    return to_stdout || atomic_load_explicit(&log->listeners, memory_order_relaxed) > 0;
}

static void emit(struct kesd_audit *audit, struct kesd_stream_log *log, bool to_stdout,
                 const struct remote_buf *line)
{
    if (line->failed)
        return;
    atomic_fetch_add_explicit(&log->events, 1, memory_order_relaxed);
    if (to_stdout)
        print(remote_buf_slice(line));
    tell(audit, log, remote_buf_slice(line));
}

void kesd_audit_event(struct kesd_audit *audit, bool to_stdout, const struct kesd_event *event)
{
    CLEANUP(remote_buf_clear) struct remote_buf line = { 0 };
    struct kesd_stream_log *log = log_of(audit, KESD_STREAM_AUDIT);
    struct timespec now;

    if (!is_wanted(log, to_stdout))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    remote_buf_append_str(&line, "{\"time\":");
    kesd_json_time(&line, now.tv_sec, (int32_t)now.tv_nsec);
    remote_buf_append_str(&line, ",\"request\":{\"ip\":");
    kesd_json_string(&line, remote_slice_str(event->request->peer));
    remote_buf_append_str(&line, ",\"path\":");
    kesd_json_string(&line, event->path);
    remote_buf_append_str(&line, ",\"identity\":");
    kesd_json_string(&line, remote_slice_str(event->identity));
    remote_buf_printf(&line, "},\"response\":{\"code\":%d,\"time\":%lld}}\n", event->status,
                      (long long)event->took_us * 1000);
    emit(audit, log, to_stdout, &line);
}

void kesd_audit_fault(struct kesd_audit *audit, bool to_stdout, const char *message)
{
    CLEANUP(remote_buf_clear) struct remote_buf line = { 0 };
    struct kesd_stream_log *log = log_of(audit, KESD_STREAM_ERROR);

    if (!is_wanted(log, to_stdout))
        return;
    remote_buf_append_str(&line, "{\"message\":");
    kesd_json_string(&line, remote_slice_str(message));
    remote_buf_append_str(&line, "}\n");
    emit(audit, log, to_stdout, &line);
}
