/* SPDX-License-Identifier: Apache-2.0 */
#include "coalesce.h"

#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "remote/log.h"
#include "remote/slot_private.h"

/* So many requests of a group are in flight before what follows is collected. Two keep the
 * service busy while the next batch gathers; more only make the batches smaller (measured:
 * tests/bench). */
#define IN_FLIGHT 2
/* Measured on Vault: beyond this a batch only adds latency, since it is served serially. */
#define BATCH_MAX 32

enum item_state {
    ITEM_QUEUED,
    ITEM_LEADS, /* its caller is to send the next batch */
    ITEM_TAKEN, /* in a batch under way */
    ITEM_DONE,
    ITEM_LEFT /* taken, but its caller's deadline passed: the leader wipes and frees it */
};

struct item { /* owns copies, so that its caller may leave */
    enum item_state state;
    struct remote_buf in, out;
    enum remote_rc rc;
    struct remote_error err;
    int64_t deadline_ms;
    struct remote_cond changed;
    struct item *next;
};

struct remote_group { /* operations that may share a request */
    enum remote_op_kind kind;
    struct remote_key *key;
    struct remote_params params;
    struct remote_buf aad;
    unsigned in_flight;
    struct item *head, **tail;
    struct remote_group *next;
};

void remote_coalesce_init(struct remote_coalesce *coalesce)
{
    coalesce->groups = NULL;
    coalesce->generation = remote_fork_generation();
}

static void group_free(struct remote_group *group)
{
    remote_key_unref(group->key);
    remote_buf_clear(&group->aad);
    free(group);
}

void remote_coalesce_clear(struct remote_coalesce *coalesce)
{
    while (coalesce->groups != NULL) {
        struct remote_group *group = coalesce->groups;

        coalesce->groups = group->next;
        group_free(group);
    }
}

static void item_free(struct item *item)
{
    remote_buf_clear(&item->in);
    remote_buf_clear(&item->out);
    remote_cond_destroy(&item->changed);
    free(item);
}

static struct item *item_new(struct remote_slice in, int64_t deadline_ms)
{
    struct item *item = calloc(1, sizeof(*item));

    if (item == NULL)
        return NULL;
    remote_cond_init(&item->changed);
    item->deadline_ms = deadline_ms;
    remote_buf_append(&item->in, in.data, in.len);
    if (item->in.failed) {
        item_free(item);
        return NULL;
    }
    return item;
}

/* ---- groups; the slot's lock is held ---- */

static bool same_params(const struct remote_params *a, const struct remote_params *b)
{
    return a->alg == b->alg && a->hash == b->hash && a->mgf_hash == b->mgf_hash &&
           a->salt_len == b->salt_len && a->wrapping == b->wrapping &&
           remote_slice_equal(a->aad, b->aad);
}

static struct remote_group *group_new(struct remote_slot *slot, enum remote_op_kind kind,
                                      struct remote_key *key, const struct remote_params *params)
{
    struct remote_group *group = calloc(1, sizeof(*group));

    if (group == NULL)
        return NULL;
    remote_buf_append(&group->aad, params->aad.data, params->aad.len);
    if (group->aad.failed) {
        free(group);
        return NULL;
    }
    group->kind = kind;
    group->key = remote_key_ref(key);
    group->params = *params;
    group->params.aad = remote_buf_slice(&group->aad);
    group->tail = &group->head;
    group->next = slot->coalesce.groups;
    slot->coalesce.groups = group;
    return group;
}

/* What was in flight or queued in the parent has no caller in a child. The groups stay as they
 * are in memory: other threads' stacks, which are gone, may have pointed into them. */
static void forget_parent(struct remote_coalesce *coalesce)
{
    if (coalesce->generation == remote_fork_generation())
        return;
    for (struct remote_group *group = coalesce->groups; group != NULL; group = group->next) {
        group->in_flight = 0;
        while (group->head != NULL) { /* their conditions have lost waiters: not destroyed */
            struct item *item = group->head;

            group->head = item->next;
            remote_buf_clear(&item->in);
            free(item);
        }
        group->tail = &group->head;
    }
    coalesce->generation = remote_fork_generation();
}

static struct remote_group *obtain_group(struct remote_slot *slot, enum remote_op_kind kind,
                                         struct remote_key *key, const struct remote_params *params)
{
    forget_parent(&slot->coalesce);
    for (struct remote_group *group = slot->coalesce.groups; group != NULL; group = group->next)
        if (group->kind == kind && group->key == key && same_params(&group->params, params))
            return group;
    return group_new(slot, kind, key, params);
}

