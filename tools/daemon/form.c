/* SPDX-License-Identifier: Apache-2.0 */
#include "form.h"

/* clang-format off */
static const struct remote_params forms[DAEMON_FORM_COUNT] = { /* tried in this order */
    [DAEMON_FORM_AEAD] = { .alg = REMOTE_ALG_AEAD },
    [DAEMON_FORM_AES_GCM] = { .alg = REMOTE_ALG_AES_GCM },
    [DAEMON_FORM_OAEP_256] = { .alg = REMOTE_ALG_RSA_OAEP, .hash = REMOTE_HASH_SHA256,
                               .mgf_hash = REMOTE_HASH_SHA256 },
    [DAEMON_FORM_OAEP_1] = { .alg = REMOTE_ALG_RSA_OAEP, .hash = REMOTE_HASH_SHA1,
                             .mgf_hash = REMOTE_HASH_SHA1 },
};
/* clang-format on */

const struct remote_params *daemon_form_params(enum daemon_form form)
{
    return &forms[form];
}

static enum remote_rc may(const struct remote_key *key, const struct remote_params *params,
                          enum remote_use data, enum remote_use keys, struct remote_error *err)
{
    bool for_keys = (key->uses & data) == 0 && (key->uses & keys) != 0;

    return remote_key_check(key, params, for_keys ? keys : data, err);
}

enum remote_rc daemon_form_choose(const struct remote_key *key, enum daemon_form *ret,
                                  struct remote_error *err)
{
    enum remote_rc rc = REMOTE_E_UNSUPPORTED;

    for (int i = DAEMON_FORM_AEAD; i < DAEMON_FORM_COUNT; i++) {
        const struct remote_params *params = &forms[i];

        if ((params->alg == REMOTE_ALG_RSA_OAEP) != (key->type == REMOTE_KEY_RSA))
            continue;
        rc = may(key, params, REMOTE_USE_ENCRYPT, REMOTE_USE_WRAP, err);
        if (rc == REMOTE_OK)
            rc = may(key, params, REMOTE_USE_DECRYPT, REMOTE_USE_UNWRAP, err);
        if (rc == REMOTE_OK) {
            *ret = (enum daemon_form)i;
            return REMOTE_OK;
        }
        if (rc != REMOTE_E_UNSUPPORTED && rc != REMOTE_E_PARAM)
            return rc;
    }
    return rc;
}
