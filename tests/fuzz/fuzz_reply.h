/* SPDX-License-Identifier: Apache-2.0 */
/* For targets that hand a service's answers to its backend: a slot of its own, no request made. */
#ifndef TESTS_FUZZ_REPLY_H
#define TESTS_FUZZ_REPLY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_guard.h"
#include "slot_private.h"

/* The index-th slot of this text, which is read once. */
static inline struct remote_slot *fuzz_slot(const char *text, size_t index)
{
    static struct remote_config config;
    static struct remote_slot *slots[2];

    if (config.slot_count == 0 &&
        remote_config_parse("f", remote_slice_str(text), &config, NULL) != REMOTE_OK)
        abort();
    if (slots[index] == NULL) {
        slots[index] = remote_slot_open(NULL, config.slots[index]);
        if (slots[index] == NULL || remote_slot_status(slots[index], NULL) != REMOTE_OK)
            abort();
    }
    return slots[index];
}

/* Takes a decimal status off the front. */
static inline int fuzz_take_status(struct remote_slice *in)
{
    size_t at = 0;
    int status = 0;

    for (; at < in->len && in->data[at] >= '0' && in->data[at] <= '9' && status < 1000; at++)
        status = status * 10 + in->data[at] - '0';
    *in = remote_slice(in->data + at, in->len - at);
    return status;
}

/* The status, a newline, the body. */
static inline struct remote_reply fuzz_reply(const uint8_t *data, size_t size)
{
    struct remote_slice rest = remote_slice(data, size);
    struct remote_reply reply = { .status = fuzz_take_status(&rest), .header = "" };
    size_t newline = rest.len > 0 && rest.data[0] == '\n';

    reply.body = remote_slice(rest.data + newline, rest.len - newline);
    return reply;
}

/* A failure has one printable line. */
static inline void fuzz_check_error(enum remote_rc rc, const struct remote_error *err)
{
    char printable[REMOTE_ERROR_TEXT_MAX];

    memcpy(printable, err->text, sizeof(printable));
    remote_printable(printable);
    if (strcmp(printable, err->text) != 0 || (rc != REMOTE_OK && err->text[0] == '\0'))
        abort();
}

#endif
