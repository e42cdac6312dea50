/* SPDX-License-Identifier: Apache-2.0 */
/* Another PKCS#11 module as a slot: SoftHSM2, and a double that misbehaves. */
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../modules/faulty.h"
#include "clock.h"
#include "lifecycle.h"
#include "local_keys.h"
#include "log.h"
#include "slot.h"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"
#define THREADS 8
#define EXIT_SKIP 77

/* SoftHSM2 loses a few bytes with each Ed25519 key; its frames are only seen by the slow unwinder.
 */
#define TO_SANITIZER __attribute__((visibility("default")))
TO_SANITIZER const char *__lsan_default_suppressions(void);
TO_SANITIZER const char *__asan_default_options(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libsofthsm2.so\n";
}

const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}

struct scene { /* one test's configuration */
    struct remote_core *core;
    struct remote_slot *slot;
};

static char dir[160];
static struct remote_guard guard;
static struct faulty *faulty;

/* ---- scenes ---- */

static const char *path_of(const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *to = path[next++ % 4];

    snprintf(to, sizeof(path[0]), "%s/%s", dir, name);
    return to;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(path_of(name), O_CREAT | O_TRUNC | O_WRONLY, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static struct scene open_scene(const char *options)
{
    struct remote_error err = { 0 };
    static unsigned count; /* cores are shared by path */
    struct scene scene = { 0 };
    char text[2048], name[32];

    snprintf(name, sizeof(name), "%u.conf", count++);
    snprintf(text, sizeof(text), "[slot hsm]\nbackend = pkcs11\n%s", options);
    write_file(name, text, 0600);
    if (remote_core_open(path_of(name), &scene.core, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    scene.slot = remote_core_slot(scene.core, 0);
    return scene;
}

static void close_scene(struct scene *scene)
{
    remote_core_close(scene->core);
}

static struct scene open_softhsm(const char *more)
{
    char options[1024];

    snprintf(options, sizeof(options),
             "module = " SOFTHSM "\ntoken = pkcs11:token=unit\npin_file = %s\n"
             "allow = generate import destroy\n%s",
             path_of("pin"), more);
    return open_scene(options);
}

static struct scene open_faulty(const char *more)
{
    char options[1024];

    snprintf(options, sizeof(options), "module = " FAULTY_MODULE "\npin_file = %s\n%s",
             path_of("pin"), more);
    return open_scene(options);
}

static void expect_broken(const char *options, const char *part)
{
    struct scene scene = open_scene(options);
    struct remote_error err = { 0 };

    assert_int_equal(remote_slot_status(scene.slot, &err), REMOTE_E_CONFIG);
    assert_says(err.text, part);
    close_scene(&scene);
}

static struct remote_key *find(struct remote_slot *slot, const char *label)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct remote_key *key = NULL;

    if (remote_slot_find_label(slot, label, &keys, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    if (keys.count > 0)
        key = remote_key_ref(keys.keys[0]);
    remote_key_list_clear(&keys);
    return key;
}

static struct remote_key *generate(struct remote_slot *slot, const char *name,
                                   enum remote_key_type type, unsigned bits)
{
    struct remote_key_spec spec = { .type = type, .bits = bits };
    struct remote_error err = { 0 };
    struct remote_key *key = NULL;

    if (remote_slot_generate(slot, name, &spec, &key, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return key;
}

static void destroy(struct remote_slot *slot, struct remote_key *key)
{
    struct remote_error err = { 0 };

    if (remote_slot_destroy(slot, key->name, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    remote_key_unref(key);
}

static struct remote_params params_of(enum remote_alg alg, enum remote_hash hash)
{
    return (struct remote_params){
        .alg = alg, .hash = hash, .mgf_hash = hash, .salt_len = remote_hash_size(hash)
    };
}

static const unsigned char zeros[128];

/* ---- configuration ---- */

static void test_open_when_module_is_missing_then_slot_is_broken(void **state)
{
    (void)state;
    expect_broken("", "missing; name the HSM's PKCS#11 module");
    expect_broken("module = /nonexistent/hsm.so\n", "/nonexistent/hsm.so: No such file");
    expect_broken("module = /dev/null\n", "not a regular file");
}

static void test_open_when_module_is_ourselves_then_slot_is_broken(void **state)
{
    char option[300], self[200] = { 0 };

    (void)state;
    write_file("hsmbridge.so", "not needed", 0600);
    snprintf(option, sizeof(option), "module = %s\n", path_of("hsmbridge.so"));
    expect_broken(option, "leads back to hsmbridge itself");
    assert_int_equal(symlink(path_of("hsmbridge.so"), path_of("alias.so")), 0);
    snprintf(option, sizeof(option), "module = %s\n", path_of("alias.so"));
    expect_broken(option, "leads back to hsmbridge itself");
    /* the object that the code under test is linked into: this program */
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    snprintf(option, sizeof(option), "module = %s\n", self);
    expect_broken(option, "leads back to hsmbridge itself");
}

static void test_open_when_others_may_write_the_module_then_slot_is_broken(void **state)
{
    char option[300];

    (void)state;
    write_file("open.so", "not needed", 0666);
    snprintf(option, sizeof(option), "module = %s\n", path_of("open.so"));
    expect_broken(option, "chmod o-w");
}

static void test_open_when_token_is_no_token_uri_then_slot_is_broken(void **state)
{
#define MODULE "module = " FAULTY_MODULE "\n"
    (void)state;
    expect_broken(MODULE "token = unit\n", "pkcs11:token=LABEL");
    expect_broken(MODULE "token = pkcs11:token=a;object=key\n", "parts that no token has");
    expect_broken(MODULE "token = pkcs11:token=a?pin-value=1234\n", "use 'pin_file'");
    expect_broken(MODULE "url = https://hsm\n", "url");
#undef MODULE
}

static void test_open_when_pin_is_given_twice_then_slot_is_broken(void **state)
{
    char options[400];

    (void)state;
    snprintf(options, sizeof(options), "module = " FAULTY_MODULE "\npin = pin\npin_file = %s\n",
             path_of("pin"));
    expect_broken(options, "remove one of the two");
    expect_broken("module = " FAULTY_MODULE "\npin = token\n", "use one of: pin");
}

static void test_open_when_valid_then_module_is_not_loaded(void **state)
{
    struct scene scene = open_faulty("");

    (void)state;
    assert_int_equal(remote_slot_status(scene.slot, NULL), REMOTE_OK);
    assert_int_equal(faulty->initializes, 0);
    close_scene(&scene);
    assert_int_equal(faulty->initializes, 0);
}

/* ---- SoftHSM2 ---- */

static void sign_and_verify(struct remote_key *key, struct remote_params params, size_t len)
{
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    struct remote_slice input = remote_slice(zeros, len);
    struct remote_error err = { 0 };

    if (remote_key_sign(key, &params, input, &sig, &err) != REMOTE_OK ||
        remote_key_verify(key, &params, input, remote_buf_slice(&sig), &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    sig.data[sig.len / 2] ^= 1;
    assert_int_equal(remote_key_verify(key, &params, input, remote_buf_slice(&sig), &err),
                     REMOTE_E_DATA);
}

static void test_sign_with_every_kind_of_key_then_verifies(void **state)
{
    static const unsigned curves[] = { 256, 384, 521 };
    struct scene scene = open_softhsm("");
    struct remote_key *key = generate(scene.slot, "rsa", REMOTE_KEY_RSA, 2048);

    (void)state;
    for (int h = REMOTE_HASH_SHA1; h <= REMOTE_HASH_SHA512; h++) {
        enum remote_hash hash = (enum remote_hash)h;

        sign_and_verify(key, params_of(REMOTE_ALG_RSA_PKCS1, hash), remote_hash_size(hash));
        sign_and_verify(key, params_of(REMOTE_ALG_RSA_PSS, hash), remote_hash_size(hash));
    }
    destroy(scene.slot, key);
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
        key = generate(scene.slot, "ec", REMOTE_KEY_EC, curves[i]);
        sign_and_verify(key, params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_SHA256), 32);
        sign_and_verify(key, params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_SHA512), 64);
        sign_and_verify(key, params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_NONE), 20);
        destroy(scene.slot, key);
    }
    key = generate(scene.slot, "ed", REMOTE_KEY_ED25519, 256);
    sign_and_verify(key, params_of(REMOTE_ALG_EDDSA, REMOTE_HASH_NONE), 100);
    destroy(scene.slot, key);
    key = generate(scene.slot, "hmac", REMOTE_KEY_GENERIC, 512);
    sign_and_verify(key, params_of(REMOTE_ALG_HMAC, REMOTE_HASH_SHA256), 100);
    sign_and_verify(key, params_of(REMOTE_ALG_HMAC, REMOTE_HASH_SHA512), 100);
    destroy(scene.slot, key);
    close_scene(&scene);
}

static void open_and_tamper(struct remote_key *key, struct remote_params params)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    if (remote_key_encrypt(key, &params, remote_slice("secret", 6), &sealed, &err) != REMOTE_OK ||
        remote_key_decrypt(key, &params, remote_buf_slice(&sealed), &plain, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_true(remote_slice_equal(remote_buf_slice(&plain), remote_slice("secret", 6)));
    sealed.data[sealed.len - 1] ^= 1;
    assert_int_equal(remote_key_decrypt(key, &params, remote_buf_slice(&sealed), &plain, &err),
                     REMOTE_E_DATA);
    assert_says(err.text, "does not open");
}

static void test_decrypt_with_rsa_then_opens_whatever_the_oaep_parameters(void **state)
{
    struct scene scene = open_softhsm("");
    struct remote_key *key = generate(scene.slot, "rsa", REMOTE_KEY_RSA, 2048);
    struct remote_params params = params_of(REMOTE_ALG_RSA_OAEP, REMOTE_HASH_SHA1);

    (void)state;
    open_and_tamper(key, params);
    params = params_of(REMOTE_ALG_RSA_OAEP, REMOTE_HASH_SHA256);
    params.aad = remote_slice("label", 5);
    open_and_tamper(key, params);
    params.mgf_hash = REMOTE_HASH_SHA1;
    open_and_tamper(key, params);
    open_and_tamper(key, params_of(REMOTE_ALG_RSA_PKCS1_ENC, REMOTE_HASH_NONE));
    destroy(scene.slot, key);
    close_scene(&scene);
}

static void test_encrypt_with_aes_then_is_nonce_ciphertext_tag(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct scene scene = open_softhsm("");
    struct remote_key *key = generate(scene.slot, "aes", REMOTE_KEY_AES, 256);
    struct remote_params params = params_of(REMOTE_ALG_AES_GCM, REMOTE_HASH_NONE);
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_key_encrypt(key, &params, remote_slice(zeros, 100), &sealed, &err),
                     REMOTE_OK);
    assert_int_equal(sealed.len, 12 + 100 + 16);
    open_and_tamper(key, params);
    params.alg = REMOTE_ALG_AEAD;
    params.aad = remote_slice("context", 7);
    open_and_tamper(key, params);
    assert_int_equal(remote_key_decrypt(key, &params, remote_slice(zeros, 27), &sealed, &err),
                     REMOTE_E_DATA);
    destroy(scene.slot, key);
    close_scene(&scene);
}

static void test_data_key_then_its_sealed_part_opens_to_the_clear_one(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret clear = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    struct scene scene = open_softhsm("");
    struct remote_key *key = generate(scene.slot, "aes", REMOTE_KEY_AES, 128);
    struct remote_params params = params_of(REMOTE_ALG_AEAD, REMOTE_HASH_NONE);
    struct remote_error err = { 0 };

    (void)state;
    if (remote_key_data_key(key, NULL, 32, &clear, &sealed, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(clear.len, 32);
    assert_int_equal(remote_key_decrypt(key, &params, remote_buf_slice(&sealed), &plain, NULL),
                     REMOTE_OK);
    assert_true(remote_secret_equal(&clear, remote_buf_slice(&plain)));
    destroy(scene.slot, key);
    close_scene(&scene);
}

static void test_random_then_is_the_tokens(void **state)
{
    struct scene scene = open_softhsm("");
    unsigned char bytes[64] = { 0 };

    (void)state;
    assert_true(remote_slot_has_random(scene.slot));
    assert_int_equal(remote_slot_random(scene.slot, bytes, sizeof(bytes), NULL), REMOTE_OK);
    assert_memory_not_equal(bytes, zeros, sizeof(bytes));
    close_scene(&scene);
}

static struct remote_buf pkcs8_of(EVP_PKEY *pkey)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    struct remote_buf der = { 0 };
    unsigned char *bytes = NULL;
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, &bytes);

    assert_true(len > 0);
    remote_buf_append(&der, bytes, (size_t)len);
    OPENSSL_free(bytes);
    PKCS8_PRIV_KEY_INFO_free(info);
    return der;
}

static struct remote_key *import_key(struct remote_slot *slot, EVP_PKEY *pkey,
                                     enum remote_key_type type, unsigned bits)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = pkcs8_of(pkey);
    struct remote_key_spec spec = { .type = type, .bits = bits };
    struct remote_error err = { 0 };
    struct remote_key *key = NULL;

    if (remote_slot_import(slot, "ours", &spec, remote_buf_slice(&der), &key, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(remote_slot_import(slot, "ours", &spec, remote_buf_slice(&der), &key, &err),
                     REMOTE_E_EXISTS);
    EVP_PKEY_free(pkey);
    return key;
}

static void test_import_then_signs_as_the_imported_key(void **state)
{
    struct scene scene = open_softhsm("");
    struct remote_key *key = import_key(scene.slot, EVP_EC_gen("P-384"), REMOTE_KEY_EC, 384);

    (void)state;
    sign_and_verify(key, params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_SHA384), 48);
    destroy(scene.slot, key);
    key = import_key(scene.slot, EVP_RSA_gen(2048), REMOTE_KEY_RSA, 2048);
    sign_and_verify(key, params_of(REMOTE_ALG_RSA_PSS, REMOTE_HASH_SHA256), 32);
    destroy(scene.slot, key);
    key = import_key(scene.slot, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), REMOTE_KEY_ED25519, 256);
    sign_and_verify(key, params_of(REMOTE_ALG_EDDSA, REMOTE_HASH_NONE), 5);
    destroy(scene.slot, key);
    close_scene(&scene);
}

static void test_import_of_a_secret_then_macs_as_it(void **state)
{
    /* RFC 4231 4.3, whose key is padded here with the zeros that HMAC would add */
    static const unsigned char secret[32] = "Jefe";
    static const unsigned char right[] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e };
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };
    struct scene scene = open_softhsm("");
    struct remote_key_spec spec = { .type = REMOTE_KEY_GENERIC, .bits = 256 };
    struct remote_params params = params_of(REMOTE_ALG_HMAC, REMOTE_HASH_SHA256);
    struct remote_error err = { 0 };
    struct remote_key *key = NULL;

    (void)state;
    assert_int_equal(remote_slot_import(scene.slot, "jefe", &spec, remote_slice(secret, 31), &key,
                                        &err),
                     REMOTE_E_DATA);
    assert_says(err.text, "31 bytes of material where 32 are due");
    assert_int_equal(remote_slot_import(scene.slot, "jefe", &spec, remote_slice(secret, 32), &key,
                                        &err),
                     REMOTE_OK);
    assert_int_equal(remote_key_sign(key, &params, remote_slice_str("what do ya want for nothing?"),
                                     &mac, NULL),
                     REMOTE_OK);
    assert_memory_equal(mac.data, right, sizeof(right));
    destroy(scene.slot, key);
    close_scene(&scene);
}

static void test_destroy_then_key_and_its_public_object_are_gone(void **state)
{
    struct scene scene = open_softhsm("");
    struct remote_key *key = generate(scene.slot, "ec", REMOTE_KEY_EC, 256);
    struct remote_params params = params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_SHA256);
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    destroy(scene.slot, remote_key_ref(key));
    assert_null(find(scene.slot, "ec"));
    assert_int_equal(remote_key_sign(key, &params, remote_slice(zeros, 32), &sig, &err),
                     REMOTE_E_NOT_FOUND);
    assert_says(err.text, "'ec'");
    remote_key_unref(key);
    close_scene(&scene);
}

static void run_tool(const char *arguments)
{
    char command[1024];

    snprintf(command, sizeof(command),
             "pkcs11-tool --module " SOFTHSM " --token-label unit --login --pin 1234 %s >%s 2>&1",
             arguments, path_of("tool.log"));
    assert_int_equal(system(command), 0);
}

static void test_keys_of_one_label_are_versions_by_id(void **state)
{
    struct remote_key_list keys = { 0 };
    struct scene scene;

    (void)state;
    run_tool("--keypairgen --key-type EC:prime256v1 --label twin --id 02");
    run_tool("--keypairgen --key-type EC:secp384r1 --label twin --id 01");
    run_tool("--keypairgen --key-type EC:prime256v1 --id 0a0b");
    scene = open_softhsm("versions = all\n");
    assert_int_equal(remote_slot_find_label(scene.slot, "twin", &keys, NULL), REMOTE_OK);
    assert_int_equal(keys.count, 2);
    assert_int_equal(keys.keys[0]->version, 2);
    assert_true(keys.keys[0]->latest);
    assert_int_equal(keys.keys[0]->bits, 256);
    assert_int_equal(keys.keys[1]->version, 1);
    assert_int_equal(keys.keys[1]->bits, 384);
    sign_and_verify(keys.keys[1], params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_SHA256), 32);
    remote_key_list_clear(&keys);
    assert_int_equal(remote_slot_list(scene.slot, NULL, &keys, NULL), REMOTE_OK);
    assert_int_equal(keys.count, 3);
    assert_string_equal(keys.keys[0]->name, "id-0a0b"); /* the one without a label */
    sign_and_verify(keys.keys[0], params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_SHA256), 32);
    destroy(scene.slot, remote_key_ref(keys.keys[0]));
    destroy(scene.slot, remote_key_ref(keys.keys[1]));
    remote_key_list_clear(&keys);
    close_scene(&scene);
}

static void test_token_when_none_matches_then_says_which_there_are(void **state)
{
    struct scene scene = open_scene("module = " SOFTHSM "\ntoken = pkcs11:token=other\n");
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_slot_prove(scene.slot, &err), REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "slot 'hsm'");
    assert_says(err.text, "it has: 'unit'");
    close_scene(&scene);
}

