/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_host.h"

#include <stdio.h>

#include <openssl/store.h>
#include <openssl/x509.h>

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **provctx);

struct host host;

int host_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
              void **provctx)
{
    return OSSL_provider_init(handle, in, out, provctx);
}

static const unsigned char message[] = "to be signed";

static int start_with(const char *properties)
{
    memset(&fake, 0, sizeof(fake));
    host.ctx = OSSL_LIB_CTX_new();
    assert_int_equal(OSSL_PROVIDER_add_builtin(host.ctx, "hsmbridge", host_init), 1);
    host.libcrypto = OSSL_PROVIDER_load(host.ctx, "default");
    host.ours = OSSL_PROVIDER_load(host.ctx, "hsmbridge");
    assert_non_null(host.libcrypto);
    assert_non_null(host.ours);
    assert_int_equal(EVP_set_default_properties(host.ctx, properties), 1);
    host.properties = NULL;
    assert_int_equal(fake.open, 0); /* loading opens nothing */
    return 0;
}

int host_start(void **state)
{
    (void)state;
    return start_with("");
}

int host_start_default(void **state)
{
    (void)state;
    return start_with("?provider=default");
}

int host_start_strict(void **state)
{
    (void)state;
    start_with("provider=default");
    host.properties = "provider=hsmbridge";
    return 0;
}

int host_start_ours(void **state)
{
    (void)state;
    return start_with("?provider=hsmbridge");
}

int host_stop(void **state)
{
    (void)state;
    ERR_clear_error();
    OSSL_PROVIDER_unload(host.ours);
    OSSL_PROVIDER_unload(host.libcrypto);
    OSSL_LIB_CTX_free(host.ctx);
    assert_int_equal(fake.open, 0);
    free(fake.named);
    fake.named = NULL;
    return 0;
}

static EVP_PKEY *load(OSSL_LIB_CTX *ctx, const char *uri, int type)
{
    OSSL_STORE_CTX *store =
        OSSL_STORE_open_ex(uri, ctx, "provider=hsmbridge", NULL, NULL, NULL, NULL, NULL);
    EVP_PKEY *pkey = NULL;

    if (store == NULL)
        return NULL;
    assert_int_equal(OSSL_STORE_expect(store, type), 1);
    while (pkey == NULL && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info == NULL)
            break;
        pkey = type == OSSL_STORE_INFO_PKEY ? OSSL_STORE_INFO_get1_PKEY(info)
                                            : OSSL_STORE_INFO_get1_PUBKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return pkey;
}

EVP_PKEY *host_key_of(OSSL_LIB_CTX *ctx, const char *uri)
{
    return load(ctx, uri, OSSL_STORE_INFO_PKEY);
}

static EVP_PKEY *load_label(const char *label, const char *rest, int type)
{
    char uri[64];
    EVP_PKEY *pkey;

    snprintf(uri, sizeof(uri), "hsmbridge:slot=web;object=%s%s", label, rest);
    pkey = load(host.ctx, uri, type);
    if (pkey == NULL)
        ERR_print_errors_fp(stderr);
    assert_non_null(pkey);
    return pkey;
}

EVP_PKEY *host_key(const char *label)
{
    return load_label(label, "", OSSL_STORE_INFO_PKEY);
}

EVP_PKEY *host_public_key(const char *label)
{
    return load_label(label, ";type=public", OSSL_STORE_INFO_PUBKEY);
}

/* By way of parameters, so that no encoder or decoder has a part in it. */
EVP_PKEY *host_default_half(EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_name(host.ctx, EVP_PKEY_get0_type_name(pkey), "provider=default");
    OSSL_PARAM *params = NULL;
    EVP_PKEY *half = NULL;

    assert_int_equal(EVP_PKEY_todata(pkey, EVP_PKEY_PUBLIC_KEY, &params), 1);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &half, EVP_PKEY_PUBLIC_KEY, params), 1);
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    assert_false(host_is_ours(half));
    return half;
}

bool host_is_ours(const EVP_PKEY *pkey)
{
    return EVP_PKEY_get0_provider(pkey) == host.ours;
}

void host_assert_error(const char *part)
{
    const char *data = NULL;
    int flags = 0;
    unsigned long code = ERR_peek_last_error_data(&data, &flags);

    if (code == 0 || !(flags & ERR_TXT_STRING) || strstr(data, part) == NULL)
        fail_msg("'%s' does not say '%s'", code != 0 ? data : "nothing", part);
    assert_non_null(ERR_reason_error_string(code));
    ERR_clear_error();
}

void host_assert_said(const char *part)
{
    const char *data = NULL;
    bool said = false;
    int flags = 0;

    while (ERR_get_error_all(NULL, NULL, NULL, &data, &flags) != 0)
        said = said || ((flags & ERR_TXT_STRING) && strstr(data, part) != NULL);
    if (!said)
        fail_msg("nothing says '%s'", part);
}

void host_assert_quiet(void)
{
    if (ERR_peek_error() != 0) {
        ERR_print_errors_fp(stderr);
        fail_msg("%s", "errors were raised");
    }
}

void host_set_up(EVP_PKEY_CTX *ctx, const struct host_signing *how)
{
    if (how->padding != 0)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, how->padding), 1);
    if (how->salt != 0)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, how->salt), 1);
    if (how->mgf1 != NULL)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, how->mgf1, NULL), 1);
}

size_t host_sign(EVP_PKEY *pkey, const struct host_signing *how, unsigned char sig[512])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    size_t len = 512;

    assert_int_equal(EVP_DigestSignInit_ex(md, &ctx, how->digest, host.ctx,
                                           host_is_ours(pkey) ? host.properties : NULL, pkey, NULL),
                     1);
    host_set_up(ctx, how);
    if (EVP_DigestSign(md, sig, &len, message, sizeof(message)) != 1)
        len = 0;
    EVP_MD_CTX_free(md);
    return len;
}

bool host_verify(EVP_PKEY *pkey, const struct host_signing *how, const unsigned char *sig,
                 size_t len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    bool good;

    assert_int_equal(EVP_DigestVerifyInit_ex(md, &ctx, how->digest, host.ctx,
                                             host_is_ours(pkey) ? host.properties : NULL, pkey,
                                             NULL),
                     1);
    host_set_up(ctx, how);
    good = EVP_DigestVerify(md, sig, len, message, sizeof(message)) == 1;
    EVP_MD_CTX_free(md);
    return good;
}
