/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BigDL PPML KMS, both generations: primary keys, which stay there and are good for one thing, to
 * say which data key is meant; and data keys, which the service gives out and which are used here.
 * Never called: /rootKey/rotate, which anybody may, and which makes every stored key worthless, and
 * /rootKey/recover.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bigdl.h"
#include "remote/lifecycle.h"
#include "remote/slot.h"

#define RAW (1u << REMOTE_HASH_NONE)

/* The ciphers are done here, with data keys. */
static const struct remote_backend_alg bigdl_algs[] = {
    { REMOTE_ALG_BIGDL_NAME, RAW },  { REMOTE_ALG_AES_GCM, RAW },      { REMOTE_ALG_AES_CBC, RAW },
    { REMOTE_ALG_AES_CBC_PAD, RAW }, { REMOTE_ALG_AES_KEY_WRAP, RAW }, { REMOTE_ALG_NONE, 0 },
};

static const struct remote_option bigdl_options[] = {
    { .name = "user", .type = REMOTE_OPTION_TEXT, .help = "the user whose keys they are" },
    { .name = "user_token",
      .type = REMOTE_OPTION_SECRET,
      .help = "the token that the user was enrolled with" },
    { .name = "primary_keys",
      .type = REMOTE_OPTION_WORDS,
      .help = "names of the user's primary keys; the service lists none" },
    { .name = "data_keys",
      .type = REMOTE_OPTION_WORDS,
      .help = "PRIMARY/NAME of data keys that are shown as objects, or NAME where primary_keys "
              "names one key" },
    { .name = NULL },
};

/* ---- open and close ---- */

static void bigdl_close(struct remote_conn *conn)
{
    struct bigdl *bigdl = (struct bigdl *)conn;

    bigdl_auth_close(bigdl);
    bigdl_keys_close(bigdl);
    free(bigdl);
}

static enum remote_rc bigdl_open(struct remote_slot *slot, const struct remote_section *section,
                                 struct remote_conn **ret, struct remote_error *err)
{
    struct bigdl *bigdl = calloc(1, sizeof(*bigdl));
    enum remote_rc rc;

    if (bigdl == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    bigdl->base.slot = slot;
    rc = bigdl_auth_open(bigdl, section, err);
    if (rc == REMOTE_OK)
        rc = bigdl_keys_open(bigdl, section, err);
    if (rc != REMOTE_OK) {
        bigdl_close(&bigdl->base);
        return rc;
    }
    *ret = &bigdl->base;
    return REMOTE_OK;
}

/* ---- data keys by name ---- */

/* Names say what a primary key unwraps, ciphers what a data key does: neither can the other's. */
static enum remote_rc bigdl_check(const struct remote_conn *conn, const struct remote_key *key,
                                  const struct remote_params *params, struct remote_error *err)
{
    (void)conn;
    if (key->released != (params->alg == REMOTE_ALG_BIGDL_NAME))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE,
                       key->released
                           ? "'%s' is a data key; primary keys unwrap by name"
                           : "'%s' is a primary key, which never leaves the service and only "
                             "unwraps data keys by their names",
                       key->name);
}

static enum remote_rc build_decrypt(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    return bigdl_begin((const struct bigdl *)conn, "GET", "dataKey", op->items[0].in, op->key->name,
                       grant, request, err);
}

static enum remote_rc parse_decrypt(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    enum bigdl_said said = bigdl_said(reply);

    (void)conn;
    switch (said) {
    case BIGDL_SAID_DONE:
        return bigdl_take_key(reply, &op->items[0].out, err);
    case BIGDL_SAID_NO_DATA:
    case BIGDL_SAID_NO_FIT:
    case BIGDL_SAID_NO_REASON:
        return REMOTE_FAIL(err, REMOTE_E_DATA, "no data key of that name under this primary key");
    default:
        return bigdl_fail(said, reply->status, err);
    }
}