static void test_prove_when_no_pin_is_configured_then_says_what_to_set(void **state)
{
    struct scene scene = open_scene("module = " SOFTHSM "\n");
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_slot_prove(scene.slot, &err), REMOTE_E_CONFIG);
    assert_says(err.text, "set 'pin_file'");
    close_scene(&scene);
}

static void test_login_when_pin_comes_with_it_then_each_pin_must_prove_itself(void **state)
{
    struct scene scene = open_scene("module = " SOFTHSM "\npin = pin\n");
    struct remote_error err = { 0 };

    (void)state;
    assert_true(remote_slot_needs_login(scene.slot));
    assert_int_equal(remote_slot_prove(scene.slot, &err), REMOTE_E_AUTH);
    assert_int_equal(remote_slot_login(scene.slot, remote_slice_str("9999"), &err), REMOTE_E_PIN);
    assert_null(strstr(err.text, "9999"));
    assert_int_equal(remote_slot_login(scene.slot, remote_slice_str("1234"), &err), REMOTE_OK);
    assert_int_equal(remote_slot_prove(scene.slot, &err), REMOTE_OK);
    remote_slot_logout(scene.slot);
    /* the token itself is still logged in: a wrong PIN must not ride on that */
    assert_int_equal(remote_slot_login(scene.slot, remote_slice_str("9999"), &err), REMOTE_E_PIN);
    assert_int_equal(remote_slot_login(scene.slot, remote_slice_str("1234"), &err), REMOTE_OK);
    close_scene(&scene);
}

