/* SPDX-License-Identifier: Apache-2.0 */
#include "local_keys.h"

#include <openssl/x509v3.h>

static enum remote_rc sign_with_pair(void *arg, const struct remote_params *params,
                                     struct remote_slice input, struct remote_buf *ret_sig,
                                     struct remote_error *err)
{
    (void)err;
    pair_sign(arg, params, input, ret_sig);
    return REMOTE_OK;
}

static enum remote_rc refuse_to_sign(void *arg, const struct remote_params *params,
                                     struct remote_slice input, struct remote_buf *ret_sig,
                                     struct remote_error *err)
{
    (void)arg;
    (void)params;
    (void)input;
    (void)ret_sig;
    return REMOTE_FAIL(err, REMOTE_E_RIGHTS, "the service refuses");
}

/* The request, parsed again and its signature checked by libcrypto. */
static X509_REQ *make(struct pair *pair, struct remote_csr csr)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    struct remote_error err = { 0 };
    const unsigned char *at;
    X509_REQ *req;

    csr.sign = sign_with_pair;
    csr.arg = pair;
    if (remote_local_csr(&pair->key, &csr, &der, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    at = der.data;
    req = d2i_X509_REQ(NULL, &at, (long)der.len);
    assert_non_null(req);
    assert_ptr_equal(at, der.data + der.len);
    assert_int_equal(X509_REQ_verify_ex(req, pair->pkey, remote_libctx(), NULL), 1);
    return req;
}

static const char *refusal(struct pair *pair, struct remote_csr csr)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    static struct remote_error err;

    csr.sign = sign_with_pair;
    csr.arg = pair;
    assert_int_equal(remote_local_csr(&pair->key, &csr, &der, &err), REMOTE_E_PARAM);
    assert_null(der.data);
    return err.text;
}

/* As RFC 4514 has it: the last of the encoded name first. */
static char *subject_of(X509_REQ *req)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *copy;
    long len;

    X509_NAME_print_ex(bio, X509_REQ_get_subject_name(req), 0, XN_FLAG_RFC2253);
    len = BIO_get_mem_data(bio, &text);
    copy = OPENSSL_strndup(len > 0 ? text : "", (size_t)len);
    BIO_free(bio);
    return copy;
}

static void check_subject(struct pair *pair, const char *given, const char *expected)
{
    X509_REQ *req = make(pair, (struct remote_csr){ .subject = given });
    char *subject = subject_of(req);

    assert_string_equal(subject, expected);
    OPENSSL_free(subject);
    X509_REQ_free(req);
}

static void test_csr_of_every_kind_of_key_verifies(void **state)
{
    EVP_PKEY *made[] = { make_rsa(2048), make_ec("P-256"), make_ec("P-384"), make_ec("P-521"),
                         make_ed25519() };
    static const int nids[] = { NID_sha256WithRSAEncryption, NID_ecdsa_with_SHA256,
                                NID_ecdsa_with_SHA384, NID_ecdsa_with_SHA512, NID_ED25519 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
        struct pair pair;
        X509_REQ *req;

        pair_init(&pair, made[i]);
        for (int round = 0; round < 4; round++) { /* a signature may end in zero bits */
            req = make(&pair, (struct remote_csr){ .subject = "/CN=web" });
            assert_int_equal(X509_REQ_get_signature_nid(req), nids[i]);
            X509_REQ_free(req);
        }
        pair_clear(&pair);
    }
}

static void test_csr_with_a_hash_uses_it(void **state)
{
    struct pair rsa, ed;
    X509_REQ *req;

    (void)state;
    pair_init(&rsa, make_rsa(2048));
    pair_init(&ed, make_ed25519());
    req = make(&rsa, (struct remote_csr){ .subject = "/CN=web", .hash = REMOTE_HASH_SHA512 });
    assert_int_equal(X509_REQ_get_signature_nid(req), NID_sha512WithRSAEncryption);
    X509_REQ_free(req);
    assert_says(refusal(&rsa,
                        (struct remote_csr){ .subject = "/CN=web", .hash = REMOTE_HASH_SHA1 }),
                "cannot use SHA1; SHA2-256, -384 or -512 can be used");
    assert_says(refusal(&ed,
                        (struct remote_csr){ .subject = "/CN=web", .hash = REMOTE_HASH_SHA256 }),
                "no hash can be used");
    pair_clear(&rsa);
    pair_clear(&ed);
}

