/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend is: one file that speaks one wire protocol. An operation is two functions,
 * build(op, attempt) -> request and parse(reply) -> result; only the core does I/O, so that it
 * can drive many requests of several slots at once in the calling thread. build() runs for
 * every attempt. Neither function blocks, locks, or keeps pointers to what it was given.
 */
#ifndef REMOTE_BACKEND_H
#define REMOTE_BACKEND_H

#include "key.h"
#include "remote/config/config.h"

struct remote_transport;
struct remote_cert;

enum remote_op_kind {
    REMOTE_OP_LOGIN,  /* credentials -> grant */
    REMOTE_OP_RENEW,  /* grant -> longer grant */
    REMOTE_OP_PROVE,  /* is the grant good? fills the grant's lifetime */
    REMOTE_OP_HEALTH, /* of one endpoint, without credentials */
    REMOTE_OP_LIST,   /* names of keys, one page */
    REMOTE_OP_READ,   /* one key with its versions */
    REMOTE_OP_SIGN,
    REMOTE_OP_DECRYPT,
    REMOTE_OP_ENCRYPT,
    REMOTE_OP_MAC,
    REMOTE_OP_RANDOM,
    REMOTE_OP_GENERATE,     /* a new key of op->spec under op->name */
    REMOTE_OP_WRAPPING_KEY, /* the public key that IMPORT's material is wrapped for */
    REMOTE_OP_IMPORT,       /* op->material, wrapped by the backend's build(), under op->name */
    REMOTE_OP_ROTATE,       /* a new version of op->name */
    REMOTE_OP_UNPROTECT,    /* lifts what keeps op->name from being destroyed */
    REMOTE_OP_DESTROY,      /* op->name with all its versions */
    REMOTE_OP_LABEL,        /* op->name is called op->label from now on, with all its versions */
    REMOTE_OP_DATA_KEY,     /* op->length bytes made by the service: items[0] clear, [1] sealed.
                               A service that keeps data keys itself (`once`) calls it op->name */
    REMOTE_OP_RELEASE,      /* items[0]: the bytes of op->key, which the service gives out */
    REMOTE_OP_DOCUMENT, /* op->name: a path of the service's API, op->material: what is sent along;
                           its answer as it is */
    REMOTE_OP_REWRAP,   /* items: what ENCRYPT made, as it would be made now */
    REMOTE_OP_WRITE_DOCUMENT, /* op->method on op->name, a path of the service's API, with
                                 op->material as its body; its answer as it is */
    REMOTE_OP_COUNT
};

/* What a login gave. Owned by the slot; copied for a request under way. */
struct remote_grant {
    struct remote_secret token;
    int64_t lifetime_s; /* 0: does not expire */
    bool renewable;
};

struct remote_item { /* one of the inputs that a request carries; several make a batch */
    struct remote_slice in;
    struct remote_buf out; /* result */
    enum remote_rc rc;     /* its own result in a batch */
    struct remote_error err;
};

struct remote_names {
    char **names;
    size_t count, cap;
    char *next_page; /* NULL: this was the last */
};

struct remote_op {
    enum remote_op_kind kind;
    const char *name;             /* READ: the key's; LIST: the page (NULL: the first) */
    const char *label;            /* LABEL */
    const char *method;           /* WRITE_DOCUMENT: static */
    const struct remote_key *key; /* SIGN, DECRYPT, ENCRYPT, MAC; ROTATE: its newest version;
                                     READ: what LIST has just told of it, NULL: nothing */
    struct remote_params params;
    struct remote_item *items; /* SIGN, DECRYPT, ENCRYPT, MAC; RANDOM: one, out only */
    size_t item_count;
    size_t length;                /* RANDOM, DATA_KEY: bytes wanted */
    struct remote_key_spec spec;  /* GENERATE, IMPORT */
    struct remote_slice material; /* IMPORT: PKCS#8 DER of a key pair, or the secret itself */
    struct remote_slice wrapping; /* IMPORT: what WRAPPING_KEY answered */
    struct remote_slice pin;      /* LOGIN, PROVE of a PIN slot: the credential; else empty */
    /*
     * An operation of several requests: parse() sets `more`, and the core builds again with the
     * next step, within the same deadline. What build() then needs is in the results so far.
     */
    unsigned step; /* 0: the first */
    bool more;
    /* results */
    struct remote_key_list keys; /* READ: every version, oldest first; GENERATE, IMPORT: the new
                                    one, where the answer tells it. LIST, beside `names`: keys
                                    of which the listing tells more than a name; those with an id
                                    are complete, the others go through READ */
    struct remote_cert **certs;  /* READ: of the key's versions, as the service keeps them */
    size_t cert_count;
    struct remote_names names; /* LIST */
    struct remote_grant grant; /* LOGIN, RENEW, PROVE */
    char detail[128];          /* HEALTH; DESTROY: what else there is to know */
    struct remote_buf answer;  /* WRAPPING_KEY: the service's key, as the backend wants it; else
                                  what a further step needs */
};

