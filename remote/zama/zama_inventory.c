/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys there are: the FHE keys that enough parties report, so that at least one honest party
 * does, and the parties' own verification keys, which are known without a request.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/obj_mac.h>

#include "remote/local/local.h"
#include "remote/slot_private.h"
#include "zama_private.h"
#include "zama_slot.h"

#define PARTY_PREFIX "party-"
#define POINT_UNCOMPRESSED 65 /* SEC 1 2.3.3, of a 256-bit field */
/* Reading is cheap to begin anew, and callers wait for listings: parties that are away get little
 * time, and those that are slow once enough have answered. */
#define TRIES 3
#define SPARE_MS 300

/* ---- asking the parties ---- */

static bool reports(const struct zama_part *part, const uint8_t id[ZAMA_ID_LEN])
{
    for (size_t i = 0; part->ended && part->rc == REMOTE_OK && i < part->ids.count; i++)
        if (memcmp(part->ids.ids[i], id, ZAMA_ID_LEN) == 0)
            return true;
    return false;
}

static size_t count_reports(const struct zama_fan *fan, const uint8_t id[ZAMA_ID_LEN])
{
    size_t count = 0;

    for (size_t i = 0; i < fan->zama->count; i++)
        count += reports(&fan->parts[i], id);
    return count;
}

/* fan->arg: the key that is looked for; NULL: all of them. */
static void look(struct zama_fan *fan)
{
    size_t known = zama_fan_count(fan, REMOTE_OK), needed = fan->zama->needed;

    if (known + fan->open < needed) {
        fan->enough_ms = 0;
    } else if (fan->arg != NULL && known >= needed) {
        size_t found = count_reports(fan, fan->arg);

        if (found >= needed || found + fan->open < needed)
            fan->enough_ms = 0;
    }
    if (known >= needed && fan->enough_ms == INT64_MAX)
        fan->enough_ms = remote_now_ms() + SPARE_MS;
}

static void take(struct zama_fan *fan, struct zama_part *part, enum remote_rc rc)
{
    if (rc == REMOTE_OK)
        rc =
            zama_availability_read(remote_buf_slice(&part->call.op.answer), &part->ids, &part->err);
    zama_part_end(part, rc);
    look(fan);
}

/* REMOTE_OK: enough of them have answered. */
static enum remote_rc ask_all(struct zama_fan *fan, const uint8_t *key_id, struct remote_error *err)
{
    size_t known;

    fan->take = take;
    fan->arg = (void *)key_id;
    fan->tries_max = TRIES;
    for (size_t i = 0; i < fan->zama->count; i++)
        zama_part_ask(&fan->parts[i], ZAMA_AVAILABILITY, remote_slice("", 0), 0);
    zama_fan_run(fan);
    known = zama_fan_count(fan, REMOTE_OK);
    if (key_id == NULL)
        atomic_store(&fan->zama->answered, (unsigned)known);
    return known >= fan->zama->needed ? REMOTE_OK : zama_fan_fail(fan, known, "answer", err);
}

enum remote_rc zama_has_key(struct zama *zama, const uint8_t key_id[ZAMA_ID_LEN],
                            int64_t deadline_ms, struct remote_error *err)
{
    CLEANUP(zama_fan_free) struct zama_fan *fan = zama_fan_new(zama, deadline_ms);
    size_t found;

    if (fan == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    REMOTE_TRY(ask_all(fan, key_id, err));
    found = count_reports(fan, key_id);
    if (found >= zama->needed)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND,
                       "%zu of %zu parties have this FHE key where %u are needed", found,
                       zama->count, zama->needed);
}

enum remote_rc zama_prove(struct zama *zama, struct remote_op *op, int64_t deadline_ms,
                          struct remote_error *err)
{
    CLEANUP(zama_fan_free) struct zama_fan *fan = zama_fan_new(zama, deadline_ms);

