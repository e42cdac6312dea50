/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots, tokens, mechanisms and login. One slot for each configured one, IDs in file order. A
 * token is present when its configuration is valid; all of this is answered without the network,
 * but for a PIN.
 */
#include <string.h>

#include "build-config.h"
#include "module.h"

CK_RV pkcs11_slot_find(struct pkcs11_call *call, CK_SLOT_ID id, struct pkcs11_slot **ret)
{
    bool known;

    pkcs11_module_lock();
    known = id < call->module->slot_count;
    if (known)
        *ret = call->module->slots[id];
    pkcs11_module_unlock();
    return known ? CKR_OK : CKR_SLOT_ID_INVALID;
}

bool pkcs11_slot_present(const struct pkcs11_module *module, const struct pkcs11_slot *slot)
{
    return module->slots[slot->id] == slot && slot->present;
}

static bool has_token(struct pkcs11_call *call, const struct pkcs11_slot *slot)
{
    bool present;

    pkcs11_module_lock();
    present = pkcs11_slot_present(call->module, slot);
    pkcs11_module_unlock();
    return present;
}

CK_RV pkcs11_slot_token(struct pkcs11_call *call, CK_SLOT_ID id, struct pkcs11_slot **ret)
{
    struct pkcs11_slot *slot = NULL;

    PKCS11_TRY(pkcs11_slot_find(call, id, &slot));
    if (!has_token(call, slot) || remote_slot_status(slot->remote, NULL) != REMOTE_OK)
        return CKR_TOKEN_NOT_PRESENT; /* the core said why when it opened the slot */
    *ret = slot;
    return CKR_OK;
}

/* ---- lists of slot IDs or mechanisms, by the two-call convention ---- */

struct list {
    CK_ULONG *out; /* NULL: only counted */
    CK_ULONG room, count;
};

static void list_add(struct list *list, CK_ULONG value)
{
    if (list->out && list->count < list->room)
        list->out[list->count] = value;
    list->count++;
}

static CK_RV list_done(const struct list *list, CK_ULONG *ret_count)
{
    *ret_count = list->count;
    return list->out && list->count > list->room ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

/* Counting is the one moment at which slots may come (section 5.5.1). */
static CK_RV get_slot_list(struct pkcs11_call *call, CK_BBOOL present, CK_SLOT_ID *ids,
                           CK_ULONG *count)
{
    struct list list = { ids, 0, 0 };

    if (!count)
        return CKR_ARGUMENTS_BAD;
    list.room = *count;
    if (!ids)
        pkcs11_slot_look(call);
    pkcs11_module_lock();
    for (size_t i = 0; i < call->module->slot_count; i++)
        if (!present || call->module->slots[i]->present)
            list_add(&list, call->module->slots[i]->id);
    pkcs11_module_unlock();
    return list_done(&list, count);
}

CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID_PTR ids, CK_ULONG_PTR count)
{
    return PKCS11_CALL(call, get_slot_list(call, present, ids, count));
}

/* ---- slot and token ---- */

static CK_RV get_slot_info(struct pkcs11_call *call, CK_SLOT_ID id, CK_SLOT_INFO *ret)
{
    struct pkcs11_slot *slot = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    if (!ret)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_slot_find(call, id, &slot));
    remote_identity_describe(slot->remote, &text);
    if (remote_buf_check(&text, &call->err) != REMOTE_OK)
        return CKR_HOST_MEMORY;
    memset(ret, 0, sizeof(*ret));
    pkcs11_module_pad(ret->slotDescription, sizeof(ret->slotDescription), (char *)text.data);
    pkcs11_module_pad(ret->manufacturerID, sizeof(ret->manufacturerID),
                      REMOTE_IDENTITY_MANUFACTURER);
    ret->flags = CKF_REMOVABLE_DEVICE; /* else there would be a token always (section 3.2) */
    if (has_token(call, slot))
        ret->flags |= CKF_TOKEN_PRESENT;
    ret->firmwareVersion = (CK_VERSION){ HSMBRIDGE_VERSION_MAJOR, HSMBRIDGE_VERSION_MINOR };
    return CKR_OK;
}

