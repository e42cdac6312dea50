/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "module.h"
#include "pair.h"
#include "secret_rows.h"

#define BYTES_MAX 4096 /* of a label or an ID */

/* Must be there (footnotes 1 and 3), and must not (2, 4 and 6), by the rows' `given`. */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    unsigned by;
    bool secret; /* of secret keys only: parts.c looks at what pairs are made of */
} required[] = {
    { CKA_CLASS, PKCS11_CREATING, false },
    { CKA_KEY_TYPE, PKCS11_CREATING | PKCS11_UNWRAPPING, false },
    { CKA_VALUE, PKCS11_CREATING, true },
};

static const struct {
    CK_ATTRIBUTE_TYPE type;
    unsigned use;
} flags[] = {
    { CKA_ENCRYPT, REMOTE_USE_ENCRYPT }, { CKA_DECRYPT, REMOTE_USE_DECRYPT },
    { CKA_SIGN, REMOTE_USE_SIGN },       { CKA_VERIFY, REMOTE_USE_VERIFY },
    { CKA_WRAP, REMOTE_USE_WRAP },       { CKA_UNWRAP, REMOTE_USE_UNWRAP },
};

static const struct {
    CK_KEY_TYPE ckk;
    enum remote_key_type type;
} types[] = {
    { CKK_AES, REMOTE_KEY_AES },
    { CKK_GENERIC_SECRET, REMOTE_KEY_GENERIC },
    { CKK_CHACHA20, REMOTE_KEY_CHACHA20 },
    { CKK_SHA_1_HMAC, REMOTE_KEY_GENERIC },
    { CKK_SHA224_HMAC, REMOTE_KEY_GENERIC },
    { CKK_SHA256_HMAC, REMOTE_KEY_GENERIC },
    { CKK_SHA384_HMAC, REMOTE_KEY_GENERIC },
    { CKK_SHA512_HMAC, REMOTE_KEY_GENERIC },
    { CKK_SHA3_224_HMAC, REMOTE_KEY_GENERIC },
    { CKK_SHA3_256_HMAC, REMOTE_KEY_GENERIC },
    { CKK_SHA3_384_HMAC, REMOTE_KEY_GENERIC },
    { CKK_SHA3_512_HMAC, REMOTE_KEY_GENERIC },
};

bool pkcs11_secret_core_type(CK_KEY_TYPE type, enum remote_key_type *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].ckk != type)
            continue;
        *ret = types[i].type;
        return true;
    }
    return false;
}

/* NULL: keys of this class do not have it. */
static const struct pkcs11_secret_row *row_find(const struct pkcs11_secret *secret,
                                                CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < pkcs11_secret_row_count; i++)
        if (pkcs11_secret_rows[i].type == type &&
            (pkcs11_secret_rows[i].classes >> secret->class & 1u))
            return &pkcs11_secret_rows[i];
    return NULL;
}

/* ---- life ---- */

static struct pkcs11_secret *secret_new(CK_OBJECT_CLASS class)
{
    static atomic_ulong serials;
    struct pkcs11_secret *secret = calloc(1, sizeof(*secret));

    if (!secret)
        return NULL;
    atomic_init(&secret->refs, 1);
    secret->class = class;
    secret->serial = atomic_fetch_add(&serials, 1) + 1;
    return secret;
}

struct pkcs11_secret *pkcs11_secret_ref(struct pkcs11_secret *secret)
{
    atomic_fetch_add_explicit(&secret->refs, 1, memory_order_relaxed);
    return secret;
}

void pkcs11_secret_unref(struct pkcs11_secret *secret)
{
    if (!secret || atomic_fetch_sub(&secret->refs, 1) != 1)
        return;
    for (size_t i = 0; i < pkcs11_secret_row_count; i++)
        remote_buf_clear(&secret->values[i]);
    remote_secret_key_unref(secret->key);
    remote_session_pair_unref(secret->pair);
    free(secret);
}

void pkcs11_secret_drop(struct pkcs11_secret **secret)
{
    pkcs11_secret_unref(*secret);
}

