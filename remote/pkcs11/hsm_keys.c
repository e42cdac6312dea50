/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys a token has, and what they are. A key's name is its CKA_LABEL; without one it is
 * "id-" and CKA_ID in hex. Keys of one label are versions of one name, numbered from 1 in the
 * order of their CKA_ID (as bytes; the shorter first when one begins the other), so that the
 * greatest is the newest. That is stable as long as nobody adds a lesser id.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hsm.h"
#include "remote/encode.h"
#include "remote/lifecycle.h"
#include "remote/local/local.h"
#include "remote/log.h"
#include "remote/slot.h"

#define UNLABELLED "id-"
#define SECRET_MAX 65536 /* bytes */
#define SECONDS_PER_DAY (24 * 60 * 60)

static bool is_served(CK_OBJECT_CLASS class, CK_KEY_TYPE type)
{
    if (class == CKO_PRIVATE_KEY)
        return type == CKK_RSA || type == CKK_EC || type == CKK_EC_EDWARDS;
    return class == CKO_SECRET_KEY &&
           (type == CKK_AES || type == CKK_GENERIC_SECRET || type == CKK_SHA_1_HMAC ||
            type == CKK_SHA224_HMAC || type == CKK_SHA256_HMAC || type == CKK_SHA384_HMAC ||
            type == CKK_SHA512_HMAC);
}

/* ---- list ---- */

/* A label that cannot be a name is no label. */
static bool is_name(struct remote_slice label)
{
    return label.len > 0 && label.len <= REMOTE_KEY_NAME_MAX &&
           memchr(label.data, '\0', label.len) == NULL;
}

/* An hsm_each. */
static enum remote_rc add_name(void *arg, CK_OBJECT_CLASS class, CK_KEY_TYPE type,
                               struct remote_slice label, struct remote_slice id,
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf name = { 0 };

    if (!is_served(class, type))
        return REMOTE_OK;
    if (is_name(label)) {
        remote_buf_append(&name, label.data, label.len);
    } else {
        remote_buf_append_str(&name, UNLABELLED);
        remote_hex_append(&name, id);
        if (id.len == 0 || !is_name(remote_buf_slice(&name)))
            return REMOTE_OK; /* nothing to call it by */
    }
    remote_buf_append_char(&name, '\0');
    REMOTE_TRY(remote_buf_check(&name, err));
    return remote_names_add(arg, (const char *)name.data, err);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop_repeated(struct remote_names *names)
{
    size_t kept = 0;

    qsort(names->names, names->count, sizeof(char *), by_text);
    for (size_t i = 0; i < names->count; i++) {
        if (kept > 0 && strcmp(names->names[kept - 1], names->names[i]) == 0)
            free(names->names[i]);
        else
            names->names[kept++] = names->names[i];
    }
    names->count = kept;
}

enum remote_rc hsm_list(struct hsm_session *session, struct remote_op *op, struct remote_error *err)
{
    remote_names_clear(&op->names);
    REMOTE_TRY(hsm_inventory_take(session, add_name, &op->names, err));
    if (op->names.count > 0)
        drop_repeated(&op->names);
    return REMOTE_OK;
}

/* ---- the objects of one name ---- */

void hsm_candidates_clear(struct hsm_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++)
        remote_buf_clear(&candidates->list[i].id);
    free(candidates->list);
    *candidates = (struct hsm_candidates){ 0 };
}

static enum remote_rc add_candidate(struct hsm_session *session, CK_OBJECT_HANDLE object,
                                    CK_OBJECT_CLASS class, struct hsm_candidates *ret,
                                    struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf type = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf id = { 0 };
    const struct hsm_value values[] = { { CKA_KEY_TYPE, &type }, { CKA_ID, &id } };
    struct hsm_candidate *longer, candidate = { .object = object, .class = class };
    size_t cap = ret->cap ? ret->cap * 2 : 4;

    REMOTE_TRY(hsm_attributes(session, object, values, ARRAY_SIZE(values), err));
    candidate.type = hsm_value_number(&type, CKK_VENDOR_DEFINED);
    if (!is_served(class, candidate.type))
        return REMOTE_OK;
    if (ret->count == ret->cap) {
        longer = reallocarray(ret->list, cap, sizeof(*longer));
        if (longer == NULL)
            return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        ret->list = longer;
        ret->cap = cap;
    }
    candidate.id = id;
    id = (struct remote_buf){ 0 };
    ret->list[ret->count++] = candidate;
    return REMOTE_OK;
}