CK_RV C_GetSlotInfo(CK_SLOT_ID id, CK_SLOT_INFO_PTR ret)
{
    return PKCS11_CALL(call, get_slot_info(call, id, ret));
}

static CK_FLAGS token_flags(const struct remote_slot *slot)
{
    CK_FLAGS flags = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_DUAL_CRYPTO_OPERATIONS;

    if (remote_slot_needs_login(slot))
        flags |= CKF_LOGIN_REQUIRED;
    if (!remote_slot_writable(slot))
        flags |= CKF_WRITE_PROTECTED;
    if (remote_slot_has_random(slot))
        flags |= CKF_RNG;
    return flags;
}

static CK_RV get_token_info(struct pkcs11_call *call, CK_SLOT_ID id, CK_TOKEN_INFO *ret)
{
    CK_TOKEN_INFO info = { 0 };
    struct pkcs11_slot *slot = NULL;
    char serial[REMOTE_IDENTITY_SERIAL_LEN + 1];
    enum remote_rc rc;

    if (!ret)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_slot_token(call, id, &slot));
    rc = remote_identity_serial(slot->remote, serial, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(slot->remote, rc, PKCS11_DOING_OTHER);
    pkcs11_module_pad(info.serialNumber, sizeof(info.serialNumber), serial);
    pkcs11_module_pad(info.label, sizeof(info.label), remote_slot_name(slot->remote));
    pkcs11_module_pad(info.manufacturerID, sizeof(info.manufacturerID),
                      REMOTE_IDENTITY_MANUFACTURER);
    pkcs11_module_pad(info.model, sizeof(info.model), remote_slot_backend(slot->remote));
    pkcs11_module_pad(info.utcTime, sizeof(info.utcTime), ""); /* no CKF_CLOCK_ON_TOKEN */
    info.flags = token_flags(slot->remote);
    info.ulMaxSessionCount = info.ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
    info.ulMaxPinLen = 4096; /* tokens of some services are JWTs */
    info.ulTotalPublicMemory = info.ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
    info.ulTotalPrivateMemory = info.ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
    info.firmwareVersion = (CK_VERSION){ HSMBRIDGE_VERSION_MAJOR, HSMBRIDGE_VERSION_MINOR };
    pkcs11_module_lock();
    info.ulSessionCount = slot->sessions;
    info.ulRwSessionCount = slot->rw_sessions;
    pkcs11_module_unlock();
    *ret = info;
    return CKR_OK;
}

CK_RV C_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO_PTR ret)
{
    return PKCS11_CALL(call, get_token_info(call, id, ret));
}

/* ---- mechanisms: the table's rows that this slot can do ---- */

static bool row_listed(const struct remote_slot *slot, const struct remote_mechanism *row)
{
    return remote_slot_can(slot, row) || remote_slot_can_here(slot, row);
}

/* A CKM has a row for each key type that it works with; the first one stands in the list. */
static bool row_is_first(const struct remote_slot *slot, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (remote_mechanisms[i].ckm == remote_mechanisms[index].ckm &&
            row_listed(slot, &remote_mechanisms[i]))
            return false;
    return true;
}

static CK_RV get_mechanism_list(struct pkcs11_call *call, CK_SLOT_ID id, CK_MECHANISM_TYPE *types,
                                CK_ULONG *count)
{
    struct list list = { types, 0, 0 };
    struct pkcs11_slot *slot = NULL;

    if (!count)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_slot_token(call, id, &slot));
    list.room = *count;
    for (size_t i = 0; i < remote_mechanism_count; i++)
        if (row_listed(slot->remote, &remote_mechanisms[i]) && row_is_first(slot->remote, i))
            list_add(&list, remote_mechanisms[i].ckm);
    return list_done(&list, count);
}

CK_RV C_GetMechanismList(CK_SLOT_ID id, CK_MECHANISM_TYPE_PTR types, CK_ULONG_PTR count)
{
    return PKCS11_CALL(call, get_mechanism_list(call, id, types, count));
}

