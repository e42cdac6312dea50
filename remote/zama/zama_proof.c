/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a chain needs to check a result: the handle, and then what the KMSVerifier contract takes as
 * decryptionProof: the number of signatures, the signatures, and the extra data.
 */
#include <string.h>

#include "zama_slot.h"

_Static_assert(ZAMA_SLOT_PARTIES_MAX <= UINT8_MAX, "their number is one byte");

void zama_proof_write(const struct zama *zama, const uint8_t handle[ZAMA_HANDLE_LEN],
                      const struct zama_answer *const *answers, size_t count,
                      const struct remote_fhe_params *params)
{
    unsigned char *at = params->proof, *number;

    if (at == NULL)
        return;
    memcpy(at, handle, ZAMA_HANDLE_LEN);
    number = at + ZAMA_HANDLE_LEN;
    *number = 0;
    at = number + 1;
    for (size_t i = 0; i < count && *number < zama->needed; i++) {
        if (!answers[i]->has_signature)
            continue;
        memcpy(at, answers[i]->signature, ZAMA_SIGNATURE_LEN);
        at += ZAMA_SIGNATURE_LEN;
        ++*number;
    }
    memcpy(at, zama->extra_data, zama->extra_data_len);
    *params->proof_len = (unsigned long)(at + zama->extra_data_len - params->proof);
}
