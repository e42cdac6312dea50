/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 section 5.20. The bytes are always those of our own libcrypto; the service's, when
 * asked, are mixed in, so that they can only add to them and a hostile service gains nothing.
 */
#include "module.h"

/*
 * Up to here no request is made. Clients probe with a few bytes when they load a module
 * (pkcs11-provider with 8), which must work while the service does not; seeds, nonces and keys
 * of a host's own generator are not longer than this.
 */
#define LOCAL_MAX 64
#define SERVICE_CHUNK 4096 /* bytes of one request */

static enum remote_rc mix_in(struct remote_slot *slot, unsigned char *out, size_t len,
                             struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf theirs = { 0 };
    unsigned char *bytes = remote_buf_reserve(&theirs, len);

    if (!bytes)
        return remote_buf_check(&theirs, err);
    theirs.len = len; /* so that they are wiped */
    REMOTE_TRY(remote_slot_random(slot, bytes, len, err));
    for (size_t i = 0; i < len; i++)
        out[i] ^= bytes[i];
    return REMOTE_OK;
}

static enum remote_rc fill(struct remote_slot *slot, unsigned char *out, size_t len,
                           struct remote_error *err)
{
    REMOTE_TRY(remote_local_random(out, len, err));
    if (len <= LOCAL_MAX)
        return REMOTE_OK;
    for (size_t at = 0; at < len; at += SERVICE_CHUNK)
        REMOTE_TRY(
            mix_in(slot, out + at, len - at < SERVICE_CHUNK ? len - at : SERVICE_CHUNK, err));
    return REMOTE_OK;
}

static CK_RV generate_random(struct pkcs11_call *call, CK_SESSION_HANDLE session, CK_BYTE *out,
                             CK_ULONG len)
{
    struct pkcs11_slot *slot = NULL;

    if (!out && len > 0)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_session_slot(call, session, &slot));
    if (!remote_slot_has_random(slot->remote))
        return CKR_RANDOM_NO_RNG;
    return pkcs11_rv(slot->remote, fill(slot->remote, out, len, &call->err), PKCS11_DOING_OTHER);
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG len)
{
    return PKCS11_CALL(call, generate_random(call, session, out, len));
}

static CK_RV seed_random(struct pkcs11_call *call, CK_SESSION_HANDLE session)
{
    struct pkcs11_slot *slot = NULL;

    PKCS11_TRY(pkcs11_session_slot(call, session, &slot));
    return remote_slot_has_random(slot->remote) ? CKR_RANDOM_SEED_NOT_SUPPORTED : CKR_RANDOM_NO_RNG;
}

CK_RV C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR seed, CK_ULONG len)
{
    (void)seed;
    (void)len;
    return PKCS11_CALL(call, seed_random(call, session));
}
