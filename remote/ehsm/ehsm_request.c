/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed requests. The signature is over names and values joined by '=' and '&', sorted by name,
 * without any quoting; what JavaScript holds for false is left out of it, though not of the body
 * (ehsm_kms_service/function.js). It is HMAC-SHA256 with the API key as it is written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ehsm.h"
#include "remote/encode.h"
#include "remote/local/local.h"
#include "remote/local/secret_key.h"

#define NONCE_BYTES 16

/* ---- payloads ---- */

static struct remote_buf *insert(struct ehsm_payload *payload, const char *name, bool bare)
{
    size_t at = payload->count;

    if (at == EHSM_FIELDS_MAX)
        return NULL;
    for (; at > 0 && strcmp(payload->fields[at - 1].name, name) > 0; at--)
        payload->fields[at] = payload->fields[at - 1];
    payload->fields[at] = (struct ehsm_field){ .name = name, .bare = bare };
    payload->count++;
    return &payload->fields[at].text;
}

void ehsm_add_text(struct ehsm_payload *payload, const char *name, struct remote_slice text)
{
    struct remote_buf *to = insert(payload, name, false);

    if (to != NULL)
        remote_buf_append(to, text.data, text.len);
}

void ehsm_add_word(struct ehsm_payload *payload, const char *name, const char *word)
{
    ehsm_add_text(payload, name, remote_slice_str(word));
}

void ehsm_add_bytes(struct ehsm_payload *payload, const char *name, struct remote_slice bytes)
{
    struct remote_buf *to = insert(payload, name, false);

    if (to != NULL)
        remote_base64_append(to, bytes);
}

void ehsm_add_number(struct ehsm_payload *payload, const char *name, uint64_t number)
{
    struct remote_buf *to = insert(payload, name, true);

    if (to != NULL)
        remote_buf_append_number(to, number);
}

void ehsm_payload_clear(struct ehsm_payload *payload)
{
    for (size_t i = 0; i < payload->count; i++)
        remote_buf_clear(&payload->fields[i].text);
    payload->count = 0;
}

static enum remote_rc check(const struct ehsm_payload *payload, struct remote_error *err)
{
    for (size_t i = 0; i < payload->count; i++)
        REMOTE_TRY(remote_buf_check(&payload->fields[i].text, err));
    return REMOTE_OK;
}

/* ---- the signature ---- */

static bool is_false(const struct ehsm_field *field)
{
    struct remote_slice text = remote_buf_slice(&field->text);

    return text.len == 0 || (field->bare && remote_slice_equal(text, remote_slice("0", 1)));
}

static void append_fields(struct remote_buf *buf, const struct ehsm_payload *payload)
{
    const char *between = "";

    for (size_t i = 0; i < payload->count; i++) {
        const struct ehsm_field *field = &payload->fields[i];

        if (is_false(field))
            continue;
        remote_buf_append_str(buf, between);
        remote_buf_append_str(buf, field->name);
        remote_buf_append_char(buf, '=');
        remote_buf_append(buf, field->text.data, field->text.len);
        between = "&";
    }
}

void ehsm_append_sign_string(struct remote_buf *buf, const char *appid,
                             const struct ehsm_stamp *stamp, const struct ehsm_payload *payload)
{
    remote_buf_append_str(buf, "appid=");
    remote_buf_append_str(buf, appid);
    if (stamp->nonce[0] != '\0') {
        remote_buf_append_str(buf, "&nonce=");
        remote_buf_append_str(buf, stamp->nonce);
    }
    if (!payload->absent) {
        remote_buf_append_str(buf, "&payload=");
        append_fields(buf, payload);
    }
    remote_buf_append_str(buf, "&timestamp=");
    remote_buf_append_str(buf, stamp->timestamp);
}

static enum remote_rc sign(const char *appid, struct remote_slice apikey,
                           const struct ehsm_stamp *stamp, const struct ehsm_payload *payload,
                           struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    ehsm_append_sign_string(&text, appid, stamp, payload);
    REMOTE_TRY(remote_buf_check(&text, err));
    return remote_mac_once(REMOTE_HASH_SHA256, apikey, remote_buf_slice(&text), ret, err);
}

/* ---- the body ---- */

static void append_member(struct remote_buf *body, const char *name, struct remote_slice value)
{
    remote_buf_printf(body, "\"%s\":", name);
    remote_json_append_string(body, value);
    remote_buf_append_char(body, ',');
}

