/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vault's answers, to every operation. Input: a byte for the operation, one for the number of
 * items, the status in decimal, a newline, the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_guard.h"
#include "slot_private.h"

#define ITEMS_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct remote_slot *open_slot(void)
{
    static const char text[] = "[slot web]\nbackend = vault\nurl = http://127.0.0.1:1\n"
                               "insecure_transport = yes\npin = token\n";
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

/* A failure has one printable line; a success nothing half done. */
static void check(const struct remote_op *op, enum remote_rc rc, const struct remote_error *err)
{
    char printable[REMOTE_ERROR_TEXT_MAX];

    memcpy(printable, err->text, sizeof(printable));
    remote_printable(printable);
    if (strcmp(printable, err->text) != 0 || (rc != REMOTE_OK && err->text[0] == '\0'))
        abort();
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
    struct remote_reply reply = { 0 };
    size_t at = 2;

    if (size < 3)
        return 0;
    fuzz_enter_guard();
    key.slot = open_slot();
    op.kind = (enum remote_op_kind)(data[0] % REMOTE_OP_COUNT);
    op.item_count = 1 + data[1] % ITEMS_MAX;
    op.params.alg = algs[data[1] / ITEMS_MAX % ARRAY_SIZE(algs)];
    for (; at < size && data[at] >= '0' && data[at] <= '9' && reply.status < 1000; at++)
        reply.status = reply.status * 10 + data[at] - '0';
    at += at < size && data[at] == '\n';
    reply.body = remote_slice(data + at, size - at);
    parse(key.slot, &op, &reply);
    for (size_t i = 0; i < ITEMS_MAX; i++)
        remote_buf_clear(&items[i].out);
    return 0;
}
