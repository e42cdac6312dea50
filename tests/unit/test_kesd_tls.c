/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of TLS, with a client of OpenSSL's own at the other end of a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls.h"
#include "tls_client.h"

#define DAY (24 * 3600L)

static char directory[] = "/tmp/hsmbridge-test-tls-XXXXXX";
static struct remote_guard guard;

/* ---- certificates ---- */

struct pair { /* of a certificate and its key */
    X509 *cert;
    EVP_PKEY *key;
};

struct wish {
    const char *names; /* subjectAltName; NULL: none */
    bool ca, expired;
    const struct pair *issuer; /* NULL: itself */
};

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static struct pair make(const struct wish *wish)
{
    static long serial = 1;
    struct pair pair = { X509_new(), EVP_EC_gen("P-256") };
    const struct pair *issuer = wish->issuer != NULL ? wish->issuer : &pair;
    char name[32];

    snprintf(name, sizeof(name), "test %ld", serial);
    X509_set_version(pair.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(pair.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(pair.cert), -2 * DAY);
    X509_gmtime_adj(X509_getm_notAfter(pair.cert), wish->expired ? -DAY : DAY);
    X509_set_pubkey(pair.cert, pair.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(pair.cert), "CN", MBSTRING_ASC,
                               (unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(pair.cert, X509_get_subject_name(issuer->cert));
    add_extension(pair.cert, NID_basic_constraints, wish->ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (wish->names != NULL)
        add_extension(pair.cert, NID_subject_alt_name, wish->names);
    assert_true(X509_sign(pair.cert, issuer->key, EVP_sha256()) > 0);
    return pair;
}

static void pair_free(struct pair *pair)
{
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
}

static const char *path_of(const char *name)
{
    static char paths[16][128];
    static unsigned next;
    char *path = paths[next++ % ARRAY_SIZE(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static FILE *create(const char *name)
{
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    return file;
}

static void write_cert(const char *name, const struct pair *pair)
{
    FILE *file = create(name);

    PEM_write_X509(file, pair->cert);
    fclose(file);
}

static void write_key(const char *name, const struct pair *pair, const char *password)
{
    FILE *file = create(name);

    PEM_write_PrivateKey(file, pair->key, password != NULL ? EVP_aes_256_cbc() : NULL, NULL, 0,
                         NULL, (void *)(uintptr_t)password);
    fclose(file);
}

static const struct wish own_wish = { .names = "DNS:localhost" };

static struct kesd_tls *serve(const struct kesd_tls_rules *more)
{
    struct kesd_tls_rules rules = *more;
    struct pair own = make(&own_wish);
    struct remote_error err = { 0 };
    struct kesd_tls *tls = NULL;

    write_cert("own.pem", &own);
    write_key("own.key", &own, NULL);
    pair_free(&own);
    rules.cert_file = path_of("own.pem");
    rules.key_file = path_of("own.key");
    if (kesd_tls_new(&rules, &tls, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return tls;
}

/* ---- a client ---- */

static SSL *open_client(int fd, const struct pair *pair, const struct pair *also)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    if (pair != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(ctx, pair->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pair->key), 1);
    }
    if (also != NULL)
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, also->cert), 1);
    ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* Lets both ends speak in turn. True: the server has let the client in. *ret: who it is. */
static bool meet(struct kesd_tls *tls, const struct pair *pair, const struct pair *also,
                 struct kesd_request *ret)
{
    int fds[2], done = 0;
    SSL *client, *server;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    client = open_client(fds[0], pair, also);
    server = kesd_tls_accept(tls, fds[1]);
    assert_non_null(server);
    for (int i = 0; i < 10 && done != 1; i++) {
        (void)SSL_do_handshake(client);
        done = SSL_do_handshake(server);
    }
    memset(ret, 0, sizeof(*ret));
    if (done == 1)
        kesd_tls_identify(server, ret);
    ERR_clear_error();
    SSL_free(client);
    SSL_free(server);
    close(fds[0]);
    close(fds[1]);
    return done == 1;
}

/* ---- tests ---- */

static void test_identity_is_the_hash_of_the_public_key(void **state)
{
    struct kesd_tls *tls = serve(&(struct kesd_tls_rules){ 0 });
    struct pair client = make(&(struct wish){ 0 });
    unsigned char *der = NULL, hash[32];
    int len = i2d_PUBKEY(client.key, &der);
    CLEANUP(remote_buf_clear) struct remote_buf hex = { 0 };
    struct kesd_request request;

    (void)state;
    EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    remote_hex_append(&hex, remote_slice(hash, sizeof(hash)));
    assert_true(meet(tls, &client, NULL, &request));
    assert_int_equal(request.certificate, KESD_CERT_ONE);
    assert_string_equal(request.identity, (const char *)hex.data);
    assert_true(llabs(request.expires_s - (time(NULL) + DAY)) < 60);
    pair_free(&client);
    kesd_tls_free(tls);
}

static void test_certificates_of_authorities_are_no_clients(void **state)
{
    struct kesd_tls *tls = serve(&(struct kesd_tls_rules){ 0 });
    struct pair ca = make(&(struct wish){ .ca = true });
    struct pair client = make(&(struct wish){ .issuer = &ca }), other = make(&(struct wish){ 0 });
    struct kesd_request request;

    (void)state;
    assert_true(meet(tls, &ca, NULL, &request));
    assert_int_equal(request.certificate, KESD_CERT_NONE);
    assert_true(meet(tls, &client, &ca, &request));
    assert_int_equal(request.certificate, KESD_CERT_ONE);
    assert_true(meet(tls, &ca, &client, &request));
    assert_int_equal(request.certificate, KESD_CERT_ONE);
    assert_true(meet(tls, &client, &other, &request));
    assert_int_equal(request.certificate, KESD_CERT_MANY);
    assert_string_equal(request.identity, "");
    pair_free(&ca);
    pair_free(&client);
    pair_free(&other);
    kesd_tls_free(tls);
}

static void test_client_without_certificate_comes_in_only_where_paths_need_none(void **state)
{
    struct kesd_tls *strict = serve(&(struct kesd_tls_rules){ 0 });
    struct kesd_tls *mild = serve(&(struct kesd_tls_rules){ .asks_only = true });
    struct kesd_request request;

    (void)state;
    assert_false(meet(strict, NULL, NULL, &request));
    assert_true(meet(mild, NULL, NULL, &request));
    assert_int_equal(request.certificate, KESD_CERT_NONE);
    kesd_tls_free(strict);
    kesd_tls_free(mild);
}

static void test_expired_client_is_refused_when_that_is_enforced(void **state)
{
    struct kesd_tls *lax = serve(&(struct kesd_tls_rules){ 0 });
    struct kesd_tls *strict = serve(&(struct kesd_tls_rules){ .refuses_expired = true });
    struct pair old = make(&(struct wish){ .expired = true }), client = make(&(struct wish){ 0 });
    struct pair old_ca = make(&(struct wish){ .expired = true, .ca = true });
    struct kesd_request request;

    (void)state;
    assert_true(meet(lax, &old, NULL, &request));
    assert_int_equal(request.certificate, KESD_CERT_ONE);
    assert_true(request.expires_s < time(NULL));
    assert_false(meet(strict, &old, NULL, &request));
    assert_true(meet(strict, &client, NULL, &request));
    assert_true(meet(strict, &client, &old_ca, &request)); /* that one says nothing here */
    pair_free(&old);
    pair_free(&old_ca);
    pair_free(&client);
    kesd_tls_free(lax);
    kesd_tls_free(strict);
}

static void test_client_must_chain_to_the_authorities_that_are_named(void **state)
{
    struct pair ca = make(&(struct wish){ .ca = true });
    struct pair client = make(&(struct wish){ .issuer = &ca }), alone = make(&(struct wish){ 0 });
    struct pair old = make(&(struct wish){ .issuer = &ca, .expired = true });
    struct kesd_tls *tls;
    struct kesd_request request;

    (void)state;
    write_cert("ca.pem", &ca);
    tls = serve(&(struct kesd_tls_rules){ .ca_file = path_of("ca.pem") });
    assert_true(meet(tls, &client, NULL, &request));
    assert_int_equal(request.certificate, KESD_CERT_ONE);
    assert_false(meet(tls, &alone, NULL, &request));
    assert_false(meet(tls, &old, NULL, &request));
    pair_free(&ca);
    pair_free(&client);
    pair_free(&alone);
    pair_free(&old);
    kesd_tls_free(tls);
}

static void assert_refused(const char *cert, const char *key, const char *ca, const char *text)
{
    const struct kesd_tls_rules rules = { .cert_file = cert, .key_file = key, .ca_file = ca };
    struct remote_error err = { 0 };
    struct kesd_tls *tls = NULL;

    assert_int_equal(kesd_tls_new(&rules, &tls, &err), REMOTE_E_CONFIG);
    assert_null(tls);
    if (strstr(err.text, text) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static void test_file_that_cannot_be_used_is_named(void **state)
{
    struct pair own = make(&own_wish), other = make(&own_wish), bare = make(&(struct wish){ 0 });
    const char *cert = path_of("good.pem"), *key = path_of("good.key");
    FILE *file = create("text");

    (void)state;
    fputs("nothing of use\n", file);
    fclose(file);
    write_cert("good.pem", &own);
    write_key("good.key", &own, NULL);
    write_key("other.key", &other, NULL);
    write_key("secret.key", &own, "password");
    write_cert("bare.pem", &bare);
    assert_refused(NULL, key, NULL, "no certificate to serve with");
    assert_refused(path_of("missing"), key, NULL, "/missing");
    assert_refused(path_of("text"), key, NULL, "/text: not a certificate in PEM");
    assert_refused(path_of("bare.pem"), key, NULL, "no subject alternative name");
    assert_refused(cert, path_of("text"), NULL, "/text: not a private key in PEM");
    assert_refused(cert, path_of("secret.key"), NULL, "without a password");
    assert_refused(cert, path_of("other.key"), NULL, "/other.key: not the key of the certificate");
    assert_refused(cert, key, path_of("text"), "/text: not certificates in PEM");
    pair_free(&own);
    pair_free(&other);
    pair_free(&bare);
}

static unsigned count_lines(const char *path, const char *text)
{
    char line[1024];
    unsigned count = 0;
    FILE *file = fopen(path, "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, text) != NULL;
    if (file != NULL)
        fclose(file);
    return count;
}

static void test_files_that_change_are_used_or_spoken_of_once(void **state)
{
    struct kesd_tls *tls = serve(&(struct kesd_tls_rules){ 0 });
    struct pair next = make(&own_wish), client = make(&(struct wish){ 0 });
    int64_t expiry = kesd_tls_expiry(tls);
    struct kesd_request request;
    char log[128];

    (void)state;
    snprintf(log, sizeof(log), "%s", path_of("log"));
    assert_int_equal(remote_log_setup(log, "info", NULL), REMOTE_OK);
    X509_gmtime_adj(X509_getm_notAfter(next.cert), 9 * DAY);
    X509_sign(next.cert, next.key, EVP_sha256());
    write_cert("own.pem", &next); /* and its key not yet */
    kesd_tls_refresh(tls);
    assert_int_equal(count_lines(log, "stays as it was"), 0);
    kesd_tls_refresh(tls);
    kesd_tls_refresh(tls);
    assert_int_equal(count_lines(log, "own.key: not the key of the certificate"), 1);
    assert_int_equal(kesd_tls_expiry(tls), expiry);
    assert_true(meet(tls, &client, NULL, &request));
    write_key("own.key", &next, NULL);
    kesd_tls_refresh(tls);
    assert_int_equal(count_lines(log, "has been read again"), 1);
    assert_true(kesd_tls_expiry(tls) > expiry + 7 * DAY);
    assert_true(meet(tls, &client, NULL, &request));
    assert_int_equal(remote_log_setup("none", NULL, NULL), REMOTE_OK);
    pair_free(&next);
    pair_free(&client);
    kesd_tls_free(tls);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL && remote_guard_enter(&guard, NULL) == REMOTE_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {
        "own.pem",  "own.key",   "ca.pem",   "text", "good.pem",
        "good.key", "other.key", "bare.pem", "log",  "secret.key"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unlink(path_of(names[i]));
    remote_guard_leave(&guard);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_is_the_hash_of_the_public_key),
        cmocka_unit_test(test_certificates_of_authorities_are_no_clients),
        cmocka_unit_test(test_client_without_certificate_comes_in_only_where_paths_need_none),
        cmocka_unit_test(test_expired_client_is_refused_when_that_is_enforced),
        cmocka_unit_test(test_client_must_chain_to_the_authorities_that_are_named),
        cmocka_unit_test(test_file_that_cannot_be_used_is_named),
        cmocka_unit_test(test_files_that_change_are_used_or_spoken_of_once),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
