/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the BigDL backend share: keys and what unwraps (backend_bigdl.c,
 * bigdl_keys.c), what makes keys (bigdl_life.c), credentials (auth_bigdl.c), and requests with
 * what answers mean (bigdl_wire.c). Source: the two generations of the BigDL PPML KMS, branches
 * 2.2 to 2.5, and recordings of the second.
 *
 * That service has four operations in all: make a user, a primary key, a data key, and give out a
 * data key's bytes. Nobody can list, describe or end a key, or use one there. User and token stand
 * in every request's query.
 */
#ifndef REMOTE_BIGDL_H
#define REMOTE_BIGDL_H

#include "remote/backend.h"

#define BIGDL_PRIMARY_BITS 256
#define BIGDL_DATA_BITS 128
#define BIGDL_DATA_LEN (BIGDL_DATA_BITS / 8)

struct bigdl_data_key { /* of the option data_keys */
    char *word;         /* as written there; what name and primary may point into */
    const char *name;
    const char *primary;
};

struct bigdl {
    struct remote_conn base;         /* first: the core sees a conn */
    const char *user;                /* of the section */
    struct remote_credential *token; /* NULL: it is the PIN */
    const char *const *primary_keys; /* of the section, NULL-ended */
    struct bigdl_data_key *data_keys;
    size_t data_key_count;
};

/* ---- configured keys ---- */
enum remote_rc bigdl_keys_open(struct bigdl *bigdl, const struct remote_section *section,
                               struct remote_error *err) REMOTE_MUST_CHECK;
void bigdl_keys_close(struct bigdl *bigdl);
/* NULL: not a configured data key. */
const struct bigdl_data_key *bigdl_find_data_key(const struct bigdl *bigdl, const char *name);
/* Adds what the name stands for to op->keys: a data key where it is one, else a primary key. */
enum remote_rc bigdl_add_key(struct remote_conn *conn, struct remote_op *op, const char *name,
                             struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- credentials ---- */
enum remote_rc bigdl_auth_open(struct bigdl *bigdl, const struct remote_section *section,
                               struct remote_error *err) REMOTE_MUST_CHECK;
void bigdl_auth_close(struct bigdl *bigdl);
bool bigdl_pin_fits(const struct remote_conn *conn, struct remote_slice pin);
enum remote_rc bigdl_grant(struct remote_conn *conn, struct remote_slice pin,
                           struct remote_grant *ret, struct remote_error *err);

/* ---- requests ---- */
/* "/KIND/NAME?primaryKeyName=PRIMARY&user=U&token=T"; primary NULL: without. */
enum remote_rc bigdl_begin(const struct bigdl *bigdl, const char *method, const char *kind,
                           struct remote_slice name, const char *primary,
                           const struct remote_grant *grant, struct remote_request *request,
                           struct remote_error *err) REMOTE_MUST_CHECK;
/* "/user/U?token=T" */
enum remote_rc bigdl_begin_user(const struct bigdl *bigdl, const struct remote_grant *grant,
                                struct remote_request *request, struct remote_error *err)
    REMOTE_MUST_CHECK;
/*
 * Asks for a data key that cannot exist, under `primary` (NULL: which cannot exist either). The
 * answer tells whether user and token are good and whether there is such a primary key, and
 * changes nothing.
 */
enum remote_rc bigdl_begin_probe(const struct bigdl *bigdl, const char *primary,
                                 const struct remote_grant *grant, struct remote_request *request,
                                 struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- what an answer says ---- */
enum bigdl_said {
    BIGDL_SAID_DONE,       /* HTTP 200, whatever the body */
    BIGDL_SAID_NO_LOGIN,   /* wrong token, or no such user */
    BIGDL_SAID_NO_PRIMARY, /* there is no key of the name that stands for the primary key */
    BIGDL_SAID_NO_DATA,    /* there is that primary key, but no such data key */
    BIGDL_SAID_NO_FIT,     /* what stands for the primary key does not open the data key */
    BIGDL_SAID_NO_REASON,  /* the first generation's only words */
    BIGDL_SAID_NO_ROOT,    /* the service was never set up */
    BIGDL_SAID_NOT_BIGDL,  /* another program answers there */
    BIGDL_SAID_BUSY,
    BIGDL_SAID_AWAY,
    BIGDL_SAID_ELSE
};
enum bigdl_said bigdl_said(const struct remote_reply *reply);
/*
 * What that means where the operation has no meaning of its own for it. Never in the service's
 * words: who stands between may have put the request's query into them.
 */
enum remote_rc bigdl_fail(enum bigdl_said said, int status, struct remote_error *err);
/* Appends the bytes of a data key. REMOTE_E_PROTOCOL: something else came. */
enum remote_rc bigdl_take_key(const struct remote_reply *reply, struct remote_buf *out,
                              struct remote_error *err) REMOTE_MUST_CHECK;

typedef enum remote_rc bigdl_build_fn(struct remote_conn *conn, const struct remote_op *op,
                                      const struct remote_grant *grant, unsigned attempt,
                                      struct remote_request *request, struct remote_error *err);
typedef enum remote_rc bigdl_parse_fn(struct remote_conn *conn, struct remote_op *op,
                                      const struct remote_reply *reply, struct remote_error *err);

bigdl_build_fn bigdl_build_prove, bigdl_build_enroll, bigdl_build_list, bigdl_build_read,
    bigdl_build_generate, bigdl_build_data_key;
bigdl_parse_fn bigdl_parse_prove, bigdl_parse_enroll, bigdl_parse_list, bigdl_parse_read,
    bigdl_parse_generate, bigdl_parse_data_key;

#endif
