/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of locks, the atfork handlers that hold them all, and the fork generation. */
#include "fork.h"

#include <assert.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gate.h"

/*
 * Two locks of this file stand outside the levels. fork_mutex serialises forks: glibc runs the
 * handlers of two forking threads side by side. registry_mutex guards the list and `awaited`; it
 * is a leaf, nobody waits for anything while holding it, so locks may be made and enrolled at
 * any time.
 */
static pthread_mutex_t fork_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned forker_depth;             /* in the gate; under fork_mutex */
static struct remote_lock *registry;      /* ascending levels */
static const struct remote_lock *awaited; /* the one on which a fork under way blocks */
static pthread_once_t handlers_once = PTHREAD_ONCE_INIT;

static _Atomic uint64_t identity; /* pid << 32 | generation */

/* Levels are checked where a wrong one may abort: never in an optimized production build. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define LEVELS_CHECKED 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define LEVELS_CHECKED 1
#endif

#if defined(LEVELS_CHECKED) && !defined(NDEBUG)
static _Thread_local unsigned levels_held; /* bits */

static void level_enter(enum remote_lock_level level)
{
    assert(levels_held >> level == 0); /* ascending, and never two of one level */
    levels_held |= 1u << level;
}

static void level_leave(enum remote_lock_level level)
{
    assert(levels_held & 1u << level);
    levels_held &= ~(1u << level);
}
#else
static void level_enter(enum remote_lock_level level)
{
    (void)level;
}

static void level_leave(enum remote_lock_level level)
{
    (void)level;
}
#endif

static uint64_t identity_of(pid_t pid, unsigned generation)
{
    return (uint64_t)(uint32_t)pid << 32 | generation;
}

/*
 * A page that a fork wipes (MADV_WIPEONFORK, Linux 4.14), whoever makes it: while its word stands,
 * this is the process that set it, and getpid() need not be asked. NULL: not made, or not to be
 * had, and every call asks.
 */
static _Atomic(atomic_uint *) same_process;
static atomic_bool no_such_page; /* tried in vain */

static atomic_uint *make_wiped_page(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    atomic_uint *none = NULL, *page;

    page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, size, MADV_WIPEONFORK) != 0)
        atomic_store(&no_such_page, true);
    else if (atomic_compare_exchange_strong(&same_process, &none, page))
        return page;
    munmap(page, size);
    return none; /* another thread was faster, or there is none */
}

static unsigned compare_pid(void)
{
    pid_t pid = getpid();
    uint64_t seen = atomic_load(&identity);
    atomic_uint *page = atomic_load(&same_process);

    while (seen >> 32 != (uint32_t)pid) {
        uint64_t next = identity_of(pid, (unsigned)(uint32_t)seen + 1);

        if (atomic_compare_exchange_weak(&identity, &seen, next))
            seen = next;
    }
    if (page == NULL && !atomic_load(&no_such_page))
        page = make_wiped_page();
    if (page != NULL)
        atomic_store(page, 1);
    return (unsigned)(uint32_t)seen;
}

unsigned remote_fork_generation(void)
{
    atomic_uint *page = atomic_load_explicit(&same_process, memory_order_acquire);

    if (page != NULL && atomic_load_explicit(page, memory_order_acquire) != 0)
        return (unsigned)(uint32_t)atomic_load(&identity);
    return compare_pid();
}

/* registry_mutex is held by the callers of these four; see fork_prepare(). */
static bool take_without_waiting(struct remote_lock *lock)
{
    if (!lock->forking)
        lock->forking = pthread_mutex_trylock(&lock->mutex) == 0;
    return lock->forking;
}

/* Whether a lock behind this one is held: this one was enrolled after its turn. */
static bool turn_is_over(const struct remote_lock *lock)
{
    while (lock != NULL && !lock->forking)
        lock = lock->next;
    return lock != NULL;
}

static void release_taken(void)
{
    for (struct remote_lock *lock = registry; lock != NULL; lock = lock->next) {
        if (lock->forking) {
            lock->forking = false;
            pthread_mutex_unlock(&lock->mutex);
        }
    }
}

/* Blocks for one lock in its turn, without the registry: its holder may need that meanwhile. */
static void await(struct remote_lock *lock)
{
    awaited = lock; /* keeps remote_lock_destroy() from freeing it under us */
    pthread_mutex_unlock(&registry_mutex);
    pthread_mutex_lock(&lock->mutex);
    pthread_mutex_lock(&registry_mutex);
    awaited = NULL;
    lock->forking = true;
}

/* Afterwards this thread holds every lock there is, and the registry. */
static void fork_prepare(void)
{
    struct remote_lock *lock;
    unsigned depth = remote_gate_step_out(); /* a signal's handler may fork from within */

    pthread_mutex_lock(&fork_mutex);
    forker_depth = depth;
    remote_gate_close(); /* first: whoever is inside may need our locks before it comes out */
    pthread_mutex_lock(&registry_mutex);
    lock = registry;
    while (lock != NULL) {
        if (take_without_waiting(lock)) {
            lock = lock->next;
            continue;
        }
        if (turn_is_over(lock))
            release_taken(); /* waiting now would break the order of levels */
        else
            await(lock);
        lock = registry; /* it may have changed */
    }
}

