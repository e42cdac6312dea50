/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in a KES's store: whole keys, or one line why not. */
#include <stdint.h>
#include <stdlib.h>

#include "fuzz_guard.h"
#include "kes_stored.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kes_stored stored = { 0 };
    struct remote_error err = { 0 };
    enum remote_rc rc;

    fuzz_enter_guard();
    rc = kes_stored_read(remote_slice(data, size), &stored, &err);
    if (rc == REMOTE_OK ? stored.cipher.len != KES_KEY_LEN ||
                              (stored.mac.len != 0 && stored.mac.len != KES_KEY_LEN)
                        : stored.cipher.data != NULL || err.text[0] == '\0')
        abort();
    kes_stored_clear(&stored);
    return 0;
}
