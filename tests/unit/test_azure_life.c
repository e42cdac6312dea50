/* SPDX-License-Identifier: Apache-2.0 */
/* What changes keys at Azure, and the JSON Web Keys that go there. */
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/x509.h>

#include "azure_case.h"

#define HSM "https://web.managedhsm.azure.net"

static void test_generate_request_names_kind_and_size(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_GENERATE, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_RSA, .bits = 3072 };
    assert_request("POST", "/keys/k/create?api-version=7.4", "{\"kty\":\"RSA\",\"key_size\":3072}");
    op.spec =
        (struct remote_key_spec){ .type = REMOTE_KEY_EC, .bits = 384, .curve = NID_secp384r1 };
    assert_request("POST", "/keys/k/create?api-version=7.4", "{\"kty\":\"EC\",\"crv\":\"P-384\"}");
}

static void test_generate_in_an_hsm_says_so(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT "hsm_keys = yes\napi_version = 7.6\n");
    begin(REMOTE_OP_GENERATE, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_RSA, .bits = 2048 };
    assert_request("POST", "/keys/k/create?api-version=7.6",
                   "{\"kty\":\"RSA-HSM\",\"key_size\":2048}");
}

static void test_generate_aes_has_a_tag_with_its_size(void **state)
{
    (void)state;
    open_slot(HSM, CLIENT);
    begin(REMOTE_OP_GENERATE, REMOTE_KEY_AES, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_AES, .bits = 192 };
    assert_request("POST", "/keys/k/create?api-version=7.4",
                   "{\"kty\":\"oct-HSM\",\"key_size\":192,\"key_ops\":[\"encrypt\",\"decrypt\","
                   "\"wrapKey\",\"unwrapKey\"],\"tags\":{\"key_size\":\"192\"}}");
}

static void test_generate_of_what_azure_has_not_sends_nothing(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_GENERATE, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_AES, .bits = 256 };
    assert_int_equal(build(&err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "only a Managed HSM");
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_ED25519, .bits = 256 };
    assert_int_equal(build(&err), REMOTE_E_UNSUPPORTED);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_RSA, .bits = 2048 };
    op.name = "under_score";
    assert_int_equal(build(&err), REMOTE_E_PARAM);
    assert_says(err.text, "letters, digits and -");
}

static void test_generate_answer_is_the_new_key(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_GENERATE, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_parses(200, EC_BUNDLE(NEW, "\"created\":1"));
    assert_int_equal(op.keys.count, 1);
    assert_int_equal(op.keys.keys[0]->version, 1);
    assert_string_equal(op.keys.keys[0]->version_id, NEW);
}

static void test_rotate_keeps_kind_uses_and_hsm(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_ROTATE, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    key.hardware = true;
    key.uses = REMOTE_USE_SIGN | REMOTE_USE_UNWRAP;
    assert_request("POST", "/keys/k/create?api-version=7.4",
                   "{\"kty\":\"RSA-HSM\",\"key_size\":2048,\"key_ops\":[\"sign\",\"unwrapKey\"]}");
    op.key = NULL;
    assert_int_equal(build(&err), REMOTE_E_USAGE);
}

static void test_destroy_tells_how_long_the_name_is_taken(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_DESTROY, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    assert_request("DELETE", "/keys/k?api-version=7.4", "");
    assert_parses(200, "{\"recoveryId\":\"x\",\"scheduledPurgeDate\":1600000000}");
    assert_says(op.detail, "until 2020-09-13 unless it is purged");
    assert_parses(200, "{\"scheduledPurgeDate\":9223372036854775807}");
    assert_says(op.detail, "until its retention ends");
}

/* ---- import ---- */

static struct remote_buf material;

