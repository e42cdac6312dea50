/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stored form, as recorded:
 *
 *     1: { 1: bytes key 2: uint32 type (1 AES256, 2 ChaCha20) }
 *     2: { 1: bytes key 2: uint32 hash (1 SHA-256) }
 *     3: { 1: int64 seconds 2: int32 nanos }
 *     4: string created_by
 *
 * and before that {"bytes":BASE64,"algorithm"?,"created_at"?,"created_by"?}.
 */
#include "kes_stored.h"

#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "remote/json.h"

#define TEXT_MAX 65536
#define WIRE_VARINT 0 /* protobuf's wire types */
#define WIRE_BYTES 2

const char kes_name_letters[] = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

bool kes_name_fits(struct remote_slice name)
{
    if (name.len == 0 || name.len > KES_NAME_MAX || name.data[0] == '-' ||
        name.data[name.len - 1] == '-' || (name.len == 1 && name.data[0] == '_'))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == '\0' || strchr(kes_name_letters, name.data[i]) == NULL)
            return false;
    return true;
}

/* ---- base64, into locked memory ---- */

static enum remote_rc decode(struct remote_slice text, struct remote_secret *ret,
                             struct remote_error *err)
{
    size_t padding = 0;
    int len;

    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    if (text.len == 0 || text.len % 4 != 0 || text.len > TEXT_MAX)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "not base64");
    REMOTE_TRY(remote_secret_set(ret, NULL, text.len / 4 * 3, err));
    len = EVP_DecodeBlock(ret->data, text.data, (int)text.len);
    if (len < (int)padding || (size_t)len != ret->len)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "not base64");
    ret->len -= padding;
    return REMOTE_OK;
}

/* ---- protobuf, as far as it is needed ---- */

struct field {
    uint64_t number;
    uint64_t value;            /* of a varint */
    struct remote_slice bytes; /* data NULL: it was one */
};

static bool take_varint(struct remote_slice *from, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && from->len > 0; shift += 7) {
        unsigned char byte = *from->data;

        *from = remote_slice(from->data + 1, from->len - 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take_field(struct remote_slice *from, struct field *ret)
{
    uint64_t tag, len;

    *ret = (struct field){ 0 };
    if (!take_varint(from, &tag))
        return false;
    ret->number = tag >> 3;
    if ((tag & 7) == WIRE_VARINT)
        return take_varint(from, &ret->value);
    if ((tag & 7) != WIRE_BYTES || !take_varint(from, &len) || len > from->len)
        return false;
    ret->bytes = remote_slice(from->data, (size_t)len);
    *from = remote_slice(from->data + len, from->len - (size_t)len);
    return true;
}

/* { 1: bytes 2: number }, or with a number as 1. False: it is not whole. */
static bool read_pair(struct remote_slice message, struct field *ret_first, uint64_t *ret_second)
{
    struct field field;

    *ret_first = (struct field){ 0 };
    *ret_second = 0;
    while (message.len > 0) {
        if (!take_field(&message, &field))
            return false;
        if (field.number == 1)
            *ret_first = field;
        else if (field.number == 2)
            *ret_second = field.value;
    }
    return true;
}

static bool read_key(struct remote_slice message, struct remote_secret *ret, uint64_t *ret_type)
{
    struct field key;

    return read_pair(message, &key, ret_type) && key.bytes.len == KES_KEY_LEN &&
           remote_secret_set(ret, key.bytes.data, key.bytes.len, NULL) == REMOTE_OK;
}

static bool set_type(struct kes_stored *stored, uint64_t type)
{
    stored->type = type == 2 ? REMOTE_KEY_CHACHA20 : REMOTE_KEY_AES;
    return type == 1 || type == 2;
}

static bool read_message_field(const struct field *field, struct kes_stored *stored)
{
    struct field seconds;
    uint64_t number = 0;

    switch (field->number) {
    case 1:
        return read_key(field->bytes, &stored->cipher, &number) && set_type(stored, number);
    case 2:
        return read_key(field->bytes, &stored->mac, &number) && number == 1;
    case 3:
        if (!read_pair(field->bytes, &seconds, &number))
            return false;
        stored->created = seconds.value <= INT64_MAX ? (int64_t)seconds.value : 0;
        return true;
    default: /* who made it, and what newer versions may add */
        return true;
    }
}

static enum remote_rc read_protobuf(struct remote_slice text, struct kes_stored *stored,
                                    struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret bytes = { 0 };
    struct remote_slice message;
    struct field field;

    REMOTE_TRY(decode(text, &bytes, err));
    message = remote_secret_slice(&bytes);
    while (message.len > 0)
        if (!take_field(&message, &field) || !read_message_field(&field, stored))
            return REMOTE_FAIL(err, REMOTE_E_DATA, "base64, but of no key as KES stores it");
    if (stored->cipher.len == 0 || stored->mac.len == 0)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "a key as KES stores it, but not whole");
    return REMOTE_OK;
}

/* ---- JSON ---- */

static bool read_algorithm(const char *name, struct kes_stored *stored)
{
    if (name == NULL || strcmp(name, "AES256-GCM_SHA256") == 0 || strcmp(name, "AES256") == 0)
        return set_type(stored, 1);
    return (strcmp(name, "XCHACHA20-POLY1305") == 0 || strcmp(name, "ChaCha20") == 0) &&
           set_type(stored, 2);
}

static int64_t read_time(const char *text)
{
    struct tm tm = { 0 };

    if (text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
        return 0;
    return (int64_t)timegm(&tm);
}

static enum remote_rc read_json(struct remote_slice text, struct kes_stored *stored,
                                struct remote_error *err)
{
    CLEANUP(remote_json_free)
    remote_json *json = remote_json_read(text, &(struct remote_error){ 0 });

    if (json == NULL || !read_algorithm(remote_json_text(json, "algorithm"), stored) ||
        decode(remote_json_slice(json, "bytes"), &stored->cipher, NULL) != REMOTE_OK ||
        stored->cipher.len != KES_KEY_LEN)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "JSON, but of no key as older versions stored it");
    stored->created = read_time(remote_json_text(json, "created_at"));
    return REMOTE_OK;
}

/* ---- either ---- */

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

enum remote_rc kes_stored_read(struct remote_slice text, struct kes_stored *ret,
                               struct remote_error *err)
{
    struct kes_stored stored = { 0 };
    enum remote_rc rc;

    while (text.len > 0 && is_blank(text.data[0]))
        text = remote_slice(text.data + 1, text.len - 1);
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    rc = text.len > 0 && text.data[0] == '{' ? read_json(text, &stored, err)
                                             : read_protobuf(text, &stored, err);
    if (rc != REMOTE_OK) {
        kes_stored_clear(&stored);
        return rc;
    }
    *ret = stored;
    return REMOTE_OK;
}

void kes_stored_clear(struct kes_stored *stored)
{
    remote_secret_clear(&stored->cipher);
    remote_secret_clear(&stored->mac);
    memset(stored, 0, sizeof(*stored));
}