/* Never CKF_HW: what the service is made of is not known here. */
static CK_FLAGS row_flags(const struct remote_mechanism *row)
{
    static const struct {
        unsigned use;
        CK_FLAGS flag;
    } flag_of[] = {
        { REMOTE_USE_SIGN, CKF_SIGN },       { REMOTE_USE_VERIFY, CKF_VERIFY },
        { REMOTE_USE_ENCRYPT, CKF_ENCRYPT }, { REMOTE_USE_DECRYPT, CKF_DECRYPT },
        { REMOTE_USE_WRAP, CKF_WRAP },       { REMOTE_USE_UNWRAP, CKF_UNWRAP },
    };
    CK_FLAGS flags = 0;

    for (size_t i = 0; i < ARRAY_SIZE(flag_of); i++)
        if (row->uses & flag_of[i].use)
            flags |= flag_of[i].flag;
    if (row->uses & REMOTE_USE_GENERATE)
        flags |= remote_key_type_symmetric(row->key) ? CKF_GENERATE : CKF_GENERATE_KEY_PAIR;
    if (row->served & REMOTE_SERVED_MESSAGES)
        flags |= CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
    if (row->key == REMOTE_KEY_EC || row->key == REMOTE_KEY_SM2)
        flags |= CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;
    return flags;
}

static void info_add(CK_MECHANISM_INFO *info, CK_FLAGS flags, CK_ULONG min, CK_ULONG max)
{
    if (info->flags == 0 || min < info->ulMinKeySize)
        info->ulMinKeySize = min;
    if (max > info->ulMaxKeySize)
        info->ulMaxKeySize = max;
    info->flags |= flags;
}

/* The mechanisms' own unit: bits, but bytes for secret keys (PKCS#11 3.0 current mechanisms). */
static void info_add_row(CK_MECHANISM_INFO *info, const struct remote_slot *slot,
                         const struct remote_mechanism *row)
{
    static const struct {
        CK_ULONG min, max;
    } here[REMOTE_KEY_TYPE_COUNT] = {
        [REMOTE_KEY_RSA] = { REMOTE_SESSION_RSA_MIN, REMOTE_SESSION_RSA_MAX },
        [REMOTE_KEY_EC] = { 224, 521 },
        [REMOTE_KEY_ED25519] = { 256, 256 },
        [REMOTE_KEY_AES] = { 16, 32 },
        [REMOTE_KEY_CHACHA20] = { 32, 32 },
        [REMOTE_KEY_GENERIC] = { 1, REMOTE_SECRET_KEY_MAX },
    };
    unsigned unit = remote_key_type_symmetric(row->key) ? 8 : 1;
    unsigned min = 0, max = 0;

    if (remote_slot_can_here(slot, row))
        info_add(info, row_flags(row), here[row->key].min, here[row->key].max);
    if (!remote_slot_can(slot, row))
        return;
    remote_slot_key_sizes(slot, row->key, &min, &max);
    info_add(info, row_flags(row), min / unit, max / unit);
}

static CK_RV get_mechanism_info(struct pkcs11_call *call, CK_SLOT_ID id, CK_MECHANISM_TYPE type,
                                CK_MECHANISM_INFO *ret)
{
    CK_MECHANISM_INFO info = { 0 };
    struct pkcs11_slot *slot = NULL;

    if (!ret)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_slot_token(call, id, &slot));
    for (size_t i = 0; i < remote_mechanism_count; i++)
        if (remote_mechanisms[i].ckm == type)
            info_add_row(&info, slot->remote, &remote_mechanisms[i]);
    if (info.flags == 0 && remote_hash_of_ckm(type) != REMOTE_HASH_NONE)
        info.flags = CKF_DIGEST; /* not listed (digest.c), but SunPKCS11 asks before it makes PSS */
    if (info.flags == 0)
        return CKR_MECHANISM_INVALID;
    *ret = info;
    return CKR_OK;
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID id, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR ret)
{
    return PKCS11_CALL(call, get_mechanism_info(call, id, type, ret));
}

/* ---- login ---- */

bool pkcs11_slot_logged_in(const struct pkcs11_slot *slot)
{
    return slot->logged_in && remote_slot_logged_in(slot->remote);
}

void pkcs11_slot_logout(struct pkcs11_module *module, struct pkcs11_slot *slot)
{
    if (!slot->logged_in)
        return;
    slot->logged_in = false;
    if (!remote_slot_needs_login(slot->remote))
        return;
    remote_slot_logout(slot->remote);
    pkcs11_object_logout(module, slot);
    pkcs11_session_object_logout(module, slot);
}

