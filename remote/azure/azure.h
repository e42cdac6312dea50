/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the Azure backend share: signing and the rest (backend_azure.c), opening and
 * sealing (azure_crypt.c), which keys there are (azure_keys.c), what changes them (azure_life.c),
 * JSON Web Keys (azure_jwk.c), clouds and links (azure_cloud.c), what answers mean (azure_reply.c),
 * and credentials (auth_azure.c, auth_azure_managed.c, auth_azure_assertion.c, auth_azure_json.c).
 * Source: the REST reference of Key Vault and Managed HSM 7.4, the documentation of Entra ID and of
 * managed identities, and the recordings that Microsoft's SDKs publish.
 */
#ifndef REMOTE_AZURE_H
#define REMOTE_AZURE_H

#include "remote/backend.h"
#include "remote/file.h"
#include "remote/fork.h"
#include "remote/json.h"
#include "remote/local/local.h"

#define AZURE_NAME_MAX 127   /* of a key: [0-9a-zA-Z-] */
#define AZURE_VERSION_LEN 32 /* hex digits */
#define AZURE_KEY_SIZE_TAG "key_size"
/* "A single block of data", says the documentation, and no more; the request is held in memory. */
#define AZURE_INPUT_MAX (64u * 1024u)

/* ---- clouds and links ---- */

struct azure_cloud {
    const char *word;      /* of the option `cloud` */
    const char *json_name; /* in azure.json */
    const char *authority; /* NULL: must be configured */
    const char *vaults, *hsms;
};
const struct azure_cloud *azure_cloud_by_word(const char *word);
/* As azure.json names it, in any case; "" is the public cloud. NULL: one that is not served. */
const struct azure_cloud *azure_cloud_by_json_name(const char *name);

