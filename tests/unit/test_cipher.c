/* SPDX-License-Identifier: Apache-2.0 */
#include "local_keys.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "encode.h"
#include "secret_key.h"

#define THREADS 8
#define ROUNDS 300
#define OPENS_NOT "the ciphertext does not open: it was changed, or made with another key"

#define KEY_128 "2b7e151628aed2a6abf7158809cf4f3c"
#define KEY_256 "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
#define KEY_192_WRAP "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"
#define KEY_GCM "feffe9928665731c6d6a8f9467308308"
#define KEK_128 "000102030405060708090a0b0c0d0e0f"
#define KEK_256 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ZEROS_128 "00000000000000000000000000000000"
#define COUNTER "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define TEXT                                                                                       \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"                             \
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
#define GCM_TEXT                                                                                   \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"                             \
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define GCM_AAD "feedfacedeadbeeffeedfacedeadbeefabaddad2"

/* ---- published vectors ---- */

struct vector {
    const char *source;
    enum remote_cipher cipher;
    unsigned counter_bits;
    const char *key, *iv, *aad, *plain, *sealed;
};

/* clang-format off */
static const struct vector vectors[] = {
    { "SP 800-38A F.1.1", REMOTE_CIPHER_AES_ECB, 0, KEY_128, "", "", TEXT,
      "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
      "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4" },
    { "SP 800-38A F.2.1", REMOTE_CIPHER_AES_CBC, 0, KEY_128, KEK_128, "", TEXT,
      "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
      "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7" },
    { "SP 800-38A F.2.5", REMOTE_CIPHER_AES_CBC, 0, KEY_256, KEK_128, "", TEXT,
      "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
      "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b" },
    { "RFC 3602 4, case 1, and its padding", REMOTE_CIPHER_AES_CBC_PAD, 0,
      "06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41", "",
      "53696e676c6520626c6f636b206d7367",
      "e353779c1079aeb82708942dbe77181ab97c825e1c785146542d396941bce55d" },
    { "SP 800-38A F.5.1", REMOTE_CIPHER_AES_CTR, 32, KEY_128, COUNTER, "", TEXT,
      "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
      "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee" },
    { "SP 800-38A F.5.5", REMOTE_CIPHER_AES_CTR, 128, KEY_256, COUNTER, "", TEXT,
      "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
      "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6" },
    { "GCM case 1", REMOTE_CIPHER_AES_GCM, 0, ZEROS_128, "000000000000000000000000", "", "",
      "58e2fccefa7e3061367f1d57a4e7455a" },
    { "GCM case 2", REMOTE_CIPHER_AES_GCM, 0, ZEROS_128, "000000000000000000000000", "",
      ZEROS_128, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf" },
    { "GCM case 4", REMOTE_CIPHER_AES_GCM, 0, KEY_GCM, "cafebabefacedbaddecaf888", GCM_AAD,
      GCM_TEXT,
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
      "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
      "5bc94fbc3221a5db94fae95ae7121a47" },
    { "GCM case 5", REMOTE_CIPHER_AES_GCM, 0, KEY_GCM, "cafebabefacedbad", GCM_AAD, GCM_TEXT,
      "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423"
      "73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598"
      "3612d2e79e3b0785561be14aaca2fccb" },
    { "GCM case 6", REMOTE_CIPHER_AES_GCM, 0, KEY_GCM,
      "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728"
      "c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b", GCM_AAD, GCM_TEXT,
      "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7"
      "01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5"
      "619cc5aefffe0bfa462af43c1699d050" },
    { "GCM case 16", REMOTE_CIPHER_AES_GCM, 0, KEY_GCM KEY_GCM, "cafebabefacedbaddecaf888",
      GCM_AAD, GCM_TEXT,
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b" },
    { "RFC 8439 2.8.2", REMOTE_CIPHER_CHACHA20_POLY1305, 0,
      "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
      "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
      "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
      "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
      "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
      "637265656e20776f756c642062652069742e",
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
      "3ff4def08e4b7a9de576d26586cec64b6116"
      "1ae10b594f09e26a7e902ecbd0600691" },
    { "RFC 3394 4.1", REMOTE_CIPHER_AES_KEY_WRAP, 0, KEK_128, "", "",
      "00112233445566778899aabbccddeeff",
      "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5" },
    { "RFC 3394 4.3, its IV said", REMOTE_CIPHER_AES_KEY_WRAP, 0, KEK_256, "a6a6a6a6a6a6a6a6", "",
      "00112233445566778899aabbccddeeff",
      "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7" },
    { "RFC 3394 4.6", REMOTE_CIPHER_AES_KEY_WRAP, 0, KEK_256, "", "",
      "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
      "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326"
      "cbc7f0e71a99f43bfb988b9b7a02dd21" },
    { "RFC 5649 6, 20 bytes", REMOTE_CIPHER_AES_KEY_WRAP_KWP, 0, KEY_192_WRAP, "", "",
      "c37b7e6492584340bed12207808941155068f738",
      "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a" },
    { "RFC 5649 6, 7 bytes, its IV said", REMOTE_CIPHER_AES_KEY_WRAP_KWP, 0, KEY_192_WRAP,
      "a65959a6", "", "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f" },
};
/* clang-format on */

/* ---- what the tests share ---- */

struct setup { /* a key and parameters, with the bytes that they point to */
    struct remote_secret_key *key;
    struct remote_cipher_params params;
    struct remote_buf iv, aad;
};

static void setup_clear(struct setup *setup)
{
    remote_secret_key_unref(setup->key);
    remote_buf_clear(&setup->iv);
    remote_buf_clear(&setup->aad);
}

static void unhex(const char *hex, struct remote_buf *ret)
{
    assert_true(remote_hex_decode(remote_slice_str(hex), ret));
}

static struct setup set_up(enum remote_cipher cipher, const char *key, const char *iv,
                           const char *aad)
{
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };
    bool chacha = cipher == REMOTE_CIPHER_CHACHA20_POLY1305;
    struct setup made = { .params = { .cipher = cipher, .counter_bits = 128, .tag_len = 16 } };

    unhex(key, &value);
    unhex(iv, &made.iv);
    unhex(aad, &made.aad);
    made.params.iv = remote_buf_slice(&made.iv);
    made.params.aad = remote_buf_slice(&made.aad);
    assert_int_equal(remote_secret_key_new(chacha ? REMOTE_KEY_CHACHA20 : REMOTE_KEY_AES,
                                           remote_buf_slice(&value), &made.key, NULL),
                     REMOTE_OK);
    return made;
}

/* Some key and IV for each cipher, AAD where there can be. */
static struct setup set_up_any(enum remote_cipher cipher)
{
    static const char *const ivs[REMOTE_CIPHER_COUNT] = {
        [REMOTE_CIPHER_AES_ECB] = "",
        [REMOTE_CIPHER_AES_CBC] = KEK_128,
        [REMOTE_CIPHER_AES_CBC_PAD] = KEK_128,
        [REMOTE_CIPHER_AES_CTR] = COUNTER,
        [REMOTE_CIPHER_AES_GCM] = "cafebabefacedbaddecaf888",
        [REMOTE_CIPHER_CHACHA20_POLY1305] = "070000004041424344454647",
        [REMOTE_CIPHER_AES_KEY_WRAP] = "",
        [REMOTE_CIPHER_AES_KEY_WRAP_KWP] = "",
    };
    bool aead = cipher == REMOTE_CIPHER_AES_GCM || cipher == REMOTE_CIPHER_CHACHA20_POLY1305;

    return set_up(cipher, KEY_256, ivs[cipher], aead ? GCM_AAD : "");
}

/* Of *run, in pieces; checks what output_max() promised. piece 0: all at once. */
static enum remote_rc finish(struct remote_cipher_run *run, struct remote_slice in, size_t piece,
                             struct remote_buf *out, struct remote_error *err)
{
    size_t most = remote_cipher_output_max(run, in.len, true), before = out->len, start = out->len;
    enum remote_rc rc = REMOTE_OK;

    while (rc == REMOTE_OK && in.len > 0) {
        size_t len = piece > 0 && piece < in.len ? piece : in.len;
        size_t expected = remote_cipher_output_max(run, len, false);

        rc = remote_cipher_update(run, remote_slice(in.data, len), out, err);
        assert_int_equal(out->len - before, rc == REMOTE_OK ? expected : 0);
        before = out->len;
        in = remote_slice(in.data + len, in.len - len);
    }
    if (rc == REMOTE_OK) {
        size_t last = remote_cipher_output_max(run, 0, true);

        rc = remote_cipher_final(run, out, err);
        assert_true(out->len - before <= last);
    }
    assert_true(out->len - start <= most);
    remote_cipher_clear(run);
    return rc;
}

static enum remote_rc work(const struct setup *setup, bool encrypt, struct remote_slice in,
                           size_t piece, struct remote_buf *out, struct remote_error *err)
{
    struct remote_cipher_run run = { 0 };

    REMOTE_TRY(remote_cipher_init(&run, setup->key, &setup->params, encrypt, err));
    return finish(&run, in, piece, out, err);
}

/* In one call, into memory that has not one byte too many. */
static enum remote_rc work_whole(const struct setup *setup, bool encrypt, struct remote_slice in,
                                 struct remote_buf *ret, struct remote_error *err)
{
    struct remote_cipher_run run = { 0 };
    unsigned char *to;
    size_t len = 0;
    enum remote_rc rc;

    REMOTE_TRY(remote_cipher_init(&run, setup->key, &setup->params, encrypt, err));
    to = malloc(remote_cipher_output_max(&run, in.len, true));
    rc = remote_cipher_whole(&run, in, to, &len, err);
    assert_null(run.ctx);
    remote_buf_append(ret, to, len);
    free(to);
    return rc;
}

static void assert_result(enum remote_rc rc, const struct remote_buf *out,
                          const struct remote_buf *expected, const struct remote_error *err)
{
    if (rc != REMOTE_OK)
        fail_msg("%s", err->text);
    assert_int_equal(out->len, expected->len);
    if (out->len > 0)
        assert_memory_equal(out->data, expected->data, out->len);
}

static void assert_work(const struct setup *setup, bool encrypt, const struct remote_buf *in,
                        size_t piece, const struct remote_buf *expected)
{
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf whole = { 0 };
    struct remote_error err = { 0 };
    enum remote_rc rc = work(setup, encrypt, remote_buf_slice(in), piece, &out, &err);

    assert_result(rc, &out, expected, &err);
    rc = work_whole(setup, encrypt, remote_buf_slice(in), &whole, &err);
    assert_result(rc, &whole, expected, &err);
}

/* Either way, with the same code and text. */
static void assert_fails(const struct setup *setup, bool encrypt, struct remote_slice in,
                         enum remote_rc rc, const char *text)
{
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf whole = { 0 };
    struct remote_error err = { 0 };

    assert_int_equal(work(setup, encrypt, in, 0, &out, &err), rc);
    assert_says(err.text, text);
    err.text[0] = '\0';
    assert_int_equal(work_whole(setup, encrypt, in, &whole, &err), rc);
    assert_says(err.text, text);
    assert_int_equal(whole.len, 0);
}

static void seal(const struct setup *setup, struct remote_slice plain, struct remote_buf *ret)
{
    assert_int_equal(work(setup, true, plain, 0, ret, NULL), REMOTE_OK);
}

/* ---- results ---- */

static void test_cipher_when_published_vector_then_matches_both_ways_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const struct vector *v = &vectors[i];
        CLEANUP(setup_clear) struct setup setup = set_up(v->cipher, v->key, v->iv, v->aad);
        CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

        print_message("%s\n", v->source);
        if (v->counter_bits > 0)
            setup.params.counter_bits = v->counter_bits;
        unhex(v->plain, &plain);
        unhex(v->sealed, &sealed);
        for (size_t piece = 0; piece <= sealed.len; piece++) {
            assert_work(&setup, true, &plain, piece, &sealed);
            assert_work(&setup, false, &sealed, piece, &plain);
        }
    }
}

