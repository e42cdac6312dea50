/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs and public keys of the session. */
#include "fake_keys.h"

#include "hsmbridge.h"
#include "pkcs11/module.h"
#include "pkcs11/pair.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY, private_class = CKO_PRIVATE_KEY;
static CK_KEY_TYPE rsa_type = CKK_RSA, ec_type = CKK_EC, ed_type = CKK_EC_EDWARDS;
static CK_ULONG rsa_bits = 2048;
static CK_BYTE p256[] = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
static CK_BYTE p384[] = "\x06\x05\x2b\x81\x04\x00\x22";
static CK_BYTE p521[] = "\x06\x05\x2b\x81\x04\x00\x23";
static CK_BYTE edwards[] = "\x13\x0c"
                           "edwards25519";
static CK_BYTE message[] = "what is signed";

struct pair {
    CK_OBJECT_HANDLE open, hidden;
};

#define RSA_PUBLIC VALUE(CKA_MODULUS_BITS, rsa_bits)
#define EC_PUBLIC(oid) BYTES(CKA_EC_PARAMS, oid, sizeof(oid) - 1)

static struct pair generate(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_ATTRIBUTE public,
                            bool open)
{
    CK_MECHANISM mechanism = { type, NULL, 0 };
    CK_ATTRIBUTE private[] = { VALUE(CKA_EXTRACTABLE, yes), VALUE(CKA_SENSITIVE, no) };
    struct pair pair = { 0 };

    assert_int_equal(C_GenerateKeyPair(session, &mechanism, &public, 1, private, open ? 2 : 0,
                                       &pair.open, &pair.hidden),
                     CKR_OK);
    return pair;
}

static struct pair rsa_pair(CK_SESSION_HANDLE session, bool open)
{
    return generate(session, CKM_RSA_PKCS_KEY_PAIR_GEN, (CK_ATTRIBUTE)RSA_PUBLIC, open);
}

static struct pair ec_pair(CK_SESSION_HANDLE session, bool open)
{
    return generate(session, CKM_EC_KEY_PAIR_GEN, (CK_ATTRIBUTE)EC_PUBLIC(p256), open);
}

static struct pair ed_pair(CK_SESSION_HANDLE session, bool open)
{
    return generate(session, CKM_EC_EDWARDS_KEY_PAIR_GEN, (CK_ATTRIBUTE)EC_PUBLIC(edwards), open);
}

static size_t get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                  CK_BYTE out[1024])
{
    CK_ATTRIBUTE attribute = { type, out, 1024 };

    assert_int_equal(C_GetAttributeValue(session, object, &attribute, 1), CKR_OK);
    return attribute.ulValueLen;
}

static CK_RV get_rv(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_BYTE out[1024];
    CK_ATTRIBUTE attribute = { type, out, sizeof(out) };

    return C_GetAttributeValue(session, object, &attribute, 1);
}

static void sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_MECHANISM *mechanism,
                 CK_BYTE sig[512], CK_ULONG *len)
{
    *len = 512;
    assert_int_equal(C_SignInit(session, mechanism, key), CKR_OK);
    assert_int_equal(C_Sign(session, message, sizeof(message), sig, len), CKR_OK);
}

static CK_RV verify(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_MECHANISM *mechanism,
                    CK_BYTE *sig, CK_ULONG len)
{
    assert_int_equal(C_VerifyInit(session, mechanism, key), CKR_OK);
    return C_Verify(session, message, sizeof(message), sig, len);
}

static void assert_signs(CK_SESSION_HANDLE session, struct pair pair, CK_MECHANISM *mechanism,
                         CK_ULONG expected)
{
    CK_BYTE sig[512];
    CK_ULONG len = 0;

    sign(session, pair.hidden, mechanism, sig, &len);
    assert_int_equal(len, expected);
    assert_int_equal(verify(session, pair.open, mechanism, sig, len), CKR_OK);
    sig[len - 1] ^= 1;
    assert_int_equal(verify(session, pair.open, mechanism, sig, len), CKR_SIGNATURE_INVALID);
    assert_int_equal(verify(session, pair.open, mechanism, sig, len - 1), CKR_SIGNATURE_LEN_RANGE);
}

