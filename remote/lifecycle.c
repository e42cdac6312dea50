/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle.h"

#include <string.h>

#include <openssl/obj_mac.h>

#include "log.h"
#include "remote/net/exchange.h"
#include "slot_private.h"
#include "uuid.h"

/* Services make RSA keys while we wait, Vault its wrapping key too: that takes seconds. */
#define MAKING_MS 30000

/* ---- may it? ---- */

static enum remote_rc need_allow(const struct remote_slot *slot, enum remote_allow what,
                                 const char *word, struct remote_error *err)
{
    REMOTE_TRY(remote_slot_status(slot, err));
    if (remote_slot_allows(slot, what))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE,
                       "slot '%s' does not allow this; add 'allow = %s' to its section", slot->name,
                       word);
}

static enum remote_rc need_op(const struct remote_slot *slot, enum remote_op_kind kind,
                              struct remote_error *err)
{
    if (remote_slot_serves(slot, kind))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': %s cannot do this", slot->name,
                       slot->ops->title);
}

static enum remote_rc check_name(const struct remote_slot *slot, const char *name,
                                 struct remote_error *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > REMOTE_KEY_NAME_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "slot '%s': a key's name has 1 to %d bytes, not %zu", slot->name,
                           REMOTE_KEY_NAME_MAX, len);
    return REMOTE_OK;
}

static bool makes_curve(const struct remote_slot *slot, int curve)
{
    static const int common[] = { NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1, 0 };
    const int *at = slot->ops->curves ? slot->ops->curves : common;

    while (*at != 0 && *at != curve)
        at++;
    return *at == curve;
}

static enum remote_rc check_spec(const struct remote_slot *slot, const struct remote_key_spec *spec,
                                 struct remote_error *err)
{
    unsigned min, max;

    remote_slot_key_sizes(slot, spec->type, &min, &max);
    if (max == 0 || spec->bits < min || spec->bits > max)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': %s has no %s keys of %u bits",
                           slot->name, slot->ops->title, remote_key_type_name(spec->type),
                           spec->bits);
    if (spec->type == REMOTE_KEY_EC && !makes_curve(slot, spec->curve))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': %s has no keys on this curve",
                           slot->name, slot->ops->title);
    return REMOTE_OK;
}

/* ---- requests ---- */

static void begin(struct remote_call *call, struct remote_slot *slot, enum remote_op_kind kind)
{
    remote_call_init(call, slot, kind);
    if (slot->policy.timeout_ms < MAKING_MS)
        remote_call_allow(call, MAKING_MS);
}

/* newest: of the key's versions. ret_detail (may be NULL): what the backend has to say. */
static enum remote_rc simple(struct remote_slot *slot, enum remote_op_kind kind, const char *name,
                             const struct remote_key *newest, struct remote_buf *ret_detail,
                             struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    begin(&call, slot, kind);
    call.op.name = name;
    call.op.key = newest;
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK && ret_detail != NULL && call.op.detail[0] != '\0')
        remote_buf_printf(ret_detail, "; %s", call.op.detail);
    remote_call_clear(&call);
    return rc;
}

/* Reads the key anew: what the service has now, not what the cache had. */
static enum remote_rc read_back(struct remote_slot *slot, const char *name,
                                struct remote_key_list *ret, struct remote_error *err)
{
    remote_lookup_forget(slot, name);
    return remote_lookup_read(slot, name, ret, err);
}

/* What is to be rotated or destroyed must be there: some services would make what is absent. */
static enum remote_rc require_existing(struct remote_slot *slot, const char *name,
                                       struct remote_key_list *ret, struct remote_error *err)
{
    enum remote_rc rc = read_back(slot, name, ret, err);

    if (rc == REMOTE_E_NOT_FOUND)
        return REMOTE_FAIL(err, rc, "slot '%s': there is no key '%s'", slot->name, name);
    return rc;
}

static struct remote_key *newest_of(const struct remote_key_list *keys)
{
    return keys->count > 0 ? keys->keys[keys->count - 1] : NULL;
}

/* Of a name that stands for keys of several types the one that was wished for, if it is there. */
static struct remote_key *newest_for(const struct remote_key_list *keys,
                                     const struct remote_key_spec *spec)
{
    for (size_t i = keys->count; i-- > 0;)
        if (keys->keys[i]->type == spec->type)
            return keys->keys[i];
    return newest_of(keys);
}

/* Services take an existing name for a wish for a new version, or answer with the old key. */
static enum remote_rc refuse_existing(struct remote_slot *slot, const char *name,
                                      struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    enum remote_rc rc = read_back(slot, name, &keys, err);

    if (rc == REMOTE_E_NOT_FOUND)
        return REMOTE_OK;
    if (rc == REMOTE_OK ||
        rc == REMOTE_E_UNSUPPORTED) /* of a kind that is not served: taken, too */
        return REMOTE_FAIL(err, REMOTE_E_EXISTS,
                           "slot '%s': there is a key '%s' already; it was left alone", slot->name,
                           name);
    return rc;
}

