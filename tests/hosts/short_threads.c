/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thousand threads, one after the other, each with one signature: what libcrypto, libcurl and
 * the module keep for a thread ends with it. After a few that warm the caches up, the heap, the
 * descriptors and the number of mappings stay where they are.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

#include "host.h"

#define WARM 100
#define MEASURED 1000
#define BYTES_MAX (64u << 10) /* 64 a thread: less than any allocation that one could forget */
#define MAPS_MAX 4

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;

static void *sign_once(void *arg)
{
    HOST_EXPECT(CKR_OK, host_sign(session, key));
    return arg;
}

static void run_threads(unsigned count)
{
    pthread_t thread;

    for (unsigned i = 0; i < count; i++) {
        HOST_CHECK(pthread_create(&thread, NULL, sign_once, NULL) == 0);
        HOST_CHECK(pthread_join(thread, NULL) == 0);
    }
}

static size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static unsigned count_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned count = 0;
    int c;

    HOST_CHECK(maps);
    while ((c = getc(maps)) != EOF)
        count += c == '\n';
    fclose(maps);
    return count;
}

int main(void)
{
    size_t heap;
    unsigned fds, maps;

    host_deadline(120);
    HOST_CHECK(mallopt(M_ARENA_MAX, 1) == 1); /* mallinfo2() adds up one arena */
    host_begin();
    session = host_session();
    key = host_private_key(session, "app");
    run_threads(WARM);
    heap = heap_in_use();
    fds = host_count_fds();
    maps = count_maps();
    run_threads(MEASURED);
    HOST_CHECK(heap_in_use() <= heap + BYTES_MAX);
    HOST_CHECK(host_count_fds() == fds);
    HOST_CHECK(count_maps() <= maps + MAPS_MAX);
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
    return 0;
}
