/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of the core: a code to act on, a sentence to read. The core fills the caller's
 * struct and prints nothing; each front end maps the code with one table and logs once.
 */
#ifndef REMOTE_ERROR_H
#define REMOTE_ERROR_H

#include <stddef.h>

/* the kinds a caller can act on; the text says the rest */
enum remote_rc {
    REMOTE_OK,
    REMOTE_E_NOMEM,
    REMOTE_E_USAGE,         /* a call out of order or with impossible arguments */
    REMOTE_E_CONFIG,        /* the configuration, or a file that it names */
    REMOTE_E_UNSUPPORTED,   /* this backend or this key has no such operation */
    REMOTE_E_PARAM,         /* parameters that the service cannot honour */
    REMOTE_E_LENGTH,        /* input too long or too short */
    REMOTE_E_DATA,          /* ciphertext, signature or wrapped key does not open */
    REMOTE_E_NOT_FOUND,     /* no such key or version */
    REMOTE_E_EXISTS,        /* there is such a key already; it was left alone */
    REMOTE_E_FORBIDDEN_USE, /* the usage, state or dates of the key, or slot policy */
    REMOTE_E_RIGHTS,        /* the service refuses by rights; do not retry */
    REMOTE_E_PIN,           /* not of the credential's form, or refused by the service */
    REMOTE_E_AUTH,          /* credentials missing, expired or refused */
    REMOTE_E_BUSY,          /* throttled; err->retry_after_s when the service said */
    REMOTE_E_TIMEOUT,       /* the deadline passed */
    REMOTE_E_UNAVAILABLE,   /* not reachable, sealed, standby */
    REMOTE_E_PROTOCOL,      /* an answer that makes no sense */
    REMOTE_E_CRYPTO,        /* libcrypto refused */
    REMOTE_RC_COUNT
};

#define REMOTE_ERROR_TEXT_MAX 320

struct remote_error {
    enum remote_rc rc;
    int http_status;                  /* 0: no reply was read */
    unsigned retry_after_s;           /* 0: the service did not say */
    const char *func;                 /* where it was set first; static storage */
    char text[REMOTE_ERROR_TEXT_MAX]; /* one line, printable, no secrets */
};

#define REMOTE_PRINTF(fmt_index, first) __attribute__((format(printf, fmt_index, first)))
#define REMOTE_MUST_CHECK __attribute__((warn_unused_result))

/*
 * Fills *err (which may be NULL) and returns rc. Control characters in the result become
 * spaces, so that text taken from a server stays one line.
 */
enum remote_rc remote_error_set(struct remote_error *err, enum remote_rc rc, const char *func,
                                const char *fmt, ...) REMOTE_PRINTF(4, 5);

/* As if zeroed, without touching the room for the text: it is done at every call of a front end. */
static inline void remote_error_clear(struct remote_error *err)
{
    err->rc = REMOTE_OK;
    err->http_status = 0;
    err->retry_after_s = 0;
    err->func = NULL;
    err->text[0] = '\0';
}

/* Puts "context: " before the text that is there; for a caller that knows the slot or key. */
void remote_error_prefix(struct remote_error *err, const char *fmt, ...) REMOTE_PRINTF(2, 3);

/* Makes text one printable line in place: control characters become ' ', broken UTF-8 '?'. */
void remote_printable(char *text);

/* A short stable word for logs and --json: "timeout", "rights", ... Static storage. */
const char *remote_rc_name(enum remote_rc rc);

#define REMOTE_FAIL(err, rc, ...) remote_error_set((err), (rc), __func__, __VA_ARGS__)
#define REMOTE_TRY(call)                                                                           \
    do {                                                                                           \
        enum remote_rc rc_ = (call);                                                               \
        if (rc_ != REMOTE_OK)                                                                      \
            return rc_;                                                                            \
    } while (0)

#endif
