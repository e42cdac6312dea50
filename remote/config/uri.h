/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URIs that name keys and certificates of slots, and the PEM that wraps one so that a program
 * which wants a key file takes it. Used by the provider, by client_key_file, and by the CLI.
 *
 *     hsmbridge:slot=web;object=site           ours
 *     pkcs11:token=web;object=site;type=private?pin-source=file:/run/pin       RFC 7512
 *
 * Parsing is pure. Finding is called inside the guard, by any thread.
 */
#ifndef REMOTE_URI_H
#define REMOTE_URI_H

#include "remote/key.h"
#include "remote/slot.h"

#define REMOTE_URI_MAX 4096 /* bytes; a longer one is refused */

enum remote_uri_class {
    REMOTE_URI_ANY, /* no type= */
    REMOTE_URI_PRIVATE,
    REMOTE_URI_PUBLIC,
    REMOTE_URI_CERT,
    REMOTE_URI_SECRET_KEY,
    REMOTE_URI_DATA /* no slot has any */
};

struct remote_uri {
    char *slot;           /* slot= or token=; NULL: every slot */
    char *object;         /* label; NULL: any */
    struct remote_buf id; /* empty: any */
    enum remote_uri_class class;
    char *pin_source;         /* a path; NULL: none */
    struct remote_secret pin; /* pin-value=; empty: none */
    /* What else RFC 7512 names a token by; NULL: any. */
    char *model, *serial, *slot_description;
    long slot_id;        /* -1: any */
    const char *foreign; /* the attribute that says it is not of this module; NULL: none does */
    char *text;          /* as given, without pin-value; for messages */
    bool logged_in;      /* remote_uri_login() has given its slot the PIN */
};

/* Whether a text begins with one of our schemes, in any case of letters. */
bool remote_uri_is(const char *text);
/*
 * REMOTE_E_PARAM: not such a URI, an attribute twice, a bad escape, an unknown attribute; the
 * sentence says which and what would be right. ret: remote_uri_clear() it.
 */
enum remote_rc remote_uri_parse(const char *text, struct remote_uri *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void remote_uri_clear(struct remote_uri *uri);

/* The slots that its slot part names, one a call, beginning with *index 0; NULL: no more. */
struct remote_slot *remote_uri_next_slot(struct remote_core *core, const struct remote_uri *uri,
                                         size_t *index);
/* Whether it has a slot part at all. */
bool remote_uri_has_slot(const struct remote_uri *uri);
/*
 * REMOTE_E_NOT_FOUND: it names no slot of this configuration; the sentence lists those that there
 * are.
 */
enum remote_rc remote_uri_check_slot(struct remote_core *core, const struct remote_uri *uri,
                                     struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * The keys of one slot that it names: by id, else by label, else all. With a label beside it an
 * id is the version of that key, which may have been renewed since. None: REMOTE_OK.
 */
enum remote_rc remote_uri_find_in(struct remote_slot *slot, const struct remote_uri *uri,
                                  struct remote_key_list *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/*
 * The same over every slot that it names. A slot that is broken or does not answer fails the call
 * only when the URI names it, or when nothing is found elsewhere. REMOTE_E_NOT_FOUND: no such
 * slot, or no such key; the sentence tells which.
 */
enum remote_rc remote_uri_find(struct remote_core *core, const struct remote_uri *uri,
                               struct remote_key_list *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The sentence for a URI that names nothing; returns REMOTE_E_NOT_FOUND. */
enum remote_rc remote_uri_fail_empty(const struct remote_uri *uri, struct remote_error *err);

/*
 * The one key pair that a key file's URI means. REMOTE_E_PARAM: it names several (the sentence
 * names two of them and says to add object= or id=), or a certificate. A slot that needs a PIN is
 * logged in to with pin-source or pin-value first; REMOTE_E_AUTH: there is none. ret: one
 * reference.
 */
enum remote_rc remote_uri_find_one(struct remote_core *core, const struct remote_uri *uri,
                                   struct remote_key **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* ---- the PIN of slots that take one ---- */
/*
 * The slot whose private keys need a PIN, NULL when none that it names does. REMOTE_E_PARAM: it
 * names several; a PIN is meant for one, and must not reach another one's service.
 */
enum remote_rc remote_uri_pin_slot(struct remote_core *core, const struct remote_uri *uri,
                                   struct remote_slot **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
bool remote_uri_has_pin(const struct remote_uri *uri);
/* From pin-value or pin-source, without the end of line. REMOTE_E_AUTH: it has neither. */
enum remote_rc remote_uri_read_pin(const struct remote_uri *uri, struct remote_secret *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * Gives the slot the PIN, in the provider's name. Finding asks the service of a slot that takes a
 * PIN only behind this, whoever else in this process is logged in to it.
 */
enum remote_rc remote_uri_login(struct remote_uri *uri, struct remote_slot *slot,
                                struct remote_slice pin, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* ---- what we write, exact to the version; appended ---- */
/* "pkcs11:token=web;object=site;id=%..;type=private" */
void remote_uri_write(const struct remote_key *key, struct remote_buf *ret);
void remote_uri_write_cert(const struct remote_slot *slot, const struct remote_cert *cert,
                           const char *label, struct remote_buf *ret);

/* ---- the PEM form ---- */
#define REMOTE_URI_PEM_LABEL "HSMBRIDGE KEY URI"
#define REMOTE_URI_PEM_LABEL_FOREIGN "PKCS#11 PROVIDER URI" /* as pkcs11-provider writes it */

/* DER of SEQUENCE { VisibleString "hsmbridge key URI v1", UTF8String uri }. */
enum remote_rc remote_uri_der_write(const char *uri, struct remote_buf *ret,
                                    struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_uri_pem_write(const char *uri, struct remote_buf *ret_pem,
                                    struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * The URI in such DER, of either label's form. REMOTE_E_PARAM: cut short, not such a sequence, or
 * a URI of neither scheme. ret_uri: free() it.
 */
enum remote_rc remote_uri_der_read(struct remote_slice der, char **ret_uri,
                                   struct remote_error *err) REMOTE_MUST_CHECK;

#endif