struct azure_place { /* where a slot's service is, and so what its tokens are for */
    bool hsm;
    char *resource; /* "https://vault.azure.net"; owned */
};
/* From the slot's hosts and its cloud: nothing that a service says has a part in it. */
enum remote_rc azure_place_find(const struct remote_slot *slot, const struct azure_cloud *cloud,
                                const struct remote_section *section, struct azure_place *ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * The path and query of a nextLink, when it leads to the slot's own service and to /keys.
 * REMOTE_E_PROTOCOL: it leads elsewhere, or to `current` again (may be NULL).
 */
enum remote_rc azure_next_page(const struct remote_slot *slot, const char *link,
                               const char *current, char **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* ---- credentials ---- */

enum azure_auth {
    AZURE_AUTH_CLIENT_SECRET,
    AZURE_AUTH_CLIENT_CERT,
    AZURE_AUTH_MANAGED_IDENTITY,
    AZURE_AUTH_WORKLOAD_IDENTITY,
    AZURE_AUTH_JSON,
    AZURE_AUTH_COUNT
};

enum azure_source { /* who speaks for the machine's identity */
                    AZURE_SOURCE_IMDS,
                    AZURE_SOURCE_APP_SERVICE,
                    AZURE_SOURCE_ARC
};

struct azure_managed {
    enum azure_source source;
    unsigned origin;
    char *path;                  /* of its token endpoint */
    struct remote_secret header; /* IDENTITY_HEADER of App Service */
};

struct azure {
    struct remote_conn base; /* first: the core sees a conn, the backend's files see an azure */
    struct azure_place place;
    const char *api_version; /* of the section, or static */
    bool hsm_keys;           /* makes and imports into an HSM where there is a choice */
    bool certs;              /* shows certificates of the vault */
    enum azure_auth auth;
    const char *tenant, *client_id; /* of the section or of azure.json; NULL: none */
    char *tenant_env, *client_env;  /* what workload identity's environment says */
    char *authority;                /* "https://login.microsoftonline.com" */
    unsigned authority_origin;      /* 0: not needed */
    struct remote_credential *secret, *jwt, *json;
    struct azure_managed managed;
    struct remote_lock cert_lock;      /* of cert_file; REMOTE_LOCK_POOL */
    struct remote_kept_file cert_file; /* PKCS#12 that azure.json names */
    bool pin_is_secret;
};

enum remote_rc azure_auth_open(struct azure *azure, const struct remote_section *section,
                               struct remote_error *err) REMOTE_MUST_CHECK;
void azure_auth_close(struct azure *azure);
bool azure_pin_fits(const struct remote_conn *conn, struct remote_slice pin);

/* azure.json, as AKS and kubernetes-kms have it. */
enum azure_proof { AZURE_PROOF_MANAGED, AZURE_PROOF_SECRET, AZURE_PROOF_CERT };
struct azure_json { /* texts point into the JSON */
    remote_json *json;
    enum azure_proof proof;
    const struct azure_cloud *cloud;
    const char *tenant, *client_id; /* MANAGED: the user-assigned identity, or NULL */
    const char *secret, *cert_path, *cert_password;
};
/* REMOTE_E_CONFIG: it cannot be used, and what would be right. azure_json_clear() it. */
enum remote_rc azure_json_read(struct remote_slice text, struct azure_json *ret,
                               struct remote_error *err) REMOTE_MUST_CHECK;
void azure_json_clear(struct azure_json *json);

/* Chooses where the identity comes from, by what the platform has put into the environment. */
enum remote_rc azure_managed_open(struct azure *azure, const struct remote_section *section,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
void azure_managed_close(struct azure *azure);
/* client_id: of a user-assigned identity; NULL: the machine's own. */
enum remote_rc azure_managed_build(const struct azure *azure, const struct remote_op *op,
                                   const char *client_id, struct remote_request *request,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/* True when the reply is Arc's challenge: then op has what the next step needs. */
bool azure_arc_challenged(const struct azure *azure, struct remote_op *op,
                          const struct remote_reply *reply);
/* The secret that Arc's challenge names, which must lie in `dir`. */
enum remote_rc azure_arc_read_key(const char *dir, const char *path, struct remote_secret *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

struct x509_st;
struct evp_pkey_st;
/* A client assertion (RFC 7523), signed with PS256 and naming the certificate by x5t#S256. */
enum remote_rc azure_assertion(struct x509_st *cert, struct evp_pkey_st *pkey, const char *audience,
                               const char *client_id, struct remote_buf *ret,
                               struct remote_error *err) REMOTE_MUST_CHECK;
/* Certificate and key of a PKCS#12 file; one reference to each. */
enum remote_rc azure_read_pkcs12(struct remote_slice file, const char *password,
                                 struct x509_st **ret_cert, struct evp_pkey_st **ret_pkey,
                                 struct remote_error *err) REMOTE_MUST_CHECK;

enum remote_rc azure_build_login(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err);
enum remote_rc azure_parse_login(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err);

/* ---- keys ---- */

bool azure_is_name(struct remote_slice name);
/* Name and version of ".../keys/NAME[/VERSION]"; *ret_version is empty where there is none. */
bool azure_split_kid(const char *kid, struct remote_slice *ret_name,
                     struct remote_slice *ret_version);
bool azure_same_id(struct remote_slice a, struct remote_slice b); /* in any case */

/* JSON Web Keys (RFC 7518 section 6) */
struct azure_curve {
    const char *wire;
    int nid;
    unsigned bits;
    struct remote_slice oid; /* content of the DER OBJECT IDENTIFIER */
};
const struct azure_curve *azure_curve_of(int nid);
/* Sets what a key's public half, or its type, says. `bits`: of an oct key. */
enum remote_rc azure_jwk_to_key(const remote_json *jwk, unsigned bits, struct remote_key *ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;
/* Appends the members of a private or secret key behind an open brace. */
enum remote_rc azure_jwk_append_private(struct remote_buf *buf, const struct remote_key_spec *spec,
                                        bool hsm, struct remote_slice material,
                                        struct remote_error *err) REMOTE_MUST_CHECK;
/* "RSA", "EC-HSM", ...; NULL: a type that Azure has not. */
const char *azure_kty(enum remote_key_type type, bool hsm);

/* A key from a KeyBundle, with one reference. */
enum remote_rc azure_bundle_to_key(struct remote_slot *slot, const char *name,
                                   const remote_json *bundle, struct remote_key **ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;

enum remote_rc azure_build_list(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err);
enum remote_rc azure_parse_list(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err);
enum remote_rc azure_build_read(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err);
enum remote_rc azure_parse_read(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err);

enum remote_rc azure_build_generate(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err);
enum remote_rc azure_build_import(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err);
enum remote_rc azure_parse_made(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err);
enum remote_rc azure_build_rotate(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err);
enum remote_rc azure_parse_rotate(struct remote_conn *conn, struct remote_op *op,
                                  const struct remote_reply *reply, struct remote_error *err);
enum remote_rc azure_build_destroy(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err);
enum remote_rc azure_parse_destroy(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err);

enum remote_rc azure_build_encrypt(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err);
enum remote_rc azure_build_decrypt(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err);
enum remote_rc azure_parse_crypt(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err);

/* ---- requests and answers ---- */

/* Method and the headers of every request; the token where there is a grant. */
void azure_begin(const char *method, const struct remote_grant *grant,
                 struct remote_request *request);
/* "/keys/NAME/VERSION/VERB?api-version=..."; NULL parts are left out. */
void azure_add_path(struct remote_request *request, const struct azure *azure,
                    const char *collection, const char *name, const char *version,
                    const char *verb);
/* A POST to the pinned version: '{"alg":"..."' stands in the body. */
void azure_begin_on_key(const struct remote_conn *conn, const struct remote_op *op,
                        const struct remote_grant *grant, const char *verb, const char *alg,
                        struct remote_request *request);
/* ,"MEMBER":"BASE64URL" */
void azure_add_bytes(struct remote_buf *body, const char *member, struct remote_slice bytes);
bool azure_take_bytes(const remote_json *json, const char *member, struct remote_buf *ret);
/*
 * Reads the reply of an operation: the parsed JSON (remote_json_free() it) when it is a success,
 * else what its status and codes mean for this kind of operation.
 */
enum remote_rc azure_reply(const struct remote_op *op, const struct remote_reply *reply,
                           remote_json **ret, struct remote_error *err) REMOTE_MUST_CHECK;
/* The same of an operation with a key, whose answer must be of the pinned version. */
enum remote_rc azure_key_reply(const struct remote_op *op, const struct remote_reply *reply,
                               remote_json **ret, struct remote_error *err) REMOTE_MUST_CHECK;
/* A number that some services write as a string. */
bool azure_json_number(const remote_json *json, const char *path, int64_t *ret);

#endif
