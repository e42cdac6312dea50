/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread's OpenSSL error queue, with its texts and marks, and the default library context
 * are after every call what they were before: after each function of the 3.0 list called with
 * nothing but zeros and with a session and zeros, and after calls that work and that fail.
 */
#include <dlfcn.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "host.h"

/* ---- what must not change ---- */

static OSSL_LIB_CTX *default_ctx;

static void raise(int reason, const char *text)
{
    ERR_raise_data(ERR_LIB_USER, reason, "%s", text);
}

static void check_next(int reason, const char *text)
{
    const char *file, *func, *data;
    int line, flags;
    unsigned long code = ERR_get_error_all(&file, &line, &func, &data, &flags);

    HOST_CHECK(ERR_GET_LIB(code) == ERR_LIB_USER && ERR_GET_REASON(code) == reason);
    HOST_CHECK(strcmp(data, text) == 0 && flags & ERR_TXT_STRING);
    HOST_CHECK(strcmp(file, __FILE__) == 0 && strcmp(func, "raise") == 0);
}

static void put_entries(void)
{
    ERR_clear_error();
    raise(1, "first");
    raise(2, "second");
    ERR_set_mark();
    raise(3, "third");
}

static void check_ctx(void)
{
    OSSL_LIB_CTX *now = OSSL_LIB_CTX_set0_default(NULL);

    HOST_CHECK(now == default_ctx);
}

static bool with_entries;

static void before_call(void)
{
    if (with_entries)
        put_entries();
    else
        ERR_clear_error();
}

/* The mark still stands behind the second of the three. */
static void after_call(void)
{
    if (with_entries) {
        HOST_CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 3);
        HOST_CHECK(ERR_pop_to_mark() == 1);
        check_next(1, "first");
        check_next(2, "second");
    }
    HOST_CHECK(ERR_peek_error() == 0);
    check_ctx();
}

#define SAME(call)                                                                                 \
    do {                                                                                           \
        before_call();                                                                             \
        call;                                                                                      \
        after_call();                                                                              \
    } while (0)

/* ---- every function ---- */

typedef CK_RV (*any_function)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG,
                              CK_ULONG, CK_ULONG, CK_ULONG);

static const char *const names[] = {
#define CK_PKCS11_FUNCTION_INFO(name) #name,
#define CK_PKCS11_3_0 1
#include <pkcs11f.h>
#undef CK_PKCS11_3_0
#undef CK_PKCS11_FUNCTION_INFO
};

/* Functions whose first argument is not a session. */
static bool takes_session(const char *name)
{
    static const char *const others[] = {
        "C_Initialize",       "C_Finalize",         "C_GetInfo",     "C_GetFunctionList",
        "C_GetInterfaceList", "C_GetInterface",     "C_GetSlotList", "C_WaitForSlotEvent",
        "C_GetSlotInfo",      "C_GetTokenInfo",     "C_InitToken",   "C_GetMechanismList",
        "C_GetMechanismInfo", "C_CloseAllSessions", "C_OpenSession",
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(others[i], name) == 0)
            return false;
    return true;
}

/* The module is initialised before and after, whatever this one function does to it. */
static void call_with(size_t index, const any_function *list, CK_ULONG first)
{
    any_function function = list[index];

    SAME(function(first, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    host_p11->C_Initialize(NULL);
}

static void call_every_function(void *module)
{
    CK_RV (*get)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE_PTR_PTR, CK_FLAGS);
    void *symbol = dlsym(module, "C_GetInterface");
    any_function list[sizeof(names) / sizeof(names[0])];
    CK_VERSION version = { 3, 0 };
    CK_INTERFACE *interface;

    HOST_CHECK(symbol);
    memcpy(&get, &symbol, sizeof(get));
    HOST_EXPECT(CKR_OK, get(NULL, &version, &interface, 0));
    memcpy(list, (char *)interface->pFunctionList + sizeof(void *), sizeof(list));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        call_with(i, list, 0);
        if (takes_session(names[i]))
            call_with(i, list, host_session());
    }
}

/* ---- calls that do something ---- */

static void call_all_of_a_signature(void)
{
    CK_BYTE data[32] = "hsmbridge", signature[64], text[16], random[16];
    CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 }, digest = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_ATTRIBUTE label = { CKA_LABEL, text, sizeof(text) };
    CK_OBJECT_HANDLE key, public_key;
    CK_ULONG len = sizeof(signature);
    CK_SESSION_HANDLE session;

    SAME(session = host_session());
    SAME(key = host_private_key(session, "app"));
    SAME(HOST_EXPECT(CKR_OK, host_find(session, CKO_PUBLIC_KEY, "app", &public_key)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_GetAttributeValue(session, key, &label, 1)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_SignInit(session, &ecdsa, key)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_Sign(session, data, 32, signature, &len)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_VerifyInit(session, &ecdsa, public_key)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_Verify(session, data, 32, signature, len)));
    signature[5] ^= 1;
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_VerifyInit(session, &ecdsa, public_key)));
    SAME(HOST_EXPECT(CKR_SIGNATURE_INVALID, host_p11->C_Verify(session, data, 32, signature, len)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_SignInit(session, &digest, key)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_SignUpdate(session, data, 32)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_SignFinal(session, signature, &len)));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_GenerateRandom(session, random, sizeof(random))));
    SAME(HOST_EXPECT(CKR_OK, host_p11->C_CloseSession(session)));
}

/* The server has no such key: its answer is an error. */
static void call_in_vain(void)
{
    CK_SESSION_HANDLE session = host_session();
    CK_OBJECT_HANDLE key;

    SAME(HOST_CHECK(host_find(session, CKO_PRIVATE_KEY, "missing", &key) != CKR_OK));
    SAME(host_p11->C_CloseSession(session));
}

int main(void)
{
    void *module = host_load();
    OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();

    host_deadline(60);
    for (unsigned round = 0; round < 4; round++) {
        with_entries = round % 2;
        if (round == 2) /* hosts have contexts of their own, too */
            HOST_CHECK(OSSL_LIB_CTX_set0_default(own) != NULL);
        default_ctx = OSSL_LIB_CTX_set0_default(NULL);
        SAME(HOST_EXPECT(CKR_OK, host_p11->C_Initialize(NULL)));
        call_all_of_a_signature();
        call_in_vain();
        call_every_function(module);
        SAME(HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL)));
        SAME(HOST_EXPECT(CKR_CRYPTOKI_NOT_INITIALIZED, host_p11->C_Finalize(NULL)));
    }
    HOST_CHECK(default_ctx == own);
    return 0;
}
