/* SPDX-License-Identifier: Apache-2.0 */
/* The KES backend's requests byte for byte, and its answers: recorded ones, and hostile ones. */
#include "encode.h"
#include "kes.h"
#include "libctx.h"
#include "slot_private.h"
#include "temp_dir.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define API_KEY "kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define IDENTITY "a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5"
#define JSON_TYPE "Content-Type: application/json\n"

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;
static struct remote_key key;
static struct remote_item items[2];
static struct remote_op op;
static struct remote_request request;

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

/* A certificate for ca_file; which one does not matter here. */
static void write_ca(const char *path)
{
    EVP_PKEY *pkey = NULL;
    X509 *cert = NULL;
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(kes_identity_derive(remote_slice_str(API_KEY), &cert, &pkey, NULL), REMOTE_OK);
    assert_int_equal(PEM_write_X509(out, cert), 1);
    fclose(out);
    X509_free(cert);
    EVP_PKEY_free(pkey);
}

static void open_slot(const char *options)
{
    static char text[PATH_MAX + 1024];
    struct remote_error err = { 0 };

    snprintf(text, sizeof(text),
             "[slot k]\nbackend = kes\nurl = https://127.0.0.1:1\nca_file = %s/ca.pem\n%s",
             temp_dir, options);
    if (remote_config_parse("t.conf", remote_slice_str(text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    slot = remote_slot_open(NULL, config.slots[0]);
    assert_non_null(slot);
}

static int setup(void **state)
{
    char path[PATH_MAX + 16];

    setenv("TEST_KES_API_KEY", API_KEY, 1);
    if (temp_dir_make(state) != 0 || remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return -1;
    snprintf(path, sizeof(path), "%s/ca.pem", temp_dir);
    write_ca(path);
    return 0;
}

static void clear_items(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        remote_buf_clear(&items[i].out);
    memset(items, 0, sizeof(items));
}

static int teardown(void **state)
{
    remote_request_clear(&request);
    clear_items();
    remote_op_clear(&op);
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
    remote_guard_leave(&guard);
    return temp_dir_remove(state);
}

static void begin(enum remote_op_kind kind, const char *name, enum remote_alg alg)
{
    static char owned[128];

    if (slot == NULL)
        open_slot("api_key_env = TEST_KES_API_KEY\n");
    if (slot->conn == NULL)
        fail_msg("%s", slot->broken.text);
    remote_request_clear(&request);
    clear_items();
    remote_op_clear(&op);
    snprintf(owned, sizeof(owned), "%s", name);
    key = (struct remote_key){ .slot = slot, .name = owned, .version = 1, .bits = 256 };
    op = (struct remote_op){ .kind = kind,
                             .name = owned,
                             .key = &key,
                             .params = { .alg = alg },
                             .items = items,
                             .item_count = 1 };
}

static enum remote_rc build(struct remote_error *err)
{
    remote_request_clear(&request);
    memset(err, 0, sizeof(*err));
    return slot->ops->ops[op.kind].build(slot->conn, &op, NULL, 0, &request, err);
}

static const char *text_of(const struct remote_buf *buf)
{
    return buf->data ? (const char *)buf->data : "";
}

static void assert_request(const char *method, const char *path, const char *body)
{
    struct remote_error err;

    if (build(&err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_string_equal(request.method, method);
    assert_string_equal(text_of(&request.path), path);
    assert_string_equal(text_of(&request.body), body);
    assert_string_equal(text_of(&request.headers), strcmp(method, "PUT") == 0 ? JSON_TYPE : "");
}

static enum remote_rc parse(int status, const char *body, struct remote_error *err)
{
    struct remote_reply reply = { .status = status, .body = remote_slice_str(body) };

    memset(err, 0, sizeof(*err));
    return slot->ops->ops[op.kind].parse(slot->conn, &op, &reply, err);
}

static void assert_parses(const char *body)
{
    struct remote_error err;

    if (parse(200, body, &err) != REMOTE_OK)
        fail_msg("%s: %s", body, err.text);
}

static void assert_out(size_t index, const char *base64)
{
    struct remote_buf text = { 0 };

    remote_base64_append(&text, remote_buf_slice(&items[index].out));
    assert_string_equal(text_of(&text), base64);
    remote_buf_clear(&text);
}

/* ---- operations ---- */

static void test_encrypt_request_and_recorded_answer(void **state)
{
    (void)state;
    begin(REMOTE_OP_ENCRYPT, "app1-k1", REMOTE_ALG_AEAD);
    items[0].in = remote_slice_str("hello");
    assert_request("PUT", "/v1/key/encrypt/app1-k1", "{\"plaintext\":\"aGVsbG8=\"}");
    op.params.aad = remote_slice_str("ctx");
    assert_request("PUT", "/v1/key/encrypt/app1-k1",
                   "{\"plaintext\":\"aGVsbG8=\",\"context\":\"Y3R4\"}");
    assert_parses("{\"ciphertext\":\"dztUdS19xONlswHTUVFtObxv67XrzvzZ6TQ/3LljKD+Hb59Q55rrEAH1P6qdg"
                  "El7DA==\"}\n");
    assert_int_equal(items[0].out.len, 5 + KES_OVERHEAD);
    assert_int_equal(slot->ops->sealed_max(&key, 5), items[0].out.len);
}

static void test_decrypt_request_and_recorded_answers(void **state)
{
    (void)state;
    begin(REMOTE_OP_DECRYPT, "app1-k1", REMOTE_ALG_AEAD);
    items[0].in = remote_slice_str("sealed");
    op.params.aad = remote_slice_str("ctx");
    assert_request("PUT", "/v1/key/decrypt/app1-k1",
                   "{\"ciphertext\":\"c2VhbGVk\",\"context\":\"Y3R4\"}");
    assert_parses("{\"plaintext\":\"aGVsbG8=\"}\n");
    assert_out(0, "aGVsbG8=");
    clear_items();
    assert_parses("{\"plaintext\":\"\"}\n");
    assert_int_equal(items[0].out.len, 0);
}

static void test_mac_request_and_recorded_answer(void **state)
{
    (void)state;
    begin(REMOTE_OP_MAC, "app1-k1", REMOTE_ALG_HMAC);
    items[0].in = remote_slice_str("msg");
    assert_request("PUT", "/v1/key/hmac/app1-k1", "{\"message\":\"bXNn\"}");
    assert_parses("{\"hmac\":\"r/s4APSLnN0jtUuWpQhAbBSqQ+S2Kt31QuCHDqYqxEE=\"}\n");
    assert_out(0, "r/s4APSLnN0jtUuWpQhAbBSqQ+S2Kt31QuCHDqYqxEE=");
}

static void test_mac_when_the_server_is_too_old_then_not_offered_any_more(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_MAC, "k", REMOTE_ALG_HMAC);
    assert_true(slot->ops->offers(slot->conn, REMOTE_ALG_HMAC, REMOTE_HASH_SHA256));
    assert_int_equal(parse(404, "404 page not found\n", &err), REMOTE_E_UNSUPPORTED);
    assert_false(slot->ops->offers(slot->conn, REMOTE_ALG_HMAC, REMOTE_HASH_SHA256));
    assert_true(slot->ops->offers(slot->conn, REMOTE_ALG_AEAD, REMOTE_HASH_NONE));
}

static void test_data_key_request_and_recorded_answer(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_DATA_KEY, "app1-k1", REMOTE_ALG_AEAD);
    op.item_count = 2;
    op.length = 16;
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    assert_says(err.text, "32 bytes, not 16");
    op.length = 32;
    assert_request("PUT", "/v1/key/generate/app1-k1", "{}");
    assert_parses("{\"plaintext\":\"5db1yeda+QfamazAMzS7dlnUojRyURw+1nVrd7WtbHE=\",\"ciphertext\":"
                  "\"Js4iAvQf2JdzqO8gUxhOElnR1lMBQEkTKZuFY0gmwHh3gMoLXDca1QOS8/CFt5JQ+/wr4yfnR5lcG9"
                  "q95H2sPNM1sMrGEAXV1yZQPQ==\"}\n");
    assert_out(0, "5db1yeda+QfamazAMzS7dlnUojRyURw+1nVrd7WtbHE=");
    assert_int_equal(items[1].out.len, 76);
}

static void test_sizes_when_over_what_comes_back_then_refused(void **state)
{
    static unsigned char bytes[749989];
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_ENCRYPT, "k", REMOTE_ALG_AEAD);
    items[0].in = remote_slice(bytes, 749941);
    assert_int_equal(build(&err), REMOTE_OK);
    items[0].in.len++;
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    assert_says(err.text, "more than KES could decrypt again");
    items[0].in = remote_slice(bytes, 10);
    op.params.aad = remote_slice(bytes, 749922);
    assert_int_equal(build(&err), REMOTE_OK);
    op.params.aad.len += 3;
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    begin(REMOTE_OP_MAC, "k", REMOTE_ALG_HMAC);
    items[0].in = remote_slice(bytes, 749988);
    assert_int_equal(build(&err), REMOTE_OK);
    items[0].in.len++;
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
}

/* ---- keys ---- */

static void test_list_request_and_recorded_answers(void **state)
{
    (void)state;
    begin(REMOTE_OP_LIST, "", REMOTE_ALG_NONE);
    op.name = NULL;
    assert_request("GET", "/v1/key/list/", "");
    assert_parses("{\"names\":[\"app1-k1\",\"app1-k2\",\"app1-k3\"]}\n");
    assert_int_equal(op.names.count, 3);
    assert_null(op.names.next_page);
    remote_names_clear(&op.names);
    assert_parses("{\"names\":[]}\n");
    assert_int_equal(op.names.count, 0);
    assert_parses("{\"names\":[\"k0\",\"k1\"],\"continue_at\":\"k2\"}\n");
    assert_string_equal(op.names.next_page, "k/k2");
}

static void test_list_when_going_on_then_only_what_is_new(void **state)
{
    (void)state;
    begin(REMOTE_OP_LIST, "k/k2", REMOTE_ALG_NONE);
    assert_request("GET", "/v1/key/list/k", "");
    assert_parses("{\"names\":[\"k0\",\"k1\",\"k2\"]}\n");
    assert_int_equal(op.names.count, 1);
    assert_string_equal(op.names.names[0], "k2");
    assert_string_equal(op.names.next_page, "l/");
}

static void test_list_when_hostile_then_refused(void **state)
{
    static const char *const answers[] = {
        "[]",
        "{}",
        "{\"names\":[5]}",
        "{\"names\":[\"../x\"]}",
        "{\"names\":[\"x\"]}",
        "{\"names\":[],\"continue_at\":\"x\"}",
    };
    struct remote_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        begin(REMOTE_OP_LIST, "k/", REMOTE_ALG_NONE);
        assert_int_equal(parse(200, answers[i], &err), REMOTE_E_PROTOCOL);
    }
}

static void test_read_when_recorded_then_a_cipher_and_an_hmac_key(void **state)
{
    (void)state;
    begin(REMOTE_OP_READ, "imp-cc", REMOTE_ALG_NONE);
    assert_request("GET", "/v1/key/describe/imp-cc", "");
    assert_parses(
        "{\"name\":\"imp-cc\",\"algorithm\":\"ChaCha20\",\"created_at\":\"2026-11-23T07:22:"
        "30.586308994Z\",\"created_by\":\"60746e72\"}\n");
    assert_int_equal(op.keys.count, 2);
    assert_int_equal(op.keys.keys[0]->type, REMOTE_KEY_CHACHA20);
    assert_int_equal(op.keys.keys[0]->version, KES_VERSION_CIPHER);
    assert_int_equal(op.keys.keys[0]->created, 1795418550);
    assert_int_equal(op.keys.keys[1]->type, REMOTE_KEY_GENERIC);
    assert_int_equal(op.keys.keys[1]->uses, REMOTE_USE_SIGN | REMOTE_USE_VERIFY);
    assert_memory_not_equal(op.keys.keys[0]->id, op.keys.keys[1]->id, 20);
}

static void test_read_when_of_an_old_kes_then_without_a_date(void **state)
{
    (void)state;
    begin(REMOTE_OP_READ, "old-bare", REMOTE_ALG_NONE);
    assert_parses(
        "{\"name\":\"old-bare\",\"algorithm\":\"AES256\",\"created_at\":\"0001-01-01T00:00:"
        "00Z\"}\n");
    assert_int_equal(op.keys.keys[0]->type, REMOTE_KEY_AES);
    assert_int_equal(op.keys.keys[0]->created, 0);
}

static void test_read_when_it_makes_no_sense_then_refused(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_READ, "k", REMOTE_ALG_NONE);
    assert_int_equal(parse(200, "{\"name\":\"other\",\"algorithm\":\"AES256\"}", &err),
                     REMOTE_E_PROTOCOL);
    assert_int_equal(parse(200, "{\"name\":\"k\"}", &err), REMOTE_E_PROTOCOL);
    assert_int_equal(parse(200, "", &err), REMOTE_E_PROTOCOL);
    assert_int_equal(parse(200, "{\"name\":\"k\",\"algorithm\":\"ML-KEM\"}", &err),
                     REMOTE_E_UNSUPPORTED);
    begin(REMOTE_OP_READ, "a.b", REMOTE_ALG_NONE);
    assert_int_equal(build(&err), REMOTE_E_NOT_FOUND);
}

/* ---- what changes keys ---- */

static void test_generate_requests(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_GENERATE, "k", REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_AES, .bits = 256 };
    assert_request("PUT", "/v1/key/create/k", "");
    assert_parses("");
    op.spec.type = REMOTE_KEY_CHACHA20;
    assert_int_equal(build(&err), REMOTE_OK);
    assert_string_equal(text_of(&request.path), "/v1/key/import/k");
    assert_says(text_of(&request.body), "\",\"cipher\":\"ChaCha20\"}");
    begin(REMOTE_OP_GENERATE, "x-", REMOTE_ALG_NONE);
    assert_int_equal(build(&err), REMOTE_E_PARAM);
    assert_says(err.text, "KES takes no key called 'x-'");
}

