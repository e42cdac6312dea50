/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another CKA_LABEL for a key. Its public key and its certificates are found by the label too,
 * where they have no CKA_ID, and programs take objects of one label for one key: so they all
 * change, or none. Not every token lets a label be changed; then the first object says so.
 */
#include <string.h>

#include "hsm.h"

static enum remote_rc set_label(struct hsm_session *session, CK_OBJECT_HANDLE object,
                                const char *label, struct remote_error *err)
{
    CK_ATTRIBUTE attribute = { CKA_LABEL, (void *)label, strlen(label) };
    CK_RV rv =
        HSM_CALL(session->functions, C_SetAttributeValue, session->handle, object, &attribute, 1);

    return rv == CKR_OK ? REMOTE_OK : hsm_fail(session, "C_SetAttributeValue", rv, err);
}

static enum remote_rc add_beside(struct hsm_session *session, CK_OBJECT_CLASS class,
                                 const char *name, struct hsm_objects *ret,
                                 struct remote_error *err)
{
    CLEANUP(hsm_objects_clear) struct hsm_objects found = { 0 };

    REMOTE_TRY(hsm_find_by(session, class, CKA_LABEL, remote_slice_str(name), &found, err));
    return hsm_objects_add(ret, found.list, found.count, err);
}

/* The keys themselves first: they are what a token may refuse. */
static enum remote_rc find_all(struct hsm_session *session, const char *name,
                               struct hsm_objects *ret, struct remote_error *err)
{
    CLEANUP(hsm_candidates_clear) struct hsm_candidates keys = { 0 };

    REMOTE_TRY(hsm_candidates_find(session, name, &keys, err));
    if (keys.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "token '%s' has no key '%s'",
                           session->hsm->label, name);
    for (size_t i = 0; i < keys.count; i++)
        REMOTE_TRY(hsm_objects_add(ret, &keys.list[i].object, 1, err));
    REMOTE_TRY(add_beside(session, CKO_PUBLIC_KEY, name, ret, err));
    return add_beside(session, CKO_CERTIFICATE, name, ret, err);
}

enum remote_rc hsm_rename(struct hsm_session *session, struct remote_op *op,
                          struct remote_error *err)
{
    CLEANUP(hsm_objects_clear) struct hsm_objects objects = { 0 };
    enum remote_rc rc = REMOTE_OK;
    size_t done = 0;

    hsm_forget_objects(session->hsm);
    REMOTE_TRY(find_all(session, op->name, &objects, err));
    while (done < objects.count &&
           (rc = set_label(session, objects.list[done], op->label, err)) == REMOTE_OK)
        done++;
    while (rc != REMOTE_OK && done-- > 0)
        (void)set_label(session, objects.list[done], op->name, NULL);
    hsm_forget_objects(session->hsm);
    return rc;
}
