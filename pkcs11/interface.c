/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function lists and interfaces: the only symbols that leave the module. They are constant,
 * touch neither libcrypto nor the module's state, and answer before C_Initialize, so that they
 * need no guard.
 */
#include <string.h>

#include "module.h"

#define EXPORT __attribute__((visibility("default")))

/* The header's own list of functions fills the tables: none can be missing or out of order. */
#define CK_PKCS11_FUNCTION_INFO(name) .name = name,

#define CK_PKCS11_2_0_ONLY 1
static CK_FUNCTION_LIST functions_2_40 = {
    .version = { 2, 40 },
#include <pkcs11f.h>
};
#undef CK_PKCS11_2_0_ONLY

#define CK_PKCS11_3_0 1
static CK_FUNCTION_LIST_3_0 functions_3_0 = {
    .version = { 3, 0 },
#include <pkcs11f.h>
};
#undef CK_PKCS11_3_0
#undef CK_PKCS11_FUNCTION_INFO

static CK_CHAR interface_name[] = "PKCS 11";
/* The first is the default (section 5.4.6). */
static CK_INTERFACE interfaces[] = {
    { interface_name, &functions_3_0, CKF_INTERFACE_FORK_SAFE },
    { interface_name, &functions_2_40, CKF_INTERFACE_FORK_SAFE },
};

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ret)
{
    if (!ret)
        return CKR_ARGUMENTS_BAD;
    *ret = &functions_2_40;
    return CKR_OK;
}

EXPORT CK_RV C_GetInterfaceList(CK_INTERFACE_PTR ret, CK_ULONG_PTR count)
{
    CK_ULONG room;

    if (!count)
        return CKR_ARGUMENTS_BAD;
    room = *count;
    *count = ARRAY_SIZE(interfaces);
    if (!ret)
        return CKR_OK;
    if (room < ARRAY_SIZE(interfaces))
        return CKR_BUFFER_TOO_SMALL;
    memcpy(ret, interfaces, sizeof(interfaces));
    return CKR_OK;
}

static bool interface_fits(const CK_INTERFACE *interface, const CK_UTF8CHAR *name,
                           const CK_VERSION *version, CK_FLAGS flags)
{
    const CK_VERSION *own = interface->pFunctionList; /* every list begins with its version */

    if (name && strcmp((const char *)name, (const char *)interface->pInterfaceName) != 0)
        return false;
    if (version && (version->major != own->major || version->minor != own->minor))
        return false;
    return (flags & ~interface->flags) == 0;
}

EXPORT CK_RV C_GetInterface(CK_UTF8CHAR_PTR name, CK_VERSION_PTR version, CK_INTERFACE_PTR_PTR ret,
                            CK_FLAGS flags)
{
    if (!ret)
        return CKR_ARGUMENTS_BAD;
    for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++) {
        if (interface_fits(&interfaces[i], name, version, flags)) {
            *ret = &interfaces[i];
            return CKR_OK;
        }
    }
    return CKR_FUNCTION_FAILED; /* section 5.4.6 names no better one */
}
