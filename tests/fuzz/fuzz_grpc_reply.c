/* SPDX-License-Identifier: Apache-2.0 */
/* What a gRPC server says, before any backend reads it: a message in its frame, and the values of
 * its headers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_text.h"
#include "grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unframe(struct remote_slice body)
{
    struct remote_reply reply = { .status = 200, .body = body };
    struct remote_slice message = { 0 };
    struct remote_error err = { 0 };
    enum remote_rc rc = remote_grpc_message(&reply, &message, &err);

    if (rc != REMOTE_OK && (rc != REMOTE_E_PROTOCOL || err.text[0] == '\0' || message.data != NULL))
        abort();
    if (rc == REMOTE_OK && (message.data != body.data + 5 || message.len != body.len - 5))
        abort();
}

/* One printable line, which is no longer than it came. */
static void say(char *text)
{
    size_t len = strlen(text);

    remote_grpc_text(text);
    if (strlen(text) > len || strpbrk(text, "\r\n\t\x1b") != NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    int status = remote_grpc_status_parse(text);

    unframe(remote_slice(data, size));
    if (status < REMOTE_GRPC_OK || status > REMOTE_GRPC_UNAUTHENTICATED)
        abort();
    (void)remote_grpc_is_content_type(text);
    say(text);
    free(text);
    return 0;
}
