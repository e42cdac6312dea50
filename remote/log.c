/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line goes out in one write(2), so that lines of several processes stay whole. A log file is
 * not opened anew when it was renamed: rotate it with logrotate's `copytruncate` (it is written
 * with O_APPEND).
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "fork.h"

#define LINE_MAX_BYTES 1024
#define LEVEL_NONE (-1) /* below every level: nothing is written */

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [REMOTE_LOG_ERROR] = { "error", LOG_ERR },
    [REMOTE_LOG_WARNING] = { "warning", LOG_WARNING },
    [REMOTE_LOG_INFO] = { "info", LOG_INFO },
    [REMOTE_LOG_DEBUG] = { "debug", LOG_DEBUG },
};

enum sink { SINK_NONE, SINK_SYSLOG, SINK_STDERR, SINK_FILE };

struct choice { /* of sink and level; a later source overrides an earlier one */
    bool sink_given;
    enum sink sink;
    char path[PATH_MAX];
    int level; /* LEVEL_NONE: not given */
};

static struct {
    struct remote_lock lock; /* covers all but `threshold` */
    atomic_int threshold;    /* the highest level that is written, or LEVEL_NONE */
    struct choice fallback, configured, environment;
    struct remote_error environment_fault; /* rc OK: HSMBRIDGE_LOG makes sense */
    enum sink sink;
    bool json;
    int fd;              /* of SINK_FILE; -1: not open */
    char path[PATH_MAX]; /* what fd is */
    dev_t dev;
    ino_t inode;
} state = {
    .lock = REMOTE_LOCK_STATIC(REMOTE_LOCK_LOG),
    .threshold = LEVEL_NONE,
    .fallback = { .level = REMOTE_LOG_WARNING },
    .configured = { .level = LEVEL_NONE },
    .environment = { .level = LEVEL_NONE },
    .fd = -1,
};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int level_of(const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (strcmp(word, levels[i].name) == 0)
            return (int)i;
    }
    return LEVEL_NONE;
}

static enum remote_rc read_sink(const char *word, struct choice *ret, struct remote_error *err)
{
    static const char *const words[] = {
        [SINK_NONE] = "none",
        [SINK_SYSLOG] = "syslog",
        [SINK_STDERR] = "stderr",
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            ret->sink = (enum sink)i;
            ret->sink_given = true;
            return REMOTE_OK;
        }
    }
    if (word[0] != '/' || strlen(word) >= sizeof(ret->path))
        return REMOTE_FAIL(
            err, REMOTE_E_CONFIG,
            "'%.64s' is not a log; none, syslog, stderr or an absolute path would be", word);
    ret->sink = SINK_FILE;
    ret->sink_given = true;
    strcpy(ret->path, word); /* its length was checked above */
    return REMOTE_OK;
}

static enum remote_rc read_level(const char *word, struct choice *ret, struct remote_error *err)
{
    int level = level_of(word);

    if (level == LEVEL_NONE)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "'%.64s' is not a log level; error, warning, info or debug would be",
                           word);
    ret->level = level;
    return REMOTE_OK;
}

/* SINK or SINK:LEVEL; a path may hold colons, so only a level behind the last one counts. */
static void read_environment(void)
{
    const char *value = secure_getenv("HSMBRIDGE_LOG");
    struct remote_error *err = &state.environment_fault;
    char sink[PATH_MAX + 16];
    char *colon;

    if (!value || value[0] == '\0')
        return;
    snprintf(sink, sizeof(sink), "%s", value);
    colon = strrchr(sink, ':');
    if (colon && (sink[0] != '/' || level_of(colon + 1) != LEVEL_NONE)) {
        *colon = '\0';
        (void)read_level(colon + 1, &state.environment, err);
    }
    if (err->rc == REMOTE_OK)
        (void)read_sink(sink, &state.environment, err);
    if (err->rc != REMOTE_OK)
        remote_error_prefix(err, "HSMBRIDGE_LOG");
}

/* Never 0 to 2, which a daemon may have closed: the host would write there later. */
static int open_log(const char *path)
{
    /* O_NONBLOCK: neither a FIFO without a reader nor a full one may stop the host. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    int high;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return high;
}

/* Whether fd is still our file: a host that daemonizes closes what it does not know. */
static bool fd_is_ours(void)
{
    struct stat st;

    return state.fd >= 0 && fstat(state.fd, &st) == 0 && st.st_dev == state.dev &&
           st.st_ino == state.inode;
}

static void close_file(void)
{
    if (fd_is_ours())
        close(state.fd);
    state.fd = -1;
}

static bool open_file(const char *path)
{
    struct stat st;
    int fd = open_log(path);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) < 0) {
        close(fd);
        return false;
    }
    close_file();
    state.fd = fd;
    state.dev = st.st_dev;
    state.inode = st.st_ino;
    if (path != state.path)
        strcpy(state.path, path); /* both are PATH_MAX; read_sink() checked the length */
    return true;
}

/* What is in force: the environment over the configuration over the front end's default. */
static const struct choice *chosen_sink(void)
{
    if (state.environment.sink_given)
        return &state.environment;
    return state.configured.sink_given ? &state.configured : &state.fallback;
}

