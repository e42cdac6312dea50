/* SPDX-License-Identifier: Apache-2.0 */
/* A BigDL slot without a network, and one operation on it at a time; for the tests of its files. */
#ifndef TESTS_BIGDL_CASE_H
#define TESTS_BIGDL_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bigdl.h"
#include "libctx.h"
#include "slot_private.h"

#define BIGDL_TOKEN "t+1 /%"
#define BIGDL_QUERY "user=al%20ice&token=t%2B1%20%2F%25"
#define BIGDL_KEYS "primary_keys = p1 p2\ndata_keys = p1/d1 p2/d2\n"
/* As recorded: the exception's line, and advice. */
#define BIGDL_THROWN(line) line "\n please get the data key like: GET /dataKey/{dataKeyName}?..."
#define BIGDL_NULL                                                                                 \
    "Cannot invoke \"String.getBytes(java.nio.charset.Charset)\" because \"src\" is null"
#define BIGDL_PADDING                                                                              \
    "Given final block not properly padded. Such issues can arise if a bad key is used during "    \
    "decryption."

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;
static struct remote_key key;
static struct remote_item items[2];
static struct remote_op op;
static struct remote_request request;

static inline void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

static inline void close_slot(void)
{
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
}

static inline void open_slot(const char *options)
{
    static char text[4096];
    struct remote_error err = { 0 };

    close_slot();
    snprintf(text, sizeof(text), "[slot b]\nbackend = bigdl\nurl = https://127.0.0.1:1\n%s",
             options);
    if (remote_config_parse("t.conf", remote_slice_str(text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    slot = remote_slot_open(NULL, config.slots[0]);
    assert_non_null(slot);
}

static inline int setup(void **state)
{
    (void)state;
    setenv("TEST_BIGDL_TOKEN", BIGDL_TOKEN, 1);
    return remote_guard_enter(&guard, NULL) == REMOTE_OK ? 0 : -1;
}

static inline void clear_items(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        remote_buf_clear(&items[i].out);
    memset(items, 0, sizeof(items));
}

static inline int teardown(void **state)
{
    (void)state;
    remote_request_clear(&request);
    clear_items();
    remote_op_clear(&op);
    close_slot();
    remote_guard_leave(&guard);
    return 0;
}

/* key_name: of the operation's key, a primary one unless data_keys names it. */
static inline void begin(enum remote_op_kind kind, const char *name, const char *key_name)
{
    static char owned[128];

    if (slot == NULL)
        open_slot("user = al ice\nuser_token_env = TEST_BIGDL_TOKEN\n" BIGDL_KEYS);
    if (slot->conn == NULL)
        fail_msg("%s", slot->broken.text);
    remote_request_clear(&request);
    clear_items();
    remote_op_clear(&op);
    snprintf(owned, sizeof(owned), "%s", key_name ? key_name : "");
    key = (struct remote_key){ .slot = slot, .name = owned, .version = 1 };
    key.released = bigdl_find_data_key((struct bigdl *)slot->conn, owned) != NULL;
    op = (struct remote_op){
        .kind = kind, .name = name, .key = &key, .items = items, .item_count = 1
    };
}

static inline enum remote_rc build(struct remote_error *err)
{
    struct remote_grant grant = { 0 };
    enum remote_rc rc;

    remote_request_clear(&request);
    memset(err, 0, sizeof(*err));
    assert_int_equal(slot->ops->grant(slot->conn, remote_slice(NULL, 0), &grant, err), REMOTE_OK);
    rc = slot->ops->ops[op.kind].build(slot->conn, &op, &grant, 0, &request, err);
    remote_secret_clear(&grant.token);
    return rc;
}

static inline const char *text_of(const struct remote_buf *buf)
{
    return buf->data ? (const char *)buf->data : "";
}

static inline void assert_request(const char *method, const char *path)
{
    struct remote_error err;

    if (build(&err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_string_equal(request.method, method);
    assert_string_equal(text_of(&request.path), path);
    assert_int_equal(request.body.len, 0);
    assert_true(request.secret_query);
}

/* A data key of a random UUID, under that primary key (NULL: one of a random UUID). */
static inline void assert_probe(const char *primary)
{
    struct remote_error err;
    char data[37], other[37], expected[256];

    if (build(&err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_string_equal(request.method, "GET");
    assert_true(request.path.len > 80);
    snprintf(data, sizeof(data), "%.36s", text_of(&request.path) + strlen("/dataKey/"));
    assert_int_equal(data[14], '4');
    snprintf(other, sizeof(other), "%.36s",
             text_of(&request.path) + strlen("/dataKey/") + 36 + strlen("?primaryKeyName="));
    snprintf(expected, sizeof(expected), "/dataKey/%s?primaryKeyName=%s&%s", data,
             primary ? primary : other, BIGDL_QUERY);
    assert_string_equal(text_of(&request.path), expected);
}

static inline enum remote_rc parse(int status, const char *body, struct remote_error *err)
{
    struct remote_reply reply = { .status = status, .body = remote_slice_str(body) };

    memset(err, 0, sizeof(*err));
    return slot->ops->ops[op.kind].parse(slot->conn, &op, &reply, err);
}

static inline void assert_parses(int status, const char *body)
{
    struct remote_error err;

    if (parse(status, body, &err) != REMOTE_OK)
        fail_msg("%s: %s", body, err.text);
}

static inline void assert_fails(int status, const char *body, enum remote_rc rc, const char *part)
{
    struct remote_error err;

    assert_int_equal(parse(status, body, &err), rc);
    assert_says(err.text, part);
    assert_null(strstr(err.text, "please get"));
}

#endif