static bool takes_length(enum remote_cipher cipher, size_t len)
{
    switch (cipher) {
    case REMOTE_CIPHER_AES_ECB:
    case REMOTE_CIPHER_AES_CBC:
        return len % 16 == 0;
    case REMOTE_CIPHER_AES_KEY_WRAP:
        return len % 8 == 0 && len >= 16;
    case REMOTE_CIPHER_AES_KEY_WRAP_KWP:
        return len >= 1;
    default:
        return true;
    }
}

static size_t sealed_length(enum remote_cipher cipher, size_t len)
{
    switch (cipher) {
    case REMOTE_CIPHER_AES_CBC_PAD:
        return len / 16 * 16 + 16;
    case REMOTE_CIPHER_AES_GCM:
    case REMOTE_CIPHER_CHACHA20_POLY1305:
        return len + 16;
    case REMOTE_CIPHER_AES_KEY_WRAP:
    case REMOTE_CIPHER_AES_KEY_WRAP_KWP:
        return (len + 7) / 8 * 8 + 8;
    default:
        return len;
    }
}

static void check_length(enum remote_cipher cipher, size_t len)
{
    static const size_t pieces[] = { 1, 3, 8, 15, 16, 17, 31, 32, 33 };
    CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    for (size_t i = 0; i < len; i++)
        remote_buf_append_char(&plain, (char)(i * 7 + 1));
    if (!takes_length(cipher, len)) {
        assert_fails(&setup, true, remote_buf_slice(&plain), REMOTE_E_LENGTH, "bytes");
        return;
    }
    seal(&setup, remote_buf_slice(&plain), &sealed);
    assert_int_equal(sealed.len, sealed_length(cipher, len));
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        assert_work(&setup, true, &plain, pieces[i], &sealed);
        assert_work(&setup, false, &sealed, pieces[i], &plain);
    }
    assert_work(&setup, false, &sealed, 0, &plain);
}

