/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: from a PEM file, as an operator configures them, and from a service. */
#include "local_private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/pem.h>
#include <openssl/pemerr.h>
#include <openssl/x509v3.h>

#include "libctx.h"

#define PEM_TEXT_MAX (4u << 20) /* as any file that we read */
#define CERT_DER_MAX (64 << 10) /* bytes of one certificate */
#define CERTS_PER_FILE_MAX 1000

struct block { /* one PEM block; it may be a private key, so it is wiped */
    char *name, *header;
    unsigned char *der;
    long len;
};

static void block_clear(struct block *block)
{
    OPENSSL_secure_free(block->name);
    OPENSSL_secure_free(block->header);
    OPENSSL_secure_clear_free(block->der, (size_t)block->len);
    memset(block, 0, sizeof(*block));
}

static bool is_certificate(const struct block *block)
{
    return strcmp(block->name, PEM_STRING_X509) == 0 ||
           strcmp(block->name, PEM_STRING_X509_OLD) == 0;
}

static void free_x509(X509 **x509)
{
    X509_free(*x509);
}

/* What an i2d function gave; it is freed. */
static bool append_der(struct remote_buf *buf, unsigned char *der, int len)
{
    if (len <= 0)
        return false;
    remote_buf_append(buf, der, (size_t)len);
    OPENSSL_free(der);
    return !buf->failed;
}

static bool append_name(struct remote_buf *buf, const X509_NAME *name)
{
    unsigned char *der = NULL;
    int len = i2d_X509_NAME(name, &der);

    return append_der(buf, der, len);
}

static bool append_serial(struct remote_buf *buf, const ASN1_INTEGER *serial)
{
    unsigned char *der = NULL;
    int len = i2d_ASN1_INTEGER(serial, &der);

    return append_der(buf, der, len);
}

static bool append_spki(struct remote_buf *buf, const X509 *x509)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);

    return append_der(buf, der, len);
}

/* The text becomes a label, which terminals and logs show. */
static char *label_copy(const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < len; i++)
        copy[i] = text[i] != '\0' ? text[i] : ' ';
    copy[len] = '\0';
    remote_printable(copy);
    return copy;
}

static char *whole_subject(const X509_NAME *name)
{
    CLEANUP(remote_local_free_bio) BIO *bio = BIO_new(BIO_s_mem());
    const char *text;
    long len;

    if (bio == NULL ||
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) < 0)
        return NULL;
    len = BIO_get_mem_data(bio, &text);
    return len > 0 ? label_copy(text, (size_t)len) : strdup("certificate");
}

/* The last common name is the most specific one. */
static char *label_of(const X509_NAME *name)
{
    const X509_NAME_ENTRY *entry = NULL;
    unsigned char *text = NULL;
    char *label;
    int len;

    for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;)
        entry = X509_NAME_get_entry(name, at);
    len = entry != NULL ? ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry)) : 0;
    if (len <= 0)
        return whole_subject(name);
    label = label_copy((const char *)text, (size_t)len);
    OPENSSL_free(text);
    return label;
}

static bool is_ca(const X509 *x509)
{
    BASIC_CONSTRAINTS *constraints = X509_get_ext_d2i(x509, NID_basic_constraints, NULL, NULL);
    bool ca = constraints != NULL && constraints->ca != 0;

    BASIC_CONSTRAINTS_free(constraints);
    return ca;
}

static bool read_time(const ASN1_TIME *time, int64_t *ret)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *ret = timegm(&tm);
    return true;
}

/* Why it cannot be used, or NULL. */
static const char *fill(struct remote_cert *cert, const X509 *x509)
{
    if (!append_name(&cert->subject, X509_get_subject_name(x509)) ||
        !append_name(&cert->issuer, X509_get_issuer_name(x509)) ||
        !append_serial(&cert->serial, X509_get0_serialNumber(x509)) ||
        !append_spki(&cert->spki, x509))
        return "its names or its public key cannot be written";
    if (!read_time(X509_get0_notBefore(x509), &cert->not_before) ||
        !read_time(X509_get0_notAfter(x509), &cert->not_after))
        return "its validity is not a time";
    cert->common_name = label_of(X509_get_subject_name(x509));
    if (cert->common_name == NULL)
        return "its subject is not text";
    cert->ca = is_ca(x509);
    return NULL;
}

static enum remote_rc set_id(struct remote_cert *cert, struct remote_error *err)
{
    struct remote_spki_parts parts;

    if (!remote_local_split_spki(remote_buf_slice(&cert->spki), &parts))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "its public key is not well formed");
    return remote_local_bits_id(parts.bits, cert->id, err);
}

static X509 *parse(struct remote_slice der)
{
    X509 *x509 = X509_new_ex(remote_libctx(), NULL);
    const unsigned char *at = der.data;

    if (x509 == NULL || d2i_X509(&x509, &at, (long)der.len) == NULL) /* which frees it */
        return NULL;
    if (at == der.data + der.len)
        return x509;
    X509_free(x509);
    return NULL;
}

