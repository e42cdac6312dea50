/* SPDX-License-Identifier: Apache-2.0 */
#include "old_ciphertext.h"

#include <string.h>

#include "remote/json.h"

#define IV_LEN 16
#define NONCE_LEN 12
#define TAG_LEN 16

struct parts {
    struct remote_slice body, iv, nonce; /* the tag belongs to the body */
};

static bool put_together(const struct parts *parts, struct remote_buf *ret)
{
    if (parts->iv.len != IV_LEN || parts->nonce.len != NONCE_LEN || parts->body.len < TAG_LEN)
        return false;
    remote_buf_append(ret, parts->body.data, parts->body.len);
    remote_buf_append(ret, parts->iv.data, parts->iv.len);
    remote_buf_append(ret, parts->nonce.data, parts->nonce.len);
    return !ret->failed;
}

/* ---- JSON ---- */

static bool is_algorithm(const char *name)
{
    return name != NULL &&
           (strcmp(name, "AES-256-GCM-HMAC-SHA-256") == 0 || strcmp(name, "ChaCha20Poly1305") == 0);
}

static bool read_json(struct remote_slice sealed, struct remote_buf *ret)
{
    struct remote_error ignored = { 0 };
    CLEANUP(remote_json_free) remote_json *json = remote_json_read(sealed, &ignored);
    CLEANUP(remote_buf_clear) struct remote_buf body = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf iv = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf nonce = { 0 };
    struct parts parts;

    if (json == NULL || !is_algorithm(remote_json_text(json, "aead")) ||
        !remote_base64_decode(remote_json_slice(json, "bytes"), &body) ||
        !remote_base64_decode(remote_json_slice(json, "iv"), &iv) ||
        !remote_base64_decode(remote_json_slice(json, "nonce"), &nonce))
        return false;
    parts =
        (struct parts){ remote_buf_slice(&body), remote_buf_slice(&iv), remote_buf_slice(&nonce) };
    return put_together(&parts, ret);
}

/* ---- msgpack (its specification's str and bin families) ---- */

#define ARRAY_OF_5 0x95
#define FIXSTR 0xa0
#define FIXSTR_MAX 31
#define STR_8 0xd9 /* str 16 and str 32 follow */
#define BIN_8 0xc4 /* bin 16 and bin 32 follow */

/* A length of 1, 2 or 4 bytes, as the type says, and so many bytes. */
static bool take_sized(struct remote_slice *from, unsigned power, struct remote_slice *ret)
{
    struct remote_slice digits;
    size_t len = 0;

    if (power > 2 || !remote_slice_take(from, (size_t)1 << power, &digits))
        return false;
    for (size_t i = 0; i < digits.len; i++)
        len = len << 8 | digits.data[i];
    return remote_slice_take(from, len, ret);
}

static bool take_str(struct remote_slice *from)
{
    struct remote_slice type, text;

    if (!remote_slice_take(from, 1, &type))
        return false;
    if ((type.data[0] & ~FIXSTR_MAX) == FIXSTR)
        return remote_slice_take(from, type.data[0] & FIXSTR_MAX, &text);
    return type.data[0] >= STR_8 && take_sized(from, type.data[0] - STR_8, &text);
}

static bool take_bin(struct remote_slice *from, struct remote_slice *ret)
{
    struct remote_slice type;

    return remote_slice_take(from, 1, &type) && type.data[0] >= BIN_8 &&
           take_sized(from, type.data[0] - BIN_8, ret);
}

static bool read_msgpack(struct remote_slice sealed, struct remote_buf *ret)
{
    struct parts parts = { 0 };
    struct remote_slice array;

    return remote_slice_take(&sealed, 1, &array) && take_str(&sealed) && take_str(&sealed) &&
           take_bin(&sealed, &parts.iv) && take_bin(&sealed, &parts.nonce) &&
           take_bin(&sealed, &parts.body) && sealed.len == 0 && put_together(&parts, ret);
}

bool kesd_old_ciphertext_read(struct remote_slice sealed, struct remote_buf *ret)
{
    if (sealed.len == 0)
        return false;
    if (sealed.data[0] == '{')
        return read_json(sealed, ret);
    return sealed.data[0] == ARRAY_OF_5 && read_msgpack(sealed, ret);
}
