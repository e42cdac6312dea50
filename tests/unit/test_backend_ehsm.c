/* SPDX-License-Identifier: Apache-2.0 */
/* The eHSM backend's requests, and what it makes of answers: recorded ones, and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ehsm.h"
#include "encode.h"
#include "libctx.h"
#include "slot_private.h"
#include "temp_dir.h"

#define APPID "8d5dd3b8-3996-40f5-9785-dcb8265981ba"
#define APIKEY "E8QKpBBapaknprx44FaaTY20rptg54Sg"
#define KEYID "aac3e45a-d3dc-4791-89b6-4ada0e38e6ef"
#define OTHER "c671f89b-d068-4a79-9eeb-d3b11a8f155e"
#define LISTED(keyid, spec, state)                                                                 \
    "{\"keyid\":\"" keyid "\",\"creationDate\":1700000002434,\"expireTime\":4131536002434,"        \
    "\"alias\":\"\",\"keyspec\":\"" spec "\",\"keyState\":" state "}"
#define LIST(keys) "{\"code\":200,\"message\":\"successful\",\"result\":{\"list\":[" keys "]}}"
/* P-256's generator: a point that is on the curve */
#define P256_PEM                                                                                   \
    "-----BEGIN PUBLIC KEY-----\\n"                                                                \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\\n"                          \
    "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\\n"                              \
    "-----END PUBLIC KEY-----\\n"

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;
static struct remote_grant grant;
static struct remote_key key;
static struct remote_item items[2];
static struct remote_op op;
static struct remote_request request;

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

