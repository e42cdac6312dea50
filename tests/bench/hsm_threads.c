/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDSA P-256 signatures of 32 threads, each with a session of its own, on a token through the
 * module's pkcs11 backend beside the same on the token's own module: blocks in turn in one
 * process; the median of the ratios with its 95 % interval. Arguments: the module, a
 * configuration with one slot, the token's own module, the PIN. The key is labelled "bench".
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "remote/ck.h"

#define THREADS 32
#define PAIRS 40
#define BLOCK_MS 250

struct side { /* one of the two modules, and what the threads do with it */
    CK_FUNCTION_LIST *functions;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE sessions[THREADS];
    CK_OBJECT_HANDLE key;
};

struct worker {
    struct side *side;
    size_t number;
    long done;
};

static pthread_barrier_t start;
static atomic_bool stop;

static void must(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    fprintf(stderr, "hsm_threads: %s: 0x%lx\n", what, rv);
    exit(1);
}

static void load(struct side *side, const char *path, const char *config)
{
    void *module = dlopen(path, RTLD_NOW);
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = NULL;
    char reserved[4096];
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_ULONG count = 1;

    if (module != NULL)
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    must(get != NULL ? get(&side->functions) : CKR_GENERAL_ERROR, path);
    snprintf(reserved, sizeof(reserved), "config=%s", config != NULL ? config : "");
    if (config != NULL)
        args.LibraryParameters = (void *)reserved; /* the standard's pReserved */
    must(side->functions->C_Initialize(&args), "C_Initialize");
    if (config != NULL)
        must(side->functions->C_GetSlotList(CK_TRUE, &side->slot, &count), "C_GetSlotList");
}

/* A token's own module has a free slot beside it, and so two tokens. */
static void find_token(struct side *side)
{
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;

    must(side->functions->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;

        must(side->functions->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
        if (info.flags & CKF_TOKEN_INITIALIZED)
            side->slot = slots[i];
    }
}

static void open_sessions(struct side *side, const char *pin)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) },
                                { CKA_LABEL, (void *)"bench", 5 } };
    CK_ULONG count = 0;

    for (size_t i = 0; i < THREADS; i++)
        must(side->functions->C_OpenSession(side->slot, CKF_SERIAL_SESSION, NULL, NULL,
                                            &side->sessions[i]),
             "C_OpenSession");
    if (pin != NULL)
        must(side->functions->C_Login(side->sessions[0], CKU_USER, (CK_UTF8CHAR *)(uintptr_t)pin,
                                      strlen(pin)),
             "C_Login");
    must(side->functions->C_FindObjectsInit(side->sessions[0], template, 2), "C_FindObjectsInit");
    must(side->functions->C_FindObjects(side->sessions[0], &side->key, 1, &count), "C_FindObjects");
    must(side->functions->C_FindObjectsFinal(side->sessions[0]), "C_FindObjectsFinal");
    must(count == 1 ? CKR_OK : CKR_KEY_HANDLE_INVALID, "key 'bench'");
}

static void *sign(void *arg)
{
    struct worker *worker = arg;
    CK_FUNCTION_LIST *functions = worker->side->functions;
    CK_SESSION_HANDLE session = worker->side->sessions[worker->number];
    CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
    CK_BYTE digest[32] = { 1 }, signature[64];

    pthread_barrier_wait(&start);
    for (; !atomic_load(&stop); worker->done++) {
        CK_ULONG len = sizeof(signature);

        must(functions->C_SignInit(session, &mechanism, worker->side->key), "C_SignInit");
        must(functions->C_Sign(session, digest, sizeof(digest), signature, &len), "C_Sign");
    }
    return NULL;
}

static double seconds_since(const struct timespec *begin)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static double rate(struct side *side)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct timespec begin, pause = { 0, BLOCK_MS * 1000000L };
    double seconds;
    long done = 0;

    atomic_store(&stop, false);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ side, i, 0 };
        must((CK_RV)pthread_create(&threads[i], NULL, sign, &workers[i]), "pthread_create");
    }
    pthread_barrier_wait(&start);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    nanosleep(&pause, NULL);
    atomic_store(&stop, true);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        done += workers[i].done;
    }
    seconds = seconds_since(&begin);
    return (double)done / seconds;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    static struct side ours, own;
    double ratios[PAIRS];

    if (argc != 5) {
        fprintf(stderr, "usage: hsm_threads MODULE CONFIGURATION OWN-MODULE PIN\n");
        return 2;
    }
    pthread_barrier_init(&start, NULL, THREADS + 1);
    load(&own, argv[3], NULL);
    find_token(&own);
    open_sessions(&own, argv[4]);
    load(&ours, argv[1], argv[2]);
    open_sessions(&ours, NULL);
    for (size_t i = 0; i < PAIRS; i++) {
        double mine = rate(&ours);

        ratios[i] = mine / rate(&own);
    }
    qsort(ratios, PAIRS, sizeof(ratios[0]), by_size);
    /* order statistics 14 and 27 of 40: the median's 95 % interval */
    printf("%.3f %.3f %.3f\n", (ratios[PAIRS / 2 - 1] + ratios[PAIRS / 2]) / 2, ratios[13],
           ratios[26]);
    ours.functions->C_Finalize(NULL);
    own.functions->C_Finalize(NULL);
    return 0;
}