static int chosen_level(void)
{
    if (state.environment.level != LEVEL_NONE)
        return state.environment.level;
    return state.configured.level != LEVEL_NONE ? state.configured.level : state.fallback.level;
}

/* A file that is open stays open: after a chroot or without root it would not open again. */
static enum remote_rc apply(struct remote_error *err)
{
    const struct choice *choice = chosen_sink();
    bool kept = fd_is_ours() && strcmp(state.path, choice->path) == 0;

    if (choice->sink == SINK_FILE && !kept && !open_file(choice->path))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "log file %s: %s; name a file that this process may write", choice->path,
                           strerrordesc_np(errno));
    if (choice->sink != SINK_FILE)
        close_file();
    state.sink = choice->sink;
    state.threshold = choice->sink == SINK_NONE ? LEVEL_NONE : chosen_level();
    return REMOTE_OK;
}

/* HSMBRIDGE_LOG is in force even when no configuration could be read. */
static void begin(void)
{
    remote_lock_enroll(&state.lock);
    read_environment();
    (void)apply(NULL); /* remote_log_setup() tries again, and reports */
}

static void acquire(void)
{
    pthread_once(&once, begin);
    remote_lock_acquire(&state.lock);
}

static enum remote_rc setup(const char *sink, const char *level, struct remote_error *err)
{
    struct choice configured = state.configured;

    if (state.environment_fault.rc != REMOTE_OK) {
        if (err)
            *err = state.environment_fault;
        return state.environment_fault.rc;
    }
    if (sink)
        REMOTE_TRY(read_sink(sink, &configured, err));
    if (level)
        REMOTE_TRY(read_level(level, &configured, err));
    state.configured = configured;
    return apply(err);
}

enum remote_rc remote_log_setup(const char *sink, const char *level, struct remote_error *err)
{
    enum remote_rc rc;

    acquire();
    rc = setup(sink, level, err);
    remote_lock_release(&state.lock);
    return rc;
}

void remote_log_default(const char *sink)
{
    acquire();
    if (read_sink(sink, &state.fallback, NULL) == REMOTE_OK)
        (void)apply(NULL); /* a fault in the environment's file is setup's to report */
    remote_lock_release(&state.lock);
}

bool remote_log_enabled(enum remote_log_level level)
{
    pthread_once(&once, begin);
    return (int)level <= atomic_load_explicit(&state.threshold, memory_order_relaxed);
}

/* A write that leaves SIGPIPE's disposition alone and yet never raises it. */
static void write_quietly(int fd, const char *data, size_t len)
{
    const struct timespec now = { 0, 0 };
    sigset_t pipe_only, before, pending;
    ssize_t n;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    do
        n = write(fd, data, len);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
        (void)sigtimedwait(&pipe_only, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void remote_log_json(void)
{
    acquire();
    state.json = true;
    remote_lock_release(&state.lock);
}

/* The text has no control characters by now. */
static void escape(const char *text, char *ret, size_t size)
{
    size_t at = 0;

    for (; *text != '\0' && at + 2 < size; text++) {
        if (*text == '"' || *text == '\\')
            ret[at++] = '\\';
        ret[at++] = *text;
    }
    ret[at] = '\0';
}

/* "2026-01-31T12:00:00.123Z hsmbridge[4711] warning: text\n" */
static int format_line(char *line, size_t size, const char *date, enum remote_log_level level,
                       const char *text)
{
    char escaped[2 * LINE_MAX_BYTES];

    if (!state.json)
        return snprintf(line, size, "%s hsmbridge[%ld] %s: %s\n", date, (long)getpid(),
                        levels[level].name, text);
    escape(text, escaped, sizeof(escaped));
    return snprintf(line, size, "{\"ts\":\"%s\",\"level\":\"%s\",\"pid\":%ld,\"msg\":\"%s\"}\n",
                    date, levels[level].name, (long)getpid(), escaped);
}

static void write_line(int fd, enum remote_log_level level, const char *text)
{
    char line[2 * LINE_MAX_BYTES + 128], seconds[24], date[48];
    struct timespec now;
    struct tm tm;
    int len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(date, sizeof(date), "%s.%03ldZ", seconds, now.tv_nsec / 1000000 % 1000);
    len = format_line(line, sizeof(line), date, level, text);
    write_quietly(fd, line, (size_t)len);
}

static void emit(enum remote_log_level level, const char *text)
{
    switch (state.sink) {
    case SINK_NONE:
        break;
    case SINK_SYSLOG:
        /* No openlog(): the ident, the facility and the connection are the host's. */
        syslog(LOG_AUTHPRIV | levels[level].priority, "hsmbridge: %s", text);
        break;
    case SINK_STDERR:
        write_line(STDERR_FILENO, level, text);
        break;
    case SINK_FILE:
        if (fd_is_ours() || open_file(state.path))
            write_line(state.fd, level, text);
        break;
    }
}

void remote_log(enum remote_log_level level, const char *fmt, ...)
{
    int before = errno;
    char text[LINE_MAX_BYTES];
    va_list args;

    if (!remote_log_enabled(level))
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    remote_printable(text);
    /* Everything below locks in libc; under our lock, a fork never catches us inside. */
    acquire();
    emit(level, text);
    remote_lock_release(&state.lock);
    errno = before;
}
