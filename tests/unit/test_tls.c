/* SPDX-License-Identifier: Apache-2.0 */
/* What a slot brings to TLS, and that nothing of the host's settings is left in a context. */
#include "memory.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "libctx.h"
#include "tls.h"

static char dir[32];
static struct remote_config config;
static struct remote_tls tls;

static const char *path_of(const char *name)
{
    static char paths[4][64];
    static size_t next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", "P-256");

    assert_non_null(pkey);
    return pkey;
}

static X509 *make_cert(EVP_PKEY *pkey, long serial)
{
    X509 *cert = X509_new_ex(remote_libctx(), NULL);

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, pkey);
    assert_true(X509_sign(cert, pkey, EVP_sha256()) > 0);
    return cert;
}

/* By way of another name, as certbot and kubelet replace files. */
static void write_text(const char *name, const char *text)
{
    FILE *out = fopen(path_of("fresh"), "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(chmod(path_of("fresh"), 0600), 0);
    assert_int_equal(rename(path_of("fresh"), path_of(name)), 0);
}

static void write_pair(const char *cert_name, const char *key_name, long serial,
                       const char *passphrase)
{
    EVP_PKEY *pkey = make_key();
    X509 *cert = make_cert(pkey, serial);
    FILE *out = fopen(path_of(cert_name), "w");

    assert_int_equal(PEM_write_X509(out, cert), 1);
    fclose(out);
    out = fopen(path_of(key_name), "w");
    assert_int_equal(PEM_write_PKCS8PrivateKey(out, pkey, passphrase ? EVP_aes_256_cbc() : NULL,
                                               passphrase, passphrase ? (int)strlen(passphrase) : 0,
                                               NULL, NULL),
                     1);
    fclose(out);
    chmod(path_of(key_name), 0600);
    X509_free(cert);
    EVP_PKEY_free(pkey);
}

static int setup(void **state)
{
    strcpy(dir, "/tmp/hsmbridge-XXXXXX");
    if (mkdtemp(dir) == NULL || memory_setup(state) != 0)
        return -1;
    write_pair("ca.pem", "ca.key", 1, NULL);
    write_pair("client.pem", "client.key", 2, NULL);
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = { "ca.pem",     "ca.key", "client.pem",
                                         "client.key", "fresh",  "other" };

    remote_tls_close(&tls);
    remote_config_clear(&config);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unlink(path_of(names[i]));
    assert_int_equal(rmdir(dir), 0);
    return memory_teardown(state);
}

static enum remote_rc open_tls(const char *ca, const char *cert, const char *key,
                               struct remote_error *err)
{
    static char text[512];
    const struct remote_option *const tables[] = { remote_options_slot, remote_options_https,
                                                   NULL };

    snprintf(text, sizeof(text), "[slot web]\n%s%s%s%s%s%s%s%s%s", ca ? "ca_file = " : "",
             ca ? path_of(ca) : "", ca ? "\n" : "", cert ? "client_cert_file = " : "",
             cert ? path_of(cert) : "", cert ? "\n" : "", key ? "client_key_file = " : "",
             key ? path_of(key) : "", key ? "\n" : "");
    assert_ok(remote_config_parse("t.conf", remote_slice_str(text), &config, err), *err);
    assert_ok(remote_section_check(config.slots[0], tables, err), *err);
    return remote_tls_open(&tls, config.slots[0], NULL, err);
}

static void must_open(const char *ca, const char *cert, const char *key)
{
    struct remote_error err = { 0 };

    assert_ok(open_tls(ca, cert, key, &err), err);
}

static SSL_CTX *apply(void)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(remote_libctx(), NULL, TLS_client_method());

    assert_non_null(ctx);
    assert_true(remote_tls_apply(&tls, ctx));
    return ctx;
}

static long serial_of_client(void)
{
    SSL_CTX *ctx = apply();
    long serial = ASN1_INTEGER_get(X509_get_serialNumber(SSL_CTX_get0_certificate(ctx)));

    SSL_CTX_free(ctx);
    return serial;
}

static long serial_of_ca(void)
{
    SSL_CTX *ctx = apply();
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    long serial = ASN1_INTEGER_get(
        X509_get_serialNumber(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, 0))));

    assert_int_equal(sk_X509_OBJECT_num(objects), 1); /* and no other is trusted */
    SSL_CTX_free(ctx);
    return serial;
}

/* ---- open ---- */

static void test_files_are_read_at_open(void **state)
{
    (void)state;
    must_open("ca.pem", "client.pem", "client.key");
    assert_true(remote_tls_has_client(&tls));
    unlink(path_of("ca.pem"));
    unlink(path_of("client.pem"));
    unlink(path_of("client.key"));
    memory_advance(5000);
    assert_int_equal(serial_of_ca(), 1); /* what is kept serves on */
    assert_int_equal(serial_of_client(), 2);
}

static void test_no_client_certificate_is_none(void **state)
{
    SSL_CTX *ctx;

    (void)state;
    must_open("ca.pem", NULL, NULL);
    assert_false(remote_tls_has_client(&tls));
    ctx = apply();
    assert_null(SSL_CTX_get0_certificate(ctx));
    SSL_CTX_free(ctx);
}

