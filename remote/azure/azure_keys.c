/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys a vault or a Managed HSM has, and what they are. A listing names keys and no more. A
 * key's versions are listed too, without their public halves: so a read takes several requests,
 * for the current version, the list of versions, each older one, and the certificate where the key
 * belongs to one.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "azure.h"
#include "remote/encode.h"
#include "remote/log.h"
#include "remote/slot_private.h"

#define PAGE "25" /* the service's most */
/* Older versions are read one by one, and there may be hundreds of a key that is rotated daily. */
#define VERSIONS_READ 24
#define VERSIONS_MAX 5000
#define AES_BITS 256 /* what an oct key has when nothing tells: see take_bits() */

/* ---- names ---- */

bool azure_is_name(struct remote_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum(name.data[i]) && name.data[i] != '-')
            return false;
    return name.len > 0 && name.len <= AZURE_NAME_MAX;
}

static bool is_version(struct remote_slice version)
{
    for (size_t i = 0; i < version.len; i++)
        if (!isxdigit(version.data[i]))
            return false;
    return version.len == AZURE_VERSION_LEN;
}

bool azure_split_kid(const char *kid, struct remote_slice *ret_name,
                     struct remote_slice *ret_version)
{
    static const char collection[] = "/keys/";
    const char *host = kid != NULL ? strstr(kid, "://") : NULL;
    const char *name = host != NULL ? strchr(host + 3, '/') : NULL;
    size_t len;

    if (name == NULL || strncmp(name, collection, sizeof(collection) - 1) != 0)
        return false;
    name += sizeof(collection) - 1;
    len = strcspn(name, "/");
    *ret_name = remote_slice(name, len);
    *ret_version = remote_slice_str(name[len] == '/' ? name + len + 1 : "");
    return azure_is_name(*ret_name) && (ret_version->len == 0 || is_version(*ret_version));
}