static void test_import_requests(void **state)
{
    static const unsigned char bytes[32] = { 0, 1, 2 };
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_IMPORT, "k", REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_AES, .bits = 256 };
    op.material = remote_slice(bytes, sizeof(bytes));
    assert_request("PUT", "/v1/key/import/k",
                   "{\"key\":\"AAECAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"cipher\":"
                   "\"AES256\"}");
    op.material.len = 16;
    assert_int_equal(build(&err), REMOTE_E_DATA);
    op.spec.type = REMOTE_KEY_GENERIC;
    assert_int_equal(build(&err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "makes the HMAC key of each itself");
}

static void test_destroy_request(void **state)
{
    (void)state;
    begin(REMOTE_OP_DESTROY, "k", REMOTE_ALG_NONE);
    assert_request("DELETE", "/v1/key/delete/k", "");
    assert_parses("");
}

/* ---- what answers mean ---- */

static void test_recorded_errors_mean_what_they_say(void **state)
{
    /* clang-format off */
    static const struct {
        enum remote_op_kind kind;
        int status;
        const char *body;
        enum remote_rc rc;
        const char *says;
    } cases[] = {
        { REMOTE_OP_GENERATE, 400, "{\"message\":\"key already exists\"\n}", REMOTE_E_EXISTS, "key already exists (HTTP 400)" },
        { REMOTE_OP_DECRYPT, 400, "{\"message\":\"decryption failed: ciphertext is not authentic\"\n}", REMOTE_E_DATA, "not authentic" },
        { REMOTE_OP_ENCRYPT, 400, "{\"message\":\"invalid request body\"\n}", REMOTE_E_PROTOCOL, "not understood: invalid request body" },
        { REMOTE_OP_ENCRYPT, 400, "{\"message\":\"tls: client certificate is required\"\n}", REMOTE_E_CONFIG, "client_cert_file must hold" },
        { REMOTE_OP_ENCRYPT, 400, "{\"message\":\"tls: received more than one client certificate\"\n}", REMOTE_E_CONFIG, "client_cert_file must hold" },
        { REMOTE_OP_ENCRYPT, 403, "{\"message\":\"not authorized: insufficient permissions\"\n}", REMOTE_E_RIGHTS, "identity " IDENTITY ": not authorized" },
        { REMOTE_OP_READ, 404, "{\"message\":\"key does not exist\"\n}", REMOTE_E_NOT_FOUND, "the key is gone, or KES's key store is away" },
        { REMOTE_OP_READ, 404, "404 page not found\n", REMOTE_E_UNSUPPORTED, "no such operation: 404 page not found (HTTP 404)" },
        { REMOTE_OP_PROVE, 404, "404 page not found\n", REMOTE_E_CONFIG, "no KES answers there" },
        { REMOTE_OP_IMPORT, 406, "{\"message\":\"algorithm 'ChaCha20' is not supported\"\n}", REMOTE_E_UNSUPPORTED, "algorithm 'ChaCha20' is not supported" },
        { REMOTE_OP_MAC, 409, "{\"message\":\"key does not support HMAC\"\n}", REMOTE_E_FORBIDDEN_USE, "stored by an old KES" },
        { REMOTE_OP_READ, 502, "{\"message\":\"failed to read key\"\n}", REMOTE_E_UNAVAILABLE, "cannot use its key store" },
        { REMOTE_OP_LIST, 502, "{\"message\":\"failed to list keys\"\n}", REMOTE_E_UNAVAILABLE, "one in Vault that has no key yet" },
        { REMOTE_OP_HEALTH, 504, "{\"message\":\"key store is not reachable\"\n}", REMOTE_E_UNAVAILABLE, "does not reach its key store" },
        { REMOTE_OP_READ, 307, "", REMOTE_E_PROTOCOL, "not expected (HTTP 307)" },
        { REMOTE_OP_READ, 429, "", REMOTE_E_BUSY, "throttled (HTTP 429)" },
        { REMOTE_OP_READ, 500, "{", REMOTE_E_PROTOCOL, "not expected: { (HTTP 500)" },
    };
    /* clang-format on */
    struct remote_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        begin(cases[i].kind, "k", REMOTE_ALG_NONE);
        if (parse(cases[i].status, cases[i].body, &err) != cases[i].rc)
            fail_msg("%s: %s", cases[i].body, remote_rc_name(err.rc));
        assert_says(err.text, cases[i].says);
    }
}