static void open_slot(const char *options)
{
    static char text[PATH_MAX + 1024];
    struct remote_error err = { 0 };

    snprintf(text, sizeof(text), "[slot e]\nbackend = ehsm\nurl = https://127.0.0.1:1\n%s",
             options);
    if (remote_config_parse("t.conf", remote_slice_str(text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    slot = remote_slot_open(NULL, config.slots[0]);
    assert_non_null(slot);
}

static int setup(void **state)
{
    if (temp_dir_make(state) != 0 || remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return -1;
    return remote_secret_set(&grant.token, APIKEY, strlen(APIKEY), NULL) == REMOTE_OK ? 0 : -1;
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
    remote_secret_clear(&grant.token);
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
    remote_guard_leave(&guard);
    return temp_dir_remove(state);
}

static struct ehsm *ehsm(void)
{
    if (slot == NULL)
        open_slot("pin = apikey\nappid = " APPID "\n");
    if (slot->conn == NULL)
        fail_msg("%s", slot->broken.text);
    return (struct ehsm *)slot->conn;
}

static void begin(enum remote_op_kind kind, enum remote_key_type type, unsigned bits,
                  enum remote_alg alg)
{
    static char name[] = "app", keyid[] = KEYID;

    (void)ehsm();
    remote_request_clear(&request);
    clear_items();
    remote_op_clear(&op);
    key = (struct remote_key){
        .slot = slot, .name = name, .version = 1, .version_id = keyid, .type = type, .bits = bits
    };
    op = (struct remote_op){ .kind = kind,
                             .name = name,
                             .key = &key,
                             .params = { .alg = alg, .hash = REMOTE_HASH_NONE },
                             .items = items,
                             .item_count = 1 };
}

static enum remote_rc build(struct remote_error *err)
{
    remote_request_clear(&request);
    memset(err, 0, sizeof(*err));
    return slot->ops->ops[op.kind].build(slot->conn, &op, &grant, 0, &request, err);
}

/* The payload, in the order in which it is signed. */
static void assert_request(const char *action, const char *payload)
{
    struct remote_error err;
    char path[64];

    if (build(&err) != REMOTE_OK)
        fail_msg("%s", err.text);
    snprintf(path, sizeof(path), "/ehsm?Action=%s", action);
    assert_string_equal((const char *)request.path.data, path);
    assert_string_equal(request.method, "POST");
    assert_says((const char *)request.body.data, payload);
    assert_says((const char *)request.body.data, "{\"appid\":\"" APPID "\",\"timestamp\":\"");
    assert_null(strstr((const char *)request.body.data, APIKEY));
}

static enum remote_rc parse(int status, const char *body, struct remote_error *err)
{
    struct remote_reply reply = { .status = status, .body = remote_slice_str(body), .header = "" };

    memset(err, 0, sizeof(*err));
    op.more = false;
    return slot->ops->ops[op.kind].parse(slot->conn, &op, &reply, err);
}

static void assert_parses(const char *body)
{
    struct remote_error err;

    if (parse(200, body, &err) != REMOTE_OK)
        fail_msg("%s: %s", body, err.text);
}

static void assert_refused(const char *body, enum remote_rc rc, const char *says)
{
    struct remote_error err;

    assert_int_equal(parse(200, body, &err), rc);
    assert_says(err.text, says);
}

/* Base64 of so many zero bytes in {"code":200,...,"result":{"MEMBER":"..."}}. */
static const char *bytes_answer(const char *member, size_t len)
{
    static char text[16384];
    struct remote_buf base64 = { 0 };
    unsigned char *zeros = calloc(1, len + 1);

    assert_non_null(zeros);
    remote_base64_append(&base64, remote_slice(zeros, len));
    snprintf(text, sizeof(text),
             "{\"code\":200,\"message\":\"success!\",\"result\":{\"%s\":\"%s\"}}", member,
             base64.data ? (const char *)base64.data : "");
    remote_buf_clear(&base64);
    free(zeros);
    return text;
}

/* ---- operations ---- */

static void test_encrypt_request_and_answer_in_both_forms(void **state)
{
    (void)state;
    begin(REMOTE_OP_ENCRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    items[0].in = remote_slice_str("hello");
    op.params.aad = remote_slice_str("aad");
    assert_request("Encrypt", "\"payload\":{\"aad\":\"YWFk\",\"keyid\":\"" KEYID
                              "\",\"plaintext\":\"aGVsbG8=\"},");
    /* "hello" || twelve 'I' || sixteen 'T' */
    assert_parses("{\"code\":200,\"result\":{\"ciphertext\":"
                  "\"aGVsbG9JSUlJSUlJSUlJSUlUVFRUVFRUVFRUVFRUVFRU\"}}");
    assert_memory_equal(items[0].out.data, "helloIIIIIIIIIIIITTTTTTTTTTTTTTTT", 33);
    begin(REMOTE_OP_ENCRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AES_GCM);
    items[0].in = remote_slice_str("hello");
    assert_parses("{\"code\":200,\"result\":{\"ciphertext\":"
                  "\"aGVsbG9JSUlJSUlJSUlJSUlUVFRUVFRUVFRUVFRUVFRU\"}}");
    assert_memory_equal(items[0].out.data, "IIIIIIIIIIIIhelloTTTTTTTTTTTTTTTT", 33);
}

static void test_decrypt_request_when_the_iv_is_in_front_then_the_services_order(void **state)
{
    (void)state;
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AES_GCM);
    items[0].in = remote_slice_str("IIIIIIIIIIIIhelloTTTTTTTTTTTTTTTT");
    assert_request("Decrypt", "{\"ciphertext\":\"aGVsbG9JSUlJSUlJSUlJSUlUVFRUVFRUVFRUVFRUVFRU\","
                              "\"keyid\":\"" KEYID "\"}");
    assert_parses("{\"code\":200,\"result\":{\"plaintext\":\"aGVsbG8=\"}}");
    assert_memory_equal(items[0].out.data, "hello", 5);
}

static void test_lengths_when_out_of_bounds_then_refused_without_a_request(void **state)
{
    static const unsigned char zeros[EHSM_PLAIN_MAX + EHSM_OVERHEAD + 1];
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_ENCRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    items[0].in = remote_slice(zeros, 0);
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    items[0].in = remote_slice(zeros, EHSM_PLAIN_MAX);
    assert_int_equal(build(&err), REMOTE_OK);
    atomic_store(&ehsm()->era, EHSM_ERA_OLD); /* which would not open it again */
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    assert_says(err.text, "1 to 6116 bytes, not 6144");
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    items[0].in = remote_slice(zeros, EHSM_OVERHEAD);
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    assert_says(err.text, "29 to 6144 bytes, not 28");
}

static void test_ciphertext_when_of_a_wrong_length_then_protocol(void **state)
{
    (void)state;
    begin(REMOTE_OP_ENCRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AES_GCM);
    items[0].in = remote_slice_str("hello");
    assert_refused(bytes_answer("ciphertext", 20), REMOTE_E_PROTOCOL, "20 bytes where 33 are due");
    assert_refused(bytes_answer("ciphertext", 34), REMOTE_E_PROTOCOL, "34 bytes where 33");
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    items[0].in = remote_slice_str("helloIIIIIIIIIIIITTTTTTTTTTTTTTTT");
    assert_refused(bytes_answer("plaintext", 33), REMOTE_E_PROTOCOL,
                   "33 bytes, which a ciphertext of 33 does not have");
}

/* The service answers success with as much of its memory as the modulus has. */
static void test_rsa_decrypt_when_the_answer_is_garbage_then_data_and_no_bytes(void **state)
{
    static const struct {
        enum remote_alg alg;
        enum remote_hash hash;
        unsigned bits;
        size_t longest;
    } cases[] = {
        { REMOTE_ALG_RSA_PKCS1_ENC, REMOTE_HASH_NONE, 2048, 245 },
        { REMOTE_ALG_RSA_OAEP, REMOTE_HASH_SHA256, 2048, 190 },
        { REMOTE_ALG_RSA_OAEP, REMOTE_HASH_SHA1, 2048, 214 },
        { REMOTE_ALG_RSA_PKCS1_ENC, REMOTE_HASH_NONE, 4096, 501 },
        { REMOTE_ALG_RSA_OAEP, REMOTE_HASH_SHA256, 3072, 318 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        begin(REMOTE_OP_DECRYPT, REMOTE_KEY_RSA, cases[i].bits, cases[i].alg);
        op.params.hash = op.params.mgf_hash = cases[i].hash;
        assert_parses(bytes_answer("plaintext", cases[i].longest));
        assert_int_equal(items[0].out.len, cases[i].longest);
        clear_items();
        assert_refused(bytes_answer("plaintext", cases[i].longest + 1), REMOTE_E_DATA, "");
        assert_int_equal(items[0].out.len, 0);
        assert_refused(bytes_answer("plaintext", cases[i].bits / 8), REMOTE_E_DATA, "");
        assert_null(items[0].out.data);
    }
}

static void test_sign_request_when_ecdsa_then_the_length_names_the_digest(void **state)
{
    static const unsigned char zeros[65];
    static const struct {
        size_t len;
        const char *mode;
    } cases[] = {
        { 28, "EH_SHA_224" }, { 32, "EH_SHA_256" }, { 48, "EH_SHA_384" }, { 64, "EH_SHA_512" }
    };
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_SIGN, REMOTE_KEY_EC, 256, REMOTE_ALG_ECDSA);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        items[0].in = remote_slice(zeros, cases[i].len);
        assert_request("Sign", cases[i].mode);
        assert_says((const char *)request.body.data,
                    "\"message_type\":\"EH_DIGEST\",\"padding_mode\":\"EH_PAD_NONE\"}");
    }
    items[0].in = remote_slice(zeros, 20);
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    assert_says(err.text, "28, 32, 48 or 64 bytes, not 20");
}

static void test_sign_answer_when_ecdsa_then_r_and_s_of_fixed_width(void **state)
{
    (void)state;
    begin(REMOTE_OP_SIGN, REMOTE_KEY_EC, 521, REMOTE_ALG_ECDSA);
    /* SEQUENCE { INTEGER 5, INTEGER 255 } */
    assert_parses("{\"code\":200,\"result\":{\"signature\":\"MAcCAQUCAgD/\"}}");
    assert_int_equal(items[0].out.len, 132);
    assert_int_equal(items[0].out.data[65], 5);
    assert_int_equal(items[0].out.data[131], 255);
    assert_refused("{\"code\":200,\"result\":{\"signature\":\"MAcCAQUCAgD=\"}}", REMOTE_E_PROTOCOL,
                   "");
}

static void test_data_key_request_and_answer(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_DATA_KEY, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    op.length = 16;
    assert_request("GenerateDataKey", "\"payload\":{\"keyid\":\"" KEYID "\",\"keylen\":16},");
    assert_parses("{\"code\":200,\"result\":{\"plaintext\":\"AAAAAAAAAAAAAAAAAAAAAA==\","
                  "\"ciphertext\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
                  "\"}}");
    assert_int_equal(items[1].out.len, 44);
    op.length = 1025;
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
}

/* ---- answers ---- */

static void test_messages_when_recorded_then_what_they_mean(void **state)
{
    static const struct {
        const char *body;
        enum remote_rc rc;
        const char *says;
    } cases[] = {
        { "{\"code\":400,\"message\":\"sign error\",\"result\":{}}", REMOTE_E_AUTH,
          "not that of this appid" },
        { "{\"code\":400,\"result\":{}}", REMOTE_E_AUTH, "does not know this appid" },
        { "{\"code\":400,\"message\":\"Timestamp can't be repeated in 20 minutes\"}", REMOTE_E_BUSY,
          "same millisecond" },
        { "{\"code\":400,\"message\":\"keyid error\",\"result\":{}}", REMOTE_E_NOT_FOUND, "gone" },
        { "{\"code\":400,\"message\":\"appid error\",\"result\":{}}", REMOTE_E_NOT_FOUND,
          "another appid" },
        { "{\"code\":400,\"message\":\"keyid is disabled\"}", REMOTE_E_FORBIDDEN_USE, "disabled" },
        { "{\"code\":400,\"message\":\"keyid expire\"}", REMOTE_E_FORBIDDEN_USE, "year is over" },
        { "{\"code\":400,\"message\":\"Decryption failed, Please confirm that your parameters are "
          "correct.\",\"result\":null}",
          REMOTE_E_DATA, "" },
        { "{\"code\":400,\"message\":\"Parameter invalid, The plaintext length error.\"}",
          REMOTE_E_LENGTH, "length error" },
        { "{\"code\":400,\"message\":\"database error\"}", REMOTE_E_UNAVAILABLE, "database" },
        { "{\"code\":500,\"message\":\"Server exception.\",\"result\":null}", REMOTE_E_CRYPTO,
          "the enclave refused" },
        { "{\"code\":404,\"message\":\"API Not Found\",\"result\":{}}", REMOTE_E_UNSUPPORTED,
          "no such operation" },
        { "{\"code\":200,\"message\":\"success!\",\"result\":null}", REMOTE_E_PROTOCOL,
          "no \"result.plaintext\"" },
        { "{\"code\":200,\"result\":{\"plaintext\":true}}", REMOTE_E_PROTOCOL, "no \"result" },
        { "{\"code\":200,\"result\":{\"plaintext\":\"%%%\"}}", REMOTE_E_PROTOCOL, "not base64" },
        { "{\"code\":\"200\"}", REMOTE_E_PROTOCOL, "no eHSM-KMS answers there" },
        { "{\"code\":666}", REMOTE_E_PROTOCOL, "not expected" },
        { "<html>", REMOTE_E_PROTOCOL, "not JSON" },
    };

    (void)state;
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    items[0].in = remote_slice_str("helloIIIIIIIIIIIITTTTTTTTTTTTTTTT");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i].body, cases[i].rc, cases[i].says);
}

static void test_statuses_when_not_the_services_own_then_told(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    assert_int_equal(parse(413, "<!DOCTYPE html>", &err), REMOTE_E_LENGTH);
    assert_int_equal(parse(502, "<html>", &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(parse(429, "", &err), REMOTE_E_BUSY);
    assert_int_equal(parse(404, "", &err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "check url");
}

static void test_timestamp_error_when_the_date_is_known_then_says_how_far_off(void **state)
{
    static const char body[] = "{\"code\":400,\"message\":\"Timestamp error\",\"result\":{}}";
    struct remote_reply reply = { .status = 200, .body = remote_slice_str(body), .header = "" };
    struct remote_error err = { 0 };

    (void)state;
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    reply.date = (int64_t)time(NULL) - 700;
    assert_int_equal(slot->ops->ops[op.kind].parse(slot->conn, &op, &reply, &err),
                     REMOTE_E_PROTOCOL);
    assert_says(err.text, " s behind ours");
    reply.date = (int64_t)time(NULL) + 4000;
    assert_int_equal(slot->ops->ops[op.kind].parse(slot->conn, &op, &reply, &err),
                     REMOTE_E_PROTOCOL);
    assert_says(err.text, " s ahead of ours");
}

/* ---- what the server can do ---- */

static void test_prove_when_a_nonce_is_refused_then_once_more_without(void **state)
{
    (void)state;
    begin(REMOTE_OP_PROVE, REMOTE_KEY_AES, 256, REMOTE_ALG_NONE);
    assert_request("ListKey", "\"nonce\":\"");
    assert_parses("{\"code\":400,\"message\":\"sign error\",\"result\":{}}");
    assert_true(op.more);
    assert_request("ListKey", "\"timestamp\"");
    assert_null(strstr((const char *)request.body.data, "nonce"));
    assert_parses(LIST(""));
    assert_true(op.more);
    assert_int_equal(atomic_load(&ehsm()->nonce), EHSM_NONCE_OFF);
    assert_request("GetParametersForImport", "\"payload\":{},");
    assert_parses("{\"code\":404,\"message\":\"API Not Found\",\"result\":{}}");
    assert_false(op.more);
    assert_false(slot->ops->serves(slot->conn, REMOTE_OP_IMPORT));
    assert_false(slot->ops->serves(slot->conn, REMOTE_OP_GENERATE));
}

static void test_prove_when_wrong_both_ways_then_auth_and_nothing_is_learnt(void **state)
{
    (void)state;
    begin(REMOTE_OP_PROVE, REMOTE_KEY_AES, 256, REMOTE_ALG_NONE);
    assert_parses("{\"code\":400,\"message\":\"sign error\",\"result\":{}}");
    assert_refused("{\"code\":400,\"message\":\"sign error\",\"result\":{}}", REMOTE_E_AUTH,
                   "API key");
    assert_int_equal(atomic_load(&ehsm()->nonce), EHSM_NONCE_UNKNOWN);
}

static void test_prove_when_the_server_is_new_then_everything_is_served(void **state)
{
    (void)state;
    begin(REMOTE_OP_PROVE, REMOTE_KEY_AES, 256, REMOTE_ALG_NONE);
    assert_parses(LIST(""));
    assert_parses("{\"code\":400,\"message\":\"Missing required parameters, The keyid cannot be "
                  "empty.\",\"result\":{}}");
    assert_false(op.more);
    assert_int_equal(atomic_load(&ehsm()->era), EHSM_ERA_NEW);
    assert_true(slot->ops->serves(slot->conn, REMOTE_OP_IMPORT));
}

static void test_timestamps_when_without_nonce_then_never_the_same(void **state)
{
    struct remote_error err;
    char last[24] = "";

    (void)state;
    open_slot("pin = apikey\nnonce = off\nappid = " APPID "\n");
    begin(REMOTE_OP_DATA_KEY, REMOTE_KEY_AES, 256, REMOTE_ALG_AEAD);
    op.length = 16;
    for (int i = 0; i < 2000; i++) {
        const char *at;

        assert_int_equal(build(&err), REMOTE_OK);
        at = strstr((const char *)request.body.data, "\"timestamp\":\"") + 13;
        assert_true(memcmp(at, last, 13) > 0);
        memcpy(last, at, 13);
    }
}

/* ---- keys ---- */

static void test_list_when_answered_then_aes_in_full_and_pairs_to_be_read(void **state)
{
    (void)state;
    begin(REMOTE_OP_LIST, REMOTE_KEY_AES, 256, REMOTE_ALG_NONE);
    assert_parses(LIST(LISTED(KEYID, "EH_AES_GCM_192", "1") "," LISTED(OTHER, "EH_EC_P256", "0")));
    assert_int_equal(op.keys.count, 2);
    assert_string_equal(op.keys.keys[0]->name, KEYID);
    assert_int_equal(op.keys.keys[0]->bits, 192);
    assert_int_equal(op.keys.keys[0]->id_len, 20);
    assert_int_equal(op.keys.keys[0]->created, 1700000002);
    assert_int_equal(op.keys.keys[0]->not_after, 4131536002);
    assert_int_equal(op.keys.keys[1]->id_len, 0);
    assert_false(op.keys.keys[1]->enabled);
    assert_refused(LIST("{\"keyid\":\"../../x\"}"), REMOTE_E_PROTOCOL, "keyid that is none");
    assert_refused("{\"code\":200,\"result\":{}}", REMOTE_E_PROTOCOL, "no list of keys");
}

static void begin_read(const char *name)
{
    begin(REMOTE_OP_READ, REMOTE_KEY_AES, 256, REMOTE_ALG_NONE);
    op.key = NULL;
    op.name = name;
}

static void test_read_when_of_a_pair_then_listing_public_key_and_probe(void **state)
{
    (void)state;
    begin_read(OTHER);
    assert_request("ListKey", "\"timestamp\"");
    assert_parses(LIST(LISTED(OTHER, "EH_EC_P256", "1")));
    assert_request("GetPublicKey", "{\"keyid\":\"" OTHER "\"}");
    assert_parses("{\"code\":200,\"result\":{\"pubkey\":\"" P256_PEM "\",\"keyid\":\"" OTHER
                  "\"}}");
    assert_request("Verify", "\"padding_mode\":\"EH_PAD_NONE\"");
    assert_parses("{\"code\":200,\"result\":{\"result\":false}}");
    assert_false(op.more);
    assert_int_equal(op.keys.count, 1);
    assert_int_equal(op.keys.keys[0]->uses, REMOTE_USE_SIGN | REMOTE_USE_VERIFY);
    assert_string_equal(op.keys.keys[0]->version_id, OTHER);
    begin_read(OTHER); /* what never changes is not asked again */
    assert_parses(LIST(LISTED(OTHER, "EH_EC_P256", "0")));
    assert_false(op.more);
    assert_false(op.keys.keys[0]->enabled);
}

static void test_read_when_an_ec_key_is_for_encryption_then_it_is_good_for_nothing(void **state)
{
    (void)state;
    begin_read(OTHER);
    assert_parses(LIST(LISTED(OTHER, "EH_EC_P256", "1")));
    assert_parses("{\"code\":200,\"result\":{\"pubkey\":\"" P256_PEM "\"}}");
    assert_parses("{\"code\":500,\"message\":\"Server exception.\",\"result\":null}");
    assert_int_equal(op.keys.count, 1);
    assert_int_equal(op.keys.keys[0]->uses, 0);
}

static void test_read_when_absent_or_disabled_or_odd_then_told_apart(void **state)
{
    struct remote_error err;

    (void)state;
    begin_read("no such name");
    assert_int_equal(build(&err), REMOTE_E_NOT_FOUND);
    begin_read(KEYID);
    assert_refused(LIST(LISTED(OTHER, "EH_EC_P256", "1")), REMOTE_E_NOT_FOUND, KEYID);
    assert_refused(LIST(LISTED(KEYID, "EH_HMAC", "1")), REMOTE_E_UNSUPPORTED, "not served");
    begin_read(OTHER);
    assert_parses(LIST(LISTED(OTHER, "EH_EC_P256", "0")));
    assert_refused("{\"code\":400,\"message\":\"keyid is disabled\",\"result\":{}}",
                   REMOTE_E_UNSUPPORTED, "public half");
    begin_read(OTHER);
    assert_parses(LIST(LISTED(OTHER, "EH_EC_P384", "1")));
    assert_parses("{\"code\":200,\"result\":{\"pubkey\":\"" P256_PEM "\"}}");
    assert_refused("{\"code\":200,\"result\":{\"result\":false}}", REMOTE_E_PROTOCOL,
                   "none of EH_EC_P384");
}

/* ---- configuration ---- */

static void check_broken(const char *options, const char *says)
{
    open_slot(options);
    assert_null(slot->conn);
    assert_says(slot->broken.text, says);
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
}

static void test_configuration_when_wrong_then_one_line_says_what_would_be_right(void **state)
{
    (void)state;
    setenv("TEST_EHSM_SHORT", "hvs.short", 1);
    check_broken("pin = apikey\n", "hsmbridge ehsm enroll --slot e");
    check_broken("pin = apikey\nappid = 8D5DD3B8\n", "in small letters");
    check_broken("appid = " APPID "\n", "apikey_file: missing");
    check_broken("appid = " APPID "\napikey_env = TEST_EHSM_SHORT\n", "32 letters and digits");
    check_broken("appid = " APPID "\npin = apikey\napikey_env = TEST_EHSM_SHORT\n", "one of");
    check_broken("appid = " APPID "\npin = apikey\nnonce = maybe\n", "nonce");
}

static void test_pin_when_of_another_form_then_does_not_fit(void **state)
{
    (void)state;
    assert_true(slot == NULL && ehsm() != NULL);
    assert_true(slot->ops->pin_fits(slot->conn, remote_slice_str(APIKEY)));
    assert_false(slot->ops->pin_fits(slot->conn, remote_slice_str("1234")));
    assert_false(slot->ops->pin_fits(slot->conn, remote_slice_str(APIKEY "x")));
    assert_false(
        slot->ops->pin_fits(slot->conn, remote_slice_str("hvs.QKpBBapaknprx44FaaTY20rptg54")));
}

static void test_generate_when_there_is_no_file_for_names_then_refused(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_GENERATE, REMOTE_KEY_AES, 256, REMOTE_ALG_NONE);
    op.spec = (struct remote_key_spec){ .type = REMOTE_KEY_AES, .bits = 256 };
    assert_int_equal(build(&err), REMOTE_E_PARAM);
    assert_says(err.text, "names_file");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_encrypt_request_and_answer_in_both_forms),
        TEST(test_decrypt_request_when_the_iv_is_in_front_then_the_services_order),
        TEST(test_lengths_when_out_of_bounds_then_refused_without_a_request),
        TEST(test_ciphertext_when_of_a_wrong_length_then_protocol),
        TEST(test_rsa_decrypt_when_the_answer_is_garbage_then_data_and_no_bytes),
        TEST(test_sign_request_when_ecdsa_then_the_length_names_the_digest),
        TEST(test_sign_answer_when_ecdsa_then_r_and_s_of_fixed_width),
        TEST(test_data_key_request_and_answer),
        TEST(test_messages_when_recorded_then_what_they_mean),
        TEST(test_statuses_when_not_the_services_own_then_told),
        TEST(test_timestamp_error_when_the_date_is_known_then_says_how_far_off),
        TEST(test_prove_when_a_nonce_is_refused_then_once_more_without),
        TEST(test_prove_when_wrong_both_ways_then_auth_and_nothing_is_learnt),
        TEST(test_prove_when_the_server_is_new_then_everything_is_served),
        TEST(test_timestamps_when_without_nonce_then_never_the_same),
        TEST(test_list_when_answered_then_aes_in_full_and_pairs_to_be_read),
        TEST(test_read_when_of_a_pair_then_listing_public_key_and_probe),
        TEST(test_read_when_an_ec_key_is_for_encryption_then_it_is_good_for_nothing),
        TEST(test_read_when_absent_or_disabled_or_odd_then_told_apart),
        TEST(test_configuration_when_wrong_then_one_line_says_what_would_be_right),
        TEST(test_pin_when_of_another_form_then_does_not_fit),
        TEST(test_generate_when_there_is_no_file_for_names_then_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
