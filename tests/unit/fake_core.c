/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"
#include "released.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define KEYS_MAX 32
#define NONCE 12
#define TAG 16
#define SEALED "fake:" /* before the service's own ciphertexts, in base64 */

struct fake_key {
    struct remote_key *key;
    EVP_PKEY *secret;
    unsigned char mac[32];
};

struct remote_slot {
    const char *name;
    bool broken, removed, needs_login, logged_in, writable, random;
    struct fake_key keys[KEYS_MAX];
    size_t key_count;
    struct remote_cert **certs;
    size_t cert_count;
};

struct remote_core {
    struct remote_slot *slots[4];
    atomic_size_t count;
    atomic_uint generation;
};

struct fake fake;
static struct remote_slot web = { .name = "web", .random = true };
static struct remote_slot pin = { .name = "pin", .needs_login = true, .writable = true };
static struct remote_slot broken = { .name = "broken", .broken = true };
static struct remote_slot other = { .name = "web" }; /* what a changed section makes of slot 0 */
static struct remote_slot late = { .name = "late" };
static struct remote_core fake_core = { { &web, &pin, &broken }, 3, 0 };

/* ---- keys and certificates ---- */

static struct remote_key *key_new(struct remote_slot *slot, const char *name, unsigned version)
{
    struct remote_key *key = calloc(1, sizeof(*key));

    assert_non_null(key);
    key->name = strdup(name);
    key->refs = 1;
    key->slot = slot;
    key->version = version;
    key->latest = key->enabled = true;
    return key;
}

static struct fake_key *key_add(struct remote_slot *slot, const char *name, unsigned version,
                                EVP_PKEY *secret)
{
    struct fake_key *entry = &slot->keys[slot->key_count++];
    unsigned char *der = NULL;
    int len;

    entry->key = key_new(slot, name, version);
    entry->secret = secret;
    if (!secret)
        return entry;
    len = i2d_PUBKEY(secret, &der);
    assert_true(len > 0);
    assert_int_equal(remote_local_set_spki(entry->key, remote_slice(der, (size_t)len), NULL),
                     REMOTE_OK);
    OPENSSL_free(der);
    entry->key->uses = REMOTE_USE_SIGN | REMOTE_USE_VERIFY;
    return entry;
}

static void keys_make(void)
{
    struct fake_key *mac;

    key_add(&web, "rsa", 1, EVP_PKEY_Q_keygen(remote_libctx(), NULL, "RSA", (size_t)2048))
        ->key->uses |=
        REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP;
    key_add(&web, "ec", 2, EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", "P-256"));
    key_add(&web, "ec", 1, EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", "P-256"))->key->latest =
        false;
    key_add(&web, "ed", 1, EVP_PKEY_Q_keygen(remote_libctx(), NULL, "ED25519"));
    mac = key_add(&web, "mac", 3, NULL);
    memset(mac->mac, 0x4d, sizeof(mac->mac));
    mac->key->type = REMOTE_KEY_GENERIC;
    mac->key->bits = 256;
    mac->key->uses = REMOTE_USE_SIGN | REMOTE_USE_VERIFY;
    assert_int_equal(remote_local_set_secret_id(mac->key, "web", NULL), REMOTE_OK);
    mac = key_add(&web, "box", 1, NULL);
    memset(mac->mac, 0x42, sizeof(mac->mac));
    mac->key->type = REMOTE_KEY_AES;
    mac->key->bits = 256;
    mac->key->uses = REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP;
    assert_int_equal(remote_local_set_secret_id(mac->key, "web", NULL), REMOTE_OK);
    key_add(&pin, "hidden", 1, EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", "P-384"));
}

static X509 *cert_new(const char *subject, EVP_PKEY *subject_key, const char *issuer,
                      EVP_PKEY *issuer_key, long serial)
{
    X509 *x509 = X509_new_ex(remote_libctx(), NULL);
    X509_NAME *name;

    assert_non_null(x509);
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial);
    name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1, 0);
    name = X509_get_issuer_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)issuer, -1, -1, 0);
    ASN1_TIME_set_string(X509_getm_notBefore(x509), "20240102000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(x509), "20991231000000Z");
    X509_set_pubkey(x509, subject_key);
    if (subject_key == issuer_key) {
        X509_EXTENSION *ca =
            X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(x509, ca, -1);
        X509_EXTENSION_free(ca);
    }
    assert_true(X509_sign(x509, issuer_key, EVP_sha256()) > 0);
    return x509;
}

