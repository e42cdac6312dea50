/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that a function list must have (PKCS#11 3.0 section 5.1) and this module does
 * not do: a row each, with the function's parameters.
 */
#include "module.h"

/* The rows' parameters document the functions; nothing uses them. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define ANSWERS(rv, name, ...)                                                                     \
    CK_RV name(__VA_ARGS__)                                                                        \
    {                                                                                              \
        return PKCS11_CALL(call, (rv));                                                            \
    }
#define UNSUPPORTED(name, ...) ANSWERS(CKR_FUNCTION_NOT_SUPPORTED, name, __VA_ARGS__)

#define SESSION CK_SESSION_HANDLE session
#define MECHANISM CK_MECHANISM_PTR mechanism
#define OBJECT(name) CK_OBJECT_HANDLE name
#define IN(name) CK_BYTE_PTR name, CK_ULONG name##_len
#define PARAMETER CK_VOID_PTR parameter, CK_ULONG parameter_len
#define OUT(name) CK_BYTE_PTR name, CK_ULONG_PTR name##_len
#define TEMPLATE(name) CK_ATTRIBUTE_PTR name, CK_ULONG name##_count
#define RET_OBJECT(name) CK_OBJECT_HANDLE_PTR name

/* clang-format off */
/* PINs belong to the services, and so do their tokens */
UNSUPPORTED(C_InitToken, CK_SLOT_ID slot, IN(pin), CK_UTF8CHAR_PTR label)
UNSUPPORTED(C_InitPIN, SESSION, IN(pin))
UNSUPPORTED(C_SetPIN, SESSION, IN(old_pin), IN(new_pin))
UNSUPPORTED(C_LoginUser, SESSION, CK_USER_TYPE user, IN(pin), IN(name))

/* half-done operations are tied to their key */
UNSUPPORTED(C_GetOperationState, SESSION, OUT(state))
UNSUPPORTED(C_SetOperationState, SESSION, IN(state), OBJECT(encryption_key), OBJECT(auth_key))

UNSUPPORTED(C_CreateObject, SESSION, TEMPLATE(attributes), RET_OBJECT(ret))
UNSUPPORTED(C_CopyObject, SESSION, OBJECT(object), TEMPLATE(attributes), RET_OBJECT(ret))
UNSUPPORTED(C_DestroyObject, SESSION, OBJECT(object))
UNSUPPORTED(C_SetAttributeValue, SESSION, OBJECT(object), TEMPLATE(attributes))

UNSUPPORTED(C_DigestInit, SESSION, MECHANISM)
UNSUPPORTED(C_Digest, SESSION, IN(data), OUT(digest))
UNSUPPORTED(C_DigestUpdate, SESSION, IN(part))
UNSUPPORTED(C_DigestKey, SESSION, OBJECT(key))
UNSUPPORTED(C_DigestFinal, SESSION, OUT(digest))

UNSUPPORTED(C_SignRecoverInit, SESSION, MECHANISM, OBJECT(key))
UNSUPPORTED(C_SignRecover, SESSION, IN(data), OUT(signature))
UNSUPPORTED(C_VerifyRecoverInit, SESSION, MECHANISM, OBJECT(key))
UNSUPPORTED(C_VerifyRecover, SESSION, IN(signature), OUT(data))

UNSUPPORTED(C_DigestEncryptUpdate, SESSION, IN(part), OUT(encrypted))
UNSUPPORTED(C_DecryptDigestUpdate, SESSION, IN(encrypted), OUT(part))
UNSUPPORTED(C_SignEncryptUpdate, SESSION, IN(part), OUT(encrypted))
UNSUPPORTED(C_DecryptVerifyUpdate, SESSION, IN(encrypted), OUT(part))

UNSUPPORTED(C_GenerateKey, SESSION, MECHANISM, TEMPLATE(attributes), RET_OBJECT(ret))
UNSUPPORTED(C_GenerateKeyPair, SESSION, MECHANISM, TEMPLATE(public), TEMPLATE(private), RET_OBJECT(ret_public), RET_OBJECT(ret_private))
UNSUPPORTED(C_WrapKey, SESSION, MECHANISM, OBJECT(wrapping_key), OBJECT(key), OUT(wrapped))
UNSUPPORTED(C_UnwrapKey, SESSION, MECHANISM, OBJECT(unwrapping_key), IN(wrapped), TEMPLATE(attributes), RET_OBJECT(ret))
UNSUPPORTED(C_DeriveKey, SESSION, MECHANISM, OBJECT(key), TEMPLATE(attributes), RET_OBJECT(ret))

UNSUPPORTED(C_MessageEncryptInit, SESSION, MECHANISM, OBJECT(key))
UNSUPPORTED(C_EncryptMessage, SESSION, PARAMETER, IN(aad), IN(plain), OUT(encrypted))
UNSUPPORTED(C_EncryptMessageBegin, SESSION, PARAMETER, IN(aad))
UNSUPPORTED(C_EncryptMessageNext, SESSION, PARAMETER, IN(plain), OUT(encrypted), CK_FLAGS flags)
UNSUPPORTED(C_MessageEncryptFinal, SESSION)
UNSUPPORTED(C_MessageDecryptInit, SESSION, MECHANISM, OBJECT(key))
UNSUPPORTED(C_DecryptMessage, SESSION, PARAMETER, IN(aad), IN(encrypted), OUT(plain))
UNSUPPORTED(C_DecryptMessageBegin, SESSION, PARAMETER, IN(aad))
UNSUPPORTED(C_DecryptMessageNext, SESSION, PARAMETER, IN(encrypted), OUT(plain), CK_FLAGS flags)
UNSUPPORTED(C_MessageDecryptFinal, SESSION)
UNSUPPORTED(C_MessageSignInit, SESSION, MECHANISM, OBJECT(key))
UNSUPPORTED(C_SignMessage, SESSION, PARAMETER, IN(data), OUT(signature))
UNSUPPORTED(C_SignMessageBegin, SESSION, PARAMETER)
UNSUPPORTED(C_SignMessageNext, SESSION, PARAMETER, IN(data), OUT(signature))
UNSUPPORTED(C_MessageSignFinal, SESSION)
UNSUPPORTED(C_MessageVerifyInit, SESSION, MECHANISM, OBJECT(key))
UNSUPPORTED(C_VerifyMessage, SESSION, PARAMETER, IN(data), IN(signature))
UNSUPPORTED(C_VerifyMessageBegin, SESSION, PARAMETER)
UNSUPPORTED(C_VerifyMessageNext, SESSION, PARAMETER, IN(data), IN(signature))
UNSUPPORTED(C_MessageVerifyFinal, SESSION)

/* functions of version 1 that never came to anything (section 5.21) */
ANSWERS(CKR_FUNCTION_NOT_PARALLEL, C_GetFunctionStatus, SESSION)
ANSWERS(CKR_FUNCTION_NOT_PARALLEL, C_CancelFunction, SESSION)
/* clang-format on */