struct remote_request {
    const char *method;        /* static: "GET", "POST", "LIST", ... */
    struct remote_buf path;    /* behind the endpoint's URL, begins with '/' */
    struct remote_buf body;    /* empty: none */
    struct remote_buf headers; /* "Name: value\n" lines */
    unsigned origin;           /* of remote_slot_add_origin(); 0: the slot's `url` */
    size_t reply_max;          /* bytes; 0: REMOTE_REPLY_MAX */
    bool secret_query;         /* what stands behind '?' in the path is told to nobody */
    bool want_date;            /* the reply's Date is asked for (HEALTH; where clocks matter) */
    bool once;                 /* the core's: not to be sent twice, not even by the transport */
    bool fresh;                /* the service takes such a request once: it must be built anew to be
                                  sent again. For specimen.h */
    bool grpc;                 /* a unary gRPC call: remote_grpc_call() of net/grpc.h sets it */
    const char *want_header;   /* static, "Name:": its first value is asked for; NULL: none */
};
#define REMOTE_HEADER_MAX 512 /* bytes of a header that was asked for; a longer one is cut */
#define REMOTE_REPLY_MAX (2u << 20)

struct remote_reply {
    int status;
    struct remote_slice body;
    unsigned retry_after_s; /* 0: not said */
    int grpc_status;        /* of a gRPC call: enum remote_grpc_status; decide by it alone */
    const char *header;     /* what want_header named; "": not there */
    int64_t date;           /* seconds since 1970, with want_date; 0: not there */
};

struct remote_backend_alg {
    enum remote_alg alg;
    unsigned hashes; /* bits 1u << REMOTE_HASH_*; NONE's bit: raw input */
};
#define REMOTE_HASHES_SHA2                                                                         \
    (1u << REMOTE_HASH_SHA224 | 1u << REMOTE_HASH_SHA256 | 1u << REMOTE_HASH_SHA384 |              \
     1u << REMOTE_HASH_SHA512)
#define REMOTE_HASHES_SHA3                                                                         \
    (1u << REMOTE_HASH_SHA3_224 | 1u << REMOTE_HASH_SHA3_256 | 1u << REMOTE_HASH_SHA3_384 |        \
     1u << REMOTE_HASH_SHA3_512)

struct remote_conn { /* a backend's state of one slot; the backend's struct begins with it */
    struct remote_slot *slot;
};

struct remote_backend_ops {
    const char *name;
    const char *title;                     /* "HashiCorp Vault or OpenBao transit" */
    const struct remote_option *options;   /* beside the common ones; NULL-ended */
    const struct remote_backend_alg *algs; /* ends with REMOTE_ALG_NONE */
    const struct {
        unsigned min, max;
    } sizes[REMOTE_KEY_TYPE_COUNT]; /* bits; 0: not served */
    const int *curves;  /* EC: NIDs of those it makes keys on, 0-ended; NULL: P-256, P-384, P-521 */
    int64_t timeout_ms; /* default of `timeout` */
    const struct remote_transport *transport; /* NULL: remote_transport_http */
    size_t input_max;                         /* bytes of one operation's input */
    size_t random_max;                        /* bytes of one RANDOM; 0: as many as are wanted */
    /* The most that REMOTE_ALG_AEAD makes of so many bytes; NULL: as REMOTE_ALG_AES_GCM. */
    size_t (*sealed_max)(const struct remote_key *key, size_t len);
    bool https;         /* takes `url` and the TLS options */
    bool own_endpoints; /* not from `url`: open() adds each with remote_slot_add_endpoint() */
    /* What decrypting with a key of REMOTE_KEY_FHE makes; for backends that have such keys. */
    size_t (*opened_len)(const struct remote_key *key, const struct remote_params *params);
    /* What else there is to say of the slot in a few words, without asking it; NULL: nothing. */
    void (*describe)(const struct remote_conn *conn, struct remote_buf *ret);

    /* Reads its options and files; no request. ret: the conn; close() frees it. */
    enum remote_rc (*open)(struct remote_slot *slot, const struct remote_section *section,
                           struct remote_conn **ret, struct remote_error *err);
    void (*close)(struct remote_conn *conn);
    void (*trim)(struct remote_conn *conn); /* gives up idle sessions of its own; NULL: none */

    /* Names of credentials that `pin` may name; blank-separated. */
    const char *pins;
    /* Whether a PIN has the form of that credential; false: no packet is sent. */
    bool (*pin_fits)(const struct remote_conn *conn, struct remote_slice pin);
    /*
     * The grant that needs no request (a configured token), read from where it is kept.
     * NULL, or REMOTE_E_UNSUPPORTED: LOGIN is the way.
     */
    enum remote_rc (*grant)(struct remote_conn *conn, struct remote_slice pin,
                            struct remote_grant *ret, struct remote_error *err);

