/* SPDX-License-Identifier: Apache-2.0 */
#include "faulty.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "ck.h"

#define EXPORT __attribute__((visibility("default")))
#define SLOT 7
#define KEY 42
#define MAC_LEN 32
#define HANDLE_FIRST 1000

EXPORT struct faulty faulty;
static atomic_ulong next_session = HANDLE_FIRST;
static _Thread_local int searched; /* a search belongs to one thread at a time */

/* The answer that the test wants of this call, if it is the one. */
static bool fails(const char *call, CK_RV *ret)
{
    if (faulty.call == NULL || strcmp(faulty.call, call) != 0 || faulty.times == 0)
        return false;
    if (faulty.times > 0 && faulty.times-- <= 0) {
        faulty.times = 0; /* another thread was quicker */
        return false;
    }
    *ret = faulty.rv;
    return true;
}

#define FAIL_IF_TOLD()                                                                             \
    do {                                                                                           \
        CK_RV told_;                                                                               \
        if (fails(__func__, &told_))                                                               \
            return told_;                                                                          \
    } while (0)

static void pad(CK_UTF8CHAR *to, size_t size, const char *text)
{
    memset(to, ' ', size);
    memcpy(to, text, strlen(text));
}

CK_RV C_Initialize(CK_VOID_PTR args)
{
    (void)args;
    FAIL_IF_TOLD();
    faulty.initializes++;
    return CKR_OK;
}

CK_RV C_Finalize(CK_VOID_PTR reserved)
{
    (void)reserved;
    return CKR_OK;
}

CK_RV C_GetInfo(CK_INFO_PTR info)
{
    memset(info, 0, sizeof(*info));
    info->cryptokiVersion.major = 2;
    info->cryptokiVersion.minor = 40;
    pad(info->manufacturerID, sizeof(info->manufacturerID), "tests");
    pad(info->libraryDescription, sizeof(info->libraryDescription), "faulty");
    return CKR_OK;
}

CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
    (void)present;
    FAIL_IF_TOLD();
    *count = faulty.no_token ? 0 : 1;
    if (list != NULL && *count > 0)
        list[0] = SLOT;
    return CKR_OK;
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    (void)slot;
    FAIL_IF_TOLD();
    memset(info, 0, sizeof(*info));
    pad(info->label, sizeof(info->label), "faulty");
    pad(info->manufacturerID, sizeof(info->manufacturerID), "tests");
    pad(info->model, sizeof(info->model), "double");
    pad(info->serialNumber, sizeof(info->serialNumber), "1");
    info->flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_RNG;
    info->ulMaxSessionCount = faulty.max_sessions;
    return CKR_OK;
}

CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
    (void)slot;
    FAIL_IF_TOLD();
    *count = 1;
    if (list != NULL)
        list[0] = CKM_SHA256_HMAC;
    return CKR_OK;
}

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                    CK_SESSION_HANDLE_PTR ret)
{
    int now;

    (void)slot, (void)flags, (void)application, (void)notify;
    FAIL_IF_TOLD();
    if (faulty.real_sessions > 0 && (CK_ULONG)faulty.open >= faulty.real_sessions)
        return CKR_SESSION_COUNT;
    now = ++faulty.open;
    if (now > faulty.most_open)
        faulty.most_open = now;
    faulty.opens++;
    *ret = next_session++;
    return CKR_OK;
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session)
{
    (void)session;
    faulty.open--;
    return CKR_OK;
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
    (void)session, (void)user;
    FAIL_IF_TOLD();
    faulty.logins++;
    return len == 4 && memcmp(pin, "1234", 4) == 0 ? CKR_OK : CKR_PIN_INCORRECT;
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
    (void)session;
    return CKR_OK;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR templ, CK_ULONG count)
{
    (void)session;
    FAIL_IF_TOLD();
    searched = 0;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_OBJECT_CLASS class = CKO_SECRET_KEY;

        if (templ[i].type == CKA_CLASS && memcmp(templ[i].pValue, &class, sizeof(class)) != 0)
            searched = 1;
        if (templ[i].type == CKA_LABEL &&
            (templ[i].ulValueLen != 3 || memcmp(templ[i].pValue, "mac", 3) != 0))
            searched = 1;
    }
    return CKR_OK;
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR list, CK_ULONG max,
                    CK_ULONG_PTR count)
{
    (void)session, (void)max;
    FAIL_IF_TOLD();
    *count = searched++ == 0;
    list[0] = KEY;
    if (faulty.found > 0)
        *count = faulty.found;
    return CKR_OK;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
    (void)session;
    return CKR_OK;
}