static enum remote_rc build_release(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    const struct bigdl *bigdl = (const struct bigdl *)conn;
    const struct bigdl_data_key *key = bigdl_find_data_key(bigdl, op->key->name);

    (void)attempt;
    if (key == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "data_keys does not name '%s'", op->key->name);
    return bigdl_begin(bigdl, "GET", "dataKey", remote_slice_str(key->name), key->primary, grant,
                       request, err);
}

static enum remote_rc parse_release(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    enum bigdl_said said = bigdl_said(reply);

    (void)conn;
    return said == BIGDL_SAID_DONE ? bigdl_take_key(reply, &op->items[0].out, err)
                                   : bigdl_fail(said, reply->status, err);
}

/* A data key's sealed form is its name. */
static size_t bigdl_sealed_max(const struct remote_key *key, size_t len)
{
    (void)key, (void)len;
    return REMOTE_KEY_NAME_MAX;
}

/* ---- health ---- */

static enum remote_rc build_health(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)op, (void)grant, (void)attempt, (void)err;
    request->method = "GET";
    remote_buf_append_str(&request->path, "/");
    request->want_date = true;
    return REMOTE_OK;
}

/* The welcome comes with and without a root key: it tells who is there, not that it is ready. */
static enum remote_rc parse_health(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    static const struct {
        const char *begins, *detail;
    } welcomes[] = {
        { "welcome to BigDL KMS Frontend", "BigDL KMS, first generation, over keywhiz" },
        { "welcome to bigdl-key-management-server", "BigDL KMS, second generation" },
        { "welcome to easy-key-management-server", "BigDL KMS, second generation" },
    };
    enum bigdl_said said = bigdl_said(reply);

    (void)conn;
    for (size_t i = 0; said == BIGDL_SAID_DONE && i < ARRAY_SIZE(welcomes); i++) {
        size_t len = strlen(welcomes[i].begins);

        if (reply->body.len < len || memcmp(reply->body.data, welcomes[i].begins, len) != 0)
            continue;
        snprintf(op->detail, sizeof(op->detail), "%s", welcomes[i].detail);
        return REMOTE_OK;
    }
    return bigdl_fail(said == BIGDL_SAID_DONE ? BIGDL_SAID_NOT_BIGDL : said, reply->status, err);
}

const struct remote_backend_ops remote_backend_bigdl = {
    .name = "bigdl",
    .title = "BigDL PPML KMS",
    .options = bigdl_options,
    .algs = bigdl_algs,
    .sizes = { [REMOTE_KEY_AES] = { BIGDL_PRIMARY_BITS, BIGDL_PRIMARY_BITS } },
    .timeout_ms = 3000,
    .input_max = REMOTE_KEY_NAME_MAX,
    .sealed_max = bigdl_sealed_max,
    .https = true,
    .open = bigdl_open,
    .close = bigdl_close,
    .pins = "user_token",
    .pin_fits = bigdl_pin_fits,
    .grant = bigdl_grant,
    .check = bigdl_check,
    .ops = {
        [REMOTE_OP_PROVE] = { bigdl_build_prove, bigdl_parse_prove, false },
        [REMOTE_OP_HEALTH] = { build_health, parse_health, false },
        [REMOTE_OP_LIST] = { bigdl_build_list, bigdl_parse_list, false },
        [REMOTE_OP_READ] = { bigdl_build_read, bigdl_parse_read, false },
        [REMOTE_OP_DECRYPT] = { build_decrypt, parse_decrypt, false },
        [REMOTE_OP_RELEASE] = { build_release, parse_release, false },
        [REMOTE_OP_GENERATE] = { bigdl_build_generate, bigdl_parse_generate, .once = true },
        [REMOTE_OP_DATA_KEY] = { bigdl_build_data_key, bigdl_parse_data_key, .once = true },
        [REMOTE_OP_DOCUMENT] = { bigdl_build_enroll, bigdl_parse_enroll, .once = true },
    },
};
