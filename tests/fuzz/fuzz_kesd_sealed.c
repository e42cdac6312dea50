/* SPDX-License-Identifier: Apache-2.0 */
/* A sealed record of a store, taken apart before any key has a part in it. */
#include <stdint.h>
#include <stdlib.h>

#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_within(struct remote_slice part, const uint8_t *data, size_t size)
{
    if (part.data < data || part.len > size || part.data + part.len > data + size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kesd_sealed sealed;

    (void)kesd_is_sealed(remote_slice(data, size));
    if (!kesd_sealed_read(remote_slice(data, size), &sealed))
        return 0;
    expect_within(sealed.head, data, size);
    expect_within(sealed.key_name, data, size);
    expect_within(sealed.record_key, data, size);
    expect_within(sealed.nonce, data, size);
    expect_within(sealed.body, data, size);
    if (sealed.head.data != data || sealed.body.data + sealed.body.len != data + size ||
        sealed.head.len + sealed.nonce.len + sealed.body.len != size || sealed.body.len < 16)
        abort();
    return 0;
}