static void test_subject_is_read_in_both_forms(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ed25519());
    check_subject(&pair, "/O=Example/CN=web", "CN=web,O=Example");
    check_subject(&pair, "CN=web,O=Example", "CN=web,O=Example");
    check_subject(&pair, " CN = web , O = Example Inc ", "CN=web,O=Example Inc");
    check_subject(&pair, "CN=a\\,b\\20,C=DE", "CN=a\\,b\\ ,C=DE");
    check_subject(&pair, "/CN=a\\/b=c", "CN=a/b=c");
    check_subject(&pair, "2.5.4.10=Example", "O=Example");
    check_subject(&pair, "", "");
    pair_clear(&pair);
}

static void test_subject_that_is_wrong_is_refused_with_what_would_be_right(void **state)
{
    static const char *const wrong[][2] = {
        { "web", "'web' where NAME=VALUE should be" },
        { "CN=web,web2", "'web2' where NAME=VALUE should be" },
        { "=web", "NAME=VALUE" },
        { "CN=", "CN has no value" },
        { "XX=web", "'XX' is no attribute" },
        { "C=Germany", "C cannot be 'Germany'" },
        { "CN=a+O=b", "'+' needs a backslash" },
        { "CN=a\\", "backslash before ''" },
        { "CN=a\\zz", "backslash before 'zz'" },
        { "CN=\xff\xfe", "CN cannot be" },
    };
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ed25519());
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_says(refusal(&pair, (struct remote_csr){ .subject = wrong[i][0] }), wrong[i][1]);
    pair_clear(&pair);
}

static void test_sans_stand_in_the_request(void **state)
{
    static const char *const sans[] = { "DNS:web.example", "ip:192.0.2.1", "IP:2001:db8::1",
                                        "email:ops@example.org", NULL };
    static const int types[] = { GEN_DNS, GEN_IPADD, GEN_IPADD, GEN_EMAIL };
    STACK_OF(X509_EXTENSION) * extensions;
    GENERAL_NAMES *names;
    struct pair pair;
    int critical = 0;
    X509_REQ *req;

    (void)state;
    pair_init(&pair, make_ec("P-256"));
    req = make(&pair, (struct remote_csr){ .subject = "", .sans = sans });
    extensions = X509_REQ_get_extensions(req);
    names = X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);
    assert_int_equal(critical, 1); /* there is no subject */
    assert_int_equal(sk_GENERAL_NAME_num(names), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(sk_GENERAL_NAME_value(names, i)->type, types[i]);
    assert_memory_equal(ASN1_STRING_get0_data(sk_GENERAL_NAME_value(names, 1)->d.iPAddress),
                        "\xc0\x00\x02\x01", 4);
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(req);
    pair_clear(&pair);
}

static void test_san_that_is_wrong_is_refused(void **state)
{
    static const char *const wrong[] = { "web.example",  "DNS:",          "DNS:a b",
                                         "IP:300.1.1.1", "URI:https://x", "DNS:b\xc3\xbcro" };
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ed25519());
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        const char *const sans[] = { "DNS:good", wrong[i], NULL };
        const char *text = refusal(&pair, (struct remote_csr){ .subject = "CN=x", .sans = sans });

        assert_says(text, wrong[i]);
        assert_says(text, "DNS:NAME, IP:ADDRESS or email:ADDRESS");
    }
    pair_clear(&pair);
}

static void test_csr_fails_as_its_sign_does_and_not_without_a_public_half(void **state)
{
    struct remote_csr csr = { .subject = "CN=x", .sign = refuse_to_sign };
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    struct remote_key secret = { .type = REMOTE_KEY_AES };
    struct remote_error err = { 0 };
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ed25519());
    assert_int_equal(remote_local_csr(&pair.key, &csr, &der, &err), REMOTE_E_RIGHTS);
    assert_string_equal(err.text, "the service refuses");
    assert_int_equal(remote_local_csr(&secret, &csr, &der, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "asymmetric");
    assert_null(der.data);
    pair_clear(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csr_of_every_kind_of_key_verifies),
        cmocka_unit_test(test_csr_with_a_hash_uses_it),
        cmocka_unit_test(test_subject_is_read_in_both_forms),
        cmocka_unit_test(test_subject_that_is_wrong_is_refused_with_what_would_be_right),
        cmocka_unit_test(test_sans_stand_in_the_request),
        cmocka_unit_test(test_san_that_is_wrong_is_refused),
        cmocka_unit_test(test_csr_fails_as_its_sign_does_and_not_without_a_public_half),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