/* spec: of the key that was wished for; NULL: whatever it is. */
static enum remote_rc take_newest(struct remote_slot *slot, const char *name,
                                  const struct remote_key_spec *spec, struct remote_key **ret,
                                  struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

    REMOTE_TRY(read_back(slot, name, &keys, err));
    if (keys.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "slot '%s': key '%s' has no version", slot->name,
                           name);
    *ret = remote_key_ref(spec ? newest_for(&keys, spec) : newest_of(&keys));
    return REMOTE_OK;
}

/* answered: what the answer told of it, perhaps nothing. A service may need a while until it finds
 * what it has just made, so that is not asked for again. */
static enum remote_rc take_new(struct remote_slot *slot, const char *name,
                               const struct remote_key_list *answered,
                               const struct remote_key_spec *spec, struct remote_key **ret,
                               struct remote_error *err)
{
    struct remote_key *key = NULL;

    if (answered->count > 0)
        key = remote_key_ref(newest_of(answered));
    else
        REMOTE_TRY(take_newest(slot, name, spec, &key, err));
    if (key->type != spec->type || key->bits != spec->bits) {
        remote_key_unref(key); /* another made one of this name between our look and our wish */
        return REMOTE_FAIL(err, REMOTE_E_EXISTS,
                           "slot '%s': there is another key '%s'; it was left alone", slot->name,
                           name);
    }
    remote_log(REMOTE_LOG_INFO, "slot '%s': key '%s' made", slot->name, name);
    *ret = key;
    return REMOTE_OK;
}

enum remote_rc remote_slot_generate(struct remote_slot *slot, const char *name,
                                    const struct remote_key_spec *spec, struct remote_key **ret,
                                    struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(need_allow(slot, REMOTE_ALLOW_GENERATE, "generate", err));
    REMOTE_TRY(need_op(slot, REMOTE_OP_GENERATE, err));
    REMOTE_TRY(check_name(slot, name, err));
    REMOTE_TRY(check_spec(slot, spec, err));
    REMOTE_TRY(refuse_existing(slot, name, err));
    begin(&call, slot, REMOTE_OP_GENERATE);
    call.op.name = name;
    call.op.spec = *spec;
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK)
        rc = take_new(slot, name, &call.op.keys, spec, ret, err);
    remote_call_clear(&call);
    return rc;
}

/* Where the service wants material wrapped for a key of its own. */
static enum remote_rc fetch_wrapping(struct remote_slot *slot, struct remote_buf *ret,
                                     struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    if (!remote_backend_has_op(slot->ops, REMOTE_OP_WRAPPING_KEY))
        return REMOTE_OK;
    begin(&call, slot, REMOTE_OP_WRAPPING_KEY);
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK) {
        *ret = call.op.answer;
        memset(&call.op.answer, 0, sizeof(call.op.answer));
    }
    remote_call_clear(&call);
    return rc;
}

enum remote_rc remote_slot_import(struct remote_slot *slot, const char *name,
                                  const struct remote_key_spec *spec, struct remote_slice material,
                                  struct remote_key **ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf wrapping = { 0 };
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(need_allow(slot, REMOTE_ALLOW_IMPORT, "import", err));
    REMOTE_TRY(need_op(slot, REMOTE_OP_IMPORT, err));
    REMOTE_TRY(check_name(slot, name, err));
    REMOTE_TRY(check_spec(slot, spec, err));
    REMOTE_TRY(refuse_existing(slot, name, err));
    REMOTE_TRY(fetch_wrapping(slot, &wrapping, err));
    begin(&call, slot, REMOTE_OP_IMPORT);
    call.op.name = name;
    call.op.spec = *spec;
    call.op.material = material;
    call.op.wrapping = remote_buf_slice(&wrapping);
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK)
        rc = take_new(slot, name, &call.op.keys, spec, ret, err);
    remote_call_clear(&call);
    return rc;
}

enum remote_rc remote_slot_rotate(struct remote_slot *slot, const char *name,
                                  struct remote_key **ret, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

    REMOTE_TRY(need_allow(slot, REMOTE_ALLOW_ROTATE, "rotate", err));
    REMOTE_TRY(need_op(slot, REMOTE_OP_ROTATE, err));
    REMOTE_TRY(check_name(slot, name, err));
    REMOTE_TRY(require_existing(slot, name, &keys, err));
    REMOTE_TRY(simple(slot, REMOTE_OP_ROTATE, name, newest_of(&keys), NULL, err));
    REMOTE_TRY(take_newest(slot, name, NULL, ret, err));
    remote_log(REMOTE_LOG_INFO, "slot '%s': key '%s' has a new version %u", slot->name, name,
               (*ret)->version);
    return REMOTE_OK;
}

