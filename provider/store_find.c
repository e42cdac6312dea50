/* SPDX-License-Identifier: Apache-2.0 */
/* What a store's URI names: certificates with those that issued them, then keys. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/store.h>

#include "der.h"

#define CHAIN_MAX 16 /* certificates; a loop of issuers ends earlier */

/* ---- what is wanted ---- */

bool provider_store_wants_certs(const struct provider_store *store)
{
    return (store->expect == 0 || store->expect == OSSL_STORE_INFO_CERT) &&
           (store->uri.class == REMOTE_URI_ANY || store->uri.class == REMOTE_URI_CERT);
}

static bool is_search(const struct provider_store *store)
{
    return store->search.subject.len > 0 || store->search.issuer.len > 0 ||
           store->search.serial.len > 0;
}

bool provider_store_wants_keys(const struct provider_store *store)
{
    return !is_search(store) && store->uri.class != REMOTE_URI_CERT &&
           store->uri.class != REMOTE_URI_DATA && store->uri.class != REMOTE_URI_SECRET_KEY &&
           (store->expect == 0 || store->expect == OSSL_STORE_INFO_PKEY ||
            store->expect == OSSL_STORE_INFO_PUBKEY);
}

bool provider_store_wants_private(const struct provider_store *store)
{
    return provider_store_wants_keys(store) && store->uri.class != REMOTE_URI_PUBLIC &&
           store->expect != OSSL_STORE_INFO_PUBKEY;
}

/* Whatever a slot has. */
static bool is_whole(const struct provider_store *store)
{
    return !store->uri.object && store->uri.id.len == 0;
}

/* ---- the list ---- */

static enum remote_rc append(struct provider_store *store, struct provider_store_object object,
                             struct remote_error *err)
{
    struct provider_store_object *objects = store->objects;

    if ((store->count & (store->count + 1)) == 0) { /* 0, 1, 3, 7, ...: room for as many again */
        objects = realloc(objects, 2 * (store->count + 1) * sizeof(*objects));
        if (!objects)
            return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        store->objects = objects;
    }
    if (object.key)
        remote_key_ref(object.key);
    objects[store->count++] = object;
    store->found = true;
    return REMOTE_OK;
}

void provider_store_forget(struct provider_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        remote_key_unref(store->objects[i].key);
    free(store->objects);
    store->objects = NULL;
    store->count = store->next = 0;
}

/* ---- certificates ---- */

static bool equals(const struct remote_buf *wanted, struct remote_slice actual)
{
    return wanted->len == 0 || remote_slice_equal(remote_buf_slice(wanted), actual);
}

static struct remote_slice serial_number(const struct remote_cert *cert)
{
    struct remote_slice der = remote_buf_slice(&cert->serial), number = { 0 };

    return remote_der_take_unsigned(&der, &number) ? number : remote_slice(NULL, 0);
}

static bool is_searched(const struct provider_store_search *search, const struct remote_cert *cert)
{
    return equals(&search->subject, remote_buf_slice(&cert->subject)) &&
           equals(&search->issuer, remote_buf_slice(&cert->issuer)) &&
           equals(&search->serial, serial_number(cert));
}

static bool is_listed(const struct provider_store *store, const struct remote_cert *cert)
{
    for (size_t i = 0; i < store->count; i++)
        if (store->objects[i].cert == cert)
            return true;
    return false;
}

static enum remote_rc append_cert(struct provider_store *store, const struct remote_cert *cert,
                                  struct remote_error *err)
{
    if (is_listed(store, cert) || !is_searched(&store->search, cert))
        return REMOTE_OK;
    return append(store, (struct provider_store_object){ .cert = cert }, err);
}

static const struct remote_cert *issuer_of(const struct remote_slot *slot,
                                           const struct remote_cert *cert)
{
    for (size_t i = 0; i < remote_slot_cert_count(slot); i++) {
        const struct remote_cert *other = remote_slot_cert(slot, i);

        if (other != cert && other->ca &&
            remote_slice_equal(remote_buf_slice(&other->subject), remote_buf_slice(&cert->issuer)))
            return other;
    }
    return NULL;
}

static enum remote_rc append_chain(struct provider_store *store, const struct remote_slot *slot,
                                   const struct remote_cert *cert, struct remote_error *err)
{
    for (size_t i = 0; cert && i < CHAIN_MAX; i++) {
        REMOTE_TRY(append_cert(store, cert, err));
        cert = issuer_of(slot, cert);
    }
    return REMOTE_OK;
}

/* By its own name, or by the key that it belongs to. keys: those that the URI names. */
static bool is_named(const struct remote_uri *uri, const struct remote_cert *cert,
                     const struct remote_key_list *keys)
{
    if (uri->id.len > 0)
        return remote_slice_equal(remote_buf_slice(&uri->id),
                                  remote_slice(cert->id, sizeof(cert->id)));
    if (!uri->object || strcmp(uri->object, cert->common_name) == 0)
        return true;
    for (size_t i = 0; i < keys->count; i++)
        if (remote_cert_matches(cert, keys->keys[i]))
            return true;
    return false;
}

