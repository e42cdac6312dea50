/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys a user of a BigDL KMS has. The service lists none: primary keys and data keys come
 * from the configuration. The second generation tells of any name whether it is taken without
 * giving a key out: each, a data key's too, is asked about as if it were a primary key's.
 */
#include <stdlib.h>
#include <string.h>

#include "bigdl.h"
#include "remote/local/local.h"
#include "remote/slot.h"

/* ---- configuration ---- */

static bool is_primary(const struct bigdl *bigdl, const char *name)
{
    const char *const *at = bigdl->primary_keys;

    while (*at != NULL && strcmp(*at, name) != 0)
        at++;
    return *at != NULL;
}

const struct bigdl_data_key *bigdl_find_data_key(const struct bigdl *bigdl, const char *name)
{
    for (size_t i = 0; i < bigdl->data_key_count; i++)
        if (strcmp(bigdl->data_keys[i].name, name) == 0)
            return &bigdl->data_keys[i];
    return NULL;
}

/* PRIMARY/NAME, or NAME where there is one primary key; a name in a URL's path has no slash. */
static enum remote_rc split_word(const struct bigdl *bigdl, const struct remote_section *section,
                                 struct bigdl_data_key *key, struct remote_error *err)
{
    const char *const *primary = bigdl->primary_keys;
    char *slash = strchr(key->word, '/');
    bool alone = primary[0] != NULL && primary[1] == NULL;

    if (slash == NULL && alone) {
        key->primary = primary[0];
        key->name = key->word;
        return REMOTE_OK;
    }
    if (slash == NULL || slash == key->word || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
        return remote_section_fail(section, "data_keys", err,
                                   "'%.60s': which primary key is it under? Write PRIMARY/NAME, "
                                   "or NAME where primary_keys names one key",
                                   key->word);
    *slash = '\0';
    key->primary = key->word;
    key->name = slash + 1;
    return REMOTE_OK;
}

static enum remote_rc add_data_key(struct bigdl *bigdl, const struct remote_section *section,
                                   const char *word, struct remote_error *err)
{
    struct bigdl_data_key key = { .word = strdup(word) };
    enum remote_rc rc;

    if (key.word == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = split_word(bigdl, section, &key, err);
    if (rc == REMOTE_OK && (is_primary(bigdl, key.name) || bigdl_find_data_key(bigdl, key.name)))
        rc = remote_section_fail(section, "data_keys", err,
                                 "'%.60s' is named twice; a user's primary and data keys have "
                                 "names of their own",
                                 key.name);
    if (rc != REMOTE_OK) {
        free(key.word);
        return rc;
    }
    bigdl->data_keys[bigdl->data_key_count++] = key;
    return REMOTE_OK;
}

enum remote_rc bigdl_keys_open(struct bigdl *bigdl, const struct remote_section *section,
                               struct remote_error *err)
{
    const char *const *words = remote_section_words(section, "data_keys");
    size_t count = 0;

    bigdl->primary_keys = remote_section_words(section, "primary_keys");
    while (words[count] != NULL)
        count++;
    bigdl->data_keys = calloc(count + 1, sizeof(*bigdl->data_keys));
    if (bigdl->data_keys == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (; *words != NULL; words++)
        REMOTE_TRY(add_data_key(bigdl, section, *words, err));
    return REMOTE_OK;
}

void bigdl_keys_close(struct bigdl *bigdl)
{
    for (size_t i = 0; i < bigdl->data_key_count; i++)
        free(bigdl->data_keys[i].word);
    free(bigdl->data_keys);
}

/* ---- list: the configured names, once the service has shown that it is there ---- */

enum remote_rc bigdl_build_list(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)attempt;
    return bigdl_begin_probe((const struct bigdl *)conn, NULL, grant, request, err);
}

enum remote_rc bigdl_parse_list(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    const struct bigdl *bigdl = (const struct bigdl *)conn;
    enum bigdl_said said = bigdl_said(reply);

    if (said != BIGDL_SAID_NO_PRIMARY && said != BIGDL_SAID_NO_REASON)
        return bigdl_fail(said, reply->status, err);
    for (const char *const *name = bigdl->primary_keys; *name != NULL; name++)
        REMOTE_TRY(remote_names_add(&op->names, *name, err));
    for (size_t i = 0; i < bigdl->data_key_count; i++)
        REMOTE_TRY(remote_names_add(&op->names, bigdl->data_keys[i].name, err));
    return REMOTE_OK;
}

/* ---- read ---- */

enum remote_rc bigdl_build_read(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    return bigdl_begin_probe((const struct bigdl *)conn, op->name, grant, request, err);
}

enum remote_rc bigdl_add_key(struct remote_conn *conn, struct remote_op *op, const char *name,
                             struct remote_error *err)
{
    bool data = bigdl_find_data_key((const struct bigdl *)conn, name) != NULL;
    struct remote_key *key = remote_key_new(conn->slot, name, 1, err);
    enum remote_rc rc;

    if (key == NULL)
        return REMOTE_E_NOMEM;
    key->type = REMOTE_KEY_AES;
    key->bits = data ? BIGDL_DATA_BITS : BIGDL_PRIMARY_BITS;
    key->enabled = key->latest = true;
    key->released = data;
    key->uses = data ? REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP
                     : REMOTE_USE_UNWRAP;
    rc = remote_local_set_secret_id(key, remote_slot_name(conn->slot), err);
    if (rc == REMOTE_OK)
        rc = remote_key_list_add(&op->keys, key, err);
    remote_key_unref(key);
    return rc;
}

/* Asked for as a primary key, a data key's record does not open under the root key. */
static enum remote_rc read_taken(struct remote_conn *conn, struct remote_op *op,
                                 enum bigdl_said said, struct remote_error *err)
{
    bool data = bigdl_find_data_key((const struct bigdl *)conn, op->name) != NULL;

    if (data == (said == BIGDL_SAID_NO_FIT))
        return bigdl_add_key(conn, op, op->name, err);
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "'%s' is a %s key; %s", op->name,
                       data ? "primary" : "data",
                       data ? "data_keys must not name it"
                            : "data_keys must name it before it can be used");
}

enum remote_rc bigdl_parse_read(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    const struct bigdl *bigdl = (const struct bigdl *)conn;
    enum bigdl_said said = bigdl_said(reply);

    switch (said) {
    case BIGDL_SAID_NO_DATA:
    case BIGDL_SAID_NO_FIT:
        return read_taken(conn, op, said, err);
    case BIGDL_SAID_NO_REASON: /* nothing can be asked: what is configured is believed */
        if (is_primary(bigdl, op->name) || bigdl_find_data_key(bigdl, op->name) != NULL)
            return bigdl_add_key(conn, op, op->name, err);
        return bigdl_fail(said, reply->status, err);
    default:
        return bigdl_fail(said, reply->status, err);
    }
}
