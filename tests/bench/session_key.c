/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM of 16 KiB on a session key, C_EncryptInit and C_Encrypt, beside two references:
 * raw EVP that keeps its keyed context ("kept"), and raw EVP with a context for each message
 * ("fresh"), which is what a program without a key handle does. One thread, short blocks in turn,
 * CPU time, since the machine has other things to do: a line for each reference with the median
 * of the ratios and its 95 % interval. Arguments: the module and a configuration with one slot.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "remote/ck.h"

#define SIZE 16384
#define PAGE 4096
#define PAIRS 400
#define BLOCK 500 /* messages */

static CK_BYTE room_plain[SIZE + PAGE], room_sealed[SIZE + 16 + PAGE], iv[12], key_bytes[32];
static CK_BYTE *plain, *sealed;

static CK_FUNCTION_LIST *functions;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;
static EVP_CIPHER *gcm;
static EVP_CIPHER_CTX *kept;

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
    CK_GCM_PARAMS_V3 params = {
        .pIv = iv, .ulIvLen = sizeof(iv), .ulIvBits = 96, .ulTagBits = 128
    };
    CK_MECHANISM mechanism = { CKM_AES_GCM, &params, sizeof(params) };
    CK_ULONG len = SIZE + 16;

    must(functions->C_EncryptInit(session, &mechanism, key), "C_EncryptInit");
    must(functions->C_Encrypt(session, plain, SIZE, sealed, &len), "C_Encrypt");
}

static void seal(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const CK_BYTE *value)
{
    int len = 0, rest = 0;

    if (EVP_EncryptInit_ex(ctx, cipher, NULL, value, iv) != 1 ||
        EVP_EncryptUpdate(ctx, sealed, &len, plain, SIZE) != 1 ||
        EVP_EncryptFinal_ex(ctx, sealed + len, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, sealed + SIZE) != 1)
        must(CKR_FUNCTION_FAILED, "EVP");
}

static void by_kept(void)
{
    seal(kept, NULL, NULL);
}

static void by_fresh(void)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    seal(ctx, gcm, key_bytes);
    EVP_CIPHER_CTX_free(ctx);
}

static double time_of(void (*once)(void))
{
    struct timespec begin, end;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (int i = 0; i < BLOCK; i++) {
        next_iv();
        once();
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
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

static void open_references(void)
{
    gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    kept = EVP_CIPHER_CTX_new();
    if (gcm == NULL || kept == NULL || EVP_EncryptInit_ex(kept, gcm, NULL, key_bytes, NULL) != 1)
        must(CKR_FUNCTION_FAILED, "EVP");
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void print_ratio(const char *name, double ratios[PAIRS])
{
    qsort(ratios, PAIRS, sizeof(ratios[0]), by_size);
    /* order statistics 180 and 221 of 400: the median's 95 % interval */
    printf("%s %.3f %.3f %.3f\n", name, (ratios[PAIRS / 2 - 1] + ratios[PAIRS / 2]) / 2,
           ratios[179], ratios[220]);
}

/* Where the buffers lie beside libcrypto's tables, modulo a page, makes a difference: they move. */
static void move_buffers(int pair)
{
    plain = room_plain + pair * 64 % PAGE;
    sealed = room_sealed + pair * 192 % PAGE;
}

int main(int argc, char **argv)
{
    static double of_kept[PAIRS], of_fresh[PAIRS];

    if (argc != 3) {
        fprintf(stderr, "usage: session_key MODULE CONFIGURATION\n");
        return 2;
    }
    memset(key_bytes, 7, sizeof(key_bytes));
    open_module(argv[1], argv[2]);
    open_references();
    for (int i = 0; i < PAIRS; i++) {
        double ours;

        move_buffers(i);
        ours = time_of(by_module);
        of_kept[i] = time_of(by_kept) / ours;
        of_fresh[i] = time_of(by_fresh) / ours;
    }
    print_ratio("kept", of_kept);
    print_ratio("fresh", of_fresh);
    EVP_CIPHER_CTX_free(kept);
    EVP_CIPHER_free(gcm);
    functions->C_Finalize(NULL);
    return 0;
}
