/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 section 5.18: generation. Session keys come from libcrypto's DRBG, without a
 * request; keys of the service are made there and never leave it.
 */
#include <string.h>

#include "attribute.h"
#include "module.h"
#include "pair.h"
#include "token_key.h"

#include "hsmbridge.h"

#define CHACHA20_KEY 32
#define SM2_BITS 256
#define EXPONENT "\x01\x00\x01" /* the only one that services make */

/* ---- secret keys ---- */

static const CK_KEY_TYPE type_of[REMOTE_KEY_TYPE_COUNT] = {
    [REMOTE_KEY_AES] = CKK_AES,
    [REMOTE_KEY_CHACHA20] = CKK_CHACHA20,
    [REMOTE_KEY_GENERIC] = CKK_GENERIC_SECRET,
};

/* The row that makes keys; of a pair, or secret ones. */
static CK_RV find_row(struct pkcs11_call *call, const CK_MECHANISM *mechanism, bool pair,
                      const struct remote_mechanism **ret)
{
    const struct remote_mechanism *row =
        remote_mechanism_find(mechanism->mechanism, REMOTE_KEY_TYPE_COUNT, REMOTE_USE_GENERATE);
    struct remote_params unused;
    enum remote_rc rc;

    if (!row || remote_key_type_symmetric(row->key) == pair)
        return CKR_MECHANISM_INVALID;
    rc = remote_mechanism_params(row, mechanism->pParameter, mechanism->ulParameterLen, &unused,
                                 &call->err);
    *ret = row;
    return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
}

static CK_RV read_length(const struct pkcs11_template *template, enum remote_key_type type,
                         CK_ULONG *ret)
{
    CK_ULONG len = type == REMOTE_KEY_CHACHA20 ? CHACHA20_KEY : 0;

    if (len == 0 && !pkcs11_template_find(template, CKA_VALUE_LEN))
        return CKR_TEMPLATE_INCOMPLETE;
    PKCS11_TRY(pkcs11_template_ulong(template, CKA_VALUE_LEN, &len));
    *ret = len;
    return len <= REMOTE_SECRET_KEY_MAX ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
}

static CK_RV generate_session_key(struct pkcs11_call *call, const struct remote_mechanism *row,
                                  const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *secret = NULL;
    struct remote_secret_key *key = NULL;
    CK_ULONG len = 0;
    enum remote_rc rc;

    if (!remote_slot_can_here(call->session->slot->remote, row))
        return CKR_MECHANISM_INVALID;
    PKCS11_TRY(pkcs11_secret_read(call->session->slot, template, PKCS11_GENERATING, NULL, &secret));
    PKCS11_TRY(pkcs11_secret_set_type(secret, type_of[row->key]));
    PKCS11_TRY(read_length(template, row->key, &len));
    rc = remote_secret_key_generate(row->key, len, &key, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OBJECT);
    PKCS11_TRY(pkcs11_secret_complete(call, secret, key, PKCS11_GENERATING, row->ckm));
    return pkcs11_secret_store(call, &secret, ret);
}