CK_RV pkcs11_secret_store(struct pkcs11_call *call, struct pkcs11_secret **secret,
                          CK_OBJECT_HANDLE *ret)
{
    struct pkcs11_slot *slot = call->session->slot;
    struct pkcs11_secret *stored = *secret;
    bool may;

    pkcs11_module_lock();
    may = !pkcs11_secret_flag(stored, CKA_PRIVATE) || !remote_slot_needs_login(slot->remote) ||
          pkcs11_slot_logged_in(slot);
    pkcs11_module_unlock();
    if (!may)
        return CKR_USER_NOT_LOGGED_IN;
    *secret = NULL;
    return pkcs11_session_object_add(call, stored, ret);
}

/* ---- values ---- */

static struct remote_buf *value_of(struct pkcs11_secret *secret, CK_ATTRIBUTE_TYPE type)
{
    return &secret->values[row_find(secret, type) - pkcs11_secret_rows];
}

static void set(struct remote_buf *value, const void *data, size_t len)
{
    remote_buf_truncate(value, 0);
    remote_buf_append(value, data, len);
}

static void set_bool(struct remote_buf *value, bool on)
{
    CK_BBOOL byte = on ? CK_TRUE : CK_FALSE;

    set(value, &byte, sizeof(byte));
}

static void set_ulong(struct remote_buf *value, CK_ULONG number)
{
    set(value, &number, sizeof(number));
}

static bool is_true(const struct remote_buf *value)
{
    return value->len == sizeof(CK_BBOOL) && value->data[0] == CK_TRUE;
}

bool pkcs11_secret_flag(const struct pkcs11_secret *secret, CK_ATTRIBUTE_TYPE type)
{
    const struct pkcs11_secret_row *row = row_find(secret, type);

    return row && (secret->flags >> (row - pkcs11_secret_rows) & 1) != 0;
}

/* After values were set. */
static void note_flags(struct pkcs11_secret *secret)
{
    secret->flags = 0;
    for (size_t i = 0; i < pkcs11_secret_row_count; i++)
        if (is_true(&secret->values[i]))
            secret->flags |= UINT64_C(1) << i;
}

CK_KEY_TYPE pkcs11_secret_type(const struct pkcs11_secret *secret)
{
    const struct remote_buf *value =
        &secret->values[row_find(secret, CKA_KEY_TYPE) - pkcs11_secret_rows];
    CK_KEY_TYPE type = CK_UNAVAILABLE_INFORMATION;

    if (value->len == sizeof(type))
        memcpy(&type, value->data, sizeof(type));
    return type;
}

bool pkcs11_secret_allows(const struct pkcs11_secret *secret, CK_MECHANISM_TYPE ckm)
{
    const struct remote_buf *value =
        &secret->values[row_find(secret, CKA_ALLOWED_MECHANISMS) - pkcs11_secret_rows];

    for (size_t at = 0; at < value->len; at += sizeof(ckm))
        if (memcmp(value->data + at, &ckm, sizeof(ckm)) == 0)
            return true;
    return value->len == 0;
}

static bool failed(const struct pkcs11_secret *secret)
{
    for (size_t i = 0; i < pkcs11_secret_row_count; i++)
        if (secret->values[i].failed)
            return true;
    return false;
}

/* ---- reading a template ---- */

static bool is_date(const struct remote_slice *value)
{
    for (size_t i = 0; i < value->len; i++)
        if (value->data[i] < '0' || value->data[i] > '9')
            return false;
    return value->len == 0 || value->len == sizeof(CK_DATE);
}

static bool form_fits(enum pkcs11_form form, struct remote_slice value)
{
    switch (form) {
    case FORM_BOOL:
    case FORM_FALSE:
        return value.len == sizeof(CK_BBOOL) && value.data[0] <= CK_TRUE;
    case FORM_ULONG:
        return value.len == sizeof(CK_ULONG);
    case FORM_ULONGS:
        return value.len % sizeof(CK_ULONG) == 0 && value.len <= BYTES_MAX;
    case FORM_DATE:
        return is_date(&value);
    case FORM_BYTES:
        return value.len <= BYTES_MAX;
    case FORM_EMPTY:
        return value.len == 0;
    default:
        return true;
    }
}

