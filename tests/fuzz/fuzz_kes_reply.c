/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KES's answers, to every operation. Input: a byte for the operation, the status in decimal, a
 * newline, the body.
 */
#include "fuzz_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char slot_text[] =
    "[slot k]\nbackend = kes\nurl = https://127.0.0.1:1\npin = apikey\n";

/* A failure has one printable line; a success nothing half done. */
static void check(const struct remote_op *op, enum remote_rc rc, const struct remote_error *err)
{
    fuzz_check_error(rc, err);
    if (rc != REMOTE_OK)
        return;
    for (size_t i = 0; i < op->keys.count; i++)
        if (op->keys.keys[i]->id_len == 0 || op->keys.keys[i]->bits != 256)
            abort();
    if (op->names.next_page != NULL && strchr(op->names.next_page, '/') == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "k";
    struct remote_item items[2] = { 0 };
    struct remote_key key = { .name = name, .version = 1, .type = REMOTE_KEY_AES, .bits = 256 };
    struct remote_op op = { .name = name, .key = &key, .items = items, .item_count = 1 };
    struct remote_reply reply;
    struct remote_error err = { 0 };

    if (size < 2)
        return 0;
    fuzz_enter_guard();
    reply = fuzz_reply(data + 1, size - 1);
    key.slot = fuzz_slot(slot_text, 0);
    op.kind = (enum remote_op_kind)(data[0] % REMOTE_OP_COUNT);
    if (key.slot->ops->ops[op.kind].parse == NULL)
        return 0;
    check(&op, key.slot->ops->ops[op.kind].parse(key.slot->conn, &op, &reply, &err), &err);
    remote_op_clear(&op);
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        remote_buf_clear(&items[i].out);
    return 0;
}
