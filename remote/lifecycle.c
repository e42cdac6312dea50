/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle.h"

#include <string.h>

#include "exchange.h"
#include "log.h"
#include "slot_private.h"

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
    if (remote_backend_has_op(slot->ops, kind))
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

static enum remote_rc check_spec(const struct remote_slot *slot, const struct remote_key_spec *spec,
                                 struct remote_error *err)
{
    unsigned min, max;

    remote_slot_key_sizes(slot, spec->type, &min, &max);
    if (max == 0 || spec->bits < min || spec->bits > max)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': %s has no %s keys of %u bits",
                           slot->name, slot->ops->title, remote_key_type_name(spec->type),
                           spec->bits);
    return REMOTE_OK;
}

/* ---- requests ---- */

static void begin(struct remote_call *call, struct remote_slot *slot, enum remote_op_kind kind)
{
    remote_call_init(call, slot, kind);
    if (slot->policy.timeout_ms < MAKING_MS)
        call->deadline_ms = remote_now_ms() + MAKING_MS;
}

static enum remote_rc simple(struct remote_slot *slot, enum remote_op_kind kind, const char *name,
                             struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    begin(&call, slot, kind);
    call.op.name = name;
    rc = remote_exchange_one(&call, err);
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
                                       struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    enum remote_rc rc = read_back(slot, name, &keys, err);

    if (rc == REMOTE_E_NOT_FOUND)
        return REMOTE_FAIL(err, rc, "slot '%s': there is no key '%s'", slot->name, name);
    return rc;
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

static enum remote_rc take_newest(struct remote_slot *slot, const char *name,
                                  struct remote_key **ret, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

    REMOTE_TRY(read_back(slot, name, &keys, err));
    if (keys.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "slot '%s': key '%s' has no version", slot->name,
                           name);
    *ret = remote_key_ref(keys.keys[keys.count - 1]);
    return REMOTE_OK;
}

static enum remote_rc take_new(struct remote_slot *slot, const char *name,
                               const struct remote_key_spec *spec, struct remote_key **ret,
                               struct remote_error *err)
{
    struct remote_key *key = NULL;

    REMOTE_TRY(take_newest(slot, name, &key, err));
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
    remote_call_clear(&call);
    REMOTE_TRY(rc);
    return take_new(slot, name, spec, ret, err);
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
    remote_call_clear(&call);
    REMOTE_TRY(rc);
    return take_new(slot, name, spec, ret, err);
}

enum remote_rc remote_slot_rotate(struct remote_slot *slot, const char *name,
                                  struct remote_key **ret, struct remote_error *err)
{
    REMOTE_TRY(need_allow(slot, REMOTE_ALLOW_ROTATE, "rotate", err));
    REMOTE_TRY(need_op(slot, REMOTE_OP_ROTATE, err));
    REMOTE_TRY(check_name(slot, name, err));
    REMOTE_TRY(require_existing(slot, name, err));
    REMOTE_TRY(simple(slot, REMOTE_OP_ROTATE, name, err));
    REMOTE_TRY(take_newest(slot, name, ret, err));
    remote_log(REMOTE_LOG_INFO, "slot '%s': key '%s' has a new version %u", slot->name, name,
               (*ret)->version);
    return REMOTE_OK;
}

enum remote_rc remote_slot_destroy(struct remote_slot *slot, const char *name,
                                   struct remote_error *err)
{
    REMOTE_TRY(need_allow(slot, REMOTE_ALLOW_DESTROY, "destroy", err));
    REMOTE_TRY(need_op(slot, REMOTE_OP_DESTROY, err));
    REMOTE_TRY(check_name(slot, name, err));
    REMOTE_TRY(require_existing(slot, name, err));
    if (remote_backend_has_op(slot->ops, REMOTE_OP_UNPROTECT))
        REMOTE_TRY(simple(slot, REMOTE_OP_UNPROTECT, name, err));
    REMOTE_TRY(simple(slot, REMOTE_OP_DESTROY, name, err));
    remote_lookup_forget(slot, name);
    remote_log(REMOTE_LOG_WARNING, "slot '%s': key '%s' destroyed", slot->name, name);
    return REMOTE_OK;
}

enum remote_rc remote_key_data_key(struct remote_key *key, size_t len,
                                   struct remote_secret *ret_clear, struct remote_buf *ret_sealed,
                                   struct remote_error *err)
{
    struct remote_slot *slot = key->slot;
    struct remote_item parts[2] = { 0 };
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(need_op(slot, REMOTE_OP_DATA_KEY, err));
    if (!key->enabled || (key->uses & REMOTE_USE_WRAP) == 0)
        return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE, "slot '%s': key '%s' is not for wrapping",
                           slot->name, key->name);
    remote_call_init(&call, slot, REMOTE_OP_DATA_KEY);
    call.op.key = key;
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