static enum remote_rc read_cert(struct remote_slice der, struct remote_cert *ret,
                                struct remote_error *err)
{
    CLEANUP(free_x509) X509 *x509 = NULL;
    const char *fault;

    if (der.len > CERT_DER_MAX)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "it has %zu bytes, more than %d", der.len,
                           CERT_DER_MAX);
    x509 = parse(der);
    fault = x509 != NULL ? fill(ret, x509) : "it is not a DER certificate";
    ERR_clear_error();
    if (fault != NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s", fault);
    remote_buf_append(&ret->der, der.data, der.len);
    REMOTE_TRY(remote_buf_check(&ret->der, err));
    return set_id(ret, err);
}

void remote_cert_free(struct remote_cert *cert)
{
    if (cert == NULL)
        return;
    remote_buf_clear(&cert->der);
    remote_buf_clear(&cert->subject);
    remote_buf_clear(&cert->issuer);
    remote_buf_clear(&cert->serial);
    remote_buf_clear(&cert->spki);
    free(cert->common_name);
    free(cert);
}

enum remote_rc remote_local_cert(const char *name, struct remote_slice der,
                                 struct remote_cert **ret, struct remote_error *err)
{
    struct remote_cert *cert = calloc(1, sizeof(*cert));
    struct remote_error why = { 0 };

    if (cert == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (read_cert(der, cert, &why) != REMOTE_OK) {
        remote_cert_free(cert);
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "certificate '%s': %s", name, why.text);
    }
    *ret = cert;
    return REMOTE_OK;
}

/* A growing list, and how much of it was there before. */
struct list {
    struct remote_cert **certs;
    size_t count, before;
};

static enum remote_rc list_add(struct list *list, struct remote_slice der, struct remote_error *err)
{
    struct remote_cert **grown =
        reallocarray(list->certs, list->count + 1, sizeof(struct remote_cert *));
    struct remote_cert *cert;
    enum remote_rc rc;

    if (grown != NULL)
        list->certs = grown;
    cert = grown != NULL ? calloc(1, sizeof(*cert)) : NULL;
    if (cert == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = read_cert(der, cert, err);
    if (rc == REMOTE_OK)
        list->certs[list->count++] = cert;
    else
        remote_cert_free(cert);
    return rc;
}

/* False: there is no more; *ret_bad: because what comes is not PEM. */
static bool next_block(BIO *bio, struct block *block, bool *ret_bad)
{
    unsigned flags = PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE;
    bool ended;

    if (PEM_read_bio_ex(bio, &block->name, &block->header, &block->der, &block->len, flags) == 1)
        return true;
    ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    *ret_bad = !ended;
    return false;
}

static enum remote_rc read_blocks(BIO *bio, struct list *list, struct remote_error *err)
{
    bool bad = false;

    for (;;) {
        CLEANUP(block_clear) struct block block = { 0 };

        if (!next_block(bio, &block, &bad))
            break;
        if (!is_certificate(&block))
            continue;
        if (list->count - list->before == CERTS_PER_FILE_MAX)
            return REMOTE_FAIL(err, REMOTE_E_CONFIG, "more than %d certificates in one file",
                               CERTS_PER_FILE_MAX);
        REMOTE_TRY(list_add(list, remote_slice(block.der, (size_t)block.len), err));
    }
    return bad ? REMOTE_FAIL(err, REMOTE_E_CONFIG, "the PEM block is damaged") : REMOTE_OK;
}

static enum remote_rc read_list(struct remote_slice pem, struct list *list,
                                struct remote_error *err)
{
    CLEANUP(remote_local_free_bio) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    enum remote_rc rc;

    if (bio == NULL)
        return remote_crypto_fail(err, "cannot read certificates");
    rc = read_blocks(bio, list, err);
    if (rc != REMOTE_OK)
        remote_error_prefix(err, "certificate %zu", list->count - list->before + 1);
    return rc;
}

enum remote_rc remote_local_certs(const char *path, struct remote_slice pem,
                                  struct remote_cert ***certs, size_t *count,
                                  struct remote_error *err)
{
    struct list list = { *certs, *count, *count };
    enum remote_rc rc;

    if (pem.len > PEM_TEXT_MAX)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: more than %u bytes", path, PEM_TEXT_MAX);
    rc = pem.len > 0 ? read_list(pem, &list, err) : REMOTE_OK;
    if (rc == REMOTE_OK && list.count == list.before)
        rc = REMOTE_FAIL(err, REMOTE_E_CONFIG, "no PEM certificate in it");
    if (rc != REMOTE_OK) {
        while (list.count > list.before)
            remote_cert_free(list.certs[--list.count]);
        remote_error_prefix(err, "%s", path);
    }
    *certs = list.certs; /* may have moved */
    *count = list.count;
    return rc;
}