enum remote_rc remote_slot_destroy(struct remote_slot *slot, const char *name,
                                   struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf detail = { 0 };
    const struct remote_key *newest;

    REMOTE_TRY(need_allow(slot, REMOTE_ALLOW_DESTROY, "destroy", err));
    REMOTE_TRY(need_op(slot, REMOTE_OP_DESTROY, err));
    REMOTE_TRY(check_name(slot, name, err));
    REMOTE_TRY(require_existing(slot, name, &keys, err));
    newest = newest_of(&keys);
    if (remote_slot_serves(slot, REMOTE_OP_UNPROTECT))
        REMOTE_TRY(simple(slot, REMOTE_OP_UNPROTECT, name, newest, NULL, err));
    REMOTE_TRY(simple(slot, REMOTE_OP_DESTROY, name, newest, &detail, err));
    remote_lookup_forget(slot, name);
    remote_log(REMOTE_LOG_WARNING, "slot '%s': key '%s' destroyed%s", slot->name, name,
               detail.data && !detail.failed ? (const char *)detail.data : "");
    return REMOTE_OK;
}

/* What nobody can do comes before what this slot does not allow: no `allow` would help. */
static enum remote_rc may_rename(const struct remote_slot *slot, struct remote_error *err)
{
    REMOTE_TRY(remote_slot_status(slot, err));
    if (!remote_slot_serves(slot, REMOTE_OP_LABEL))
        return REMOTE_FAIL(
            err, REMOTE_E_UNSUPPORTED,
            "slot '%s': %s has no way to rename a key; it keeps the name that it was "
            "made with",
            slot->name, slot->ops->title);
    return need_allow(slot, REMOTE_ALLOW_LABEL, "label", err);
}

enum remote_rc remote_slot_rename(struct remote_slot *slot, const char *name, const char *label,
                                  struct remote_key **ret, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(may_rename(slot, err));
    REMOTE_TRY(check_name(slot, name, err));
    REMOTE_TRY(check_name(slot, label, err));
    REMOTE_TRY(refuse_existing(slot, label, err));
    REMOTE_TRY(require_existing(slot, name, &keys, err));
    begin(&call, slot, REMOTE_OP_LABEL);
    call.op.name = name;
    call.op.label = label;
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    REMOTE_TRY(rc);
    remote_lookup_forget(slot, name);
    remote_log(REMOTE_LOG_INFO, "slot '%s': key '%s' is called '%s' from now on", slot->name, name,
               label);
    return take_newest(slot, label, NULL, ret, err);
}

bool remote_slot_keeps_data_keys(const struct remote_slot *slot)
{
    return slot->ops != NULL && slot->ops->ops[REMOTE_OP_DATA_KEY].once;
}

static enum remote_rc may_make_data_key(const struct remote_key *key, struct remote_error *err)
{
    struct remote_slot *slot = key->slot;

    REMOTE_TRY(need_op(slot, REMOTE_OP_DATA_KEY, err));
    if (!key->enabled || (key->uses & (REMOTE_USE_WRAP | REMOTE_USE_UNWRAP)) == 0)
        return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE, "slot '%s': key '%s' is not for wrapping",
                           slot->name, key->name);
    return remote_slot_keeps_data_keys(slot)
               ? need_allow(slot, REMOTE_ALLOW_GENERATE, "generate", err)
               : REMOTE_OK;
}

enum remote_rc remote_key_data_key(struct remote_key *key, const char *name, size_t len,
                                   struct remote_secret *ret_clear, struct remote_buf *ret_sealed,
                                   struct remote_error *err)
{
    struct remote_slot *slot = key->slot;
    struct remote_item parts[2] = { 0 };
    char uuid[REMOTE_UUID_SIZE];
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(may_make_data_key(key, err));
    REMOTE_TRY(name != NULL ? check_name(slot, name, err) : remote_uuid_make(uuid, err));
    remote_call_init(&call, slot, REMOTE_OP_DATA_KEY);
    call.op.key = key;
    call.op.name = name != NULL ? name : uuid;
    call.op.items = parts;
    call.op.item_count = 2;
    call.op.length = len;
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    if (rc == REMOTE_OK && parts[0].out.len != len)
        rc = REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                         "slot '%s': key '%s': a data key of %zu bytes where %zu were asked",
                         slot->name, key->name, parts[0].out.len, len);
    if (rc == REMOTE_OK)
        rc = remote_secret_set(ret_clear, parts[0].out.data, parts[0].out.len, err);
    if (rc == REMOTE_OK) {
        remote_buf_clear(ret_sealed);
        *ret_sealed = parts[1].out;
        memset(&parts[1].out, 0, sizeof(parts[1].out));
    }
    remote_buf_clear(&parts[0].out);
    remote_buf_clear(&parts[1].out);
    return rc;
}
