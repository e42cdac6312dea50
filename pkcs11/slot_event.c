/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots that come, change and go with the configuration (PKCS#11 3.0 sections 5.5.1 and 5.5.4).
 * The core may have read it again at any time, for whichever front end; here that shows only when
 * an application counts the slots or waits for an event, never in the middle of its work. A token
 * whose section was changed is another token in the same slot.
 */
#include <stdlib.h>

#include "module.h"

/* How often a caller that waits looks at the configuration. */
#define LOOK_MS 1000

struct pkcs11_slot *pkcs11_slot_new(struct remote_slot *remote, CK_SLOT_ID id)
{
    struct pkcs11_slot *slot = calloc(1, sizeof(*slot));
    size_t certs = remote_slot_cert_room(remote);

    if (slot && certs > 0 && !(slot->cert_keys = calloc(certs, sizeof(*slot->cert_keys)))) {
        free(slot);
        return NULL;
    }
    if (!slot)
        return NULL;
    slot->id = id;
    slot->remote = remote;
    slot->present = remote_slot_status(remote, NULL) == REMOTE_OK;
    return slot;
}

void pkcs11_slot_free(struct pkcs11_slot *slot)
{
    if (!slot)
        return;
    for (size_t i = 0; slot->cert_keys && i < remote_slot_cert_room(slot->remote); i++)
        remote_key_unref(slot->cert_keys[i]);
    free(slot->cert_keys);
    free(slot);
}

/* ---- taking over what the core has; lock held ---- */

/* Whoever works with the token at the moment finishes with it, and keeps its memory. */
static void end_token(struct pkcs11_module *module, struct pkcs11_slot *slot)
{
    slot->present = false;
    pkcs11_session_close_all(module, slot);
    pkcs11_slot_logout(module, slot);
    pkcs11_object_forget_slot(module, slot);
}

/* The same token is there, or it is not, other than it was. */
static void update(struct pkcs11_module *module, struct pkcs11_slot *slot)
{
    bool present = remote_slot_status(slot->remote, NULL) == REMOTE_OK;

    if (present == slot->present)
        return;
    if (!present)
        end_token(module, slot);
    slot->present = present;
    slot->event = true;
}

static bool insert(struct pkcs11_module *module, size_t id, struct remote_slot *remote)
{
    struct pkcs11_slot *before = id < module->slot_count ? module->slots[id] : NULL;
    struct pkcs11_slot *slot = pkcs11_slot_new(remote, id);

    if (!slot)
        return false;
    slot->event = !before || before->event || before->present || slot->present;
    if (before) {
        end_token(module, before);
        before->next_former = module->former;
        module->former = before;
    }
    module->slots[id] = slot;
    module->slot_count += !before;
    return true;
}

/* Out of memory leaves the rest for the next time. */
static void take_over(struct pkcs11_module *module, unsigned generation)
{
    size_t count = remote_core_slot_count(module->core);

    for (size_t i = 0; i < count; i++) {
        struct remote_slot *remote = remote_core_slot(module->core, i);

        if (i < module->slot_count && module->slots[i]->remote == remote)
            update(module, module->slots[i]);
        else if (!insert(module, i, remote))
            return;
    }
    module->core_generation = generation;
}

void pkcs11_slot_look(struct pkcs11_call *call)
{
    struct pkcs11_module *module = call->module;
    unsigned generation;

    (void)remote_core_reload(module->core, false, NULL); /* which has logged its failure */
    generation = remote_core_generation(module->core);
    pkcs11_module_lock();
    if (module->core_generation != generation && pkcs11_module_is_current(module))
        take_over(module, generation);
    pkcs11_module_unlock();
}

/* ---- C_WaitForSlotEvent ---- */

/* Each is told once. Lock held. */
static bool take_event(struct pkcs11_module *module, CK_SLOT_ID *ret)
{
    for (size_t i = 0; i < module->slot_count; i++) {
        if (!module->slots[i]->event)
            continue;
        module->slots[i]->event = false;
        *ret = module->slots[i]->id;
        return true;
    }
    return false;
}

/* Sleeps, too, when there is nothing and the caller can wait. */
static CK_RV look_for_event(struct pkcs11_call *call, bool wait, CK_SLOT_ID *ret)
{
    CK_RV rv = CKR_OK;

    pkcs11_slot_look(call);
    pkcs11_module_lock();
    if (!pkcs11_module_is_current(call->module))
        rv = CKR_CRYPTOKI_NOT_INITIALIZED;
    else if (!take_event(call->module, ret))
        rv = CKR_NO_EVENT;
    if (rv == CKR_NO_EVENT && wait)
        pkcs11_module_wait(remote_now_ms() + LOOK_MS);
    pkcs11_module_unlock();
    return rv;
}

static CK_RV wait_for_slot_event(struct pkcs11_call *call, CK_FLAGS flags, CK_SLOT_ID *ret,
                                 const void *reserved)
{
    bool wait = !(flags & CKF_DONT_BLOCK);
    CK_RV rv;

    if (!ret || reserved)
        return CKR_ARGUMENTS_BAD;
    do
        rv = look_for_event(call, wait, ret);
    while (wait && rv == CKR_NO_EVENT);
    return rv;
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR ret, CK_VOID_PTR reserved)
{
    return PKCS11_CALL(call, wait_for_slot_event(call, flags, ret, reserved));
}