bool azure_same_id(struct remote_slice a, struct remote_slice b)
{
    return a.len == b.len && strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

/* ---- list ---- */

enum remote_rc azure_build_list(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    azure_begin("GET", grant, request);
    if (op->name != NULL) { /* azure_next_page() has looked at it */
        remote_buf_append_str(&request->path, op->name);
        return REMOTE_OK;
    }
    azure_add_path(request, (struct azure *)conn, "keys", NULL, NULL, NULL);
    remote_buf_append_str(&request->path, "&maxresults=" PAGE);
    return REMOTE_OK;
}

static enum remote_rc take_next_page(const struct remote_slot *slot, const remote_json *json,
                                     const char *current, char **ret, struct remote_error *err)
{
    const char *link = remote_json_text(json, "nextLink");

    *ret = NULL;
    return link != NULL && link[0] != '\0' ? azure_next_page(slot, link, current, ret, err)
                                           : REMOTE_OK;
}

enum remote_rc azure_parse_list(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const remote_json *keys;

    REMOTE_TRY(azure_reply(op, reply, &json, err));
    keys = remote_json_at(json, "value");
    if (keys == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no \"value\"");
    for (size_t i = 0; i < remote_json_count(keys); i++) {
        const char *kid = remote_json_text(remote_json_index(keys, i), "kid");
        struct remote_slice name, version;
        char owned[AZURE_NAME_MAX + 1] = "";

        if (!azure_split_kid(kid, &name, &version))
            return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has a kid that is none");
        memcpy(owned, name.data, name.len);
        REMOTE_TRY(remote_names_add(&op->names, owned, err));
    }
    return take_next_page(conn->slot, json, op->name, &op->names.next_page, err);
}

/* ---- one version ---- */

static unsigned read_uses(const remote_json *ops)
{
    static const struct {
        const char *word;
        enum remote_use use;
    } words[] = {
        { "sign", REMOTE_USE_SIGN },       { "verify", REMOTE_USE_VERIFY },
        { "encrypt", REMOTE_USE_ENCRYPT }, { "decrypt", REMOTE_USE_DECRYPT },
        { "wrapKey", REMOTE_USE_WRAP },    { "unwrapKey", REMOTE_USE_UNWRAP },
    };
    unsigned uses = 0;

    for (size_t i = 0; i < remote_json_count(ops); i++) {
        const char *op = remote_json_string(remote_json_index(ops, i));

        for (size_t w = 0; op != NULL && w < ARRAY_SIZE(words); w++)
            if (strcmp(op, words[w].word) == 0)
                uses |= words[w].use;
    }
    return uses;
}

static int64_t read_time(const remote_json *json, const char *path)
{
    int64_t time = 0;

    return azure_json_number(json, path, &time) && time > 0 ? time : 0;
}

static void read_attributes(const remote_json *attributes, struct remote_key *ret)
{
    ret->enabled = remote_json_bool(attributes, "enabled", true);
    ret->created = read_time(attributes, "created");
    ret->not_before = read_time(attributes, "nbf");
    ret->not_after = read_time(attributes, "exp");
}

/* The size of an oct key is told since 2026-01-01-preview; before that only our own tag tells. */
static unsigned read_bits(const remote_json *bundle)
{
    int64_t bits = 0;

    if (!azure_json_number(bundle, "attributes.key_size", &bits))
        (void)azure_json_number(bundle, "tags." AZURE_KEY_SIZE_TAG, &bits);
    return bits == 128 || bits == 192 || bits == 256 ? (unsigned)bits : AES_BITS;
}

/* A key that has its id and dates, and nothing of its public half yet. */
static struct remote_key *new_version(struct remote_slot *slot, const char *name,
                                      struct remote_slice version, const remote_json *attributes,
                                      struct remote_error *err)
{
    struct remote_key *key = remote_key_new(slot, name, 1, err);

    if (key == NULL)
        return NULL;
    key->version_id = strndup((const char *)version.data, version.len);
    if (key->version_id == NULL) {
        REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        remote_key_unref(key);
        return NULL;
    }
    read_attributes(attributes, key);
    return key;
}

enum remote_rc azure_bundle_to_key(struct remote_slot *slot, const char *name,
                                   const remote_json *bundle, struct remote_key **ret,
                                   struct remote_error *err)
{
    const remote_json *jwk = remote_json_at(bundle, "key");
    struct remote_slice kid_name, version;
    struct remote_key *key;
    enum remote_rc rc;

    if (!azure_split_kid(remote_json_text(jwk, "kid"), &kid_name, &version) || version.len == 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "key '%s': the answer has no kid", name);
    if (!azure_same_id(kid_name, remote_slice_str(name)))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "asked for key '%s', the answer is of '%.*s'",
                           name, (int)kid_name.len, (const char *)kid_name.data);
    key = new_version(slot, name, version, remote_json_at(bundle, "attributes"), err);
    if (key == NULL)
        return REMOTE_E_NOMEM;
    key->uses = read_uses(remote_json_at(jwk, "key_ops"));
    key->latest = key->enabled;
    rc = azure_jwk_to_key(jwk, read_bits(bundle), key, err);
    if (rc == REMOTE_OK) {
        *ret = key;
        return REMOTE_OK;
    }
    remote_error_prefix(err, "key '%s'", name);
    remote_key_unref(key);
    return rc;
}

/* ---- read: which request comes now follows from what there is ---- */

enum stage { CURRENT, VERSIONS, VERSION, CERTIFICATE, DONE };

static bool is_read(const struct remote_key *key)
{
    return key->id_len > 0;
}

static size_t first_unread(const struct remote_op *op)
{
    size_t i = 0;

    while (i < op->keys.count && is_read(op->keys.keys[i]))
        i++;
    return i;
}

/* op->answer is not empty while the key's certificate is to be read. */
static enum stage stage_of(const struct remote_op *op, bool listed)
{
    if (op->step == 0 && !listed)
        return CURRENT;
    if (!listed && (op->step == 1 || op->names.next_page != NULL))
        return VERSIONS;
    if (first_unread(op) < op->keys.count)
        return VERSION;
    return op->answer.len > 0 ? CERTIFICATE : DONE;
}

