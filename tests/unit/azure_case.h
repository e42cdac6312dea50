/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the Azure backend's files share: a slot, an operation, its request, and
 * answers in the shapes of Microsoft's recordings. */
#ifndef TESTS_AZURE_CASE_H
#define TESTS_AZURE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "azure.h"
#include "encode.h"
#include "libctx.h"
#include "slot_private.h"

#define OLD "0123456789abcdef0123456789abcdef"
#define NEW "fedcba9876543210fedcba9876543210"
#define VAULT "https://web.vault.azure.net"
#define CLIENT                                                                                     \
    "auth = client_secret\ntenant_id = t.example\nclient_id = app 1\n"                             \
    "client_secret_env = TEST_AZURE_SECRET\n"
/* A point of P-256 (RFC 7515 A.3), and attributes as the service writes them. */
#define EC_MEMBERS                                                                                 \
    "\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC_BUNDLE(version, attributes)                                                             \
    "{\"key\":{\"kid\":\"" VAULT "/keys/k/" version "\",\"kty\":\"EC\",\"key_ops\":[\"sign\","     \
    "\"verify\"]," EC_MEMBERS "},\"attributes\":{" attributes "}}"

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;
static struct remote_key key;
static struct remote_item item;
static struct remote_op op;
static struct remote_request request;

static inline void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

/* url NULL: the vault's. The slot may be broken. */
static inline void try_slot(const char *url, const char *options)
{
    static char text[2048];
    struct remote_error err = { 0 };

    snprintf(text, sizeof(text), "[slot web]\nbackend = azure\nurl = %s\n%s", url ? url : VAULT,
             options);
    if (remote_config_parse("t.conf", remote_slice_str(text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    slot = remote_slot_open(NULL, config.slots[0]);
    assert_non_null(slot);
}

static inline void open_slot(const char *url, const char *options)
{
    try_slot(url, options);
    if (slot->conn == NULL)
        fail_msg("%s", slot->broken.text);
}

static inline int setup(void **state)
{
    (void)state;
    setenv("TEST_AZURE_SECRET", "s3cret~& =", 1);
    return remote_guard_enter(&guard, NULL) == REMOTE_OK ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    remote_request_clear(&request);
    remote_buf_clear(&item.out);
    remote_buf_clear(&key.spki);
    remote_op_clear(&op);
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
    remote_guard_leave(&guard);
    return 0;
}

static inline void begin(enum remote_op_kind kind, enum remote_key_type type, enum remote_alg alg)
{
    static char name[] = "k", version[] = NEW;

    remote_op_clear(&op);
    remote_buf_clear(&item.out);
    remote_buf_clear(&key.spki);
    memset(&item, 0, sizeof(item));
    key = (struct remote_key){ .slot = slot,
                               .name = name,
                               .version = 2,
                               .version_id = version,
                               .type = type,
                               .bits = type == REMOTE_KEY_RSA ? 2048 : 256,
                               .uses = ~0u };
    op = (struct remote_op){ .kind = kind,
                             .name = name,
                             .key = &key,
                             .params = { .alg = alg },
                             .items = &item,
                             .item_count = 1 };
}

static inline enum remote_rc build(struct remote_error *err)
{
    struct remote_grant grant = { .token = { .data = (unsigned char *)"eyJ.x", .len = 5 } };
    bool open = op.kind == REMOTE_OP_LOGIN || op.kind == REMOTE_OP_HEALTH;

    remote_request_clear(&request);
    memset(err, 0, sizeof(*err));
    return slot->ops->ops[op.kind].build(slot->conn, &op, open ? NULL : &grant, 0, &request, err);
}

static inline const char *text_of(const struct remote_buf *buf)
{
    return buf->data ? (const char *)buf->data : "";
}

static inline void assert_request(const char *method, const char *path, const char *body)
{
    struct remote_error err;

    if (build(&err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_string_equal(request.method, method);
    assert_string_equal(text_of(&request.path), path);
    assert_string_equal(text_of(&request.body), body);
}

static inline enum remote_rc parse_with(int status, const char *body, const char *header,
                                        struct remote_error *err)
{
    struct remote_reply reply = { .status = status,
                                  .body = remote_slice_str(body),
                                  .header = header };

    memset(err, 0, sizeof(*err));
    op.more = false;
    return slot->ops->ops[op.kind].parse(slot->conn, &op, &reply, err);
}

static inline enum remote_rc parse(int status, const char *body, struct remote_error *err)
{
    return parse_with(status, body, "", err);
}

static inline void assert_parses(int status, const char *body)
{
    struct remote_error err;

    if (parse(status, body, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
}

static inline void assert_refused(enum remote_rc rc, int status, const char *body,
                                  const char *words)
{
    struct remote_error err;

    assert_int_equal(parse(status, body, &err), rc);
    assert_says(err.text, words);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