static CK_RV check_type(const struct pkcs11_template *template, CK_KEY_TYPE type)
{
    CK_ULONG stated = type;

    PKCS11_TRY(pkcs11_template_ulong(template, CKA_KEY_TYPE, &stated));
    return stated == type ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

static CK_RV generate_token_key(struct pkcs11_call *call, const struct remote_mechanism *row,
                                const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    struct pkcs11_token_key wish = { .spec = { .type = row->key } };
    CK_ULONG len = 0;

    PKCS11_TRY(pkcs11_token_key_allowed(call, REMOTE_ALLOW_GENERATE));
    if (!remote_slot_can(call->session->slot->remote, row))
        return CKR_MECHANISM_INVALID;
    PKCS11_TRY(pkcs11_token_key_read(template, CKO_SECRET_KEY, row->key, wish.name));
    PKCS11_TRY(check_type(template, type_of[row->key]));
    PKCS11_TRY(read_length(template, row->key, &len));
    wish.spec.bits = (unsigned)len * 8;
    return pkcs11_token_key_generate(call, &wish, ret, NULL);
}

/* ---- a data key of the service: hsmbridge.h ---- */

struct data_key {
    CK_HSMBRIDGE_DATA_KEY_PARAMS *params;
    struct remote_key *key;
    const char *name; /* in a service that keeps it; NULL: none given */
    CK_ULONG len;
};

static CK_RV make_data_key(struct pkcs11_call *call, const struct data_key *wish,
                           struct pkcs11_secret *secret, struct remote_buf *sealed)
{
    CLEANUP(remote_secret_clear) struct remote_secret clear = { 0 };
    struct remote_slot *slot = call->session->slot->remote;
    struct remote_secret_key *key = NULL;
    enum remote_key_type type = REMOTE_KEY_GENERIC;
    enum remote_rc rc;

    if (!pkcs11_secret_core_type(pkcs11_secret_type(secret), &type))
        return CKR_TEMPLATE_INCOMPLETE;
    rc = remote_key_data_key(wish->key, wish->name, wish->len, &clear, sealed, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(slot, rc,
                         rc == REMOTE_E_LENGTH || rc == REMOTE_E_PARAM ? PKCS11_DOING_OBJECT
                                                                       : PKCS11_DOING_OTHER);
    rc = remote_secret_key_new(type, remote_secret_slice(&clear), &key, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(slot, rc, PKCS11_DOING_OBJECT);
    /* made elsewhere, and its sealed part is abroad: not CKA_LOCAL */
    return pkcs11_secret_complete(call, secret, key, PKCS11_UNWRAPPING, CK_UNAVAILABLE_INFORMATION);
}

static CK_RV generate_data_key(struct pkcs11_call *call, const struct data_key *wish,
                               const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *secret = NULL;
    const struct remote_params aead = { .alg = REMOTE_ALG_AEAD };
    CK_HSMBRIDGE_DATA_KEY_PARAMS *params = wish->params;
    CK_RV rv;

    PKCS11_TRY(pkcs11_secret_read(call->session->slot, template, PKCS11_GENERATING, NULL, &secret));
    if (pkcs11_operation_room(remote_key_sealed_max(wish->key, &aead, wish->len), params->pSealed,
                              &params->ulSealedLen, &rv))
        return rv;
    PKCS11_TRY(make_data_key(call, wish, secret, &sealed));
    PKCS11_TRY(pkcs11_operation_output(&sealed, params->pSealed, &params->ulSealedLen));
    return pkcs11_secret_store(call, &secret, ret);
}

/* Where the service keeps the data key, something new is made there, and the label is its name. */
static CK_RV name_data_key(struct pkcs11_call *call, const struct pkcs11_template *template,
                           char *name, struct data_key *wish)
{
    const CK_ATTRIBUTE *label = pkcs11_template_find(template, CKA_LABEL);

    if (!remote_slot_keeps_data_keys(call->session->slot->remote))
        return CKR_OK;
    PKCS11_TRY(pkcs11_token_key_allowed(call, REMOTE_ALLOW_GENERATE));
    if (!label || label->ulValueLen == 0)
        return CKR_OK;
    if (label->ulValueLen > REMOTE_KEY_NAME_MAX || memchr(label->pValue, '\0', label->ulValueLen))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    memcpy(name, label->pValue, label->ulValueLen);
    wish->name = name;
    return CKR_OK;
}

static CK_RV open_data_key(struct pkcs11_call *call, const CK_MECHANISM *mechanism,
                           const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    struct pkcs11_slot *slot = call->session->slot;
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };
    struct data_key wish = { .params = mechanism->pParameter };
    char name[REMOTE_KEY_NAME_MAX + 1] = "";
    const struct remote_mechanism *row;

    PKCS11_TRY(pkcs11_object_get_key(call, slot, wish.params->hKey, &object));
    if (!object.key || object.class != CKO_SECRET_KEY)
        return CKR_KEY_TYPE_INCONSISTENT;
    row = remote_mechanism_find(mechanism->mechanism, object.key->type, REMOTE_USE_GENERATE);
    if (!row)
        return CKR_KEY_TYPE_INCONSISTENT;
    if (!remote_slot_can(slot->remote, row))
        return CKR_MECHANISM_INVALID;
    PKCS11_TRY(read_length(template, REMOTE_KEY_GENERIC, &wish.len));
    PKCS11_TRY(name_data_key(call, template, name, &wish));
    wish.key = object.key;
    return generate_data_key(call, &wish, template, ret);
}

/* ---- C_GenerateKey ---- */

static CK_RV generate_key(struct pkcs11_call *call, const CK_MECHANISM *mechanism,
                          const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    const struct remote_mechanism *row = NULL;
    bool token = false;

    if (!mechanism || !ret)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(find_row(call, mechanism, false, &row));
    PKCS11_TRY(pkcs11_template_check(template));
    PKCS11_TRY(pkcs11_template_bool(template, CKA_TOKEN, &token));
    if (row->alg == REMOTE_ALG_DATA_KEY)
        return token ? CKR_TEMPLATE_INCONSISTENT : open_data_key(call, mechanism, template, ret);
    return token ? generate_token_key(call, row, template, ret)
                 : generate_session_key(call, row, template, ret);
}

CK_RV C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                    CK_ATTRIBUTE_PTR attributes, CK_ULONG count, CK_OBJECT_HANDLE_PTR ret)
{
    const struct pkcs11_template template = { attributes, count };

    return PKCS11_SESSION_CALL(call, session, generate_key(call, mechanism, &template, ret));
}

/* ---- C_GenerateKeyPair ---- */

static CK_RV read_rsa(const struct pkcs11_template *public, struct remote_key_spec *spec)
{
    const CK_ATTRIBUTE *exponent = pkcs11_template_find(public, CKA_PUBLIC_EXPONENT);
    CK_ULONG bits = 0;

    if (!pkcs11_template_find(public, CKA_MODULUS_BITS))
        return CKR_TEMPLATE_INCOMPLETE;
    PKCS11_TRY(pkcs11_template_ulong(public, CKA_MODULUS_BITS, &bits));
    if (exponent && !remote_slice_equal(remote_slice(exponent->pValue, exponent->ulValueLen),
                                        remote_slice(EXPONENT, sizeof(EXPONENT) - 1)))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    if (bits > UINT16_MAX)
        return CKR_KEY_SIZE_RANGE;
    spec->bits = (unsigned)bits;
    return CKR_OK;
}

static CK_RV read_curve(const struct pkcs11_template *public, struct remote_key_spec *spec)
{
    const CK_ATTRIBUTE *params = pkcs11_template_find(public, CKA_EC_PARAMS);
    enum remote_key_type type;

    if (!params)
        return CKR_TEMPLATE_INCOMPLETE;
    if (!remote_local_ec_params(remote_slice(params->pValue, params->ulValueLen), &type,
                                &spec->curve, &spec->bits) ||
        type != spec->type)
        return CKR_CURVE_NOT_SUPPORTED;
    return CKR_OK;
}

/* Some services want to know what a pair is for. */
static CK_RV read_uses(const struct pkcs11_template *private, struct remote_key_spec *spec)
{
    bool signs = false, decrypts = false, unwraps = false;

    PKCS11_TRY(pkcs11_template_bool(private, CKA_SIGN, &signs));
    PKCS11_TRY(pkcs11_template_bool(private, CKA_DECRYPT, &decrypts));
    PKCS11_TRY(pkcs11_template_bool(private, CKA_UNWRAP, &unwraps));
    spec->uses = (signs ? REMOTE_USE_SIGN : 0u) | (decrypts || unwraps ? REMOTE_USE_DECRYPT : 0u);
    return CKR_OK;
}

static CK_RV check_token(const struct pkcs11_template *template, bool *ret)
{
    *ret = false;
    return pkcs11_template_bool(template, CKA_TOKEN, ret);
}

/* Both halves are the service's or neither is. */
static CK_RV check_tokens(struct pkcs11_call *call, const struct pkcs11_template *public,
                          const struct pkcs11_template *private, bool *ret_token)
{
    bool ours[2];

    PKCS11_TRY(pkcs11_template_check(public));
    PKCS11_TRY(pkcs11_template_check(private));
    PKCS11_TRY(check_token(public, &ours[0]));
    PKCS11_TRY(check_token(private, &ours[1]));
    *ret_token = ours[1];
    if (ours[0] == ours[1] || (ours[1] && !pkcs11_template_find(public, CKA_TOKEN)))
        return CKR_OK; /* the public half goes along */
    REMOTE_FAIL(&call->err, REMOTE_E_PARAM,
                "a key pair is made in the service or in this process: set CKA_TOKEN alike in both "
                "templates");
    return CKR_TEMPLATE_INCONSISTENT;
}

static CK_RV read_spec(const struct remote_mechanism *row, const struct pkcs11_template *public,
                       struct remote_key_spec *spec)
{
    spec->type = row->key;
    if (row->key == REMOTE_KEY_SM2) {
        spec->bits = SM2_BITS; /* there is one curve */
        return CKR_OK;
    }
    return row->key == REMOTE_KEY_RSA ? read_rsa(public, spec) : read_curve(public, spec);
}

static CK_RV generate_session_pair(struct pkcs11_call *call, const struct remote_mechanism *row,
                                   const struct pkcs11_template *public,
                                   const struct pkcs11_template *private,
                                   CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
    struct remote_key_spec spec = { 0 };

    PKCS11_TRY(read_spec(row, public, &spec));
    return pkcs11_pair_generate(call, row, &spec, public, private, ret_public, ret_private);
}

static CK_RV generate_token_pair(struct pkcs11_call *call, const struct remote_mechanism *row,
                                 const struct pkcs11_template *public,
                                 const struct pkcs11_template *private,
                                 CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
    static const CK_KEY_TYPE pair_type[REMOTE_KEY_TYPE_COUNT] = {
        [REMOTE_KEY_RSA] = CKK_RSA,
        [REMOTE_KEY_EC] = CKK_EC,
        [REMOTE_KEY_ED25519] = CKK_EC_EDWARDS,
        [REMOTE_KEY_SM2] = CKK_HSMBRIDGE_SM2,
    };
    struct pkcs11_token_key wish = { 0 };

    PKCS11_TRY(pkcs11_token_key_allowed(call, REMOTE_ALLOW_GENERATE));
    if (!remote_slot_can(call->session->slot->remote, row))
        return CKR_MECHANISM_INVALID;
    PKCS11_TRY(check_type(public, pair_type[row->key]));
    PKCS11_TRY(check_type(private, pair_type[row->key]));
    PKCS11_TRY(pkcs11_token_key_read(public, CKO_PUBLIC_KEY, row->key, wish.name));
    PKCS11_TRY(pkcs11_token_key_read(private, CKO_PRIVATE_KEY, row->key, wish.name));
    PKCS11_TRY(read_spec(row, public, &wish.spec));
    PKCS11_TRY(read_uses(private, &wish.spec));
    return pkcs11_token_key_generate(call, &wish, ret_private, ret_public);
}

static CK_RV generate_key_pair(struct pkcs11_call *call, const CK_MECHANISM *mechanism,
                               const struct pkcs11_template *public,
                               const struct pkcs11_template *private, CK_OBJECT_HANDLE *ret_public,
                               CK_OBJECT_HANDLE *ret_private)
{
    const struct remote_mechanism *row = NULL;
    bool token = false;

    if (!mechanism || !ret_public || !ret_private)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(find_row(call, mechanism, true, &row));
    PKCS11_TRY(check_tokens(call, public, private, &token));
    return token ? generate_token_pair(call, row, public, private, ret_public, ret_private)
                 : generate_session_pair(call, row, public, private, ret_public, ret_private);
}

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                        CK_ATTRIBUTE_PTR public_attributes, CK_ULONG public_count,
                        CK_ATTRIBUTE_PTR private_attributes, CK_ULONG private_count,
                        CK_OBJECT_HANDLE_PTR ret_public, CK_OBJECT_HANDLE_PTR ret_private)
{
    const struct pkcs11_template public = { public_attributes, public_count };
    const struct pkcs11_template private = { private_attributes, private_count };

    return PKCS11_SESSION_CALL(call, session,
                               generate_key_pair(call, mechanism, &public, &private, ret_public,
                                                 ret_private));
}
