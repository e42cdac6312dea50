/* SPDX-License-Identifier: Apache-2.0 */
/* Session keys for tests of the PKCS#11 module: templates, and steps that assert success. */
#ifndef FAKE_KEYS_H
#define FAKE_KEYS_H

#include "fake_core.h"

static __attribute__((unused)) CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static __attribute__((unused)) CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
static __attribute__((unused)) CK_KEY_TYPE aes_type = CKK_AES, generic_type = CKK_GENERIC_SECRET;

#define BYTES(type, bytes, len)                                                                    \
    {                                                                                              \
        type, (void *)(bytes), len                                                                 \
    }
#define VALUE(type, variable)                                                                      \
    {                                                                                              \
        type, &(variable), sizeof(variable)                                                        \
    }

/* A session key of these bytes, extractable and not sensitive. */
static __attribute__((unused)) CK_OBJECT_HANDLE key_of(CK_SESSION_HANDLE session, CK_KEY_TYPE type,
                                                       const void *bytes, CK_ULONG len)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, type),
                                  BYTES(CKA_VALUE, bytes, len), VALUE(CKA_EXTRACTABLE, yes),
                                  VALUE(CKA_SENSITIVE, no) };
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

    assert_int_equal(C_CreateObject(session, attributes, ARRAY_SIZE(attributes), &handle), CKR_OK);
    assert_int_not_equal(handle, CK_INVALID_HANDLE);
    return handle;
}

/* The same of one byte, 32 times. */
static __attribute__((unused)) CK_OBJECT_HANDLE aes_of(CK_SESSION_HANDLE session, int byte)
{
    CK_BYTE bytes[32];

    memset(bytes, byte, sizeof(bytes));
    return key_of(session, CKK_AES, bytes, sizeof(bytes));
}

static __attribute__((unused)) size_t attribute_of(CK_SESSION_HANDLE session,
                                                   CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                                                   CK_BYTE out[64])
{
    CK_ATTRIBUTE attribute = { type, out, 64 };

    assert_int_equal(C_GetAttributeValue(session, object, &attribute, 1), CKR_OK);
    return attribute.ulValueLen;
}

static __attribute__((unused)) bool flag_of(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                            CK_ATTRIBUTE_TYPE type)
{
    CK_BYTE out[64];

    assert_int_equal(attribute_of(session, object, type, out), 1);
    return out[0] == CK_TRUE;
}

static __attribute__((unused)) CK_RV set_flag(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                              CK_ATTRIBUTE_TYPE type, CK_BBOOL value)
{
    CK_ATTRIBUTE attribute = VALUE(type, value);

    return C_SetAttributeValue(session, object, &attribute, 1);
}

#endif