static void test_cipher_when_any_length_then_opens_again_or_is_refused(void **state)
{
    (void)state;
    for (enum remote_cipher cipher = 0; cipher < REMOTE_CIPHER_COUNT; cipher++) {
        for (size_t len = 0; len <= 67; len++)
            check_length(cipher, len);
    }
    check_length(REMOTE_CIPHER_AES_GCM, 65537);
    check_length(REMOTE_CIPHER_AES_CBC_PAD, 65535);
}

/* Ciphertexts of every length that the cipher never makes. */
static void check_sealed_length(enum remote_cipher cipher, size_t least, size_t unit)
{
    static const unsigned char bytes[80];
    CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);

    for (size_t len = 0; len < sizeof(bytes); len++) {
        if (len < least || len % unit != 0)
            assert_fails(&setup, false, remote_slice(bytes, len), REMOTE_E_LENGTH, "bytes");
    }
}

static void test_decryption_when_of_an_impossible_length_then_refused_as_such(void **state)
{
    (void)state;
    check_sealed_length(REMOTE_CIPHER_AES_ECB, 0, 16);
    check_sealed_length(REMOTE_CIPHER_AES_CBC, 0, 16);
    check_sealed_length(REMOTE_CIPHER_AES_CBC_PAD, 16, 16);
    check_sealed_length(REMOTE_CIPHER_AES_GCM, 16, 1);
    check_sealed_length(REMOTE_CIPHER_CHACHA20_POLY1305, 16, 1);
    check_sealed_length(REMOTE_CIPHER_AES_KEY_WRAP, 24, 8);
    check_sealed_length(REMOTE_CIPHER_AES_KEY_WRAP_KWP, 16, 8);
}

static void test_cipher_when_key_of_each_length_then_opens_its_own_only(void **state)
{
    static const char *const keys[] = { KEY_128, KEY_192_WRAP, KEY_256 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *other = keys[(i + 1) % ARRAY_SIZE(keys)];
        CLEANUP(setup_clear)
        struct setup right = set_up(REMOTE_CIPHER_AES_GCM, keys[i], KEK_128, "");
        CLEANUP(setup_clear)
        struct setup wrong = set_up(REMOTE_CIPHER_AES_GCM, other, KEK_128, "");
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

        seal(&right, remote_slice("text", 4), &sealed);
        assert_fails(&wrong, false, remote_buf_slice(&sealed), REMOTE_E_DATA, OPENS_NOT);
    }
}

/* ---- tampering ---- */

static void check_tampered(enum remote_cipher cipher)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };

    seal(&setup, remote_slice("0123456789abcdef0123456789abcdef", 32), &sealed);
    for (size_t i = 0; i < sealed.len * 8; i++) {
        sealed.data[i / 8] = (unsigned char)(sealed.data[i / 8] ^ 1u << i % 8);
        assert_fails(&setup, false, remote_buf_slice(&sealed), REMOTE_E_DATA, OPENS_NOT);
        sealed.data[i / 8] = (unsigned char)(sealed.data[i / 8] ^ 1u << i % 8);
    }
    assert_int_equal(work(&setup, false, remote_buf_slice(&sealed), 0, &out, NULL), REMOTE_OK);
}

static void test_decryption_when_any_bit_was_changed_then_does_not_open(void **state)
{
    (void)state;
    check_tampered(REMOTE_CIPHER_AES_GCM);
    check_tampered(REMOTE_CIPHER_CHACHA20_POLY1305);
    check_tampered(REMOTE_CIPHER_AES_KEY_WRAP);
    check_tampered(REMOTE_CIPHER_AES_KEY_WRAP_KWP);
}

