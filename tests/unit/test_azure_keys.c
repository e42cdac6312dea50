/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys there are: listings, and reads that take several requests. */
#include "azure_case.h"

static void begin_read(void)
{
    begin(REMOTE_OP_READ, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    op.key = NULL;
}

/* One step of a read: the request it makes, and that its answer is taken. */
static void step(const char *path, int status, const char *body)
{
    assert_request("GET", path, "");
    assert_parses(status, body);
    op.step++;
}

/* ---- list ---- */

static void test_list_takes_names_and_the_next_page_of_the_same_host(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_LIST, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    op.name = NULL;
    assert_request("GET", "/keys?api-version=7.4&maxresults=25", "");
    assert_parses(200, "{\"value\":[{\"kid\":\"" VAULT "/keys/one\"},{\"kid\":\"" VAULT
                       "/keys/two\",\"managed\":true}],\"nextLink\":\"" VAULT
                       ":443/keys?api-version=7.4&$skiptoken=eyJ&maxresults=25\"}");
    assert_int_equal(op.names.count, 2);
    assert_string_equal(op.names.names[1], "two");
    assert_string_equal(op.names.next_page, "/keys?api-version=7.4&$skiptoken=eyJ&maxresults=25");
}

static void test_list_with_a_link_to_elsewhere_is_a_protocol_error(void **state)
{
    static const char *const links[] = {
        "https://evil.test/keys?a",
        "http://web.vault.azure.net/keys?a",
        "https://web.vault.azure.net.evil.test/keys?a",
        "https://web.vault.azure.net:444/keys?a",
        "https://web.vault.azure.net@evil.test/keys?a",
        "https://web.vault.azure.net/secrets?a",
        "https://web.vault.azure.net/keysx?a",
        "https://web.vault.azure.net/keys?a\\r\\nHost: x",
        "https://web.vault.azure.net\\\\@evil.test/keys?",
        "/keys?a",
    };

    (void)state;
    open_slot(NULL, CLIENT);
    for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
        char body[256];

        begin(REMOTE_OP_LIST, REMOTE_KEY_EC, REMOTE_ALG_NONE);
        op.name = NULL;
        snprintf(body, sizeof(body), "{\"value\":[],\"nextLink\":\"%s\"}", links[i]);
        assert_refused(REMOTE_E_PROTOCOL, 200, body, "not this service");
        assert_null(op.names.next_page);
    }
}

static void test_list_with_a_link_to_itself_is_a_protocol_error(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_LIST, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    op.name = "/keys?page=2";
    assert_request("GET", "/keys?page=2", "");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{\"value\":[],\"nextLink\":\"" VAULT "/keys?page=2\"}",
                   "leads to itself");
}

static void test_list_of_nonsense_is_a_protocol_error(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_LIST, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_refused(REMOTE_E_PROTOCOL, 200, "{}", "\"value\"");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{\"value\":[{\"kid\":\"" VAULT "/keys/../x\"}]}",
                   "kid");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{\"value\":[{\"kid\":7}]}", "kid");
}

/* ---- read ---- */

static void test_read_of_one_version_takes_two_requests(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin_read();
    step("/keys/k?api-version=7.4", 200,
         EC_BUNDLE(NEW, "\"enabled\":true,\"created\":20,\"nbf\":5,\"exp\":90"));
    assert_true(op.more);
    step("/keys/k/versions?api-version=7.4&maxresults=25", 200,
         "{\"value\":[{\"kid\":\"" VAULT "/keys/k/" NEW "\",\"attributes\":{\"created\":20}}]}");
    assert_false(op.more);
    assert_int_equal(op.keys.count, 1);
    assert_string_equal(op.keys.keys[0]->version_id, NEW);
    assert_int_equal(op.keys.keys[0]->version, 1);
    assert_int_equal(op.keys.keys[0]->curve, 415); /* NID_X9_62_prime256v1 */
    assert_int_equal(op.keys.keys[0]->uses, REMOTE_USE_SIGN | REMOTE_USE_VERIFY);
    assert_int_equal(op.keys.keys[0]->not_before, 5);
    assert_int_equal(op.keys.keys[0]->not_after, 90);
    assert_true(op.keys.keys[0]->latest);
    assert_int_equal(op.keys.keys[0]->id_len, 20);
}

static void test_read_of_older_versions_numbers_them_by_age(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin_read();
    step("/keys/k?api-version=7.4", 200, EC_BUNDLE(NEW, "\"enabled\":false,\"created\":20"));
    step("/keys/k/versions?api-version=7.4&maxresults=25", 200,
         "{\"value\":[],\"nextLink\":\"" VAULT "/keys/k/versions?page=2\"}");
    assert_true(op.more);
    step("/keys/k/versions?page=2", 200,
         "{\"value\":[{\"kid\":\"" VAULT "/keys/k/" OLD "\",\"attributes\":{\"created\":10}}]}");
    assert_true(op.more);
    step("/keys/k/" OLD "?api-version=7.4", 200, EC_BUNDLE(OLD, "\"enabled\":true,\"created\":10"));
    assert_false(op.more);
    assert_int_equal(op.keys.count, 2);
    assert_string_equal(op.keys.keys[0]->version_id, OLD);
    assert_int_equal(op.keys.keys[1]->version, 2);
    assert_true(op.keys.keys[0]->latest); /* the newest that is enabled */
    assert_false(op.keys.keys[1]->latest);
}

static void test_read_without_the_right_to_list_has_the_current_version(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin_read();
    step("/keys/k?api-version=7.4", 200, EC_BUNDLE(NEW, "\"created\":20"));
    step("/keys/k/versions?api-version=7.4&maxresults=25", 403, "");
    assert_false(op.more);
    assert_int_equal(op.keys.count, 1);
}

