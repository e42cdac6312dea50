/* SPDX-License-Identifier: Apache-2.0 */
/* Azure's credentials: what is asked for a token, what is made of the answer, and azure.json. */
#include <sys/stat.h>
#include <unistd.h>

#include "azure_case.h"

static void begin_login(void)
{
    begin(REMOTE_OP_LOGIN, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    op.key = NULL;
}

static const char *origin_url(void)
{
    return slot->endpoints.list[request.origin].url;
}

/* ---- Entra ID ---- */

static void test_secret_request_is_encoded_and_goes_to_the_authority(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin_login();
    assert_request("POST", "/t.example/oauth2/v2.0/token",
                   "grant_type=client_credentials&client_id=app%201"
                   "&scope=https%3A%2F%2Fvault.azure.net%2F.default"
                   "&client_secret=s3cret~%26%20%3D");
    assert_string_equal(origin_url(), "https://login.microsoftonline.com");
    assert_says(text_of(&request.headers), "application/x-www-form-urlencoded");
}

static void test_scope_and_authority_are_the_clouds(void **state)
{
    (void)state;
    open_slot("https://web.managedhsm.usgovcloudapi.net", CLIENT "cloud = usgov\n");
    begin_login();
    assert_request("POST", "/t.example/oauth2/v2.0/token",
                   "grant_type=client_credentials&client_id=app%201"
                   "&scope=https%3A%2F%2Fmanagedhsm.usgovcloudapi.net%2F.default"
                   "&client_secret=s3cret~%26%20%3D");
    assert_string_equal(origin_url(), "https://login.microsoftonline.us");
}

static void test_hosts_outside_the_cloud_break_the_slot(void **state)
{
    static const char *const urls[] = {
        "https://vault.azure.net",
        "https://web.vault.azure.net.evil.test",
        "https://web.xvault.azure.net",
        "https://web.vault.azure.cn",
        "https://web.vault.azure.net https://web.managedhsm.azure.net",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        try_slot(urls[i], CLIENT);
        assert_null(slot->conn);
        assert_says(slot->broken.text, "is not in the cloud 'public'");
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

static void test_authority_must_be_https_and_nothing_else(void **state)
{
    static const char *const urls[] = { "http://127.0.0.1:1", "https://u:p@login.test",
                                        "https://login.test/adfs", "login.test" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        char options[512];

        snprintf(options, sizeof(options), CLIENT "insecure_transport = yes\nauthority = %s\n",
                 urls[i]);
        try_slot(NULL, options);
        assert_null(slot->conn);
        assert_says(slot->broken.text, "authority");
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

static void test_token_answers_of_both_kinds_are_taken(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin_login();
    assert_parses(200,
                  "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"eyJ.a\"}");
    assert_int_equal(op.grant.lifetime_s, 3599);
    assert_string_equal((char *)op.grant.token.data, "eyJ.a");
    assert_parses(200, "{\"expires_in\":\"86399\",\"access_token\":\"eyJ.a\"}");
    assert_int_equal(op.grant.lifetime_s, 86399);
    assert_parses(200, "{\"expires_on\":\"9999999999\",\"access_token\":\"eyJ.a\"}");
    assert_int_equal(op.grant.lifetime_s, 7 * 24 * 3600);
}

static void test_hostile_token_answers_are_protocol_errors(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin_login();
    assert_refused(REMOTE_E_PROTOCOL, 200, "{}", "no bearer token");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{\"access_token\":\"a\\r\\nHost: x\",\"expires_in\":1}",
                   "no bearer token");
    assert_refused(REMOTE_E_PROTOCOL, 200,
                   "{\"access_token\":\"a\",\"expires_in\":1,\"token_type\":\"pop\"}",
                   "no bearer token");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{\"access_token\":\"a\"}", "no lifetime");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{\"access_token\":\"a\",\"expires_in\":0}",
                   "no lifetime");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{\"access_token\":\"a\",\"expires_in\":\"-5\"}",
                   "no lifetime");
    assert_refused(REMOTE_E_PROTOCOL, 302, "", "not expected");
}

static void test_refused_logins_say_entras_first_line(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin_login();
    assert_int_equal(parse(401,
                           "{\"error\":\"invalid_client\",\"error_description\":"
                           "\"AADSTS7000215: Invalid client secret.\\r\\nTrace ID: 1\"}",
                           &err),
                     REMOTE_E_AUTH);
    assert_string_equal(err.text,
                        "the login is refused: AADSTS7000215: Invalid client secret. (HTTP 401)");
    assert_refused(REMOTE_E_AUTH, 400, "{\"error\":\"invalid_request\"}", "invalid_request");
    assert_refused(REMOTE_E_BUSY, 410, "", "not ready");
    assert_refused(REMOTE_E_BUSY, 429, "", "throttled");
    assert_refused(REMOTE_E_UNAVAILABLE, 503, "<html>", "not possible now");
}

static void test_pin_has_the_form_of_a_client_secret(void **state)
{
    (void)state;
    open_slot(NULL, "auth = client_secret\ntenant_id = t\nclient_id = a\npin = client_secret\n");
    assert_true(
        azure_pin_fits(slot->conn, remote_slice_str("abc8Q~0123456789.abcdefghi_-kl~mnop")));
    assert_false(azure_pin_fits(slot->conn, remote_slice_str("1234")));
    assert_false(azure_pin_fits(slot->conn, remote_slice_str("with blanks in the middle")));
    assert_false(
        azure_pin_fits(slot->conn, remote_slice_str("934ecda2-eb3e-b811-71e3-443b261b3f09")));
    assert_false(azure_pin_fits(slot->conn, remote_slice_str("hvs.CAESIIcfN3djbTHoNCDAvjfklM")));
    begin_login();
    op.pin = remote_slice_str("p&n");
    assert_request("POST", "/t/oauth2/v2.0/token",
                   "grant_type=client_credentials&client_id=a"
                   "&scope=https%3A%2F%2Fvault.azure.net%2F.default&client_secret=p%26n");
}

/* ---- managed identities ---- */

static void test_imds_request_has_the_resource_without_a_slash(void **state)
{
    (void)state;
    open_slot(NULL, "client_id = 5 6\n");
    begin_login();
    assert_request("GET",
                   "/metadata/identity/oauth2/token?api-version=2018-02-01"
                   "&resource=https%3A%2F%2Fvault.azure.net&client_id=5%206",
                   "");
    assert_string_equal(text_of(&request.headers), "Metadata: true\n");
    assert_string_equal(origin_url(), "http://169.254.169.254");
    assert_true(slot->endpoints.list[request.origin].near);
}

static void test_app_service_request_has_its_header(void **state)
{
    (void)state;
    setenv("IDENTITY_ENDPOINT", "http://169.254.130.3:8081/msi/token", 1);
    setenv("IDENTITY_HEADER", "h-1", 1);
    open_slot(NULL, "");
    unsetenv("IDENTITY_ENDPOINT");
    unsetenv("IDENTITY_HEADER");
    begin_login();
    assert_request("GET",
                   "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net", "");
    assert_string_equal(text_of(&request.headers), "X-IDENTITY-HEADER: h-1\n");
    assert_string_equal(origin_url(), "http://169.254.130.3:8081");
}

static void test_identity_endpoint_elsewhere_in_plain_http_breaks_the_slot(void **state)
{
    (void)state;
    setenv("IDENTITY_ENDPOINT", "http://192.0.2.1/msi/token", 1);
    setenv("IDENTITY_HEADER", "h-1", 1);
    try_slot(NULL, "");
    unsetenv("IDENTITY_ENDPOINT");
    unsetenv("IDENTITY_HEADER");
    assert_null(slot->conn);
    assert_says(slot->broken.text, "never allowed");
}

static void test_arc_challenge_makes_a_second_step(void **state)
{
    struct remote_error err;

    (void)state;
    setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:40342/metadata/identity/oauth2/token", 1);
    setenv("IMDS_ENDPOINT", "http://127.0.0.1:40342", 1);
    open_slot(NULL, "");
    unsetenv("IDENTITY_ENDPOINT");
    unsetenv("IMDS_ENDPOINT");
    begin_login();
    assert_request("GET",
                   "/metadata/identity/oauth2/token?api-version=2020-06-01"
                   "&resource=https%3A%2F%2Fvault.azure.net",
                   "");
    assert_int_equal(parse_with(401, "", "Basic realm=/etc/shadow", &err), REMOTE_OK);
    assert_true(op.more);
    op.step++;
    assert_int_equal(build(&err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "names a file that is not");
    assert_int_equal(parse_with(401, "", "Basic realm=/x", &err),
                     REMOTE_E_AUTH); /* once is enough */
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(chmod(path, 0600), 0);
}

static void test_arc_key_is_read_from_its_directory_alone(void **state)
{
    char dir[] = "/tmp/test-arc-XXXXXX", path[64], link[64], big[8192] = "";
    struct remote_secret secret = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a.key", dir);
    snprintf(link, sizeof(link), "%s/b.key", dir);
    write_file(path, "challenge");
    assert_int_equal(azure_arc_read_key(dir, path, &secret, &err), REMOTE_OK);
    assert_string_equal((char *)secret.data, "challenge");
    assert_int_equal(azure_arc_read_key("/tmp", path, &secret, &err), REMOTE_E_PROTOCOL);
    assert_int_equal(azure_arc_read_key(dir, "/etc/passwd", &secret, &err), REMOTE_E_PROTOCOL);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(azure_arc_read_key(dir, link, &secret, &err), REMOTE_E_AUTH);
    memset(big, 'a', sizeof(big) - 1);
    write_file(path, big);
    assert_int_equal(azure_arc_read_key(dir, path, &secret, &err), REMOTE_E_AUTH);
    write_file(path, "two\nlines");
    assert_int_equal(azure_arc_read_key(dir, path, &secret, &err), REMOTE_E_AUTH);
    unlink(link);
    unlink(path);
    rmdir(dir);
    remote_secret_clear(&secret);
}

/* ---- azure.json ---- */

static void assert_json(const char *text, enum azure_proof proof, const char *client)
{
    struct azure_json json = { 0 };
    struct remote_error err = { 0 };

    if (azure_json_read(remote_slice_str(text), &json, &err) != REMOTE_OK)
        fail_msg("%s: %s", text, err.text);
    assert_int_equal(json.proof, proof);
    if (client != NULL)
        assert_string_equal(json.client_id, client);
    else
        assert_null(json.client_id);
    azure_json_clear(&json);
}

static void test_json_is_read_in_the_plugins_order(void **state)
{
    (void)state;
    assert_json("{\"useManagedIdentityExtension\":true,\"aadClientId\":\"msi\","
                "\"aadClientSecret\":\"msi\"}",
                AZURE_PROOF_MANAGED, NULL);
    assert_json("{\"useManagedIdentityExtension\":\"true\",\"userAssignedIdentityID\":\"u\"}",
                AZURE_PROOF_MANAGED, "u");
    assert_json("{\"cloud\":\"azurechinacloud\",\"tenantId\":\"t\",\"aadClientId\":\"c\","
                "\"aadClientSecret\":\"s\",\"aadClientCertPath\":\"/p\","
                "\"aadClientCertPassword\":\"q\"}",
                AZURE_PROOF_SECRET, "c");
    assert_json("{\"tenantId\":\"t\",\"aadClientId\":\"c\",\"aadClientSecret\":\"\","
                "\"aadClientCertPath\":\"/p\",\"aadClientCertPassword\":\"q\"}",
                AZURE_PROOF_CERT, "c");
}

static void test_json_that_cannot_be_used_says_why(void **state)
{
    static const struct {
        const char *text, *words;
    } files[] = {
        { "", "JSON object" },
        { "[]", "JSON object" },
        { "{}", "no credentials in it" },
        { "{\"aadClientId\":\"msi\",\"aadClientSecret\":\"msi\"}", "placeholder 'msi'" },
        { "{\"aadClientId\":\"c\",\"aadClientSecret\":\"MSI\"}", "placeholder 'msi'" },
        { "{\"aadClientId\":\"c\",\"aadClientSecret\":\"s\"}", "tenantId is missing" },
        { "{\"cloud\":\"AzureStackCloud\"}", "'AzureStackCloud' is not served" },
        { "{\"tenantId\":\"t\",\"aadClientId\":\"c\",\"aadClientCertPath\":\"p\","
          "\"aadClientCertPassword\":\"q\"}",
          "not an absolute path" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct azure_json json = { 0 };
        struct remote_error err = { 0 };

        assert_int_equal(azure_json_read(remote_slice_str(files[i].text), &json, &err),
                         REMOTE_E_CONFIG);
        assert_says(err.text, files[i].words);
        assert_null(json.json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_secret_request_is_encoded_and_goes_to_the_authority),
        TEST(test_scope_and_authority_are_the_clouds),
        TEST(test_hosts_outside_the_cloud_break_the_slot),
        TEST(test_authority_must_be_https_and_nothing_else),
        TEST(test_token_answers_of_both_kinds_are_taken),
        TEST(test_hostile_token_answers_are_protocol_errors),
        TEST(test_refused_logins_say_entras_first_line),
        TEST(test_pin_has_the_form_of_a_client_secret),
        TEST(test_imds_request_has_the_resource_without_a_slash),
        TEST(test_app_service_request_has_its_header),
        TEST(test_identity_endpoint_elsewhere_in_plain_http_breaks_the_slot),
        TEST(test_arc_challenge_makes_a_second_step),
        TEST(test_arc_key_is_read_from_its_directory_alone),
        TEST(test_json_is_read_in_the_plugins_order),
        TEST(test_json_that_cannot_be_used_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
