/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Vault backend's requests byte for byte, and its answers: those of a real Vault, and
 * hostile ones. Values are those of the transcript.
 */
#include "encode.h"
#include "libctx.h"
#include "slot_private.h"
#include "transcript.h"
#include "vault.h"

#define DIGEST "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=" /* SHA-256("hello world") */
#define HELLO "aGVsbG8gd29ybGQ="

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;
static struct remote_key key;
static struct remote_item items[3];
static struct remote_op op;
static struct remote_request request;

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

static void open_slot(const char *options)
{
    static char text[1024];
    struct remote_error err = { 0 };

    snprintf(text, sizeof(text),
             "[slot web]\nbackend = vault\nurl = http://127.0.0.1:1\ninsecure_transport = yes\n%s",
             options);
    if (remote_config_parse("t.conf", remote_slice_str(text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    slot = remote_slot_open(NULL, config.slots[0]);
    assert_non_null(slot);
}

static int setup(void **state)
{
    (void)state;
    setenv("TEST_VAULT_TOKEN", "hvs.CAESIIcfN3djbTHoNCDAvjfklMfpmf7l2X5w", 1);
    setenv("TEST_VAULT_ROLE_ID", "934ecda2-eb3e-b811-71e3-443b261b3f09", 1);
    setenv("TEST_VAULT_SECRET", "5a9b4693-a417-edfc-44d4-6dec31233a9a", 1);
    return remote_guard_enter(&guard, NULL) == REMOTE_OK ? 0 : -1;
}

static void clear_items(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        remote_buf_clear(&items[i].out);
    memset(items, 0, sizeof(items));
}

static int teardown(void **state)
{
    (void)state;
    remote_request_clear(&request);
    clear_items();
    remote_op_clear(&op);
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
    remote_guard_leave(&guard);
    return 0;
}

static void begin(enum remote_op_kind kind, const char *name, unsigned version,
                  enum remote_key_type type, enum remote_alg alg)
{
    static char owned[64];

    if (slot == NULL || slot->conn == NULL)
        fail_msg("%s", slot ? slot->broken.text : "no slot");
    remote_request_clear(&request);
    clear_items();
    remote_op_clear(&op);
    snprintf(owned, sizeof(owned), "%s", name);
    key = (struct remote_key){ .slot = slot,
                               .name = owned,
                               .version = version,
                               .type = type,
                               .bits = type == REMOTE_KEY_RSA ? 2048 : 256 };
    op = (struct remote_op){ .kind = kind,
                             .name = owned,
                             .key = &key,
                             .params = { .alg = alg },
                             .items = items,
                             .item_count = 1 };
}

static void set_input(size_t index, const char *base64)
{
    static struct remote_buf inputs[3];

    remote_buf_clear(&inputs[index]);
    assert_true(remote_base64_decode(remote_slice_str(base64), &inputs[index]));
    items[index].in = remote_buf_slice(&inputs[index]);
}

static enum remote_rc build(struct remote_error *err)
{
    struct remote_grant grant = { .token = { .data = (unsigned char *)"hvs.x", .len = 5 } };
    bool open = op.kind == REMOTE_OP_LOGIN || op.kind == REMOTE_OP_HEALTH;

    return slot->ops->ops[op.kind].build(slot->conn, &op, open ? NULL : &grant, 0, &request, err);
}

static const char *text_of(const struct remote_buf *buf)
{
    return buf->data ? (const char *)buf->data : "";
}

static void assert_request(const char *method, const char *path, const char *body)
{
    struct remote_error err = { 0 };

    if (build(&err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_string_equal(request.method, method);
    assert_string_equal(text_of(&request.path), path);
    assert_string_equal(text_of(&request.body), body);
}

static enum remote_rc parse(struct remote_reply reply, struct remote_error *err)
{
    memset(err, 0, sizeof(*err));
    return slot->ops->ops[op.kind].parse(slot->conn, &op, &reply, err);
}

static void parse_recorded(const char *recorded)
{
    struct remote_error err;

    if (parse(transcript_reply(recorded, 200), &err) != REMOTE_OK)
        fail_msg("%s: %s", recorded, err.text);
}

static void assert_out(size_t index, const char *base64)
{
    struct remote_buf text = { 0 };

    remote_base64_append(&text, remote_buf_slice(&items[index].out));
    assert_string_equal(text_of(&text), base64);
    remote_buf_clear(&text);
}

#define TOKEN "token_env = TEST_VAULT_TOKEN\n"

/* ---- what every request has ---- */

static void test_headers_carry_token_and_namespace(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    open_slot(TOKEN "namespace = team/a\n");
    begin(REMOTE_OP_SIGN, "k", 1, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    assert_int_equal(build(&err), REMOTE_OK);
    assert_string_equal(text_of(&request.headers), "X-Vault-Request: true\n"
                                                   "X-Vault-Namespace: team/a\n"
                                                   "Content-Type: application/json\n"
                                                   "X-Vault-Token: hvs.x\n");
}

static void test_path_has_mount_and_name_percent_encoded(void **state)
{
    (void)state;
    open_slot(TOKEN "mount = /teams/a b/transit/\n");
    begin(REMOTE_OP_READ, "my key/../x", 1, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    op.item_count = 0;
    assert_request("GET", "/v1/teams/a%20b/transit/keys/my%20key%2F..%2Fx", "");
}

static void test_name_of_dots_is_no_key(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_READ, "..", 1, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    assert_int_equal(build(&err), REMOTE_E_NOT_FOUND);
}

/* ---- sign ---- */

static void test_sign_ecdsa_request_and_recorded_answer(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k-ecdsa-p256", 2, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    set_input(0, DIGEST);
    assert_request("POST", "/v1/transit/sign/k-ecdsa-p256",
                   "{\"input\":\"" DIGEST "\",\"prehashed\":true,\"marshaling_algorithm\":\"jws\","
                   "\"key_version\":2}");
    parse_recorded("POST /v1/transit/sign/k-ecdsa-p256/sha2-256 {\"input\": \"" DIGEST
                   "\", \"prehashed\": true, \"marshaling_algorithm\": \"jws\"}");
    assert_int_equal(items[0].out.len, 64);
    assert_out(0, "jIDAROLhForxJSMYwSck3UewXeRUPbK/"
                  "pnGScmRbl914XZ5LDDVA23raHIPb0O9mcJhQ2fVfz4z1H0gzvTO59Q==");
}

static void test_sign_ed25519_request_and_recorded_answer(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k-ed25519", 1, REMOTE_KEY_ED25519, REMOTE_ALG_EDDSA);
    set_input(0, HELLO);
    assert_request("POST", "/v1/transit/sign/k-ed25519",
                   "{\"input\":\"" HELLO "\",\"key_version\":1}");
    parse_recorded("POST /v1/transit/sign/k-ed25519 {\"input\": \"" HELLO "\"}");
    assert_out(0, "ZqOFqzsuMN311RFvtQydBsSlRWjLsFsA3V1tLWeKIkOxcOIM3fav3vg55LeBng1MgdMrVV6caG6/"
                  "u5xJQcTbAQ==");
}

static void test_sign_rsa_requests_of_each_scheme(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k-rsa-2048", 1, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PKCS1);
    set_input(0, DIGEST);
    assert_request("POST", "/v1/transit/sign/k-rsa-2048",
                   "{\"input\":\"" DIGEST "\",\"prehashed\":true,\"hash_algorithm\":\"none\","
                   "\"signature_algorithm\":\"pkcs1v15\",\"key_version\":1}");
    parse_recorded("POST /v1/transit/sign/k-rsa-2048/sha2-256 {\"input\": \"" DIGEST
                   "\", \"prehashed\": true, \"signature_algorithm\": \"pkcs1v15\"}");
    assert_int_equal(items[0].out.len, 256);
    remote_request_clear(&request);
    op.params.hash = REMOTE_HASH_SHA3_384;
    assert_request("POST", "/v1/transit/sign/k-rsa-2048",
                   "{\"input\":\"" DIGEST "\",\"prehashed\":true,\"hash_algorithm\":\"sha3-384\","
                   "\"signature_algorithm\":\"pkcs1v15\",\"key_version\":1}");
    remote_request_clear(&request);
    op.params = (struct remote_params){ .alg = REMOTE_ALG_RSA_PSS,
                                        .hash = REMOTE_HASH_SHA256,
                                        .mgf_hash = REMOTE_HASH_SHA256,
                                        .salt_len = 32 };
    set_input(0, DIGEST);
    assert_request("POST", "/v1/transit/sign/k-rsa-2048",
                   "{\"input\":\"" DIGEST "\",\"prehashed\":true,\"hash_algorithm\":\"sha2-256\","
                   "\"signature_algorithm\":\"pss\",\"salt_length\":\"hash\",\"key_version\":1}");
    remote_request_clear(&request);
    op.params.salt_len = 20;
    assert_request("POST", "/v1/transit/sign/k-rsa-2048",
                   "{\"input\":\"" DIGEST "\",\"prehashed\":true,\"hash_algorithm\":\"sha2-256\","
                   "\"signature_algorithm\":\"pss\",\"salt_length\":\"20\",\"key_version\":1}");
}

static void test_sign_batch_request_and_an_answer_in_which_one_failed(void **state)
{
    static const char *const answer =
        "{\"data\":{\"batch_results\":[{\"signature\":\"vault:v2:AQID\",\"key_version\":2},"
        "{\"error\":\"illegal base64 data at input byte 0\"}]}}";
    struct remote_error err;

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k", 2, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    set_input(0, DIGEST);
    set_input(1, HELLO);
    op.item_count = 2;
    assert_request("POST", "/v1/transit/sign/k",
                   "{\"partial_failure_response_code\":200,\"batch_input\":[{\"input\":\"" DIGEST
                   "\"},{\"input\":\"" HELLO "\"}],\"prehashed\":true,"
                   "\"marshaling_algorithm\":\"jws\",\"key_version\":2}");
    assert_int_equal(parse((struct remote_reply){ .status = 200, .body = remote_slice_str(answer) },
                           &err),
                     REMOTE_OK);
    assert_int_equal(items[0].rc, REMOTE_OK);
    assert_out(0, "AQID");
    assert_int_equal(items[1].rc, REMOTE_E_PARAM);
    assert_says(items[1].err.text, "illegal base64 data");
}

static void test_batch_with_another_number_of_results_is_a_protocol_error(void **state)
{
    static const char *const answers[] = {
        "{\"data\":{\"batch_results\":[{\"signature\":\"vault:v2:AQID\"}]}}",
        "{\"data\":{\"batch_results\":[]}}",
        "{\"data\":{\"batch_results\":[{},{},{}]}}",
        "{\"data\":{\"batch_results\":{\"0\":{},\"1\":{}}}}",
        "{\"data\":{\"signature\":\"vault:v2:AQID\"}}",
        "{\"data\":null}",
    };

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k", 2, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    op.item_count = 2;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        struct remote_reply reply = { .status = 200, .body = remote_slice_str(answers[i]) };
        struct remote_error err;

        assert_int_equal(parse(reply, &err), REMOTE_E_PROTOCOL);
        assert_says(err.text, "a batch of 2 was answered with");
        assert_null(items[0].out.data);
    }
}

static void test_batch_whose_items_make_no_sense_fails_each(void **state)
{
    struct remote_reply reply = { .status = 200,
                                  .body = remote_slice_str(
                                      "{\"data\":{\"batch_results\":[null,{\"signature\":7}]}}") };
    struct remote_error err;

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k", 2, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    op.item_count = 2;
    assert_int_equal(parse(reply, &err), REMOTE_OK);
    assert_int_equal(items[0].rc, REMOTE_E_PROTOCOL);
    assert_int_equal(items[1].rc, REMOTE_E_PROTOCOL);
}

/* ---- hostile values ---- */

static void test_hostile_signatures_are_protocol_errors(void **state)
{
    static const struct {
        const char *value, *says;
    } cases[] = {
        { "\"vault:v1:AQID\"", "asked for version 2 of the key, the answer is of version 1" },
        { "\"vault:v3:AQID\"", "the answer is of version 3" },
        { "\"vault:v0:AQID\"", "the answer is of version 0" },
        { "\"vault:v18446744073709551618:AQID\"", "the answer is of version" },
        { "\"vault:v+2:AQID\"", "not of the form" },
        { "\"vault:v 2:AQID\"", "not of the form" },
        { "\"vault:v-18446744073709551614:AQID\"", "not of the form" },
        { "\"vault:v2\"", "not of the form" },
        { "\"vault:v\"", "not of the form" },
        { "\"vault:v2x:AQID\"", "not of the form" },
        { "\"vault:2:AQID\"", "not of the form" },
        { "\"\"", "not of the form" },
        { "\"vault:v2:AQI*\"", "the signature is not base64" },
        { "\"vault:v2:AQI=\\n\"", "the signature is not base64" },
        { "\"vault:v2:A\"", "the signature is not base64" },
        { "7", "the answer has no \"signature\"" },
        { "null", "the answer has no \"signature\"" },
        { "[\"vault:v2:AQID\"]", "the answer has no \"signature\"" },
    };

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k", 2, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char body[256];
        struct remote_reply reply = { .status = 200 };
        struct remote_error err;

        snprintf(body, sizeof(body), "{\"data\":{\"signature\":%s}}", cases[i].value);
        reply.body = remote_slice_str(body);
        if (parse(reply, &err) != REMOTE_E_PROTOCOL)
            fail_msg("%s is taken", cases[i].value);
        assert_says(err.text, cases[i].says);
        assert_int_equal(items[0].out.len, 0);
    }
}

static void test_deep_nesting_and_huge_numbers_are_protocol_errors(void **state)
{
    size_t depth = 100000;
    char *body = malloc(depth + 1);
    struct remote_error err;

    (void)state;
    open_slot(TOKEN);
    memset(body, '[', depth);
    for (int kind = 0; kind < REMOTE_OP_COUNT; kind++) {
        if (remote_backend_find("vault")->ops[kind].parse == NULL)
            continue; /* Vault has no such operation */
        begin((enum remote_op_kind)kind, "k", 1, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
        assert_int_equal(
            parse((struct remote_reply){ .status = 200, .body = remote_slice(body, depth) }, &err),
            REMOTE_E_PROTOCOL);
        assert_int_equal(
            parse((struct remote_reply){ .status = 200,
                                         .body = remote_slice_str(
                                             "{\"data\":99999999999999999999999999}") },
                  &err),
            REMOTE_E_PROTOCOL);
    }
    free(body);
}

static void test_every_answer_cut_short_is_refused(void **state)
{
    struct remote_reply whole;
    struct remote_error err;

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_READ, "k-ecdsa-p256", 1, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    whole = transcript_reply("GET /v1/transit/keys/k-ecdsa-p256", 200);
    for (size_t len = 0; len < whole.body.len; len++) {
        struct remote_reply cut = { .status = 200, .body = remote_slice(whole.body.data, len) };

        assert_int_equal(parse(cut, &err), REMOTE_E_PROTOCOL);
        assert_int_equal(op.keys.count, 0);
    }
}

/* ---- encrypt, decrypt, MAC, random ---- */

static void test_encrypt_request_and_recorded_answer(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_ENCRYPT, "k-aes256-gcm96", 1, REMOTE_KEY_AES, REMOTE_ALG_AES_GCM);
    set_input(0, HELLO);
    op.params.aad = remote_slice_str("aad");
    assert_request("POST", "/v1/transit/encrypt/k-aes256-gcm96",
                   "{\"plaintext\":\"" HELLO "\",\"key_version\":1,"
                   "\"associated_data\":\"YWFk\"}");
    parse_recorded("POST /v1/transit/encrypt/k-aes256-gcm96 {\"plaintext\": \"" HELLO
                   "\", \"associated_data\": \"YWFk\"}");
    assert_out(0, "/xKFsw9kQPZleOMrHxaO6hHHDSrReRU/PQHvk2/KJ9LmfDCt54a2");
}

static void test_encrypt_in_the_services_own_form_keeps_the_text(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_ENCRYPT, "k-aes256-gcm96", 1, REMOTE_KEY_AES, REMOTE_ALG_AEAD);
    set_input(0, HELLO);
    parse_recorded("POST /v1/transit/encrypt/k-aes256-gcm96 {\"plaintext\": \"" HELLO "\"}");
    assert_string_equal(text_of(&items[0].out),
                        "vault:v1:pUCYI058BXnooZHcDJW5sP6uHeWf6L/nnqXrCRftTaMIKrBznvvk");
}

static void test_decrypt_requests_and_recorded_answer(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_DECRYPT, "k-aes256-gcm96", 1, REMOTE_KEY_AES, REMOTE_ALG_AES_GCM);
    set_input(0, "pUCYI058BXnooZHcDJW5sP6uHeWf6L/nnqXrCRftTaMIKrBznvvk");
    assert_request("POST", "/v1/transit/decrypt/k-aes256-gcm96",
                   "{\"ciphertext\":\"vault:v1:pUCYI058BXnooZHcDJW5sP6uHeWf6L/"
                   "nnqXrCRftTaMIKrBznvvk\"}");
    parse_recorded("POST /v1/transit/decrypt/k-aes256-gcm96");
    assert_string_equal(text_of(&items[0].out), "hello world");
    begin(REMOTE_OP_DECRYPT, "k", 3, REMOTE_KEY_RSA, REMOTE_ALG_RSA_OAEP);
    set_input(0, "AQID");
    assert_request("POST", "/v1/transit/decrypt/k",
                   "{\"ciphertext\":\"vault:v3:AQID\",\"padding_scheme\":\"oaep\"}");
    remote_request_clear(&request);
    op.params.alg = REMOTE_ALG_RSA_PKCS1_ENC;
    assert_request("POST", "/v1/transit/decrypt/k",
                   "{\"ciphertext\":\"vault:v3:AQID\",\"padding_scheme\":\"pkcs1v15\"}");
    begin(REMOTE_OP_DECRYPT, "k", 3, REMOTE_KEY_AES, REMOTE_ALG_AEAD);
    items[0].in = remote_slice_str("vault:v1:AQID");
    op.params.aad = remote_slice_str("aad");
    assert_request("POST", "/v1/transit/decrypt/k",
                   "{\"ciphertext\":\"vault:v1:AQID\",\"associated_data\":\"YWFk\"}");
}

static void test_decrypt_of_what_is_not_vaults_own_form_sends_nothing(void **state)
{
    static const char *const texts[] = { "", "vault:v", "junk", "vault:v1:A\"B\nC" };
    struct remote_error err = { 0 };

    (void)state;
    open_slot(TOKEN);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        begin(REMOTE_OP_DECRYPT, "k", 1, REMOTE_KEY_AES, REMOTE_ALG_AEAD);
        items[0].in = remote_slice_str(texts[i]);
        assert_int_equal(build(&err), REMOTE_E_DATA);
    }
}

static void test_decrypt_batch_as_recorded_fails_one_item_alone(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_DECRYPT, "k-aes256-gcm96", 1, REMOTE_KEY_AES, REMOTE_ALG_AES_GCM);
    op.item_count = 2;
    parse_recorded("POST /v1/transit/decrypt/k-aes256-gcm96 {\"batch_input\"");
    assert_int_equal(items[0].rc, REMOTE_OK);
    assert_string_equal(text_of(&items[0].out), "hello world");
    assert_int_equal(items[1].rc, REMOTE_E_DATA);
    assert_null(items[1].out.data);
}

static void test_mac_request_and_recorded_answer(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_MAC, "k-hmac", 1, REMOTE_KEY_GENERIC, REMOTE_ALG_HMAC);
    op.params.hash = REMOTE_HASH_SHA256;
    set_input(0, HELLO);
    assert_request("POST", "/v1/transit/hmac/k-hmac/sha2-256",
                   "{\"input\":\"" HELLO "\",\"key_version\":1}");
    parse_recorded("POST /v1/transit/hmac/k-hmac/sha2-256");
    assert_out(0, "dOW4fFZ3X2/TWIU/hn4SoQPYh4qwD1SWqhUyyBKsfGw=");
}

