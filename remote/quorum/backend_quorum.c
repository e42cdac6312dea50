/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key that no single service holds: k of n keys of other slots. The slot has one key, which
 * seals into containers (quorum.h) and opens them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quorum_slot.h"
#include "remote/local/local.h"
#include "remote/log.h"
#include "remote/slot_private.h"

/* What opens is larger than what was sealed. */
#define INPUT_MAX                                                                                  \
    (QUORUM_PLAIN_MAX + REMOTE_QUORUM_MEMBERS_MAX * (REMOTE_QUORUM_SEALED_MAX + 64) + 256)

static const struct remote_backend_alg quorum_algs[] = {
    { REMOTE_ALG_AEAD, 1u << REMOTE_HASH_NONE },
    { REMOTE_ALG_NONE, 0 },
};

static const struct remote_option quorum_options[] = {
    { .name = "members",
      .type = REMOTE_OPTION_WORDS,
      .help = "SLOT/KEY of each member, blank-separated; each a key that encrypts and decrypts" },
    { .name = "threshold",
      .type = REMOTE_OPTION_NUMBER,
      .min = 1,
      .max = REMOTE_QUORUM_MEMBERS_MAX,
      .help = "how many members are needed to open" },
    { .name = "wrap_min",
      .type = REMOTE_OPTION_NUMBER,
      .min = 1,
      .max = REMOTE_QUORUM_MEMBERS_MAX,
      .help = "how many members must answer to seal; all of them when absent" },
    { .name = "retired",
      .type = REMOTE_OPTION_WORDS,
      .help = "former members, which go on opening older containers" },
    { .name = "allow_unauthenticated",
      .type = REMOTE_OPTION_BOOL,
      .help = "yes where RSA keys, for which anybody can seal, may be members" },
    { .name = "key_name",
      .type = REMOTE_OPTION_TEXT,
      .help = "name of the slot's one key; the slot's own name when absent" },
    { .name = NULL },
};

/* ---- open and close ---- */

static void quorum_close(struct remote_conn *conn)
{
    struct quorum *quorum = (struct quorum *)conn;

    for (size_t i = 0; i < quorum->count; i++) {
        free(quorum->members[i].slot);
        free(quorum->members[i].key);
    }
    free(quorum->members);
    free(quorum->name);
    free(quorum);
}