static void cert_add(struct remote_slot *slot, X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    long len;

    assert_int_equal(PEM_write_bio_X509(bio, x509), 1);
    len = BIO_get_mem_data(bio, &pem);
    assert_int_equal(remote_local_certs("fake.pem", remote_slice(pem, (size_t)len), &slot->certs,
                                        &slot->cert_count, NULL),
                     REMOTE_OK);
    BIO_free(bio);
    X509_free(x509);
}

int fake_core_make(void **state)
{
    struct remote_guard guard;
    EVP_PKEY *ca;

    (void)state;
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    keys_make();
    ca = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", "P-256");
    cert_add(&web, cert_new("web.example", web.keys[1].secret, "Test CA", ca, 7));
    cert_add(&web, cert_new("Test CA", ca, "Test CA", ca, 1));
    cert_add(&pin, cert_new("hidden.example", pin.keys[0].secret, "Test CA", ca, 8));
    EVP_PKEY_free(ca);
    remote_guard_leave(&guard);
    return 0;
}

static void slot_free(struct remote_slot *slot)
{
    for (size_t i = 0; i < slot->key_count; i++) {
        assert_int_equal(slot->keys[i].key->refs, 1); /* nobody kept one */
        remote_key_unref(slot->keys[i].key);
        EVP_PKEY_free(slot->keys[i].secret);
    }
    for (size_t i = 0; i < slot->cert_count; i++)
        remote_cert_free(slot->certs[i]);
    free(slot->certs);
}

int fake_core_free(void **state)
{
    struct remote_guard guard;

    (void)state;
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    slot_free(&web);
    slot_free(&pin);
    remote_guard_leave(&guard);
    return 0;
}

/* ---- steps for tests ---- */

int fake_core_start(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.allow = REMOTE_ALLOW_GENERATE | REMOTE_ALLOW_IMPORT | REMOTE_ALLOW_DESTROY;
    web.random = true;
    web.removed = pin.removed = false;
    fake_core.slots[0] = &web;
    fake_core.count = 3;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    return 0;
}

int fake_core_stop(void **state)
{
    (void)state;
    C_Finalize(NULL);
    assert_int_equal(fake.open, 0);
    free(fake.named);
    return 0;
}

CK_SESSION_HANDLE fake_core_session(CK_SLOT_ID slot)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;

    assert_int_equal(C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
    assert_int_not_equal(session, CK_INVALID_HANDLE);
    return session;
}

CK_OBJECT_HANDLE fake_core_find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label)
{
    CK_ATTRIBUTE attributes[] = { { CKA_CLASS, &class, sizeof(class) },
                                  { CKA_LABEL, (void *)label, strlen(label) } };
    CK_OBJECT_HANDLE handles[2];
    CK_ULONG count = 0;

    assert_int_equal(C_FindObjectsInit(session, attributes, 2), CKR_OK);
    assert_int_equal(C_FindObjects(session, handles, 2, &count), CKR_OK);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
    assert_int_equal(count, 1);
    return handles[0];
}

void fake_core_enable(const char *name, unsigned version, bool enabled)
{
    for (size_t i = 0; i < web.key_count; i++)
        if (strcmp(web.keys[i].key->name, name) == 0 && web.keys[i].key->version == version)
            web.keys[i].key->enabled = enabled;
}

void fake_core_release(const char *name, bool released)
{
    for (size_t i = 0; i < web.key_count; i++)
        if (strcmp(web.keys[i].key->name, name) == 0)
            web.keys[i].key->released = released;
}

size_t fake_core_count(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    CK_OBJECT_HANDLE handles[64];
    CK_ULONG found = 0;

    assert_int_equal(C_FindObjectsInit(session, attributes, count), CKR_OK);
    assert_int_equal(C_FindObjects(session, handles, 64, &found), CKR_OK);
    assert_int_equal(C_FindObjectsFinal(session), CKR_OK);
    return found;
}

/* ---- slot.h ---- */

enum remote_rc remote_core_open(const char *named, struct remote_core **ret,
                                struct remote_error *err)
{
    if (named && strcmp(named, "/missing") == 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "/missing: no such file");
    free(fake.named);
    fake.named = named ? strdup(named) : NULL;
    fake.open++;
    *ret = &fake_core;
    return REMOTE_OK;
}