enum remote_rc azure_build_read(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    const struct azure *azure = (struct azure *)conn;

    (void)attempt;
    if (!azure_is_name(remote_slice_str(op->name)))
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "'%s' is no key's name in Azure", op->name);
    azure_begin("GET", grant, request);
    switch (stage_of(op, false)) {
    case CURRENT:
        azure_add_path(request, azure, "keys", op->name, NULL, NULL);
        break;
    case VERSIONS:
        if (op->names.next_page != NULL) {
            remote_buf_append_str(&request->path, op->names.next_page);
            break;
        }
        azure_add_path(request, azure, "keys", op->name, NULL, "versions");
        remote_buf_append_str(&request->path, "&maxresults=" PAGE);
        break;
    case VERSION:
        azure_add_path(request, azure, "keys", op->name,
                       op->keys.keys[first_unread(op)]->version_id, NULL);
        break;
    default:
        azure_add_path(request, azure, "certificates", op->name, NULL, NULL);
    }
    return REMOTE_OK;
}

static enum remote_rc add_key(struct remote_op *op, struct remote_key *key,
                              struct remote_error *err)
{
    enum remote_rc rc = remote_key_list_add(&op->keys, key, err);

    remote_key_unref(key);
    return rc;
}

static enum remote_rc parse_current(struct azure *azure, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_key *key = NULL;

    REMOTE_TRY(azure_reply(op, reply, &json, err));
    REMOTE_TRY(azure_bundle_to_key(azure->base.slot, op->name, json, &key, err));
    REMOTE_TRY(add_key(op, key, err));
    if (azure->certs && remote_json_bool(json, "managed", false))
        remote_buf_append_str(&op->answer, "certificate");
    return remote_buf_check(&op->answer, err);
}

/* What was made in the same second, by its id: any order that stays will do. */
static int by_age(const void *a, const void *b)
{
    const struct remote_key *const *left = a, *const *right = b;

    if ((*left)->created != (*right)->created)
        return (*left)->created < (*right)->created ? -1 : 1;
    return strcasecmp((*left)->version_id, (*right)->version_id);
}

static void drop_key(struct remote_key_list *keys, size_t index)
{
    remote_key_unref(keys->keys[index]);
    memmove(&keys->keys[index], &keys->keys[index + 1],
            (keys->count - index - 1) * sizeof(struct remote_key *));
    keys->count--;
}

/* The current one, which was read first, is the newest, whatever else is of its second. */
static void sort_versions(struct remote_key_list *keys)
{
    struct remote_key *current = keys->keys[0];

    memmove(&keys->keys[0], &keys->keys[1], (keys->count - 1) * sizeof(struct remote_key *));
    keys->keys[keys->count - 1] = current;
    qsort(keys->keys, keys->count - 1, sizeof(struct remote_key *), by_age);
}

/* Numbers all of them; the newest are read then. */
static void number_versions(struct remote_key_list *keys)
{
    struct remote_key *newest = NULL;

    sort_versions(keys);
    for (size_t i = 0; i < keys->count; i++) {
        keys->keys[i]->version = (unsigned)i + 1;
        keys->keys[i]->latest = false;
        if (keys->keys[i]->enabled)
            newest = keys->keys[i];
    }
    if (newest != NULL)
        newest->latest = true;
    while (keys->count > VERSIONS_READ)
        drop_key(keys, 0);
}

static bool has_version(const struct remote_key_list *keys, struct remote_slice version)
{
    for (size_t i = 0; i < keys->count; i++)
        if (azure_same_id(remote_slice_str(keys->keys[i]->version_id), version))
            return true;
    return false;
}

static enum remote_rc take_version(struct azure *azure, struct remote_op *op,
                                   const remote_json *entry, struct remote_error *err)
{
    struct remote_slice name, version;
    struct remote_key *key;

    if (!azure_split_kid(remote_json_text(entry, "kid"), &name, &version) || version.len == 0 ||
        !azure_same_id(name, remote_slice_str(op->name)))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "key '%s': a version with a wrong kid",
                           op->name);
    if (has_version(&op->keys, version))
        return REMOTE_OK;
    if (op->keys.count == VERSIONS_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "key '%s' has more than %d versions", op->name,
                           VERSIONS_MAX);
    key =
        new_version(azure->base.slot, op->name, version, remote_json_at(entry, "attributes"), err);
    return key != NULL ? add_key(op, key, err) : REMOTE_E_NOMEM;
}

