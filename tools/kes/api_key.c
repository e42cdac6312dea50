/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/key/ */
#include <string.h>

#include "api_private.h"
#include "body.h"
#include "go_json.h"

/*
 * Names in one answer. KES gives 1024 and a place to go on at, which nobody can: it is taken as a
 * prefix. This many of the longest names just fit into the 1 MiB that its SDK reads.
 */
#define LIST_MAX 12000
/* Bytes of a body that are worked on where other requests wait for their turn. */
#define NEAR_MAX (1 << 15)
#define BAD_BODY "invalid request body"

/* ---- what they share ---- */

/* Whether to come again in a thread that may wait: nothing has happened yet. */
static bool must_wait(const struct kesd_call *call)
{
    return !call->may_block && (call->request->body.len > NEAR_MAX ||
                                !kesd_keys_is_near(kesd_call_keys(call), call->name));
}

static bool refuse_body(struct kesd_call *call, const char *message)
{
    call->response->close = call->request->body_too_long;
    return kesd_refuse(call, 400, "%s", message);
}

static bool read_body(const struct kesd_call *call, const struct kesd_member *members, size_t count)
{
    return !call->request->body_too_long && kesd_body_read(call->request->body, members, count);
}

/* A use of a key that failed. */
static bool refuse_use(struct kesd_call *call, const struct remote_error *err)
{
    switch (err->rc) {
    case REMOTE_E_NOT_FOUND:
        return kesd_refuse(call, 404, "key does not exist");
    case REMOTE_E_LENGTH: /* more than the key's own service takes */
        return kesd_refuse(call, 400, BAD_BODY);
    default:
        return kesd_refuse_store(call, err, "failed to read key");
    }
}

static void append_member(struct kesd_call *call, const char *before, struct remote_slice bytes)
{
    remote_buf_append_str(&call->response->body, before);
    remote_base64_append(&call->response->body, bytes);
    remote_buf_append_char(&call->response->body, '"');
}

static bool finish(struct kesd_call *call)
{
    remote_buf_append_char(&call->response->body, '}');
    return kesd_answer_json(call);
}

static bool done(struct kesd_call *call)
{
    call->response->status = 200;
    return true;
}

/* ---- use ---- */

static bool generate(struct kesd_call *call, struct remote_slice context,
                     struct remote_secret *plain, struct remote_buf *sealed)
{
    struct remote_error err;

    remote_error_clear(&err);
    if (kesd_keys_generate(kesd_call_keys(call), call->name, context, plain, sealed, &err) !=
        REMOTE_OK)
        return refuse_use(call, &err);
    append_member(call, "{\"plaintext\":\"", remote_secret_slice(plain));
    append_member(call, ",\"ciphertext\":\"", remote_buf_slice(sealed));
    return finish(call);
}

bool kesd_answer_generate(struct kesd_call *call)
{
    CLEANUP(remote_buf_clear) struct remote_buf context = { 0 }, sealed = { 0 };
    const struct kesd_member members[] = { { "context", false, &context } };
    struct remote_secret plain;
    bool answered;

    if (must_wait(call))
        return false;
    if (!call->request->empty && !read_body(call, members, ARRAY_SIZE(members)))
        return refuse_body(call, BAD_BODY);
    plain = kesd_api_take_spare(call->api);
    answered = generate(call, remote_buf_slice(&context), &plain, &sealed);
    kesd_api_give_spare(call->api, &plain);
    return answered;
}

bool kesd_answer_encrypt(struct kesd_call *call)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 }, context = { 0 }, sealed = { 0 };
    const struct kesd_member members[] = { { "plaintext", false, &plain },
                                           { "context", false, &context } };
    struct remote_error err;

    if (must_wait(call))
        return false;
    if (!read_body(call, members, ARRAY_SIZE(members)))
        return refuse_body(call, BAD_BODY);
    remote_error_clear(&err);
    if (kesd_keys_encrypt(kesd_call_keys(call), call->name, remote_buf_slice(&plain),
                          remote_buf_slice(&context), &sealed, &err) != REMOTE_OK)
        return refuse_use(call, &err);
    append_member(call, "{\"ciphertext\":\"", remote_buf_slice(&sealed));
    return finish(call);
}

static bool decrypt(struct kesd_call *call, struct remote_slice sealed, struct remote_slice context,
                    struct remote_secret *plain)
{
    struct remote_error err;
    enum remote_rc rc;

    remote_error_clear(&err);
    rc = kesd_keys_decrypt(kesd_call_keys(call), call->name, sealed, context, plain, &err);
    if (rc == REMOTE_E_DATA || rc == REMOTE_E_LENGTH)
        return kesd_refuse(call, 400, "decryption failed: ciphertext is not authentic");
    if (rc != REMOTE_OK)
        return refuse_use(call, &err);
    append_member(call, "{\"plaintext\":\"", remote_secret_slice(plain));
    return finish(call);
}

bool kesd_answer_decrypt(struct kesd_call *call)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 }, context = { 0 };
    const struct kesd_member members[] = { { "ciphertext", false, &sealed },
                                           { "context", false, &context } };
    struct remote_secret plain;
    bool answered;

    if (must_wait(call))
        return false;
    if (!read_body(call, members, ARRAY_SIZE(members)))
        return refuse_body(call, BAD_BODY);
    plain = kesd_api_take_spare(call->api);
    answered = decrypt(call, remote_buf_slice(&sealed), remote_buf_slice(&context), &plain);
    kesd_api_give_spare(call->api, &plain);
    return answered;
}

