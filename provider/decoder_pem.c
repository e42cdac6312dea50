/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM to DER (RFC 7468, as lenient about blanks as libcrypto is). A bundle's blocks come one at a
 * time: libcrypto puts the BIO back to where it was for each decoder that it tries, and goes on
 * behind the block that the last one read. So exactly one block is read, whosever it is.
 */
#include "decoder.h"

#include <ctype.h>
#include <string.h>

#include <openssl/core_object.h>
#include <openssl/params.h>

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define LINE_MAX_BYTES 256 /* longer ones come in pieces */
#define BASE64_MAX (4 * (PROVIDER_URI_DER_MAX / 3 + 1))

struct reader {
    struct provider *provider;
    OSSL_CORE_BIO *bio;
    char line[LINE_MAX_BYTES];
    size_t len;  /* of line, without what ends it */
    bool whole;  /* the piece ended its line */
    bool begins; /* the piece began one */
};

/* False: the end. */
static bool next_line(struct reader *r)
{
    int got = r->provider->up.bio_gets(r->bio, r->line, sizeof(r->line));

    if (got <= 0)
        return false;
    r->begins = r->whole;
    r->len = (size_t)got;
    r->whole = r->line[r->len - 1] == '\n';
    while (r->len > 0 && isspace((unsigned char)r->line[r->len - 1]))
        r->len--;
    return true;
}

static bool is_line(const struct reader *r, const char *keyword, const char *label)
{
    size_t keyword_len = strlen(keyword), label_len = strlen(label);

    return r->begins && r->len == keyword_len + label_len + strlen(DASHES) &&
           memcmp(r->line, keyword, keyword_len) == 0 &&
           memcmp(r->line + keyword_len, label, label_len) == 0 &&
           memcmp(r->line + keyword_len + label_len, DASHES, strlen(DASHES)) == 0;
}

static bool begins_with(const struct reader *r, const char *keyword)
{
    return r->begins && r->len >= strlen(keyword) && memcmp(r->line, keyword, strlen(keyword)) == 0;
}

static void skip_block(struct reader *r)
{
    while (next_line(r) && !begins_with(r, END))
        continue;
}

static enum remote_rc fail_damaged(const char *label, const char *how, struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_PARAM,
                       "the key file's PEM block '%s' %s: write it anew with 'hsmbridge pem'",
                       label, how);
}

static enum remote_rc read_base64(struct reader *r, const char *label, struct remote_buf *ret,
                                  struct remote_error *err)
{
    while (next_line(r)) {
        if (is_line(r, END, label))
            return remote_buf_check(ret, err);
        if (r->begins && r->len > 0 && r->line[0] == '-')
            return fail_damaged(label, "has another block's end", err);
        if (ret->len + r->len > BASE64_MAX) {
            skip_block(r); /* the host may go on behind it */
            return fail_damaged(label, "is too long", err);
        }
        remote_buf_append(ret, r->line, r->len);
    }
    return fail_damaged(label, "is cut short", err);
}

static enum remote_rc read_der(struct reader *r, const char *label, struct remote_buf *ret_der,
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf base64 = { 0 };
    CLEANUP(remote_str_free) char *uri = NULL;

    REMOTE_TRY(read_base64(r, label, &base64, err));
    if (!remote_base64_decode(remote_buf_slice(&base64), ret_der))
        return fail_damaged(label, "is not base64", err);
    return remote_uri_der_read(remote_buf_slice(ret_der), &uri, err); /* what is wrong is said */
}

/* Reads up to the end of the first block, if there is any. */
static enum remote_rc read_block(struct reader *r, bool *ret_ours, struct remote_buf *ret_der,
                                 struct remote_error *err)
{
    static const char *const labels[] = { REMOTE_URI_PEM_LABEL, REMOTE_URI_PEM_LABEL_FOREIGN };

    *ret_ours = false;
    while (next_line(r) && !begins_with(r, BEGIN))
        continue;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        if (is_line(r, BEGIN, labels[i])) {
            *ret_ours = true;
            return read_der(r, labels[i], ret_der, err);
        }
    }
    skip_block(r);
    return REMOTE_OK;
}

_Thread_local struct remote_error *provider_decoder_failure;

static int call_back(struct remote_buf *der, OSSL_CALLBACK *data_cb, void *data_arg)
{
    static char structure[] = PROVIDER_URI_STRUCTURE;
    int type = OSSL_OBJECT_PKEY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_octet_string(OSSL_OBJECT_PARAM_DATA, der->data, der->len),
        OSSL_PARAM_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE, structure, sizeof(structure) - 1),
        OSSL_PARAM_END,
    };

    return data_cb(params, data_arg);
}

static int give(const struct provider *provider, struct remote_buf *der, OSSL_CALLBACK *data_cb,
                void *data_arg)
{
    struct remote_error *outer = provider_decoder_failure;
    struct remote_error err = { 0 };
    int good;

    provider_decoder_failure = &err;
    good = call_back(der, data_cb, data_arg);
    provider_decoder_failure = outer;
    if (!good)
        provider_raise(provider, __func__, &err);
    return good;
}

/* Needs neither libcrypto nor the core, and no guard with them. */
static int decode(void *ctx, OSSL_CORE_BIO *bio, int selection, OSSL_CALLBACK *data_cb,
                  void *data_arg, OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    struct reader r = { .provider = ctx, .bio = bio, .whole = true };
    struct remote_error err = { 0 };
    bool ours;

    (void)selection;
    (void)pw_cb;
    (void)pw_arg;
    if (read_block(&r, &ours, &der, &err) != REMOTE_OK) {
        provider_raise(r.provider, __func__, &err);
        return 0;
    }
    return ours ? give(r.provider, &der, data_cb, data_arg) : 1; /* empty-handed is no error */
}

static void *new_ctx(void *provider)
{
    return provider; /* a decoder keeps nothing between two blocks */
}

static void free_ctx(void *ctx)
{
    (void)ctx;
}

/* clang-format off */
const OSSL_DISPATCH provider_decoder_pem[] = {
    { OSSL_FUNC_DECODER_NEWCTX,  (void (*)(void))new_ctx },
    { OSSL_FUNC_DECODER_FREECTX, (void (*)(void))free_ctx },
    { OSSL_FUNC_DECODER_DECODE,  (void (*)(void))decode },
    { 0, NULL },
};
/* clang-format on */
