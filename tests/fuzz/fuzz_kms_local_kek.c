/* SPDX-License-Identifier: Apache-2.0 */
/* A ciphertext for KMS v1 with a local key in it, as etcd gives it back. */
#include <stdlib.h>

#include "local_kek.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kms_local_cipher parts;

    if (!kms_local_kek_split(remote_slice(data, size), &parts))
        return 0;
    if (parts.head.data != data || parts.nonce.data != data + parts.head.len ||
        parts.head.len + parts.nonce.len + parts.body.len != size)
        abort();
    return 0;
}