static void test_random_request_and_recorded_answer(void **state)
{
    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_RANDOM, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    op.length = 16;
    assert_request("POST", "/v1/transit/random", "{\"bytes\":16,\"format\":\"base64\"}");
    parse_recorded("POST /v1/transit/random {\"bytes\": 16}");
    assert_out(0, "zAZTd8bFkcxlmlp3UwHLGw==");
}

/* ---- keys ---- */

static void test_list_request_and_recorded_answer(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_LIST, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_request("LIST", "/v1/transit/keys", "");
    parse_recorded("LIST /v1/transit/keys");
    assert_int_equal(op.names.count, 14);
    assert_string_equal(op.names.names[0], "k-aes128-gcm96");
    assert_null(op.names.next_page);
    begin(REMOTE_OP_LIST, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE); /* no keys yet */
    assert_int_equal(parse((struct remote_reply){ .status = 404,
                                                  .body = remote_slice_str("{\"errors\":[]}") },
                           &err),
                     REMOTE_OK);
    assert_int_equal(op.names.count, 0);
}

static void test_list_leaves_out_what_is_no_name(void **state)
{
    struct remote_error err;
    struct remote_reply reply = {
        .status = 200,
        .body = remote_slice_str("{\"data\":{\"keys\":[\"a\",\"\",\"folder/\",7,null,\"b\"]}}")
    };

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_LIST, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_int_equal(parse(reply, &err), REMOTE_OK);
    assert_int_equal(op.names.count, 2);
    assert_string_equal(op.names.names[1], "b");
}

