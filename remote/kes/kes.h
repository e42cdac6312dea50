/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the KES backend share: cryptographic operations (backend_kes.c), keys
 * (kes_keys.c), walking through many names (kes_walk.c), what changes keys (kes_life.c),
 * credentials (auth_kes.c), the certificate that an API key stands for (kes_identity.c), and what
 * answers mean (kes_reply.c). Source: recordings of a KES of May 2025.
 */
#ifndef REMOTE_KES_H
#define REMOTE_KES_H

#include "kes_stored.h"
#include "remote/backend.h"
#include "remote/fork.h"
#include "remote/json.h"

#define KES_OVERHEAD (16 + 16 + 12) /* tag, iv and nonce behind the ciphertext proper */
#define KES_BODY_MAX 1000000u       /* of a request, in bytes */
#define KES_IDENTITY_LEN 64         /* hex digits of SHA-256 over the SubjectPublicKeyInfo */

/*
 * One name stands for two independent keys, made and destroyed together: the cipher's and one for
 * HMAC. The core sees them as two versions of the name, of different types.
 */
enum { KES_VERSION_CIPHER = 1, KES_VERSION_HMAC = 2 };

struct kes {
    struct remote_conn base;           /* first: the core sees a conn */
    struct remote_credential *api_key; /* NULL: it is the PIN, or there is a certificate */
    bool pin_is_key;
    atomic_bool no_hmac;          /* this server is older than its HMAC operation */
    struct remote_lock lock;      /* REMOTE_LOCK_POOL: for the two below */
    struct remote_secret current; /* the API key whose certificate is in use */
    char identity[KES_IDENTITY_LEN + 1];
};

/* ---- credentials ---- */
enum remote_rc kes_auth_open(struct kes *kes, const struct remote_section *section,
                             struct remote_error *err) REMOTE_MUST_CHECK;
void kes_auth_close(struct kes *kes);
bool kes_pin_fits(const struct remote_conn *conn, struct remote_slice pin);
enum remote_rc kes_grant(struct remote_conn *conn, struct remote_slice pin,
                         struct remote_grant *ret, struct remote_error *err);
/* Copies the identity that KES knows this client by; "" while there is none. */
void kes_identity(struct kes *kes, char ret[KES_IDENTITY_LEN + 1]);

struct x509_st;
struct evp_pkey_st;
/* "kes:v1:" and the base64 of a zero byte and the 32 bytes of an Ed25519 seed. */
bool kes_api_key_fits(struct remote_slice api_key);
/*
 * The key pair that an API key is, and the self-signed certificate that presents it. Free both.
 * REMOTE_E_PARAM: not of an API key's form.
 */
enum remote_rc kes_identity_derive(struct remote_slice api_key, struct x509_st **ret_cert,
                                   struct evp_pkey_st **ret_pkey, struct remote_error *err)
    REMOTE_MUST_CHECK;
enum remote_rc kes_identity_of(struct evp_pkey_st *pkey, char ret[KES_IDENTITY_LEN + 1],
                               struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- names ---- */
/*
 * KES lists at most 1024 names and cannot go on from where it stopped: what is behind is reached
 * by longer prefixes. A page is "PREFIX/FROM": names that begin with the one and are not before
 * the other. REMOTE_OK with *ret NULL: there is no further page.
 */
struct remote_slice kes_walk_prefix(const char *page);
const char *kes_walk_from(const char *page);
/* The page behind one that was answered; continue_at: as KES said, NULL: it was complete. */
enum remote_rc kes_walk_next(const char *page, const char *continue_at, char **ret,
                             struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- requests and answers ---- */
/* Method and "/v1/key/VERB/NAME". */
void kes_begin(struct remote_request *request, const char *method, const char *verb,
               struct remote_slice name);
/* REMOTE_E_LENGTH: the body is more than KES takes. */
enum remote_rc kes_check_body(const struct remote_request *request, struct remote_error *err);
/*
 * Reads a reply: the parsed JSON (remote_json_free() it; NULL where success has no body), else
 * what status and message mean for this kind of operation.
 */
enum remote_rc kes_reply(struct kes *kes, const struct remote_op *op,
                         const struct remote_reply *reply, remote_json **ret,
                         struct remote_error *err) REMOTE_MUST_CHECK;
/* Appends the bytes of a base64 member. REMOTE_E_PROTOCOL: missing or malformed. */
enum remote_rc kes_take_bytes(const remote_json *json, const char *member, struct remote_buf *out,
                              struct remote_error *err) REMOTE_MUST_CHECK;

typedef enum remote_rc kes_build_fn(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err);
typedef enum remote_rc kes_parse_fn(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err);

kes_build_fn kes_build_prove, kes_build_list, kes_build_read, kes_build_generate, kes_build_import,
    kes_build_destroy, kes_build_data_key;
kes_parse_fn kes_parse_prove, kes_parse_list, kes_parse_read, kes_parse_done, kes_parse_data_key;

#endif
