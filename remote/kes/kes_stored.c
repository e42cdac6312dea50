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

#include <ctype.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "remote/json.h"

#define TEXT_MAX 65536
#define NANOS_MAX 999999999
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

/* An identity is hex; whatever else stood there would go into answers and logs. */
static void set_creator(struct kes_stored *stored, struct remote_slice text)
{
    if (text.data == NULL || text.len > KES_IDENTITY_LEN)
        return;
    for (size_t i = 0; i < text.len; i++)
        if (!isalnum(text.data[i]))
            return;
    memcpy(stored->created_by, text.data, text.len);
    stored->created_by[text.len] = '\0';
}

static void set_time(struct kes_stored *stored, uint64_t seconds, uint64_t nanos)
{
    stored->created = seconds <= INT64_MAX ? (int64_t)seconds : 0;
    stored->created_ns = nanos <= NANOS_MAX ? (int32_t)nanos : 0;
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
        set_time(stored, seconds.value, number);
        return true;
    case 4:
        set_creator(stored, field->bytes);
        return true;
    default: /* what newer versions may add */
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

/* RFC 3339 with a 'Z', as Go writes it; its fraction has one to nine digits. */
static void read_time(const char *text, struct kes_stored *stored)
{
    struct tm tm = { 0 };
    const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    uint64_t nanos = 0;
    int64_t seconds;

    if (rest == NULL)
        return;
    if (*rest == '.')
        rest++;
    for (int i = 0; i < 9; i++)
        nanos = nanos * 10 + (isdigit((unsigned char)*rest) ? (uint64_t)(*rest++ - '0') : 0);
    seconds = (int64_t)timegm(&tm);
    set_time(stored, seconds > 0 ? (uint64_t)seconds : 0, nanos);
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
    read_time(remote_json_text(json, "created_at"), stored);
    set_creator(stored, remote_json_slice(json, "created_by"));
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

/* ---- writing ---- */

/* Two keys, a time and an identity with what is around them. */
#define RAW_MAX (2 * (4 + KES_KEY_LEN + 2) + 2 + 2 * (1 + 10) + 2 + KES_IDENTITY_LEN)

static void put_byte(struct remote_secret *to, unsigned char byte)
{
    to->data[to->len++] = byte;
}

static void put_bytes(struct remote_secret *to, unsigned number, const void *bytes, size_t len)
{
    put_byte(to, (unsigned char)(number << 3 | WIRE_BYTES));
    put_byte(to, (unsigned char)len); /* of one byte: all are short */
    memcpy(to->data + to->len, bytes, len);
    to->len += len;
}

/* Zero is not written, as protobuf has it. */
static size_t format_number(unsigned char *to, unsigned number, uint64_t value)
{
    size_t len = 0;

    if (value == 0)
        return 0;
    to[len++] = (unsigned char)(number << 3 | WIRE_VARINT);
    for (; value >= 0x80; value >>= 7)
        to[len++] = (unsigned char)(value | 0x80);
    to[len++] = (unsigned char)value;
    return len;
}

/* { 1: bytes 2: kind } */
static void put_key(struct remote_secret *to, unsigned number, const struct remote_secret *key,
                    unsigned char kind)
{
    put_byte(to, (unsigned char)(number << 3 | WIRE_BYTES));
    put_byte(to, 2 + KES_KEY_LEN + 2);
    put_bytes(to, 1, key->data, KES_KEY_LEN);
    put_byte(to, 2 << 3 | WIRE_VARINT);
    put_byte(to, kind);
}

static void put_message(struct remote_secret *to, const struct kes_stored *stored)
{
    unsigned char time[2 * (1 + 10)];
    size_t len = format_number(time, 1, (uint64_t)stored->created);

    len += format_number(time + len, 2, (uint64_t)stored->created_ns);
    put_key(to, 1, &stored->cipher, stored->type == REMOTE_KEY_CHACHA20 ? 2 : 1);
    put_key(to, 2, &stored->mac, 1);
    put_bytes(to, 3, time, len);
    if (stored->created_by[0] != '\0')
        put_bytes(to, 4, stored->created_by, strlen(stored->created_by));
}

enum remote_rc kes_stored_write(const struct kes_stored *stored, struct remote_secret *ret,
                                struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret raw = { 0 };

    if (stored->cipher.len != KES_KEY_LEN || stored->mac.len != KES_KEY_LEN)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "a KES needs both keys, of %d bytes", KES_KEY_LEN);
    REMOTE_TRY(remote_secret_set(&raw, NULL, RAW_MAX, err));
    raw.len = 0;
    put_message(&raw, stored);
    REMOTE_TRY(remote_secret_set(ret, NULL, (raw.len + 2) / 3 * 4, err));
    (void)EVP_EncodeBlock(ret->data, raw.data,
                          (int)raw.len); /* ends with the NUL there is room for */
    return REMOTE_OK;
}

void kes_stored_clear(struct kes_stored *stored)
{
    remote_secret_clear(&stored->cipher);
    remote_secret_clear(&stored->mac);
    memset(stored, 0, sizeof(*stored));
}