bool kesd_answer_hmac(struct kesd_call *call)
{
    CLEANUP(remote_buf_clear) struct remote_buf message = { 0 };
    const struct kesd_member members[] = { { "message", false, &message } };
    unsigned char mac[KESD_KEY_LEN];
    struct remote_error err;
    enum remote_rc rc;

    if (must_wait(call))
        return false;
    if (!read_body(call, members, ARRAY_SIZE(members)))
        return refuse_body(call, BAD_BODY);
    remote_error_clear(&err);
    rc = kesd_keys_hmac(kesd_call_keys(call), call->name, remote_buf_slice(&message), mac, &err);
    if (rc == REMOTE_E_UNSUPPORTED)
        return kesd_refuse(call, 409, "key does not support HMAC");
    if (rc != REMOTE_OK)
        return refuse_use(call, &err);
    append_member(call, "{\"hmac\":\"", remote_slice(mac, sizeof(mac)));
    return finish(call);
}

/* ---- what there is ---- */

bool kesd_answer_describe(struct kesd_call *call)
{
    struct remote_buf *body = &call->response->body;
    struct remote_error err = { 0 };
    struct kesd_info info;

    if (must_wait(call))
        return false;
    if (kesd_keys_describe(kesd_call_keys(call), call->name, &info, &err) != REMOTE_OK)
        return refuse_use(call, &err);
    remote_buf_printf(body, "{\"name\":\"%s\",\"algorithm\":\"%s\",\"created_at\":", call->name,
                      kesd_algorithm_names[info.algorithm]);
    kesd_json_time(body, info.created_s, info.created_ns);
    if (info.created_by[0]) {
        remote_buf_append_str(body, ",\"created_by\":");
        kesd_json_string(body, remote_slice_str(info.created_by));
    }
    return finish(call);
}

static void append_names(struct remote_buf *body, const struct kesd_names *names)
{
    remote_buf_append_str(body, "{\"names\":[");
    for (size_t i = 0; i < names->count; i++) {
        if (i > 0)
            remote_buf_append_char(body, ',');
        kesd_json_string(body, remote_slice_str(names->names[i]));
    }
    remote_buf_append_char(body, ']');
    if (names->more) {
        remote_buf_append_str(body, ",\"continue_at\":");
        kesd_json_string(body, remote_slice_str(names->more));
    }
}

bool kesd_answer_list(struct kesd_call *call)
{
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };
    char prefix[KESD_NAME_MAX + 1];
    struct remote_error err = { 0 };

    if (!kesd_call_pattern(call, prefix))
        return true;
    if (!call->may_block)
        return false;
    if (kesd_keys_list(kesd_call_keys(call), prefix, LIST_MAX, &names, &err) != REMOTE_OK)
        return kesd_refuse_store(call, &err, "failed to list keys");
    append_names(&call->response->body, &names);
    return finish(call);
}

/* ---- what comes and goes ---- */

static bool refuse_create(struct kesd_call *call, const struct remote_error *err)
{
    if (err->rc == REMOTE_E_EXISTS)
        return kesd_refuse(call, 400, "key already exists");
    return kesd_refuse_store(call, err, "failed to create key");
}

bool kesd_answer_create(struct kesd_call *call)
{
    struct remote_error err = { 0 };

    if (!call->may_block)
        return false;
    if (kesd_keys_create(kesd_call_keys(call), call->name, call->identity, &err) != REMOTE_OK)
        return refuse_create(call, &err);
    return done(call);
}

/* False: no such algorithm. */
static bool read_algorithm(struct remote_slice word, enum kesd_algorithm *ret)
{
    static const struct {
        const char *word;
        enum kesd_algorithm algorithm;
    } words[] = {
        { "AES256", KESD_AES256 },
        { "AES256-GCM_SHA256", KESD_AES256 },
        { "ChaCha20", KESD_CHACHA20 },
        { "XCHACHA20-POLY1305", KESD_CHACHA20 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (remote_slice_equal(word, remote_slice_str(words[i].word))) {
            *ret = words[i].algorithm;
            return true;
        }
    return false;
}

static bool refuse_algorithm(struct kesd_call *call, struct remote_slice word)
{
    return kesd_refuse_text(call, 406, "algorithm '", word, "' is not supported");
}

bool kesd_answer_import(struct kesd_call *call)
{
    CLEANUP(remote_buf_clear) struct remote_buf key = { 0 }, cipher = { 0 };
    const struct kesd_member members[] = { { "key", false, &key }, { "cipher", true, &cipher } };
    struct remote_error err = { 0 };
    enum kesd_algorithm algorithm;
    enum remote_rc rc;

    if (!call->may_block)
        return false;
    if (!read_body(call, members, ARRAY_SIZE(members)))
        return refuse_body(call, "invalid import key request body");
    if (!read_algorithm(remote_buf_slice(&cipher), &algorithm))
        return refuse_algorithm(call, remote_buf_slice(&cipher));
    if (key.len != KESD_KEY_LEN)
        return kesd_refuse(call, 406, "invalid key size for '%s'", (const char *)cipher.data);
    rc = kesd_keys_import(kesd_call_keys(call), call->name, call->identity, algorithm,
                          remote_buf_slice(&key), &err);
    if (rc == REMOTE_E_UNSUPPORTED)
        return refuse_algorithm(call, remote_buf_slice(&cipher));
    if (rc != REMOTE_OK)
        return refuse_create(call, &err);
    return done(call);
}

bool kesd_answer_delete(struct kesd_call *call)
{
    struct remote_error err = { 0 };
    enum remote_rc rc;

    if (!call->may_block)
        return false;
    rc = kesd_keys_delete(kesd_call_keys(call), call->name, &err);
    if (rc == REMOTE_E_NOT_FOUND)
        return kesd_refuse(call, 404, "key does not exist");
    if (rc != REMOTE_OK)
        return kesd_refuse_store(call, &err, "failed to delete key");
    return done(call);
}
