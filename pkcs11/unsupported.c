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

/* no mechanism here signs or verifies with recovery */
UNSUPPORTED(C_SignRecoverInit, SESSION, MECHANISM, OBJECT(key))
UNSUPPORTED(C_SignRecover, SESSION, IN(data), OUT(signature))
UNSUPPORTED(C_VerifyRecoverInit, SESSION, MECHANISM, OBJECT(key))
UNSUPPORTED(C_VerifyRecover, SESSION, IN(signature), OUT(data))

/* nor derives */
UNSUPPORTED(C_DeriveKey, SESSION, MECHANISM, OBJECT(key), TEMPLATE(attributes), RET_OBJECT(ret))

/* no mechanism has CKF_MESSAGE_SIGN or _VERIFY */
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
