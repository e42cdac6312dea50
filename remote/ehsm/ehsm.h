/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the eHSM-KMS backend share: operations with keys (backend_ehsm.c), credentials
 * and what is found out about the server (auth_ehsm.c), signed requests (ehsm_request.c), what
 * answers mean (ehsm_reply.c), which keys there are (ehsm_keys.c, ehsm_known.c), what they are
 * called (ehsm_names.c), and what changes them (ehsm_life.c). Source: intel/ehsm of June 2024 and
 * its tags from v0.3.0, docs/API_Reference.md there, and recordings of its Node front end.
 */
#ifndef REMOTE_EHSM_H
#define REMOTE_EHSM_H

#include <stdatomic.h>

#include "remote/backend.h"
#include "remote/file.h"
#include "remote/fork.h"
#include "remote/json.h"

#define EHSM_APIKEY_LEN 32
#define EHSM_UUID_LEN 36
#define EHSM_PLAIN_MAX 6144 /* bytes; payload_checker.js */
#define EHSM_IV 12
#define EHSM_TAG 16
#define EHSM_OVERHEAD (EHSM_IV + EHSM_TAG) /* behind the ciphertext proper, in this order */
#define EHSM_DATA_KEY_MAX 1024
#define EHSM_LISTING_MAX (8u << 20) /* bytes of an answer; 10,000 keys have 2 MB */

enum ehsm_nonce { EHSM_NONCE_UNKNOWN, EHSM_NONCE_ON, EHSM_NONCE_OFF };

/*
 * The server's version number does not tell its versions apart: what they can do does. OLD is up to
 * v0.4.0, which has no import and opens less than it seals; up to v0.3.2 it takes no nonce either.
 */
enum ehsm_era { EHSM_ERA_UNKNOWN, EHSM_ERA_OLD, EHSM_ERA_NEW };

struct ehsm_names_entry {
    const char *keyid; /* EHSM_UUID_LEN bytes */
    struct remote_slice name;
    size_t line;
};
struct ehsm_names {   /* guarded by ehsm.lock */
    const char *path; /* of the section; NULL: keys are called by their ids */
    struct remote_kept_file file;
    struct ehsm_names_entry *entries; /* sorted by keyid; they point into the file */
    size_t count;
};

struct ehsm_entry;
#define EHSM_BUCKETS 1024
struct ehsm_table { /* guarded by ehsm.lock */
    struct ehsm_entry *buckets[EHSM_BUCKETS];
    unsigned serial; /* of the newest listing */
};

struct ehsm {
    struct remote_conn base;          /* first: the core sees a conn */
    const char *appid;                /* of the section; NULL: not enrolled yet */
    struct remote_credential *apikey; /* NULL: it is the PIN */
    bool pkcs1_decrypt;
    bool nonce_auto;
    atomic_int nonce;            /* enum ehsm_nonce */
    atomic_int era;              /* enum ehsm_era */
    atomic_int oaep;             /* enum remote_hash of this server's OAEP; NONE: not known yet */
    atomic_llong last_timestamp; /* of a request without a nonce */
    struct remote_lock lock;     /* REMOTE_LOCK_POOL */
    struct ehsm_names names;
    struct ehsm_table table;
};

/* ---- credentials ---- */
enum remote_rc ehsm_auth_open(struct ehsm *ehsm, const struct remote_section *section,
                              struct remote_error *err) REMOTE_MUST_CHECK;
void ehsm_auth_close(struct ehsm *ehsm);
bool ehsm_pin_fits(const struct remote_conn *conn, struct remote_slice pin);
enum remote_rc ehsm_grant(struct remote_conn *conn, struct remote_slice pin,
                          struct remote_grant *ret, struct remote_error *err);
bool ehsm_is_uuid(struct remote_slice text); /* in lower case, as the service writes and reads it */

/* ---- requests ---- */
struct ehsm_field {
    const char *name; /* static */
    struct remote_buf text;
    bool bare; /* a number */
};
#define EHSM_FIELDS_MAX 8
struct ehsm_payload { /* sorted by name, as the signature wants it; zeroed at first */
    struct ehsm_field fields[EHSM_FIELDS_MAX];
    size_t count;
    bool absent; /* the request has no such member */
};
void ehsm_add_text(struct ehsm_payload *payload, const char *name, struct remote_slice text);
void ehsm_add_word(struct ehsm_payload *payload, const char *name, const char *word);
void ehsm_add_bytes(struct ehsm_payload *payload, const char *name, struct remote_slice bytes);
void ehsm_add_number(struct ehsm_payload *payload, const char *name, uint64_t number);
void ehsm_payload_clear(struct ehsm_payload *payload);

struct ehsm_stamp { /* what makes a request this one */
    char timestamp[24];
    char nonce[40]; /* empty: none */
};
/* What the signature is over: names and values without any quoting. */
void ehsm_append_sign_string(struct remote_buf *buf, const char *appid,
                             const struct ehsm_stamp *stamp, const struct ehsm_payload *payload);
