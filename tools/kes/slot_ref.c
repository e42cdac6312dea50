/* SPDX-License-Identifier: Apache-2.0 */
#include "slot_ref.h"

#include <stdlib.h>
#include <string.h>

enum remote_rc kesd_slot_ref_init(struct kesd_slot_ref *ret, struct remote_core *core,
                                  const char *option, const char *name, struct remote_error *err)
{
    if (name == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s is missing", option);
    if (remote_core_find_slot(core, name) == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: the configuration has no slot '%s'", option,
                           name);
    ret->name = strdup(name);
    if (ret->name == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    ret->core = core;
    return REMOTE_OK;
}

void kesd_slot_ref_clear(struct kesd_slot_ref *ref)
{
    free(ref->name);
    *ref = (struct kesd_slot_ref){ 0 };
}

enum remote_rc kesd_slot_ref_find(const struct kesd_slot_ref *ref, struct remote_slot **ret,
                                  struct remote_error *err)
{
    struct remote_slot *slot = remote_core_find_slot(ref->core, ref->name);

    if (slot == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "the configuration has no slot '%s' any more",
                           ref->name);
    *ret = slot;
    return REMOTE_OK;
}