/* The newest of those that are named and not listed yet: a server wants that one. */
static const struct remote_cert *newest_named(const struct provider_store *store,
                                              const struct remote_slot *slot,
                                              const struct remote_key_list *keys)
{
    const struct remote_cert *newest = NULL;

    for (size_t i = 0; i < remote_slot_cert_count(slot); i++) {
        const struct remote_cert *cert = remote_slot_cert(slot, i);

        if (is_named(&store->uri, cert, keys) && is_searched(&store->search, cert) &&
            !is_listed(store, cert) && (!newest || cert->not_before > newest->not_before))
            newest = cert;
    }
    return newest;
}

/*
 * Which certificates belong to a label only the key tells; and where the service has certificates
 * of its own, they come with the keys.
 */
bool provider_store_certs_need_keys(const struct provider_store *store,
                                    const struct remote_slot *slot)
{
    static const struct remote_key_list none;
    bool by_label = store->uri.object && store->uri.id.len == 0;

    if (by_label || is_whole(store))
        return remote_slot_finds_certs(slot) || (by_label && remote_slot_cert_count(slot) > 0);
    return remote_slot_finds_certs(slot) && !newest_named(store, slot, &none);
}

static enum remote_rc find_keys_of_certs(struct provider_store *store, struct remote_slot *slot,
                                         struct remote_key_list *ret, struct remote_error *err)
{
    struct remote_uri uri = store->uri; /* borrows */

    if (!provider_store_certs_need_keys(store, slot))
        return REMOTE_OK;
    uri.class = REMOTE_URI_ANY;
    return remote_uri_find_in(slot, &uri, ret, err);
}

static enum remote_rc find_certs(struct provider_store *store, struct remote_slot *slot,
                                 struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    struct remote_error why = { 0 };
    enum remote_rc rc = find_keys_of_certs(store, slot, &keys, &why);
    size_t before = store->count;
    const struct remote_cert *cert;

    while ((cert = newest_named(store, slot, &keys))) {
        if (is_whole(store) || is_search(store))
            REMOTE_TRY(append_cert(store, cert, err));
        else
            REMOTE_TRY(append_chain(store, slot, cert, err));
    }
    if (rc == REMOTE_OK || store->count > before) /* found by its own name: no key is needed */
        return REMOTE_OK;
    *err = why;
    return rc;
}

/* ---- keys ---- */

/* OpenSSL 3.0 has no objects for others. */
static bool is_for_openssl(const struct remote_key *key)
{
    return !remote_key_type_symmetric(key->type) && key->type != REMOTE_KEY_FHE;
}

static enum remote_rc find_keys(struct provider_store *store, struct remote_slot *slot,
                                struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

    REMOTE_TRY(remote_uri_find_in(slot, &store->uri, &keys, err));
    for (size_t i = 0; i < keys.count; i++)
        if (is_for_openssl(keys.keys[i]))
            REMOTE_TRY(append(store, (struct provider_store_object){ .key = keys.keys[i] }, err));
    return REMOTE_OK;
}

/* ---- both ---- */

static enum remote_rc fail_empty(const struct provider_store *store, struct remote_error *err)
{
    if (provider_store_wants_keys(store))
        return remote_uri_fail_empty(&store->uri, err);
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND,
                       "no certificate belongs to '%.160s': the slot's option 'certificates' names "
                       "the files that hold them",
                       store->uri.text);
}

typedef enum remote_rc (*find_fn)(struct provider_store *store, struct remote_slot *slot,
                                  struct remote_error *err);

/* As remote_uri_find() has it: one slot that is away does not hide what the others have. */
static enum remote_rc find_in_slots(struct provider_store *store, struct remote_core *core,
                                    find_fn find, struct remote_error *err)
{
    struct remote_error first = { 0 };
    struct remote_slot *slot;
    size_t index = 0;

    while ((slot = remote_uri_next_slot(core, &store->uri, &index))) {
        struct remote_error why = { 0 };

        if (find(store, slot, &why) != REMOTE_OK && first.rc == REMOTE_OK)
            first = why;
    }
    if (first.rc == REMOTE_OK || (store->found && !remote_uri_has_slot(&store->uri)))
        return REMOTE_OK;
    *err = first;
    return first.rc;
}

static enum remote_rc find_certs_first(struct provider_store *store, struct remote_core *core,
                                       struct remote_error *err)
{
    enum remote_rc rc = find_in_slots(store, core, find_certs, err);

    store->phase = PROVIDER_STORE_KEYS;
    store->certs_later =
        rc == REMOTE_E_AUTH && !store->uri.logged_in && provider_store_wants_private(store);
    return store->certs_later ? REMOTE_OK : rc;
}

enum remote_rc provider_store_find(struct provider_store *store, struct remote_core *core,
                                   struct remote_error *err)
{
    if (store->phase == PROVIDER_STORE_CERTS && provider_store_wants_certs(store))
        return find_certs_first(store, core, err);
    if (store->phase == PROVIDER_STORE_CERTS) {
        store->phase = PROVIDER_STORE_KEYS;
        return REMOTE_OK;
    }
    store->phase = PROVIDER_STORE_END;
    if (store->certs_later)
        REMOTE_TRY(find_in_slots(store, core, find_certs, err));
    if (provider_store_wants_keys(store))
        REMOTE_TRY(find_in_slots(store, core, find_keys, err));
    if (!store->found && !is_whole(store))
        return fail_empty(store, err);
    return REMOTE_OK;
}
