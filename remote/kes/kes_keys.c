/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys a KES has, and what they are. */
#include <string.h>
#include <time.h>

#include "kes.h"
#include "remote/local/local.h"
#include "remote/slot.h"

/* ---- list ---- */

enum remote_rc kes_build_list(struct remote_conn *conn, const struct remote_op *op,
                              const struct remote_grant *grant, unsigned attempt,
                              struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt, (void)err;
    kes_begin(request, "GET", "list", kes_walk_prefix(op->name));
    return REMOTE_OK;
}

static enum remote_rc add_names(struct remote_op *op, const remote_json *names,
                                struct remote_error *err)
{
    struct remote_slice prefix = kes_walk_prefix(op->name);
    const char *from = kes_walk_from(op->name);

    for (size_t i = 0; i < remote_json_count(names); i++) {
        const char *name = remote_json_string(remote_json_index(names, i));

        if (name == NULL || !kes_name_fits(remote_slice_str(name)) ||
            strncmp(name, (const char *)prefix.data, prefix.len) != 0)
            return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the listing has a name that KES lacks");
        if (strcmp(name, from) >= 0) /* those before it came with an earlier answer */
            REMOTE_TRY(remote_names_add(&op->names, name, err));
    }
    return REMOTE_OK;
}

enum remote_rc kes_parse_list(struct remote_conn *conn, struct remote_op *op,
                              const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const remote_json *names;

    REMOTE_TRY(kes_reply((struct kes *)conn, op, reply, &json, err));
    names = remote_json_at(json, "names");
    if (names == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no \"names\"");
    REMOTE_TRY(add_names(op, names, err));
    return kes_walk_next(op->name, remote_json_text(json, "continue_at"), &op->names.next_page,
                         err);
}

/* ---- read ---- */

static const struct {
    const char *wire;
    enum remote_key_type type;
} algorithms[] = {
    { "AES256", REMOTE_KEY_AES },
    { "AES256-GCM_SHA256", REMOTE_KEY_AES }, /* the names of older versions */
    { "ChaCha20", REMOTE_KEY_CHACHA20 },
    { "XCHACHA20-POLY1305", REMOTE_KEY_CHACHA20 },
};

enum remote_rc kes_build_read(struct remote_conn *conn, const struct remote_op *op,
                              const struct remote_grant *grant, unsigned attempt,
                              struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt;
    if (!kes_name_fits(remote_slice_str(op->name))) /* a request would be answered with 400 */
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "no key of KES can be called '%s'", op->name);
    kes_begin(request, "GET", "describe", remote_slice_str(op->name));
    return REMOTE_OK;
}

/* RFC 3339 in UTC; a key without a date has one of the year 1. */
static int64_t parse_time(const char *text)
{
    struct tm tm = { 0 };
    time_t seconds;

    if (text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
        return 0;
    seconds = timegm(&tm);
    return seconds > 0 ? (int64_t)seconds : 0;
}

static enum remote_rc add_key(struct remote_slot *slot, struct remote_op *op, unsigned version,
                              enum remote_key_type type, int64_t created, struct remote_error *err)
{
    struct remote_key *key = remote_key_new(slot, op->name, version, err);
    enum remote_rc rc;

    if (key == NULL)
        return REMOTE_E_NOMEM;
    key->type = type;
    key->bits = 8 * KES_KEY_LEN;
    key->created = created;
    key->enabled = key->latest = true;
    key->uses = type == REMOTE_KEY_GENERIC
                    ? REMOTE_USE_SIGN | REMOTE_USE_VERIFY
                    : REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP;
    rc = remote_local_set_secret_id(key, remote_slot_name(slot), err);
    if (rc == REMOTE_OK)
        rc = remote_key_list_add(&op->keys, key, err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc read_key(struct remote_conn *conn, struct remote_op *op,
                               const remote_json *json, struct remote_error *err)
{
    const char *name = remote_json_text(json, "name");
    const char *wire = remote_json_text(json, "algorithm");
    int64_t created = parse_time(remote_json_text(json, "created_at"));

    if (name == NULL || strcmp(name, op->name) != 0 || wire == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer does not describe key '%s'",
                           op->name);
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        if (strcmp(algorithms[i].wire, wire) != 0)
            continue;
        REMOTE_TRY(add_key(conn->slot, op, KES_VERSION_CIPHER, algorithms[i].type, created, err));
        return add_key(conn->slot, op, KES_VERSION_HMAC, REMOTE_KEY_GENERIC, created, err);
    }
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "key '%s' is of algorithm '%.30s'", op->name,
                       wire);
}

enum remote_rc kes_parse_read(struct remote_conn *conn, struct remote_op *op,
                              const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    REMOTE_TRY(kes_reply((struct kes *)conn, op, reply, &json, err));
    return read_key(conn, op, json, err);
}
