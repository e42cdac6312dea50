/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the Vault backend share: transit operations (backend_vault.c), keys
 * (vault_keys.c), what changes keys (vault_life.c), credentials (auth_vault.c), and what answers
 * mean (vault_reply.c). Source: the API documentation of Vault 1.21 (transit, auth methods,
 * sys/health) and recordings of that version. */
#ifndef REMOTE_VAULT_H
#define REMOTE_VAULT_H

#include "remote/backend.h"
#include "remote/json.h"

enum vault_auth {
    VAULT_AUTH_TOKEN,
    VAULT_AUTH_APPROLE,
    VAULT_AUTH_KUBERNETES,
    VAULT_AUTH_CERT,
    VAULT_AUTH_USERPASS,
    VAULT_AUTH_COUNT
};

struct vault {
    struct remote_conn base; /* first: the core sees a conn, the backend's files see a vault */
    char *mount;             /* percent-encoded, slashes kept */
    char *headers;           /* those of every request: namespace and X-Vault-Request */
    enum vault_auth auth;
    char *login_path;                                         /* "/v1/auth/approle/login" */
    const char *role;                                         /* of the section; NULL: none */
    struct remote_credential *token, *role_id, *secret, *jwt; /* secret: secret_id or password */
    bool pin_is_secret; /* the PIN is the secret_id or the password */
};

enum remote_rc vault_auth_open(struct vault *vault, const struct remote_section *section,
                               struct remote_error *err) REMOTE_MUST_CHECK;
void vault_auth_close(struct vault *vault);
bool vault_pin_fits(const struct remote_conn *conn, struct remote_slice pin);
enum remote_rc vault_grant(struct remote_conn *conn, struct remote_slice pin,
                           struct remote_grant *ret, struct remote_error *err);

enum remote_rc vault_build_login(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err);
enum remote_rc vault_parse_login(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err);
enum remote_rc vault_build_renew(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err);
enum remote_rc vault_build_prove(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err);
enum remote_rc vault_parse_prove(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err);

enum remote_rc vault_build_list(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err);
enum remote_rc vault_parse_list(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err);
enum remote_rc vault_build_read(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err);
enum remote_rc vault_parse_read(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err);

enum remote_rc vault_build_generate(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err);
enum remote_rc vault_build_rotate(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err);
enum remote_rc vault_build_unprotect(struct remote_conn *conn, const struct remote_op *op,
                                     const struct remote_grant *grant, unsigned attempt,
                                     struct remote_request *request, struct remote_error *err);
enum remote_rc vault_build_destroy(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err);
enum remote_rc vault_build_wrapping_key(struct remote_conn *conn, const struct remote_op *op,
                                        const struct remote_grant *grant, unsigned attempt,
                                        struct remote_request *request, struct remote_error *err);
enum remote_rc vault_build_import(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err);
enum remote_rc vault_build_data_key(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err);
enum remote_rc vault_parse_done(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err);
enum remote_rc vault_parse_wrapping_key(struct remote_conn *conn, struct remote_op *op,
                                        const struct remote_reply *reply, struct remote_error *err);
enum remote_rc vault_parse_data_key(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err);

enum remote_rc vault_build_document(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err);
enum remote_rc vault_build_write_document(struct remote_conn *conn, const struct remote_op *op,
                                          const struct remote_grant *grant, unsigned attempt,
                                          struct remote_request *request, struct remote_error *err);
enum remote_rc vault_parse_document(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err);

/* Vault's word for a kind of key; NULL: it has none. */
const char *vault_wire_type(const struct remote_key_spec *spec);
/* "/v1/MOUNT/VERB[/NAME]". */
void vault_add_path(struct remote_request *request, const struct vault *vault, const char *verb,
                    const char *name);
/* Method and the headers of every request; the token where there is a grant. */
void vault_begin(const struct vault *vault, const char *method, const struct remote_grant *grant,
                 struct remote_request *request);
/* Percent-encodes each segment of a path, keeping its slashes. NULL: out of memory. */
char *vault_encode_path(const char *path);
/*
 * Reads the reply of an operation: the parsed JSON (remote_json_free() it) when it is a success,
 * else what its status and errors mean for this kind of operation.
 */
enum remote_rc vault_reply(const struct remote_op *op, const struct remote_reply *reply,
                           remote_json **ret, struct remote_error *err) REMOTE_MUST_CHECK;
/* What the error text of one item in a batch means. */
enum remote_rc vault_item_error(const struct remote_op *op, const char *text,
                                struct remote_error *err);

#endif