void remote_core_close(struct remote_core *from)
{
    if (from)
        fake.open--;
}

void remote_core_release(struct remote_core *core)
{
    remote_core_close(core);
}

size_t remote_core_slot_count(const struct remote_core *from)
{
    return from->count;
}

struct remote_slot *remote_core_slot(const struct remote_core *from, size_t index)
{
    return from->slots[index];
}

enum remote_rc remote_core_reload(struct remote_core *from, bool now, struct remote_error *err)
{
    (void)from, (void)now, (void)err;
    fake.looks++;
    return REMOTE_OK;
}

unsigned remote_core_generation(const struct remote_core *from)
{
    return from->generation;
}

void fake_core_remove(CK_SLOT_ID slot, bool removed)
{
    fake_core.slots[slot]->removed = removed;
    fake_core.generation++;
}

void fake_core_change(void)
{
    fake_core.slots[0] = fake_core.slots[0] == &web ? &other : &web;
    fake_core.generation++;
}

void fake_core_add(void)
{
    fake_core.slots[fake_core.count] = &late;
    fake_core.count++;
    fake_core.generation++;
}

struct remote_slot *remote_core_find_slot(const struct remote_core *from, const char *name)
{
    for (size_t i = 0; i < from->count; i++)
        if (strcmp(from->slots[i]->name, name) == 0)
            return from->slots[i];
    return NULL;
}

const char *remote_core_source(const struct remote_core *from)
{
    (void)from;
    return "fake.conf";
}

size_t remote_slot_index(const struct remote_slot *slot)
{
    size_t i = 0;

    while (fake_core.slots[i] != slot)
        i++;
    return i;
}

const char *remote_slot_name(const struct remote_slot *slot)
{
    return slot->name;
}

void remote_slot_describe(const struct remote_slot *slot, struct remote_buf *ret)
{
    (void)slot, (void)ret;
}

const char *remote_slot_backend(const struct remote_slot *slot)
{
    return slot->broken ? "" : "fake";
}

enum remote_rc remote_slot_status(const struct remote_slot *slot, struct remote_error *err)
{
    if (slot->removed)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "slot '%s' was removed", slot->name);
    return slot->broken ? REMOTE_FAIL(err, REMOTE_E_CONFIG, "fake.conf:9: [slot broken] url: none")
                        : REMOTE_OK;
}

bool remote_slot_needs_login(const struct remote_slot *slot)
{
    return slot->needs_login;
}

bool remote_slot_writable(const struct remote_slot *slot)
{
    return slot->writable;
}

bool remote_slot_has_random(const struct remote_slot *slot)
{
    return slot->random;
}

bool remote_slot_makes_keys(const struct remote_slot *slot)
{
    (void)slot;
    return !fake.makes_no_keys;
}

bool remote_slot_allows(const struct remote_slot *slot, enum remote_allow what)
{
    return slot->writable && (fake.allow & (unsigned)what) != 0;
}

/* Everything but SHA-1, so that a mechanism exists which the slot cannot do. */
bool remote_slot_can(const struct remote_slot *slot, const struct remote_mechanism *row)
{
    return !slot->broken && row->hash != REMOTE_HASH_SHA1 && (row->served & REMOTE_SERVED_THERE) &&
           (row->alg != REMOTE_ALG_KEY_GEN || remote_slot_allows(slot, REMOTE_ALLOW_GENERATE));
}

/* Policy forbids CTR, and SHA-1 with RSA. */
bool remote_slot_can_here(const struct remote_slot *slot, const struct remote_mechanism *row)
{
    return !slot->broken && (row->served & REMOTE_SERVED_HERE) && row->ckm != CKM_AES_CTR &&
           row->ckm != CKM_SHA1_RSA_PKCS;
}

void remote_slot_key_sizes(const struct remote_slot *slot, enum remote_key_type type,
                           unsigned *ret_min, unsigned *ret_max)
{
    (void)slot;
    *ret_min = type == REMOTE_KEY_RSA ? 2048 : 256;
    *ret_max = type == REMOTE_KEY_RSA ? 4096 : 521;
}

int remote_slot_last_status(void)
{
    return fake.http_status;
}

bool remote_key_same(const struct remote_key *a, const struct remote_key *b)
{
    return a->version == b->version && strcmp(a->name, b->name) == 0;
}

size_t remote_slot_cert_room(const struct remote_slot *slot)
{
    return slot->cert_count;
}