typedef enum remote_rc (*find_fn)(struct hsm_session *session, CK_OBJECT_CLASS class,
                                  CK_ATTRIBUTE_TYPE by, struct remote_slice value,
                                  struct hsm_objects *ret, struct remote_error *err);

static enum remote_rc find_with(find_fn find, struct hsm_session *session, CK_ATTRIBUTE_TYPE by,
                                struct remote_slice value, struct hsm_candidates *ret,
                                struct remote_error *err)
{
    static const CK_OBJECT_CLASS classes[] = { CKO_PRIVATE_KEY, CKO_SECRET_KEY };

    for (size_t c = 0; c < ARRAY_SIZE(classes); c++) {
        CLEANUP(hsm_objects_clear) struct hsm_objects found = { 0 };

        REMOTE_TRY(find(session, classes[c], by, value, &found, err));
        for (size_t i = 0; i < found.count; i++)
            REMOTE_TRY(add_candidate(session, found.list[i], classes[c], ret, err));
    }
    return REMOTE_OK;
}

/* A listing that knows the name in one class is not followed by a search in the other. */
static enum remote_rc find_by(struct hsm_session *session, CK_ATTRIBUTE_TYPE by,
                              struct remote_slice value, struct hsm_candidates *ret,
                              struct remote_error *err)
{
    REMOTE_TRY(find_with(hsm_find_known, session, by, value, ret, err));
    return ret->count > 0 ? REMOTE_OK : find_with(hsm_find_by, session, by, value, ret, err);
}

static int by_id(const void *a, const void *b)
{
    const struct hsm_candidate *left = a, *right = b;
    size_t common = left->id.len < right->id.len ? left->id.len : right->id.len;
    int order = common > 0 ? memcmp(left->id.data, right->id.data, common) : 0;

    if (order == 0)
        order = (left->id.len > right->id.len) - (left->id.len < right->id.len);
    if (order == 0)
        order = (left->class > right->class) - (left->class < right->class);
    return order != 0 ? order : (left->object > right->object) - (left->object < right->object);
}

enum remote_rc hsm_candidates_find(struct hsm_session *session, const char *name,
                                   struct hsm_candidates *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf id = { 0 };

    REMOTE_TRY(find_by(session, CKA_LABEL, remote_slice_str(name), ret, err));
    if (ret->count == 0 && strncmp(name, UNLABELLED, strlen(UNLABELLED)) == 0 &&
        remote_hex_decode(remote_slice_str(name + strlen(UNLABELLED)), &id) && id.len > 0)
        REMOTE_TRY(find_by(session, CKA_ID, remote_buf_slice(&id), ret, err));
    if (ret->count > 1)
        qsort(ret->list, ret->count, sizeof(*ret->list), by_id);
    return REMOTE_OK;
}

/* ---- read ---- */

struct reading { /* of one name, under way */
    struct hsm_session *session;
    struct remote_op *op;
    const char *name;
    const struct remote_key *wanted; /* NULL: no one in particular */
    struct hsm_handle found;         /* where that is */
    struct remote_error *err;
};

struct facts { /* of one key object, read in one call */
    struct remote_buf sign, decrypt, encrypt, always_authenticate, start, end, len;
};

static void facts_clear(struct facts *facts)
{
    remote_buf_clear(&facts->sign);
    remote_buf_clear(&facts->decrypt);
    remote_buf_clear(&facts->encrypt);
    remote_buf_clear(&facts->always_authenticate);
    remote_buf_clear(&facts->start);
    remote_buf_clear(&facts->end);
    remote_buf_clear(&facts->len);
}