static enum remote_rc open_member(struct quorum *quorum, const struct remote_section *section,
                                  const char *option, const char *word, struct remote_error *err)
{
    struct quorum_member *member = &quorum->members[quorum->count];
    const char *slash = strchr(word, '/');

    if (slash == NULL || slash == word || slash[1] == '\0')
        return remote_section_fail(section, option, err, "'%s' is not SLOT/KEY", word);
    member->slot = strndup(word, (size_t)(slash - word));
    member->key = strdup(slash + 1);
    quorum->count++; /* close() frees it */
    if (member->slot == NULL || member->key == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (size_t i = 0; i + 1 < quorum->count; i++)
        if (strcmp(quorum->members[i].slot, member->slot) == 0 &&
            strcmp(quorum->members[i].key, member->key) == 0)
            return remote_section_fail(section, option, err,
                                       "'%s' is named twice; members must be different keys", word);
    return remote_quorum_member_id(member->slot, member->key, member->id, err);
}

/* Two keys of one service fall to whoever takes that service: the quorum would be smaller. */
static enum remote_rc slots_differ(const struct quorum *quorum,
                                   const struct remote_section *section, struct remote_error *err)
{
    for (size_t i = 0; i < quorum->present; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(quorum->members[i].slot, quorum->members[j].slot) == 0)
                return remote_section_fail(section, "members", err,
                                           "two keys of slot '%s'; members must be of different "
                                           "slots",
                                           quorum->members[i].slot);
    return REMOTE_OK;
}

static enum remote_rc open_members(struct quorum *quorum, const struct remote_section *section,
                                   struct remote_error *err)
{
    const char *const *present = remote_section_words(section, "members");
    const char *const *retired = remote_section_words(section, "retired");

    quorum->members = calloc(REMOTE_QUORUM_MEMBERS_MAX, sizeof(*quorum->members));
    if (quorum->members == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (; *present != NULL && quorum->count < REMOTE_QUORUM_MEMBERS_MAX; present++)
        REMOTE_TRY(open_member(quorum, section, "members", *present, err));
    quorum->present = quorum->count;
    for (; *retired != NULL && quorum->count < REMOTE_QUORUM_MEMBERS_MAX; retired++) {
        REMOTE_TRY(open_member(quorum, section, "retired", *retired, err));
        quorum->members[quorum->count - 1].retired = true;
    }
    if (*present != NULL || *retired != NULL)
        return remote_section_fail(section, "members", err, "more than %d, retired ones included",
                                   REMOTE_QUORUM_MEMBERS_MAX);
    if (quorum->present == 0)
        return remote_section_fail(section, "members", err,
                                   "missing; name SLOT/KEY of each member");
    return slots_differ(quorum, section, err);
}

static enum remote_rc open_numbers(struct quorum *quorum, const struct remote_section *section,
                                   struct remote_error *err)
{
    quorum->threshold = (unsigned)remote_section_number(section, "threshold", 0);
    quorum->wrap_min = (unsigned)remote_section_number(section, "wrap_min", quorum->present);
    quorum->unauthenticated = remote_section_bool(section, "allow_unauthenticated", false);
    if (quorum->threshold == 0)
        return remote_section_fail(section, "threshold", err,
                                   "missing; say how many of the %zu members are needed to open",
                                   quorum->present);
    if (quorum->threshold > quorum->present)
        return remote_section_fail(section, "threshold", err, "%u of only %zu members",
                                   quorum->threshold, quorum->present);
    if (quorum->wrap_min < quorum->threshold || quorum->wrap_min > quorum->present)
        return remote_section_fail(section, "wrap_min", err,
                                   "%u; it must be from threshold (%u) to the number of members "
                                   "(%zu)",
                                   quorum->wrap_min, quorum->threshold, quorum->present);
    return REMOTE_OK;
}

static enum remote_rc configure(struct quorum *quorum, const struct remote_section *section,
                                struct remote_error *err)
{
    quorum->name =
        strdup(remote_section_text(section, "key_name", remote_slot_name(quorum->base.slot)));
    if (quorum->name == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    REMOTE_TRY(open_members(quorum, section, err));
    return open_numbers(quorum, section, err);
}

static enum remote_rc quorum_open(struct remote_slot *slot, const struct remote_section *section,
                                  struct remote_conn **ret, struct remote_error *err)
{
    struct quorum *quorum = calloc(1, sizeof(*quorum));
    enum remote_rc rc;

    if (quorum == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    quorum->base.slot = slot;
    rc = configure(quorum, section, err);
    if (rc != REMOTE_OK) {
        quorum_close(&quorum->base);
        return rc;
    }
    *ret = &quorum->base;
    return REMOTE_OK;
}

/* ---- operations ---- */

static enum remote_rc read_key(const struct quorum *quorum, struct remote_op *op,
                               struct remote_error *err)
{
    struct remote_key *key;
    enum remote_rc rc;

    if (strcmp(op->name, quorum->name) != 0)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "its one key is '%s'", quorum->name);
    key = remote_key_new(quorum->base.slot, quorum->name, 1, err);
    if (key == NULL)
        return REMOTE_E_NOMEM;
    key->type = REMOTE_KEY_AES;
    key->bits = 8 * REMOTE_QUORUM_KEY;
    key->latest = key->enabled = true;
    key->uses = REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP;
    rc = remote_local_set_secret_id(key, quorum->base.slot->name, err);
    if (rc == REMOTE_OK)
        rc = remote_key_list_add(&op->keys, key, err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc find_members(const struct quorum *quorum, struct remote_op *op,
                                   int64_t deadline_ms, struct remote_error *err)
{
    CLEANUP(quorum_fan_free) struct remote_secret memory = { 0 };
    struct quorum_fan *fan = NULL;
    enum remote_rc rc;

    REMOTE_TRY(quorum_fan_new(quorum, QUORUM_FAN_FIND, NULL, quorum->present, deadline_ms, &memory,
                              &fan, err));
    for (size_t i = 0; i < quorum->present; i++)
        quorum_fan_add(fan, &quorum->members[i]);
    fan->needed = quorum->threshold;
    rc = quorum_fan_run(fan, err);
    snprintf(op->detail, sizeof(op->detail), "%zu of %zu members answer, %u are needed", fan->done,
             fan->count, quorum->threshold);
    return rc;
}

static enum remote_rc run_item(const struct quorum *quorum, const struct remote_op *op,
                               struct remote_item *item, int64_t deadline_ms,
                               struct remote_error *err)
{
    if (op->kind == REMOTE_OP_ENCRYPT)
        return quorum_seal(quorum, item->in, op->params.aad, deadline_ms, &item->out, err);
    if (op->kind == REMOTE_OP_REWRAP)
        return quorum_rewrap(quorum, item->in, deadline_ms, &item->out, err);
    return quorum_open_container(quorum, item->in, op->params.aad, deadline_ms, &item->out, err);
}

/* There are no batches: one item. What a failure leaves in it is wiped with it. */
static enum remote_rc run_items(const struct quorum *quorum, struct remote_op *op,
                                int64_t deadline_ms, struct remote_error *err)
{
    enum remote_rc rc = REMOTE_OK;

    for (size_t i = 0; i < op->item_count && rc == REMOTE_OK; i++)
        rc = run_item(quorum, op, &op->items[i], deadline_ms, err);
    if (rc == REMOTE_E_DATA) /* programs hear of all causes in the same words */
        remote_log(REMOTE_LOG_WARNING, "slot '%s': a container does not open: %s",
                   quorum->base.slot->name, err->text);
    return rc;
}

static enum remote_rc quorum_perform(struct remote_conn *conn, struct remote_op *op,
                                     const struct remote_grant *grant, int64_t deadline_ms,
                                     struct remote_error *err)
{
    const struct quorum *quorum = (const struct quorum *)conn;

    (void)grant;
    switch (op->kind) {
    case REMOTE_OP_ENCRYPT:
    case REMOTE_OP_DECRYPT:
    case REMOTE_OP_REWRAP:
        return run_items(quorum, op, deadline_ms, err);
    case REMOTE_OP_READ:
        return read_key(quorum, op, err);
    case REMOTE_OP_LIST:
        return remote_names_add(&op->names, quorum->name, err);
    case REMOTE_OP_HEALTH:
    case REMOTE_OP_PROVE:
        return find_members(quorum, op, deadline_ms, err);
    default:
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a quorum of other slots cannot do this");
    }
}

static size_t quorum_sealed_max(const struct remote_key *key, size_t len)
{
    const struct quorum *quorum = (const struct quorum *)key->slot->conn;

    return remote_quorum_header_size(quorum->present, REMOTE_QUORUM_SEALED_MAX) +
           remote_quorum_content_size(len);
}

const struct remote_backend_ops remote_backend_quorum = {
    .name = "quorum",
    .title = "a quorum of other slots",
    .options = quorum_options,
    .algs = quorum_algs,
    .sizes = { [REMOTE_KEY_AES] = { 256, 256 } },
    .timeout_ms = 10000,
    .input_max = INPUT_MAX,
    .sealed_max = quorum_sealed_max,
    .https = false,
    .open = quorum_open,
    .close = quorum_close,
    .pins = "",
    .perform = quorum_perform,
    .performs = 1u << REMOTE_OP_PROVE | 1u << REMOTE_OP_HEALTH | 1u << REMOTE_OP_LIST |
                1u << REMOTE_OP_READ | 1u << REMOTE_OP_DECRYPT | 1u << REMOTE_OP_ENCRYPT |
                1u << REMOTE_OP_REWRAP,
};