bool remote_slot_finds_certs(const struct remote_slot *slot)
{
    (void)slot;
    return false;
}

size_t remote_slot_cert_count(const struct remote_slot *slot)
{
    return slot->cert_count;
}

const struct remote_cert *remote_slot_cert(const struct remote_slot *slot, size_t index)
{
    return slot->certs[index];
}

bool remote_cert_matches(const struct remote_cert *cert, const struct remote_key *key)
{
    return key->id_len == sizeof(cert->id) && memcmp(cert->id, key->id, sizeof(cert->id)) == 0;
}

/* Counts, calls back, and fails when told so. */
static enum remote_rc request(struct remote_error *err)
{
    fake.requests++;
    if (fake.during)
        fake.during(fake.during_arg);
    return fake.fail ? REMOTE_FAIL(err, fake.fail, "the fake was told to fail") : REMOTE_OK;
}

enum remote_rc remote_slot_login(struct remote_slot *slot, struct remote_slice given,
                                 struct remote_error *err)
{
    if (slot->logged_in || !slot->needs_login)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "logged in already");
    REMOTE_TRY(request(err));
    if (!remote_slice_equal(given, remote_slice_str("1234")))
        return REMOTE_FAIL(err, REMOTE_E_PIN, "wrong PIN");
    slot->logged_in = true;
    return REMOTE_OK;
}

enum remote_rc remote_slot_login_as(struct remote_slot *slot, enum remote_login_holder holder,
                                    struct remote_slice given, struct remote_error *err)
{
    (void)holder;
    return slot->logged_in ? REMOTE_OK : remote_slot_login(slot, given, err);
}

void remote_slot_logout(struct remote_slot *slot)
{
    fake.logouts++;
    slot->logged_in = false;
}

bool remote_slot_logged_in(struct remote_slot *slot)
{
    return !slot->needs_login || slot->logged_in;
}

void remote_slot_label(struct remote_slot *slot, const struct remote_key *key,
                       struct remote_buf *ret)
{
    (void)slot;
    remote_buf_append_str(ret, key->name);
    if (!key->latest)
        remote_buf_printf(ret, "@v%u", key->version);
}

enum remote_rc remote_slot_find_label(struct remote_slot *slot, const char *label,
                                      struct remote_key_list *ret, struct remote_error *err)
{
    REMOTE_TRY(request(err));
    for (size_t i = 0; i < slot->key_count; i++) {
        CLEANUP(remote_buf_clear) struct remote_buf own = { 0 };

        remote_slot_label(slot, slot->keys[i].key, &own);
        if (strcmp((char *)own.data, label) == 0)
            REMOTE_TRY(remote_key_list_add(ret, slot->keys[i].key, err));
    }
    return REMOTE_OK;
}

/* The keys of a name lie newest first. */
enum remote_rc remote_slot_read(struct remote_slot *slot, const char *name,
                                struct remote_key_list *ret, struct remote_key_list *ret_all,
                                struct remote_error *err)
{
    REMOTE_TRY(remote_slot_find_label(slot, name, ret, err));
    for (size_t i = slot->key_count; i-- > 0;)
        if (strcmp(slot->keys[i].key->name, name) == 0)
            REMOTE_TRY(remote_key_list_add(ret_all, slot->keys[i].key, err));
    return REMOTE_OK;
}

bool remote_slot_knows_id(struct remote_slot *slot, struct remote_slice id)
{
    for (size_t i = 0; i < slot->key_count; i++)
        if (remote_slice_equal(id, remote_slice(slot->keys[i].key->id, slot->keys[i].key->id_len)))
            return true;
    return false;
}

enum remote_rc remote_slot_find_id(struct remote_slot *slot, struct remote_slice id,
                                   struct remote_key_list *ret, struct remote_error *err)
{
    REMOTE_TRY(request(err));
    for (size_t i = 0; i < slot->key_count; i++) {
        struct remote_key *key = slot->keys[i].key;

        if (remote_slice_equal(id, remote_slice(key->id, key->id_len)))
            REMOTE_TRY(remote_key_list_add(ret, key, err));
    }
    return REMOTE_OK;
}

enum remote_rc remote_slot_list(struct remote_slot *slot, const struct remote_progress *progress,
                                struct remote_key_list *ret, struct remote_error *err)
{
    (void)progress;
    REMOTE_TRY(request(err));
    for (size_t i = 0; i < slot->key_count; i++)
        if (slot->keys[i].key->latest)
            REMOTE_TRY(remote_key_list_add(ret, slot->keys[i].key, err));
    return REMOTE_OK;
}

