/* SPDX-License-Identifier: Apache-2.0 */
/* What clients bring to be decrypted: in the form of today or an older one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_guard.h"
#include "key_cipher.h"
#include "old_ciphertext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_conversion(struct remote_slice sealed)
{
    struct remote_buf raw = { 0 };
    bool old = kesd_old_ciphertext_read(sealed, &raw);

    if (old ? raw.len < KESD_OVERHEAD || raw.len > sealed.len : raw.len != 0)
        abort();
    remote_buf_clear(&raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char bytes[KESD_KEY_LEN];
    static struct kesd_key_cipher *cipher;
    struct remote_slice sealed = remote_slice(data, size);

    fuzz_enter_guard();
    if (cipher == NULL && kesd_key_cipher_new(&cipher, NULL) != REMOTE_OK)
        abort();
    try_conversion(sealed);
    for (int algorithm = KESD_AES256; algorithm <= KESD_CHACHA20; algorithm++) {
        struct kesd_cipher_key key = { (enum kesd_algorithm)algorithm, bytes };
        struct remote_secret opened = { 0 };
        struct remote_error err = { 0 };

        /* Nobody sealed anything with this key. */
        if (kesd_key_cipher_open(cipher, &key, sealed, remote_slice(NULL, 0), &opened, &err) !=
                REMOTE_E_DATA ||
            opened.data != NULL || err.text[0] == '\0')
            abort();
    }
    return 0;
}
