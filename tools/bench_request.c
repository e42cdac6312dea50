/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_request.h"

#include <string.h>

#include "backend.h"
#include "encode.h"
#include "fail.h"
#include "file.h"

/* Vault's words for the hashes (https://developer.hashicorp.com/vault/api-docs/secret/transit). */
static const char *const vault_hash[REMOTE_HASH_COUNT] = {
    [REMOTE_HASH_NONE] = "none",         [REMOTE_HASH_SHA1] = "sha1",
    [REMOTE_HASH_SHA224] = "sha2-224",   [REMOTE_HASH_SHA256] = "sha2-256",
    [REMOTE_HASH_SHA384] = "sha2-384",   [REMOTE_HASH_SHA512] = "sha2-512",
    [REMOTE_HASH_SHA3_224] = "sha3-224", [REMOTE_HASH_SHA3_256] = "sha3-256",
    [REMOTE_HASH_SHA3_384] = "sha3-384", [REMOTE_HASH_SHA3_512] = "sha3-512",
};

static void append_url(const struct tools_bench_job *job, struct remote_buf *ret)
{
    const struct remote_section *section = remote_slot_section(job->target.slot);
    const char *const *urls = remote_section_words(section, "url");
    const struct remote_params *params = &job->choice.params;
    const char *name = job->target.key->name;

    remote_buf_append_str(ret, urls[0] ? urls[0] : "");
    while (ret->len > 0 && ret->data[ret->len - 1] == '/')
        remote_buf_truncate(ret, ret->len - 1);
    remote_buf_printf(ret, "/v1/%s/%s/", remote_section_text(section, "mount", "transit"),
                      params->alg == REMOTE_ALG_HMAC ? "hmac" : "sign");
    remote_percent_append(ret, remote_slice_str(name));
    if (params->alg == REMOTE_ALG_HMAC)
        remote_buf_printf(ret, "/%s", vault_hash[params->hash]);
}

static void append_rsa_parameters(const struct remote_params *params, struct remote_buf *ret)
{
    remote_buf_printf(ret, ",\"prehashed\":true,\"hash_algorithm\":\"%s\"",
                      vault_hash[params->hash]);
    if (params->alg == REMOTE_ALG_RSA_PKCS1)
        remote_buf_append_str(ret, ",\"signature_algorithm\":\"pkcs1v15\"");
    else
        remote_buf_printf(ret, ",\"signature_algorithm\":\"pss\",\"salt_length\":\"%zu\"",
                          params->salt_len);
}

static void append_body(const struct tools_bench_job *job, struct remote_buf *ret)
{
    const struct remote_params *params = &job->choice.params;

    remote_buf_append_str(ret, "{\"input\":\"");
    remote_base64_append(ret, remote_buf_slice(&job->input));
    remote_buf_append_char(ret, '"');
    if (params->alg == REMOTE_ALG_ECDSA)
        remote_buf_append_str(ret, ",\"prehashed\":true,\"marshaling_algorithm\":\"jws\"");
    else if (params->alg == REMOTE_ALG_RSA_PKCS1 || params->alg == REMOTE_ALG_RSA_PSS)
        append_rsa_parameters(params, ret);
    remote_buf_printf(ret, ",\"key_version\":%u}", job->target.key->version);
}

int tools_bench_request(const struct tools_bench_job *job, struct remote_buf *ret_url,
                        struct remote_buf *ret_body)
{
    const char *backend = remote_slot_backend(job->target.slot);

    if (strcmp(backend, "vault") != 0)
        return tools_fail(TOOLS_USAGE,
                          "the bare loop does not speak to '%s' services: give --no-loop", backend);
    append_url(job, ret_url);
    append_body(job, ret_body);
    return ret_url->failed || ret_body->failed ? tools_fail(TOOLS_FAILED, "out of memory")
                                               : TOOLS_OK;
}

static int read_token_file(const char *path, struct remote_secret *ret)
{
    struct remote_error err = { 0 };
    size_t len;

    if (remote_file_read(path, REMOTE_FILE_SECRET, ret, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    len = strcspn((char *)ret->data, "\r\n");
    ret->data[len] = '\0';
    ret->len = len;
    return TOOLS_OK;
}

int tools_bench_token(const struct tools_bench_job *job, struct remote_secret *ret)
{
    struct remote_credential *credential = NULL;
    struct remote_error err = { 0 };
    enum remote_rc rc;

    if (job->args->token_file)
        return read_token_file(job->args->token_file, ret);
    rc = remote_credential_open(remote_slot_section(job->target.slot), "token", &credential, &err);
    if (rc == REMOTE_OK && !credential)
        return tools_fail(TOOLS_USAGE,
                          "slot '%s' is configured without a token: give the bare "
                          "loop one with --token-file",
                          remote_slot_name(job->target.slot));
    if (rc == REMOTE_OK)
        rc = remote_credential_get(credential, ret, &err);
    remote_credential_close(credential);
    return rc == REMOTE_OK ? TOOLS_OK : tools_fail_core(&err);
}