static void test_read_of_every_recorded_type(void **state)
{
    static const struct {
        const char *name;
        enum remote_key_type type;
        unsigned bits;
        size_t id_len;
    } cases[] = {
        { "k-aes256-gcm96", REMOTE_KEY_AES, 256, 20 }, { "k-hmac", REMOTE_KEY_GENERIC, 256, 20 },
        { "k-ed25519", REMOTE_KEY_ED25519, 256, 20 },  { "k-ecdsa-p256", REMOTE_KEY_EC, 256, 20 },
        { "k-ecdsa-p384", REMOTE_KEY_EC, 384, 20 },    { "k-ecdsa-p521", REMOTE_KEY_EC, 521, 20 },
        { "k-rsa-2048", REMOTE_KEY_RSA, 2048, 20 },
    };

    (void)state;
    open_slot(TOKEN);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char line[64];
        const struct remote_key *read;

        snprintf(line, sizeof(line), "GET /v1/transit/keys/%s", cases[i].name);
        begin(REMOTE_OP_READ, cases[i].name, 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
        parse_recorded(line);
        assert_int_equal(op.keys.count, 1);
        read = op.keys.keys[0];
        assert_string_equal(read->name, cases[i].name);
        assert_int_equal(read->version, 1);
        assert_int_equal(read->type, cases[i].type);
        assert_int_equal(read->bits, cases[i].bits);
        assert_int_equal(read->id_len, cases[i].id_len);
        assert_true(read->enabled && read->latest);
        if (cases[i].type != REMOTE_KEY_GENERIC)
            assert_int_equal(read->created, 1795418191);
        assert_int_equal(read->spki.len > 0, !remote_key_type_symmetric(cases[i].type));
    }
}

