/* SPDX-License-Identifier: Apache-2.0 */
#include "secret_rows.h"

#define PUBLIC (1u << CKO_PUBLIC_KEY)
#define PRIVATE (1u << CKO_PRIVATE_KEY)
#define SECRET (1u << CKO_SECRET_KEY)
#define PAIR (PUBLIC | PRIVATE)
#define HIDDEN (PRIVATE | SECRET)
#define OPEN (PUBLIC | SECRET)
#define KEY (PAIR | SECRET)

#define NOBODY 0
#define GENERATED PKCS11_GENERATING
#define CREATED PKCS11_CREATING
#define UNWRAPPED PKCS11_UNWRAPPING
#define MADE (PKCS11_GENERATING | PKCS11_CREATING | PKCS11_UNWRAPPING)
#define NEW (MADE | PKCS11_COPYING)
#define ANY (NEW | PKCS11_SETTING)

/*
 * PKCS#11 3.0 base: tables 13 to 15 (storage objects) and 24 to 27 (keys); current mechanisms 2.1
 * and 2.3 (RSA and curves). As most tokens have it, a key is sensitive and not extractable unless
 * its template says otherwise. Use flags that a template leaves out follow from the key type
 * (uses_of). The parts of a public key can be had of its private one, too: attribute.c says why.
 */
