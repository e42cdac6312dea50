/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <string.h>

#include "encode.h"
#include "remote/local/local.h"

/* Half of SHA-256 over the slot's name. */
enum remote_rc remote_identity_serial(const struct remote_slot *slot,
                                      char ret[REMOTE_IDENTITY_SERIAL_LEN + 1],
                                      struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf hex = { 0 };
    struct remote_slice name = remote_slice_str(remote_slot_name(slot));

    REMOTE_TRY(remote_local_hash(REMOTE_HASH_SHA256, name, &hash, err));
    remote_hex_append(&hex, remote_slice(hash.data, REMOTE_IDENTITY_SERIAL_LEN / 2));
    REMOTE_TRY(remote_buf_check(&hex, err));
    memcpy(ret, hex.data, REMOTE_IDENTITY_SERIAL_LEN + 1);
    return REMOTE_OK;
}

void remote_identity_describe(const struct remote_slot *slot, struct remote_buf *ret)
{
    remote_buf_append_str(ret, remote_slot_name(slot));
    if (!*remote_slot_backend(slot))
        return;
    remote_buf_printf(ret, " (%s", remote_slot_backend(slot));
    remote_slot_describe(slot, ret);
    remote_buf_append_char(ret, ')');
}