enum remote_rc remote_slot_random(struct remote_slot *slot, unsigned char *out, size_t len,
                                  struct remote_error *err)
{
    (void)slot;
    REMOTE_TRY(request(err));
    memset(out, 0, len); /* a hostile service: its bytes must not be all there is */
    return REMOTE_OK;
}

/* ---- key.h ---- */

struct remote_key *remote_key_ref(struct remote_key *key)
{
    key->refs++;
    return key;
}

void remote_key_unref(struct remote_key *key)
{
    if (!key || --key->refs > 0)
        return;
    EVP_PKEY_free(key->pkey);
    remote_buf_clear(&key->spki);
    free(key->name);
    free(key);
}

enum remote_rc remote_key_list_add(struct remote_key_list *list, struct remote_key *key,
                                   struct remote_error *err)
{
    (void)err;
    list->keys = realloc(list->keys, (list->count + 1) * sizeof(*list->keys));
    assert_non_null(list->keys);
    list->keys[list->count++] = remote_key_ref(key);
    return REMOTE_OK;
}

void remote_key_list_clear(struct remote_key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        remote_key_unref(list->keys[i]);
    free(list->keys);
    memset(list, 0, sizeof(*list));
}

size_t remote_key_sealed_max(const struct remote_key *key, const struct remote_params *params,
                             size_t len)
{
    if (key->type == REMOTE_KEY_RSA)
        return key->bits / 8;
    if (params->alg == REMOTE_ALG_AES_GCM)
        return len + NONCE + TAG;
    return sizeof(SEALED) - 1 + (len + NONCE + TAG + 2) / 3 * 4;
}

size_t remote_key_output_size(const struct remote_key *key, const struct remote_params *params)
{
    if (key->type == REMOTE_KEY_GENERIC)
        return remote_hash_size(params->hash);
    return key->type == REMOTE_KEY_RSA  ? key->bits / 8
           : key->type == REMOTE_KEY_EC ? 2 * (size_t)key->bits / 8
                                        : 64;
}

size_t remote_key_input_max(const struct remote_key *key, const struct remote_params *params,
                            enum remote_use use)
{
    if (params->alg == REMOTE_ALG_RSA_PKCS1)
        return key->bits / 8 - 11;
    if (key->type == REMOTE_KEY_RSA && use == REMOTE_USE_DECRYPT)
        return key->bits / 8;
    return 1000;
}

enum remote_rc remote_key_check(const struct remote_key *key, const struct remote_params *params,
                                enum remote_use use, struct remote_error *err)
{
    if (!key->enabled || !(key->uses & use))
        return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE, "key '%s' is not for that", key->name);
    if (params->alg == REMOTE_ALG_RSA_PSS && params->salt_len != remote_hash_size(params->hash))
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "key '%s': a salt as long as the hash", key->name);
    return REMOTE_OK;
}

static struct fake_key *own_key(const struct remote_key *key)
{
    for (size_t i = 0; i < key->slot->key_count; i++)
        if (key->slot->keys[i].key == key)
            return &key->slot->keys[i];
    fail();
    return NULL;
}

static const EVP_MD *md_of(enum remote_hash hash)
{
    return hash == REMOTE_HASH_SHA512   ? EVP_sha512()
           : hash == REMOTE_HASH_SHA384 ? EVP_sha384()
                                        : EVP_sha256();
}

static void set_padding(EVP_PKEY_CTX *ctx, const struct remote_params *params)
{
    switch (params->alg) {
    case REMOTE_ALG_RSA_PKCS1:
    case REMOTE_ALG_RSA_PKCS1_ENC:
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING);
        break;
    case REMOTE_ALG_RSA_PSS:
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)params->salt_len);
        break;
    case REMOTE_ALG_RSA_OAEP:
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING);
        EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, remote_hash_name(params->hash), NULL);
        if (params->aad.len > 0)
            EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, OPENSSL_memdup(params->aad.data, params->aad.len),
                                             (int)params->aad.len);
        return;
    default:
        break;
    }
    if (params->hash != REMOTE_HASH_NONE)
        EVP_PKEY_CTX_set_signature_md(ctx, md_of(params->hash));
}

