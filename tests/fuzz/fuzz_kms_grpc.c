/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from a client of the KMS plugin before anything is known of it: a request's body, a
 * timeout, a content type, and a probe's HTTP request. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_text.h"
#include "grpc.h"
#include "http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unframe(struct remote_slice body)
{
    enum kms_grpc_status status = KMS_GRPC_OK;
    struct remote_slice message = { 0 };
    const char *text = NULL;

    if (!kms_grpc_unframe(body, &message, &status, &text)) {
        if (status == KMS_GRPC_OK || text == NULL)
            abort();
        return;
    }
    if (message.data != body.data + KMS_GRPC_PREFIX || message.len != body.len - KMS_GRPC_PREFIX ||
        message.len > KMS_GRPC_MESSAGE_MAX)
        abort();
}

/* What a status says stays on one line of printable ASCII. */
static void say(const char *text)
{
    CLEANUP(remote_buf_clear) struct remote_buf said = { 0 };

    kms_grpc_message_append(&said, text);
    for (size_t i = 0; i < said.len; i++)
        if (said.data[i] < 0x20 || said.data[i] >= 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct remote_slice bytes = remote_slice(data, size);
    char *text = fuzz_text(data, size);
    struct daemon_http1_request request;
    int64_t ms = 0;

    unframe(bytes);
    if (kms_grpc_timeout(bytes, &ms) && ms < 0)
        abort();
    (void)kms_grpc_content_type(bytes);
    daemon_http1_parse(bytes, &request);
    if (request.status == 200 && request.path[0] != '/')
        abort();
    say(text);
    free(text);
    return 0;
}
