/* SPDX-License-Identifier: Apache-2.0 */
/* What a URI names among the slots of a configuration. */
#include "uri.h"

#include <string.h>

#include "remote/file.h"
#include "remote/identity.h"

#define ID_MAX sizeof(((struct remote_key *)NULL)->id)

/* ---- slots ---- */

static bool is_slot_id(const struct remote_uri *uri, const struct remote_slot *slot)
{
    return uri->slot_id < 0 || remote_slot_index(slot) == (size_t)uri->slot_id;
}

static bool is_serial(const struct remote_uri *uri, const struct remote_slot *slot)
{
    char serial[REMOTE_IDENTITY_SERIAL_LEN + 1];

    return !uri->serial || (remote_identity_serial(slot, serial, NULL) == REMOTE_OK &&
                            strcmp(uri->serial, serial) == 0);
}

static bool is_description(const struct remote_uri *uri, const struct remote_slot *slot)
{
    CLEANUP(remote_buf_clear) struct remote_buf description = { 0 };

    if (!uri->slot_description)
        return true;
    remote_identity_describe(slot, &description);
    return !description.failed && strcmp(uri->slot_description, (char *)description.data) == 0;
}

static bool names_slot(const struct remote_uri *uri, const struct remote_slot *slot)
{
    return !uri->foreign && (!uri->slot || strcmp(uri->slot, remote_slot_name(slot)) == 0) &&
           (!uri->model || strcmp(uri->model, remote_slot_backend(slot)) == 0) &&
           is_slot_id(uri, slot) && is_serial(uri, slot) && is_description(uri, slot);
}

bool remote_uri_has_slot(const struct remote_uri *uri)
{
    return uri->slot || uri->serial || uri->slot_description || uri->slot_id >= 0;
}

static bool is_removed(const struct remote_core *core, const struct remote_slot *slot)
{
    return remote_core_find_slot(core, remote_slot_name(slot)) != slot;
}

struct remote_slot *remote_uri_next_slot(struct remote_core *core, const struct remote_uri *uri,
                                         size_t *index)
{
    while (*index < remote_core_slot_count(core)) {
        struct remote_slot *slot = remote_core_slot(core, (*index)++);

        if (names_slot(uri, slot) && !is_removed(core, slot))
            return slot;
    }
    return NULL;
}

static enum remote_rc fail_no_slot(const struct remote_core *core, const struct remote_uri *uri,
                                   struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf names = { 0 };

    for (size_t i = 0; i < remote_core_slot_count(core); i++)
        if (!is_removed(core, remote_core_slot(core, i)))
            remote_buf_printf(&names, "%s'%s'", names.len > 0 ? ", " : "",
                              remote_slot_name(remote_core_slot(core, i)));
    if (uri->slot && !uri->foreign && !remote_core_find_slot(core, uri->slot))
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "no slot '%.64s' in %s; there are %s",
                           uri->slot, remote_core_source(core),
                           names.data ? (char *)names.data : "none");
    if (uri->foreign)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND,
                           "'%.128s' names another module's token, by its %s", uri->text,
                           uri->foreign);
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "'%.100s' fits no slot of %s; there are %s",
                       uri->text, remote_core_source(core),
                       names.data ? (char *)names.data : "none");
}

enum remote_rc remote_uri_check_slot(struct remote_core *core, const struct remote_uri *uri,
                                     struct remote_error *err)
{
    size_t index = 0;

    return remote_uri_next_slot(core, uri, &index) ? REMOTE_OK : fail_no_slot(core, uri, err);
}

/* ---- keys ---- */

/* RFC 7512 2.3: type=private and type=public both mean a key pair of ours, where it is one. */
static bool is_of_class(const struct remote_uri *uri, const struct remote_key *key)
{
    bool symmetric = remote_key_type_symmetric(key->type);

    switch (uri->class) {
    case REMOTE_URI_PRIVATE:
        return !symmetric && !key->public_only;
    case REMOTE_URI_PUBLIC:
        return !symmetric;
    case REMOTE_URI_SECRET_KEY:
        return symmetric;
    case REMOTE_URI_CERT:
    case REMOTE_URI_DATA:
        return false;
    case REMOTE_URI_ANY:
        break;
    }
    return true;
}

static bool has_id(const struct remote_uri *uri, const struct remote_key *key)
{
    return uri->id.len == 0 ||
           remote_slice_equal(remote_buf_slice(&uri->id), remote_slice(key->id, key->id_len));
}

