/* SPDX-License-Identifier: Apache-2.0 */
#include "choose.h"

#include <openssl/obj_mac.h>
#include <string.h>

#include "fail.h"
#include "io.h"
#include "output.h"
#include "slot.h"
#include "suggest.h"

#define SIGNATURES (REMOTE_USE_SIGN | REMOTE_USE_VERIFY)

/*
 * RSA signs PKCS#1 v1.5: what every verifier checks when told nothing but the hash. A PSS
 * signature needs its padding and salt told to the verifier as well, so it is asked for by name.
 */
static const char *default_signature(const struct remote_key *key)
{
    switch (key->type) {
    case REMOTE_KEY_RSA:
        return "SHA256-RSA-PKCS";
    case REMOTE_KEY_EC: /* the hash as strong as the curve (FIPS 186-5 section 6.1) */
        return key->curve == NID_secp384r1   ? "ECDSA-SHA384"
               : key->curve == NID_secp521r1 ? "ECDSA-SHA512"
                                             : "ECDSA-SHA256";
    case REMOTE_KEY_ED25519:
        return "EDDSA";
    case REMOTE_KEY_GENERIC:
        return "SHA256-HMAC";
    case REMOTE_KEY_SM2:
        return "HSMBRIDGE-SM2-SM3";
    default:
        return NULL;
    }
}

/* The service's own sealed bytes, where it has such: they tell the key's version, and its other
 * clients open them. */
static const char *default_cipher(const struct remote_key *key)
{
    switch (key->type) {
    case REMOTE_KEY_RSA:
        return "RSA-PKCS-OAEP";
    case REMOTE_KEY_AES:
        return remote_slot_can(key->slot, remote_mechanism_by_name("HSMBRIDGE-AEAD"))
                   ? "HSMBRIDGE-AEAD"
                   : "AES-GCM";
    case REMOTE_KEY_CHACHA20:
        return "HSMBRIDGE-AEAD";
    case REMOTE_KEY_SM4:
        return "HSMBRIDGE-SM4";
    default:
        return NULL;
    }
}

/* One name may have several rows: RSA-PKCS signs, and it encrypts. Verifying needs no service. */
static const struct remote_mechanism *find(const char *name, const struct remote_key *key,
                                           enum remote_use use)
{
    const struct remote_mechanism *row = remote_mechanism_by_name(name);

    if (row)
        row = remote_mechanism_find(row->ckm, key->type, use);
    return row && (use == REMOTE_USE_VERIFY || remote_slot_can(key->slot, row)) ? row : NULL;
}

/* PSS with the hash left to a parameter: the rows that name the hash say it better. */
static bool needs_parameter(const struct remote_mechanism *row)
{
    return row->alg == REMOTE_ALG_RSA_PSS && row->hash == REMOTE_HASH_NONE;
}

static int no_such_mechanism(const char *name, const struct remote_key *key, enum remote_use use)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const char *names[64];
    size_t count = 0;

    for (size_t i = 0; count < ARRAY_SIZE(names) && i < remote_mechanism_count; i++) {
        const struct remote_mechanism *row = &remote_mechanisms[i];

        if (row->key == key->type && (row->uses & use) && !needs_parameter(row) &&
            remote_slot_can(key->slot, row))
            names[count++] = row->name;
    }
    remote_buf_printf(&text, "key '%s' (%s) cannot ", key->name, remote_key_type_name(key->type));
    tools_output_uses(use, &text);
    remote_buf_printf(&text, " with '%s'", name);
    tools_suggest(&text, name, names, count, "it takes");
    return tools_fail(TOOLS_USAGE, "%s", text.failed ? "out of memory" : (char *)text.data);
}

static int find_row(const struct tools_args *args, const struct remote_key *key,
                    enum remote_use use, const struct remote_mechanism **ret)
{
    const char *name = args->mechanism;

