/* SPDX-License-Identifier: Apache-2.0 */
/* What another module's result codes mean to us. */
#include "hsm.h"

#ifndef CKR_AEAD_DECRYPT_FAILED
#define CKR_AEAD_DECRYPT_FAILED 0x00000042UL
#endif

#define ROW(rv, rc)                                                                                \
    {                                                                                              \
        rv, #rv, rc, false, false                                                                  \
    }
#define LOST(rv, rc)                                                                               \
    {                                                                                              \
        rv, #rv, rc, true, false                                                                   \
    }
#define GONE(rv, rc)                                                                               \
    {                                                                                              \
        rv, #rv, rc, false, true                                                                   \
    }

/* clang-format off */
static const struct hsm_code codes[] = {
    ROW(CKR_OK,                            REMOTE_OK),
    ROW(CKR_HOST_MEMORY,                   REMOTE_E_NOMEM),
    LOST(CKR_DEVICE_REMOVED,               REMOTE_E_UNAVAILABLE),
    LOST(CKR_DEVICE_ERROR,                 REMOTE_E_UNAVAILABLE),
    LOST(CKR_TOKEN_NOT_PRESENT,            REMOTE_E_UNAVAILABLE),
    LOST(CKR_SESSION_HANDLE_INVALID,       REMOTE_E_UNAVAILABLE),
    LOST(CKR_SESSION_CLOSED,               REMOTE_E_UNAVAILABLE),
    LOST(CKR_CRYPTOKI_NOT_INITIALIZED,     REMOTE_E_UNAVAILABLE),
    LOST(CKR_SLOT_ID_INVALID,              REMOTE_E_UNAVAILABLE),
    LOST(CKR_USER_NOT_LOGGED_IN,           REMOTE_E_AUTH),
    ROW(CKR_DEVICE_MEMORY,                 REMOTE_E_UNAVAILABLE),
    ROW(CKR_GENERAL_ERROR,                 REMOTE_E_UNAVAILABLE),
    ROW(CKR_FUNCTION_FAILED,               REMOTE_E_UNAVAILABLE),
    ROW(CKR_TOKEN_NOT_RECOGNIZED,          REMOTE_E_UNAVAILABLE),
    ROW(CKR_SESSION_COUNT,                 REMOTE_E_BUSY),
    ROW(CKR_OPERATION_ACTIVE,              REMOTE_E_BUSY),
    GONE(CKR_KEY_HANDLE_INVALID,           REMOTE_E_NOT_FOUND),
    GONE(CKR_OBJECT_HANDLE_INVALID,        REMOTE_E_NOT_FOUND),
    ROW(CKR_PIN_INCORRECT,                 REMOTE_E_AUTH),
    ROW(CKR_PIN_INVALID,                   REMOTE_E_AUTH),
    ROW(CKR_PIN_LEN_RANGE,                 REMOTE_E_AUTH),
    ROW(CKR_PIN_EXPIRED,                   REMOTE_E_AUTH),
    ROW(CKR_PIN_LOCKED,                    REMOTE_E_AUTH),
    ROW(CKR_USER_PIN_NOT_INITIALIZED,      REMOTE_E_AUTH),
    ROW(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, REMOTE_E_AUTH),
    ROW(CKR_USER_TOO_MANY_TYPES,           REMOTE_E_AUTH),
    ROW(CKR_ACTION_PROHIBITED,             REMOTE_E_RIGHTS),
    ROW(CKR_FUNCTION_REJECTED,             REMOTE_E_RIGHTS),
    ROW(CKR_TOKEN_WRITE_PROTECTED,         REMOTE_E_RIGHTS),
    ROW(CKR_SESSION_READ_ONLY,             REMOTE_E_RIGHTS),
    ROW(CKR_KEY_FUNCTION_NOT_PERMITTED,    REMOTE_E_FORBIDDEN_USE),
    ROW(CKR_MECHANISM_INVALID,             REMOTE_E_UNSUPPORTED),
    ROW(CKR_KEY_TYPE_INCONSISTENT,         REMOTE_E_UNSUPPORTED),
    ROW(CKR_KEY_SIZE_RANGE,                REMOTE_E_UNSUPPORTED),
    ROW(CKR_FUNCTION_NOT_SUPPORTED,        REMOTE_E_UNSUPPORTED),
    ROW(CKR_RANDOM_NO_RNG,                 REMOTE_E_UNSUPPORTED),
    ROW(CKR_TEMPLATE_INCOMPLETE,           REMOTE_E_UNSUPPORTED),
    ROW(CKR_TEMPLATE_INCONSISTENT,         REMOTE_E_UNSUPPORTED),
    ROW(CKR_ATTRIBUTE_TYPE_INVALID,        REMOTE_E_UNSUPPORTED),
    ROW(CKR_ATTRIBUTE_VALUE_INVALID,       REMOTE_E_UNSUPPORTED),
    ROW(CKR_ATTRIBUTE_READ_ONLY,           REMOTE_E_UNSUPPORTED),
    ROW(CKR_DOMAIN_PARAMS_INVALID,         REMOTE_E_UNSUPPORTED),
    ROW(CKR_CURVE_NOT_SUPPORTED,           REMOTE_E_UNSUPPORTED),
    ROW(CKR_MECHANISM_PARAM_INVALID,       REMOTE_E_PARAM),
    ROW(CKR_ARGUMENTS_BAD,                 REMOTE_E_PARAM),
    ROW(CKR_DATA_INVALID,                  REMOTE_E_LENGTH),
    ROW(CKR_DATA_LEN_RANGE,                REMOTE_E_LENGTH),
    ROW(CKR_ENCRYPTED_DATA_INVALID,        REMOTE_E_DATA),
    ROW(CKR_ENCRYPTED_DATA_LEN_RANGE,      REMOTE_E_DATA),
    ROW(CKR_AEAD_DECRYPT_FAILED,           REMOTE_E_DATA),
    ROW(CKR_BUFFER_TOO_SMALL,              REMOTE_E_PROTOCOL),
};
/* clang-format on */

const struct hsm_code *hsm_code_of(CK_RV rv)
{
    static const struct hsm_code unknown = { 0, NULL, REMOTE_E_UNAVAILABLE, false, false };

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (codes[i].rv == rv)
            return &codes[i];
    return &unknown;
}

enum remote_rc hsm_fail(struct hsm_session *session, const char *call, CK_RV rv,
                        struct remote_error *err)
{
    const struct hsm_code *code = hsm_code_of(rv);

    session->spoiled = true;
    session->lost = session->lost || code->lost;
    session->gone = session->gone || code->gone;
    if (code->name == NULL)
        return REMOTE_FAIL(err, code->rc, "%s of the HSM's module: 0x%lx", call, rv);
    return REMOTE_FAIL(err, code->rc, "%s of the HSM's module: %s", call, code->name);
}
