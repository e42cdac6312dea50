/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of hsmbridge: and pkcs11: URIs; provider-storemgmt(7). Nothing is looked for before the
 * first load(), because only then is it known what the host expects. A failure is told by a load()
 * at whose end the store is not at its end: libcrypto takes any other for the end of a list.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/params.h>
#include <openssl/store.h>

#include "object.h"

#define PIN_MAX 4096 /* tokens of some services are JWTs */

/* ---- open and close ---- */

/* That the slot is there can be told now, without a request. */
static enum remote_rc open_uri(struct provider_call *call, const char *text, struct remote_uri *ret)
{
    struct remote_core *core = NULL;
    struct remote_uri uri = { 0 };
    enum remote_rc rc;

    REMOTE_TRY(remote_uri_parse(text, &uri, &call->err));
    rc = provider_core(call->provider, &core, &call->err);
    if (rc == REMOTE_OK) {
        (void)remote_core_reload(core, false, NULL); /* as a server expects that reloads itself */
        rc = remote_uri_check_slot(core, &uri, &call->err);
    }
    if (rc != REMOTE_OK)
        remote_uri_clear(&uri);
    else
        *ret = uri;
    return rc;
}

static void *store_open(void *provider, const char *text)
{
    struct provider_store *store = calloc(1, sizeof(*store));

    if (!store)
        return NULL;
    store->provider = provider;
    if (!PROVIDER_CALL(call, provider, open_uri(call, text, &store->uri))) {
        free(store);
        return NULL;
    }
    return store;
}

static enum remote_rc forget(struct provider_store *store)
{
    provider_store_forget(store);
    return REMOTE_OK;
}

static void clear_search(struct provider_store_search *search)
{
    remote_buf_clear(&search->subject);
    remote_buf_clear(&search->issuer);
    remote_buf_clear(&search->serial);
}

static int store_close(void *ctx)
{
    struct provider_store *store = ctx;
    int good = PROVIDER_CALL(call, store->provider, forget(store));

    clear_search(&store->search);
    remote_uri_clear(&store->uri);
    free(store);
    return good;
}

/* ---- what the host wants ---- */

static const OSSL_PARAM *settable_params(void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL),
        OSSL_PARAM_octet_string(OSSL_STORE_PARAM_SUBJECT, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_STORE_PARAM_ISSUER, NULL, 0),
        OSSL_PARAM_BN(OSSL_STORE_PARAM_SERIAL, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_STORE_PARAM_ALIAS, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)provider;
    return params;
}

static bool take_octets(const OSSL_PARAM params[], const char *name, struct remote_buf *ret)
{
    const OSSL_PARAM *param = OSSL_PARAM_locate_const(params, name);

    if (!param)
        return true;
    if (param->data_type != OSSL_PARAM_OCTET_STRING)
        return false;
    remote_buf_truncate(ret, 0);
    remote_buf_append(ret, param->data, param->data_size);
    return !ret->failed;
}

/* An unsigned number in the machine's order, which is little-endian wherever Debian builds us. */
static bool take_serial(const OSSL_PARAM params[], struct remote_buf *ret)
{
    const OSSL_PARAM *param = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_SERIAL);
    size_t len = param ? param->data_size : 0;

    if (!param)
        return true;
    if (param->data_type != OSSL_PARAM_UNSIGNED_INTEGER)
        return false;
    while (len > 0 && ((const unsigned char *)param->data)[len - 1] == 0)
        len--;
    remote_buf_truncate(ret, 0);
    while (len > 0)
        remote_buf_append(ret, (const unsigned char *)param->data + --len, 1);
    return !ret->failed;
}

/* A label beside the URI's own has to be the same: there is no second one. */
static bool take_alias(const OSSL_PARAM params[], struct remote_uri *uri)
{
    const OSSL_PARAM *param = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_ALIAS);
    const char *alias = NULL;

    if (!param)
        return true;
    if (!OSSL_PARAM_get_utf8_string_ptr(param, &alias))
        return false;
    if (!uri->object)
        uri->object = strdup(alias);
    return uri->object && strcmp(uri->object, alias) == 0;
}

static int set_params(void *ctx, const OSSL_PARAM params[])
{
    struct provider_store *store = ctx;
    const OSSL_PARAM *expect = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_EXPECT);

    return (!expect || OSSL_PARAM_get_int(expect, &store->expect)) &&
           take_octets(params, OSSL_STORE_PARAM_SUBJECT, &store->search.subject) &&
           take_octets(params, OSSL_STORE_PARAM_ISSUER, &store->search.issuer) &&
           take_serial(params, &store->search.serial) && take_alias(params, &store->uri);
}

/* ---- the PIN ---- */

/* What is asked of the service in this phase. */
static bool needs_service(const struct provider_store *store, const struct remote_slot *slot)
{
    if (store->phase == PROVIDER_STORE_KEYS)
        return provider_store_wants_keys(store) || store->certs_later;
    return provider_store_wants_certs(store) && provider_store_certs_need_keys(store, slot);
}

/* *ret NULL: no PIN is needed now. */
static enum remote_rc pin_slot(struct provider_call *call, const struct provider_store *store,
                               struct remote_slot **ret)
{
    struct remote_core *core = NULL;
    struct remote_slot *slot = NULL;

    REMOTE_TRY(provider_core(call->provider, &core, &call->err));
    REMOTE_TRY(remote_uri_pin_slot(core, &store->uri, &slot, &call->err));
    *ret = slot && needs_service(store, slot) ? slot : NULL;
    return REMOTE_OK;
}

static enum remote_rc login_by_uri(struct provider_call *call, struct provider_store *store,
                                   struct remote_slot *slot)
{
    CLEANUP(remote_secret_clear) struct remote_secret pin = { 0 };

