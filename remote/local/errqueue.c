/* SPDX-License-Identifier: Apache-2.0 */
/* ERR_get_state() is the only exact way on 3.0 and 3.1, and deprecated there already. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "errqueue.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#ifndef ERR_NUM_ERRORS
#define ERR_NUM_ERRORS 16
#endif
#define QUEUE_MAX ERR_NUM_ERRORS

/*
 * OSSL_ERR_STATE_save() and _restore() of 3.2 forget marks, so they are not used: a host that
 * set a mark before it called us would later pop its whole queue. Its ERR_count_to_mark() tells
 * where the marks are; built with older headers it is looked for at run time.
 */
#if !OPENSSL_VERSION_PREREQ(3, 2)
int ERR_count_to_mark(void) __attribute__((weak));

_Static_assert(sizeof(struct err_state_st) <= sizeof(((struct remote_errqueue *)0)->u.state),
               "the error state fits");
_Static_assert(sizeof(((struct err_state_st *)0)->err_buffer) == QUEUE_MAX * sizeof(long),
               "the error state is laid out as in 3.0");

/* The struct is public up to 3.1; what a later library does with it is its own affair. */
static ERR_STATE *known_state(void)
{
    ERR_STATE *state;

    if (OPENSSL_version_major() != 3 || OPENSSL_version_minor() > 1)
        return NULL;
    state = ERR_get_state();
    if (state == NULL || state->top < 0 || state->top >= QUEUE_MAX || state->bottom < 0 ||
        state->bottom >= QUEUE_MAX)
        return NULL;
    return state;
}

static bool save_state(struct remote_errqueue *queue)
{
    ERR_STATE *state = known_state();

    if (state == NULL)
        return false;
    memcpy(queue->u.state, state, sizeof(*state));
    memset(state, 0, sizeof(*state));
    queue->how = REMOTE_ERRQUEUE_STATE;
    return true;
}

/* The queue is empty, but keeps the buffers of its texts for reuse. */
static void restore_state(const struct remote_errqueue *queue)
{
    ERR_STATE *state = known_state();

    if (state == NULL)
        return;
    for (int i = 0; i < QUEUE_MAX; i++) {
        if (state->err_data_flags[i] & ERR_TXT_MALLOCED)
            OPENSSL_free(state->err_data[i]);
    }
    memcpy(state, queue->u.state, sizeof(*state));
}

static bool have_count_to_mark(void)
{
    return ERR_count_to_mark != NULL;
}
#else
static bool save_state(struct remote_errqueue *queue)
{
    (void)queue;
    return false;
}

static void restore_state(const struct remote_errqueue *queue)
{
    (void)queue;
}

static bool have_count_to_mark(void)
{
    return true;
}
#endif

struct remote_errqueue_entry {
    unsigned long code;
    char *file, *func, *data; /* owned; NULL: none */
    int line, marks;
};

/* Removes every mark; marks[i] is how many there were on the i-th entry, the newest is 0. */
static void take_marks(int marks[QUEUE_MAX])
{
    memset(marks, 0, QUEUE_MAX * sizeof(marks[0]));
    if (!have_count_to_mark())
        return;
    for (;;) {
        int newer = ERR_count_to_mark();

        if (ERR_clear_last_mark() != 1 || newer < 0 || newer >= QUEUE_MAX)
            return;
        marks[newer]++;
    }
}

/* A text that cannot be copied is lost; the entry is not. */
static char *copy_of(const char *text)
{
    return text != NULL && *text != '\0' ? strdup(text) : NULL;
}

static bool take_entry(struct remote_errqueue_entry *ret)
{
    const char *file, *func, *data;
    int flags;

    ret->code = ERR_get_error_all(&file, &ret->line, &func, &data, &flags);
    if (ret->code == 0)
        return false;
    ret->file = copy_of(file);
    ret->func = copy_of(func);
    ret->data = flags & ERR_TXT_STRING ? copy_of(data) : NULL;
    return true;
}

bool remote_errqueue_save_entries(struct remote_errqueue *queue)
{
    struct remote_errqueue_entry *list = calloc(QUEUE_MAX, sizeof(*list));
    int marks[QUEUE_MAX];
    int count = 0;

    if (list == NULL)
        return false;
    take_marks(marks);
    while (count < QUEUE_MAX && take_entry(&list[count]))
        count++;
    for (int i = 0; i < count; i++)
        list[i].marks = marks[count - 1 - i];
    queue->how = REMOTE_ERRQUEUE_ENTRIES;
    queue->u.entries.list = list;
    queue->u.entries.count = count;
    return true;
}

static void raise_entry(struct remote_errqueue_entry *entry)
{
    ERR_new();
    ERR_set_debug(entry->file, entry->line, entry->func);
    if (entry->data != NULL)
        ERR_set_error(ERR_GET_LIB(entry->code), ERR_GET_REASON(entry->code), "%s", entry->data);
    else
        ERR_set_error(ERR_GET_LIB(entry->code), ERR_GET_REASON(entry->code), NULL);
    while (entry->marks-- > 0)
        ERR_set_mark();
}

static void restore_entries(struct remote_errqueue *queue)
{
    for (int i = 0; i < queue->u.entries.count; i++) {
        struct remote_errqueue_entry *entry = &queue->u.entries.list[i];

        raise_entry(entry);
        free(entry->file);
        free(entry->func);
        free(entry->data);
    }
    free(queue->u.entries.list);
}

bool remote_errqueue_save(struct remote_errqueue *queue)
{
    queue->how = REMOTE_ERRQUEUE_NOTHING;
    if (ERR_peek_error() == 0)
        return true;
    return save_state(queue) || remote_errqueue_save_entries(queue);
}

void remote_errqueue_restore(struct remote_errqueue *queue)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
    if (queue->how == REMOTE_ERRQUEUE_STATE)
        restore_state(queue);
    else if (queue->how == REMOTE_ERRQUEUE_ENTRIES)
        restore_entries(queue);
    queue->how = REMOTE_ERRQUEUE_NOTHING;
}