const struct pkcs11_secret_row pkcs11_secret_rows[] = {
    /* clang-format off */
    /* asked at every use of a key: found first */
    { CKA_PRIVATE,            HIDDEN,  FORM_BOOL,   NEW,    INITIAL_LOGIN, FREE },
    { CKA_ALLOWED_MECHANISMS, KEY,     FORM_ULONGS, MADE,   INITIAL_NONE,  FREE },
    { CKA_ENCRYPT,            OPEN,    FORM_BOOL,   ANY,    INITIAL_NONE,  FREE },
    { CKA_DECRYPT,            HIDDEN,  FORM_BOOL,   ANY,    INITIAL_NONE,  FREE },
    { CKA_SIGN,               HIDDEN,  FORM_BOOL,   ANY,    INITIAL_NONE,  FREE },
    { CKA_VERIFY,             OPEN,    FORM_BOOL,   ANY,    INITIAL_NONE,  FREE },
    { CKA_WRAP,               OPEN,    FORM_BOOL,   ANY,    INITIAL_NONE,  FREE },
    { CKA_UNWRAP,             HIDDEN,  FORM_BOOL,   ANY,    INITIAL_NONE,  FREE },
    /* the others */
    { CKA_PRIVATE,            PUBLIC,  FORM_BOOL,   NEW,    INITIAL_FALSE, FREE },
    { CKA_CLASS,              KEY,     FORM_ULONG,  MADE,   INITIAL_CLASS, FREE },
    { CKA_TOKEN,              KEY,     FORM_BOOL,   NEW,    INITIAL_FALSE, FREE },
    { CKA_MODIFIABLE,         KEY,     FORM_BOOL,   NEW,    INITIAL_TRUE,  FREE },
    { CKA_COPYABLE,           KEY,     FORM_BOOL,   ANY,    INITIAL_TRUE,  ONLY_DOWN },
    { CKA_DESTROYABLE,        KEY,     FORM_BOOL,   NEW,    INITIAL_TRUE,  FREE },
    { CKA_LABEL,              KEY,     FORM_BYTES,  ANY,    INITIAL_NONE,  FREE },
    { CKA_ID,                 KEY,     FORM_BYTES,  ANY,    INITIAL_NONE,  FREE },
    { CKA_UNIQUE_ID,          KEY,     FORM_VALUE,  NOBODY, INITIAL_NONE,  FREE },
    { CKA_KEY_TYPE,           KEY,     FORM_ULONG,  MADE,   INITIAL_NONE,  FREE },
    { CKA_START_DATE,         KEY,     FORM_DATE,   ANY,    INITIAL_NONE,  FREE },
    { CKA_END_DATE,           KEY,     FORM_DATE,   ANY,    INITIAL_NONE,  FREE },
    { CKA_DERIVE,             KEY,     FORM_BOOL,   ANY,    INITIAL_FALSE, FREE },
    { CKA_LOCAL,              KEY,     FORM_BOOL,   NOBODY, INITIAL_FALSE, FREE },
    { CKA_KEY_GEN_MECHANISM,  KEY,     FORM_ULONG,  NOBODY, INITIAL_NONE,  FREE },
    { CKA_SENSITIVE,          HIDDEN,  FORM_BOOL,   ANY,    INITIAL_TRUE,  ONLY_UP },
    { CKA_EXTRACTABLE,        HIDDEN,  FORM_BOOL,   ANY,    INITIAL_FALSE, ONLY_DOWN },
    { CKA_ALWAYS_SENSITIVE,   HIDDEN,  FORM_BOOL,   NOBODY, INITIAL_FALSE, FREE },
    { CKA_NEVER_EXTRACTABLE,  HIDDEN,  FORM_BOOL,   NOBODY, INITIAL_FALSE, FREE },
    { CKA_WRAP_WITH_TRUSTED,  HIDDEN,  FORM_BOOL,   ANY,    INITIAL_FALSE, ONLY_UP },
    { CKA_TRUSTED,            OPEN,    FORM_FALSE,  NEW,    INITIAL_FALSE, FREE }, /* the SO's: there is none */
    { CKA_ALWAYS_AUTHENTICATE, HIDDEN, FORM_FALSE,  MADE,   INITIAL_FALSE, FREE }, /* of private keys; asked of secret ones all the same */
    { CKA_WRAP_TEMPLATE,      OPEN,    FORM_EMPTY,  MADE,   INITIAL_NONE,  FREE },
    { CKA_UNWRAP_TEMPLATE,    HIDDEN,  FORM_EMPTY,  MADE,   INITIAL_NONE,  FREE },
    { CKA_DERIVE_TEMPLATE,    HIDDEN,  FORM_EMPTY,  MADE,   INITIAL_NONE,  FREE },
    { CKA_CHECK_VALUE,        SECRET,  FORM_BYTES,  MADE,   INITIAL_NONE,  FREE },
    { CKA_VALUE,              SECRET,  FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_VALUE_LEN,          SECRET,  FORM_VALUE,  GENERATED | UNWRAPPED, INITIAL_NONE, FREE },
    /* key pairs */
    { CKA_SUBJECT,            PAIR,    FORM_BYTES,  ANY,    INITIAL_NONE,  FREE },
    { CKA_VERIFY_RECOVER,     PUBLIC,  FORM_BOOL,   ANY,    INITIAL_FALSE, FREE },
    { CKA_SIGN_RECOVER,       PRIVATE, FORM_BOOL,   ANY,    INITIAL_FALSE, FREE },
    { CKA_PUBLIC_KEY_INFO,    PAIR,    FORM_VALUE,  CREATED | UNWRAPPED, INITIAL_NONE, FREE },
    { CKA_MODULUS,            PAIR,    FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_MODULUS_BITS,       PUBLIC,  FORM_VALUE,  GENERATED, INITIAL_NONE, FREE },
    { CKA_MODULUS_BITS,       PRIVATE, FORM_VALUE,  NOBODY, INITIAL_NONE,  FREE },
    { CKA_PUBLIC_EXPONENT,    PUBLIC,  FORM_VALUE,  GENERATED | CREATED, INITIAL_NONE, FREE },
    { CKA_PUBLIC_EXPONENT,    PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_PRIVATE_EXPONENT,   PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_PRIME_1,            PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_PRIME_2,            PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_EXPONENT_1,         PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_EXPONENT_2,         PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_COEFFICIENT,        PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_EC_PARAMS,          PUBLIC,  FORM_VALUE,  GENERATED | CREATED, INITIAL_NONE, FREE },
    { CKA_EC_PARAMS,          PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_EC_POINT,           PUBLIC,  FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    { CKA_EC_POINT,           PRIVATE, FORM_VALUE,  NOBODY, INITIAL_NONE,  FREE },
    { CKA_VALUE,              PRIVATE, FORM_VALUE,  CREATED, INITIAL_NONE, FREE },
    /* clang-format on */
};
const size_t pkcs11_secret_row_count = ARRAY_SIZE(pkcs11_secret_rows);
_Static_assert(ARRAY_SIZE(pkcs11_secret_rows) <= PKCS11_SECRET_ATTRIBUTES,
               "room for every attribute's value");
_Static_assert(ARRAY_SIZE(pkcs11_secret_rows) <= 64, "a bit of the flags for each");