static void drop_if_idle(struct remote_slot *slot, struct remote_group *group)
{
    struct remote_group **at = &slot->coalesce.groups;

    if (group->in_flight > 0 || group->head != NULL)
        return;
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    group_free(group);
}

static void enqueue(struct remote_group *group, struct item *item)
{
    *group->tail = item;
    group->tail = &item->next;
}

static struct item *dequeue(struct remote_group *group)
{
    struct item *item = group->head;

    group->head = item->next;
    if (group->head == NULL)
        group->tail = &group->head;
    item->next = NULL;
    return item;
}

static void unqueue(struct remote_group *group, struct item *item)
{
    struct item **at = &group->head;

    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    if (*at == NULL)
        group->tail = at;
}

/* One request of the group has ended: the first who waits sends the next. */
static void pass_on(struct remote_slot *slot, struct remote_group *group)
{
    group->in_flight--;
    if (group->head != NULL) {
        struct item *leader = dequeue(group);

        group->in_flight++;
        leader->state = ITEM_LEADS;
        remote_cond_broadcast(&leader->changed);
    } else {
        drop_if_idle(slot, group);
    }
}

/* ---- requests; no lock is held ---- */

static enum remote_rc send_one(struct remote_slot *slot, enum remote_op_kind kind,
                               struct remote_key *key, const struct remote_params *params,
                               struct remote_slice in, int64_t deadline_ms,
                               struct remote_buf *ret_out, struct remote_error *err)
{
    struct remote_item item = { .in = in };
    struct remote_call call;
    enum remote_rc rc;

    remote_call_init(&call, slot, kind);
    call.op.key = key;
    call.op.params = *params;
    call.op.items = &item;
    call.op.item_count = 1;
    call.deadline_ms = deadline_ms;
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK)
        *ret_out = item.out;
    else
        remote_buf_clear(&item.out);
    remote_call_clear(&call);
    return rc;
}

/* Failures that say something of the whole request, and nothing of each item in it. */
static bool blames_the_batch(enum remote_rc rc)
{
    return rc == REMOTE_E_RIGHTS || rc == REMOTE_E_DATA || rc == REMOTE_E_LENGTH ||
           rc == REMOTE_E_PARAM || rc == REMOTE_E_NOT_FOUND;
}

static void send_each_alone(struct remote_slot *slot, struct remote_call *batch)
{
    size_t count = batch->op.item_count;
    struct remote_call *calls = calloc(count, sizeof(*calls)), *pointers[BATCH_MAX];

    for (size_t i = 0; calls == NULL && i < count; i++)
        batch->op.items[i].rc =
            REMOTE_FAIL(&batch->op.items[i].err, REMOTE_E_NOMEM, "out of memory");
    if (calls == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        remote_call_init(&calls[i], slot, batch->op.kind);
        calls[i].op.key = batch->op.key;
        calls[i].op.params = batch->op.params;
        calls[i].op.items = &batch->op.items[i];
        calls[i].op.item_count = 1;
        calls[i].deadline_ms = batch->deadline_ms;
        pointers[i] = &calls[i];
    }
    remote_exchange(pointers, count, count, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        batch->op.items[i].rc = calls[i].rc;
        batch->op.items[i].err = calls[i].err;
        remote_call_clear(&calls[i]);
    }
    free(calls);
}

static void send_batch(struct remote_slot *slot, struct remote_group *group,
                       struct remote_item *items, size_t count, int64_t deadline_ms)
{
    struct remote_call call;

    remote_call_init(&call, slot, group->kind);
    call.op.key = group->key;
    call.op.params = group->params;
    call.op.items = items;
    call.op.item_count = count;
    call.deadline_ms = deadline_ms;
    remote_exchange(&(struct remote_call *){ &call }, 1, 1, NULL, NULL);
    if (count > 1) {
        atomic_fetch_add_explicit(&slot->counters.batches, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&slot->counters.batched_items, count, memory_order_relaxed);
    }
    if (call.rc != REMOTE_OK && count > 1 && blames_the_batch(call.rc)) {
        if (call.rc == REMOTE_E_RIGHTS) { /* its policy may forbid batch_input alone */
            remote_log(REMOTE_LOG_INFO,
                       "slot '%s': key '%s': the service refuses batches; sending "
                       "each operation alone",
                       slot->name, group->key->name);
            atomic_store(&group->key->no_batch, true);
        }
        send_each_alone(slot, &call);
    } else if (call.rc != REMOTE_OK || count == 1) {
        for (size_t i = 0; i < count; i++) {
            items[i].rc = call.rc;
            items[i].err = call.err;
        }
    }
    remote_call_clear(&call);
}

