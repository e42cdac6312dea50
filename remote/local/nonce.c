/* SPDX-License-Identifier: Apache-2.0 */
#include "nonce.h"

#include <string.h>

#include "local.h"
#include "remote/fork.h"

#define STOCK 768 /* bytes: 64 nonces of AES-GCM */

static _Thread_local struct {
    unsigned char bytes[STOCK];
    size_t left;         /* used from the end */
    unsigned generation; /* a child would go on with the parent's */
} stock;

enum remote_rc remote_local_nonce(unsigned char *ret, size_t len, struct remote_error *err)
{
    if (len > REMOTE_NONCE_MAX)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "a nonce of %zu bytes", len);
    if (stock.left < len || stock.generation != remote_fork_generation()) {
        stock.left = 0;
        REMOTE_TRY(remote_local_random(stock.bytes, STOCK, err));
        stock.left = STOCK;
        stock.generation = remote_fork_generation();
    }
    stock.left -= len;
    memcpy(ret, stock.bytes + stock.left, len);
    return REMOTE_OK;
}
