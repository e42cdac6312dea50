/* SPDX-License-Identifier: Apache-2.0 */
/* What changes keys in a vault or a Managed HSM: create, import, new versions, and a deletion that
 * can be undone for a while. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "azure.h"
#include "remote/slot_private.h"

static bool in_hsm(const struct azure *azure)
{
    return azure->place.hsm || azure->hsm_keys;
}

static enum remote_rc check_spec(const struct azure *azure, const char *name,
                                 const struct remote_key_spec *spec, struct remote_error *err)
{
    const char *kty = azure_kty(spec->type, true);

    if (!azure_is_name(remote_slice_str(name)))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "'%s' cannot be a key's name: Azure takes 1 to %d letters, digits and -",
                           name, AZURE_NAME_MAX);
    if (spec->type == REMOTE_KEY_AES && !azure->place.hsm)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "key '%s': only a Managed HSM has AES keys, a vault has none", name);
    if (kty == NULL || (spec->type == REMOTE_KEY_EC && azure_curve_of(spec->curve) == NULL))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "key '%s': Azure has no such keys", name);
    return REMOTE_OK;
}

/* An oct key's size is not told later by most versions of the API. */
static void add_tags(const struct remote_key_spec *spec, struct remote_buf *body)
{
    if (spec->type == REMOTE_KEY_AES)
        remote_buf_printf(body, ",\"tags\":{\"" AZURE_KEY_SIZE_TAG "\":\"%u\"}", spec->bits);
}

static void add_kind(const struct remote_key_spec *spec, bool hsm, struct remote_buf *body)
{
    remote_buf_printf(body, "\"kty\":\"%s\"", azure_kty(spec->type, hsm));
    if (spec->type == REMOTE_KEY_EC)
        remote_buf_printf(body, ",\"crv\":\"%s\"", azure_curve_of(spec->curve)->wire);
    else
        remote_buf_printf(body, ",\"key_size\":%u", spec->bits);
}

static void add_uses(unsigned uses, struct remote_buf *body)
{
    static const char *const words[] = { "sign",    "verify",  "encrypt",
                                         "decrypt", "wrapKey", "unwrapKey" }; /* as remote_use */
    const char *separator = ",\"key_ops\":[";

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if ((uses >> i & 1u) == 0)
            continue;
        remote_buf_printf(body, "%s\"%s\"", separator, words[i]);
        separator = ",";
    }
    if (separator[1] == '\0')
        remote_buf_append_char(body, ']');
}

/* ---- generate and rotate: a new version of a name, which may be its first ---- */

enum remote_rc azure_build_generate(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    const struct azure *azure = (struct azure *)conn;
    struct remote_buf *body = &request->body;

    (void)attempt;
    REMOTE_TRY(check_spec(azure, op->name, &op->spec, err));
    azure_begin("POST", grant, request);
    azure_add_path(request, azure, "keys", op->name, NULL, "create");
    remote_buf_append_char(body, '{');
    add_kind(&op->spec, in_hsm(azure), body);
    if (op->spec.type == REMOTE_KEY_AES) /* pairs have every use by default */
        add_uses(REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP,
                 body);
    add_tags(&op->spec, body);
    remote_buf_append_char(body, '}');
    return REMOTE_OK;
}

enum remote_rc azure_parse_made(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_key *key = NULL;
    enum remote_rc rc;

    REMOTE_TRY(azure_reply(op, reply, &json, err));
    REMOTE_TRY(azure_bundle_to_key(conn->slot, op->name, json, &key, err));
    rc = remote_key_list_add(&op->keys, key, err);
    remote_key_unref(key);
    return rc;
}

/* The same kind of key for the same uses; "rotate" is a right, and an operation, of vaults only. */
enum remote_rc azure_build_rotate(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    const struct azure *azure = (struct azure *)conn;
    struct remote_buf *body = &request->body;
    struct remote_key_spec spec;

    (void)attempt;
    if (op->key == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "key '%s' has no version to follow", op->name);
    spec = (struct remote_key_spec){ .type = op->key->type,
                                     .bits = op->key->bits,
                                     .curve = op->key->curve };
    REMOTE_TRY(check_spec(azure, op->name, &spec, err));
    azure_begin("POST", grant, request);
    azure_add_path(request, azure, "keys", op->name, NULL, "create");
    remote_buf_append_char(body, '{');
    add_kind(&spec, op->key->hardware, body);
    add_uses(op->key->uses, body);
    add_tags(&spec, body);
    remote_buf_append_char(body, '}');
    return REMOTE_OK;
}

enum remote_rc azure_parse_rotate(struct remote_conn *conn, struct remote_op *op,
                                  const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    return azure_reply(op, reply, &json, err);
}

/* ---- import ---- */

/* A JSON Web Key has no wrapping of its own: what carries it must. */
static bool only_tls(const struct remote_slot *slot)
{
    for (size_t i = 0; i < slot->endpoints.count; i++)
        if (!slot->endpoints.list[i].tls)
            return false;
    return true;
}

enum remote_rc azure_build_import(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    const struct azure *azure = (struct azure *)conn;
    struct remote_buf *body = &request->body;

    (void)attempt;
    REMOTE_TRY(check_spec(azure, op->name, &op->spec, err));
    if (!only_tls(conn->slot))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "keys are imported over TLS only; use a url with https://");
    azure_begin("PUT", grant, request);
    azure_add_path(request, azure, "keys", op->name, NULL, NULL);
    remote_buf_printf(body, "{\"Hsm\":%s,\"key\":{", in_hsm(azure) ? "true" : "false");
    REMOTE_TRY(azure_jwk_append_private(body, &op->spec, in_hsm(azure), op->material, err));
    if (op->spec.type == REMOTE_KEY_AES)
        add_uses(REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP,
                 body);
    remote_buf_append_char(body, '}');
    add_tags(&op->spec, body);
    remote_buf_append_char(body, '}');
    return REMOTE_OK;
}

/* ---- destroy ---- */

enum remote_rc azure_build_destroy(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    azure_begin("DELETE", grant, request);
    azure_add_path(request, (struct azure *)conn, "keys", op->name, NULL, NULL);
    return REMOTE_OK;
}

/* Soft delete cannot be turned off: whoever asked for an end must hear that this is none yet. */
enum remote_rc azure_parse_destroy(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    char date[32] = "its retention ends";
    int64_t until = 0;
    time_t when;
    struct tm tm;

    (void)conn;
    REMOTE_TRY(azure_reply(op, reply, &json, err));
    if (remote_json_number(json, "scheduledPurgeDate", &until)) {
        when = (time_t)until;
        if (gmtime_r(&when, &tm) == NULL || strftime(date, sizeof(date), "%Y-%m-%d", &tm) == 0)
            snprintf(date, sizeof(date), "its retention ends");
    }
    snprintf(op->detail, sizeof(op->detail),
             "Azure keeps it, and its name taken, until %s unless it is purged", date);
    return REMOTE_OK;
}
