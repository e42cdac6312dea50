/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure's answers, to every operation and in every step of those that take several. Input: a byte
 * for the operation, one for algorithm and service, then answers: the status in decimal, a line
 * with the header that was asked for, the body, and a NUL before the next one.
 */
#include "fuzz_reply.h"

#define STEPS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char slot_text[] = "[slot kv]\nbackend = azure\nurl = https://web.vault.azure.net\n"
                                "[slot hsm]\nbackend = azure\n"
                                "url = https://web.managedhsm.azure.net\n";

/* A failure has one printable line; a success nothing half done. */
static void check(const struct remote_op *op, enum remote_rc rc, const struct remote_error *err)
{
    fuzz_check_error(rc, err);
    for (size_t i = 0; rc == REMOTE_OK && !op->more && i < op->keys.count; i++)
        if (op->keys.keys[i]->id_len == 0 || op->keys.keys[i]->version == 0 ||
            op->keys.keys[i]->bits == 0 || op->keys.keys[i]->version_id == NULL)
            abort();
    if (rc == REMOTE_OK && op->grant.token.len > 0 && op->grant.lifetime_s <= 0)
        abort();
}

/* The request of a step is made, too: what an answer said may have come into it. */
static void build(struct remote_slot *slot, const struct remote_op *op)
{
    struct remote_request request = { 0 };
    const struct remote_grant grant = { .token = { .data = (unsigned char *)"t", .len = 1 } };
    struct remote_error err = { 0 };

    if (slot->ops->ops[op->kind].build(slot->conn, op, &grant, 0, &request, &err) == REMOTE_OK)
        for (size_t i = 0; i < request.path.len; i++)
            if (request.path.data[i] <= 0x20 || request.path.data[i] >= 0x7f)
                abort();
    remote_request_clear(&request);
}

/* Takes one answer off the front. */
static struct remote_reply next_reply(struct remote_slice *rest, char *header, size_t header_size)
{
    const unsigned char *end = memchr(rest->data, '\0', rest->len);
    size_t len = end ? (size_t)(end - rest->data) : rest->len, at, line;
    struct remote_slice answer = remote_slice(rest->data, len);
    struct remote_reply reply = { .status = fuzz_take_status(&answer), .header = header };

    at = len - answer.len;
    at += at < len && rest->data[at] == ' ';
    for (line = at; line < len && rest->data[line] != '\n';)
        line++;
    snprintf(header, header_size, "%.*s", (int)(line - at), (const char *)rest->data + at);
    at = line + (line < len);
    reply.body = remote_slice(rest->data + at, len - at);
    len += end != NULL;
    *rest = remote_slice(rest->data + len, rest->len - len);
    return reply;
}

static void run(struct remote_slot *slot, struct remote_op *op, struct remote_slice rest)
{
    for (; op->step < STEPS_MAX; op->step++) {
        char header[REMOTE_HEADER_MAX];
        struct remote_reply reply = next_reply(&rest, header, sizeof(header));
        struct remote_error err = { 0 };
        enum remote_rc rc;

        op->more = false;
        rc = slot->ops->ops[op->kind].parse(slot->conn, op, &reply, &err);
        check(op, rc, &err);
        if (rc != REMOTE_OK || !op->more)
            return;
        op->step++;
        build(slot, op);
        op->step--;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "k", version[] = "0123456789abcdef0123456789abcdef";
    static const enum remote_alg algs[] = { REMOTE_ALG_ECDSA, REMOTE_ALG_RSA_PKCS1,
                                            REMOTE_ALG_AES_GCM, REMOTE_ALG_AES_CBC };
    struct remote_item item = { .in = remote_slice(data, size < 32 ? size : 32) };
    struct remote_key key = {
        .name = name, .version = 1, .version_id = version, .type = REMOTE_KEY_RSA, .bits = 2048
    };
    struct remote_op op = { .name = name, .key = &key, .items = &item, .item_count = 1 };

    if (size < 3)
        return 0;
    fuzz_enter_guard();
    key.slot = fuzz_slot(slot_text, (data[1] & 4) != 0);
    op.kind = (enum remote_op_kind)(data[0] % REMOTE_OP_COUNT);
    op.params.alg = algs[data[1] % 4];
    if (key.slot->ops->ops[op.kind].parse != NULL)
        run(key.slot, &op, remote_slice(data + 2, size - 2));
    remote_op_clear(&op);
    remote_buf_clear(&item.out);
    return 0;
}