/* What only one of the classes has comes last: the other does not ask for it. */
static enum remote_rc read_facts(struct hsm_session *session, const struct hsm_candidate *from,
                                 struct facts *ret, struct remote_error *err)
{
    bool secret = from->class == CKO_SECRET_KEY;
    const struct hsm_value values[] = {
        { CKA_SIGN, &ret->sign },
        { CKA_DECRYPT, &ret->decrypt },
        { CKA_START_DATE, &ret->start },
        { CKA_END_DATE, &ret->end },
        { secret ? CKA_ENCRYPT : CKA_ALWAYS_AUTHENTICATE,
          secret ? &ret->encrypt : &ret->always_authenticate },
        { CKA_VALUE_LEN, &ret->len },
    };

    return hsm_attributes(session, from->object, values, ARRAY_SIZE(values) - !secret, err);
}

static void take_uses(const struct facts *facts, const struct hsm_candidate *from,
                      struct remote_key *key)
{
    /* with a public key it is done here */
    bool encrypt = from->class != CKO_SECRET_KEY || hsm_value_bool(&facts->encrypt);

    if (hsm_value_bool(&facts->sign) && key->type != REMOTE_KEY_AES)
        key->uses |= REMOTE_USE_SIGN | REMOTE_USE_VERIFY;
    if (key->type != REMOTE_KEY_RSA && key->type != REMOTE_KEY_AES)
        return;
    if (hsm_value_bool(&facts->decrypt)) /* unwrapping too: that key lives in this process */
        key->uses |= REMOTE_USE_DECRYPT | REMOTE_USE_UNWRAP;
    if (encrypt)
        key->uses |= REMOTE_USE_ENCRYPT | REMOTE_USE_WRAP;
}

/* CK_DATE: "20260131". What is no date is none. */
static int64_t read_date(const struct remote_buf *value)
{
    struct tm tm = { 0 };
    char text[sizeof(CK_DATE) + 1] = { 0 };
    char *end;

    if (value->len != sizeof(CK_DATE))
        return 0;
    memcpy(text, value->data, sizeof(CK_DATE));
    end = strptime(text, "%Y%m%d", &tm);
    return end != NULL && *end == '\0' ? (int64_t)timegm(&tm) : 0;
}

/* From the first second of one day, UTC, to the last of the other. */
static void take_dates(const struct facts *facts, struct remote_key *key)
{
    int64_t end = read_date(&facts->end);

    key->not_before = read_date(&facts->start);
    key->not_after = end != 0 ? end + SECONDS_PER_DAY - 1 : 0;
}

static enum remote_rc take_secret(const struct facts *facts, const struct hsm_candidate *from,
                                  struct remote_key *key, struct remote_error *err)
{
    CK_ULONG len = hsm_value_number(&facts->len, 0);

    if (len == 0 || len > SECRET_MAX)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "key '%s': the token tells no size that is served", key->name);
    key->type = from->type == CKK_AES ? REMOTE_KEY_AES : REMOTE_KEY_GENERIC;
    key->bits = (unsigned)len * 8;
    return remote_local_set_secret_id(key, remote_slot_name(key->slot), err);
}

static void note_handle(struct reading *reading, const struct remote_key *key,
                        struct hsm_handle handle)
{
    struct hsm_session *session = reading->session;
    struct hsm *hsm = session->hsm;

    if (reading->wanted != NULL && reading->wanted->id_len == key->id_len &&
        memcmp(reading->wanted->id, key->id, key->id_len) == 0)
        reading->found = handle;
    remote_lock_acquire(&hsm->lock);
    if (session->epoch == hsm->epoch && session->generation == hsm->generation)
        hsm_handles_put(&hsm->handles, key, handle);
    remote_lock_release(&hsm->lock);
}

static enum remote_rc fill_key(struct reading *reading, const struct hsm_candidate *from,
                               struct remote_key *key)
{
    CLEANUP(facts_clear) struct facts facts = { 0 };
    struct hsm_private private = { from->object, from->type, remote_buf_slice(&from->id),
                                   remote_slice_str(key->name) };
    struct hsm_handle handle = { .object = from->object };

