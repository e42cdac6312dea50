/* SPDX-License-Identifier: Apache-2.0 */
/* A file of certificates: remote_local_certs(). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_guard.h"
#include "local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct remote_cert **certs = NULL;
    struct remote_error err = { 0 };
    size_t count = 0;
    enum remote_rc rc;

    fuzz_enter_guard();
    rc = remote_local_certs("corpus.pem", remote_slice(data, size), &certs, &count, &err);
    if ((rc == REMOTE_OK) != (count > 0))
        abort();
    if (rc == REMOTE_E_CONFIG && strncmp(err.text, "corpus.pem: ", 12) != 0)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (certs[i]->der.len == 0 || certs[i]->spki.len == 0 || certs[i]->common_name == NULL)
            abort();
        remote_cert_free(certs[i]);
    }
    free(certs);
    return 0;
}
