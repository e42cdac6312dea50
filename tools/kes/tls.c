/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tls_context.h"

struct kesd_tls {
    pthread_mutex_t lock; /* of ctx */
    SSL_CTX *ctx;
    int64_t expiry;
    struct kesd_tls_files files;
    bool doubtful; /* the files as they are now cannot be used, which nobody was told yet */
};

/* ---- files ---- */

static void files_close(struct kesd_tls_files *files)
{
    remote_kept_file_close(&files->cert);
    remote_kept_file_close(&files->key);
    remote_kept_file_close(&files->ca);
}

static enum remote_rc files_open(const struct kesd_tls_rules *rules, struct kesd_tls_files *ret,
                                 struct remote_error *err)
{
    struct kesd_tls_files files = { .refuses_expired = rules->refuses_expired,
                                    .asks_only = rules->asks_only };
    enum remote_rc rc;

    if (rules->cert_file == NULL || rules->key_file == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "no certificate to serve with: name it, and its key");
    rc = remote_kept_file_open(&files.cert, rules->cert_file, REMOTE_FILE_PUBLIC, err);
    if (rc == REMOTE_OK)
        rc = remote_kept_file_open(&files.key, rules->key_file, REMOTE_FILE_SECRET, err);
    if (rc == REMOTE_OK && rules->ca_file != NULL)
        rc = remote_kept_file_open(&files.ca, rules->ca_file, REMOTE_FILE_PUBLIC, err);
    if (rc != REMOTE_OK) {
        files_close(&files);
        return rc;
    }
    *ret = files;
    return REMOTE_OK;
}

/* ---- contexts ---- */

/* Connections keep the one that they began with. */
static void swap_ctx(struct kesd_tls *tls, SSL_CTX *ctx, int64_t expiry)
{
    SSL_CTX *old;

    pthread_mutex_lock(&tls->lock);
    old = tls->ctx;
    tls->ctx = ctx;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old);
    tls->expiry = expiry;
}

enum remote_rc kesd_tls_set(struct kesd_tls *tls, const struct kesd_tls_rules *rules,
                            struct remote_error *err)
{
    struct kesd_tls_files files;
    SSL_CTX *ctx;
    int64_t expiry;
    enum remote_rc rc;

    REMOTE_TRY(files_open(rules, &files, err));
    rc = kesd_tls_context(&files, &ctx, &expiry, err);
    if (rc != REMOTE_OK) {
        files_close(&files);
        return rc;
    }
    files_close(&tls->files);
    tls->files = files;
    tls->doubtful = false;
    swap_ctx(tls, ctx, expiry);
    return REMOTE_OK;
}

enum remote_rc kesd_tls_new(const struct kesd_tls_rules *rules, struct kesd_tls **ret,
                            struct remote_error *err)
{
    struct kesd_tls *tls = calloc(1, sizeof(*tls));
    enum remote_rc rc;

    if (tls == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    pthread_mutex_init(&tls->lock, NULL);
    rc = kesd_tls_set(tls, rules, err);
    if (rc != REMOTE_OK) {
        kesd_tls_free(tls);
        return rc;
    }
    *ret = tls;
    return REMOTE_OK;
}

void kesd_tls_free(struct kesd_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->ctx);
    files_close(&tls->files);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

static bool refresh_files(struct kesd_tls_files *files)
{
    bool cert = remote_kept_file_refresh(&files->cert);
    bool key = remote_kept_file_refresh(&files->key);
    bool ca = files->ca.path != NULL && remote_kept_file_refresh(&files->ca);

    return cert || key || ca;
}

/* Certificate and key are two files, and change one after the other: a pair that does not fit has
 * until the next look before it is spoken of. */
void kesd_tls_refresh(struct kesd_tls *tls)
{
    bool changed = refresh_files(&tls->files);
    struct remote_error err = { 0 };
    SSL_CTX *ctx;
    int64_t expiry;

    if (!changed && !tls->doubtful)
        return;
    if (kesd_tls_context(&tls->files, &ctx, &expiry, &err) == REMOTE_OK) {
        tls->doubtful = false;
        swap_ctx(tls, ctx, expiry);
        remote_log(REMOTE_LOG_INFO, "the certificate in %s has been read again",
                   tls->files.cert.path);
        return;
    }
    if (!changed)
        remote_log(REMOTE_LOG_ERROR, "the certificate stays as it was: %s", err.text);
    tls->doubtful = changed;
}

int64_t kesd_tls_expiry(const struct kesd_tls *tls)
{
    return tls->expiry;
}

/* ---- connections ---- */

SSL *kesd_tls_accept(struct kesd_tls *tls, int fd)
{
    SSL *ssl;

    pthread_mutex_lock(&tls->lock);
    ssl = SSL_new(tls->ctx);
    pthread_mutex_unlock(&tls->lock);
    if (ssl == NULL)
        return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
