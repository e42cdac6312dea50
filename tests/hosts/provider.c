/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that use our OpenSSL provider: PROGRAM WAY. HOST_OPENSSL_CNF names an openssl.cnf with
 * it; a way that is about the default library context has the same file in OPENSSL_CONF. Says
 * nothing while all is well.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines: libp11's loads our module beside the provider */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/engine.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>

#include "host.h"

#define URI "pkcs11:token=web;object=app"
#define THREADS 8
#define CHILDREN 40
#define AGAIN 50
#define CONTEXTS 6

/* ---- keys ---- */

static EVP_PKEY *load_key(OSSL_LIB_CTX *context, const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, context, NULL, NULL, NULL, NULL, NULL, NULL);
    EVP_PKEY *pkey = NULL;

    HOST_CHECK(store && OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY));
    while (!OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info && !pkey)
            pkey = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    HOST_CHECK(OSSL_STORE_close(store));
    HOST_CHECK(pkey);
    return pkey;
}

static void sign(OSSL_LIB_CTX *context, EVP_PKEY *pkey)
{
    static const unsigned char message[] = "hsmbridge";
    unsigned char signature[512];
    size_t len = sizeof(signature);
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    HOST_CHECK(EVP_DigestSignInit_ex(md, NULL, "SHA256", context, NULL, pkey, NULL) == 1);
    HOST_CHECK(EVP_DigestSign(md, signature, &len, message, sizeof(message)) == 1);
    EVP_MD_CTX_free(md);
    md = EVP_MD_CTX_new();
    HOST_CHECK(EVP_DigestVerifyInit_ex(md, NULL, "SHA256", context, NULL, pkey, NULL) == 1);
    HOST_CHECK(EVP_DigestVerify(md, signature, len, message, sizeof(message)) == 1);
    EVP_MD_CTX_free(md);
}

static void load_and_sign(OSSL_LIB_CTX *context)
{
    EVP_PKEY *pkey = load_key(context, URI);

    sign(context, pkey);
    EVP_PKEY_free(pkey);
}

/* ---- fork ---- */

static EVP_PKEY *shared;
static atomic_bool stop;

static void *sign_on(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop))
        sign(NULL, shared);
    return NULL;
}

static void child(unsigned number)
{
    host_deadline(30);
    for (unsigned i = 0; i < 3; i++)
        sign(NULL, shared);
    if (number % 2 == 0)
        load_and_sign(NULL);
    if (number % 4 < 2)
        _exit(0);
    exit(0);
}

static void reap(unsigned children)
{
    int status;

    for (unsigned i = 0; i < children; i++) {
        HOST_CHECK(wait(&status) > 0);
        HOST_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* Children sign with their parent's key while its threads do. */
static void forks(void)
{
    pthread_t threads[THREADS];

    shared = load_key(NULL, URI);
    sign(NULL, shared);
    for (unsigned i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_create(&threads[i], NULL, sign_on, NULL) == 0);
    for (unsigned i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();

        HOST_CHECK(pid >= 0);
        if (pid == 0)
            child(i);
    }
    reap(CHILDREN);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_join(threads[i], NULL) == 0);
    sign(NULL, shared);
    EVP_PKEY_free(shared);
}

/* ---- contexts and unloading ---- */

static OSSL_LIB_CTX *configured_context(void)
{
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();

    HOST_CHECK(context && OSSL_LIB_CTX_load_config(context, getenv("HOST_OPENSSL_CNF")) == 1);
    return context;
}

/* The whole context goes each time, and the provider with it. */
static void unloads(void)
{
    unsigned before = 0;

    for (unsigned i = 0; i < AGAIN; i++) {
        OSSL_LIB_CTX *context = configured_context();

        load_and_sign(context);
        OSSL_LIB_CTX_free(context);
        if (i == 1)
            before = host_count_fds();
    }
    HOST_CHECK(host_count_fds() <= before);
}

/* By OSSL_PROVIDER_load() and OSSL_PROVIDER_unload(), in one context; a key outlives its load. */
static void loads_again(void)
{
    OSSL_LIB_CTX *context = configured_context(); /* so that the provider is known by its name */
    EVP_PKEY *kept = load_key(context, URI);

    for (unsigned i = 0; i < AGAIN; i++) {
        OSSL_PROVIDER *provider = OSSL_PROVIDER_load(context, "hsmbridge");

        HOST_CHECK(provider && OSSL_PROVIDER_available(context, "hsmbridge"));
        load_and_sign(context);
        HOST_CHECK(OSSL_PROVIDER_unload(provider) == 1);
        sign(context, kept);
    }
    EVP_PKEY_free(kept);
    OSSL_LIB_CTX_free(context);
}

static void *use_context(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 3; i++) {
        OSSL_LIB_CTX *context = configured_context();

        for (unsigned j = 0; j < 5; j++)
            load_and_sign(context);
        OSSL_LIB_CTX_free(context);
    }
    return NULL;
}