static void test_health_then_names_the_token(void **state)
{
    struct scene scene = open_softhsm("");
    struct remote_health health[2];
    size_t count = 0;

    (void)state;
    assert_int_equal(remote_slot_health(scene.slot, health, 2, &count, NULL), REMOTE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(health[0].rc, REMOTE_OK);
    assert_says(health[0].detail, "token 'unit', SoftHSM project");
    close_scene(&scene);
}

static void test_offers_once_known_then_only_what_the_token_has(void **state)
{
    struct scene scene = open_softhsm("");
    struct remote_key *key;
    struct remote_params params = params_of(REMOTE_ALG_HMAC, REMOTE_HASH_SHA3_256);
    const struct remote_mechanism *sha3 =
        remote_mechanism_find(CKM_SHA3_256_HMAC, REMOTE_KEY_GENERIC, REMOTE_USE_SIGN);
    struct remote_error err = { 0 };

    (void)state;
    assert_non_null(sha3);
    assert_true(remote_slot_can(scene.slot, sha3)); /* without asking */
    key = generate(scene.slot, "hmac", REMOTE_KEY_GENERIC, 256);
    assert_false(remote_slot_can(scene.slot, sha3));
    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_SIGN, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "'hmac'");
    destroy(scene.slot, key);
    close_scene(&scene);
}

