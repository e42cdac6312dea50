/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys a Vault transit engine has, and what they are. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "remote/encode.h"
#include "remote/local/local.h"
#include "remote/slot.h"
#include "vault.h"

/* Versions of a key are few; a server that claims millions only wants our memory. */
#define VERSIONS_MAX 10000
#define LIST_REPLY_MAX (64u << 20)

/* ---- list ---- */

enum remote_rc vault_build_list(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)attempt, (void)err;
    vault_begin((struct vault *)conn, "LIST", grant, request);
    vault_add_path(request, (struct vault *)conn, "keys", NULL);
    request->reply_max = LIST_REPLY_MAX;
    return REMOTE_OK;
}

enum remote_rc vault_parse_list(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const remote_json *names;
    enum remote_rc rc = vault_reply(op, reply, &json, err);

    (void)conn;
    if (rc == REMOTE_E_NOT_FOUND) /* how Vault says "no keys yet" */
        return REMOTE_OK;
    REMOTE_TRY(rc);
    names = remote_json_at(json, "data.keys");
    if (names == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no \"keys\"");
    for (size_t i = 0; i < remote_json_count(names); i++) {
        const char *name = remote_json_string(remote_json_index(names, i));

        if (name != NULL && name[0] != '\0' && name[strlen(name) - 1] != '/')
            REMOTE_TRY(remote_names_add(&op->names, name, err));
    }
    return REMOTE_OK;
}

/* ---- read ---- */

struct key_type {
    const char *wire;
    enum remote_key_type type;
    unsigned bits;
};

static const struct key_type key_types[] = {
    { "aes128-gcm96", REMOTE_KEY_AES, 128 },
    { "aes256-gcm96", REMOTE_KEY_AES, 256 },
    { "chacha20-poly1305", REMOTE_KEY_CHACHA20, 256 },
    { "ed25519", REMOTE_KEY_ED25519, 256 },
    { "ecdsa-p256", REMOTE_KEY_EC, 256 },
    { "ecdsa-p384", REMOTE_KEY_EC, 384 },
    { "ecdsa-p521", REMOTE_KEY_EC, 521 },
    { "rsa-2048", REMOTE_KEY_RSA, 2048 },
    { "rsa-3072", REMOTE_KEY_RSA, 3072 },
    { "rsa-4096", REMOTE_KEY_RSA, 4096 },
    { "hmac", REMOTE_KEY_GENERIC, 0 },
};

static const unsigned type_uses[REMOTE_KEY_TYPE_COUNT] = {
    [REMOTE_KEY_RSA] = REMOTE_USE_SIGN | REMOTE_USE_VERIFY | REMOTE_USE_ENCRYPT |
                       REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP,
    [REMOTE_KEY_EC] = REMOTE_USE_SIGN | REMOTE_USE_VERIFY,
    [REMOTE_KEY_ED25519] = REMOTE_USE_SIGN | REMOTE_USE_VERIFY,
    [REMOTE_KEY_AES] =
        REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP,
    [REMOTE_KEY_CHACHA20] =
        REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP,
    [REMOTE_KEY_GENERIC] = REMOTE_USE_SIGN | REMOTE_USE_VERIFY,
};

struct reading { /* one READ under way */
    struct remote_op *op;
    struct remote_slot *slot;
    const struct key_type *type;
    const char *slot_name;
    unsigned bits;
    int64_t oldest_usable; /* min_encryption_version: for sign, MAC and encrypt */
    int64_t latest;
    struct remote_error *err;
};

enum remote_rc vault_build_read(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    if (strcmp(op->name, ".") == 0 || strcmp(op->name, "..") == 0)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "'%s' is no key's name", op->name);
    vault_begin((struct vault *)conn, "GET", grant, request);
    vault_add_path(request, (struct vault *)conn, "keys", op->name);
    return REMOTE_OK;
}

static int64_t parse_time(const char *text)
{
    struct tm tm = { 0 };

    if (text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
        return 0;
    return (int64_t)timegm(&tm);
}

static enum remote_rc set_public(struct remote_key *key, const char *text, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf raw = { 0 };

    if (text == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "key '%s' has no public_key", key->name);
    if (key->type != REMOTE_KEY_ED25519) {
        enum remote_rc rc = remote_local_set_pem(key, remote_slice_str(text), err);

        if (rc != REMOTE_OK)
            remote_error_prefix(err, "key '%s'", key->name);
        return rc;
    }
    if (!remote_base64_decode(remote_slice_str(text), &raw)) /* raw, not PEM */
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "key '%s': public_key is not base64", key->name);
    return remote_local_set_ed25519(key, remote_buf_slice(&raw), err);
}

static enum remote_rc fill_version(struct reading *reading, struct remote_key *key,
                                   const remote_json *value)
{
    enum remote_key_type type = reading->type->type;

    key->type = type;
    key->bits = reading->bits;
    key->uses = type_uses[type];
    key->enabled = true;
    key->latest = key->version == reading->latest;
    if (key->version < reading->oldest_usable)
        key->uses &= (unsigned)~(REMOTE_USE_SIGN | REMOTE_USE_ENCRYPT | REMOTE_USE_WRAP);
    if (remote_key_type_symmetric(type)) {
        if (!remote_json_number_value(value, &key->created))
            key->created = 0;
        return remote_local_set_secret_id(key, reading->slot_name, reading->err);
    }
    key->created = parse_time(remote_json_text(value, "creation_time"));
    REMOTE_TRY(set_public(key, remote_json_text(value, "public_key"), reading->err));
    if (key->type != type)
        return REMOTE_FAIL(reading->err, REMOTE_E_PROTOCOL,
                           "key '%s': its public key is of another type than it says", key->name);
    return REMOTE_OK;
}