static void make_pair(int type, const char *curve)
{
    EVP_PKEY *pkey = type == EVP_PKEY_RSA
                         ? EVP_PKEY_Q_keygen(remote_libctx(), NULL, "RSA", (size_t)2048)
                         : EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", curve);
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    unsigned char *der = NULL;
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

    assert_true(len > 0);
    remote_buf_clear(&material);
    remote_buf_append(&material, der, (size_t)len);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(pkey);
    op.material = remote_buf_slice(&material);
}

static void assert_members(const char *const *members, size_t count)
{
    struct remote_error err;
    remote_json *json;

    if (build(&err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_string_equal(request.method, "PUT");
    assert_string_equal(text_of(&request.path), "/keys/k?api-version=7.4");
    json = remote_json_read(remote_buf_slice(&request.body), &err);
    assert_non_null(json);
    for (size_t i = 0; i < count; i++) {
        struct remote_buf bytes = { 0 };
        struct remote_slice text = remote_json_slice(remote_json_at(json, "key"), members[i]);

        if (text.len == 0 || !remote_base64url_decode(text, &bytes))
            fail_msg("no %s", members[i]);
        remote_buf_clear(&bytes);
    }
    remote_json_free(&json);
}

static void test_import_of_pairs_has_all_their_numbers(void **state)
{
    static const char *const rsa[] = { "n", "e", "d", "p", "q", "dp", "dq", "qi" };
    static const char *const ec[] = { "x", "y", "d" };

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_IMPORT, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_RSA, .bits = 2048 };
    make_pair(EVP_PKEY_RSA, NULL);
    assert_members(rsa, ARRAY_SIZE(rsa));
    assert_says(text_of(&request.body), "{\"Hsm\":false,\"key\":{\"kty\":\"RSA\",");
    op.spec =
        (struct remote_key_spec){ .type = REMOTE_KEY_EC, .bits = 521, .curve = NID_secp521r1 };
    make_pair(EVP_PKEY_EC, "P-521");
    assert_members(ec, ARRAY_SIZE(ec));
    remote_buf_clear(&material);
}

static void test_import_of_a_secret_is_for_a_managed_hsm(void **state)
{
    (void)state;
    open_slot(HSM, CLIENT);
    begin(REMOTE_OP_IMPORT, REMOTE_KEY_AES, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_AES, .bits = 128 };
    op.material = remote_slice("0123456789abcdef", 16);
    assert_request("PUT", "/keys/k?api-version=7.4",
                   "{\"Hsm\":true,\"key\":{\"kty\":\"oct-HSM\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZg\","
                   "\"key_ops\":[\"encrypt\",\"decrypt\",\"wrapKey\",\"unwrapKey\"]},"
                   "\"tags\":{\"key_size\":\"128\"}}");
}

static void test_import_without_tls_sends_nothing(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot("http://127.0.0.1:1", CLIENT "cloud = private\nresource = https://vault.test\n"
                                           "authority = https://login.test\n"
                                           "insecure_transport = yes\n");
    begin(REMOTE_OP_IMPORT, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_RSA, .bits = 2048 };
    assert_int_equal(build(&err), REMOTE_E_CONFIG);
    assert_says(err.text, "over TLS only");
}

static void test_import_of_nonsense_is_refused(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_IMPORT, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_RSA, .bits = 2048 };
    op.material = remote_slice("nonsense", 8);
    assert_int_not_equal(build(&err), REMOTE_OK);
    assert_says(err.text, "cannot be taken apart");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_generate_request_names_kind_and_size),
        TEST(test_generate_in_an_hsm_says_so),
        TEST(test_generate_aes_has_a_tag_with_its_size),
        TEST(test_generate_of_what_azure_has_not_sends_nothing),
        TEST(test_generate_answer_is_the_new_key),
        TEST(test_rotate_keeps_kind_uses_and_hsm),
        TEST(test_destroy_tells_how_long_the_name_is_taken),
        TEST(test_import_of_pairs_has_all_their_numbers),
        TEST(test_import_of_a_secret_is_for_a_managed_hsm),
        TEST(test_import_without_tls_sends_nothing),
        TEST(test_import_of_nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
