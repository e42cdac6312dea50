/* SPDX-License-Identifier: Apache-2.0 */
/* DER of a URI to the key that it names. See decoder.h. */
#include "decoder.h"

#include <stdlib.h>

#include "object.h"

#define HEADER_MAX 4 /* SEQUENCE, and a length below 64 KiB */

struct decoder {
    struct provider *provider;
    enum provider_key_type type;
};

/* ---- the bytes ---- */

static bool read_exactly(struct decoder *decoder, OSSL_CORE_BIO *bio, struct remote_buf *buf,
                         size_t len)
{
    unsigned char *out = remote_buf_reserve(buf, len);
    size_t done = 0, got;

    while (out && done < len &&
           decoder->provider->up.bio_read_ex(bio, out + done, len - done, &got) && got > 0)
        done += got;
    if (out)
        buf->len += done;
    return done == len;
}

/*
 * One SEQUENCE that is not too long for a URI, header and all; else no more than its header.
 * (X.690 8.1.3; remote/local/der.c is strict about it later.)
 */
static bool read_sequence(struct decoder *decoder, OSSL_CORE_BIO *bio, struct remote_buf *ret)
{
    size_t len = 0, more;

    if (!read_exactly(decoder, bio, ret, 2) || ret->data[0] != 0x30)
        return false;
    more = ret->data[1] < 0x80 ? 0 : ret->data[1] & 0x7fu;
    if (more > HEADER_MAX - 2 || !read_exactly(decoder, bio, ret, more))
        return false;
    for (size_t i = 0; i < more; i++)
        len = len << 8 | ret->data[2 + i];
    if (more == 0)
        len = ret->data[1];
    return len <= PROVIDER_URI_DER_MAX && read_exactly(decoder, bio, ret, len);
}

/* ---- the key ---- */

static bool wants_private(int selection)
{
    return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
}

/* A program that asks for nothing in particular gets what the URI says. */
static bool as_private(const struct remote_uri *uri, int selection)
{
    return uri->class != REMOTE_URI_PUBLIC && (selection == 0 || wants_private(selection));
}

static enum remote_rc make_key(struct provider_call *call, const struct remote_uri *uri,
                               int selection, struct provider_key **ret)
{
    struct remote_core *core = NULL;
    struct remote_key *remote = NULL;
    enum remote_rc rc;

    if (uri->class == REMOTE_URI_PUBLIC && wants_private(selection))
        return REMOTE_FAIL(&call->err, REMOTE_E_PARAM,
                           "'%.160s' names a public key, and a private one is wanted", uri->text);
    REMOTE_TRY(provider_core(call->provider, &core, &call->err));
    (void)remote_core_reload(core, false, NULL); /* as a server expects that reloads itself */
    REMOTE_TRY(remote_uri_find_one(core, uri, &remote, &call->err));
    rc = provider_key_new(call->provider, remote, as_private(uri, selection), ret, &call->err);
    remote_key_unref(remote);
    return rc;
}

static enum remote_rc resolve(struct provider_call *call, const char *text, int selection,
                              struct provider_key **ret)
{
    CLEANUP(remote_uri_clear) struct remote_uri uri = { 0 };
    enum remote_rc rc = remote_uri_parse(text, &uri, &call->err);

    if (rc == REMOTE_OK)
        rc = make_key(call, &uri, selection, ret);
    if (rc != REMOTE_OK && provider_decoder_failure) {
        *provider_decoder_failure = call->err;
        call->err.text[0] = '\0'; /* so that it is told once */
    }
    return rc;
}

/* Reads DER that is ours. NULL: it is somebody else's. */
static char *read_uri(struct decoder *decoder, OSSL_CORE_BIO *bio)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    char *uri = NULL;

    if (!read_sequence(decoder, bio, &der) ||
        remote_uri_der_read(remote_buf_slice(&der), &uri, NULL) != REMOTE_OK)
        return NULL;
    return uri;
}

static enum remote_rc unref(struct provider_key *key)
{
    provider_key_unref(key);
    return REMOTE_OK;
}

static int decode(void *ctx, OSSL_CORE_BIO *bio, int selection, OSSL_CALLBACK *object_cb,
                  void *object_arg, OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    struct decoder *decoder = ctx;
    CLEANUP(remote_str_free) char *uri = read_uri(decoder, bio);
    struct provider_key *key = NULL;

    (void)pw_cb;
    (void)pw_arg;
    if (!uri)
        return 1; /* empty-handed is no error */
    if (!PROVIDER_CALL(call, decoder->provider, resolve(call, uri, selection, &key)))
        return 0;
    if (key->type == decoder->type)
        return provider_object_give_key(key, object_cb, object_arg);
    return PROVIDER_CALL(call, decoder->provider, unref(key)); /* another of these will do */
}

static int does_selection(void *provider, int selection)
{
    (void)provider;
    return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
}

static void *new_ctx(void *provider, enum provider_key_type type)
{
    struct decoder *decoder = malloc(sizeof(*decoder));

    if (decoder)
        *decoder = (struct decoder){ .provider = provider, .type = type };
    return decoder;
}

static void *new_rsa(void *provider)
{
    return new_ctx(provider, PROVIDER_RSA);
}

static void *new_ec(void *provider)
{
    return new_ctx(provider, PROVIDER_EC);
}

static void *new_ed25519(void *provider)
{
    return new_ctx(provider, PROVIDER_ED25519);
}

/* clang-format off */
#define DECODER(new)                                                             \
    static const OSSL_DISPATCH decoder_##new[] = {                               \
        { OSSL_FUNC_DECODER_NEWCTX,         (void (*)(void))new },               \
        { OSSL_FUNC_DECODER_FREECTX,        (void (*)(void))free },              \
        { OSSL_FUNC_DECODER_DOES_SELECTION, (void (*)(void))does_selection },    \
        { OSSL_FUNC_DECODER_DECODE,         (void (*)(void))decode },            \
        { 0, NULL },                                                             \
    }
DECODER(new_rsa);
DECODER(new_ec);
DECODER(new_ed25519);

/* RSA-PSS is left out: no service has such keys. */
#define PEM_PROPERTIES PROVIDER_PROPERTIES ",input=pem"
#define DER_PROPERTIES PROVIDER_PROPERTIES ",input=der,structure=" PROVIDER_URI_STRUCTURE
const OSSL_ALGORITHM provider_decoders[] = {
    { "DER",                     PEM_PROPERTIES, provider_decoder_pem, "PEM to DER of a key's URI" },
    { PROVIDER_NAMES_RSA,     DER_PROPERTIES, decoder_new_rsa,     "URI to RSA key" },
    { PROVIDER_NAMES_EC,      DER_PROPERTIES, decoder_new_ec,      "URI to EC key" },
    { PROVIDER_NAMES_ED25519, DER_PROPERTIES, decoder_new_ed25519, "URI to Ed25519 key" },
    { NULL, NULL, NULL, NULL },
};
/* clang-format on */