static int sign_in_child(struct remote_key *key)
{
    struct remote_params params = params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_SHA256);
    struct remote_buf sig = { 0 };
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(30);
        _exit(remote_key_sign(key, &params, remote_slice(zeros, 32), &sig, NULL) == REMOTE_OK ? 0
                                                                                              : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

struct signer {
    struct remote_key *key;
    atomic_bool stop;
    atomic_int working, failures;
};

static void *sign_on_and_on(void *arg)
{
    struct remote_guard own = { 0 };
    struct signer *signer = arg;
    struct remote_params params = params_of(REMOTE_ALG_ECDSA, REMOTE_HASH_SHA256);
    int first = 1;

    while (!signer->stop) {
        struct remote_buf sig = { 0 };

        assert_int_equal(remote_guard_enter(&own, NULL), REMOTE_OK);
        if (remote_key_sign(signer->key, &params, remote_slice(zeros, 32), &sig, NULL) != REMOTE_OK)
            signer->failures++;
        remote_buf_clear(&sig);
        remote_guard_leave(&own);
        signer->working += first;
        first = 0;
    }
    return NULL;
}

static void test_fork_while_threads_sign_then_child_signs_too(void **state)
{
    struct scene scene = open_softhsm("");
    struct signer signer = { .key = generate(scene.slot, "ec", REMOTE_KEY_EC, 256) };
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, sign_on_and_on, &signer);
    while (signer.working < THREADS)
        usleep(1000);
    for (int i = 0; i < 20; i++)
        assert_int_equal(sign_in_child(signer.key), 0);
    signer.stop = true;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(signer.failures, 0);
    destroy(scene.slot, signer.key);
    close_scene(&scene);
}