/* Whether it may become this, from what it is. */
static bool ratchet_turns(const struct pkcs11_secret_row *row, bool was, bool becomes)
{
    return row->ratchet == FREE || was == becomes || (row->ratchet == ONLY_UP) == becomes;
}

static CK_RV read_attribute(struct pkcs11_secret *secret, const CK_ATTRIBUTE *attribute,
                            enum pkcs11_making making)
{
    const struct pkcs11_secret_row *row = row_find(secret, attribute->type);
    struct remote_slice value = remote_slice(attribute->pValue, attribute->ulValueLen);
    struct remote_buf *into;

    if (!row)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    into = &secret->values[row - pkcs11_secret_rows];
    if (!(row->given & making))
        return CKR_ATTRIBUTE_READ_ONLY;
    if (!form_fits(row->form, value))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    if (row->form == FORM_FALSE && value.data[0] != CK_FALSE)
        return CKR_ATTRIBUTE_READ_ONLY;
    if ((making & (PKCS11_COPYING | PKCS11_SETTING)) && row->form == FORM_BOOL &&
        !ratchet_turns(row, is_true(into), value.data[0] == CK_TRUE))
        return CKR_ATTRIBUTE_READ_ONLY;
    if (row->form != FORM_VALUE)
        set(into, value.data, value.len);
    return CKR_OK;
}

static void set_initial(struct pkcs11_secret *secret, const struct pkcs11_slot *slot)
{
    for (size_t i = 0; i < pkcs11_secret_row_count; i++) {
        struct remote_buf *value = &secret->values[i];

        if (!(pkcs11_secret_rows[i].classes >> secret->class & 1u))
            continue;
        switch (pkcs11_secret_rows[i].initial) {
        case INITIAL_FALSE:
        case INITIAL_TRUE:
            set_bool(value, pkcs11_secret_rows[i].initial == INITIAL_TRUE);
            break;
        case INITIAL_CLASS:
            set_ulong(value, secret->class);
            break;
        case INITIAL_LOGIN:
            set_bool(value, remote_slot_needs_login(slot->remote));
            break;
        case INITIAL_NONE:
            break;
        }
    }
    set_ulong(value_of(secret, CKA_KEY_GEN_MECHANISM), CK_UNAVAILABLE_INFORMATION);
}

static void copy_values(struct pkcs11_secret *secret, const struct pkcs11_secret *from)
{
    for (size_t i = 0; i < pkcs11_secret_row_count; i++)
        set(&secret->values[i], from->values[i].data, from->values[i].len);
    secret->key = from->key ? remote_secret_key_ref(from->key) : NULL;
    secret->pair = from->pair ? remote_session_pair_ref(from->pair) : NULL;
}

static CK_RV check_required(const struct pkcs11_secret *secret,
                            const struct pkcs11_template *template, enum pkcs11_making making)
{
    for (size_t i = 0; i < ARRAY_SIZE(required); i++)
        if ((required[i].by & making) && (!required[i].secret || secret->class == CKO_SECRET_KEY) &&
            !pkcs11_template_find(template, required[i].type))
            return CKR_TEMPLATE_INCOMPLETE;
    return CKR_OK;
}