static void check_other_aad_and_iv(enum remote_cipher cipher)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    seal(&setup, remote_slice("text", 4), &sealed);
    setup.aad.data[0] ^= 1;
    assert_fails(&setup, false, remote_buf_slice(&sealed), REMOTE_E_DATA, OPENS_NOT);
    setup.aad.data[0] ^= 1;
    setup.params.aad.len--;
    assert_fails(&setup, false, remote_buf_slice(&sealed), REMOTE_E_DATA, OPENS_NOT);
    setup.params.aad.len++;
    setup.iv.data[0] ^= 1;
    assert_fails(&setup, false, remote_buf_slice(&sealed), REMOTE_E_DATA, OPENS_NOT);
}

static void test_decryption_when_aad_or_iv_differ_then_does_not_open(void **state)
{
    (void)state;
    check_other_aad_and_iv(REMOTE_CIPHER_AES_GCM);
    check_other_aad_and_iv(REMOTE_CIPHER_CHACHA20_POLY1305);
}

/* RFC 5652 6.3; without padding, any wrong one can be made. */
static void test_decryption_when_padding_is_wrong_then_same_text_as_a_wrong_tag(void **state)
{
    static const char *const wrong[] = {
        "00000000000000000000000000000000", "00000000000000000000000000000011",
        "000000000000000000000000000000ff", "00000000000000000000000000000302",
        "0f101010101010101010101010101010",
    };
    CLEANUP(setup_clear)
    struct setup raw = set_up(REMOTE_CIPHER_AES_CBC, KEY_256, ZEROS_128, "");
    CLEANUP(setup_clear)
    struct setup padded = set_up(REMOTE_CIPHER_AES_CBC_PAD, KEY_256, ZEROS_128, "");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf block = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

        unhex(wrong[i], &block);
        seal(&raw, remote_buf_slice(&block), &sealed);
        assert_fails(&padded, false, remote_buf_slice(&sealed), REMOTE_E_DATA, OPENS_NOT);
    }
}

static bool contains(const unsigned char *data, size_t len, const char *text)
{
    return memmem(data, len, text, strlen(text)) != NULL;
}

static void test_aead_decryption_when_tag_is_wrong_then_nothing_is_released(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_GCM);
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_cipher_run run = { 0 };

    (void)state;
    seal(&setup, remote_slice("a plain text", 12), &sealed);
    sealed.data[sealed.len - 1] ^= 1;
    remote_buf_append_str(&out, "kept");
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, false, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_update(&run, remote_buf_slice(&sealed), &out, NULL), REMOTE_OK);
    assert_int_equal(out.len, 4);
    assert_false(contains(run.held.data, run.held.cap, "plain")); /* not even decrypted yet */
    assert_int_equal(remote_cipher_final(&run, &out, NULL), REMOTE_E_DATA);
    assert_string_equal((char *)out.data, "kept");
    assert_null(run.held.data);
    assert_null(run.ctx);
}

static void test_unwrap_when_wrong_then_nothing_is_left_behind(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_KEY_WRAP);
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    unsigned char sum = 0;

    (void)state;
    seal(&setup, remote_slice("0123456789abcdef", 16), &sealed);
    sealed.data[0] ^= 1;
    assert_int_equal(work(&setup, false, remote_buf_slice(&sealed), 0, &out, NULL), REMOTE_E_DATA);
    assert_int_equal(out.len, 0);
    for (size_t i = 0; i < 16; i++)
        sum = (unsigned char)(sum | out.data[i]);
    assert_int_equal(sum, 0);
}

static void check_whole_wiped(enum remote_cipher cipher)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_cipher_run run = { 0 };
    unsigned char to[64], zeros[64] = { 0 };
    size_t len = 1000, room;

    seal(&setup, remote_slice("0123456789abcdef0123456789abcdef", 32), &sealed);
    sealed.data[sealed.len - 1] ^= 1;
    memset(to, 0xee, sizeof(to));
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, false, NULL), REMOTE_OK);
    room = remote_cipher_output_max(&run, sealed.len, true);
    assert_int_equal(remote_cipher_whole(&run, remote_buf_slice(&sealed), to, &len, NULL),
                     REMOTE_E_DATA);
    assert_memory_equal(to, zeros, room);
    assert_int_equal(to[room], 0xee);
    assert_int_equal(len, 1000);
}

static void test_whole_when_it_does_not_open_then_output_is_wiped(void **state)
{
    (void)state;
    check_whole_wiped(REMOTE_CIPHER_AES_CBC_PAD);
    check_whole_wiped(REMOTE_CIPHER_AES_GCM);
    check_whole_wiped(REMOTE_CIPHER_CHACHA20_POLY1305);
    check_whole_wiped(REMOTE_CIPHER_AES_KEY_WRAP);
    check_whole_wiped(REMOTE_CIPHER_AES_KEY_WRAP_KWP);
}

/* ---- outputs ---- */

static void check_in_place(enum remote_cipher cipher)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_cipher_run run = { 0 };
    unsigned char place[64] = "0123456789abcdef0123456789abcdef";
    size_t len = 0;

    seal(&setup, remote_slice(place, 32), &sealed);
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_whole(&run, remote_slice(place, 32), place, &len, NULL),
                     REMOTE_OK);
    assert_true(remote_slice_equal(remote_slice(place, len), remote_buf_slice(&sealed)));
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, false, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_whole(&run, remote_slice(place, len), place, &len, NULL),
                     REMOTE_OK);
    assert_int_equal(len, 32);
    assert_memory_equal(place, "0123456789abcdef0123456789abcdef", 32);
}

static void test_whole_when_in_place_then_the_same(void **state)
{
    (void)state;
    for (enum remote_cipher cipher = 0; cipher < REMOTE_CIPHER_COUNT; cipher++)
        check_in_place(cipher);
}