/* Appends the whole body, signed. */
enum remote_rc ehsm_append_signed(struct remote_buf *body, const char *appid,
                                  struct remote_slice apikey, const struct ehsm_stamp *stamp,
                                  const struct ehsm_payload *payload, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The request for an action, stamped anew; with_nonce as the server takes it. */
enum remote_rc ehsm_request(struct ehsm *ehsm, const struct remote_grant *grant, const char *action,
                            const struct ehsm_payload *payload, bool with_nonce,
                            struct remote_request *request, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The same as this server takes it, as far as that is known; clears the payload. */
enum remote_rc ehsm_send(struct remote_conn *conn, const struct remote_grant *grant,
                         const char *action, struct ehsm_payload *payload,
                         struct remote_request *request, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* GetVersion and Enroll, which are not signed. */
void ehsm_get(const char *action, struct remote_request *request);

/* ---- answers ---- */
/*
 * Reads a reply: the parsed JSON with its "result" (remote_json_free() it), else what code and
 * message mean for this kind of operation.
 */
enum remote_rc ehsm_reply(const struct remote_op *op, const struct remote_reply *reply,
                          remote_json **ret, struct remote_error *err) REMOTE_MUST_CHECK;
/* Appends the bytes of a base64 member of the result. REMOTE_E_PROTOCOL: missing or malformed. */
enum remote_rc ehsm_take_bytes(const remote_json *json, const char *path, struct remote_buf *out,
                               struct remote_error *err) REMOTE_MUST_CHECK;
/* A keyid of the result. */
enum remote_rc ehsm_take_keyid(const remote_json *json, char ret[EHSM_UUID_LEN + 1],
                               struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- what is known of keys ---- */
struct ehsm_spec { /* a keyspec that is served */
    const char *wire;
    enum remote_key_type type;
    unsigned bits;
    int curve;
};
const struct ehsm_spec *ehsm_spec_by_wire(const char *wire);    /* NULL: not served */
const char *ehsm_wire_spec(const struct remote_key_spec *spec); /* NULL: the service has none */

enum ehsm_usage { EHSM_USAGE_UNKNOWN, EHSM_USAGE_ENCRYPT, EHSM_USAGE_SIGN };

struct ehsm_facts {               /* ehsm_facts_clear() it */
    const struct ehsm_spec *spec; /* NULL: of a kind that is not served */
    bool enabled;
    int64_t created, expires; /* seconds since 1970; 0: not told */
    enum ehsm_usage usage;    /* of key pairs */
    struct remote_buf spki;   /* of key pairs; empty: not known */
};
void ehsm_facts_clear(struct ehsm_facts *facts);
/* A copy. REMOTE_E_NOT_FOUND: the newest listing had no such key. */
enum remote_rc ehsm_known(struct ehsm *ehsm, const char *keyid, struct ehsm_facts *ret,
                          struct remote_error *err) REMOTE_MUST_CHECK;
/* Takes over a whole listing: "result" of ListKey. What it does not have is forgotten. */
enum remote_rc ehsm_known_take(struct ehsm *ehsm, const remote_json *json, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* What never changes about a key, once it was asked for. */
enum remote_rc ehsm_known_public(struct ehsm *ehsm, const char *keyid, struct remote_slice spki,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
void ehsm_known_usage(struct ehsm *ehsm, const char *keyid, enum ehsm_usage usage);
void ehsm_known_clear(struct ehsm *ehsm);

/* ---- names ---- */
enum remote_rc ehsm_names_open(struct ehsm *ehsm, const struct remote_section *section,
                               struct remote_error *err) REMOTE_MUST_CHECK;
void ehsm_names_close(struct ehsm *ehsm);
/* REMOTE_E_NOT_FOUND: neither a name that was given nor an id. */
enum remote_rc ehsm_keyid_of(struct ehsm *ehsm, const char *name, char ret[EHSM_UUID_LEN + 1],
                             struct remote_error *err) REMOTE_MUST_CHECK;
/* The name that was given to a key, else its id; append to ret. */
void ehsm_name_of(struct ehsm *ehsm, const char *keyid, struct remote_buf *ret);
/* Whether ehsm_names_give() would take this name. REMOTE_E_PARAM, _CONFIG. */
enum remote_rc ehsm_names_check(struct ehsm *ehsm, const char *name, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* From now on the key is called so; NULL: by its id. REMOTE_E_CONFIG: the file does not let us. */
enum remote_rc ehsm_names_give(struct ehsm *ehsm, const char *keyid, const char *name,
                               struct remote_error *err) REMOTE_MUST_CHECK;

typedef enum remote_rc ehsm_build_fn(struct remote_conn *conn, const struct remote_op *op,
                                     const struct remote_grant *grant, unsigned attempt,
                                     struct remote_request *request, struct remote_error *err);
typedef enum remote_rc ehsm_parse_fn(struct remote_conn *conn, struct remote_op *op,
                                     const struct remote_reply *reply, struct remote_error *err);

ehsm_build_fn ehsm_build_prove, ehsm_build_list, ehsm_build_read, ehsm_build_generate,
    ehsm_build_import, ehsm_build_destroy, ehsm_build_label, ehsm_build_data_key,
    ehsm_build_document;
ehsm_parse_fn ehsm_parse_prove, ehsm_parse_list, ehsm_parse_read, ehsm_parse_generate,
    ehsm_parse_import, ehsm_parse_destroy, ehsm_parse_label, ehsm_parse_data_key,
    ehsm_parse_document;

#endif