    REMOTE_TRY(read_facts(reading->session, from, &facts, reading->err));
    if (from->class == CKO_PRIVATE_KEY)
        REMOTE_TRY(hsm_public_read(reading->session, &private, key, reading->err));
    else
        REMOTE_TRY(take_secret(&facts, from, key, reading->err));
    take_uses(&facts, from, key);
    take_dates(&facts, key);
    handle.always_authenticate = hsm_value_bool(&facts.always_authenticate);
    key->enabled = true;
    note_handle(reading, key, handle);
    return REMOTE_OK;
}

static enum remote_rc add_version(struct reading *reading, const struct hsm_candidate *from,
                                  unsigned version)
{
    struct remote_key *key =
        remote_key_new(reading->session->hsm->base.slot, reading->name, version, reading->err);
    enum remote_rc rc = key != NULL ? fill_key(reading, from, key) : REMOTE_E_NOMEM;

    if (rc == REMOTE_OK)
        rc = remote_key_list_add(&reading->op->keys, key, reading->err);
    remote_key_unref(key);
    return rc;
}

/* A version that cannot be served is left out; its number stays taken. */
static enum remote_rc read_versions(struct reading *reading,
                                    const struct hsm_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        enum remote_rc rc = add_version(reading, &candidates->list[i], (unsigned)i + 1);

        if (rc == REMOTE_E_UNSUPPORTED && candidates->count > 1)
            remote_log(REMOTE_LOG_WARNING, "version %zu is left out: %s", i + 1,
                       reading->err->text);
        else if (rc != REMOTE_OK)
            return rc;
    }
    return reading->op->keys.count > 0 ? REMOTE_OK : REMOTE_E_UNSUPPORTED;
}

static enum remote_rc read_name(struct reading *reading)
{
    CLEANUP(hsm_candidates_clear) struct hsm_candidates candidates = { 0 };
    struct remote_key_list *keys = &reading->op->keys;

    remote_key_list_clear(keys);
    REMOTE_TRY(hsm_candidates_find(reading->session, reading->name, &candidates, reading->err));
    if (candidates.count == 0)
        return REMOTE_FAIL(reading->err, REMOTE_E_NOT_FOUND, "token '%s' has no key '%s'",
                           reading->session->hsm->label, reading->name);
    REMOTE_TRY(read_versions(reading, &candidates));
    keys->keys[keys->count - 1]->latest = true;
    return REMOTE_OK;
}

enum remote_rc hsm_read(struct hsm_session *session, struct remote_op *op, struct remote_error *err)
{
    struct reading reading = { .session = session, .op = op, .name = op->name, .err = err };

    return read_name(&reading);
}

/* ---- where a key is ---- */

static bool known_handle(struct hsm_session *session, const struct remote_key *key,
                         struct hsm_handle *ret)
{
    struct hsm *hsm = session->hsm;
    bool known;

    remote_lock_acquire(&hsm->lock);
    known = session->epoch == hsm->epoch && session->generation == hsm->generation &&
            hsm_handles_get(&hsm->handles, key, ret);
    remote_lock_release(&hsm->lock);
    return known;
}

void hsm_forget_objects(struct hsm *hsm)
{
    remote_lock_acquire(&hsm->lock);
    hsm_handles_clear(&hsm->handles);
    hsm_inventory_clear(&hsm->inventory);
    remote_lock_release(&hsm->lock);
}

enum remote_rc hsm_locate(struct hsm_session *session, const struct remote_key *key,
                          struct hsm_handle *ret, struct remote_error *err)
{
    struct remote_op again = { .kind = REMOTE_OP_READ };
    struct reading reading = { session, &again, key->name, key, { 0 }, err };
    enum remote_rc rc;

    if (known_handle(session, key, ret))
        return REMOTE_OK;
    rc = read_name(&reading); /* which notes where every version is */
    remote_op_clear(&again);
    REMOTE_TRY(rc);
    if (reading.found.object == CK_INVALID_HANDLE)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "token '%s' no longer has version %u of it",
                           session->hsm->label, key->version);
    *ret = reading.found;
    return REMOTE_OK;
}