static void append_payload(struct remote_buf *body, const struct ehsm_payload *payload)
{
    remote_buf_append_str(body, "\"payload\":{");
    for (size_t i = 0; i < payload->count; i++) {
        const struct ehsm_field *field = &payload->fields[i];

        remote_buf_printf(body, "%s\"%s\":", i > 0 ? "," : "", field->name);
        if (field->bare)
            remote_buf_append(body, field->text.data, field->text.len);
        else
            remote_json_append_string(body, remote_buf_slice(&field->text));
    }
    remote_buf_append_str(body, "},");
}

enum remote_rc ehsm_append_signed(struct remote_buf *body, const char *appid,
                                  struct remote_slice apikey, const struct ehsm_stamp *stamp,
                                  const struct ehsm_payload *payload, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };

    REMOTE_TRY(check(payload, err));
    REMOTE_TRY(sign(appid, apikey, stamp, payload, &mac, err));
    remote_buf_append_char(body, '{');
    append_member(body, "appid", remote_slice_str(appid));
    append_member(body, "timestamp", remote_slice_str(stamp->timestamp));
    if (stamp->nonce[0] != '\0')
        append_member(body, "nonce", remote_slice_str(stamp->nonce));
    if (!payload->absent)
        append_payload(body, payload);
    remote_buf_append_str(body, "\"sign\":");
    remote_json_append_base64(body, remote_buf_slice(&mac));
    remote_buf_append_char(body, '}');
    return remote_buf_check(body, err);
}

/* ---- what makes a request unlike every other ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Without a nonce the service refuses a second request of the same millisecond. */
static int64_t unused_ms(struct ehsm *ehsm)
{
    long long last = atomic_load(&ehsm->last_timestamp), next;

    do {
        next = now_ms();
        if (next <= last)
            next = last + 1;
    } while (!atomic_compare_exchange_weak(&ehsm->last_timestamp, &last, next));
    return next;
}

static enum remote_rc make_stamp(struct ehsm *ehsm, bool with_nonce, struct ehsm_stamp *ret,
                                 struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hex = { 0 };
    unsigned char nonce[NONCE_BYTES];

    memset(ret, 0, sizeof(*ret));
    snprintf(ret->timestamp, sizeof(ret->timestamp), "%013" PRId64,
             with_nonce ? now_ms() : unused_ms(ehsm));
    if (!with_nonce)
        return REMOTE_OK;
    REMOTE_TRY(remote_local_random(nonce, sizeof(nonce), err));
    remote_hex_append(&hex, remote_slice(nonce, sizeof(nonce)));
    REMOTE_TRY(remote_buf_check(&hex, err));
    memcpy(ret->nonce, hex.data, hex.len);
    return REMOTE_OK;
}

/* ---- requests ---- */

static void set_path(struct remote_request *request, const char *method, const char *action)
{
    request->method = method;
    remote_buf_append_str(&request->path, "/ehsm?Action=");
    remote_buf_append_str(&request->path, action);
    request->want_date = true; /* for ehsm_reply(): it shows how wrong our clock is */
}

void ehsm_get(const char *action, struct remote_request *request)
{
    set_path(request, "GET", action);
}

enum remote_rc ehsm_request(struct ehsm *ehsm, const struct remote_grant *grant, const char *action,
                            const struct ehsm_payload *payload, bool with_nonce,
                            struct remote_request *request, struct remote_error *err)
{
    struct ehsm_stamp stamp;

    if (ehsm->appid == NULL)
        return REMOTE_FAIL(
            err, REMOTE_E_CONFIG,
            "not enrolled yet; 'hsmbridge ehsm enroll' gives an appid and an API key "
            "for this section");
    set_path(request, "POST", action);
    request->fresh = true; /* what comes a second time is refused as a replay */
    remote_buf_append_str(&request->headers, "Content-Type: application/json\n");
    REMOTE_TRY(make_stamp(ehsm, with_nonce, &stamp, err));
    return ehsm_append_signed(&request->body, ehsm->appid, remote_secret_slice(&grant->token),
                              &stamp, payload, err);
}

enum remote_rc ehsm_send(struct remote_conn *conn, const struct remote_grant *grant,
                         const char *action, struct ehsm_payload *payload,
                         struct remote_request *request, struct remote_error *err)
{
    struct ehsm *ehsm = (struct ehsm *)conn;
    bool with_nonce = atomic_load(&ehsm->nonce) != EHSM_NONCE_OFF;
    enum remote_rc rc = ehsm_request(ehsm, grant, action, payload, with_nonce, request, err);

    ehsm_payload_clear(payload);
    return rc;
}