    if (!name)
        name = use & SIGNATURES ? default_signature(key) : default_cipher(key);
    if (key->type == REMOTE_KEY_FHE)
        return tools_fail(TOOLS_USAGE, "key '%s' (fhe) is for 'hsmbridge zama decrypt'", key->name);
    if (!name)
        return tools_fail(TOOLS_USAGE, "key '%s' (%s) is for %s", key->name,
                          remote_key_type_name(key->type),
                          use & SIGNATURES ? "encryption, not for signatures"
                                           : "signatures, not for encryption");
    *ret = find(name, key, use);
    if (!*ret)
        return no_such_mechanism(name, key, use);
    if (needs_parameter(*ret))
        return tools_fail(TOOLS_USAGE,
                          "'%s' says nothing of the hash; name it: "
                          "--mechanism SHA256-RSA-PKCS-PSS --digest",
                          name);
    return TOOLS_OK;
}

static int read_aad(const struct tools_args *args, struct remote_buf *ret)
{
    if (args->aad && args->aad_file)
        return tools_fail(TOOLS_USAGE, "--aad and --aad-file both give it: take one of them");
    if (args->aad)
        remote_buf_append_str(ret, args->aad);
    return args->aad_file ? tools_io_read(args->aad_file, ret) : TOOLS_OK;
}

bool tools_choice_is_pair(const struct remote_mechanism *row)
{
    return row->alg == REMOTE_ALG_ECDSA || row->alg == REMOTE_ALG_SM2;
}

/* Options that this mechanism has no use for would be ignored in silence: refuse them. */
static int check_options(const struct tools_args *args, const struct remote_mechanism *row)
{
    bool takes_aad = row->alg == REMOTE_ALG_AEAD || row->alg == REMOTE_ALG_AES_GCM;
    bool hashes = row->hash_here && row->hash != REMOTE_HASH_NONE;

    if (args->salt_length != TOOLS_SALT_AS_HASH && row->alg != REMOTE_ALG_RSA_PSS)
        return tools_fail(TOOLS_USAGE, "--salt-length is for PSS, not for %s", row->name);
    if ((args->aad || args->aad_file) && !takes_aad)
        return tools_fail(TOOLS_USAGE, "%s takes no associated data", row->name);
    if ((args->der || args->raw) && !tools_choice_is_pair(row))
        return tools_fail(TOOLS_USAGE, "--%s is for ECDSA and SM2, not for %s",
                          args->der ? "der" : "raw", row->name);
    if (args->der && args->raw)
        return tools_fail(TOOLS_USAGE, "--der and --raw exclude each other");
    if (args->digest && !hashes)
        return tools_fail(TOOLS_USAGE, "--digest: %s does not hash its input", row->name);
    return TOOLS_OK;
}

static void set_params(const struct tools_args *args, const struct remote_mechanism *row,
                       struct tools_choice *ret)
{
    struct remote_params *params = &ret->params;

    params->alg = row->alg;
    params->hash = row->hash;
    if (row->alg == REMOTE_ALG_RSA_OAEP && row->hash == REMOTE_HASH_NONE)
        params->hash = REMOTE_HASH_SHA256;
    if (row->alg == REMOTE_ALG_RSA_OAEP || row->alg == REMOTE_ALG_RSA_PSS)
        params->mgf_hash = params->hash;
    if (row->alg == REMOTE_ALG_RSA_PSS)
        params->salt_len = args->salt_length == TOOLS_SALT_AS_HASH ? remote_hash_size(row->hash)
                                                                   : (size_t)args->salt_length;
    params->aad = remote_buf_slice(&ret->aad);
    ret->row = row;
}

int tools_choose(const struct tools_args *args, const struct remote_key *key, enum remote_use use,
                 struct tools_choice *ret)
{
    const struct remote_mechanism *row = NULL;
    struct remote_error err = { 0 };

    TOOLS_TRY(find_row(args, key, use, &row));
    TOOLS_TRY(check_options(args, row));
    TOOLS_TRY(read_aad(args, &ret->aad));
    set_params(args, row, ret);
    if (remote_key_check(key, &ret->params, use, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return TOOLS_OK;
}

void tools_choice_clear(struct tools_choice *choice)
{
    remote_buf_clear(&choice->aad);
}

int tools_choose_input(const struct tools_args *args, const struct tools_choice *choice,
                       struct remote_buf *ret)
{
    if (choice->row->hash_here && !args->digest)
        return tools_io_digest(args->in, choice->row->hash, ret);
    return tools_io_read(args->in, ret);
}