static void test_answers_when_they_are_not_what_was_asked_then_refused(void **state)
{
    static const char *const answers[] = { "",
                                           "[]",
                                           "{}",
                                           "{\"plaintext\":5}",
                                           "null",
                                           "{\"plaintext\":\"*\"}",
                                           "{\"plaintext\":\"QQ\"}" };
    struct remote_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        begin(REMOTE_OP_DECRYPT, "k", REMOTE_ALG_AEAD);
        assert_int_equal(parse(200, answers[i], &err), REMOTE_E_PROTOCOL);
        assert_int_equal(items[0].out.len, 0);
    }
}

static void test_health_when_not_allowed_to_ask_then_alive(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_HEALTH, "", REMOTE_ALG_NONE);
    assert_request("GET", "/v1/ready", "");
    assert_parses("");
    assert_string_equal(op.detail, "KES, its key store is ready");
    assert_int_equal(parse(403, "{\"message\":\"not authorized\"\n}", &err), REMOTE_OK);
    assert_says(op.detail, "does not allow /v1/ready");
}

/* ---- credentials ---- */

static void test_prove_when_recorded_then_good(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_PROVE, "", REMOTE_ALG_NONE);
    assert_request("GET", "/version", "");
    assert_parses("{\"version\":\"\\u003cunknown\\u003e\",\"commit\":\"\\u003cunknown\\u003e\"}\n");
    assert_true(op.grant.lifetime_s > 0);
    assert_int_equal(parse(200, "{\"initialized\":true}", &err), REMOTE_E_CONFIG);
}

