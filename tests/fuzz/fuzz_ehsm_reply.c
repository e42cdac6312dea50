/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eHSM-KMS's answers, to every operation. Input: a byte for the operation, one for the stage that a
 * read or an import is in, the status in decimal, a newline, the body.
 */
#include "fuzz_reply.h"

#define KEYID "aac3e45a-d3dc-4791-89b6-4ada0e38e6ef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char slot_text[] =
    "[slot e]\nbackend = ehsm\nurl = https://127.0.0.1:1\npin = apikey\n"
    "appid = 8d5dd3b8-3996-40f5-9785-dcb8265981ba\n";

/* A failure has one printable line; a key that was read is complete. */
static void check(const struct remote_op *op, enum remote_rc rc, const struct remote_error *err)
{
    fuzz_check_error(rc, err);
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
    struct remote_reply reply;
    struct remote_error err = { 0 };

    if (size < 3)
        return 0;
    fuzz_enter_guard();
    reply = fuzz_reply(data + 2, size - 2);
    key.slot = fuzz_slot(slot_text, 0);
    op.kind = (enum remote_op_kind)(data[0] % REMOTE_OP_COUNT);
    op.params.alg = data[1] % 2 ? REMOTE_ALG_ECDSA : REMOTE_ALG_AEAD;
    set_stage(&op, data[1]);
    if (key.slot->ops->ops[op.kind].parse != NULL && !writes_names(&op))
        check(&op, key.slot->ops->ops[op.kind].parse(key.slot->conn, &op, &reply, &err), &err);
    remote_op_clear(&op);
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        remote_buf_clear(&items[i].out);
    return 0;
}
