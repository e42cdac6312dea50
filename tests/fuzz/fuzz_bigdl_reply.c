/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BigDL KMS's answers, to every operation at every step. Input: a byte for the operation, one for
 * the step, the status in decimal, a newline, the body.
 */
#include "bigdl.h"
#include "fuzz_reply.h"

#define DATA_KEYS 2
#define STEPS (DATA_KEYS + 1) /* of PROVE: the most that any has */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char slot_text[] = "[slot b]\nbackend = bigdl\nurl = https://127.0.0.1:1\nuser = u\n"
                                "pin = user_token\nprimary_keys = p\ndata_keys = d e\n";

/* A failure has one printable line; a success nothing half done, and keys of one length only. */
static void check(const struct remote_op *op, enum remote_rc rc, const struct remote_error *err)
{
    fuzz_check_error(rc, err);
    if (op->items[0].out.len != 0 && op->items[0].out.len != BIGDL_DATA_LEN)
        abort();
    if (rc != REMOTE_OK)
        return;
    for (size_t i = 0; i < op->keys.count; i++)
        if (op->keys.keys[i]->id_len == 0)
            abort();
    if (op->more && op->step >= STEPS - 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "p";
    struct remote_item items[2] = { 0 };
    struct remote_key key = { .name = name, .version = 1, .type = REMOTE_KEY_AES, .bits = 256 };
    struct remote_op op = { .name = name, .key = &key, .items = items, .item_count = 2 };
    struct remote_reply reply;
    struct remote_error err = { 0 };

    if (size < 3)
        return 0;
    fuzz_enter_guard();
    reply = fuzz_reply(data + 2, size - 2);
    key.slot = fuzz_slot(slot_text, 0);
    op.kind = (enum remote_op_kind)(data[0] % REMOTE_OP_COUNT);
    op.step = data[1] % STEPS;
    if (key.slot->ops->ops[op.kind].parse == NULL)
        return 0;
    check(&op, key.slot->ops->ops[op.kind].parse(key.slot->conn, &op, &reply, &err), &err);
    remote_op_clear(&op);
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        remote_buf_clear(&items[i].out);
    return 0;
}
