/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of both KMS interfaces, read as the plugin reads them. The first byte chooses. */
#include <stdint.h>
#include <stdlib.h>

#include "kms_v1beta1.pb-c.h"
#include "kms_v2.pb-c.h"
#include "protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &v2__encrypt_request__descriptor,
        &v2__decrypt_request__descriptor,
        &v1beta1__encrypt_request__descriptor,
        &v1beta1__decrypt_request__descriptor,
    };
    CLEANUP(remote_buf_clear) struct remote_buf again = { 0 };
    ProtobufCMessage *message;

    if (size == 0)
        return 0;
    message = remote_protobuf_read(types[data[0] % 4], remote_slice(data + 1, size - 1));
    if (message != NULL && remote_protobuf_write(message, &again, NULL) != REMOTE_OK)
        abort();
    remote_protobuf_free(message);
    return 0;
}
