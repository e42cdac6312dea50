/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <stdlib.h>
#include <string.h>

static const char wrapped[] = "vault:v"; /* and a version, which KES wants to be 1: it need not */

/* ---- transit ---- */

static enum remote_rc find_transit(const struct kesd_record_form *form, struct remote_key **ret,
                                   struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    struct remote_slot *slot;

    REMOTE_TRY(kesd_slot_ref_find(&form->transit_slot, &slot, err));
    REMOTE_TRY(remote_slot_find_label(slot, form->transit, &keys, err));
    if (keys.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "slot '%s' has no key '%s', which vault_transit names",
                           remote_slot_name(slot), form->transit);
    *ret = remote_key_ref(keys.keys[0]);
    return REMOTE_OK;
}

static enum remote_rc wrap(const struct kesd_record_form *form, struct remote_slice text,
                           struct remote_secret *ret, struct remote_error *err)
{
    static const struct remote_params aead = { .alg = REMOTE_ALG_AEAD };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_key *key = NULL;
    enum remote_rc rc;

    REMOTE_TRY(find_transit(form, &key, err));
    rc = remote_key_encrypt(key, &aead, text, &sealed, err);
    remote_key_unref(key);
    REMOTE_TRY(rc);
    return remote_secret_set(ret, sealed.data, sealed.len, err);
}

static enum remote_rc unwrap(const struct kesd_record_form *form, struct remote_slice text,
                             struct remote_secret *ret, struct remote_error *err)
{
    static const struct remote_params aead = { .alg = REMOTE_ALG_AEAD };
    CLEANUP(remote_buf_clear) struct remote_buf opened = { 0 };
    struct remote_key *key = NULL;
    enum remote_rc rc;

    REMOTE_TRY(find_transit(form, &key, err));
    rc = remote_key_decrypt(key, &aead, text, &opened, err);
    remote_key_unref(key);
    REMOTE_TRY(rc);
    return remote_secret_set(ret, opened.data, opened.len, err);
}

/* ---- forms ---- */

static bool is_wrapped(struct remote_slice text)
{
    return text.len >= sizeof(wrapped) && memcmp(text.data, wrapped, sizeof(wrapped) - 1) == 0;
}

/* What is wrong with a text at first sight; NULL: nothing. */
static const char *misfit(const struct kesd_record_form *form, struct remote_slice text)
{
    if (form->format == KESD_FORMAT_SEALED)
        return kesd_is_sealed(text) ? NULL
                                    : "not sealed; store_format = kes reads what a KES wrote";
    if (kesd_is_sealed(text))
        return "sealed; store_format = sealed reads it";
    if (form->transit_slot.name == NULL)
        return is_wrapped(text) ? "wrapped with a transit key; name it with vault_transit" : NULL;
    return is_wrapped(text) ? NULL : "not wrapped, but vault_transit names a key";
}

static enum remote_rc uncover(const struct kesd_record_form *form, const char *name,
                              struct remote_slice text, struct remote_secret *ret,
                              struct remote_error *err)
{
    const char *why = misfit(form, text);

    if (why != NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "%s", why);
    if (form->format == KESD_FORMAT_SEALED)
        return kesd_unseal(&form->sealer, name, text, ret, err);
    if (form->transit_slot.name != NULL)
        return unwrap(form, text, ret, err);
    return remote_secret_set(ret, text.data, text.len, err);
}

enum remote_rc kesd_record_read(const struct kesd_record_form *form, const char *name,
                                struct remote_slice text, struct kes_stored *ret,
                                struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret clear = { 0 };
    struct remote_error why = { 0 };
    enum remote_rc rc = uncover(form, name, text, &clear, &why);

    if (rc == REMOTE_OK)
        rc = kes_stored_read(remote_secret_slice(&clear), ret, &why);
    if (rc == REMOTE_OK)
        return REMOTE_OK;
    if (rc == REMOTE_E_DATA) /* of the store, not of who asks */
        rc = why.rc = REMOTE_E_PROTOCOL;
    remote_error_prefix(&why, "what the store has for key '%s'", name);
    if (err != NULL)
        *err = why;
    return rc;
}

enum remote_rc kesd_record_write(const struct kesd_record_form *form, const char *name,
                                 const struct kes_stored *stored, struct remote_secret *ret,
                                 struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret clear = { 0 };

    REMOTE_TRY(kes_stored_write(stored, &clear, err));
    if (form->format == KESD_FORMAT_SEALED)
        return kesd_seal(&form->sealer, name, remote_secret_slice(&clear), ret, err);
    if (form->transit_slot.name != NULL)
        return wrap(form, remote_secret_slice(&clear), ret, err);
    return remote_secret_set(ret, clear.data, clear.len, err);
}

/* ---- configuration ---- */

static enum remote_rc take_key(const char *option, const char *name, char **ret,
                               struct remote_error *err)
{
    if (name == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s is missing", option);
    *ret = strdup(name);
    return *ret != NULL ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

enum remote_rc kesd_record_form_init(struct kesd_record_form *ret, struct remote_core *core,
                                     const struct kesd_settings *settings, struct remote_error *err)
{
    ret->format = settings->format;
    if (settings->format == KESD_FORMAT_SEALED) {
        REMOTE_TRY(kesd_slot_ref_init(&ret->sealer.slot, core, "slot", settings->slot, err));
        return take_key("sealing_key", settings->sealing_key, &ret->sealer.key, err);
    }
    if (settings->store != KESD_STORE_VAULT || settings->vault_transit == NULL)
        return REMOTE_OK;
    REMOTE_TRY(
        kesd_slot_ref_init(&ret->transit_slot, core, "vault_slot", settings->vault_slot, err));
    return take_key("vault_transit", settings->vault_transit, &ret->transit, err);
}

void kesd_record_form_clear(struct kesd_record_form *form)
{
    kesd_slot_ref_clear(&form->sealer.slot);
    kesd_slot_ref_clear(&form->transit_slot);
    free(form->sealer.key);
    free(form->transit);
    *form = (struct kesd_record_form){ 0 };
}
