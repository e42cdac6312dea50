/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_reply.h"

#include <jansson.h>
#include <string.h>

#include "encode.h"
#include "error.h"

struct tools_bench_reply_form {
    const char *backend;
    const char *inside; /* the member that the result is in; NULL: the answer itself */
    bool json;          /* false: the answer is the base64 */
    bool url_form;      /* base64url (RFC 4648 section 5) */
    bool url_ecdsa;     /* the same, of ECDSA signatures alone: as the backend asks for them */
};

static const struct tools_bench_reply_form forms[] = {
    { .backend = "azure", .json = true, .url_form = true },
    { .backend = "bigdl" },
    { .backend = "ehsm", .inside = "result", .json = true },
    { .backend = "kes", .json = true },
    { .backend = "vault", .inside = "data", .json = true, .url_ecdsa = true },
};

/* What the services call their results. */
static const char *const results[] = { "value", "signature", "hmac", "ciphertext", "plaintext" };

const struct tools_bench_reply_form *tools_bench_reply_form(const char *backend)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (strcmp(forms[i].backend, backend) == 0)
            return &forms[i];
    return NULL;
}

static bool decode_text(struct remote_slice text, bool url_form)
{
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };

    return (url_form ? remote_base64url_decode(text, &bytes)
                     : remote_base64_decode(text, &bytes)) &&
           bytes.len > 0;
}

/* "vault:v1:BASE64" has the key's version in front. */
static bool decode_result(const json_t *result, bool url_form)
{
    const char *text = json_string_value(result);
    const char *colon = text ? strrchr(text, ':') : NULL;

    return text && decode_text(remote_slice_str(colon ? colon + 1 : text), url_form);
}

bool tools_bench_reply_decode(const struct tools_bench_reply_form *form, enum remote_alg alg,
                              struct remote_slice body)
{
    bool url_form = form->url_form || (form->url_ecdsa && alg == REMOTE_ALG_ECDSA);
    json_t *root, *holder;
    bool good = false;

    if (!form->json)
        return decode_text(body, url_form);
    root = json_loadb((const char *)body.data, body.len, 0, NULL);
    holder = form->inside ? json_object_get(root, form->inside) : root;
    for (size_t i = 0; !good && i < ARRAY_SIZE(results); i++)
        good = decode_result(json_object_get(holder, results[i]), url_form);
    json_decref(root);
    return good;
}