static enum remote_rc add_version(struct reading *reading, unsigned version,
                                  const remote_json *value)
{
    struct remote_key *key;
    enum remote_rc rc;

    if (reading->op->keys.count >= VERSIONS_MAX)
        return REMOTE_FAIL(reading->err, REMOTE_E_PROTOCOL, "key '%s' has more than %d versions",
                           reading->op->name, VERSIONS_MAX);
    key = remote_key_new(reading->slot, reading->op->name, version, reading->err);
    if (key == NULL)
        return REMOTE_E_NOMEM;
    rc = fill_version(reading, key, value);
    if (rc == REMOTE_OK)
        rc = remote_key_list_add(&reading->op->keys, key, reading->err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc each_version(void *arg, const char *member, const remote_json *value)
{
    struct reading *reading = arg;
    char *tail;
    unsigned long version = strtoul(member, &tail, 10);

    if (version == 0 || *tail != '\0' || version > UINT32_MAX)
        return REMOTE_FAIL(reading->err, REMOTE_E_PROTOCOL, "key '%s' has a version '%.20s'",
                           reading->op->name, member);
    return add_version(reading, (unsigned)version, value);
}

/* An hmac key's answer has no `keys`: what versions there are follows from the bounds. */
static enum remote_rc add_hmac_versions(struct reading *reading, const remote_json *data)
{
    int64_t oldest = 1, size = 0;

    if (!remote_json_number(data, "key_size", &size) || size <= 0 || size > 4096)
        return REMOTE_FAIL(reading->err, REMOTE_E_PROTOCOL, "key '%s' has no key_size",
                           reading->op->name);
    if (!remote_json_number(data, "min_decryption_version", &oldest) || oldest < 1)
        oldest = 1;
    if (reading->latest - oldest >= VERSIONS_MAX)
        oldest = reading->latest - VERSIONS_MAX + 1;
    reading->bits = (unsigned)size * 8;
    for (int64_t v = oldest; v <= reading->latest; v++)
        REMOTE_TRY(add_version(reading, (unsigned)v, NULL));
    return REMOTE_OK;
}

static int by_version(const void *a, const void *b)
{
    const struct remote_key *const *left = a, *const *right = b;

    return ((*left)->version > (*right)->version) - ((*left)->version < (*right)->version);
}

static const struct key_type *find_type(const char *wire)
{
    for (size_t i = 0; wire != NULL && i < ARRAY_SIZE(key_types); i++)
        if (strcmp(key_types[i].wire, wire) == 0)
            return &key_types[i];
    return NULL;
}

const char *vault_wire_type(const struct remote_key_spec *spec)
{
    for (size_t i = 0; i < ARRAY_SIZE(key_types); i++)
        if (key_types[i].type == spec->type &&
            (key_types[i].bits == spec->bits || spec->type == REMOTE_KEY_GENERIC))
            return key_types[i].wire;
    return NULL;
}

static enum remote_rc read_key(struct reading *reading, const remote_json *data)
{
    const char *wire = remote_json_text(data, "type");
    const remote_json *versions = remote_json_at(data, "keys");

    if (wire == NULL)
        return REMOTE_FAIL(reading->err, REMOTE_E_PROTOCOL, "key '%s' has no type",
                           reading->op->name);
    reading->type = find_type(wire);
    if (reading->type == NULL)
        return REMOTE_FAIL(reading->err, REMOTE_E_UNSUPPORTED, "key '%s' is of type '%.30s'",
                           reading->op->name, wire);
    if (remote_json_bool(data, "derived", false))
        return REMOTE_FAIL(reading->err, REMOTE_E_UNSUPPORTED,
                           "key '%s' is derived: it needs a context in every request",
                           reading->op->name);
    if (!remote_json_number(data, "latest_version", &reading->latest) || reading->latest < 1 ||
        reading->latest > UINT32_MAX)
        return REMOTE_FAIL(reading->err, REMOTE_E_PROTOCOL, "key '%s' has no latest_version",
                           reading->op->name);
    if (!remote_json_number(data, "min_encryption_version", &reading->oldest_usable))
        reading->oldest_usable = 0;
    reading->bits = reading->type->bits;
    if (reading->type->type == REMOTE_KEY_GENERIC)
        return add_hmac_versions(reading, data);
    if (!remote_json_is_object(versions))
        return REMOTE_FAIL(reading->err, REMOTE_E_PROTOCOL, "key '%s' has no versions",
                           reading->op->name);
    return remote_json_each(versions, each_version, reading);
}

enum remote_rc vault_parse_read(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct reading reading = { .op = op, .slot = conn->slot, .err = err };

    reading.slot_name = remote_slot_name(conn->slot);
    REMOTE_TRY(vault_reply(op, reply, &json, err));
    REMOTE_TRY(read_key(&reading, remote_json_at(json, "data")));
    qsort(op->keys.keys, op->keys.count, sizeof(struct remote_key *), by_version);
    return REMOTE_OK;
}