static void test_pin_file_when_wrong_then_is_tried_once_until_it_changes(void **state)
{
    struct scene scene;
    struct remote_error err = { 0 };

    (void)state;
    write_file("pin", "9999\n", 0600);
    scene = open_faulty("");
    assert_int_equal(remote_slot_prove(scene.slot, &err), REMOTE_E_AUTH);
    assert_says(err.text, "has refused the PIN in 'pin_file'");
    assert_int_equal(remote_slot_prove(scene.slot, &err), REMOTE_E_AUTH);
    assert_int_equal(faulty->logins, 1);
    write_file("pin", "1234\n", 0600);
    assert_int_equal(remote_slot_prove(scene.slot, &err), REMOTE_OK);
    assert_int_equal(faulty->logins, 2);
    close_scene(&scene);
}

/* ---- the double ---- */

static enum remote_rc mac(struct remote_key *key, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_params params = params_of(REMOTE_ALG_HMAC, REMOTE_HASH_SHA256);
    enum remote_rc rc = remote_key_sign(key, &params, remote_slice_str("data"), &out, err);

    if (rc == REMOTE_OK)
        assert_int_equal(out.len, 32);
    return rc;
}

static void misbehave(const char *call, unsigned long rv, int times)
{
    faulty->call = call;
    faulty->rv = rv;
    faulty->times = times;
}

static int reset_faulty(void **state)
{
    (void)state;
    memset(faulty, 0, sizeof(*faulty));
    return 0;
}

static void test_call_when_connection_is_lost_then_connects_again_once(void **state)
{
    static const struct {
        const char *call;
        CK_RV rv;
    } losses[] = {
        { "C_Sign", CKR_DEVICE_REMOVED },
        { "C_Sign", CKR_DEVICE_ERROR },
        { "C_SignInit", CKR_SESSION_HANDLE_INVALID },
        { "C_SignInit", CKR_TOKEN_NOT_PRESENT },
        { "C_SignInit", CKR_USER_NOT_LOGGED_IN },
        { "C_SignInit", CKR_KEY_HANDLE_INVALID },
    };
    struct scene scene = open_faulty("");
    struct remote_key *key = find(scene.slot, "mac");
    struct remote_error err = { 0 };

    (void)state;
    assert_non_null(key);
    for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
        misbehave(losses[i].call, losses[i].rv, 1);
        if (mac(key, &err) != REMOTE_OK)
            fail_msg("%s 0x%lx: %s", losses[i].call, losses[i].rv, err.text);
        assert_int_equal(faulty->times, 0);
        assert_true(faulty->open <= 1); /* the lost ones were closed */
    }
    assert_int_equal(faulty->initializes, 1);
    remote_key_unref(key);
    close_scene(&scene);
}