static void test_output_when_something_stands_there_then_is_appended(void **state)
{
    (void)state;
    for (enum remote_cipher cipher = 0; cipher < REMOTE_CIPHER_COUNT; cipher++) {
        CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };

        remote_buf_append_str(&sealed, "first:");
        remote_buf_append_str(&out, "first:");
        seal(&setup, remote_slice("0123456789abcdef", 16), &sealed);
        assert_memory_equal(sealed.data, "first:", 6);
        assert_int_equal(work(&setup, false, remote_slice(sealed.data + 6, sealed.len - 6), 0, &out,
                              NULL),
                         REMOTE_OK);
        assert_string_equal((char *)out.data, "first:0123456789abcdef");
    }
}

static void test_output_max_when_asked_nonsense_then_does_not_wrap(void **state)
{
    struct remote_cipher_run none = { 0 };

    (void)state;
    for (enum remote_cipher cipher = 0; cipher < REMOTE_CIPHER_COUNT; cipher++) {
        CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
        CLEANUP(remote_cipher_clear) struct remote_cipher_run run = { 0 };

        assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
        assert_true(remote_cipher_output_max(&run, SIZE_MAX, true) > SIZE_MAX / 4);
    }
    assert_int_equal(remote_cipher_output_max(&none, 100, true), 0);
}

/* ---- parameters ---- */

static const struct wrong_params {
    enum remote_cipher cipher;
    size_t iv_len, tag_len;
    unsigned counter_bits;
    const char *text;
} wrong_params[] = {
    { REMOTE_CIPHER_AES_ECB, 16, 0, 0, "AES-ECB takes no IV" },
    { REMOTE_CIPHER_AES_CBC, 0, 0, 0, "AES-CBC takes an IV of 16 bytes, not 0" },
    { REMOTE_CIPHER_AES_CBC, 15, 0, 0, "AES-CBC takes an IV of 16 bytes, not 15" },
    { REMOTE_CIPHER_AES_CBC_PAD, 17, 0, 0, "AES-CBC-PAD takes an IV of 16 bytes, not 17" },
    { REMOTE_CIPHER_AES_CTR, 12, 0, 32, "AES-CTR takes an IV of 16 bytes, not 12" },
    { REMOTE_CIPHER_AES_CTR, 16, 0, 0, "a counter has 1 to 128 bits, not 0" },
    { REMOTE_CIPHER_AES_CTR, 16, 0, 129, "a counter has 1 to 128 bits, not 129" },
    { REMOTE_CIPHER_AES_GCM, 0, 16, 0, "AES-GCM takes an IV of 1 to 128 bytes, not 0" },
    { REMOTE_CIPHER_AES_GCM, 129, 16, 0, "AES-GCM takes an IV of 1 to 128 bytes, not 129" },
    { REMOTE_CIPHER_AES_GCM, 12, 0, 0, "a tag of AES-GCM has 4, 8 or 12 to 16 bytes, not 0" },
    { REMOTE_CIPHER_AES_GCM, 12, 11, 0, "a tag of AES-GCM has 4, 8 or 12 to 16 bytes, not 11" },
    { REMOTE_CIPHER_AES_GCM, 12, 17, 0, "a tag of AES-GCM has 4, 8 or 12 to 16 bytes, not 17" },
    { REMOTE_CIPHER_CHACHA20_POLY1305, 8, 16, 0, "takes an IV of 12 bytes, not 8" },
    { REMOTE_CIPHER_CHACHA20_POLY1305, 12, 12, 0, "ChaCha20-Poly1305 has 16 bytes, not 12" },
    { REMOTE_CIPHER_AES_KEY_WRAP, 4, 0, 0, "AES-KEY-WRAP takes an IV of 8 bytes or none, not 4" },
    { REMOTE_CIPHER_AES_KEY_WRAP_KWP, 8, 0, 0, "takes an IV of 4 bytes or none, not 8" },
};

static void test_init_when_parameters_are_wrong_then_says_what_is_right(void **state)
{
    static const unsigned char iv[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong_params); i++) {
        CLEANUP(setup_clear) struct setup setup = set_up_any(wrong_params[i].cipher);
        struct remote_cipher_run run = { 0 };
        struct remote_error err = { 0 };

        setup.params.iv = remote_slice(iv, wrong_params[i].iv_len);
        setup.params.tag_len = wrong_params[i].tag_len;
        setup.params.counter_bits = wrong_params[i].counter_bits;
        assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, &err),
                         REMOTE_E_PARAM);
        assert_says(err.text, wrong_params[i].text);
        assert_null(run.ctx);
    }
}

static void test_init_when_aad_would_go_unauthenticated_then_refused(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_CBC);

    (void)state;
    setup.params.aad = remote_slice("aad", 3);
    assert_fails(&setup, true, remote_slice(NULL, 0), REMOTE_E_PARAM,
                 "AES-CBC takes no associated data");
}

static void test_init_when_key_is_of_another_type_then_unsupported(void **state)
{
    CLEANUP(setup_clear) struct setup chacha = set_up_any(REMOTE_CIPHER_CHACHA20_POLY1305);
    CLEANUP(setup_clear) struct setup aes = set_up_any(REMOTE_CIPHER_AES_GCM);

    (void)state;
    chacha.params.cipher = REMOTE_CIPHER_AES_GCM;
    assert_fails(&chacha, true, remote_slice(NULL, 0), REMOTE_E_UNSUPPORTED,
                 "a key of type chacha20 is not for AES-GCM");
    aes.params.cipher = REMOTE_CIPHER_CHACHA20_POLY1305;
    assert_fails(&aes, true, remote_slice(NULL, 0), REMOTE_E_UNSUPPORTED,
                 "a key of type aes is not for ChaCha20-Poly1305");
    aes.params.cipher = REMOTE_CIPHER_COUNT;
    assert_fails(&aes, true, remote_slice(NULL, 0), REMOTE_E_UNSUPPORTED, "no such cipher");
}