static void test_versions_come_oldest_first_and_know_the_latest(void **state)
{
    static const char *const answer =
        "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":11,\"min_encryption_version\":10,"
        "\"keys\":{\"11\":3,\"9\":1,\"10\":2}}}";
    struct remote_error err;

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_READ, "k", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_int_equal(parse((struct remote_reply){ .status = 200, .body = remote_slice_str(answer) },
                           &err),
                     REMOTE_OK);
    assert_int_equal(op.keys.count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(op.keys.keys[i]->version, 9 + i);
    assert_false(op.keys.keys[1]->latest);
    assert_true(op.keys.keys[2]->latest);
    assert_false(op.keys.keys[0]->uses & REMOTE_USE_ENCRYPT); /* below min_encryption_version */
    assert_true(op.keys.keys[0]->uses & REMOTE_USE_DECRYPT);
    assert_true(op.keys.keys[1]->uses & REMOTE_USE_ENCRYPT);
}

static void test_hostile_keys_are_refused(void **state)
{
    static const struct {
        const char *data;
        enum remote_rc rc;
        const char *says;
    } cases[] = {
        { "null", REMOTE_E_PROTOCOL, "key 'k' has no type" },
        { "{\"type\":\"ml-dsa\"}", REMOTE_E_UNSUPPORTED, "key 'k' is of type 'ml-dsa'" },
        { "{\"type\":\"aes256-gcm96\",\"derived\":true}", REMOTE_E_UNSUPPORTED, "is derived" },
        { "{\"type\":\"aes256-gcm96\"}", REMOTE_E_PROTOCOL, "has no latest_version" },
        { "{\"type\":\"aes256-gcm96\",\"latest_version\":0}", REMOTE_E_PROTOCOL, "latest_version" },
        { "{\"type\":\"aes256-gcm96\",\"latest_version\":\"1\"}", REMOTE_E_PROTOCOL,
          "latest_version" },
        { "{\"type\":\"aes256-gcm96\",\"latest_version\":9223372036854775807}", REMOTE_E_PROTOCOL,
          "latest_version" },
        { "{\"type\":\"aes256-gcm96\",\"latest_version\":1}", REMOTE_E_PROTOCOL, "no versions" },
        { "{\"type\":\"aes256-gcm96\",\"latest_version\":1,\"keys\":[1]}", REMOTE_E_PROTOCOL,
          "no versions" },
        { "{\"type\":\"aes256-gcm96\",\"latest_version\":1,\"keys\":{\"x\":1}}", REMOTE_E_PROTOCOL,
          "has a version 'x'" },
        { "{\"type\":\"aes256-gcm96\",\"latest_version\":1,\"keys\":{\"4294967296\":1}}",
          REMOTE_E_PROTOCOL, "has a version" },
        { "{\"type\":\"ecdsa-p256\",\"latest_version\":1,\"keys\":{\"1\":{}}}", REMOTE_E_PROTOCOL,
          "has no public_key" },
        { "{\"type\":\"ecdsa-p256\",\"latest_version\":1,\"keys\":{\"1\":7}}", REMOTE_E_PROTOCOL,
          "has no public_key" },
        { "{\"type\":\"ecdsa-p256\",\"latest_version\":1,\"keys\":{\"1\":{\"public_key\":\"x\"}}}",
          REMOTE_E_PROTOCOL, "" },
        { "{\"type\":\"ed25519\",\"latest_version\":1,\"keys\":{\"1\":{\"public_key\":\"*\"}}}",
          REMOTE_E_PROTOCOL, "public_key is not base64" },
        { "{\"type\":\"ed25519\",\"latest_version\":1,\"keys\":{\"1\":{\"public_key\":\"AQID\"}}}",
          REMOTE_E_PROTOCOL, "" },
        { "{\"type\":\"hmac\",\"latest_version\":1}", REMOTE_E_PROTOCOL, "has no key_size" },
        { "{\"type\":\"hmac\",\"latest_version\":1,\"key_size\":-1}", REMOTE_E_PROTOCOL,
          "key_size" },
        { "{\"type\":\"hmac\",\"latest_version\":1,\"key_size\":99999}", REMOTE_E_PROTOCOL,
          "key_size" },
    };

    (void)state;
    open_slot(TOKEN);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char body[256];
        struct remote_reply reply = { .status = 200 };
        struct remote_error err;

        begin(REMOTE_OP_READ, "k", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
        snprintf(body, sizeof(body), "{\"data\":%s}", cases[i].data);
        reply.body = remote_slice_str(body);
        if (parse(reply, &err) != cases[i].rc)
            fail_msg("%s: %s", cases[i].data, err.text);
        assert_says(err.text, cases[i].says);
    }
}

static void test_mac_key_that_claims_four_thousand_million_versions_is_bounded(void **state)
{
    static const char *const answer =
        "{\"data\":{\"type\":\"hmac\",\"latest_version\":4294967295,\"key_size\":32,"
        "\"min_decryption_version\":1}}";
    struct remote_error err;

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_READ, "k", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_int_equal(parse((struct remote_reply){ .status = 200, .body = remote_slice_str(answer) },
                           &err),
                     REMOTE_OK);
    assert_int_equal(op.keys.count, 10000);
    assert_int_equal(op.keys.keys[9999]->version, 4294967295u);
}

/* ---- credentials ---- */

static void test_login_request_of_each_method(void **state)
{
    (void)state;
    open_slot("auth = approle\nrole_id_env = TEST_VAULT_ROLE_ID\n"
              "secret_id_env = TEST_VAULT_SECRET\n");
    begin(REMOTE_OP_LOGIN, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_request("POST", "/v1/auth/approle/login",
                   "{\"role_id\":\"934ecda2-eb3e-b811-71e3-443b261b3f09\","
                   "\"secret_id\":\"5a9b4693-a417-edfc-44d4-6dec31233a9a\"}");
    assert_null(strstr(text_of(&request.headers), "X-Vault-Token"));
    teardown(NULL);
    setup(NULL);
    open_slot("auth = userpass\nusername = u@x\npassword_env = TEST_VAULT_SECRET\n"
              "auth_mount = people\n");
    begin(REMOTE_OP_LOGIN, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_request("POST", "/v1/auth/people/login/u%40x",
                   "{\"password\":\"5a9b4693-a417-edfc-44d4-6dec31233a9a\"}");
    teardown(NULL);
    setup(NULL);
    open_slot("auth = kubernetes\nrole = app\njwt_env = TEST_VAULT_SECRET\n");
    begin(REMOTE_OP_LOGIN, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_request("POST", "/v1/auth/kubernetes/login",
                   "{\"role\":\"app\",\"jwt\":\"5a9b4693-a417-edfc-44d4-6dec31233a9a\"}");
}

static void test_login_with_a_pin_sends_the_pin(void **state)
{
    (void)state;
    open_slot("auth = approle\nrole_id_env = TEST_VAULT_ROLE_ID\npin = secret_id\n");
    begin(REMOTE_OP_LOGIN, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    op.pin = remote_slice_str("5a9b4693-a417-edfc-44d4-6dec31233a9b");
    assert_request("POST", "/v1/auth/approle/login",
                   "{\"role_id\":\"934ecda2-eb3e-b811-71e3-443b261b3f09\","
                   "\"secret_id\":\"5a9b4693-a417-edfc-44d4-6dec31233a9b\"}");
}

static void test_answers_of_logins(void **state)
{
    static const struct {
        const char *body;
        enum remote_rc rc;
        int64_t lifetime_s;
        bool renewable;
    } cases[] = {
        { "{\"auth\":{\"client_token\":\"hvs.a\",\"lease_duration\":3600,\"renewable\":true}}",
          REMOTE_OK, 3600, true },
        { "{\"auth\":{\"client_token\":\"hvb.a\",\"lease_duration\":60,\"renewable\":false}}",
          REMOTE_OK, 60, false },
        { "{\"auth\":{\"client_token\":\"hvs.a\"}}", REMOTE_OK, 0, false },
        { "{\"auth\":{\"client_token\":\"hvs.a\",\"lease_duration\":-5}}", REMOTE_OK, 0, false },
        { "{\"auth\":{\"client_token\":\"hvs.a\",\"lease_duration\":9223372036854775807}}",
          REMOTE_OK, INT64_MAX, false },
        { "{\"auth\":{\"client_token\":\"\"}}", REMOTE_E_PROTOCOL, 0, false },
        { "{\"auth\":{\"client_token\":\"a\\r\\nEvil: yes\"}}", REMOTE_E_PROTOCOL, 0, false },
        { "{\"auth\":{\"client_token\":7}}", REMOTE_E_PROTOCOL, 0, false },
        { "{\"auth\":null}", REMOTE_E_PROTOCOL, 0, false },
    };

    (void)state;
    open_slot("auth = approle\nrole_id_env = TEST_VAULT_ROLE_ID\n"
              "secret_id_env = TEST_VAULT_SECRET\n");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct remote_reply reply = { .status = 200, .body = remote_slice_str(cases[i].body) };
        struct remote_error err;

        begin(REMOTE_OP_LOGIN, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
        if (parse(reply, &err) != cases[i].rc)
            fail_msg("%s: %s", cases[i].body, err.text);
        if (cases[i].rc != REMOTE_OK)
            continue;
        assert_int_equal(op.grant.lifetime_s, cases[i].lifetime_s);
        assert_int_equal(op.grant.renewable, cases[i].renewable);
    }
}

static void test_renewal_and_proof_requests(void **state)
{
    struct remote_error err;
    struct remote_reply reply = {
        .status = 200, .body = remote_slice_str("{\"data\":{\"ttl\":1800,\"renewable\":true}}")
    };

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_RENEW, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_request("POST", "/v1/auth/token/renew-self", "{}");
    begin(REMOTE_OP_PROVE, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_request("GET", "/v1/auth/token/lookup-self", "");
    assert_int_equal(parse(reply, &err), REMOTE_OK);
    assert_int_equal(op.grant.lifetime_s, 1800);
    assert_true(op.grant.renewable);
    reply.body = remote_slice_str("{\"data\":{}}");
    assert_int_equal(parse(reply, &err), REMOTE_E_PROTOCOL);
}

static void test_pin_has_the_form_of_its_credential(void **state)
{
    static const struct {
        const char *options, *pin;
        bool fits;
    } cases[] = {
        { "pin = token\n", "hvs.CAESIIcfN3djbTHoNCDAvjfkl", true },
        { "pin = token\n", "s.abcdefghijklmnopqrstuvwx", true },
        { "pin = token\n", "hvs.short", false },
        { "pin = token\n", "1234", false },
        { "pin = token\n", "hvs.CAESIIcfN3djbTHoNCDA jfkl", false },
        { "pin = token\n", "5a9b4693-a417-edfc-44d4-6dec31233a9a", false },
        { "auth = approle\nrole_id_env = TEST_VAULT_ROLE_ID\npin = secret_id\n",
          "5a9b4693-a417-edfc-44d4-6dec31233a9a", true },
        { "auth = approle\nrole_id_env = TEST_VAULT_ROLE_ID\npin = secret_id\n",
          "5a9b4693-a417-edfc-44d4-6dec31233a9x", false },
        { "auth = approle\nrole_id_env = TEST_VAULT_ROLE_ID\npin = secret_id\n",
          "hvs.CAESIIcfN3djbTHoNCDAvjfkl", false },
        { "auth = userpass\nusername = u\npin = password\n", "correct-horse", true },
        { "auth = userpass\nusername = u\npin = password\n", "hvs.CAESIIcfN3djbTHoNCDAvjf", false },
        { "auth = userpass\nusername = u\npin = password\n", "kes:v1:abc", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        open_slot(cases[i].options);
        assert_int_equal(slot->broken.rc, REMOTE_OK);
        if (slot->ops->pin_fits(slot->conn, remote_slice_str(cases[i].pin)) != cases[i].fits)
            fail_msg("%s%s", cases[i].options, cases[i].pin);
        teardown(NULL);
        setup(NULL);
    }
}

static void test_missing_credentials_break_the_slot(void **state)
{
    static const struct {
        const char *options, *says;
    } cases[] = {
        { "", "token_file: missing; auth = token (or pin = token) needs it" },
        { "auth = approle\n", "role_id_file: missing; auth = approle needs it" },
        { "auth = approle\nrole_id_env = TEST_VAULT_ROLE_ID\n", "secret_id_file: missing" },
        { "auth = userpass\n", "username: missing" },
        { "auth = userpass\nusername = u\n", "password_file: missing" },
        { "auth = kubernetes\n", "role: missing" },
        { "auth = cert\n", "client_cert_file: missing" },
        { "auth = cert\npin = token\n", "with auth = cert the PIN can be: (nothing)" },
        { "auth = approle\npin = password\n", "with auth = approle the PIN can be: secret_id" },
        { "auth = magic\n", "magic" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        open_slot(cases[i].options);
        assert_int_equal(slot->broken.rc, REMOTE_E_CONFIG);
        assert_says(slot->broken.text, "t.conf:");
        assert_says(slot->broken.text, cases[i].says);
        teardown(NULL);
        setup(NULL);
    }
}

/* ---- health and checks ---- */

static void test_health_as_recorded(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_HEALTH, "", 1, REMOTE_KEY_EC, REMOTE_ALG_NONE);
    assert_request("GET", "/v1/sys/health", "");
    assert_true(request.want_date);
    parse_recorded("GET /v1/sys/health");
    assert_string_equal(op.detail, "Vault 1.21.4, active");
    assert_int_equal(parse(transcript_reply("GET /v1/sys/health", 503), &err),
                     REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "sealed; run 'vault operator unseal'");
    assert_int_equal(parse((struct remote_reply){ .status = 200,
                                                  .body = remote_slice_str("{\"ok\":true}") },
                           &err),
                     REMOTE_E_PROTOCOL);
    assert_says(err.text, "no Vault answers there (HTTP 200)");
}

static void test_parameters_that_vault_cannot_honour_are_refused_at_once(void **state)
{
    static const struct {
        struct remote_params params;
        enum remote_rc rc;
        const char *says;
    } cases[] = {
        { { REMOTE_ALG_RSA_PSS, REMOTE_HASH_SHA256, REMOTE_HASH_SHA256, 32, { 0 } },
          REMOTE_OK,
          "" },
        { { REMOTE_ALG_RSA_PSS, REMOTE_HASH_SHA256, REMOTE_HASH_SHA256, 222, { 0 } },
          REMOTE_OK,
          "" },
        { { REMOTE_ALG_RSA_PSS, REMOTE_HASH_SHA256, REMOTE_HASH_SHA256, 223, { 0 } },
          REMOTE_E_PARAM,
          "a PSS salt of 223 bytes where at most 222 fit" },
        { { REMOTE_ALG_RSA_PSS, REMOTE_HASH_SHA256, REMOTE_HASH_SHA256, 0, { 0 } },
          REMOTE_E_PARAM,
          "cannot make PSS without a salt" },
        { { REMOTE_ALG_RSA_PSS, REMOTE_HASH_SHA256, REMOTE_HASH_SHA1, 32, { 0 } },
          REMOTE_E_PARAM,
          "uses the message's hash in MGF1" },
        { { REMOTE_ALG_RSA_OAEP, REMOTE_HASH_SHA256, REMOTE_HASH_SHA256, 0, { 0 } },
          REMOTE_OK,
          "" },
        { { REMOTE_ALG_RSA_OAEP, REMOTE_HASH_SHA256, REMOTE_HASH_SHA1, 0, { 0 } },
          REMOTE_E_PARAM,
          "OAEP is SHA-256 with MGF1-SHA-256" },
        { { REMOTE_ALG_RSA_OAEP,
            REMOTE_HASH_SHA256,
            REMOTE_HASH_SHA256,
            0,
            { (const unsigned char *)"x", 1 } },
          REMOTE_E_PARAM,
          "no label" },
    };

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k", 1, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PSS);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct remote_error err = { 0 };

        assert_int_equal(slot->ops->check(slot->conn, &key, &cases[i].params, &err), cases[i].rc);
        assert_says(err.text, cases[i].says);
    }
}

static void test_batches_are_for_cheap_algorithms(void **state)
{
    struct remote_params params = { 0 };

    (void)state;
    open_slot(TOKEN);
    begin(REMOTE_OP_SIGN, "k", 1, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PSS);
    assert_int_equal(slot->ops->batch(slot->conn, REMOTE_OP_SIGN, &key, &params), 1);
    key.type = REMOTE_KEY_EC;
    assert_int_equal(slot->ops->batch(slot->conn, REMOTE_OP_SIGN, &key, &params), 32);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void test_sealed_max_covers_any_version_and_is_close(void **state)
{
    const size_t base64_of_60 = 80; /* 32 bytes with nonce and tag */

    (void)state;
    assert_true(remote_backend_find("vault")->sealed_max(NULL, 32) >=
                strlen("vault:v4294967295:") + base64_of_60);
    assert_true(remote_backend_find("vault")->sealed_max(NULL, 32) < base64_of_60 + 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_max_covers_any_version_and_is_close),
        TEST(test_headers_carry_token_and_namespace),
        TEST(test_path_has_mount_and_name_percent_encoded),
        TEST(test_name_of_dots_is_no_key),
        TEST(test_sign_ecdsa_request_and_recorded_answer),
        TEST(test_sign_ed25519_request_and_recorded_answer),
        TEST(test_sign_rsa_requests_of_each_scheme),
        TEST(test_sign_batch_request_and_an_answer_in_which_one_failed),
        TEST(test_batch_with_another_number_of_results_is_a_protocol_error),
        TEST(test_batch_whose_items_make_no_sense_fails_each),
        TEST(test_hostile_signatures_are_protocol_errors),
        TEST(test_deep_nesting_and_huge_numbers_are_protocol_errors),
        TEST(test_every_answer_cut_short_is_refused),
        TEST(test_encrypt_request_and_recorded_answer),
        TEST(test_encrypt_in_the_services_own_form_keeps_the_text),
        TEST(test_decrypt_requests_and_recorded_answer),
        TEST(test_decrypt_of_what_is_not_vaults_own_form_sends_nothing),
        TEST(test_decrypt_batch_as_recorded_fails_one_item_alone),
        TEST(test_mac_request_and_recorded_answer),
        TEST(test_random_request_and_recorded_answer),
        TEST(test_list_request_and_recorded_answer),
        TEST(test_list_leaves_out_what_is_no_name),
        TEST(test_read_of_every_recorded_type),
        TEST(test_versions_come_oldest_first_and_know_the_latest),
        TEST(test_hostile_keys_are_refused),
        TEST(test_mac_key_that_claims_four_thousand_million_versions_is_bounded),
        TEST(test_login_request_of_each_method),
        TEST(test_login_with_a_pin_sends_the_pin),
        TEST(test_answers_of_logins),
        TEST(test_renewal_and_proof_requests),
        TEST(test_pin_has_the_form_of_its_credential),
        TEST(test_missing_credentials_break_the_slot),
        TEST(test_health_as_recorded),
        TEST(test_parameters_that_vault_cannot_honour_are_refused_at_once),
        TEST(test_batches_are_for_cheap_algorithms),
    };

    return cmocka_run_group_tests(tests, transcript_load, transcript_free);
}