static void sign_message(EVP_PKEY *secret, struct remote_slice input, struct remote_buf *ret)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = 64;

    assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, NULL, remote_libctx(), NULL, secret, NULL),
                     1);
    assert_int_equal(EVP_DigestSign(ctx, remote_buf_reserve(ret, len), &len, input.data, input.len),
                     1);
    ret->len = len;
    EVP_MD_CTX_free(ctx);
}

static void sign_digest(EVP_PKEY *secret, const struct remote_params *params,
                        struct remote_slice input, struct remote_buf *ret)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), secret, NULL);
    size_t len = 512;

    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    set_padding(ctx, params);
    assert_int_equal(EVP_PKEY_sign(ctx, remote_buf_reserve(ret, len), &len, input.data, input.len),
                     1);
    ret->len = len;
    EVP_PKEY_CTX_free(ctx);
}

enum remote_rc remote_key_sign(struct remote_key *key, const struct remote_params *params,
                               struct remote_slice input, struct remote_buf *ret_sig,
                               struct remote_error *err)
{
    const struct fake_key *own = own_key(key);
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    unsigned len = 0;

    REMOTE_TRY(remote_key_check(key, params, REMOTE_USE_SIGN, err));
    REMOTE_TRY(request(err));
    switch (key->type) {
    case REMOTE_KEY_ED25519:
        sign_message(own->secret, input, ret_sig);
        return REMOTE_OK;
    case REMOTE_KEY_GENERIC:
        HMAC(md_of(params->hash), own->mac, sizeof(own->mac), input.data, input.len,
             remote_buf_reserve(ret_sig, EVP_MAX_MD_SIZE), &len);
        ret_sig->len = len;
        return REMOTE_OK;
    case REMOTE_KEY_EC:
        sign_digest(own->secret, params, input, &der);
        return remote_local_ecdsa_from_der(remote_buf_slice(&der), key->bits / 8, ret_sig, err);
    default:
        sign_digest(own->secret, params, input, ret_sig);
        return REMOTE_OK;
    }
}

enum remote_rc remote_key_verify(struct remote_key *key, const struct remote_params *params,
                                 struct remote_slice input, struct remote_slice sig,
                                 struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };

    if (key->type != REMOTE_KEY_GENERIC)
        return remote_local_verify(key, params, input, sig, err);
    REMOTE_TRY(remote_key_sign(key, params, input, &mac, err));
    return remote_slice_equal(remote_buf_slice(&mac), sig)
               ? REMOTE_OK
               : REMOTE_FAIL(err, REMOTE_E_DATA, "the MAC is wrong");
}

/* nonce || ciphertext || tag with the key's own bytes, in either direction. */
static enum remote_rc run_gcm(const struct remote_key *key, const struct remote_params *params,
                              struct remote_slice nonce, struct remote_slice in, bool encrypt,
                              struct remote_buf *out, struct remote_error *err)
{
    const struct remote_cipher_params gcm = {
        .cipher = REMOTE_CIPHER_AES_GCM, .iv = nonce, .aad = params->aad, .tag_len = TAG
    };
    struct remote_cipher_run run = { 0 };
    struct remote_secret_key *secret = NULL;
    enum remote_rc rc;

    assert_int_equal(remote_secret_key_new(REMOTE_KEY_AES, remote_slice(own_key(key)->mac, 32),
                                           &secret, NULL),
                     REMOTE_OK);
    assert_int_equal(remote_cipher_init(&run, secret, &gcm, encrypt, NULL), REMOTE_OK);
    rc = remote_cipher_update(&run, in, out, err);
    if (rc == REMOTE_OK)
        rc = remote_cipher_final(&run, out, err);
    remote_cipher_clear(&run);
    remote_secret_key_unref(secret);
    return rc;
}

static enum remote_rc seal(struct remote_key *key, const struct remote_params *params,
                           struct remote_slice plain, struct remote_buf *ret_out,
                           struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    unsigned char nonce[NONCE];

    REMOTE_TRY(request(err));
    REMOTE_TRY(remote_local_random(nonce, sizeof(nonce), err));
    remote_buf_append(&sealed, nonce, sizeof(nonce));
    REMOTE_TRY(run_gcm(key, params, remote_slice(nonce, NONCE), plain, true, &sealed, err));
    if (params->alg == REMOTE_ALG_AES_GCM) {
        remote_buf_append(ret_out, sealed.data, sealed.len);
    } else {
        remote_buf_append_str(ret_out, SEALED);
        remote_base64_append(ret_out, remote_buf_slice(&sealed));
    }
    return REMOTE_OK;
}