static void test_call_when_token_stays_away_then_unavailable_after_two_tries(void **state)
{
    struct scene scene = open_faulty("");
    struct remote_key *key = find(scene.slot, "mac");
    struct remote_error err = { 0 };

    (void)state;
    misbehave("C_Sign", CKR_DEVICE_REMOVED, -1);
    assert_int_equal(mac(key, &err), REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "CKR_DEVICE_REMOVED");
    assert_says(err.text, "slot 'hsm'");
    assert_int_equal(faulty->signs, 2);
    misbehave(NULL, 0, 0);
    faulty->no_token = true;
    assert_int_equal(mac(key, &err), REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "it has: none");
    faulty->no_token = false;
    assert_int_equal(mac(key, &err), REMOTE_OK); /* and it comes back */
    remote_key_unref(key);
    close_scene(&scene);
}

static void test_call_when_module_finalized_behind_us_then_initialized_again(void **state)
{
    struct scene scene = open_faulty("");
    struct remote_key *key = find(scene.slot, "mac");

    (void)state;
    misbehave("C_SignInit", CKR_CRYPTOKI_NOT_INITIALIZED, 1);
    assert_int_equal(mac(key, NULL), REMOTE_OK);
    misbehave("C_GetSlotList", CKR_CRYPTOKI_NOT_INITIALIZED, 1);
    remote_key_unref(key);
    close_scene(&scene);
    scene = open_faulty("");
    assert_int_equal(remote_slot_prove(scene.slot, NULL), REMOTE_OK);
    assert_int_equal(faulty->initializes, 3);
    close_scene(&scene);
}

