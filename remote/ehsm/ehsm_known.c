/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service has said of its keys. There is no asking for one key: a listing tells kind,
 * state and dates of all of them, but neither public half nor usage. These never change, so that
 * each is asked for once.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/obj_mac.h>

#include "ehsm.h"

#define KEYS_MAX 20000 /* the service lists 10,000 */

struct ehsm_entry {
    char keyid[EHSM_UUID_LEN + 1];
    struct ehsm_facts facts;
    unsigned serial; /* of the last listing that had it */
    struct ehsm_entry *next;
};

/* clang-format off */
static const struct ehsm_spec specs[] = {
    { "EH_AES_GCM_128", REMOTE_KEY_AES, 128,  0 },
    { "EH_AES_GCM_192", REMOTE_KEY_AES, 192,  0 },
    { "EH_AES_GCM_256", REMOTE_KEY_AES, 256,  0 },
    { "EH_RSA_2048",    REMOTE_KEY_RSA, 2048, 0 },
    { "EH_RSA_3072",    REMOTE_KEY_RSA, 3072, 0 },
    { "EH_RSA_4096",    REMOTE_KEY_RSA, 4096, 0 },
    { "EH_EC_P224",     REMOTE_KEY_EC,  224,  NID_secp224r1 },
    { "EH_EC_P256",     REMOTE_KEY_EC,  256,  NID_X9_62_prime256v1 },
    { "EH_EC_P256K",    REMOTE_KEY_EC,  256,  NID_secp256k1 },
    { "EH_EC_P384",     REMOTE_KEY_EC,  384,  NID_secp384r1 },
    { "EH_EC_P521",     REMOTE_KEY_EC,  521,  NID_secp521r1 },
    { "EH_SM2",         REMOTE_KEY_SM2, 256,  NID_sm2 },
    { "EH_SM4_CTR",     REMOTE_KEY_SM4, 128,  NID_sm4_ctr },
    { "EH_SM4_CBC",     REMOTE_KEY_SM4, 128,  NID_sm4_cbc },
};
/* clang-format on */

const struct ehsm_spec *ehsm_spec_by_wire(const char *wire)
{
    for (size_t i = 0; wire != NULL && i < ARRAY_SIZE(specs); i++)
        if (strcmp(specs[i].wire, wire) == 0)
            return &specs[i];
    return NULL;
}

const char *ehsm_wire_spec(const struct remote_key_spec *spec)
{
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
        if (specs[i].type == spec->type && specs[i].bits == spec->bits &&
            (spec->curve == 0 || specs[i].curve == spec->curve))
            return specs[i].wire;
    return NULL;
}

/* ---- the table; ehsm.lock is held ---- */

static struct ehsm_entry **bucket_of(struct ehsm *ehsm, const char *keyid)
{
    uint32_t hash = 0x811c9dc5u; /* FNV-1a */

    for (; *keyid != '\0'; keyid++)
        hash = (hash ^ (unsigned char)*keyid) * 0x01000193u;
    return &ehsm->table.buckets[hash % EHSM_BUCKETS];
}

static struct ehsm_entry *find(struct ehsm *ehsm, const char *keyid)
{
    struct ehsm_entry *entry = *bucket_of(ehsm, keyid);

    while (entry != NULL && strcmp(entry->keyid, keyid) != 0)
        entry = entry->next;
    return entry;
}

static struct ehsm_entry *obtain(struct ehsm *ehsm, const char *keyid)
{
    struct ehsm_entry **bucket = bucket_of(ehsm, keyid);
    struct ehsm_entry *entry = find(ehsm, keyid);

    if (entry != NULL)
        return entry;
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    memcpy(entry->keyid, keyid, EHSM_UUID_LEN);
    entry->next = *bucket;
    *bucket = entry;
    return entry;
}

/* Those that a listing older than `serial` had last. */
static void drop_older(struct ehsm *ehsm, unsigned serial)
{
    for (size_t i = 0; i < EHSM_BUCKETS; i++) {
        struct ehsm_entry **at = &ehsm->table.buckets[i];

        while (*at != NULL) {
            struct ehsm_entry *entry = *at;

            if (entry->serial == serial) {
                at = &entry->next;
                continue;
            }
            *at = entry->next;
            ehsm_facts_clear(&entry->facts);
            free(entry);
        }
    }
}

