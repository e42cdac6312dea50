/* SPDX-License-Identifier: Apache-2.0 */
#include "error.h"

static const struct {
    CK_RV rv[PKCS11_DOING_COUNT];
    enum remote_log_level level;
    bool of_service;
} rv_of[REMOTE_RC_COUNT] = {
/* clang-format off */
#define SAME(rv) { rv, rv, rv }
    [REMOTE_OK]              = { SAME(CKR_OK), REMOTE_LOG_DEBUG },
    [REMOTE_E_NOMEM]         = { SAME(CKR_HOST_MEMORY), REMOTE_LOG_ERROR },
    [REMOTE_E_USAGE]         = { SAME(CKR_FUNCTION_FAILED), REMOTE_LOG_WARNING },
    [REMOTE_E_CONFIG]        = { SAME(CKR_TOKEN_NOT_PRESENT), REMOTE_LOG_ERROR },
    [REMOTE_E_UNSUPPORTED]   = { SAME(CKR_MECHANISM_INVALID), REMOTE_LOG_WARNING },
    [REMOTE_E_PARAM]         = { SAME(CKR_MECHANISM_PARAM_INVALID), REMOTE_LOG_WARNING },
    [REMOTE_E_LENGTH]        = { { CKR_DATA_LEN_RANGE, CKR_DATA_LEN_RANGE,
                                   CKR_ENCRYPTED_DATA_LEN_RANGE }, REMOTE_LOG_WARNING },
    [REMOTE_E_DATA]          = { { CKR_DATA_INVALID, CKR_SIGNATURE_INVALID,
                                   CKR_ENCRYPTED_DATA_INVALID }, REMOTE_LOG_WARNING },
    /* Init never asks the service, so a key is found to be gone only while it is used. */
    [REMOTE_E_NOT_FOUND]     = { SAME(CKR_FUNCTION_FAILED), REMOTE_LOG_ERROR, true },
    [REMOTE_E_FORBIDDEN_USE] = { SAME(CKR_KEY_FUNCTION_NOT_PERMITTED), REMOTE_LOG_WARNING },
    [REMOTE_E_RIGHTS]        = { SAME(CKR_FUNCTION_REJECTED), REMOTE_LOG_ERROR, true },
    [REMOTE_E_PIN]           = { SAME(CKR_PIN_INCORRECT), REMOTE_LOG_WARNING },
    [REMOTE_E_AUTH]          = { SAME(CKR_DEVICE_ERROR), REMOTE_LOG_ERROR, true },
    [REMOTE_E_BUSY]          = { SAME(CKR_DEVICE_ERROR), REMOTE_LOG_ERROR, true },
    [REMOTE_E_TIMEOUT]       = { SAME(CKR_DEVICE_ERROR), REMOTE_LOG_ERROR, true },
    [REMOTE_E_UNAVAILABLE]   = { SAME(CKR_DEVICE_ERROR), REMOTE_LOG_ERROR, true },
    [REMOTE_E_PROTOCOL]      = { SAME(CKR_DEVICE_ERROR), REMOTE_LOG_ERROR, true },
    [REMOTE_E_CRYPTO]        = { SAME(CKR_FUNCTION_FAILED), REMOTE_LOG_ERROR },
#undef SAME
    /* clang-format on */
};

static const struct {
    CK_RV rv;
    const char *name;
} names[] = {
/* clang-format off */
#define NAME(rv) { rv, #rv }
    NAME(CKR_HOST_MEMORY), NAME(CKR_SLOT_ID_INVALID), NAME(CKR_GENERAL_ERROR),
    NAME(CKR_FUNCTION_FAILED), NAME(CKR_ARGUMENTS_BAD), NAME(CKR_NO_EVENT), NAME(CKR_CANT_LOCK),
    NAME(CKR_ATTRIBUTE_SENSITIVE), NAME(CKR_ATTRIBUTE_TYPE_INVALID),
    NAME(CKR_ATTRIBUTE_VALUE_INVALID), NAME(CKR_DATA_INVALID), NAME(CKR_DATA_LEN_RANGE),
    NAME(CKR_DEVICE_ERROR), NAME(CKR_ENCRYPTED_DATA_INVALID), NAME(CKR_ENCRYPTED_DATA_LEN_RANGE),
    NAME(CKR_FUNCTION_NOT_PARALLEL), NAME(CKR_FUNCTION_NOT_SUPPORTED),
    NAME(CKR_KEY_HANDLE_INVALID), NAME(CKR_KEY_TYPE_INCONSISTENT),
    NAME(CKR_KEY_FUNCTION_NOT_PERMITTED), NAME(CKR_MECHANISM_INVALID),
    NAME(CKR_MECHANISM_PARAM_INVALID), NAME(CKR_OBJECT_HANDLE_INVALID),
    NAME(CKR_OPERATION_ACTIVE), NAME(CKR_OPERATION_NOT_INITIALIZED), NAME(CKR_PIN_INCORRECT),
    NAME(CKR_SESSION_COUNT), NAME(CKR_SESSION_HANDLE_INVALID),
    NAME(CKR_SESSION_PARALLEL_NOT_SUPPORTED), NAME(CKR_SIGNATURE_INVALID),
    NAME(CKR_SIGNATURE_LEN_RANGE), NAME(CKR_TOKEN_NOT_PRESENT), NAME(CKR_USER_ALREADY_LOGGED_IN),
    NAME(CKR_USER_NOT_LOGGED_IN), NAME(CKR_USER_TYPE_INVALID),
    NAME(CKR_RANDOM_SEED_NOT_SUPPORTED), NAME(CKR_RANDOM_NO_RNG),
    NAME(CKR_CRYPTOKI_NOT_INITIALIZED), NAME(CKR_CRYPTOKI_ALREADY_INITIALIZED),
    NAME(CKR_FUNCTION_REJECTED),
#undef NAME
    /* clang-format on */
};

CK_RV pkcs11_rv(const struct remote_slot *slot, enum remote_rc rc, enum pkcs11_doing doing)
{
    if (rc == REMOTE_E_AUTH && slot && remote_slot_needs_login(slot))
        return CKR_USER_NOT_LOGGED_IN;
    return rv_of[rc].rv[doing];
}

bool pkcs11_rv_of_service(enum remote_rc rc)
{
    return rv_of[rc].of_service;
}

const char *pkcs11_rv_name(CK_RV rv)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].rv == rv)
            return names[i].name;
    return "CKR_?";
}

CK_RV pkcs11_done(const char *func, CK_RV rv, const struct remote_error *err)
{
    if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL)
        return rv;
    if (err->text[0])
        remote_log(rv_of[err->rc].level, "%s: %s: %s", func, pkcs11_rv_name(rv), err->text);
    else
        remote_log(REMOTE_LOG_DEBUG, "%s: %s", func, pkcs11_rv_name(rv));
    return rv;
}