static void fork_over(bool child)
{
    unsigned depth = forker_depth;

    release_taken();
    pthread_mutex_unlock(&registry_mutex);
    remote_gate_open(child);
    pthread_mutex_unlock(&fork_mutex);
    remote_gate_step_in(depth);
}

static void fork_parent(void)
{
    fork_over(false);
}

static void fork_child(void)
{
    unsigned generation = (unsigned)(uint32_t)atomic_load(&identity);

    atomic_store(&identity, identity_of(getpid(), generation + 1));
    fork_over(true); /* the child's thread is the one that took them */
}

/* Out of memory leaves the pid comparison alone to tell a child; there is nobody to tell it. */
static void register_handlers(void)
{
    (void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* registry_mutex is held. */
static void registry_insert(struct remote_lock *lock)
{
    struct remote_lock *before = NULL, *after = registry;

    while (after != NULL && after->level <= lock->level) {
        before = after;
        after = after->next;
    }
    lock->prev = before;
    lock->next = after;
    if (after != NULL)
        after->prev = lock;
    if (before != NULL)
        before->next = lock;
    else
        registry = lock;
}

/* registry_mutex is held. */
static void registry_remove(struct remote_lock *lock)
{
    if (lock->prev != NULL)
        lock->prev->next = lock->next;
    else
        registry = lock->next;
    if (lock->next != NULL)
        lock->next->prev = lock->prev;
    lock->prev = lock->next = NULL;
}

void remote_lock_enroll(struct remote_lock *lock)
{
    if (atomic_load_explicit(&lock->enrolled, memory_order_acquire))
        return;
    (void)pthread_once(&handlers_once, register_handlers);
    pthread_mutex_lock(&registry_mutex);
    if (!atomic_load(&lock->enrolled)) {
        registry_insert(lock);
        atomic_store_explicit(&lock->enrolled, true, memory_order_release);
    }
    pthread_mutex_unlock(&registry_mutex);
}

void remote_lock_init(struct remote_lock *lock, enum remote_lock_level level)
{
    *lock = (struct remote_lock)REMOTE_LOCK_STATIC(level);
    remote_lock_enroll(lock);
}

void remote_lock_destroy(struct remote_lock *lock)
{
    if (lock == NULL || !atomic_load(&lock->enrolled))
        return;
    for (;;) {
        remote_lock_acquire(lock);
        pthread_mutex_lock(&registry_mutex);
        if (awaited != lock)
            break;
        /* A fork blocks on it: let that have it, and come back when it is over. */
        pthread_mutex_unlock(&registry_mutex);
        remote_lock_release(lock);
        sched_yield();
    }
    registry_remove(lock);
    atomic_store(&lock->enrolled, false);
    remote_lock_release(lock);
    pthread_mutex_unlock(&registry_mutex);
    pthread_mutex_destroy(&lock->mutex);
}

void remote_lock_acquire(struct remote_lock *lock)
{
    level_enter(lock->level);
    pthread_mutex_lock(&lock->mutex);
}

void remote_lock_release(struct remote_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
    level_leave(lock->level);
}

void remote_cond_init(struct remote_cond *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond->cond, &attr);
    pthread_condattr_destroy(&attr);
    cond->generation = remote_fork_generation();
}

/*
 * In a child, a condition that had waiters still counts them, and glibc's destroy or broadcast
 * could wait for them forever: it is overwritten, not destroyed.
 */
static bool cond_inherited(const struct remote_cond *cond)
{
    return cond->generation != remote_fork_generation();
}

void remote_cond_destroy(struct remote_cond *cond)
{
    if (cond != NULL && !cond_inherited(cond))
        pthread_cond_destroy(&cond->cond);
}

bool remote_cond_wait(struct remote_cond *cond, struct remote_lock *lock, int64_t deadline_ms)
{
    struct timespec until = { .tv_sec = deadline_ms / 1000,
                              .tv_nsec = deadline_ms % 1000 * 1000000 };

    unsigned depth = remote_gate_step_out();
    bool woken;

    if (cond_inherited(cond))
        remote_cond_init(cond);
    woken = pthread_cond_timedwait(&cond->cond, &lock->mutex, &until) == 0;
    if (depth > 0) { /* no lock is held on the way in */
        pthread_mutex_unlock(&lock->mutex);
        remote_gate_step_in(depth);
        pthread_mutex_lock(&lock->mutex);
    }
    return woken;
}

void remote_cond_broadcast(struct remote_cond *cond)
{
    if (cond_inherited(cond))
        remote_cond_init(cond);
    pthread_cond_broadcast(&cond->cond);
}
