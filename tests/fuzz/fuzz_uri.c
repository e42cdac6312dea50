/* SPDX-License-Identifier: Apache-2.0 */
/* A key's URI from a program's configuration, and the DER of a key file that holds one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_text.h"
#include "uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken has a text for messages, which is a URI itself and holds no PIN. */
static void parse(const char *text)
{
    CLEANUP(remote_uri_clear) struct remote_uri uri = { 0 };
    CLEANUP(remote_uri_clear) struct remote_uri again = { 0 };

    if (remote_uri_parse(text, &uri, NULL) != REMOTE_OK)
        return;
    if (remote_uri_parse(uri.text, &again, NULL) != REMOTE_OK || again.pin.data ||
        again.class != uri.class || (again.object == NULL) != (uri.object == NULL))
        abort();
}

/* What was read is written as it was, but for the label's own form. */
static void use(const char *text)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    CLEANUP(remote_str_free) char *again = NULL;

    if (remote_uri_der_write(text, &der, NULL) != REMOTE_OK ||
        (der.len <= REMOTE_URI_MAX &&
         (remote_uri_der_read(remote_buf_slice(&der), &again, NULL) != REMOTE_OK ||
          strcmp(again, text) != 0)))
        abort();
    parse(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(remote_str_free) char *from_der = NULL;
    CLEANUP(remote_str_free) char *text = fuzz_text(data, size);

    parse(text);
    if (remote_uri_der_read(remote_slice(data, size), &from_der, NULL) == REMOTE_OK)
        use(from_der);
    return 0;
}