static void test_gcm_when_tag_is_shorter_then_is_the_beginning_of_the_whole(void **state)
{
    static const size_t lengths[] = { 4, 8, 12, 13, 14, 15, 16 };
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_GCM);
    CLEANUP(remote_buf_clear) struct remote_buf whole = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };

    (void)state;
    remote_buf_append_str(&plain, "text");
    seal(&setup, remote_buf_slice(&plain), &whole);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        setup.params.tag_len = lengths[i];
        whole.len = plain.len + lengths[i];
        assert_work(&setup, true, &plain, 1, &whole);
        assert_work(&setup, false, &whole, 1, &plain);
    }
}

static void test_gcm_when_iv_is_of_any_length_then_opens_again(void **state)
{
    static const unsigned char iv[128] = { 1 };
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_GCM);
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };

    (void)state;
    remote_buf_append_str(&plain, "text");
    for (size_t len = 1; len <= sizeof(iv); len++) {
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

        setup.params.iv = remote_slice(iv, len);
        seal(&setup, remote_buf_slice(&plain), &sealed);
        assert_work(&setup, false, &sealed, 0, &plain);
    }
}

static void check_own_initial_value(enum remote_cipher cipher, size_t len)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    remote_buf_append_str(&plain, "0123456789abcdef");
    setup.params.iv = remote_slice("\1\2\3\4\5\6\7\10", len);
    seal(&setup, remote_buf_slice(&plain), &sealed);
    assert_work(&setup, false, &sealed, 0, &plain);
    setup.params.iv.len = 0;
    assert_fails(&setup, false, remote_buf_slice(&sealed), REMOTE_E_DATA, OPENS_NOT);
}

static void test_wrap_when_initial_value_is_its_own_then_opens_with_it_only(void **state)
{
    (void)state;
    check_own_initial_value(REMOTE_CIPHER_AES_KEY_WRAP, 8);
    check_own_initial_value(REMOTE_CIPHER_AES_KEY_WRAP_KWP, 4);
}

/* ---- limits ---- */

static const struct counter {
    const char *block;
    unsigned bits;
    size_t blocks; /* that it is good for */
} counters[] = {
    { "00000000000000000000000000000001", 2, 3 }, /* the specification's own example */
    { "00000000000000000000000000000000", 2, 4 },    { "00000000000000000000000000000000", 1, 2 },
    { "000000000000000000000000fffffffe", 32, 2 },   { "ffffffffffffffffffffffffffffffff", 32, 1 },
    { "0000000000000000fffffffffffffffd", 64, 3 },   { "0000000007fffffffffffffffffffffd", 59, 3 },
    { "00000000000000000ffffffffffffffd", 60, 3 },   { "ffffffffffffffffffffffffffffffff", 128, 1 },
    { "fffffffffffffffffffffffffffffff0", 128, 16 },
};

static void check_counter(const struct counter *counter, size_t piece)
{
    static const unsigned char zeros[17 * 16];
    CLEANUP(setup_clear)
    struct setup setup = set_up(REMOTE_CIPHER_AES_CTR, KEY_128, counter->block, "");
    CLEANUP(remote_cipher_clear) struct remote_cipher_run run = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_error err = { 0 };
    size_t good = counter->blocks * 16;

    setup.params.counter_bits = counter->bits;
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
    for (size_t at = 0; at < good; at += piece)
        assert_int_equal(
            remote_cipher_update(&run, remote_slice(zeros, good - at < piece ? good - at : piece),
                                 &out, &err),
            REMOTE_OK);
    assert_int_equal(remote_cipher_update(&run, remote_slice(zeros, 1), &out, &err),
                     REMOTE_E_LENGTH);
    assert_says(err.text, "AES-CTR takes no more than ");
    assert_int_equal(out.len, good);
    assert_int_equal(remote_cipher_final(&run, &out, NULL), REMOTE_OK);
    assert_fails(&setup, true, remote_slice(zeros, good + 1), REMOTE_E_LENGTH, "no more than");
}

static void test_ctr_when_counter_would_wrap_then_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        check_counter(&counters[i], 1);
        check_counter(&counters[i], 7);
        check_counter(&counters[i], 16);
        check_counter(&counters[i], 1000);
    }
}

static void test_ctr_when_counter_is_wide_then_no_limit_is_met(void **state)
{
    static const struct {
        const char *block;
        unsigned bits;
        uint64_t limit;
    } wide[] = {
        { ZEROS_128, 128, UINT64_MAX },
        { ZEROS_128, 60, UINT64_MAX },
        { ZEROS_128, 59, UINT64_C(1) << 63 },
        { "7fffffffffffffffffffffffffffffff", 128, UINT64_MAX },
        { "00000000000000000000000000000001", 32, (UINT64_C(1) << 36) - 16 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wide); i++) {
        CLEANUP(setup_clear)
        struct setup setup = set_up(REMOTE_CIPHER_AES_CTR, KEY_128, wide[i].block, "");
        CLEANUP(remote_cipher_clear) struct remote_cipher_run run = { 0 };

        setup.params.counter_bits = wide[i].bits;
        assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
        assert_true(run.limit == wide[i].limit);
    }
}

/* Nobody waits for 64 GiB: the run is told that it took them. */
static void test_aead_when_past_its_limit_then_refused(void **state)
{
    static const enum remote_cipher ciphers[] = { REMOTE_CIPHER_AES_GCM,
                                                  REMOTE_CIPHER_CHACHA20_POLY1305 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++) {
        CLEANUP(setup_clear) struct setup setup = set_up_any(ciphers[i]);
        CLEANUP(remote_cipher_clear) struct remote_cipher_run run = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
        struct remote_error err = { 0 };

        assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
        run.taken = run.limit - 1;
        assert_int_equal(remote_cipher_update(&run, remote_slice("xy", 2), &out, &err),
                         REMOTE_E_LENGTH);
        assert_says(err.text, i == 0 ? "68719476704 bytes" : "274877906880 bytes");
        assert_int_equal(remote_cipher_update(&run, remote_slice("x", 1), &out, &err), REMOTE_OK);
    }
}