/* ---- generation and use ---- */

static void test_pair_when_generated_then_signs_and_verifies_without_a_request(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_RSA_PKCS_PSS_PARAMS pss_params = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
    CK_MECHANISM raw = { CKM_RSA_PKCS, NULL, 0 }, sha = { CKM_SHA384_RSA_PKCS, NULL, 0 };
    CK_MECHANISM pss = { CKM_SHA256_RSA_PKCS_PSS, &pss_params, sizeof(pss_params) };
    CK_MECHANISM ecdsa = { CKM_ECDSA_SHA256, NULL, 0 }, ed = { CKM_EDDSA, NULL, 0 };
    struct pair rsa = rsa_pair(session, false);
    unsigned before = fake.requests;

    (void)state;
    assert_signs(session, rsa, &raw, 256);
    assert_signs(session, rsa, &sha, 256);
    assert_signs(session, rsa, &pss, 256);
    assert_signs(session, ec_pair(session, false), &ecdsa, 64);
    assert_signs(session,
                 generate(session, CKM_EC_KEY_PAIR_GEN, (CK_ATTRIBUTE)EC_PUBLIC(p384), false),
                 &ecdsa, 96);
    assert_signs(session,
                 generate(session, CKM_EC_KEY_PAIR_GEN, (CK_ATTRIBUTE)EC_PUBLIC(p521), false),
                 &ecdsa, 132);
    assert_signs(session, ed_pair(session, false), &ed, 64);
    assert_int_equal(fake.requests, before);
}

static void test_pair_when_rsa_then_encrypts_decrypts_and_wraps(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_RSA_PKCS_OAEP_PARAMS params = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, "l", 1 };
    CK_MECHANISM oaep = { CKM_RSA_PKCS_OAEP, &params, sizeof(params) };
    CK_MECHANISM pkcs1 = { CKM_RSA_PKCS, NULL, 0 }, *both[] = { &oaep, &pkcs1 };
    CK_ATTRIBUTE unwrapped[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type) };
    struct pair pair = rsa_pair(session, false);
    CK_OBJECT_HANDLE aes = aes_of(session, 5), back;

    (void)state;
    for (size_t i = 0; i < COUNT(both); i++) {
        CK_BYTE sealed[256], plain[256];
        CK_ULONG sealed_len = sizeof(sealed), len = sizeof(plain);

        assert_int_equal(C_EncryptInit(session, both[i], pair.open), CKR_OK);
        assert_int_equal(C_Encrypt(session, message, sizeof(message), sealed, &sealed_len), CKR_OK);
        assert_int_equal(C_DecryptInit(session, both[i], pair.hidden), CKR_OK);
        assert_int_equal(C_Decrypt(session, sealed, sealed_len, plain, &len), CKR_OK);
        assert_int_equal(len, sizeof(message));
        assert_memory_equal(plain, message, len);
        sealed[0] ^= 1;
        assert_int_equal(C_DecryptInit(session, both[i], pair.hidden), CKR_OK);
        len = sizeof(plain);
        assert_int_equal(C_Decrypt(session, sealed, sealed_len, plain, &len),
                         CKR_ENCRYPTED_DATA_INVALID);
        assert_int_equal(C_DecryptInit(session, both[i], pair.hidden), CKR_OK);
        assert_int_equal(C_Decrypt(session, sealed, 255, plain, &len),
                         CKR_ENCRYPTED_DATA_LEN_RANGE);
        sealed_len = sizeof(sealed);
        assert_int_equal(C_WrapKey(session, both[i], pair.open, aes, sealed, &sealed_len), CKR_OK);
        assert_int_equal(C_UnwrapKey(session, both[i], pair.hidden, sealed, sealed_len, unwrapped,
                                     2, &back),
                         CKR_OK);
    }
}

