/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KES's credentials: a client certificate from files, or an API key, from which one is derived.
 * KES has no session: each connection is the identity. So a grant only says whose turn it is,
 * and what counts is the certificate that the slot's TLS has.
 */
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "kes.h"
#include "remote/slot_private.h"

/* How long until a changed api_key_file is looked at; it costs one small request. */
#define API_KEY_LIFETIME_S 300

/* ---- the identity in use ---- */

void kes_identity(struct kes *kes, char ret[KES_IDENTITY_LEN + 1])
{
    remote_lock_acquire(&kes->lock);
    memcpy(ret, kes->identity, sizeof(kes->identity));
    remote_lock_release(&kes->lock);
}

static bool is_current(struct kes *kes, struct remote_slice api_key)
{
    bool same;

    remote_lock_acquire(&kes->lock);
    same = kes->current.data != NULL && remote_secret_equal(&kes->current, api_key);
    remote_lock_release(&kes->lock);
    return same;
}

static enum remote_rc note_current(struct kes *kes, struct remote_slice api_key,
                                   const char identity[KES_IDENTITY_LEN + 1],
                                   struct remote_error *err)
{
    enum remote_rc rc;

    remote_lock_acquire(&kes->lock);
    rc = remote_secret_set(&kes->current, api_key.data, api_key.len, err);
    if (rc == REMOTE_OK)
        memcpy(kes->identity, identity, sizeof(kes->identity));
    remote_lock_release(&kes->lock);
    return rc;
}

/* Connections are made as this API key from here on. Called by one login at a time. */
static enum remote_rc become(struct kes *kes, struct remote_slice api_key, struct remote_error *err)
{
    char identity[KES_IDENTITY_LEN + 1];
    EVP_PKEY *pkey = NULL;
    X509 *cert = NULL;
    enum remote_rc rc;

    if (is_current(kes, api_key))
        return REMOTE_OK;
    REMOTE_TRY(kes_identity_derive(api_key, &cert, &pkey, err));
    rc = kes_identity_of(pkey, identity, err);
    if (rc == REMOTE_OK)
        rc = remote_tls_set_client(&kes->base.slot->tls, cert, pkey, err);
    if (rc == REMOTE_OK)
        rc = note_current(kes, api_key, identity, err);
    X509_free(cert);
    EVP_PKEY_free(pkey);
    return rc;
}

static enum remote_rc become_configured(struct kes *kes, struct remote_secret *ret,
                                        struct remote_error *err)
{
    REMOTE_TRY(remote_credential_get(kes->api_key, ret, err));
    return become(kes, remote_secret_slice(ret), err);
}

/* ---- configuration ---- */

static enum remote_rc need_tls(const struct kes *kes, const struct remote_section *section,
                               struct remote_error *err)
{
    const struct remote_endpoints *endpoints = &kes->base.slot->endpoints;

    for (size_t i = 0; i < endpoints->count; i++)
        if (!endpoints->list[i].tls)
            return remote_section_fail(section, "url", err,
                                       "must begin with https://; KES knows clients by their "
                                       "certificates");
    return REMOTE_OK;
}

/* The identity is of the certificate: its private key may be another slot's, not known yet. */
static enum remote_rc open_certificate(struct kes *kes, const struct remote_section *section,
                                       struct remote_error *err)
{
    X509 *cert;

    if (!remote_tls_has_client(&kes->base.slot->tls))
        return remote_section_fail(section, "api_key_file", err,
                                   "missing; KES needs an API key (or pin = apikey), or "
                                   "client_cert_file with client_key_file");
    cert = sk_X509_value(kes->base.slot->tls.chain, 0);
    if (X509_check_ca(cert) != 0)
        return remote_section_fail(section, "client_cert_file", err,
                                   "its first certificate may sign others (CA:TRUE), and KES "
                                   "passes over such; make one with basicConstraints CA:FALSE");
    return kes_identity_of(X509_get0_pubkey(cert), kes->identity, err);
}

static enum remote_rc open_api_key(struct kes *kes, const struct remote_section *section,
                                   struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret api_key = { 0 };
    struct remote_error why = { 0 };
    enum remote_rc rc = become_configured(kes, &api_key, &why);

    if (rc == REMOTE_E_PARAM)
        return remote_section_fail(section, "api_key_file", err, "%s", why.text);
    if (rc != REMOTE_OK && err != NULL)
        *err = why;
    return rc;
}

enum remote_rc kes_auth_open(struct kes *kes, const struct remote_section *section,
                             struct remote_error *err)
{
    bool cert = remote_tls_has_client(&kes->base.slot->tls);

    REMOTE_TRY(need_tls(kes, section, err));
    kes->pin_is_key = remote_section_has(section, "pin");
    REMOTE_TRY(remote_credential_open(section, "api_key", &kes->api_key, err));
    if (cert + kes->pin_is_key + (kes->api_key != NULL) > 1)
        return remote_section_fail(section, cert ? "client_cert_file" : "pin", err,
                                   "one of client_cert_file, api_key_file and pin = apikey; a "
                                   "connection has one identity");
    if (kes->pin_is_key)
        return REMOTE_OK;
    return kes->api_key ? open_api_key(kes, section, err) : open_certificate(kes, section, err);
}

void kes_auth_close(struct kes *kes)
{
    remote_credential_close(kes->api_key);
    remote_secret_clear(&kes->current);
}

/* ---- grants ---- */

bool kes_pin_fits(const struct remote_conn *conn, struct remote_slice pin)
{
    (void)conn;
    return kes_api_key_fits(pin);
}

enum remote_rc kes_grant(struct remote_conn *conn, struct remote_slice pin,
                         struct remote_grant *ret, struct remote_error *err)
{
    static const char certificate[] = "client certificate";
    struct kes *kes = (struct kes *)conn;

    memset(ret, 0, sizeof(*ret));
    if (kes->pin_is_key) {
        REMOTE_TRY(become(kes, pin, err));
        return remote_secret_set(&ret->token, pin.data, pin.len, err);
    }
    if (kes->api_key != NULL)
        return become_configured(kes, &ret->token, err);
    return remote_secret_set(&ret->token, certificate, sizeof(certificate) - 1, err);
}

/* The one path that needs no right: it shows that KES takes the certificate, no more. */
enum remote_rc kes_build_prove(struct remote_conn *conn, const struct remote_op *op,
                               const struct remote_grant *grant, unsigned attempt,
                               struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)op, (void)grant, (void)attempt, (void)err;
    request->method = "GET";
    remote_buf_append_str(&request->path, "/version");
    return REMOTE_OK;
}

enum remote_rc kes_parse_prove(struct remote_conn *conn, struct remote_op *op,
                               const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct kes *kes = (struct kes *)conn;

    REMOTE_TRY(kes_reply(kes, op, reply, &json, err));
    if (remote_json_text(json, "version") == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "no KES answers there; check url");
    op->grant.lifetime_s = kes->api_key != NULL ? API_KEY_LIFETIME_S : 0;
    return REMOTE_OK;
}
