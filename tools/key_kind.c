/* SPDX-License-Identifier: Apache-2.0 */
#include "key_kind.h"

#include <string.h>
#include <strings.h>

#include <openssl/obj_mac.h>

#include "fail.h"
#include "suggest.h"

static const struct kind {
    const char *word;
    struct remote_key_spec spec;
} kinds[] = {
    { "ecdsa-p224", { REMOTE_KEY_EC, 224, NID_secp224r1, 0 } },
    { "ecdsa-p256", { REMOTE_KEY_EC, 256, NID_X9_62_prime256v1, 0 } },
    { "ecdsa-p384", { REMOTE_KEY_EC, 384, NID_secp384r1, 0 } },
    { "ecdsa-p521", { REMOTE_KEY_EC, 521, NID_secp521r1, 0 } },
    { "ecdsa-p256k", { REMOTE_KEY_EC, 256, NID_secp256k1, 0 } },
    { "ed25519", { REMOTE_KEY_ED25519, 256, 0, 0 } },
    { "rsa-2048", { REMOTE_KEY_RSA, 2048, 0, 0 } },
    { "rsa-3072", { REMOTE_KEY_RSA, 3072, 0, 0 } },
    { "rsa-4096", { REMOTE_KEY_RSA, 4096, 0, 0 } },
    { "aes-128", { REMOTE_KEY_AES, 128, 0, 0 } },
    { "aes-192", { REMOTE_KEY_AES, 192, 0, 0 } },
    { "aes-256", { REMOTE_KEY_AES, 256, 0, 0 } },
    { "chacha20", { REMOTE_KEY_CHACHA20, 256, 0, 0 } },
    { "hmac", { REMOTE_KEY_GENERIC, 256, 0, 0 } },
    { "sm2", { REMOTE_KEY_SM2, 256, NID_sm2, 0 } },
    { "sm4-ctr", { REMOTE_KEY_SM4, 128, NID_sm4_ctr, 0 } },
    { "sm4-cbc", { REMOTE_KEY_SM4, 128, NID_sm4_cbc, 0 } },
};

int tools_key_kind(const char *word, struct remote_key_spec *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const char *words[ARRAY_SIZE(kinds)];

    if (word == NULL)
        return tools_fail(TOOLS_USAGE, "--type is missing; it says which kind of key, such as "
                                       "ecdsa-p256");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        words[i] = kinds[i].word;
        if (strcasecmp(word, kinds[i].word) == 0) {
            *ret = kinds[i].spec;
            return TOOLS_OK;
        }
    }
    remote_buf_printf(&text, "--type '%s' is no kind of key", word);
    tools_suggest(&text, word, words, ARRAY_SIZE(kinds), "the kinds are");
    return tools_fail(TOOLS_USAGE, "%s", text.failed ? "out of memory" : (char *)text.data);
}

int tools_key_new_name(const struct tools_args *args)
{
    if (args->key == NULL)
        return tools_fail(TOOLS_USAGE, "--key is missing; it names the key");
    if (strchr(args->key, '@') != NULL)
        return tools_fail(TOOLS_USAGE, "--key '%s' names a version; give the key's name alone",
                          args->key);
    return TOOLS_OK;
}