static enum remote_rc unseal(struct remote_key *key, const struct remote_params *params,
                             struct remote_slice in, struct remote_buf *ret_plain,
                             struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    const size_t prefix = sizeof(SEALED) - 1;

    REMOTE_TRY(request(err));
    if (params->alg == REMOTE_ALG_AES_GCM)
        remote_buf_append(&sealed, in.data, in.len);
    else if (in.len < prefix || memcmp(in.data, SEALED, prefix) != 0 ||
             !remote_base64_decode(remote_slice(in.data + prefix, in.len - prefix), &sealed))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "not sealed by the fake");
    if (sealed.len < NONCE + TAG)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "too short");
    if (run_gcm(key, params, remote_slice(sealed.data, NONCE),
                remote_slice(sealed.data + NONCE, sealed.len - NONCE), false, ret_plain,
                NULL) != REMOTE_OK)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "does not open");
    return REMOTE_OK;
}

enum remote_rc remote_key_encrypt(struct remote_key *key, const struct remote_params *params,
                                  struct remote_slice plain, struct remote_buf *ret_out,
                                  struct remote_error *err)
{
    if (key->type == REMOTE_KEY_AES)
        return seal(key, params, plain, ret_out, err);
    return remote_local_encrypt(key, params, plain, ret_out, err);
}

enum remote_rc remote_key_decrypt(struct remote_key *key, const struct remote_params *params,
                                  struct remote_slice sealed, struct remote_buf *ret_plain,
                                  struct remote_error *err)
{
    EVP_PKEY_CTX *ctx;
    size_t len = 512;
    int ok;

    if (key->type == REMOTE_KEY_AES)
        return unseal(key, params, sealed, ret_plain, err);
    if (sealed.len != key->bits / 8)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "ciphertext of the wrong length");
    REMOTE_TRY(request(err));
    ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), own_key(key)->secret, NULL);
    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    set_padding(ctx, params);
    ok = EVP_PKEY_decrypt(ctx, remote_buf_reserve(ret_plain, len), &len, sealed.data, sealed.len);
    EVP_PKEY_CTX_free(ctx);
    if (ok != 1)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "does not open");
    ret_plain->len = len;
    return REMOTE_OK;
}

/* ---- lifecycle.h ---- */

static struct remote_key *find_key(const struct remote_slot *slot, const char *name)
{
    for (size_t i = 0; i < slot->key_count; i++)
        if (strcmp(slot->keys[i].key->name, name) == 0)
            return slot->keys[i].key;
    return NULL;
}

static EVP_PKEY *pair_new(const struct remote_key_spec *spec)
{
    if (spec->type == REMOTE_KEY_RSA)
        return EVP_PKEY_Q_keygen(remote_libctx(), NULL, "RSA", (size_t)spec->bits);
    if (spec->type == REMOTE_KEY_EC)
        return EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC",
                                 spec->curve == NID_secp384r1 ? "P-384" : "P-256");
    return EVP_PKEY_Q_keygen(remote_libctx(), NULL, "ED25519");
}

static enum remote_rc key_made(struct remote_slot *slot, const char *name,
                               const struct remote_key_spec *spec, EVP_PKEY *secret,
                               struct remote_slice bytes, struct remote_key **ret)
{
    struct fake_key *entry = key_add(slot, name, 1, secret);

    if (!secret) {
        memcpy(entry->mac, bytes.data, bytes.len < 32 ? bytes.len : 32);
        entry->key->type = spec->type;
        entry->key->bits = spec->bits;
        entry->key->uses =
            spec->type == REMOTE_KEY_GENERIC
                ? REMOTE_USE_SIGN | REMOTE_USE_VERIFY
                : REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP;
        assert_int_equal(remote_local_set_secret_id(entry->key, slot->name, NULL), REMOTE_OK);
    }
    *ret = remote_key_ref(entry->key);
    return REMOTE_OK;
}

static enum remote_rc check_new(const struct remote_slot *slot, const char *name,
                                struct remote_error *err)
{
    REMOTE_TRY(request(err));
    return find_key(slot, name) ? REMOTE_FAIL(err, REMOTE_E_EXISTS, "'%s' is there already", name)
                                : REMOTE_OK;
}

