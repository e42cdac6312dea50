/* SPDX-License-Identifier: Apache-2.0 */
/* A public key from a service, as DER and as PEM, and all that is made of it. */
#include <stdint.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "fuzz_guard.h"
#include "local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void key_clear(struct remote_key *key)
{
    remote_buf_clear(&key->spki);
    EVP_PKEY_free(atomic_load(&key->pkey));
}

/* A key that was taken can be shown; libcrypto may still refuse it (a point off its curve). */
static void use(struct remote_key *key)
{
    CLEANUP(remote_public_clear) struct remote_public public = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    CLEANUP(key_clear) struct remote_key again = { 0 };

    if (key->id_len != 20 || remote_local_public(key, &public, NULL) != REMOTE_OK ||
        remote_local_public_pem(key, &pem, NULL) != REMOTE_OK ||
        remote_local_set_pem(&again, remote_buf_slice(&pem), NULL) != REMOTE_OK ||
        !remote_slice_equal(remote_buf_slice(&again.spki), remote_buf_slice(&key->spki)))
        abort();
    (void)remote_local_pkey(key, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(key_clear) struct remote_key der = { 0 };
    CLEANUP(key_clear) struct remote_key pem = { 0 };

    fuzz_enter_guard();
    if (remote_local_set_spki(&der, remote_slice(data, size), NULL) == REMOTE_OK)
        use(&der);
    if (remote_local_set_pem(&pem, remote_slice(data, size), NULL) == REMOTE_OK)
        use(&pem);
    return 0;
}