static void test_grant_when_the_pin_changes_then_so_does_the_certificate(void **state)
{
    struct remote_grant grant = { 0 };
    unsigned serial;

    (void)state;
    open_slot("pin = apikey\n");
    assert_true(slot->ops->pin_fits(slot->conn, remote_slice_str(API_KEY)));
    assert_false(remote_tls_has_client(&slot->tls));
    assert_int_equal(slot->ops->grant(slot->conn, remote_slice_str(API_KEY), &grant, NULL),
                     REMOTE_OK);
    remote_secret_clear(&grant.token);
    assert_true(remote_tls_has_client(&slot->tls));
    serial = remote_tls_client_serial(&slot->tls);
    assert_int_equal(slot->ops->grant(slot->conn, remote_slice_str(API_KEY), &grant, NULL),
                     REMOTE_OK);
    remote_secret_clear(&grant.token);
    assert_int_equal(remote_tls_client_serial(&slot->tls), serial); /* the same: connections stay */
    assert_int_equal(slot->ops->grant(slot->conn,
                                      remote_slice_str("kes:v1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBka"
                                                       "GxwdHh8g"),
                                      &grant, NULL),
                     REMOTE_OK);
    remote_secret_clear(&grant.token);
    assert_int_not_equal(remote_tls_client_serial(&slot->tls), serial);
}

