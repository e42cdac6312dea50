/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM of 16 KiB on a session key, C_EncryptInit and C_Encrypt, beside raw EVP that keeps
 * its keyed context: alternating blocks in one thread, the median of the ratios with its 95 %
 * interval. Arguments: the module and a configuration with one slot.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "remote/ck.h"

#define SIZE 16384
#define PAIRS 40
#define BLOCK_NS 100000000

static CK_BYTE plain[SIZE], sealed[SIZE + 16], iv[12], key_bytes[32];

static CK_FUNCTION_LIST *functions;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;
static EVP_CIPHER_CTX *ctx;

static void must(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    fprintf(stderr, "session_key: %s: 0x%lx\n", what, rv);
    exit(1);
}

static void next_iv(void)
{
    for (size_t i = sizeof(iv); i-- > 0 && ++iv[i] == 0;)
        ;
}

static void by_module(void)
{
    CK_GCM_PARAMS_V3 gcm = { .pIv = iv, .ulIvLen = sizeof(iv), .ulIvBits = 96, .ulTagBits = 128 };
    CK_MECHANISM mechanism = { CKM_AES_GCM, &gcm, sizeof(gcm) };
    CK_ULONG len = sizeof(sealed);

    next_iv();
    must(functions->C_EncryptInit(session, &mechanism, key), "C_EncryptInit");
    must(functions->C_Encrypt(session, plain, SIZE, sealed, &len), "C_Encrypt");
}

static void by_evp(void)
{
    int len = 0, rest = 0;

    next_iv();
    if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) != 1 ||
        EVP_EncryptUpdate(ctx, sealed, &len, plain, SIZE) != 1 ||
        EVP_EncryptFinal_ex(ctx, sealed + len, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, sealed + SIZE) != 1)
        must(CKR_FUNCTION_FAILED, "EVP");
}

static double rate(void (*once)(void))
{
    struct timespec begin, now;
    long ns = 0, count = 0;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (; ns < BLOCK_NS; count++) {
        once();
        clock_gettime(CLOCK_MONOTONIC, &now);
        ns = (now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec;
    }
    return (double)count / (double)ns;
}

static void open_module(const char *path, const char *config)
{
    void *module = dlopen(path, RTLD_NOW);
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = NULL;
    char reserved[4096];
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) },
                                { CKA_KEY_TYPE, &type, sizeof(type) },
                                { CKA_TOKEN, &no, sizeof(no) },
                                { CKA_ENCRYPT, &yes, sizeof(yes) },
                                { CKA_VALUE, key_bytes, sizeof(key_bytes) } };

    if (module != NULL)
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    must(get != NULL ? get(&functions) : CKR_GENERAL_ERROR, path);
    snprintf(reserved, sizeof(reserved), "config=%s", config);
    args.LibraryParameters = (void *)reserved; /* the standard's pReserved */
    must(functions->C_Initialize(&args), "C_Initialize");
    must(functions->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
    must(functions->C_CreateObject(session, template, 5, &key), "C_CreateObject");
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    double ratios[PAIRS];

    if (argc != 3) {
        fprintf(stderr, "usage: session_key MODULE CONFIGURATION\n");
        return 2;
    }
    memset(key_bytes, 7, sizeof(key_bytes));
    open_module(argv[1], argv[2]);
    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key_bytes, NULL) != 1)
        must(CKR_FUNCTION_FAILED, "EVP");
    for (size_t i = 0; i < PAIRS; i++) {
        double ours = rate(by_module);

        ratios[i] = ours / rate(by_evp);
    }
    qsort(ratios, PAIRS, sizeof(ratios[0]), by_size);
    /* order statistics 14 and 27 of 40: the median's 95 % interval */
    printf("%.3f %.3f %.3f\n", (ratios[PAIRS / 2 - 1] + ratios[PAIRS / 2]) / 2, ratios[13],
           ratios[26]);
    EVP_CIPHER_CTX_free(ctx);
    functions->C_Finalize(NULL);
    return 0;
}