static bool has_label(const struct remote_uri *uri, struct remote_slot *slot,
                      const struct remote_key *key)
{
    CLEANUP(remote_buf_clear) struct remote_buf label = { 0 };

    if (!uri->object || strcmp(uri->object, key->name) == 0)
        return true;
    remote_slot_label(slot, key, &label);
    return !label.failed && strcmp(uri->object, (char *)label.data) == 0;
}

static bool any_has_id(const struct remote_uri *uri, const struct remote_key_list *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (has_id(uri, keys->keys[i]))
            return true;
    return false;
}

/*
 * Another version than the one that the name stands for: an older one, which is known, or one that
 * was made after the name was read (a key rotated under a running server). The name is read again
 * before anything is listed, which needs a right that many do not have.
 */
static enum remote_rc look_up_version(struct remote_slot *slot, const struct remote_uri *uri,
                                      struct remote_key_list *ret, struct remote_error *err)
{
    struct remote_slice id = remote_buf_slice(&uri->id);
    CLEANUP(remote_key_list_clear) struct remote_key_list named = { 0 };
    CLEANUP(remote_key_list_clear) struct remote_key_list all = { 0 };

    if (ret->count > 0 && !remote_slot_knows_id(slot, id))
        REMOTE_TRY(remote_slot_read(slot, ret->keys[0]->name, &named, &all, err));
    return remote_slot_find_id(slot, id, ret, err);
}

static enum remote_rc look_up(struct remote_slot *slot, const struct remote_uri *uri,
                              struct remote_key_list *ret, struct remote_error *err)
{
    if (!uri->object && uri->id.len == 0)
        return remote_slot_list(slot, NULL, ret, err);
    if (uri->object)
        REMOTE_TRY(remote_slot_find_label(slot, uri->object, ret, err));
    if (uri->id.len == 0 || uri->id.len > ID_MAX || any_has_id(uri, ret))
        return REMOTE_OK;
    return look_up_version(slot, uri, ret, err);
}

enum remote_rc remote_uri_find_in(struct remote_slot *slot, const struct remote_uri *uri,
                                  struct remote_key_list *ret, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list found = { 0 };
    enum remote_rc rc = REMOTE_OK;

    if (uri->class == REMOTE_URI_CERT || uri->class == REMOTE_URI_DATA)
        return REMOTE_OK;
    if (remote_slot_needs_login(slot) && !uri->logged_in)
        return REMOTE_FAIL(err, REMOTE_E_AUTH,
                           "slot '%s' takes a PIN: add ?pin-source=file:PATH to '%.128s'",
                           remote_slot_name(slot), uri->text);
    REMOTE_TRY(look_up(slot, uri, &found, err));
    for (size_t i = 0; rc == REMOTE_OK && i < found.count; i++) {
        struct remote_key *key = found.keys[i];

        if (is_of_class(uri, key) && has_id(uri, key) && has_label(uri, slot, key))
            rc = remote_key_list_add(ret, key, err);
    }
    return rc;
}

enum remote_rc remote_uri_fail_empty(const struct remote_uri *uri, struct remote_error *err)
{
    if (uri->object && uri->slot)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "no key '%.64s' in slot '%s' ('%.128s')",
                           uri->object, uri->slot, uri->text);
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "no slot has what '%.160s' names", uri->text);
}

enum remote_rc remote_uri_find(struct remote_core *core, const struct remote_uri *uri,
                               struct remote_key_list *ret, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list found = { 0 };
    struct remote_error first = { 0 };
    struct remote_slot *slot;
    size_t index = 0;

    REMOTE_TRY(remote_uri_check_slot(core, uri, err));
    while ((slot = remote_uri_next_slot(core, uri, &index))) {
        struct remote_error why = { 0 };

        if (remote_uri_find_in(slot, uri, &found, &why) != REMOTE_OK && first.rc == REMOTE_OK)
            first = why;
    }
    if (first.rc != REMOTE_OK && (found.count == 0 || remote_uri_has_slot(uri))) {
        if (err)
            *err = first;
        return first.rc;
    }
    if (found.count == 0)
        return remote_uri_fail_empty(uri, err);
    *ret = found;
    found = (struct remote_key_list){ 0 };
    return REMOTE_OK;
}

/* ---- PINs ---- */

enum remote_rc remote_uri_pin_slot(struct remote_core *core, const struct remote_uri *uri,
                                   struct remote_slot **ret, struct remote_error *err)
{
    struct remote_slot *slot, *found = NULL;
    size_t index = 0;

