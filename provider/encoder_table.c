/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be written of which key: the same forms and structures that libcrypto's own provider
 * has, so that a host which prefers ours misses none (but for Microsoft's, of software keys).
 */
#include "encoder.h"

#include <stdlib.h>

#include <openssl/params.h>

static const OSSL_PARAM *settable_params(void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_ENCODER_PARAM_CIPHER, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_ENCODER_PARAM_PROPERTIES, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)provider;
    return params;
}

static void *new_ctx(void *provider, const char *output, const char *structure)
{
    struct provider_encoder *encoder = calloc(1, sizeof(*encoder));

    if (encoder)
        *encoder = (struct provider_encoder){
            .provider = provider,
            .output = output,
            .structure = structure,
        };
    return encoder;
}

static void free_ctx(void *ctx)
{
    struct provider_encoder *encoder = ctx;

    if (!encoder)
        return;
    free(encoder->cipher);
    free(encoder);
}

/*
 * The most private part that is selected decides, and has to be one that the structure holds;
 * a structure that holds none of them is still tried when nothing is selected.
 */
static int selects(int selection, int holds)
{
    static const int parts[] = { OSSL_KEYMGMT_SELECT_PRIVATE_KEY, OSSL_KEYMGMT_SELECT_PUBLIC_KEY,
                                 OSSL_KEYMGMT_SELECT_ALL_PARAMETERS };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if ((selection & parts[i]) != 0)
            return (holds & parts[i]) != 0;
    return selection == 0;
}

#define HOLDS(name, parts)                                                                         \
    static int holds_##name(void *provider, int selection)                                         \
    {                                                                                              \
        (void)provider;                                                                            \
        return selects(selection, (parts));                                                        \
    }
HOLDS(spki, OSSL_KEYMGMT_SELECT_PUBLIC_KEY)
HOLDS(pki, OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
HOLDS(epki, OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
HOLDS(pkcs1, OSSL_KEYMGMT_SELECT_KEYPAIR)
HOLDS(rsa_specific, OSSL_KEYMGMT_SELECT_KEYPAIR)
HOLDS(ec_specific, OSSL_KEYMGMT_SELECT_PRIVATE_KEY | OSSL_KEYMGMT_SELECT_ALL_PARAMETERS)
HOLDS(text, OSSL_KEYMGMT_SELECT_ALL)

/* clang-format off */
#define ENCODER(name, form, output, structure)                                        \
    static void *new_##name##_##form(void *provider)                                  \
    {                                                                                 \
        return new_ctx(provider, output, structure);                                  \
    }                                                                                 \
    static const OSSL_DISPATCH name##_##form[] = {                                    \
        { OSSL_FUNC_ENCODER_NEWCTX,              (void (*)(void))new_##name##_##form },         \
        { OSSL_FUNC_ENCODER_FREECTX,             (void (*)(void))free_ctx },                    \
        { OSSL_FUNC_ENCODER_SETTABLE_CTX_PARAMS, (void (*)(void))settable_params },             \
        { OSSL_FUNC_ENCODER_SET_CTX_PARAMS,      (void (*)(void))provider_encoder_set_params }, \
        { OSSL_FUNC_ENCODER_DOES_SELECTION,      (void (*)(void))holds_##name },                \
        { OSSL_FUNC_ENCODER_ENCODE,              (void (*)(void))provider_encoder_encode },     \
        { 0, NULL },                                                                  \
    };
#define ENCODERS(name, structure)          \
    ENCODER(name, der, "DER", structure)   \
    ENCODER(name, pem, "PEM", structure)
ENCODERS(spki, "SubjectPublicKeyInfo")
ENCODERS(pki, "PrivateKeyInfo")
ENCODERS(epki, "EncryptedPrivateKeyInfo")
ENCODERS(pkcs1, "pkcs1")
ENCODERS(rsa_specific, "type-specific")
ENCODERS(ec_specific, "type-specific")
ENCODER(text, text, "TEXT", NULL)

#define DER(structure) PROVIDER_PROPERTIES ",output=der,structure=" structure
#define PEM(structure) PROVIDER_PROPERTIES ",output=pem,structure=" structure
#define BOTH(names, name, structure)                    \
    { names, DER(structure), name##_der, structure },   \
    { names, PEM(structure), name##_pem, structure }
#define ANY_KEY(names)                                            \
    BOTH(names, spki, "SubjectPublicKeyInfo"),                    \
    BOTH(names, pki, "PrivateKeyInfo"),                           \
    BOTH(names, epki, "EncryptedPrivateKeyInfo"),                 \
    { names, PROVIDER_PROPERTIES ",output=text", text_text, "text" }
const OSSL_ALGORITHM provider_encoders[] = {
    ANY_KEY(PROVIDER_NAMES_RSA),
    BOTH(PROVIDER_NAMES_RSA, rsa_specific, "type-specific"),
    BOTH(PROVIDER_NAMES_RSA, pkcs1, "pkcs1"),
    ANY_KEY(PROVIDER_NAMES_RSA_PSS),
    BOTH(PROVIDER_NAMES_RSA_PSS, pkcs1, "pkcs1"),
    ANY_KEY(PROVIDER_NAMES_EC),
    BOTH(PROVIDER_NAMES_EC, ec_specific, "type-specific"),
    ANY_KEY(PROVIDER_NAMES_ED25519),
    { NULL, NULL, NULL, NULL },
};
/* clang-format on */
