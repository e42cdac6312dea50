/* SPDX-License-Identifier: Apache-2.0 */
/* An ECDSA signature from a service: what is taken as DER comes out the same again. */
#include <stdint.h>
#include <stdlib.h>

#include "local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void from_der(struct remote_slice der, size_t n)
{
    CLEANUP(remote_buf_clear) struct remote_buf raw = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf back = { 0 };

    if (remote_local_ecdsa_from_der(der, n, &raw, NULL) != REMOTE_OK)
        return;
    if (raw.len != 2 * n ||
        remote_local_ecdsa_to_der(remote_buf_slice(&raw), &back, NULL) != REMOTE_OK ||
        !remote_slice_equal(remote_buf_slice(&back), der))
        abort();
}

static void to_der(struct remote_slice raw)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf back = { 0 };

    if (remote_local_ecdsa_to_der(raw, &der, NULL) != REMOTE_OK)
        return;
    if (remote_local_ecdsa_from_der(remote_buf_slice(&der), raw.len / 2, &back, NULL) !=
            REMOTE_OK ||
        !remote_slice_equal(remote_buf_slice(&back), raw))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t widths[] = { 32, 48, 66 };

    for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
        from_der(remote_slice(data, size), widths[i]);
    to_der(remote_slice(data, size));
    return 0;
}
