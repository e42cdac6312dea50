/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key service in memory: a backend, its transport and its clock, so that the rules of the core
 * are tested without a network and without waiting. The programs that link it wrap
 * remote_backend_find(), remote_now_ms() and remote_cond_wait() (ld --wrap): nothing in remote/
 * knows of tests. One service for the process, whatever slots ask it.
 */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exchange.h"
#include "slot_private.h"

#define MEMORY_KEYS_MAX 512
#define MEMORY_LOG_MAX 16384
#define MEMORY_RULES_MAX 64
#define MEMORY_KIND(kind) (1u << REMOTE_OP_##kind)

struct memory_key { /* one version; what READ answers */
    char name[32];
    unsigned version;
    enum remote_key_type type;
    unsigned bits;
    unsigned uses; /* REMOTE_USE_* */
    bool disabled;
    unsigned char id; /* fills CKA_ID */
};

enum memory_fate {
    MEMORY_ANSWER,
    MEMORY_REFUSE, /* no connection: nothing was sent */
    MEMORY_CUT,    /* sent, and then the connection broke */
    MEMORY_HANG    /* sent, and never answered */
};

struct memory_rule { /* what becomes of requests; the first that fits and is not used up counts */
    unsigned kinds;  /* MEMORY_KIND(); 0: any */
    unsigned endpoints; /* bits by index; 0: any */
    const char *name;   /* the key's; NULL: any */
    bool batches;       /* only those of several items */
    unsigned times;     /* 0: for good */
    enum memory_fate fate;
    bool lasting;
    int status; /* 0: as the service would answer */
    unsigned retry_after_s;
    int64_t delay_ms;
    const char *body; /* with a status; NULL: empty */
};

struct memory_request { /* as it arrived */
    enum remote_op_kind kind;
    size_t endpoint, items;
    unsigned attempt, version;
    int64_t at_ms, deadline_ms;
    char name[32], token[32], pin[32];
};

struct memory { /* guarded by memory.c's mutex while threads run */
    struct memory_key keys[MEMORY_KEYS_MAX];
    size_t key_count;
    struct memory_rule rules[MEMORY_RULES_MAX];
    size_t rule_count;
    struct memory_request log[MEMORY_LOG_MAX];
    size_t requests, in_flight, in_flight_max, units;
    atomic_uint trims;  /* slots that were told to give up what is idle */
    size_t batch_max;   /* what the backend says; 1: no batches */
    size_t page;        /* names of a page of a listing; 0: all */
    int64_t latency_ms; /* of every answer */
    int64_t lifetime_s; /* of the grants; 0: no end */
    bool renewable;
    unsigned tokens;                    /* given so far: "t1", "t2", ... */
    unsigned valid_from;                /* older ones are refused */
    char dead_token[32];                /* refused, too */
    const char *liar;                   /* the key of this name opens to something else */
    const char *item_bad;               /* an input with these first bytes fails alone */
    size_t sig_surplus;                 /* bytes too many in signatures */
    unsigned steps;                     /* requests that a READ takes; 0: one */
    unsigned origin;                    /* where READs go; 0: the slot's url */
    bool guarded;                       /* keys are not destroyed before UNPROTECT */
    char imported[64], wrapped_for[16]; /* by the last IMPORT */
    bool gate_closed;                   /* nothing is answered meanwhile, but deadlines pass */
    bool real_time;                     /* else the clock moves only by waiting */
};
extern struct memory memory;

/* For cmocka: an empty service, virtual time, inside the guard. */
int memory_setup(void **state);
int memory_teardown(void **state);

/* Opens the slots of this configuration; the first, or by index. Closed by the teardown. */
struct remote_slot *memory_open(const char *text);
struct remote_slot *memory_slot(size_t index);

void memory_rule(struct memory_rule rule);
void memory_forget_rules(void);
/* A P-256 key for signing, unless changed through the result before it is read. */
struct memory_key *memory_add_key(const char *name, unsigned version);
struct memory_key *memory_add_typed(const char *name, unsigned version, enum remote_key_type type,
                                    unsigned bits);
/* The first version that a label shows; the caller unrefs it. */
struct remote_key *memory_find(struct remote_slot *slot, const char *label);
void memory_revoke(void); /* every token given so far */
void memory_gate(bool closed);
void memory_advance(int64_t ms);
size_t memory_count(enum remote_op_kind kind);
size_t memory_count_at(enum remote_op_kind kind, size_t endpoint);
/* What the service makes of an input: the bytes of a signature or MAC. */
void memory_signature(const char *name, unsigned version, struct remote_slice in,
                      unsigned char *out, size_t len);
/* Runs it in so many threads and joins them. */
void memory_threads(size_t count, void (*run)(void *arg, size_t index), void *arg);
/* Polls in real time, for at most 5 s, until it holds; fails the test else. */
void memory_until(bool (*holds)(void));

/* What ld puts in the place of the core's; see tests/unit/meson.build. */
const struct remote_backend_ops *__wrap_remote_backend_find(const char *name);
int64_t __wrap_remote_now_ms(void);
bool __wrap_remote_cond_wait(struct remote_cond *cond, struct remote_lock *lock,
                             int64_t deadline_ms);

static inline void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != REMOTE_OK)                                                                   \
            fail_msg("%s: %s", #call, (err).text);                                                 \
    } while (0)

#endif