void ehsm_known_clear(struct ehsm *ehsm)
{
    drop_older(ehsm, ehsm->table.serial + 1);
}

/* ---- listings ---- */

static int64_t seconds_of(const remote_json *json, const char *member)
{
    int64_t ms = 0;

    return remote_json_number(json, member, &ms) && ms > 0 ? ms / 1000 : 0;
}

static enum remote_rc take_entry(struct ehsm *ehsm, const remote_json *json,
                                 struct remote_error *err)
{
    const char *keyid = remote_json_text(json, "keyid");
    struct ehsm_entry *entry;
    int64_t state = 0;

    if (keyid == NULL || !ehsm_is_uuid(remote_slice_str(keyid)))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the listing has a keyid that is none");
    entry = obtain(ehsm, keyid);
    if (entry == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    entry->facts.spec = ehsm_spec_by_wire(remote_json_text(json, "keyspec"));
    entry->facts.enabled = remote_json_number(json, "keyState", &state) && state == 1;
    entry->facts.created = seconds_of(json, "creationDate");
    entry->facts.expires = seconds_of(json, "expireTime");
    entry->serial = ehsm->table.serial;
    return REMOTE_OK;
}

enum remote_rc ehsm_known_take(struct ehsm *ehsm, const remote_json *json, struct remote_error *err)
{
    const remote_json *list = remote_json_at(json, "result.list");
    size_t count = remote_json_count(list);
    enum remote_rc rc = REMOTE_OK;

    if (list == NULL || count > KEYS_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "the answer has no list of keys, or too long a one");
    remote_lock_acquire(&ehsm->lock);
    ehsm->table.serial++;
    for (size_t i = 0; rc == REMOTE_OK && i < count; i++)
        rc = take_entry(ehsm, remote_json_index(list, i), err);
    if (rc == REMOTE_OK)
        drop_older(ehsm, ehsm->table.serial);
    remote_lock_release(&ehsm->lock);
    return rc;
}

/* ---- one key ---- */

void ehsm_facts_clear(struct ehsm_facts *facts)
{
    remote_buf_clear(&facts->spki);
    memset(facts, 0, sizeof(*facts));
}

enum remote_rc ehsm_known(struct ehsm *ehsm, const char *keyid, struct ehsm_facts *ret,
                          struct remote_error *err)
{
    const struct ehsm_entry *entry;

    remote_lock_acquire(&ehsm->lock);
    entry = find(ehsm, keyid);
    if (entry != NULL) {
        *ret = entry->facts;
        memset(&ret->spki, 0, sizeof(ret->spki));
        remote_buf_append(&ret->spki, entry->facts.spki.data, entry->facts.spki.len);
    }
    remote_lock_release(&ehsm->lock);
    if (entry == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "the service has no key %s", keyid);
    return remote_buf_check(&ret->spki, err);
}

enum remote_rc ehsm_known_public(struct ehsm *ehsm, const char *keyid, struct remote_slice spki,
                                 struct remote_error *err)
{
    struct ehsm_entry *entry;
    enum remote_rc rc = REMOTE_OK;

    remote_lock_acquire(&ehsm->lock);
    entry = find(ehsm, keyid);
    if (entry != NULL) {
        remote_buf_clear(&entry->facts.spki);
        remote_buf_append(&entry->facts.spki, spki.data, spki.len);
        rc = remote_buf_check(&entry->facts.spki, err);
        if (rc != REMOTE_OK)
            remote_buf_clear(&entry->facts.spki);
    }
    remote_lock_release(&ehsm->lock);
    return rc;
}

void ehsm_known_usage(struct ehsm *ehsm, const char *keyid, enum ehsm_usage usage)
{
    struct ehsm_entry *entry;

    remote_lock_acquire(&ehsm->lock);
    entry = find(ehsm, keyid);
    if (entry != NULL)
        entry->facts.usage = usage;
    remote_lock_release(&ehsm->lock);
}