    /* Parameters that the service cannot honour, known without a request. NULL: none. */
    enum remote_rc (*check)(const struct remote_conn *conn, const struct remote_key *key,
                            const struct remote_params *params, struct remote_error *err);
    /*
     * What of `algs` this slot's service has, as far as it is known without asking it; NULL: all.
     * Any thread, under no lock.
     */
    bool (*offers)(const struct remote_conn *conn, enum remote_alg alg, enum remote_hash hash);
    /* The same of `ops`. */
    bool (*serves)(const struct remote_conn *conn, enum remote_op_kind kind);
    /* Whether READ may bring certificates. NULL: never. */
    bool (*keeps_certs)(const struct remote_conn *conn);
    /* How many items one request may carry for this operation; 1 or NULL: no batches. */
    size_t (*batch)(const struct remote_conn *conn, enum remote_op_kind kind,
                    const struct remote_key *key, const struct remote_params *params);

    /*
     * A service that is not reached by requests (another PKCS#11 module): does the operation,
     * blocking, instead of build() and parse(). The core calls it in the calling thread once
     * everything that does go over the network is in flight. Codes as parse().
     */
    enum remote_rc (*perform)(struct remote_conn *conn, struct remote_op *op,
                              const struct remote_grant *grant, int64_t deadline_ms,
                              struct remote_error *err);
    /* Which operations: bits 1u << enum remote_op_kind. A backend with `https` has requests for the
     * others, and perform() may drive those with remote_exchange_until(). */
    unsigned performs;

    struct {
        /*
         * grant: NULL for LOGIN and HEALTH. request: zeroed; the core clears it.
         * Errors of build() end the call; no attempt is made.
         */
        enum remote_rc (*build)(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err);
        /*
         * Any reply that was read whole. What the core does with the code:
         * REMOTE_E_AUTH         one re-login, one repeat
         * REMOTE_E_BUSY         backoff (or Retry-After), repeat
         * REMOTE_E_UNAVAILABLE  next endpoint, backoff, repeat
         * anything else         final
         */
        enum remote_rc (*parse)(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err);
        bool once; /* not to be repeated after anything was sent */
    } ops[REMOTE_OP_COUNT];
};

/* NULL: no such backend in this build. */
const struct remote_backend_ops *remote_backend_find(const char *name);
/* "azure, vault" for messages; static. */
const char *remote_backend_names(void);
/* The i-th backend, NULL behind the last; for documentation and tests. */
const struct remote_backend_ops *remote_backend_at(size_t index);

bool remote_backend_has_op(const struct remote_backend_ops *ops, enum remote_op_kind kind);
bool remote_backend_supports(const struct remote_backend_ops *ops, enum remote_alg alg,
                             enum remote_hash hash);
/* Whether the service can do what this row says with some key; slots' policies play no part. */
bool remote_backend_can(const struct remote_backend_ops *ops, const struct remote_mechanism *row);

void remote_op_clear(struct remote_op *op); /* results only; items belong to the caller */
void remote_request_clear(struct remote_request *request); /* wipes, frees, zeroes */
enum remote_rc remote_names_add(struct remote_names *names, const char *name,
                                struct remote_error *err);
void remote_names_clear(struct remote_names *names);

/* A new key version for READ's result, refs 1, everything else zero but name and slot. */
struct remote_key *remote_key_new(struct remote_slot *slot, const char *name, unsigned version,
                                  struct remote_error *err);

/* ---- for a backend's open(): where else its requests go ---- */
/*
 * An origin beside the slot's `url`, for struct remote_request.origin: an identity provider, say.
 * It has the slot's trust, proxy and timeouts, but neither its server_name nor its pin_sha256, and
 * no failover. url: https://HOST[:PORT] without a path; `option` stands for it in messages.
 * near: a metadata service, which may be http:// to this host or to a link-local address, and is
 * never asked through a proxy.
 */
enum remote_rc remote_slot_add_origin(struct remote_slot *slot,
                                      const struct remote_section *section, const char *option,
                                      const char *url, bool near, unsigned *ret,
                                      struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * The next endpoint of a backend whose `own_endpoints` is set; its index in the list counts from 0
 * in the order of the calls. url: as `url` would have it; `option` stands for it in messages.
 */
enum remote_rc remote_slot_add_endpoint(struct remote_slot *slot,
                                        const struct remote_section *section, const char *option,
                                        const char *url, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* ---- for a backend's open(): credentials as configured ---- */
/*
 * One SECRET option: from NAME (typed), NAME_file or NAME_env. Reads it at open; get() gives
 * what is current (a changed file is read again). Trailing newlines are not part of it.
 */
struct remote_credential;
enum remote_rc remote_credential_open(const struct remote_section *section, const char *option,
                                      struct remote_credential **ret, struct remote_error *err)
    REMOTE_MUST_CHECK; /* *ret NULL when the option is absent */
/* From a file at a well-known place; `option` stands for it in messages. */
enum remote_rc remote_credential_open_file(const struct remote_section *section, const char *option,
                                           const char *path, struct remote_credential **ret,
                                           struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_credential_get(struct remote_credential *credential,
                                     struct remote_secret *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void remote_credential_close(struct remote_credential *credential);

#endif