static void assert_refused(const char *ca, const char *cert, const char *key, const char *says)
{
    struct remote_error err = { 0 };

    assert_int_equal(open_tls(ca, cert, key, &err), REMOTE_E_CONFIG);
    assert_says(err.text, says);
    remote_tls_close(&tls);
    remote_config_clear(&config);
}

static void test_bad_files_are_refused_with_what_would_be_right(void **state)
{
    (void)state;
    assert_refused("absent.pem", NULL, NULL, "absent.pem");
    assert_refused("ca.key", NULL, NULL, "no certificate in it; it must hold PEM CA certificates");
    assert_refused("ca.pem", "client.pem", NULL,
                   "client_key_file: missing; a client certificate needs both files");
    assert_refused("ca.pem", NULL, "client.key", "client_cert_file: missing");
    assert_refused("ca.pem", "client.key", "client.key", "no certificate in client_cert_file");
    assert_refused("ca.pem", "client.pem", "client.pem", "no usable key in client_key_file");
    assert_refused("ca.pem", "client.pem", "ca.key",
                   "client_key_file is not the key of the first certificate");
}

static void test_key_with_a_passphrase_is_refused_and_asks_nobody(void **state)
{
    (void)state;
    write_pair("client.pem", "client.key", 2, "secret");
    assert_refused("ca.pem", "client.pem", "client.key",
                   "it must hold a PEM private key without a passphrase");
}

static void test_close_of_what_was_never_opened_is_nothing(void **state)
{
    struct remote_tls never = { 0 };

    (void)state;
    remote_tls_close(&never);
    assert_null(never.store);
}

/* ---- a context ---- */

static void spoil(SSL_CTX *ctx)
{
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TLSv1_3 | SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ALL:eNULL");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
}

static void log_keys(const SSL *ssl, const char *line)
{
    (void)ssl, (void)line;
}

static void test_settings_of_the_host_are_undone(void **state)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(remote_libctx(), NULL, TLS_client_method());
    STACK_OF(SSL_CIPHER) * ciphers;

    (void)state;
    must_open("ca.pem", NULL, NULL);
    spoil(ctx);
    SSL_CTX_set_keylog_callback(ctx, log_keys);
    assert_true(remote_tls_apply(&tls, ctx));
    assert_int_equal(SSL_CTX_get_security_level(ctx), 2);
    assert_int_equal(SSL_CTX_get_min_proto_version(ctx), TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_get_max_proto_version(ctx), 0);
    assert_int_equal(SSL_CTX_get_verify_mode(ctx), SSL_VERIFY_PEER);
    assert_false(SSL_CTX_get_options(ctx) & (SSL_OP_NO_TLSv1_3 | SSL_OP_LEGACY_SERVER_CONNECT));
    assert_true(SSL_CTX_get_options(ctx) & SSL_OP_NO_COMPRESSION);
    assert_null(SSL_CTX_get_keylog_callback(ctx));
    ciphers = SSL_CTX_get_ciphers(ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
        assert_true(SSL_CIPHER_is_aead(sk_SSL_CIPHER_value(ciphers, i)));
    SSL_CTX_free(ctx);
}

/* ---- files that change ---- */

static void test_changed_ca_is_read_again_but_not_at_every_connection(void **state)
{
    (void)state;
    must_open("ca.pem", NULL, NULL);
    write_pair("other", "ca.key", 7, NULL);
    assert_int_equal(rename(path_of("other"), path_of("ca.pem")), 0);
    assert_int_equal(serial_of_ca(), 1);
    memory_advance(1000);
    assert_int_equal(serial_of_ca(), 7);
}

static void test_changed_ca_that_is_none_leaves_the_earlier(void **state)
{
    (void)state;
    must_open("ca.pem", NULL, NULL);
    write_text("ca.pem", "nonsense\n");
    memory_advance(1000);
    assert_int_equal(serial_of_ca(), 1);
}

static void test_changed_client_pair_is_used_once_it_fits(void **state)
{
    (void)state;
    must_open("ca.pem", "client.pem", "client.key");
    write_pair("other", "fresh", 9, NULL);
    assert_int_equal(rename(path_of("other"), path_of("client.pem")), 0);
    memory_advance(1000);
    assert_int_equal(serial_of_client(), 2); /* the new certificate has not its key yet */
    assert_int_equal(rename(path_of("fresh"), path_of("client.key")), 0);
    memory_advance(1000);
    assert_int_equal(serial_of_client(), 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_are_read_at_open),
        TEST(test_no_client_certificate_is_none),
        TEST(test_bad_files_are_refused_with_what_would_be_right),
        TEST(test_key_with_a_passphrase_is_refused_and_asks_nobody),
        TEST(test_close_of_what_was_never_opened_is_nothing),
        TEST(test_settings_of_the_host_are_undone),
        TEST(test_changed_ca_is_read_again_but_not_at_every_connection),
        TEST(test_changed_ca_that_is_none_leaves_the_earlier),
        TEST(test_changed_client_pair_is_used_once_it_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