static void test_destroy_when_connection_is_lost_then_is_not_repeated(void **state)
{
    struct scene scene = open_faulty("allow = destroy\n");
    struct remote_error err = { 0 };

    (void)state;
    misbehave("C_DestroyObject", CKR_DEVICE_REMOVED, -1);
    assert_int_equal(remote_slot_destroy(scene.slot, "mac", &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(faulty->destroys, 1);
    close_scene(&scene);
}

static void test_answer_when_lengths_are_impossible_then_protocol_error(void **state)
{
    struct scene scene = open_faulty("cache = 0s\n");
    struct remote_key *key = find(scene.slot, "mac");
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    faulty->length = 1u << 30;
    assert_int_equal(mac(key, &err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "C_Sign");
    faulty->length = 5;
    assert_int_equal(mac(key, &err), REMOTE_E_PROTOCOL);
    faulty->length = 0;
    remote_key_unref(key);
    faulty->found = 1u << 20;
    assert_int_equal(remote_slot_list(scene.slot, NULL, &keys, &err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "C_FindObjects");
    faulty->found = 1; /* for ever */
    assert_int_equal(remote_slot_list(scene.slot, NULL, &keys, &err), REMOTE_E_PROTOCOL);
    faulty->found = 0;
    faulty->attribute = 1u << 30;
    assert_int_equal(remote_slot_list(scene.slot, NULL, &keys, &err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "C_GetAttributeValue");
    close_scene(&scene);
}

struct macs {
    struct remote_key *key;
    atomic_int *failures;
};

static void *mac_some(void *arg)
{
    struct remote_guard own = { 0 };
    struct macs *macs = arg;

    assert_int_equal(remote_guard_enter(&own, NULL), REMOTE_OK);
    for (int i = 0; i < 20; i++)
        if (mac(macs->key, NULL) != REMOTE_OK)
            (*macs->failures)++;
    remote_guard_leave(&own);
    return NULL;
}

static void mac_in_threads(struct remote_key *key, atomic_int *failures)
{
    struct macs macs = { key, failures };
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, mac_some, &macs);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_read_when_a_listed_object_vanished_then_looks_again(void **state)
{
    struct scene scene = open_faulty("cache = 0s\n");
    struct remote_key_list keys = { 0 };
    struct remote_key *key;

    (void)state;
    assert_int_equal(remote_slot_list(scene.slot, NULL, &keys, NULL), REMOTE_OK);
    assert_int_equal(keys.count, 1);
    remote_key_list_clear(&keys);
    misbehave("C_GetAttributeValue", CKR_OBJECT_HANDLE_INVALID, 1);
    key = find(scene.slot, "mac");
    assert_non_null(key);
    assert_int_equal(faulty->times, 0);
    remote_key_unref(key);
    close_scene(&scene);
}

static void test_threads_when_sessions_are_few_then_wait_for_one(void **state)
{
    atomic_int failures = 0;
    struct scene scene;
    struct remote_key *key;

    (void)state;
    faulty->max_sessions = 2; /* as the token says */
    faulty->hang_ms = 1;
    scene = open_faulty("");
    key = find(scene.slot, "mac");
    mac_in_threads(key, &failures);
    assert_int_equal(failures, 0);
    assert_int_equal(faulty->most_open, 2);
    assert_int_equal(faulty->opens, 2); /* kept, not opened each time */
    assert_int_equal(faulty->logins, 1);
    remote_key_unref(key);
    close_scene(&scene);
    reset_faulty(NULL);
    faulty->real_sessions = 3; /* as it turns out */
    faulty->hang_ms = 1;
    scene = open_faulty("");
    key = find(scene.slot, "mac");
    mac_in_threads(key, &failures);
    assert_int_equal(failures, 0);
    assert_int_equal(faulty->opens, 3);
    remote_key_unref(key);
    close_scene(&scene);
    assert_int_equal(faulty->open, 0);
}

static void test_threads_when_connection_is_lost_again_and_again_then_none_is_leaked(void **state)
{
    atomic_int failures = 0;
    struct scene scene = open_faulty("");
    struct remote_key *key = find(scene.slot, "mac");

    (void)state;
    misbehave("C_Sign", CKR_DEVICE_REMOVED, 40);
    mac_in_threads(key, &failures); /* some meet a second loss, and fail */
    assert_int_equal(faulty->times, 0);
    failures = 0;
    mac_in_threads(key, &failures);
    assert_int_equal(failures, 0);
    remote_key_unref(key);
    close_scene(&scene);
    assert_int_equal(faulty->open, 0);
}

static void *mac_once(void *arg)
{
    struct remote_guard own = { 0 };
    static struct remote_error err;

    assert_int_equal(remote_guard_enter(&own, NULL), REMOTE_OK);
    (void)mac(arg, &err);
    remote_guard_leave(&own);
    return &err;
}

static void test_wait_when_another_call_hangs_then_times_out(void **state)
{
    struct scene scene;
    struct remote_key *key;
    struct remote_error *hung, err = { 0 };
    pthread_t thread;

    (void)state;
    faulty->max_sessions = 1;
    scene = open_faulty("timeout = 100ms\n");
    key = find(scene.slot, "mac");
    faulty->hang_ms = 600;
    pthread_create(&thread, NULL, mac_once, key);
    while (faulty->signs == 0)
        usleep(1000);
    assert_int_equal(mac(key, &err), REMOTE_E_TIMEOUT);
    assert_says(err.text, "all 1 sessions of token 'faulty'");
    pthread_join(thread, (void **)&hung);
    assert_int_equal(hung->rc, REMOTE_OK); /* it took long, but it came */
    remote_key_unref(key);
    close_scene(&scene);
}

/* 0: as it should be: refused with a sentence, and at once. */
static int use_in_cut_off_child(struct remote_key *key)
{
    struct remote_error err = { 0 };
    int64_t begin = remote_now_ms();

    alarm(10);
    if (mac(key, &err) != REMOTE_E_UNAVAILABLE || remote_now_ms() - begin > 1000)
        return 1;
    return strstr(err.text, "was forked while a call of an HSM's module hung") == NULL;
}

static void test_fork_when_a_call_hangs_then_child_is_made_and_leaves_the_module_alone(void **state)
{
    struct scene scene = open_faulty("");
    struct remote_key *key = find(scene.slot, "mac");
    struct remote_error *hung;
    int64_t begin;
    pthread_t thread;
    int status = 0;
    pid_t pid;

    (void)state;
    faulty->signs = 0;
    faulty->hang_ms = 6000;
    pthread_create(&thread, NULL, mac_once, key);
    while (faulty->signs == 0)
        usleep(1000);
    begin = remote_now_ms();
    pid = fork();
    if (pid == 0)
        _exit(use_in_cut_off_child(key));
    assert_true(remote_now_ms() - begin < 5000);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pthread_join(thread, (void **)&hung);
    assert_int_equal(hung->rc, REMOTE_OK); /* it took long, but it came */
    faulty->hang_ms = 0;
    assert_int_equal(mac(key, hung), REMOTE_OK);
    remote_key_unref(key);
    close_scene(&scene);
}

static void test_read_when_module_stops_at_an_absent_attribute_then_asks_for_the_rest(void **state)
{
    struct scene scene = open_faulty("");
    struct remote_key *other;
    int reads = faulty->reads;

    (void)state;
    faulty->stops_short = true;
    other = find(scene.slot, "mac");
    assert_non_null(other);
    assert_true(faulty->reads > reads + 2);
    assert_int_equal(other->uses, REMOTE_USE_SIGN | REMOTE_USE_VERIFY);
    assert_int_equal(other->bits, 256);
    faulty->stops_short = false;
    remote_key_unref(other);
    close_scene(&scene);
}

static void test_read_when_key_has_dates_then_they_are_the_keys(void **state)
{
    struct scene scene;
    struct remote_error err = { 0 };
    struct remote_key *key;

    (void)state;
    faulty->start = "20200229";
    faulty->end = "20200301";
    scene = open_faulty("");
    key = find(scene.slot, "mac");
    assert_non_null(key);
    assert_int_equal(key->not_before, 1582934400);            /* date -u -d 2020-02-29 +%s */
    assert_int_equal(key->not_after, 1583020800 + 86400 - 1); /* the last second of March 1 */
    assert_true(key->enabled);
    assert_int_equal(mac(key, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "'mac'");
    remote_key_unref(key);
    close_scene(&scene);
    faulty->start = "20209999"; /* no date */
    faulty->end = NULL;
    scene = open_faulty("");
    key = find(scene.slot, "mac");
    assert_non_null(key);
    assert_int_equal(key->not_before, 0);
    assert_int_equal(key->not_after, 0);
    assert_int_equal(mac(key, &err), REMOTE_OK);
    faulty->start = NULL;
    remote_key_unref(key);
    close_scene(&scene);
}

static void test_call_then_runs_in_the_hosts_context_and_leaves_no_errors(void **state)
{
    struct scene scene = open_faulty("");
    struct remote_key *key = find(scene.slot, "mac");

    (void)state;
    assert_int_equal(mac(key, NULL), REMOTE_OK);
    assert_non_null(faulty->context);
    assert_ptr_not_equal(faulty->context, remote_libctx());
    assert_int_equal(ERR_peek_error(), 0);
    assert_ptr_equal(OSSL_LIB_CTX_set0_default(NULL), remote_libctx()); /* ours again */
    remote_key_unref(key);
    close_scene(&scene);
}

static void test_rotate_then_unsupported(void **state)
{
    struct scene scene = open_faulty("allow = rotate\n");
    struct remote_key *key = NULL;
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_slot_rotate(scene.slot, "mac", &key, &err), REMOTE_E_UNSUPPORTED);
    close_scene(&scene);
}

/* ---- the run ---- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int start(void **state)
{
    char text[512], cwd[128];
    void *handle;

    (void)state;
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        return -1;
    snprintf(dir, sizeof(dir), "%s/hsm-XXXXXX", cwd);
    if (mkdtemp(dir) == NULL || mkdir(path_of("tokens"), 0700) != 0)
        return -1;
    snprintf(text, sizeof(text), "directories.tokendir = %s\nlog.level = ERROR\n",
             path_of("tokens"));
    write_file("softhsm2.conf", text, 0600);
    write_file("pin", "1234\n", 0600);
    setenv("SOFTHSM2_CONF", path_of("softhsm2.conf"), 1);
    snprintf(text, sizeof(text),
             "softhsm2-util --init-token --free --label unit --so-pin 5678 --pin 1234 >%s 2>&1",
             path_of("tool.log"));
    if (system(text) != 0)
        return -1;
    handle = dlopen(FAULTY_MODULE, RTLD_NOW);
    faulty = handle ? dlsym(handle, "faulty") : NULL;
    return faulty != NULL && remote_guard_enter(&guard, NULL) == REMOTE_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    remote_guard_leave(&guard);
    return nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#define FAULTY_TEST(test) cmocka_unit_test_setup(test, reset_faulty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_when_module_is_missing_then_slot_is_broken),
        cmocka_unit_test(test_open_when_module_is_ourselves_then_slot_is_broken),
        cmocka_unit_test(test_open_when_others_may_write_the_module_then_slot_is_broken),
        cmocka_unit_test(test_open_when_token_is_no_token_uri_then_slot_is_broken),
        cmocka_unit_test(test_open_when_pin_is_given_twice_then_slot_is_broken),
        FAULTY_TEST(test_open_when_valid_then_module_is_not_loaded),
        cmocka_unit_test(test_sign_with_every_kind_of_key_then_verifies),
        cmocka_unit_test(test_decrypt_with_rsa_then_opens_whatever_the_oaep_parameters),
        cmocka_unit_test(test_encrypt_with_aes_then_is_nonce_ciphertext_tag),
        cmocka_unit_test(test_data_key_then_its_sealed_part_opens_to_the_clear_one),
        cmocka_unit_test(test_random_then_is_the_tokens),
        cmocka_unit_test(test_import_then_signs_as_the_imported_key),
        cmocka_unit_test(test_import_of_a_secret_then_macs_as_it),
        cmocka_unit_test(test_destroy_then_key_and_its_public_object_are_gone),
        cmocka_unit_test(test_keys_of_one_label_are_versions_by_id),
        cmocka_unit_test(test_token_when_none_matches_then_says_which_there_are),
        cmocka_unit_test(test_prove_when_no_pin_is_configured_then_says_what_to_set),
        cmocka_unit_test(test_login_when_pin_comes_with_it_then_each_pin_must_prove_itself),
        cmocka_unit_test(test_health_then_names_the_token),
        cmocka_unit_test(test_offers_once_known_then_only_what_the_token_has),
        cmocka_unit_test(test_fork_while_threads_sign_then_child_signs_too),
        FAULTY_TEST(test_pin_file_when_wrong_then_is_tried_once_until_it_changes),
        FAULTY_TEST(test_call_when_connection_is_lost_then_connects_again_once),
        FAULTY_TEST(test_call_when_token_stays_away_then_unavailable_after_two_tries),
        FAULTY_TEST(test_call_when_module_finalized_behind_us_then_initialized_again),
        FAULTY_TEST(test_destroy_when_connection_is_lost_then_is_not_repeated),
        FAULTY_TEST(test_answer_when_lengths_are_impossible_then_protocol_error),
        FAULTY_TEST(test_read_when_a_listed_object_vanished_then_looks_again),
        FAULTY_TEST(test_threads_when_sessions_are_few_then_wait_for_one),
        FAULTY_TEST(test_threads_when_connection_is_lost_again_and_again_then_none_is_leaked),
        FAULTY_TEST(test_wait_when_another_call_hangs_then_times_out),
        FAULTY_TEST(test_fork_when_a_call_hangs_then_child_is_made_and_leaves_the_module_alone),
        FAULTY_TEST(test_read_when_module_stops_at_an_absent_attribute_then_asks_for_the_rest),
        FAULTY_TEST(test_read_when_key_has_dates_then_they_are_the_keys),
        FAULTY_TEST(test_call_then_runs_in_the_hosts_context_and_leaves_no_errors),
        FAULTY_TEST(test_rotate_then_unsupported),
    };

    if (access(SOFTHSM, R_OK) != 0)
        return EXIT_SKIP;
    return cmocka_run_group_tests(tests, start, stop);
}