/* No key asks for a PIN before each use, so there is never a context to log in to. */
static CK_RV check_user(CK_USER_TYPE user)
{
    if (user == CKU_CONTEXT_SPECIFIC)
        return CKR_OPERATION_NOT_INITIALIZED;
    return user == CKU_USER ? CKR_OK : CKR_USER_TYPE_INVALID;
}

/* Asks the service, so that no lock may be held. */
static CK_RV check_pin(struct pkcs11_call *call, struct pkcs11_slot *slot, const CK_BYTE *pin,
                       CK_ULONG pin_len)
{
    enum remote_rc rc;

    if (!remote_slot_needs_login(slot->remote))
        return CKR_OK; /* complete without the user: any PIN will do */
    if (!pin)
        return CKR_ARGUMENTS_BAD; /* no CKF_PROTECTED_AUTHENTICATION_PATH */
    rc = remote_slot_login(slot->remote, remote_slice(pin, pin_len), &call->err);
    return rc == REMOTE_E_USAGE ? CKR_USER_ALREADY_LOGGED_IN
                                : pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
}

/*
 * Lock held. C_Finalize may have come while the PIN was checked, and the core, with the PIN that
 * it was given, may live on for a C_Initialize that came after it and knows of no login.
 */
static CK_RV note_login(struct pkcs11_call *call, struct pkcs11_slot *slot)
{
    bool needs_login = remote_slot_needs_login(slot->remote);
    bool already = slot->logged_in && !needs_login;

    if (!pkcs11_module_is_current(call->module)) {
        if (needs_login)
            remote_slot_logout(slot->remote);
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    slot->logged_in = true;
    return already ? CKR_USER_ALREADY_LOGGED_IN : CKR_OK;
}

static CK_RV login(struct pkcs11_call *call, CK_SESSION_HANDLE session, CK_USER_TYPE user,
                   const CK_BYTE *pin, CK_ULONG pin_len)
{
    struct pkcs11_slot *slot = NULL;
    bool already;
    CK_RV rv;

    if (!pin && pin_len > 0)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_session_slot(call, session, &slot));
    PKCS11_TRY(check_user(user));
    pkcs11_module_lock();
    already = pkcs11_slot_logged_in(slot);
    pkcs11_module_unlock();
    if (already)
        return CKR_USER_ALREADY_LOGGED_IN;
    PKCS11_TRY(check_pin(call, slot, pin, pin_len));
    pkcs11_module_lock();
    rv = note_login(call, slot);
    pkcs11_module_unlock();
    return rv;
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len)
{
    return PKCS11_CALL(call, login(call, session, user, pin, pin_len));
}

/* Users of tokens here have no names: with none it is C_Login (section 5.6.8). */
static CK_RV login_user(struct pkcs11_call *call, CK_SESSION_HANDLE session, CK_USER_TYPE user,
                        const CK_BYTE *pin, CK_ULONG pin_len, const CK_BYTE *name,
                        CK_ULONG name_len)
{
    struct pkcs11_slot *slot = NULL;

    PKCS11_TRY(pkcs11_session_slot(call, session, &slot));
    if (!name && name_len > 0)
        return CKR_ARGUMENTS_BAD;
    if (name_len > 0 && remote_slot_needs_login(slot->remote))
        return CKR_ARGUMENTS_BAD;
    return login(call, session, user, pin, pin_len);
}

CK_RV C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin,
                  CK_ULONG pin_len, CK_UTF8CHAR_PTR name, CK_ULONG name_len)
{
    return PKCS11_CALL(call, login_user(call, session, user, pin, pin_len, name, name_len));
}

static CK_RV logout(struct pkcs11_call *call, CK_SESSION_HANDLE session)
{
    struct pkcs11_slot *slot = NULL;
    bool was;

    PKCS11_TRY(pkcs11_session_slot(call, session, &slot));
    pkcs11_module_lock();
    was = slot->logged_in;
    pkcs11_slot_logout(call->module, slot);
    pkcs11_module_unlock();
    return was ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
    return PKCS11_CALL(call, logout(call, session));
}