/* ---- order ---- */

static void assert_not_begun(struct remote_cipher_run *run)
{
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_error err = { 0 };

    assert_int_equal(remote_cipher_update(run, remote_slice("x", 1), &out, &err), REMOTE_E_USAGE);
    assert_says(err.text, "no encryption or decryption has been begun");
    assert_int_equal(remote_cipher_final(run, &out, &err), REMOTE_E_USAGE);
    assert_null(out.data);
}

static void test_cipher_when_not_begun_or_over_then_usage(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_CTR);
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_cipher_run run = { 0 };

    (void)state;
    assert_not_begun(&run);
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_final(&run, &out, NULL), REMOTE_OK);
    assert_not_begun(&run);
    remote_cipher_clear(&run);
    remote_cipher_clear(NULL);
}

static void test_whole_when_not_begun_or_midway_then_usage(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_CTR);
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_slice in = remote_slice("x", 1);
    struct remote_cipher_run run = { 0 };
    struct remote_error err = { 0 };
    unsigned char to[1];
    size_t len;

    (void)state;
    assert_int_equal(remote_cipher_whole(&run, in, to, &len, &err), REMOTE_E_USAGE);
    assert_says(err.text, "no encryption or decryption has been begun");
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_whole(&run, in, NULL, &len, &err), REMOTE_E_USAGE);
    assert_says(err.text, "no room for the output");
    assert_int_equal(remote_cipher_update(&run, in, &out, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_whole(&run, in, to, &len, &err), REMOTE_E_USAGE);
    assert_says(err.text, "in parts already");
    assert_int_equal(remote_cipher_final(&run, &out, NULL), REMOTE_OK); /* went on regardless */
}

static void test_cipher_when_begun_again_then_starts_anew(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_GCM);
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_cipher_run run = { 0 };

    (void)state;
    seal(&setup, remote_slice("text", 4), &sealed);
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, false, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_update(&run, remote_slice("xyz", 3), &out, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, false, NULL), REMOTE_OK);
    assert_int_equal(finish(&run, remote_buf_slice(&sealed), 5, &out, NULL), REMOTE_OK);
    assert_string_equal((char *)out.data, "text");
}

/* ---- contexts that stay with the key ---- */

static size_t kept_count(const struct remote_secret_key *key)
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(key->kept); i++)
        count += atomic_load(&key->kept[i]) != NULL;
    return count;
}

/* Everything a message can change, and nothing of the last one shows in the next. */
static void test_gcm_when_context_was_used_before_then_same_as_with_a_new_one(void **state)
{
    static const size_t lengths[] = { 0, 1, 16, 33, 0, 100 };
    CLEANUP(setup_clear) struct setup used = set_up_any(REMOTE_CIPHER_AES_GCM);

    (void)state;
    for (size_t i = 0; i < 4 * ARRAY_SIZE(lengths); i++) {
        CLEANUP(setup_clear) struct setup fresh = set_up_any(REMOTE_CIPHER_AES_GCM);
        CLEANUP(remote_buf_clear) struct remote_buf expected = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };

        remote_buf_reserve(&plain, lengths[i % ARRAY_SIZE(lengths)]);
        plain.len = lengths[i % ARRAY_SIZE(lengths)];
        used.iv.data[0] = fresh.iv.data[0] = (unsigned char)i;
        used.params.tag_len = fresh.params.tag_len = 12 + i % 5;
        used.params.aad.len = fresh.params.aad.len = i % 3;
        assert_int_equal(work(&fresh, true, remote_buf_slice(&plain), 0, &expected, NULL),
                         REMOTE_OK);
        assert_work(&used, true, &plain, 7, &expected);
        assert_work(&used, false, &expected, 7, &plain);
        assert_int_equal(kept_count(used.key), 1);
    }
}

static void test_gcm_when_it_does_not_open_then_context_is_not_kept(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_GCM);
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_cipher_run run = { 0 };

    (void)state;
    seal(&setup, remote_slice("text", 4), &sealed);
    assert_int_equal(kept_count(setup.key), 1);
    sealed.data[0] ^= 1;
    assert_int_equal(work(&setup, false, remote_buf_slice(&sealed), 0, &out, NULL), REMOTE_E_DATA);
    assert_int_equal(kept_count(setup.key), 0);
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
    remote_cipher_clear(&run); /* given up half way */
    assert_int_equal(kept_count(setup.key), 0);
}

static void test_context_when_of_another_mode_or_iv_length_then_is_not_kept(void **state)
{
    (void)state;
    for (enum remote_cipher cipher = 0; cipher < REMOTE_CIPHER_COUNT; cipher++) {
        CLEANUP(setup_clear) struct setup setup = set_up_any(cipher);
        CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };

        if (cipher == REMOTE_CIPHER_AES_GCM)
            setup.params.iv.len = 11;
        assert_int_equal(work(&setup, true, remote_slice(TEXT, 32), 0, &out, NULL), REMOTE_OK);
        assert_int_equal(kept_count(setup.key), 0);
    }
}

static void test_contexts_when_more_at_once_than_are_kept_then_all_work(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_GCM);
    CLEANUP(remote_buf_clear) struct remote_buf expected = { 0 };
    struct remote_cipher_run runs[REMOTE_SECRET_KEY_KEPT + 2] = { 0 };

    (void)state;
    seal(&setup, remote_slice("text", 4), &expected);
    for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
        assert_int_equal(remote_cipher_init(&runs[i], setup.key, &setup.params, true, NULL),
                         REMOTE_OK);
    assert_int_equal(kept_count(setup.key), 0);
    for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };

        assert_int_equal(finish(&runs[i], remote_slice("text", 4), 0, &out, NULL), REMOTE_OK);
        assert_true(remote_slice_equal(remote_buf_slice(&out), remote_buf_slice(&expected)));
    }
    assert_int_equal(kept_count(setup.key), REMOTE_SECRET_KEY_KEPT);
}