enum remote_rc remote_slot_generate(struct remote_slot *slot, const char *name,
                                    const struct remote_key_spec *spec, struct remote_key **ret,
                                    struct remote_error *err)
{
    static const unsigned char bytes[32] = { 1 };
    bool symmetric = remote_key_type_symmetric(spec->type);

    if (spec->type == REMOTE_KEY_RSA && spec->bits < 2048)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "no keys of %u bits", spec->bits);
    REMOTE_TRY(check_new(slot, name, err));
    return key_made(slot, name, spec, symmetric ? NULL : pair_new(spec),
                    remote_slice(bytes, sizeof(bytes)), ret);
}

enum remote_rc remote_slot_import(struct remote_slot *slot, const char *name,
                                  const struct remote_key_spec *spec, struct remote_slice material,
                                  struct remote_key **ret, struct remote_error *err)
{
    const unsigned char *at = material.data;
    EVP_PKEY *secret = NULL;

    REMOTE_TRY(check_new(slot, name, err));
    if (!remote_key_type_symmetric(spec->type)) {
        secret = d2i_AutoPrivateKey_ex(NULL, &at, (long)material.len, remote_libctx(), NULL);
        if (!secret)
            return REMOTE_FAIL(err, REMOTE_E_DATA, "not PKCS#8");
        assert_int_equal(EVP_PKEY_get_bits(secret), spec->bits);
    }
    return key_made(slot, name, spec, secret, material, ret);
}

enum remote_rc remote_slot_rotate(struct remote_slot *slot, const char *name,
                                  struct remote_key **ret, struct remote_error *err)
{
    (void)slot, (void)name, (void)ret;
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "PKCS#11 has no rotation");
}

/* The key that was read before keeps its name, as real ones do; the service has another. */
enum remote_rc remote_slot_rename(struct remote_slot *slot, const char *name, const char *label,
                                  struct remote_key **ret, struct remote_error *err)
{
    struct fake_key *found = NULL;
    struct remote_key *renamed;

    REMOTE_TRY(request(err));
    for (size_t i = 0; i < slot->key_count; i++) {
        if (strcmp(slot->keys[i].key->name, label) == 0)
            return REMOTE_FAIL(err, REMOTE_E_EXISTS, "there is a key '%s' already", label);
        if (strcmp(slot->keys[i].key->name, name) == 0)
            found = &slot->keys[i];
    }
    if (!found)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "no key '%s'", name);
    renamed = key_new(slot, label, found->key->version);
    assert_int_equal(remote_local_set_spki(renamed, remote_buf_slice(&found->key->spki), err),
                     REMOTE_OK);
    renamed->uses = found->key->uses;
    remote_key_unref(found->key);
    found->key = renamed;
    *ret = remote_key_ref(renamed);
    return REMOTE_OK;
}

enum remote_rc remote_slot_destroy(struct remote_slot *slot, const char *name,
                                   struct remote_error *err)
{
    REMOTE_TRY(request(err));
    for (size_t i = 0; i < slot->key_count; i++) {
        if (strcmp(slot->keys[i].key->name, name) != 0)
            continue;
        EVP_PKEY_free(slot->keys[i].secret);
        remote_key_unref(slot->keys[i].key);
        slot->keys[i] = slot->keys[--slot->key_count];
        return REMOTE_OK;
    }
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "no key '%s'", name);
}

enum remote_rc remote_key_data_key(struct remote_key *key, const char *name, size_t len,
                                   struct remote_secret *ret_clear, struct remote_buf *ret_sealed,
                                   struct remote_error *err)
{
    static const struct remote_params aead = { .alg = REMOTE_ALG_AEAD };

    (void)name;
    if (len != 16 && len != 32)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "no data keys of %zu bytes", len);
    REMOTE_TRY(remote_secret_set(ret_clear, NULL, len, err));
    REMOTE_TRY(remote_local_random(ret_clear->data, len, err));
    return seal(key, &aead, remote_secret_slice(ret_clear), ret_sealed, err);
}

bool remote_slot_keeps_data_keys(const struct remote_slot *slot)
{
    (void)slot;
    return false;
}

enum remote_rc remote_key_release(struct remote_key *key, struct remote_secret_key **ret,
                                  struct remote_error *err)
{
    static const unsigned char zeroes[32];

    if (!key->released)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "key '%s' does not come out", key->name);
    REMOTE_TRY(request(err));
    return remote_secret_key_new(key->type, remote_slice(zeroes, key->bits / 8), ret, err);
}