static void test_pair_when_generated_then_attributes_say_so(void **state)
{
    static const CK_ATTRIBUTE_TYPE secret_parts[] = { CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                                      CKA_PRIME_2,          CKA_EXPONENT_1,
                                                      CKA_EXPONENT_2,       CKA_COEFFICIENT };
    CK_SESSION_HANDLE session = fake_core_session(0);
    struct pair pair = rsa_pair(session, false);
    CK_MECHANISM_TYPE made_by = 0;
    CK_ULONG size = 0;
    CK_BYTE out[1024], other[1024];

    (void)state;
    for (size_t i = 0; i < COUNT(secret_parts); i++)
        assert_int_equal(get_rv(session, pair.hidden, secret_parts[i]), CKR_ATTRIBUTE_SENSITIVE);
    assert_true(flag_of(session, pair.hidden, CKA_ALWAYS_SENSITIVE));
    assert_true(flag_of(session, pair.hidden, CKA_NEVER_EXTRACTABLE));
    assert_true(flag_of(session, pair.hidden, CKA_LOCAL));
    assert_true(flag_of(session, pair.open, CKA_LOCAL));
    assert_false(flag_of(session, pair.open, CKA_TOKEN));
    assert_true(flag_of(session, pair.hidden, CKA_UNWRAP));
    assert_true(flag_of(session, pair.open, CKA_WRAP));
    assert_false(flag_of(session, pair.hidden, CKA_SIGN_RECOVER));
    assert_int_equal(get(session, pair.open, CKA_KEY_GEN_MECHANISM, (CK_BYTE *)out),
                     sizeof(made_by));
    memcpy(&made_by, out, sizeof(made_by));
    assert_int_equal(made_by, CKM_RSA_PKCS_KEY_PAIR_GEN);
    assert_int_equal(get(session, pair.open, CKA_MODULUS, out), 256);
    assert_int_equal(get(session, pair.hidden, CKA_MODULUS, other), 256);
    assert_memory_equal(out, other, 256);
    assert_int_equal(get(session, pair.hidden, CKA_PUBLIC_KEY_INFO, out),
                     get(session, pair.open, CKA_PUBLIC_KEY_INFO, other));
    assert_int_equal(get_rv(session, pair.open, CKA_SENSITIVE), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(get_rv(session, pair.open, CKA_EC_POINT), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(get_rv(session, pair.hidden, CKA_VALUE), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(C_GetObjectSize(session, pair.hidden, &size), CKR_OK);
    assert_true(size > 1000); /* PKCS#8 */
}

static void test_generate_when_it_cannot_be_then_says_why_and_leaves_nothing(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_MECHANISM rsa = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
    CK_MECHANISM ec = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
    CK_ULONG few = 1024, many = 8192;
    CK_BYTE no_curve[] = "\x06\x03\x01\x02\x03";
    CK_ATTRIBUTE small = VALUE(CKA_MODULUS_BITS, few), large = VALUE(CKA_MODULUS_BITS, many);
    CK_ATTRIBUTE even[] = { RSA_PUBLIC, BYTES(CKA_PUBLIC_EXPONENT, "\3", 1) };
    CK_ATTRIBUTE typed[] = { RSA_PUBLIC, VALUE(CKA_KEY_TYPE, ec_type) };
    CK_ATTRIBUTE mixed[] = { RSA_PUBLIC, EC_PUBLIC(p256) };
    CK_ATTRIBUTE token[] = { RSA_PUBLIC, VALUE(CKA_TOKEN, yes) };
    CK_ATTRIBUTE curve = EC_PUBLIC(no_curve), session_only = VALUE(CKA_TOKEN, no);
    CK_ATTRIBUTE value = BYTES(CKA_VALUE, "x", 1), id = VALUE(CKA_CHECK_VALUE, yes);
    CK_OBJECT_HANDLE open = 7, hidden = 7;
#define GENERATE(mechanism, public, count, private, private_count)                                 \
    C_GenerateKeyPair(session, mechanism, public, count, private, private_count, &open, &hidden)

    (void)state;
    assert_int_equal(GENERATE(&rsa, &small, 1, NULL, 0), CKR_KEY_SIZE_RANGE);
    assert_int_equal(GENERATE(&rsa, &large, 1, NULL, 0), CKR_KEY_SIZE_RANGE);
    assert_int_equal(GENERATE(&rsa, NULL, 0, NULL, 0), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(GENERATE(&rsa, even, 2, NULL, 0), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(GENERATE(&rsa, typed, 2, NULL, 0), CKR_TEMPLATE_INCONSISTENT);
    assert_int_equal(GENERATE(&rsa, mixed, 2, NULL, 0), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(GENERATE(&rsa, token, 2, &session_only, 1), CKR_TEMPLATE_INCONSISTENT);
    assert_int_equal(GENERATE(&rsa, token, 1, &value, 1), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(GENERATE(&rsa, token, 1, &id, 1), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(GENERATE(&ec, &curve, 1, NULL, 0), CKR_CURVE_NOT_SUPPORTED);
    assert_int_equal(GENERATE(&ec, NULL, 0, NULL, 0), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(open, 7);
    assert_int_equal(hidden, 7);
    assert_int_equal(fake_core_count(session, &session_only, 1), 0);
}

static void test_generate_when_not_logged_in_then_neither_half_stays(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);
    CK_MECHANISM ec = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
    CK_ATTRIBUTE public = EC_PUBLIC(p256), here = VALUE(CKA_TOKEN, no);
    CK_ATTRIBUTE private = VALUE(CKA_PRIVATE, no);
    CK_OBJECT_HANDLE open, hidden;

    (void)state;
    assert_int_equal(C_GenerateKeyPair(session, &ec, &public, 1, NULL, 0, &open, &hidden),
                     CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(fake_core_count(session, &here, 1), 0);
    assert_int_equal(C_GenerateKeyPair(session, &ec, &public, 1, &private, 1, &open, &hidden),
                     CKR_OK);
    assert_int_equal(fake_core_count(session, &here, 1), 2);
}

static void test_half_when_used_for_the_others_work_then_is_not_permitted(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 }, rsa = { CKM_RSA_PKCS, NULL, 0 };
    CK_MECHANISM sha1 = { CKM_SHA1_RSA_PKCS, NULL, 0 };
    CK_RSA_PKCS_PSS_PARAMS params = { CKM_SHA256, CKG_MGF1_SHA256, 223 };
    CK_MECHANISM pss = { CKM_RSA_PKCS_PSS, &params, sizeof(params) };
    struct pair pair = ec_pair(session, false), other = rsa_pair(session, false);

    (void)state;
    assert_int_equal(C_SignInit(session, &ecdsa, pair.open), CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_int_equal(C_VerifyInit(session, &ecdsa, pair.hidden), CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_int_equal(C_SignInit(session, &rsa, pair.hidden), CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(C_SignInit(session, &sha1, other.hidden), CKR_MECHANISM_INVALID); /* policy */
    assert_int_equal(C_SignInit(session, &pss, other.hidden), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(set_flag(session, pair.hidden, CKA_SIGN, CK_FALSE), CKR_OK);
    assert_int_equal(C_SignInit(session, &ecdsa, pair.hidden), CKR_KEY_FUNCTION_NOT_PERMITTED);
}

/* ---- public keys that an application brings along ---- */

/* The same public key from its attributes; raw: the point without its OCTET STRING. */
static CK_OBJECT_HANDLE brought(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE from, CK_KEY_TYPE type,
                                size_t skip)
{
    CK_BYTE first[1024], second[1024];
    bool rsa = type == CKK_RSA;
    CK_ATTRIBUTE attributes[] = {
        VALUE(CKA_CLASS, public_class),
        VALUE(CKA_KEY_TYPE, type),
        { rsa ? CKA_MODULUS : CKA_EC_PARAMS, first, 0 },
        { rsa ? CKA_PUBLIC_EXPONENT : CKA_EC_POINT, second + skip, 0 },
        VALUE(CKA_TOKEN, no),
    };
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

    attributes[2].ulValueLen = get(session, from, attributes[2].type, first);
    attributes[3].ulValueLen = get(session, from, attributes[3].type, second) - skip;
    assert_int_equal(C_CreateObject(session, attributes, COUNT(attributes), &handle), CKR_OK);
    return handle;
}

static void test_public_key_when_created_then_verifies_what_the_service_signed(void **state)
{
    static const struct {
        const char *name;
        CK_KEY_TYPE type;
        CK_MECHANISM mechanism;
        size_t skip;
    } rows[] = { { "rsa", CKK_RSA, { CKM_SHA256_RSA_PKCS, NULL, 0 }, 0 },
                 { "ec", CKK_EC, { CKM_ECDSA_SHA256, NULL, 0 }, 0 },
                 { "ec", CKK_EC, { CKM_ECDSA_SHA256, NULL, 0 }, 2 },
                 { "ed", CKK_EC_EDWARDS, { CKM_EDDSA, NULL, 0 }, 0 },
                 { "ed", CKK_EC_EDWARDS, { CKM_EDDSA, NULL, 0 }, 2 } };
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        CK_MECHANISM mechanism = rows[i].mechanism;
        CK_OBJECT_HANDLE theirs = fake_core_find(session, CKO_PUBLIC_KEY, rows[i].name);
        CK_OBJECT_HANDLE ours = brought(session, theirs, rows[i].type, rows[i].skip);
        CK_BYTE sig[512], out[1024], other[1024];
        CK_ULONG len;

        sign(session, fake_core_find(session, CKO_PRIVATE_KEY, rows[i].name), &mechanism, sig,
             &len);
        assert_int_equal(verify(session, ours, &mechanism, sig, len), CKR_OK);
        sig[3] ^= 1;
        assert_int_equal(verify(session, ours, &mechanism, sig, len), CKR_SIGNATURE_INVALID);
        assert_int_equal(get(session, ours, CKA_PUBLIC_KEY_INFO, out),
                         get(session, theirs, CKA_PUBLIC_KEY_INFO, other));
        assert_false(flag_of(session, ours, CKA_LOCAL));
        assert_false(flag_of(session, ours, CKA_PRIVATE));
    }
}

static void test_public_key_when_parts_are_wrong_then_value_invalid_or_incomplete(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE point[1024], modulus[1024];
    CK_ULONG point_len = get(session, ec_pair(session, false).open, CKA_EC_POINT, point);
    CK_ULONG modulus_len = get(session, rsa_pair(session, false).open, CKA_MODULUS, modulus);
    CK_ATTRIBUTE ec[] = { VALUE(CKA_CLASS, public_class), VALUE(CKA_KEY_TYPE, ec_type),
                          EC_PUBLIC(p256), BYTES(CKA_EC_POINT, point, point_len) };
    CK_ATTRIBUTE rsa[] = { VALUE(CKA_CLASS, public_class), VALUE(CKA_KEY_TYPE, rsa_type),
                           BYTES(CKA_MODULUS, modulus, modulus_len),
                           BYTES(CKA_PUBLIC_EXPONENT, "\1\0\1", 3),
                           BYTES(CKA_PUBLIC_KEY_INFO, "other", 5) };
    CK_OBJECT_HANDLE key = 7;

    (void)state;
    assert_int_equal(C_CreateObject(session, ec, 3, &key), CKR_TEMPLATE_INCOMPLETE);
    point[point_len - 1] ^= 1; /* off the curve */
    assert_int_equal(C_CreateObject(session, ec, 4, &key), CKR_ATTRIBUTE_VALUE_INVALID);
    ec[3].ulValueLen--;
    assert_int_equal(C_CreateObject(session, ec, 4, &key), CKR_ATTRIBUTE_VALUE_INVALID);
    ec[3].ulValueLen = 0;
    assert_int_equal(C_CreateObject(session, ec, 4, &key), CKR_ATTRIBUTE_VALUE_INVALID);
    ec[2] = (CK_ATTRIBUTE)EC_PUBLIC(edwards);
    assert_int_equal(C_CreateObject(session, ec, 4, &key), CKR_ATTRIBUTE_VALUE_INVALID);
    ec[1].pValue = &rsa_type;
    assert_int_equal(C_CreateObject(session, ec, 4, &key), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(C_CreateObject(session, rsa, 3, &key), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_CreateObject(session, rsa, 5, &key), CKR_PUBLIC_KEY_INVALID);
    rsa[2].ulValueLen = 128;
    assert_int_equal(C_CreateObject(session, rsa, 4, &key), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(key, 7);
}

static void test_public_key_of_the_service_when_copied_then_is_of_the_session(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE theirs = fake_core_find(session, CKO_PUBLIC_KEY, "ec"), copy;
    CK_ATTRIBUTE template[] = { VALUE(CKA_TOKEN, no), BYTES(CKA_LABEL, "copy", 4) };
    CK_MECHANISM ecdsa = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_BYTE sig[512], out[64], other[64];
    CK_ULONG len;

    (void)state;
    assert_true(flag_of(session, theirs, CKA_COPYABLE));
    assert_int_equal(C_CopyObject(session, theirs, NULL, 0, &copy), CKR_ACTION_PROHIBITED);
    assert_int_equal(C_CopyObject(session, theirs, template, 2, &copy), CKR_OK);
    sign(session, fake_core_find(session, CKO_PRIVATE_KEY, "ec"), &ecdsa, sig, &len);
    assert_int_equal(verify(session, copy, &ecdsa, sig, len), CKR_OK);
    assert_int_equal(copy, fake_core_find(session, CKO_PUBLIC_KEY, "copy"));
    assert_int_equal(attribute_of(session, theirs, CKA_ID, out),
                     attribute_of(session, copy, CKA_ID, other));
    assert_memory_equal(out, other, 20);
    assert_int_equal(C_DestroyObject(session, copy), CKR_OK);
    assert_int_equal(C_DestroyObject(session, copy), CKR_OBJECT_HANDLE_INVALID);
}

/* ---- private keys that come in, and go out wrapped ---- */

static void test_private_key_when_created_of_its_parts_then_signs_as_before(void **state)
{
    static const CK_ATTRIBUTE_TYPE rsa[] = { CKA_MODULUS,          CKA_PUBLIC_EXPONENT,
                                             CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                             CKA_PRIME_2,          CKA_EXPONENT_1,
                                             CKA_EXPONENT_2,       CKA_COEFFICIENT };
    static const CK_ATTRIBUTE_TYPE curve[] = { CKA_EC_PARAMS, CKA_VALUE };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_MECHANISM mechanisms[] = { { CKM_SHA256_RSA_PKCS, NULL, 0 },
                                  { CKM_ECDSA_SHA256, NULL, 0 },
                                  { CKM_EDDSA, NULL, 0 } };
    CK_KEY_TYPE types[] = { CKK_RSA, CKK_EC, CKK_EC_EDWARDS };
    struct pair pairs[] = { rsa_pair(session, true), ec_pair(session, true),
                            ed_pair(session, true) };

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const CK_ATTRIBUTE_TYPE *wanted = i == 0 ? rsa : curve;
        CK_ULONG count = i == 0 ? COUNT(rsa) : COUNT(curve);
        static CK_BYTE values[8][1024];
        CK_ATTRIBUTE attributes[10] = { VALUE(CKA_CLASS, private_class),
                                        VALUE(CKA_KEY_TYPE, types[i]) };
        CK_OBJECT_HANDLE key = 0;
        CK_BYTE sig[512];
        CK_ULONG len;

        for (CK_ULONG j = 0; j < count; j++)
            attributes[2 + j] =
                (CK_ATTRIBUTE){ wanted[j], values[j],
                                get(session, pairs[i].hidden, wanted[j], values[j]) };
        assert_int_equal(C_CreateObject(session, attributes, 1 + count, &key),
                         CKR_TEMPLATE_INCOMPLETE);
        assert_int_equal(C_CreateObject(session, attributes, 2 + count, &key), CKR_OK);
        sign(session, key, &mechanisms[i], sig, &len);
        assert_int_equal(verify(session, pairs[i].open, &mechanisms[i], sig, len), CKR_OK);
        assert_false(flag_of(session, key, CKA_LOCAL));
        assert_false(flag_of(session, key, CKA_ALWAYS_SENSITIVE));
        if (i > 0)
            continue;
        values[2][100] ^= 1; /* numbers that do not belong together */
        values[5][50] ^= 1;
        assert_int_equal(C_CreateObject(session, attributes, 2 + count, &key),
                         CKR_ATTRIBUTE_VALUE_INVALID);
    }
}

static void test_private_key_when_wrapped_then_comes_back_the_same(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE iv[16] = { 9 };
    CK_MECHANISM kwp = { CKM_AES_KEY_WRAP_KWP, NULL, 0 }, cbc = { CKM_AES_CBC_PAD, iv, 16 };
    CK_MECHANISM *mechanisms[] = { &kwp, &cbc };
    CK_MECHANISM ecdsa = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_ATTRIBUTE template[] = { VALUE(CKA_CLASS, private_class), VALUE(CKA_KEY_TYPE, ec_type) };
    struct pair pair = ec_pair(session, true);
    CK_OBJECT_HANDLE aes = aes_of(session, 1), box = fake_core_find(session, CKO_SECRET_KEY, "box");
    CK_MECHANISM aead = { CKM_HSMBRIDGE_AEAD, NULL, 0 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        CK_MECHANISM *mechanism = i < 2 ? mechanisms[i] : &aead;
        CK_OBJECT_HANDLE wrapping = i < 2 ? aes : box, key = 0;
        CK_BYTE wrapped[1024], sig[512];
        CK_ULONG len = sizeof(wrapped), sig_len;

        assert_int_equal(C_WrapKey(session, mechanism, wrapping, pair.hidden, wrapped, &len),
                         CKR_OK);
        template[1].pValue = &ec_type;
        assert_int_equal(C_UnwrapKey(session, mechanism, wrapping, wrapped, len, template, 2, &key),
                         CKR_OK);
        sign(session, key, &ecdsa, sig, &sig_len);
        assert_int_equal(verify(session, pair.open, &ecdsa, sig, sig_len), CKR_OK);
        assert_int_equal(get_rv(session, key, CKA_VALUE), CKR_ATTRIBUTE_SENSITIVE);
        template[1].pValue = &ed_type;
        assert_int_equal(C_UnwrapKey(session, mechanism, wrapping, wrapped, len, template, 2, &key),
                         CKR_WRAPPED_KEY_INVALID);
        assert_int_equal(C_UnwrapKey(session, mechanism, wrapping, wrapped, len, template, 1, &key),
                         CKR_TEMPLATE_INCOMPLETE);
    }
}

static void test_wrap_when_key_may_not_leave_then_is_refused(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_MECHANISM kwp = { CKM_AES_KEY_WRAP_KWP, NULL, 0 };
    struct pair pair = ec_pair(session, false);
    CK_OBJECT_HANDLE aes = aes_of(session, 1), key;
    CK_ATTRIBUTE template[] = { VALUE(CKA_CLASS, private_class), VALUE(CKA_KEY_TYPE, ec_type) };
    CK_BYTE wrapped[64];
    CK_ULONG len = sizeof(wrapped);

    (void)state;
    assert_int_equal(C_WrapKey(session, &kwp, aes, pair.hidden, wrapped, &len),
                     CKR_KEY_UNEXTRACTABLE);
    assert_int_equal(C_WrapKey(session, &kwp, aes, pair.open, wrapped, &len),
                     CKR_KEY_UNEXTRACTABLE);
    assert_int_equal(C_WrapKey(session, &kwp, aes, aes, wrapped, &len), CKR_OK); /* no PKCS#8 */
    assert_int_equal(C_UnwrapKey(session, &kwp, aes, wrapped, len, template, 2, &key),
                     CKR_WRAPPED_KEY_INVALID);
}

/* ---- as objects ---- */

static void test_halves_when_changed_copied_and_found_then_are_objects_like_others(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    struct pair pair = ec_pair(session, true);
    CK_ATTRIBUTE named[] = { BYTES(CKA_LABEL, "mine", 4), BYTES(CKA_ID, "\1\2", 2) };
    CK_ATTRIBUTE here[] = { VALUE(CKA_CLASS, private_class), VALUE(CKA_TOKEN, no) };
    CK_ATTRIBUTE sensitive = VALUE(CKA_SENSITIVE, yes), part = EC_PUBLIC(p256);
    CK_OBJECT_HANDLE copy;
    CK_BYTE out[64];

    (void)state;
    assert_int_equal(C_SetAttributeValue(session, pair.hidden, named, 2), CKR_OK);
    assert_int_equal(fake_core_find(session, CKO_PRIVATE_KEY, "mine"), pair.hidden);
    assert_int_equal(attribute_of(session, pair.hidden, CKA_ID, out), 2);
    assert_int_equal(C_CopyObject(session, pair.hidden, &sensitive, 1, &copy), CKR_OK);
    assert_int_equal(get_rv(session, copy, CKA_VALUE), CKR_ATTRIBUTE_SENSITIVE);
    assert_int_equal(get_rv(session, pair.hidden, CKA_VALUE), CKR_OK);
    assert_int_equal(C_SetAttributeValue(session, pair.open, &part, 1), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(fake_core_count(session, here, 2), 2);
    assert_int_equal(C_DestroyObject(session, pair.hidden), CKR_OK);
    assert_int_equal(fake_core_count(session, here, 2), 1);
    assert_int_equal(get(session, pair.open, CKA_EC_POINT, (CK_BYTE[1024]){ 0 }), 67);
    assert_int_equal(C_CloseSession(session), CKR_OK);
    session = fake_core_session(0);
    assert_int_equal(fake_core_count(session, here + 1, 1), 0);
}

static void test_private_key_when_copied_to_the_token_then_is_imported(void **state)
{
    CK_SESSION_HANDLE session;
    CK_ATTRIBUTE template[] = { VALUE(CKA_TOKEN, yes), BYTES(CKA_LABEL, "kept", 4) };
    CK_OBJECT_HANDLE key = 0;
    struct pair pair;

    (void)state;
    assert_int_equal(C_OpenSession(1, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
                     CKR_OK);
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    pair = ec_pair(session, true);
    assert_int_equal(C_CopyObject(session, pair.hidden, template, 2, &key), CKR_OK);
    assert_int_equal(key, fake_core_find(session, CKO_PRIVATE_KEY, "kept"));
    assert_int_equal(C_CopyObject(session, ec_pair(session, false).hidden, template, 2, &key),
                     CKR_ACTION_PROHIBITED);
    assert_int_equal(C_CopyObject(session, pair.open, template, 2, &key), CKR_ACTION_PROHIBITED);
    assert_int_equal(C_DestroyObject(session, fake_core_find(session, CKO_PRIVATE_KEY, "kept")),
                     CKR_OK);
}

static void test_core_type_when_asked_then_only_pairs_have_one(void **state)
{
    enum remote_key_type type = REMOTE_KEY_TYPE_COUNT;

    (void)state;
    assert_false(pkcs11_pair_core_type(CKK_AES, &type));
    assert_int_equal(type, REMOTE_KEY_TYPE_COUNT);
    assert_true(pkcs11_pair_core_type(CKK_EC_EDWARDS, &type));
    assert_int_equal(type, REMOTE_KEY_ED25519);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pair_when_generated_then_signs_and_verifies_without_a_request),
        TEST(test_pair_when_rsa_then_encrypts_decrypts_and_wraps),
        TEST(test_pair_when_generated_then_attributes_say_so),
        TEST(test_generate_when_it_cannot_be_then_says_why_and_leaves_nothing),
        TEST(test_generate_when_not_logged_in_then_neither_half_stays),
        TEST(test_half_when_used_for_the_others_work_then_is_not_permitted),
        TEST(test_public_key_when_created_then_verifies_what_the_service_signed),
        TEST(test_public_key_when_parts_are_wrong_then_value_invalid_or_incomplete),
        TEST(test_public_key_of_the_service_when_copied_then_is_of_the_session),
        TEST(test_private_key_when_created_of_its_parts_then_signs_as_before),
        TEST(test_private_key_when_wrapped_then_comes_back_the_same),
        TEST(test_wrap_when_key_may_not_leave_then_is_refused),
        TEST(test_halves_when_changed_copied_and_found_then_are_objects_like_others),
        TEST(test_private_key_when_copied_to_the_token_then_is_imported),
        cmocka_unit_test(test_core_type_when_asked_then_only_pairs_have_one),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
