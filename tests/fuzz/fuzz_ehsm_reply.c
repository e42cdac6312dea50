/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eHSM-KMS's answers, to every operation. Input: a byte for the operation, one for the stage that a
 * read or an import is in, the status in decimal, a newline, the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_guard.h"
#include "slot_private.h"

#define KEYID "aac3e45a-d3dc-4791-89b6-4ada0e38e6ef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct remote_slot *open_slot(void)
{
    static const char text[] = "[slot e]\nbackend = ehsm\nurl = https://127.0.0.1:1\npin = apikey\n"
                               "appid = 8d5dd3b8-3996-40f5-9785-dcb8265981ba\n";
    static struct remote_config config;
    static struct remote_slot *slot;

    if (slot == NULL) {
        if (remote_config_parse("f", remote_slice_str(text), &config, NULL) != REMOTE_OK)
            abort();
        slot = remote_slot_open(NULL, config.slots[0]);
        if (slot == NULL || remote_slot_status(slot, NULL) != REMOTE_OK)
            abort();
    }
    return slot;
}

/* A failure has one printable line; a key that was read is complete. */
static void check(const struct remote_op *op, enum remote_rc rc, const struct remote_error *err)
{
    char printable[REMOTE_ERROR_TEXT_MAX];

    memcpy(printable, err->text, sizeof(printable));
    remote_printable(printable);
    if (strcmp(printable, err->text) != 0 || (rc != REMOTE_OK && err->text[0] == '\0'))
        abort();
    if (rc != REMOTE_OK || op->kind == REMOTE_OP_LIST)
        return;
    for (size_t i = 0; i < op->keys.count; i++)
        if (op->keys.keys[i]->id_len == 0 || op->keys.keys[i]->bits == 0)
            abort();
}

/* Files are none of this target's business. */
static bool writes_names(const struct remote_op *op)
{
    return op->kind == REMOTE_OP_GENERATE || op->kind == REMOTE_OP_LABEL ||
           (op->kind == REMOTE_OP_IMPORT && op->answer.len > 0 && op->answer.data[0] == 'M');
}

static void set_stage(struct remote_op *op, uint8_t stage)
{
    static const char stages[] = "LPUO", steps[] = "WMD";

    if (op->kind == REMOTE_OP_READ)
        remote_buf_append_char(&op->answer, stages[stage % 4]);
    else if (op->kind == REMOTE_OP_IMPORT && stage % 4 < 3)
        remote_buf_append_char(&op->answer, steps[stage % 4]);
    else
        return;
    remote_buf_append_str(&op->answer, KEYID "\x01text");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = KEYID;
    struct remote_item items[2] = { 0 };
    struct remote_key key = {
        .name = name, .version_id = name, .version = 1, .type = REMOTE_KEY_EC, .bits = 256
    };
    struct remote_op op = { .name = name, .key = &key, .items = items, .item_count = 1 };
    struct remote_reply reply = { .header = "" };
    struct remote_error err = { 0 };
    size_t at = 2;

    if (size < 3)
        return 0;
    fuzz_enter_guard();
    key.slot = open_slot();
    op.kind = (enum remote_op_kind)(data[0] % REMOTE_OP_COUNT);
    op.params.alg = data[1] % 2 ? REMOTE_ALG_ECDSA : REMOTE_ALG_AEAD;
    set_stage(&op, data[1]);
    for (; at < size && data[at] >= '0' && data[at] <= '9' && reply.status < 1000; at++)
        reply.status = reply.status * 10 + data[at] - '0';
    at += at < size && data[at] == '\n';
    reply.body = remote_slice(data + at, size - at);
    if (key.slot->ops->ops[op.kind].parse != NULL && !writes_names(&op))
        check(&op, key.slot->ops->ops[op.kind].parse(key.slot->conn, &op, &reply, &err), &err);
    remote_op_clear(&op);
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        remote_buf_clear(&items[i].out);
    return 0;
}
