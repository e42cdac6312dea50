/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vault's answers, to every operation. Input: a byte for the operation, one for the number of
 * items, the status in decimal, a newline, the body.
 */
#include "fuzz_reply.h"

#define ITEMS_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char slot_text[] = "[slot web]\nbackend = vault\nurl = http://127.0.0.1:1\n"
                                "insecure_transport = yes\npin = token\n";

/* A failure has one printable line; a success nothing half done. */
static void check(const struct remote_op *op, enum remote_rc rc, const struct remote_error *err)
{
    fuzz_check_error(rc, err);
    for (size_t i = 0; rc == REMOTE_OK && i < op->keys.count; i++)
        if (op->keys.keys[i]->id_len == 0 || op->keys.keys[i]->version == 0 ||
            op->keys.keys[i]->bits == 0)
            abort();
}

static void parse(struct remote_slot *slot, struct remote_op *op, const struct remote_reply *reply)
{
    struct remote_error err = { 0 };
    enum remote_rc rc;

    if (slot->ops->ops[op->kind].parse == NULL)
        return;
    rc = slot->ops->ops[op->kind].parse(slot->conn, op, reply, &err);
    check(op, rc, &err);
    remote_op_clear(op);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "k";
    static const enum remote_alg algs[] = { REMOTE_ALG_ECDSA, REMOTE_ALG_RSA_PKCS1,
                                            REMOTE_ALG_AES_GCM, REMOTE_ALG_AEAD };
    struct remote_item items[ITEMS_MAX] = { 0 };
    struct remote_key key = { .name = name, .version = 1, .type = REMOTE_KEY_EC, .bits = 256 };
    struct remote_op op = { .name = name, .key = &key, .items = items };
    struct remote_reply reply;

    if (size < 3)
        return 0;
    fuzz_enter_guard();
    reply = fuzz_reply(data + 2, size - 2);
    key.slot = fuzz_slot(slot_text, 0);
    op.kind = (enum remote_op_kind)(data[0] % REMOTE_OP_COUNT);
    op.item_count = 1 + data[1] % ITEMS_MAX;
    op.params.alg = algs[data[1] / ITEMS_MAX % ARRAY_SIZE(algs)];
    parse(key.slot, &op, &reply);
    for (size_t i = 0; i < ITEMS_MAX; i++)
        remote_buf_clear(&items[i].out);
    return 0;
}