static CK_RV put(CK_ATTRIBUTE_PTR attribute, const void *value, CK_ULONG len)
{
    if (attribute->ulValueLen < len)
        return CKR_BUFFER_TOO_SMALL;
    if (len > 0)
        memcpy(attribute->pValue, value, len);
    attribute->ulValueLen = faulty.attribute > 0 ? faulty.attribute : len;
    return CKR_OK;
}

static CK_RV put_date(CK_ATTRIBUTE_PTR attribute, const char *date)
{
    return put(attribute, date, date != NULL ? strlen(date) : 0);
}

static CK_RV answer(CK_ATTRIBUTE_PTR attribute)
{
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_ULONG len = MAC_LEN;
    CK_BBOOL yes = CK_TRUE;

    switch (attribute->type) {
    case CKA_KEY_TYPE:
        return put(attribute, &type, sizeof(type));
    case CKA_LABEL:
        return put(attribute, "mac", 3);
    case CKA_ID:
        return put(attribute, "\x01", 1);
    case CKA_VALUE_LEN:
        return put(attribute, &len, sizeof(len));
    case CKA_SIGN:
        return put(attribute, &yes, sizeof(yes));
    case CKA_START_DATE:
        return put_date(attribute, faulty.start);
    case CKA_END_DATE:
        return put_date(attribute, faulty.end);
    default:
        attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return CKR_ATTRIBUTE_TYPE_INVALID;
    }
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_PTR attributes, CK_ULONG count)
{
    CK_RV worst = CKR_OK;

    (void)session, (void)object;
    FAIL_IF_TOLD();
    faulty.reads++;
    for (CK_ULONG i = 0; i < count && !(faulty.stops_short && worst != CKR_OK); i++) {
        CK_RV rv = answer(&attributes[i]);

        if (rv != CKR_OK)
            worst = rv;
    }
    return worst;
}

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    (void)session, (void)mechanism;
    FAIL_IF_TOLD();
    return key == KEY ? CKR_OK : CKR_KEY_HANDLE_INVALID;
}

/* Leaves an error of OpenSSL behind, as modules do that use it themselves. */
static void touch_openssl(void)
{
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_set0_default(NULL);

    faulty.context = context;
    OSSL_LIB_CTX_set0_default(context);
    ERR_raise(ERR_LIB_CRYPTO, ERR_R_INTERNAL_ERROR);
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR signature,
             CK_ULONG_PTR len)
{
    struct timespec pause = { faulty.hang_ms / 1000, faulty.hang_ms % 1000 * 1000000L };

    (void)session, (void)data, (void)data_len;
    faulty.signs++;
    touch_openssl();
    nanosleep(&pause, NULL);
    FAIL_IF_TOLD();
    if (*len < MAC_LEN)
        return CKR_BUFFER_TOO_SMALL;
    memset(signature, 0x5a, MAC_LEN);
    *len = faulty.length > 0 ? faulty.length : MAC_LEN;
    return CKR_OK;
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    (void)session, (void)object;
    faulty.destroys++;
    FAIL_IF_TOLD();
    return CKR_OK;
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG len)
{
    (void)session;
    FAIL_IF_TOLD();
    memset(out, 0x5a, len);
    return CKR_OK;
}

static CK_FUNCTION_LIST functions = {
    .version = { 2, 40 },
    .C_Initialize = C_Initialize,
    .C_Finalize = C_Finalize,
    .C_GetInfo = C_GetInfo,
    .C_GetFunctionList = C_GetFunctionList,
    .C_GetSlotList = C_GetSlotList,
    .C_GetTokenInfo = C_GetTokenInfo,
    .C_GetMechanismList = C_GetMechanismList,
    .C_OpenSession = C_OpenSession,
    .C_CloseSession = C_CloseSession,
    .C_Login = C_Login,
    .C_Logout = C_Logout,
    .C_FindObjectsInit = C_FindObjectsInit,
    .C_FindObjects = C_FindObjects,
    .C_FindObjectsFinal = C_FindObjectsFinal,
    .C_GetAttributeValue = C_GetAttributeValue,
    .C_SignInit = C_SignInit,
    .C_Sign = C_Sign,
    .C_DestroyObject = C_DestroyObject,
    .C_GenerateRandom = C_GenerateRandom,
};

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ret)
{
    *ret = &functions;
    return CKR_OK;
}