/* Without the right to list, the current version has to do. */
static enum remote_rc parse_versions(struct azure *azure, struct remote_op *op,
                                     const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    CLEANUP(remote_str_free) char *page = op->names.next_page;
    enum remote_rc rc = azure_reply(op, reply, &json, err);
    const remote_json *versions = remote_json_at(json, "value");

    op->names.next_page = NULL;
    if (rc == REMOTE_E_RIGHTS) {
        remote_log(REMOTE_LOG_INFO, "key '%s': only its current version is known: %s", op->name,
                   err->text);
        return REMOTE_OK;
    }
    if (rc == REMOTE_OK)
        rc = take_next_page(azure->base.slot, json, page, &op->names.next_page, err);
    for (size_t i = 0; rc == REMOTE_OK && i < remote_json_count(versions); i++)
        rc = take_version(azure, op, remote_json_index(versions, i), err);
    if (rc == REMOTE_OK && op->names.next_page == NULL)
        number_versions(&op->keys);
    if (rc == REMOTE_E_BUSY || rc == REMOTE_E_UNAVAILABLE || rc == REMOTE_E_AUTH) {
        op->names.next_page = page; /* the same page is asked for again */
        page = NULL;
    }
    return rc;
}

/* A version that went away, or cannot be served, leaves its number behind. */
static enum remote_rc parse_version(struct azure *azure, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    size_t index = first_unread(op);
    struct remote_key *old = op->keys.keys[index], *key = NULL;
    enum remote_rc rc = azure_reply(op, reply, &json, err);

    if (rc == REMOTE_OK)
        rc = azure_bundle_to_key(azure->base.slot, op->name, json, &key, err);
    if (rc == REMOTE_E_NOT_FOUND || rc == REMOTE_E_RIGHTS || rc == REMOTE_E_UNSUPPORTED) {
        remote_log(REMOTE_LOG_WARNING, "version %u is left out: %s", old->version, err->text);
        drop_key(&op->keys, index);
        return REMOTE_OK;
    }
    REMOTE_TRY(rc);
    if (strcasecmp(key->version_id, old->version_id) != 0) {
        remote_key_unref(key);
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "key '%s': the answer is of another version",
                           op->name);
    }
    key->version = old->version;
    key->latest = old->latest;
    op->keys.keys[index] = key;
    remote_key_unref(old);
    return REMOTE_OK;
}

/* `cer` is the certificate alone, in base64; its issuers are in a secret, which is not asked for.
 */
static enum remote_rc parse_certificate(struct remote_op *op, const struct remote_reply *reply,
                                        struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    struct remote_cert *cert = NULL;
    enum remote_rc rc = azure_reply(op, reply, &json, err);

    if (rc == REMOTE_E_BUSY || rc == REMOTE_E_UNAVAILABLE || rc == REMOTE_E_AUTH)
        return rc;
    remote_buf_clear(&op->answer); /* the key is good without it */
    if (rc == REMOTE_OK && !remote_base64_decode(remote_json_slice(json, "cer"), &der))
        rc = REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "no base64");
    if (rc == REMOTE_OK)
        rc = remote_local_cert(op->name, remote_buf_slice(&der), &cert, err);
    if (rc == REMOTE_OK && (op->certs = calloc(1, sizeof(struct remote_cert *))) != NULL) {
        op->certs[op->cert_count++] = cert;
        return REMOTE_OK;
    }
    remote_cert_free(cert);
    if (rc != REMOTE_OK)
        remote_log(REMOTE_LOG_INFO, "the certificate of key '%s' is left out: %s", op->name,
                   err->text);
    return REMOTE_OK;
}

enum remote_rc azure_parse_read(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    struct azure *azure = (struct azure *)conn;

    switch (stage_of(op, false)) {
    case CURRENT:
        REMOTE_TRY(parse_current(azure, op, reply, err));
        op->more = true;
        return REMOTE_OK;
    case VERSIONS:
        REMOTE_TRY(parse_versions(azure, op, reply, err));
        op->more = op->names.next_page != NULL || stage_of(op, true) != DONE;
        return REMOTE_OK;
    case VERSION:
        REMOTE_TRY(parse_version(azure, op, reply, err));
        break;
    default:
        REMOTE_TRY(parse_certificate(op, reply, err));
    }
    op->more = stage_of(op, true) != DONE;
    return REMOTE_OK;
}