/* Each thread has a context of its own; the default one has never heard of us. */
static void contexts(void)
{
    pthread_t threads[CONTEXTS];

    for (unsigned i = 0; i < CONTEXTS; i++)
        HOST_CHECK(pthread_create(&threads[i], NULL, use_context, NULL) == 0);
    for (unsigned i = 0; i < CONTEXTS; i++)
        HOST_CHECK(pthread_join(threads[i], NULL) == 0);
    HOST_CHECK(!OSSL_PROVIDER_available(NULL, "hsmbridge"));
}

/* The thread's default context is the one with us: what a guard must put back. */
static void default_context(void)
{
    OSSL_LIB_CTX *context = configured_context();
    OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(context);

    for (unsigned i = 0; i < 5; i++) {
        load_and_sign(NULL);
        HOST_CHECK(OSSL_LIB_CTX_set0_default(NULL) == context);
    }
    HOST_CHECK(OSSL_LIB_CTX_set0_default(before) == context);
    OSSL_LIB_CTX_free(context);
}

/* ---- our module beside our provider ---- */

static ENGINE *load_engine(void)
{
    ENGINE *engine = ENGINE_by_id("pkcs11");

    HOST_CHECK(engine);
    HOST_CHECK(ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", getenv("HSMBRIDGE_MODULE"), 0));
    HOST_CHECK(ENGINE_init(engine));
    return engine;
}

static EVP_PKEY *engine_key(ENGINE *engine)
{
    EVP_PKEY *pkey = ENGINE_load_private_key(engine, URI ";type=private", NULL, NULL);

    HOST_CHECK(pkey);
    return pkey;
}

/* One process reaches the same key by libp11's engine and by the provider, then so do children. */
static void engine_beside(void)
{
    ENGINE *engine = load_engine();
    EVP_PKEY *by_engine = engine_key(engine), *by_provider = load_key(NULL, URI);
    pid_t pid;

    for (unsigned i = 0; i < 20; i++) {
        sign(NULL, by_engine);
        sign(NULL, by_provider);
    }
    HOST_CHECK(EVP_PKEY_eq(by_engine, by_provider) == 1);
    pid = fork();
    HOST_CHECK(pid >= 0);
    sign(NULL, by_provider);
    sign(NULL, by_engine);
    if (pid == 0)
        _exit(0);
    reap(1);
    EVP_PKEY_free(by_engine);
    EVP_PKEY_free(by_provider);
    ENGINE_finish(engine);
    ENGINE_free(engine);
    load_and_sign(NULL);
}

/* ---- ends ---- */

static void returns(void)
{
    shared = load_key(NULL, URI);
    sign(NULL, shared);
}

static void only_loads(void)
{
    HOST_CHECK(OSSL_PROVIDER_available(NULL, "hsmbridge"));
}

static void cleans_up(void)
{
    load_and_sign(NULL);
    OPENSSL_cleanup();
}

static void quick_exit_with_key(void)
{
    returns();
    quick_exit(0);
}

static void exits_under_threads(void)
{
    pthread_t thread;

    shared = load_key(NULL, URI);
    for (unsigned i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_create(&thread, NULL, sign_on, NULL) == 0);
    usleep(50000);
    _exit(0);
}

static void context_leaks(void)
{
    load_and_sign(configured_context());
}

/* ---- all ways ---- */

static const struct {
    const char *name;
    void (*run)(void);
} ways[] = {
    { "forks", forks },
    { "unloads", unloads },
    { "loads-again", loads_again },
    { "contexts", contexts },
    { "default-context", default_context },
    { "engine-beside", engine_beside },
    { "end-returns", returns },
    { "end-only-loads", only_loads },
    { "end-cleans-up", cleans_up },
    { "end-quick-exit", quick_exit_with_key },
    { "end-under-threads", exits_under_threads },
    { "end-context-leaks", context_leaks },
};

int main(int argc, char **argv)
{
    host_deadline(100);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (argc < 2) {
            puts(ways[i].name);
        } else if (strcmp(argv[1], ways[i].name) == 0) {
            ways[i].run();
            return 0;
        }
    }
    return argc < 2 ? 0 : 2;
}