/* ---- leader and follower; the slot's lock is held on entry and exit ---- */

static size_t take_batch(struct remote_group *group, struct item *own, size_t max,
                         struct item **taken)
{
    size_t count = 0;

    taken[count++] = own;
    while (count < max && group->head != NULL)
        taken[count++] = dequeue(group);
    for (size_t i = 0; i < count; i++)
        taken[i]->state = ITEM_TAKEN;
    return count;
}

static void deliver(struct item *item, struct remote_item *result)
{
    item->rc = result->rc;
    item->err = result->err;
    item->out = result->out;
    if (item->state == ITEM_LEFT) {
        item_free(item);
        return;
    }
    item->state = ITEM_DONE;
    remote_cond_broadcast(&item->changed);
}

static void lead(struct remote_slot *slot, struct remote_group *group, struct item *own,
                 size_t batch_max)
{
    struct item *taken[BATCH_MAX];
    struct remote_item items[BATCH_MAX];
    size_t count = take_batch(group, own, batch_max < BATCH_MAX ? batch_max : BATCH_MAX, taken);
    int64_t deadline_ms = 0;

    memset(items, 0, sizeof(items));
    for (size_t i = 0; i < count; i++) {
        items[i].in = remote_buf_slice(&taken[i]->in);
        if (taken[i]->deadline_ms > deadline_ms)
            deadline_ms = taken[i]->deadline_ms;
    }
    remote_lock_release(&slot->lock);
    send_batch(slot, group, items, count, deadline_ms);
    remote_lock_acquire(&slot->lock);
    for (size_t i = 0; i < count; i++)
        deliver(taken[i], &items[i]);
    pass_on(slot, group);
}

/* Waits for a result, or to be made the leader. False: the deadline passed. */
static bool follow(struct remote_slot *slot, struct remote_group *group, struct item *item)
{
    while (item->state == ITEM_QUEUED || item->state == ITEM_TAKEN) {
        if (remote_cond_wait(&item->changed, &slot->lock, item->deadline_ms))
            continue;
        if (item->state == ITEM_QUEUED) {
            unqueue(group, item);
            item_free(item);
            return false;
        }
        if (item->state == ITEM_TAKEN) {
            item->state = ITEM_LEFT;
            return false;
        }
    }
    return true;
}

static enum remote_rc run_in_company(struct remote_slot *slot, struct remote_group *group,
                                     struct remote_slice in, size_t batch_max, int64_t deadline_ms,
                                     struct remote_buf *ret_out, struct remote_error *err)
{
    struct item *item = item_new(in, deadline_ms);
    enum remote_rc rc;

    if (item == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    enqueue(group, item);
    if (!follow(slot, group, item))
        return REMOTE_FAIL(err, REMOTE_E_TIMEOUT, "slot '%s': no answer within %lld ms", slot->name,
                           (long long)slot->policy.timeout_ms);
    if (item->state == ITEM_LEADS)
        lead(slot, group, item, batch_max);
    rc = item->rc;
    if (rc == REMOTE_OK) {
        *ret_out = item->out;
        memset(&item->out, 0, sizeof(item->out));
    } else {
        if (err != NULL)
            *err = item->err;
        remote_slot_note_status(item->err.http_status);
    }
    item_free(item);
    return rc;
}

enum remote_rc remote_coalesce_run(struct remote_slot *slot, enum remote_op_kind kind,
                                   struct remote_key *key, const struct remote_params *params,
                                   struct remote_slice in, size_t batch_max, int64_t deadline_ms,
                                   struct remote_buf *ret_out, struct remote_error *err)
{
    struct remote_group *group;
    enum remote_rc rc;

    if (batch_max <= 1 || atomic_load(&key->no_batch))
        return send_one(slot, kind, key, params, in, deadline_ms, ret_out, err);
    remote_lock_acquire(&slot->lock);
    group = obtain_group(slot, kind, key, params);
    if (group == NULL) {
        rc = REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    } else if (group->in_flight >= IN_FLIGHT) {
        rc = run_in_company(slot, group, in, batch_max, deadline_ms, ret_out, err);
    } else {
        group->in_flight++;
        remote_lock_release(&slot->lock);
        rc = send_one(slot, kind, key, params, in, deadline_ms, ret_out, err);
        remote_lock_acquire(&slot->lock);
        pass_on(slot, group);
    }
    remote_lock_release(&slot->lock);
    return rc;
}
