/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature algorithms with a digest of their own, such as RSA-SHA2-256, and messages without
 * EVP_DigestSign(): OpenSSL has them since 3.4. Before, both macros are empty.
 */
#ifndef PROVIDER_SIGNATURE_COMPOSITE_H
#define PROVIDER_SIGNATURE_COMPOSITE_H

#include "provider.h"

#ifndef OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT

#define PROVIDER_ED25519_MESSAGES
#define PROVIDER_COMPOSITES

#else

int provider_composite_ed25519_sign_init(void *data, void *key, const OSSL_PARAM params[]);
int provider_composite_ed25519_verify_init(void *data, void *key, const OSSL_PARAM params[]);
const char **provider_composite_ed25519_types(void);

/* clang-format off */
#define PROVIDER_ED25519_MESSAGES                                                                  \
    PROVIDER_SIGNATURE(SIGN_MESSAGE_INIT, provider_composite_ed25519_sign_init),                   \
    PROVIDER_SIGNATURE(SIGN, provider_signature_sign),                                             \
    PROVIDER_SIGNATURE(VERIFY_MESSAGE_INIT, provider_composite_ed25519_verify_init),               \
    PROVIDER_SIGNATURE(VERIFY, provider_signature_verify),                                         \
    PROVIDER_SIGNATURE(QUERY_KEY_TYPES, provider_composite_ed25519_types),

/* The names are the default provider's. X(digest, libcrypto's name of it, RSA's names, ECDSA's) */
#define PROVIDER_FOREACH_COMPOSITE(X)                                                              \
    X(sha1, "SHA1",                                                                                \
      "RSA-SHA1:RSA-SHA-1:sha1WithRSAEncryption:1.2.840.113549.1.1.5",                             \
      "ECDSA-SHA1:ECDSA-SHA-1:ecdsa-with-SHA1:1.2.840.10045.4.1")                                  \
    X(sha224, "SHA2-224",                                                                          \
      "RSA-SHA2-224:RSA-SHA224:sha224WithRSAEncryption:1.2.840.113549.1.1.14",                     \
      "ECDSA-SHA2-224:ECDSA-SHA224:ecdsa-with-SHA224:1.2.840.10045.4.3.1")                         \
    X(sha256, "SHA2-256",                                                                          \
      "RSA-SHA2-256:RSA-SHA256:sha256WithRSAEncryption:1.2.840.113549.1.1.11",                     \
      "ECDSA-SHA2-256:ECDSA-SHA256:ecdsa-with-SHA256:1.2.840.10045.4.3.2")                         \
    X(sha384, "SHA2-384",                                                                          \
      "RSA-SHA2-384:RSA-SHA384:sha384WithRSAEncryption:1.2.840.113549.1.1.12",                     \
      "ECDSA-SHA2-384:ECDSA-SHA384:ecdsa-with-SHA384:1.2.840.10045.4.3.3")                         \
    X(sha512, "SHA2-512",                                                                          \
      "RSA-SHA2-512:RSA-SHA512:sha512WithRSAEncryption:1.2.840.113549.1.1.13",                     \
      "ECDSA-SHA2-512:ECDSA-SHA512:ecdsa-with-SHA512:1.2.840.10045.4.3.4")                         \
    X(sha3_224, "SHA3-224",                                                                        \
      "RSA-SHA3-224:id-rsassa-pkcs1-v1_5-with-sha3-224:2.16.840.1.101.3.4.3.13",                   \
      "ECDSA-SHA3-224:ecdsa_with_SHA3-224:id-ecdsa-with-sha3-224:2.16.840.1.101.3.4.3.9")          \
    X(sha3_256, "SHA3-256",                                                                        \
      "RSA-SHA3-256:id-rsassa-pkcs1-v1_5-with-sha3-256:2.16.840.1.101.3.4.3.14",                   \
      "ECDSA-SHA3-256:ecdsa_with_SHA3-256:id-ecdsa-with-sha3-256:2.16.840.1.101.3.4.3.10")         \
    X(sha3_384, "SHA3-384",                                                                        \
      "RSA-SHA3-384:id-rsassa-pkcs1-v1_5-with-sha3-384:2.16.840.1.101.3.4.3.15",                   \
      "ECDSA-SHA3-384:ecdsa_with_SHA3-384:id-ecdsa-with-sha3-384:2.16.840.1.101.3.4.3.11")         \
    X(sha3_512, "SHA3-512",                                                                        \
      "RSA-SHA3-512:id-rsassa-pkcs1-v1_5-with-sha3-512:2.16.840.1.101.3.4.3.16",                   \
      "ECDSA-SHA3-512:ecdsa_with_SHA3-512:id-ecdsa-with-sha3-512:2.16.840.1.101.3.4.3.12")

#define PROVIDER_COMPOSITE_DECLARE(hash, name, rsa_names, ecdsa_names)                             \
    extern const OSSL_DISPATCH provider_composite_rsa_##hash[], provider_composite_ecdsa_##hash[];
PROVIDER_FOREACH_COMPOSITE(PROVIDER_COMPOSITE_DECLARE)

#define PROVIDER_COMPOSITE_ENTRIES(hash, name, rsa_names, ecdsa_names)                             \
    { rsa_names,   PROVIDER_PROPERTIES, provider_composite_rsa_##hash,   "RSA with " name },       \
    { ecdsa_names, PROVIDER_PROPERTIES, provider_composite_ecdsa_##hash, "ECDSA with " name },
#define PROVIDER_COMPOSITES PROVIDER_FOREACH_COMPOSITE(PROVIDER_COMPOSITE_ENTRIES)
/* clang-format on */

#endif

#endif