static void test_read_asks_for_the_same_page_again_when_throttled(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin_read();
    step("/keys/k?api-version=7.4", 200, EC_BUNDLE(NEW, "\"created\":20"));
    step("/keys/k/versions?api-version=7.4&maxresults=25", 200,
         "{\"value\":[],\"nextLink\":\"" VAULT "/keys/k/versions?page=2\"}");
    assert_int_equal(parse(429, "", &err), REMOTE_E_BUSY);
    assert_request("GET", "/keys/k/versions?page=2", "");
}

static void test_read_leaves_out_a_version_that_is_not_served(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin_read();
    step("/keys/k?api-version=7.4", 200, EC_BUNDLE(NEW, "\"created\":20"));
    step("/keys/k/versions?api-version=7.4&maxresults=25", 200,
         "{\"value\":[{\"kid\":\"" VAULT "/keys/k/" OLD "\"}]}");
    step("/keys/k/" OLD "?api-version=7.4", 200,
         "{\"key\":{\"kid\":\"" VAULT "/keys/k/" OLD "\",\"kty\":\"EC\",\"crv\":\"P-256K\"}}");
    assert_false(op.more);
    assert_int_equal(op.keys.count, 1);
    assert_int_equal(op.keys.keys[0]->version, 2);
}

static void test_read_of_a_managed_key_asks_for_its_certificate(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin_read();
    step("/keys/k?api-version=7.4", 200,
         "{\"managed\":true,\"key\":{\"kid\":\"" VAULT "/keys/k/" NEW
         "\",\"kty\":\"EC\"," EC_MEMBERS "}}");
    step("/keys/k/versions?api-version=7.4&maxresults=25", 200, "{\"value\":[]}");
    assert_true(op.more);
    step("/certificates/k?api-version=7.4", 200, "{\"cer\":\"AAAA\"}");
    assert_false(op.more);
    assert_int_equal(op.cert_count, 0); /* it is none, and the key is good all the same */
    assert_int_equal(op.keys.count, 1);
}

static void test_read_of_a_secret_key_has_its_size_from_the_tag(void **state)
{
    (void)state;
    open_slot("https://web.managedhsm.azure.net", CLIENT);
    begin_read();
    step("/keys/k?api-version=7.4", 200,
         "{\"key\":{\"kid\":\"" VAULT "/keys/k/" NEW "\",\"kty\":\"oct-HSM\",\"key_ops\":["
         "\"encrypt\",\"wrapKey\"]},\"tags\":{\"key_size\":\"128\"}}");
    assert_int_equal(op.keys.keys[0]->type, REMOTE_KEY_AES);
    assert_int_equal(op.keys.keys[0]->bits, 128);
    assert_true(op.keys.keys[0]->hardware);
    assert_int_equal(op.keys.keys[0]->uses, REMOTE_USE_ENCRYPT | REMOTE_USE_WRAP);
}

static void test_read_of_hostile_bundles_is_refused(void **state)
{
    static const struct {
        const char *members;
        enum remote_rc rc;
    } bundles[] = {
        { "", REMOTE_E_PROTOCOL },
        { "\"kty\":\"AKP\"", REMOTE_E_UNSUPPORTED },
        { "\"kty\":\"RSA\"", REMOTE_E_PROTOCOL },
        { "\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"", REMOTE_E_PROTOCOL },
        { "\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\"", REMOTE_E_PROTOCOL },
        { "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\"", REMOTE_E_PROTOCOL },
        { "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "A\",\"y\":\"AA\"",
          REMOTE_E_PROTOCOL },
        { "\"kty\":\"EC\",\"crv\":\"P-999\"", REMOTE_E_UNSUPPORTED },
    };

    (void)state;
    open_slot(NULL, CLIENT);
    for (size_t i = 0; i < ARRAY_SIZE(bundles); i++) {
        char body[512];
        struct remote_error err;

        begin_read();
        snprintf(body, sizeof(body), "{\"key\":{\"kid\":\"" VAULT "/keys/k/" NEW "\"%s%s}}",
                 bundles[i].members[0] ? "," : "", bundles[i].members);
        assert_int_equal(parse(200, body, &err), bundles[i].rc);
        assert_int_equal(op.keys.count, 0);
    }
    begin_read();
    assert_refused(REMOTE_E_PROTOCOL, 200,
                   "{\"key\":{\"kid\":\"" VAULT "/keys/j/" NEW "\",\"kty\":\"EC\"}}", "of 'j'");
}

static void test_read_of_what_cannot_be_a_name_sends_nothing(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin_read();
    op.name = "a/b";
    assert_int_equal(build(&err), REMOTE_E_NOT_FOUND);
    op.name = "a?b";
    assert_int_equal(build(&err), REMOTE_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_list_takes_names_and_the_next_page_of_the_same_host),
        TEST(test_list_with_a_link_to_elsewhere_is_a_protocol_error),
        TEST(test_list_with_a_link_to_itself_is_a_protocol_error),
        TEST(test_list_of_nonsense_is_a_protocol_error),
        TEST(test_read_of_one_version_takes_two_requests),
        TEST(test_read_of_older_versions_numbers_them_by_age),
        TEST(test_read_without_the_right_to_list_has_the_current_version),
        TEST(test_read_asks_for_the_same_page_again_when_throttled),
        TEST(test_read_leaves_out_a_version_that_is_not_served),
        TEST(test_read_of_a_managed_key_asks_for_its_certificate),
        TEST(test_read_of_a_secret_key_has_its_size_from_the_tag),
        TEST(test_read_of_hostile_bundles_is_refused),
        TEST(test_read_of_what_cannot_be_a_name_sends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
