/* SPDX-License-Identifier: Apache-2.0 */
/* The block of CKM_RSA_PKCS, from an application: remote_local_digestinfo(). */
#include <stdint.h>
#include <stdlib.h>

#include "local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum remote_hash hash = REMOTE_HASH_NONE;
    struct remote_slice digest = { 0 };

    if (!remote_local_digestinfo(remote_slice(data, size), &hash, &digest))
        return 0;
    /* The digest ends the block, whole and of the length of its hash. */
    if (hash == REMOTE_HASH_NONE || digest.len != remote_hash_size(hash) ||
        digest.data + digest.len != data + size)
        abort();
    return 0;
}
