/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the quorum backend share: the slot's members as configured, a fan of one
 * operation over several of them at once, in the calling thread, and what is made of fans.
 */
#ifndef REMOTE_QUORUM_SLOT_H
#define REMOTE_QUORUM_SLOT_H

#include "quorum.h"
#include "remote/net/exchange.h"

#define QUORUM_PLAIN_MAX (1u << 20) /* bytes of content */

struct quorum_member {
    char *slot, *key;
    unsigned char id[REMOTE_QUORUM_ID];
    bool retired;            /* opens old containers, gets no share of new ones */
    atomic_llong latency_us; /* of its operations, smoothed; 0: not known yet */
    /* When it may be counted on again after a failure, which was told then; 0: it is well. */
    atomic_llong failing_until_ms;
};

struct quorum { /* read-only once open, but for the members' atomics */
    struct remote_conn base;
    char *name;                    /* of its one key */
    struct quorum_member *members; /* those that are present first */
    size_t present, count;
    unsigned threshold, wrap_min;
    bool unauthenticated; /* RSA members, for whom anybody can seal, are welcome */
};

struct quorum_fan;

struct quorum_part { /* one member's share of an operation */
    struct quorum_fan *fan;
    struct quorum_member *member;
    const struct remote_quorum_entry *entry; /* opening: what is to be opened */
    enum remote_quorum_how how;
    struct remote_slot *slot; /* borrowed from the core */
    struct remote_key *key;   /* counted */
    struct remote_call call;
    struct remote_item item;
    unsigned char record[REMOTE_QUORUM_RECORD]; /* sealing: what is to be sealed */
    struct remote_share share;                  /* opening: the result */
    int64_t asked_ms;                           /* when it was its turn */
    bool begun;                                 /* it has a call to make */
    bool done;                                  /* well: the result is there */
    struct remote_error err;                    /* else why not */
};

enum quorum_fan_what {
    QUORUM_FAN_SEAL, /* all parts: records become items' out */
    QUORUM_FAN_OPEN, /* as many parts as are needed: entries become shares */
    QUORUM_FAN_FIND  /* all parts: only whether the members have their keys */
};

struct quorum_fan {
    const struct quorum *quorum;
    enum quorum_fan_what what;
    const struct remote_quorum_header *header;
    size_t needed, done;
    int64_t deadline_ms;
    int64_t hedge_ms;  /* how long a member may take while others could be asked, or suffice */
    int64_t enough_ms; /* when nobody else is waited for */
    size_t count, room;
    struct quorum_part parts[];
};

/* In locked memory, for it holds shares; `room` parts may be added. quorum_fan_free() it. */
enum remote_rc quorum_fan_new(const struct quorum *quorum, enum quorum_fan_what what,
                              const struct remote_quorum_header *header, size_t room,
                              int64_t deadline_ms, struct remote_secret *memory,
                              struct quorum_fan **ret, struct remote_error *err) REMOTE_MUST_CHECK;
struct quorum_part *quorum_fan_add(struct quorum_fan *fan, struct quorum_member *member);
/*
 * Runs until `needed` parts are done; sealing gives the others a little longer, and finding waits
 * for all. Opening asks the members that were fastest so far and, as they fail or take long, the
 * others.
 * REMOTE_OK: at least `needed` are done. Else what kept them: REMOTE_E_DATA only if no member
 * that might yet answer could have helped.
 */
enum remote_rc quorum_fan_run(struct quorum_fan *fan, struct remote_error *err) REMOTE_MUST_CHECK;
void quorum_fan_free(struct remote_secret *memory); /* wipes */

/* quorum_seal.c: plain into a container, and back. */
enum remote_rc quorum_seal(const struct quorum *quorum, struct remote_slice plain,
                           struct remote_slice aad, int64_t deadline_ms, struct remote_buf *ret,
                           struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc quorum_open_container(const struct quorum *quorum, struct remote_slice container,
                                     struct remote_slice aad, int64_t deadline_ms,
                                     struct remote_buf *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/*
 * Shares made anew for the members that the slot has now, in a container whose content stays as it
 * is: for members that were added, retired, replaced, or away when it was made.
 */
enum remote_rc quorum_rewrap(const struct quorum *quorum, struct remote_slice container,
                             int64_t deadline_ms, struct remote_buf *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