    if (fan == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    REMOTE_TRY(ask_all(fan, NULL, err));
    snprintf(op->detail, sizeof(op->detail), "%zu of %zu parties answer, %u are needed",
             zama_fan_count(fan, REMOTE_OK), zama->count, zama->needed);
    return REMOTE_OK;
}

/* ---- keys as the core has them ---- */

static enum remote_rc add_key(struct remote_key *key, enum remote_rc rc,
                              struct remote_key_list *list, struct remote_error *err)
{
    if (key == NULL)
        return REMOTE_E_NOMEM; /* said by remote_key_new() */
    key->latest = key->enabled = true;
    if (rc == REMOTE_OK)
        rc = remote_key_list_add(list, key, err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc add_fhe_key(const struct zama *zama, const uint8_t id[ZAMA_ID_LEN],
                                  struct remote_key_list *list, struct remote_error *err)
{
    char name[2 * ZAMA_ID_LEN + 1];
    struct remote_key *key;

    zama_id_format(id, name);
    key = remote_key_new(zama->base.slot, name, 1, err);
    if (key != NULL) {
        key->type = REMOTE_KEY_FHE;
        key->uses = REMOTE_USE_DECRYPT;
        key->id_len = ZAMA_ID_LEN;
        memcpy(key->id, id, ZAMA_ID_LEN);
    }
    return add_key(key, REMOTE_OK, list, err);
}

static enum remote_rc set_point(struct remote_key *key, const uint8_t compressed[ZAMA_POINT_LEN],
                                struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf spki = { 0 };
    unsigned char point[POINT_UNCOMPRESSED];
    struct zama_key ec = { 0 };
    bool good = zama_key_init(&ec, compressed) &&
                EC_POINT_point2oct(ec.group, ec.point, POINT_CONVERSION_UNCOMPRESSED, point,
                                   sizeof(point), ec.scratch) == sizeof(point);
    const struct remote_public_parts parts = { .type = REMOTE_KEY_EC,
                                               .curve = NID_secp256k1,
                                               .bits = 256,
                                               .ec_point = remote_slice(point, sizeof(point)) };

    zama_key_clear(&ec);
    if (!good)
        return REMOTE_FAIL(err, REMOTE_E_CRYPTO, "libcrypto does not take a point of secp256k1");
    REMOTE_TRY(remote_local_spki(&parts, &spki, err));
    return remote_local_set_spki(key, remote_buf_slice(&spki), err);
}

static struct remote_key *new_party_key(const struct zama *zama, const char *name, unsigned version,
                                        struct remote_error *err)
{
    struct remote_key *key = remote_key_new(zama->base.slot, name, version, err);

    if (key != NULL) {
        key->uses = REMOTE_USE_VERIFY;
        key->public_only = true;
    }
    return key;
}

static bool known_point(struct zama *zama, const struct zama_party *party,
                        uint8_t ret[ZAMA_POINT_LEN])
{
    bool known;

    remote_lock_acquire(&zama->lock);
    known = party->learned;
    memcpy(ret, party->point, ZAMA_POINT_LEN);
    remote_lock_release(&zama->lock);
    return known;
}

static enum remote_rc add_party_keys(struct zama *zama, const struct zama_party *party,
                                     const char *name, struct remote_key_list *list,
                                     struct remote_error *err)
{
    uint8_t point[ZAMA_POINT_LEN];
    struct remote_key *key;

    if (known_point(zama, party, point)) {
        key = new_party_key(zama, name, ZAMA_VERSION_ECDSA, err);
        REMOTE_TRY(add_key(key, key != NULL ? set_point(key, point, err) : REMOTE_OK, list, err));
    }
    if (!party->pin.has_ed25519)
        return REMOTE_OK;
    key = new_party_key(zama, name, ZAMA_VERSION_ED25519, err);
    return add_key(key,
                   key != NULL ? remote_local_set_ed25519(
                                     key, remote_slice(party->pin.ed25519, ZAMA_ED25519_LEN), err)
                               : REMOTE_OK,
                   list, err);
}

void zama_learn(struct zama *zama, struct zama_party *party, const struct zama_answer *answer)
{
    bool news;

    if (!answer->has_point)
        return;
    remote_lock_acquire(&zama->lock);
    news = !party->learned;
    if (news)
        memcpy(party->point, answer->point, ZAMA_POINT_LEN);
    party->learned = true;
    remote_lock_release(&zama->lock);
    if (news)
        remote_slot_refresh(zama->base.slot); /* so that the next look-up shows it */
}

/* ---- LIST and READ ---- */

static void party_name(const struct zama_party *party, char ret[16])
{
    snprintf(ret, 16, PARTY_PREFIX "%u", party->id);
}

/* Told by an earlier party already. */
static bool seen_before(const struct zama_fan *fan, size_t part, const uint8_t id[ZAMA_ID_LEN])
{
    for (size_t i = 0; i < part; i++)
        if (reports(&fan->parts[i], id))
            return true;
    return false;
}

static enum remote_rc list_fhe_keys(const struct zama_fan *fan, struct remote_op *op,
                                    struct remote_error *err)
{
    for (size_t i = 0; i < fan->zama->count; i++) {
        const struct zama_part *part = &fan->parts[i];

        for (size_t k = 0; part->rc == REMOTE_OK && k < part->ids.count; k++) {
            const uint8_t *id = part->ids.ids[k];

            if (!seen_before(fan, i, id) && count_reports(fan, id) >= fan->zama->needed)
                REMOTE_TRY(add_fhe_key(fan->zama, id, &op->keys, err));
        }
    }
    return REMOTE_OK;
}

enum remote_rc zama_list(struct zama *zama, struct remote_op *op, int64_t deadline_ms,
                         struct remote_error *err)
{
    CLEANUP(zama_fan_free) struct zama_fan *fan = zama_fan_new(zama, deadline_ms);
    char name[16];

    if (fan == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    REMOTE_TRY(ask_all(fan, NULL, err));
    for (size_t i = 0; i < zama->count; i++) {
        party_name(&zama->parties[i], name);
        REMOTE_TRY(remote_names_add(&op->names, name, err));
    }
    return list_fhe_keys(fan, op, err);
}

static const struct zama_party *find_party(const struct zama *zama, const char *name)
{
    char known[16];

    for (size_t i = 0; i < zama->count; i++) {
        party_name(&zama->parties[i], known);
        if (strcmp(known, name) == 0)
            return &zama->parties[i];
    }
    return NULL;
}

enum remote_rc zama_read(struct zama *zama, struct remote_op *op, int64_t deadline_ms,
                         struct remote_error *err)
{
    const struct zama_party *party = find_party(zama, op->name);
    uint8_t id[ZAMA_ID_LEN];
    char name[2 * ZAMA_ID_LEN + 1];

    if (party != NULL)
        return add_party_keys(zama, party, op->name, &op->keys, err);
    if (!zama_id_parse(op->name, id))
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND,
                           "its keys are called by the 64 hex digits of their ids, or " PARTY_PREFIX
                           "N");
    zama_id_format(id, name);
    if (strcmp(name, op->name) != 0)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND,
                           "the hex digits of a key's id are in lower case");
    REMOTE_TRY(zama_has_key(zama, id, deadline_ms, err));
    return add_fhe_key(zama, id, &op->keys, err);
}