    while ((slot = remote_uri_next_slot(core, uri, &index))) {
        if (!remote_slot_needs_login(slot))
            continue;
        if (found)
            return REMOTE_FAIL(err, REMOTE_E_PARAM,
                               "'%.128s' names several slots that take a PIN ('%s' and '%s'): add "
                               "token=",
                               uri->text, remote_slot_name(found), remote_slot_name(slot));
        found = slot;
    }
    *ret = found;
    return REMOTE_OK;
}

bool remote_uri_has_pin(const struct remote_uri *uri)
{
    return uri->pin_source || uri->pin.data;
}

static size_t trimmed_length(struct remote_slice pin)
{
    while (pin.len > 0 && (pin.data[pin.len - 1] == '\n' || pin.data[pin.len - 1] == '\r'))
        pin.len--;
    return pin.len;
}

enum remote_rc remote_uri_read_pin(const struct remote_uri *uri, struct remote_secret *ret,
                                   struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret file = { 0 };

    if (uri->pin.data)
        return remote_secret_set(ret, uri->pin.data, uri->pin.len, err);
    if (!uri->pin_source)
        return REMOTE_FAIL(err, REMOTE_E_AUTH, "'%.128s' has no PIN: add ?pin-source=file:PATH",
                           uri->text);
    REMOTE_TRY(remote_file_read(uri->pin_source, REMOTE_FILE_SECRET, &file, err));
    return remote_secret_set(ret, file.data, trimmed_length(remote_secret_slice(&file)), err);
}

enum remote_rc remote_uri_login(struct remote_uri *uri, struct remote_slot *slot,
                                struct remote_slice pin, struct remote_error *err)
{
    REMOTE_TRY(remote_slot_login_as(slot, REMOTE_HOLDER_PROVIDER, pin, err));
    uri->logged_in = true;
    return REMOTE_OK;
}

/* ---- the one key of a key file ---- */

static enum remote_rc login(struct remote_core *core, struct remote_uri *uri,
                            struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret pin = { 0 };
    struct remote_slot *slot = NULL;

    REMOTE_TRY(remote_uri_pin_slot(core, uri, &slot, err));
    if (!slot || (!remote_uri_has_slot(uri) && !remote_uri_has_pin(uri)))
        return REMOTE_OK; /* none, or one among others that is not meant */
    REMOTE_TRY(remote_uri_read_pin(uri, &pin, err));
    return remote_uri_login(uri, slot, remote_secret_slice(&pin), err);
}

static void append_name(struct remote_buf *buf, const struct remote_key *key)
{
    remote_slot_label(key->slot, key, buf);
    remote_buf_printf(buf, "' of slot '%s'", remote_slot_name(key->slot));
}

static enum remote_rc fail_several(const struct remote_uri *uri, const struct remote_key_list *keys,
                                   struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf names = { 0 };

    append_name(&names, keys->keys[0]);
    remote_buf_append_str(&names, " and '");
    append_name(&names, keys->keys[1]);
    REMOTE_TRY(remote_buf_check(&names, err));
    return REMOTE_FAIL(err, REMOTE_E_PARAM,
                       "'%.80s' names %zu keys, '%s among them: name one with token=, object= and "
                       "id=",
                       uri->text, keys->count, (char *)names.data);
}

/* Old versions of one name, shown with versions = all, are not what the name alone means. */
static bool is_one_name(const struct remote_uri *uri, const struct remote_key_list *keys)
{
    for (size_t i = 1; i < keys->count; i++)
        if (keys->keys[i]->slot != keys->keys[0]->slot ||
            strcmp(keys->keys[i]->name, keys->keys[0]->name) != 0)
            return false;
    return uri->object != NULL;
}

enum remote_rc remote_uri_find_one(struct remote_core *core, const struct remote_uri *uri,
                                   struct remote_key **ret, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    struct remote_uri pair = *uri; /* borrows */

    if (uri->class == REMOTE_URI_CERT || uri->class == REMOTE_URI_DATA ||
        uri->class == REMOTE_URI_SECRET_KEY)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "'%.160s' is of another type than a key pair: write type=private",
                           uri->text);
    if (pair.class == REMOTE_URI_ANY)
        pair.class = REMOTE_URI_PRIVATE; /* a secret key is no key file's */
    REMOTE_TRY(remote_uri_check_slot(core, uri, err));
    REMOTE_TRY(login(core, &pair, err));
    REMOTE_TRY(remote_uri_find(core, &pair, &keys, err));
    if (keys.count > 1 && !is_one_name(uri, &keys))
        return fail_several(uri, &keys, err);
    *ret = remote_key_ref(keys.keys[0]); /* the pinned version comes first */
    return REMOTE_OK;
}