static CK_RV check_class(const struct pkcs11_secret *secret, const struct pkcs11_template *template)
{
    CK_ULONG class = secret->class;

    PKCS11_TRY(pkcs11_template_ulong(template, CKA_CLASS, &class));
    return class == secret->class ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

static CK_RV check_type(const struct pkcs11_secret *secret)
{
    CK_KEY_TYPE type = pkcs11_secret_type(secret);
    enum remote_key_type unused;
    bool known = secret->class == CKO_SECRET_KEY ? pkcs11_secret_core_type(type, &unused)
                                                 : pkcs11_pair_core_type(type, &unused);

    if (known || secret->values[row_find(secret, CKA_KEY_TYPE) - pkcs11_secret_rows].len == 0)
        return CKR_OK;
    return CKR_ATTRIBUTE_VALUE_INVALID;
}

static CK_RV read_all(struct pkcs11_secret *secret, const struct pkcs11_template *template,
                      enum pkcs11_making making)
{
    for (CK_ULONG i = 0; i < template->count; i++)
        PKCS11_TRY(read_attribute(secret, &template->attributes[i], making));
    PKCS11_TRY(check_required(secret, template, making));
    PKCS11_TRY(check_class(secret, template));
    PKCS11_TRY(check_type(secret));
    note_flags(secret);
    return failed(secret) ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV pkcs11_secret_read_class(const struct pkcs11_slot *slot, CK_OBJECT_CLASS class,
                               const struct pkcs11_template *template, enum pkcs11_making making,
                               const struct pkcs11_secret *from, struct pkcs11_secret **ret)
{
    struct pkcs11_secret *secret;
    CK_RV rv;

    PKCS11_TRY(pkcs11_template_check(template));
    secret = secret_new(class);
    if (!secret)
        return CKR_HOST_MEMORY;
    if (from)
        copy_values(secret, from);
    else
        set_initial(secret, slot);
    rv = read_all(secret, template, making);
    if (rv != CKR_OK) {
        pkcs11_secret_unref(secret);
        return rv;
    }
    if (making == PKCS11_SETTING)
        secret->serial = from->serial; /* the same object */
    *ret = secret;
    return CKR_OK;
}

CK_RV pkcs11_secret_read(const struct pkcs11_slot *slot, const struct pkcs11_template *template,
                         enum pkcs11_making making, const struct pkcs11_secret *from,
                         struct pkcs11_secret **ret)
{
    return pkcs11_secret_read_class(slot, from ? from->class : CKO_SECRET_KEY, template, making,
                                    from, ret);
}

CK_RV pkcs11_secret_set_type(struct pkcs11_secret *secret, CK_KEY_TYPE type)
{
    struct remote_buf *value = value_of(secret, CKA_KEY_TYPE);

    if (value->len > 0 && pkcs11_secret_type(secret) != type)
        return CKR_TEMPLATE_INCONSISTENT;
    set_ulong(value, type);
    return value->failed ? CKR_HOST_MEMORY : CKR_OK;
}

/* ---- what follows from the key ---- */

/* The uses that there are mechanisms for. */
static unsigned uses_of(enum remote_key_type type)
{
    unsigned uses = 0;

    for (size_t i = 0; i < remote_mechanism_count; i++)
        if (remote_mechanisms[i].key == type && (remote_mechanisms[i].served & REMOTE_SERVED_HERE))
            uses |= remote_mechanisms[i].uses;
    return uses;
}

static void settle_uses(struct pkcs11_secret *secret)
{
    unsigned uses = uses_of(pkcs11_secret_key_type(secret));

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        const struct pkcs11_secret_row *row = row_find(secret, flags[i].type);

        if (row && secret->values[row - pkcs11_secret_rows].len == 0)
            set_bool(&secret->values[row - pkcs11_secret_rows], (uses & flags[i].use) != 0);
    }
}

/* An empty one in the template means that none is wanted; it is there all the same. */
static CK_RV settle_check_value(struct pkcs11_call *call, struct pkcs11_secret *secret)
{
    struct remote_buf *value = value_of(secret, CKA_CHECK_VALUE);
    unsigned char made[3];
    enum remote_rc rc = remote_secret_key_check_value(secret->key, made, &call->err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
    if (value->len > 0 &&
        !remote_slice_equal(remote_buf_slice(value), remote_slice(made, sizeof(made))))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    set(value, made, sizeof(made));
    return CKR_OK;
}

static void settle_secrecy(struct pkcs11_secret *secret, bool generated)
{
    if (secret->class == CKO_PUBLIC_KEY)
        return;
    set_bool(value_of(secret, CKA_ALWAYS_SENSITIVE),
             generated && pkcs11_secret_flag(secret, CKA_SENSITIVE));
    set_bool(value_of(secret, CKA_NEVER_EXTRACTABLE),
             generated && !pkcs11_secret_flag(secret, CKA_EXTRACTABLE));
}

static CK_RV settle(struct pkcs11_secret *secret, enum pkcs11_making making,
                    CK_MECHANISM_TYPE generated_by)
{
    bool generated = making == PKCS11_GENERATING;

    settle_uses(secret);
    set_bool(value_of(secret, CKA_LOCAL), generated);
    set_ulong(value_of(secret, CKA_KEY_GEN_MECHANISM), generated_by);
    settle_secrecy(secret, generated);
    note_flags(secret);
    return failed(secret) ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV pkcs11_secret_complete(struct pkcs11_call *call, struct pkcs11_secret *secret,
                             struct remote_secret_key *key, enum pkcs11_making making,
                             CK_MECHANISM_TYPE generated_by)
{
    secret->key = key;
    PKCS11_TRY(settle_check_value(call, secret));
    return settle(secret, making, generated_by);
}

CK_RV pkcs11_secret_complete_pair(struct pkcs11_secret *secret, struct remote_session_pair *pair,
                                  enum pkcs11_making making, CK_MECHANISM_TYPE generated_by)
{
    secret->pair = pair;
    return settle(secret, making, generated_by);
}

enum remote_key_type pkcs11_secret_key_type(const struct pkcs11_secret *secret)
{
    return secret->pair ? secret->pair->public.type : secret->key->type;
}

bool pkcs11_secret_readable(const struct pkcs11_secret *secret)
{
    return !pkcs11_secret_flag(secret, CKA_SENSITIVE) &&
           pkcs11_secret_flag(secret, CKA_EXTRACTABLE);
}

/* ---- C_GetAttributeValue ---- */

static CK_RV key_value(const struct pkcs11_secret *secret, struct remote_buf *ret)
{
    struct remote_slice value;

    if (!pkcs11_secret_readable(secret))
        return CKR_ATTRIBUTE_SENSITIVE;
    value = pkcs11_secret_material(secret);
    remote_buf_append(ret, value.data, value.len);
    return CKR_OK;
}

static CK_RV made_value(const struct pkcs11_secret *secret, CK_ATTRIBUTE_TYPE type,
                        struct remote_buf *ret)
{
    CK_ULONG len;

    if (type == CKA_UNIQUE_ID) {
        remote_buf_printf(ret, "o:%lu", secret->serial);
        return CKR_OK;
    }
    if (secret->pair)
        return pkcs11_pair_value(secret, type, ret);
    if (type == CKA_VALUE)
        return key_value(secret, ret);
    len = secret->key->value.len; /* CKA_VALUE_LEN */
    remote_buf_append(ret, &len, sizeof(len));
    return CKR_OK;
}

CK_RV pkcs11_secret_value(const struct pkcs11_secret *secret, CK_ATTRIBUTE_TYPE type,
                          struct remote_buf *ret)
{
    const struct pkcs11_secret_row *row = row_find(secret, type);

    if (!row)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    if (row->form == FORM_VALUE)
        PKCS11_TRY(made_value(secret, type, ret));
    else
        remote_buf_append(ret, secret->values[row - pkcs11_secret_rows].data,
                          secret->values[row - pkcs11_secret_rows].len);
    return ret->failed ? CKR_HOST_MEMORY : CKR_OK;
}

struct remote_slice pkcs11_secret_material(const struct pkcs11_secret *secret)
{
    return remote_secret_key_value(secret->key ? secret->key : secret->pair->pkcs8);
}

size_t pkcs11_secret_size(const struct pkcs11_secret *secret)
{
    if (secret->key)
        return secret->key->value.len;
    return secret->pair->pkcs8 ? secret->pair->pkcs8->value.len : secret->pair->public.spki.len;
}