/* ---- forks and threads ---- */

static void test_cipher_when_forked_midway_then_goes_on_in_both(void **state)
{
    CLEANUP(setup_clear) struct setup setup = set_up_any(REMOTE_CIPHER_AES_GCM);
    CLEANUP(remote_buf_clear) struct remote_buf expected = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_cipher_run run = { 0 };
    int status = 0;
    bool good;
    pid_t pid;

    (void)state;
    seal(&setup, remote_slice("one two", 7), &expected);
    assert_int_equal(remote_cipher_init(&run, setup.key, &setup.params, true, NULL), REMOTE_OK);
    assert_int_equal(remote_cipher_update(&run, remote_slice("one", 3), &out, NULL), REMOTE_OK);
    pid = fork();
    assert_true(pid >= 0);
    good = finish(&run, remote_slice(" two", 4), 0, &out, NULL) == REMOTE_OK &&
           remote_slice_equal(remote_buf_slice(&out), remote_buf_slice(&expected));
    if (pid == 0)
        _exit(good ? 0 : 1);
    assert_true(good);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct remote_secret_key *shared; /* of the thread test */

/* A plaintext of its own for each thread and round. */
static bool round_trip(unsigned thread, unsigned round)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct setup setup = { .key = shared,
                           .params = { .cipher = REMOTE_CIPHER_AES_GCM, .tag_len = 16 } };
    unsigned iv[3] = { thread, round, 0 };

    for (unsigned i = 0; i < 50; i++)
        remote_buf_printf(&plain, "%u %u %u, ", thread, round, i);
    setup.params.iv = remote_slice(iv, sizeof(iv));
    return work(&setup, true, remote_buf_slice(&plain), 100, &sealed, NULL) == REMOTE_OK &&
           work(&setup, false, remote_buf_slice(&sealed), 100, &out, NULL) == REMOTE_OK &&
           remote_slice_equal(remote_buf_slice(&out), remote_buf_slice(&plain));
}

/* Returns NULL when everything opened. */
static void *use_shared(void *arg)
{
    unsigned *thread = arg;
    struct remote_guard guard;
    bool good = remote_guard_enter(&guard, NULL) == REMOTE_OK;

    for (unsigned i = 0; good && i < ROUNDS; i++)
        good = round_trip(*thread, i);
    remote_guard_leave(&guard);
    return good ? NULL : arg;
}

static void test_key_when_used_by_many_threads_then_every_one_is_right(void **state)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];

    (void)state;
    assert_int_equal(remote_secret_key_generate(REMOTE_KEY_AES, 32, &shared, NULL), REMOTE_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, use_shared, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *wrong = &wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    remote_secret_key_unref(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cipher_when_published_vector_then_matches_both_ways_in_any_pieces),
        cmocka_unit_test(test_cipher_when_any_length_then_opens_again_or_is_refused),
        cmocka_unit_test(test_decryption_when_of_an_impossible_length_then_refused_as_such),
        cmocka_unit_test(test_cipher_when_key_of_each_length_then_opens_its_own_only),
        cmocka_unit_test(test_decryption_when_any_bit_was_changed_then_does_not_open),
        cmocka_unit_test(test_decryption_when_aad_or_iv_differ_then_does_not_open),
        cmocka_unit_test(test_decryption_when_padding_is_wrong_then_same_text_as_a_wrong_tag),
        cmocka_unit_test(test_aead_decryption_when_tag_is_wrong_then_nothing_is_released),
        cmocka_unit_test(test_unwrap_when_wrong_then_nothing_is_left_behind),
        cmocka_unit_test(test_whole_when_it_does_not_open_then_output_is_wiped),
        cmocka_unit_test(test_whole_when_in_place_then_the_same),
        cmocka_unit_test(test_whole_when_not_begun_or_midway_then_usage),
        cmocka_unit_test(test_output_when_something_stands_there_then_is_appended),
        cmocka_unit_test(test_output_max_when_asked_nonsense_then_does_not_wrap),
        cmocka_unit_test(test_init_when_parameters_are_wrong_then_says_what_is_right),
        cmocka_unit_test(test_init_when_aad_would_go_unauthenticated_then_refused),
        cmocka_unit_test(test_init_when_key_is_of_another_type_then_unsupported),
        cmocka_unit_test(test_gcm_when_tag_is_shorter_then_is_the_beginning_of_the_whole),
        cmocka_unit_test(test_gcm_when_iv_is_of_any_length_then_opens_again),
        cmocka_unit_test(test_wrap_when_initial_value_is_its_own_then_opens_with_it_only),
        cmocka_unit_test(test_ctr_when_counter_would_wrap_then_refused),
        cmocka_unit_test(test_ctr_when_counter_is_wide_then_no_limit_is_met),
        cmocka_unit_test(test_aead_when_past_its_limit_then_refused),
        cmocka_unit_test(test_cipher_when_not_begun_or_over_then_usage),
        cmocka_unit_test(test_cipher_when_begun_again_then_starts_anew),
        cmocka_unit_test(test_gcm_when_context_was_used_before_then_same_as_with_a_new_one),
        cmocka_unit_test(test_gcm_when_it_does_not_open_then_context_is_not_kept),
        cmocka_unit_test(test_context_when_of_another_mode_or_iv_length_then_is_not_kept),
        cmocka_unit_test(test_contexts_when_more_at_once_than_are_kept_then_all_work),
        cmocka_unit_test(test_cipher_when_forked_midway_then_goes_on_in_both),
        cmocka_unit_test(test_key_when_used_by_many_threads_then_every_one_is_right),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
