/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_key.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "remote/config/uri.h"
#include "remote/local/libctx.h"

static remote_tls_key_maker *maker; /* set once, before there is a second thread */

void remote_tls_key_made_by(remote_tls_key_maker *made_by)
{
    maker = made_by;
}

/* CKA_ID is the hash that a certificate's subject key identifier has (RFC 5280 4.2.1.2). */
static enum remote_rc find_version(struct remote_slot *slot, X509 *cert,
                                   struct remote_key_list *ret, struct remote_error *err)
{
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_pubkey_digest(cert, EVP_sha1(), id, &len) != 1)
        return remote_crypto_fail(err, "client_cert_file has no usable public key");
    return remote_slot_find_id(slot, remote_slice(id, len), ret, err);
}

static enum remote_rc find_key(struct remote_core *core, const struct remote_uri *uri, X509 *cert,
                               struct remote_key_list *ret, struct remote_error *err)
{
    struct remote_slot *slot = remote_core_find_slot(core, uri->slot != NULL ? uri->slot : "");

    if (slot == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND,
                           "client_key_file: '%s' names no slot that "
                           "there is; it must have token=SLOT",
                           uri->text);
    REMOTE_TRY(find_version(slot, cert, ret, err));
    if (ret->count > 0 && (uri->object == NULL || strcmp(ret->keys[0]->name, uri->object) == 0))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND,
                       "client_key_file: slot '%s' has no key%s%s%s with the public key that is in "
                       "client_cert_file",
                       remote_slot_name(slot), uri->object != NULL ? " '" : "",
                       uri->object != NULL ? uri->object : "", uri->object != NULL ? "'" : "");
}

enum remote_rc remote_tls_key_find(struct remote_core *core, const char *text, X509 *cert,
                                   EVP_PKEY **ret, struct remote_error *err)
{
    CLEANUP(remote_uri_clear) struct remote_uri uri = { 0 };
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

    if (maker == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "client_key_file: this program takes files only, no URI");
    REMOTE_TRY(remote_uri_parse(text, &uri, err));
    REMOTE_TRY(find_key(core, &uri, cert, &keys, err));
    return maker(keys.keys[0], ret, err);
}