static void write_api_key(const char *path, const char *api_key)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fprintf(out, "%s\n", api_key);
    fclose(out);
    assert_int_equal(chmod(path, 0600), 0);
}

static void test_grant_when_the_file_changes_then_so_does_the_certificate(void **state)
{
    char path[PATH_MAX + 16], options[PATH_MAX + 64];
    struct remote_grant grant = { 0 };
    unsigned serial;

    (void)state;
    snprintf(path, sizeof(path), "%s/api-key", temp_dir);
    snprintf(options, sizeof(options), "api_key_file = %s\n", path);
    write_api_key(path, API_KEY);
    open_slot(options);
    assert_true(remote_tls_has_client(&slot->tls));
    serial = remote_tls_client_serial(&slot->tls);
    assert_int_equal(unlink(path), 0); /* another inode, however coarse the clock */
    write_api_key(path, "kes:v1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g");
    assert_int_equal(slot->ops->grant(slot->conn, (struct remote_slice){ 0 }, &grant, NULL),
                     REMOTE_OK);
    remote_secret_clear(&grant.token);
    assert_int_equal(remote_tls_client_serial(&slot->tls), serial + 1);
}

static void test_open_when_credentials_are_missing_or_too_many_then_says_so(void **state)
{
    (void)state;
    open_slot("");
    assert_says(slot->broken.text, "api_key_file: missing; KES needs an API key");
    remote_slot_close(slot);
    remote_config_clear(&config);
    open_slot("api_key_env = TEST_KES_API_KEY\npin = apikey\n");
    assert_says(slot->broken.text, "a connection has one identity");
    remote_slot_close(slot);
    remote_config_clear(&config);
    setenv("TEST_KES_API_KEY", "hvs.secret", 1);
    open_slot("api_key_env = TEST_KES_API_KEY\n");
    assert_says(slot->broken.text, "not an API key of KES");
    assert_null(strstr(slot->broken.text, "hvs"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_encrypt_request_and_recorded_answer),
        TEST(test_decrypt_request_and_recorded_answers),
        TEST(test_mac_request_and_recorded_answer),
        TEST(test_mac_when_the_server_is_too_old_then_not_offered_any_more),
        TEST(test_data_key_request_and_recorded_answer),
        TEST(test_sizes_when_over_what_comes_back_then_refused),
        TEST(test_list_request_and_recorded_answers),
        TEST(test_list_when_going_on_then_only_what_is_new),
        TEST(test_list_when_hostile_then_refused),
        TEST(test_read_when_recorded_then_a_cipher_and_an_hmac_key),
        TEST(test_read_when_of_an_old_kes_then_without_a_date),
        TEST(test_read_when_it_makes_no_sense_then_refused),
        TEST(test_generate_requests),
        TEST(test_import_requests),
        TEST(test_destroy_request),
        TEST(test_recorded_errors_mean_what_they_say),
        TEST(test_answers_when_they_are_not_what_was_asked_then_refused),
        TEST(test_health_when_not_allowed_to_ask_then_alive),
        TEST(test_prove_when_recorded_then_good),
        TEST(test_grant_when_the_pin_changes_then_so_does_the_certificate),
        TEST(test_grant_when_the_file_changes_then_so_does_the_certificate),
        TEST(test_open_when_credentials_are_missing_or_too_many_then_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
