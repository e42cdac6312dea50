/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the token: the module initialized, the token found, its mechanisms known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm.h"

#define SLOTS_SEEN_MAX 4096
#define MECHANISMS_SEEN_MAX 4096
/* Of those that a module says it has; no caller needs more at a time than there are threads. */
#define SESSIONS_MAX 1024
/* How our own tokens call themselves: a proxy module may show them among the others. */
#define OWN_MANUFACTURER "hsmbridge "

int hsm_padded_len(const CK_UTF8CHAR *text, size_t size)
{
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\0'))
        size--;
    return (int)size;
}

static enum remote_rc initialize(struct hsm *hsm, struct remote_error *err)
{
    struct hsm_session none = { .hsm = hsm };
    CK_RV rv;

    if (hsm->functions == NULL)
        REMOTE_TRY(hsm_module_load(hsm->path, &hsm->functions, err));
    if (hsm->initialized)
        return REMOTE_OK;
    rv = hsm_module_initialize(hsm->functions);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
        return hsm_fail(&none, "C_Initialize", rv, err);
    hsm->initialized = true;
    return REMOTE_OK;
}

static CK_RV slot_ids(CK_FUNCTION_LIST *functions, CK_SLOT_ID **ret, CK_ULONG *ret_count)
{
    CK_SLOT_ID *ids = calloc(SLOTS_SEEN_MAX, sizeof(*ids));
    CK_ULONG count = SLOTS_SEEN_MAX;
    CK_RV rv = ids ? HSM_CALL(functions, C_GetSlotList, CK_TRUE, ids, &count) : CKR_HOST_MEMORY;

    if (rv != CKR_OK || count > SLOTS_SEEN_MAX) {
        free(ids);
        return rv != CKR_OK ? rv : CKR_GENERAL_ERROR;
    }
    *ret = ids;
    *ret_count = count;
    return CKR_OK;
}

static void consider(struct hsm *hsm, CK_SLOT_ID id, struct hsm_link *link)
{
    CK_TOKEN_INFO info = { 0 };

    if (HSM_CALL((CK_FUNCTION_LIST *)hsm->functions, C_GetTokenInfo, id, &info) != CKR_OK ||
        (info.flags & CKF_TOKEN_INITIALIZED) == 0 ||
        memcmp(info.manufacturerID, OWN_MANUFACTURER, sizeof(OWN_MANUFACTURER) - 1) == 0)
        return;
    if (!hsm_uri_matches(hsm->uri, id, &info)) {
        remote_buf_printf(&link->others, "%s'%.*s'", link->others.len ? ", " : "",
                          hsm_padded_len(info.label, sizeof(info.label)), (const char *)info.label);
        return;
    }
    link->matching++;
    link->slot_id = id;
    link->info = info;
}

static enum remote_rc judge_matches(const struct hsm *hsm, const struct hsm_link *link,
                                    struct remote_error *err)
{
    if (link->matching == 1)
        return REMOTE_OK;
    if (link->matching > 1)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "%u tokens of %s match 'token'; add what tells them apart, such as "
                           "serial",
                           link->matching, hsm->path);
    return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "no token of %s matches 'token'; it has: %.120s",
                       hsm->path, link->others.len > 0 ? (const char *)link->others.data : "none");
}

static enum remote_rc find_token(struct hsm *hsm, struct hsm_link *link, struct remote_error *err)
{
    struct hsm_session none = { .hsm = hsm };
    CK_SLOT_ID *ids = NULL;
    CK_ULONG count = 0;
    CK_RV rv = slot_ids(hsm->functions, &ids, &count);

    if (rv == CKR_CRYPTOKI_NOT_INITIALIZED) { /* somebody finalized it behind our back */
        hsm_module_finalize(hsm->functions);
        hsm->initialized = false;
        REMOTE_TRY(initialize(hsm, err));
        rv = slot_ids(hsm->functions, &ids, &count);
    }
    if (rv != CKR_OK)
        return hsm_fail(&none, "C_GetSlotList", rv, err);
    for (CK_ULONG i = 0; i < count; i++)
        consider(hsm, ids[i], link);
    free(ids);
    return judge_matches(hsm, link, err);
}

static enum remote_rc read_mechanisms(struct hsm *hsm, struct hsm_link *link,
                                      struct remote_error *err)
{
    struct hsm_session none = { .hsm = hsm };
    CK_MECHANISM_TYPE *list = calloc(MECHANISMS_SEEN_MAX, sizeof(*list));
    CK_ULONG count = MECHANISMS_SEEN_MAX;
    CK_RV rv = list ? HSM_CALL((CK_FUNCTION_LIST *)hsm->functions, C_GetMechanismList,
                               link->slot_id, list, &count)
                    : CKR_HOST_MEMORY;

    if (rv == CKR_OK && count <= MECHANISMS_SEEN_MAX)
        link->mechanisms = hsm_mechanism_bits(list, count);
    free(list);
    return rv == CKR_OK ? REMOTE_OK : hsm_fail(&none, "C_GetMechanismList", rv, err);
}

enum remote_rc hsm_link_make(struct hsm *hsm, struct hsm_link *link, struct remote_error *err)
{
    REMOTE_TRY(initialize(hsm, err));
    REMOTE_TRY(find_token(hsm, link, err));
    return read_mechanisms(hsm, link, err);
}

void hsm_link_take(struct hsm *hsm, const struct hsm_link *link)
{
    CK_ULONG max = link->info.ulMaxSessionCount;

    hsm->epoch = ++hsm->last_epoch;
    hsm->slot_id = link->slot_id;
    hsm->token_flags = link->info.flags;
    snprintf(hsm->label, sizeof(hsm->label), "%.*s",
             hsm_padded_len(link->info.label, sizeof(link->info.label)),
             (const char *)link->info.label);
    if (hsm->read_write && link->info.ulMaxRwSessionCount != CK_EFFECTIVELY_INFINITE)
        max = link->info.ulMaxRwSessionCount;
    hsm->open_max = max == CK_EFFECTIVELY_INFINITE || max > SESSIONS_MAX ? SESSIONS_MAX : max;
    atomic_store(&hsm->mechanisms, link->mechanisms);
}