    REMOTE_TRY(remote_uri_read_pin(&store->uri, &pin, &call->err));
    return remote_uri_login(&store->uri, slot, remote_secret_slice(&pin), &call->err);
}

static enum remote_rc login(struct provider_call *call, struct provider_store *store,
                            struct remote_slot *slot, struct remote_slice pin)
{
    return remote_uri_login(&store->uri, slot, pin, &call->err);
}

static enum remote_rc fail_no_pin(struct provider_call *call, const struct remote_slot *slot)
{
    return REMOTE_FAIL(&call->err, REMOTE_E_AUTH,
                       "slot '%s' takes a PIN and none was given: add ?pin-source=file:PATH to its "
                       "URI",
                       remote_slot_name(slot));
}

/* The callback is the host's: it is called outside the guard. */
static bool ask_pin(struct remote_slot *slot, OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg,
                    char *ret, size_t *ret_len)
{
    char info[REMOTE_SLOT_NAME_MAX + 32];
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_PASSPHRASE_PARAM_INFO, info, 0),
        OSSL_PARAM_END,
    };

    params[0].data_size =
        (size_t)snprintf(info, sizeof(info), "PIN of slot '%s'", remote_slot_name(slot));
    return pw_cb && pw_cb(ret, PIN_MAX, ret_len, params, pw_arg) && *ret_len > 0;
}

static bool login_by_host(struct provider_store *store, struct remote_slot *slot,
                          OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    char pin[PIN_MAX];
    size_t len = 0;
    int good;

    if (ask_pin(slot, pw_cb, pw_arg, pin, &len))
        good =
            PROVIDER_CALL(call, store->provider, login(call, store, slot, remote_slice(pin, len)));
    else
        good = PROVIDER_CALL(call, store->provider, fail_no_pin(call, slot));
    explicit_bzero(pin, sizeof(pin));
    return good;
}

/*
 * A PIN that the URI brings is used for whatever is wanted. The host is asked for one only where a
 * private key is, and the URI names the slot: others may have what is looked for.
 */
static bool log_in(struct provider_store *store, OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    const struct remote_uri *uri = &store->uri;
    bool asks = store->phase == PROVIDER_STORE_KEYS && provider_store_wants_private(store) &&
                remote_uri_has_slot(uri);
    struct remote_slot *slot = NULL;

    if (uri->logged_in || (!asks && !remote_uri_has_pin(uri)))
        return true;
    if (!PROVIDER_CALL(call, store->provider, pin_slot(call, store, &slot)))
        return false;
    if (!slot)
        return true;
    if (remote_uri_has_pin(uri))
        return PROVIDER_CALL(call, store->provider, login_by_uri(call, store, slot));
    return login_by_host(store, slot, pw_cb, pw_arg);
}

/* ---- load ---- */

static enum remote_rc find(struct provider_call *call, struct provider_store *store)
{
    struct remote_core *core = NULL;

    REMOTE_TRY(provider_core(call->provider, &core, &call->err));
    return provider_store_find(store, core, &call->err);
}

static bool is_at_end(const struct provider_store *store)
{
    return store->phase == PROVIDER_STORE_END && store->next == store->count;
}

/* Until there is something to give, or no more to find. */
static bool find_more(struct provider_store *store, OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    while (store->next == store->count && store->phase != PROVIDER_STORE_END) {
        if (!log_in(store, pw_cb, pw_arg) ||
            !PROVIDER_CALL(call, store->provider, find(call, store)))
            return false;
    }
    return true;
}

static enum remote_rc make_key(struct provider_call *call, const struct provider_store *store,
                               struct remote_key *remote, struct provider_key **ret)
{
    return provider_key_new(call->provider, remote, provider_store_wants_private(store), ret,
                            &call->err);
}

static int give(struct provider_store *store, OSSL_CALLBACK *object_cb, void *object_arg)
{
    const struct provider_store_object *object = &store->objects[store->next++];
    struct provider_key *key = NULL;

    if (object->cert)
        return provider_object_give_cert(object->cert, object_cb, object_arg);
    if (!PROVIDER_CALL(call, store->provider, make_key(call, store, object->key, &key)))
        return 0;
    return provider_object_give_key(key, object_cb, object_arg);
}

static int load(void *ctx, OSSL_CALLBACK *object_cb, void *object_arg,
                OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    struct provider_store *store = ctx;

    if (store->failed) { /* that was told by the call before this one */
        store->phase = PROVIDER_STORE_END;
        store->next = store->count;
    }
    store->failed = !find_more(store, pw_cb, pw_arg);
    if (store->failed || is_at_end(store))
        return 0;
    return give(store, object_cb, object_arg);
}

static int eof(void *ctx)
{
    const struct provider_store *store = ctx;

    return !store->failed && is_at_end(store);
}

/* clang-format off */
static const OSSL_DISPATCH functions[] = {
    { OSSL_FUNC_STORE_OPEN,                (void (*)(void))store_open },
    { OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, (void (*)(void))settable_params },
    { OSSL_FUNC_STORE_SET_CTX_PARAMS,      (void (*)(void))set_params },
    { OSSL_FUNC_STORE_LOAD,                (void (*)(void))load },
    { OSSL_FUNC_STORE_EOF,                 (void (*)(void))eof },
    { OSSL_FUNC_STORE_CLOSE,               (void (*)(void))store_close },
    { 0, NULL },
};

const OSSL_ALGORITHM provider_stores[] = {
    { "hsmbridge", PROVIDER_PROPERTIES, functions, "keys and certificates of slots" },
    { "pkcs11",    PROVIDER_PROPERTIES, functions, "keys and certificates of slots (RFC 7512)" },
    { NULL, NULL, NULL, NULL },
};
/* clang-format on */
