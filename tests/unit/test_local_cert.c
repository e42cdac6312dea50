/* SPDX-License-Identifier: Apache-2.0 */
#include "local_keys.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define PATH "/etc/hsmbridge/certs/web.pem"

struct list {
    struct remote_cert **certs;
    size_t count;
};

static void list_clear(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        remote_cert_free(list->certs[i]);
    free(list->certs);
    list->certs = NULL;
    list->count = 0;
}

static void add_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* A self-signed certificate; cn may be NULL, o may hold any byte. */
static X509 *make_cert(struct pair *pair, const char *cn, const char *o, bool ca)
{
    X509 *x509 = X509_new_ex(remote_libctx(), NULL);
    X509_NAME *name = X509_get_subject_name(x509);

    if (o != NULL)
        X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                   (const unsigned char *)o, -1, -1, 0);
    if (cn != NULL)
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)cn,
                                   -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 4711);
    ASN1_TIME_set_string_X509(X509_getm_notBefore(x509), "20240101000000Z");
    ASN1_TIME_set_string_X509(X509_getm_notAfter(x509), "99991231235959Z");
    X509_set_pubkey(x509, pair->pkey);
    if (ca)
        add_extension(x509, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(x509, pair->pkey,
                          EVP_PKEY_is_a(pair->pkey, "ED25519") ? NULL : EVP_sha256()) > 0);
    return x509;
}

static void append_pem(struct remote_buf *pem, X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text;
    long len;

    assert_int_equal(PEM_write_bio_X509(bio, x509), 1);
    len = BIO_get_mem_data(bio, &text);
    remote_buf_append(pem, text, (size_t)len);
    BIO_free(bio);
    X509_free(x509);
}

static void append_private_key(struct remote_buf *pem, EVP_PKEY *pkey)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text;
    long len;

    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
    len = BIO_get_mem_data(bio, &text);
    remote_buf_append(pem, text, (size_t)len);
    BIO_free(bio);
}

static void test_certs_have_the_parts_that_pkcs11_shows(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct list list = { 0 };
    const struct remote_cert *cert;
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ec("P-256"));
    append_pem(&pem, make_cert(&pair, "web", "Example", false));
    assert_int_equal(remote_local_certs(PATH, remote_buf_slice(&pem), &list.certs, &list.count,
                                        NULL),
                     REMOTE_OK);
    assert_int_equal(list.count, 1);
    cert = list.certs[0];
    assert_string_equal(cert->common_name, "web");
    assert_false(cert->ca);
    assert_memory_equal(cert->id, pair.key.id, 20);
    assert_true(
        remote_slice_equal(remote_buf_slice(&cert->spki), remote_buf_slice(&pair.key.spki)));
    assert_true(
        remote_slice_equal(remote_buf_slice(&cert->serial), remote_slice("\x02\x02\x12\x67", 4)));
    assert_true(
        remote_slice_equal(remote_buf_slice(&cert->subject), remote_buf_slice(&cert->issuer)));
    assert_int_equal(cert->subject.data[0], 0x30);
    assert_int_equal(cert->der.data[0], 0x30);
    assert_int_equal(cert->not_before, 1704067200);
    assert_int_equal(cert->not_after, 253402300799);
    list_clear(&list);
    pair_clear(&pair);
}

static void test_certs_skip_other_blocks_and_add_to_the_list(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct list list = { 0 };
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ed25519());
    remote_buf_append_str(&pem, "some text before, as certtool and openssl write it\n");
    append_private_key(&pem, pair.pkey);
    append_pem(&pem, make_cert(&pair, "leaf", NULL, false));
    append_private_key(&pem, pair.pkey);
    append_pem(&pem, make_cert(&pair, "issuer", NULL, true));
    for (size_t i = 1; i <= 2; i++) {
        assert_int_equal(remote_local_certs(PATH, remote_buf_slice(&pem), &list.certs, &list.count,
                                            NULL),
                         REMOTE_OK);
        assert_int_equal(list.count, 2 * i);
        assert_string_equal(list.certs[2 * i - 2]->common_name, "leaf");
        assert_string_equal(list.certs[2 * i - 1]->common_name, "issuer");
        assert_false(list.certs[2 * i - 2]->ca);
        assert_true(list.certs[2 * i - 1]->ca);
    }
    list_clear(&list);
    pair_clear(&pair);
}

static void test_certs_without_common_name_are_labelled_by_subject(void **state)
{
    static const char *const cns[] = { NULL, NULL, "a\x01\tb", "b\xc3\xbcro" };
    static const char *const os[] = { "Example", NULL, NULL, NULL };
    static const char *const labels[] = { "O = Example", "certificate", "a  b", "b\xc3\xbcro" };
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ec("P-256"));
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
        CLEANUP(list_clear) struct list list = { 0 };

        append_pem(&pem, make_cert(&pair, cns[i], os[i], false));
        assert_int_equal(remote_local_certs(PATH, remote_buf_slice(&pem), &list.certs, &list.count,
                                            NULL),
                         REMOTE_OK);
        assert_string_equal(list.certs[0]->common_name, labels[i]);
    }
    pair_clear(&pair);
}

/* One good certificate stands in the list; what is wrong comes behind another good one. */
static void check_refused(struct pair *pair, const char *behind, const char *part)
{
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    CLEANUP(list_clear) struct list list = { 0 };
    struct remote_error err = { 0 };

    append_pem(&pem, make_cert(pair, "web", NULL, false));
    assert_int_equal(remote_local_certs(PATH, remote_buf_slice(&pem), &list.certs, &list.count,
                                        &err),
                     REMOTE_OK);
    remote_buf_append_str(&pem, behind);
    assert_int_equal(remote_local_certs(PATH, remote_buf_slice(&pem), &list.certs, &list.count,
                                        &err),
                     REMOTE_E_CONFIG);
    assert_says(err.text, PATH ": certificate 2: ");
    assert_says(err.text, part);
    assert_int_equal(list.count, 1); /* as before */
    assert_string_equal(list.certs[0]->common_name, "web");
}

static void test_damaged_cert_is_refused_with_path_and_number(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ec("P-256"));
    check_refused(&pair, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
                  "not a DER certificate");
    check_refused(&pair, "-----BEGIN CERTIFICATE-----\nMAA\n", "damaged");
    check_refused(&pair, "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "damaged");
    check_refused(&pair, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END PRIVATE KEY-----\n",
                  "damaged");
    pair_clear(&pair);
}

static void test_file_without_certs_is_refused(void **state)
{
    static const char *const texts[] = { "", "hello\n",
                                         "-----BEGIN X-----\nMAA=\n-----END X-----\n" };
    struct list list = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct remote_error err = { 0 };

        assert_int_equal(remote_local_certs(PATH, remote_slice_str(texts[i]), &list.certs,
                                            &list.count, &err),
                         REMOTE_E_CONFIG);
        assert_string_equal(err.text, PATH ": no PEM certificate in it");
    }
    assert_int_equal(remote_local_certs(PATH, remote_slice(NULL, 0), &list.certs, &list.count,
                                        NULL),
                     REMOTE_E_CONFIG);
    assert_int_equal(list.count, 0);
    list_clear(&list);
    remote_cert_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certs_have_the_parts_that_pkcs11_shows),
        cmocka_unit_test(test_certs_skip_other_blocks_and_add_to_the_list),
        cmocka_unit_test(test_certs_without_common_name_are_labelled_by_subject),
        cmocka_unit_test(test_damaged_cert_is_refused_with_path_and_number),
        cmocka_unit_test(test_file_without_certs_is_refused),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
