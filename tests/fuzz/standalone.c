/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of a corpus, for builds without libFuzzer: so every corpus is
 * a test with any compiler and any sanitizer. usage: fuzz_NAME DIRECTORY
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An exact allocation for each input, so that a sanitizer sees the first byte too many. */
static uint8_t *read_all(FILE *file, size_t *ret_size)
{
    long end = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    size_t size = end > 0 ? (size_t)end : 0;
    uint8_t *data = NULL;

    if (end >= 0 && fseek(file, 0, SEEK_SET) == 0)
        data = malloc(size > 0 ? size : 1);
    if (data && fread(data, 1, size, file) != size) {
        free(data);
        data = NULL;
    }
    if (data)
        *ret_size = size;
    return data;
}

static int run_file(const char *directory, const char *name)
{
    char path[4096];
    size_t size = 0;
    uint8_t *data = NULL;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "rb");
    if (file) {
        data = read_all(file, &size);
        fclose(file);
    }
    if (!data) {
        perror(path);
        return -1;
    }
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int count = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;
    int failed = count <= 0;

    if (failed)
        fprintf(stderr, "usage: %s DIRECTORY, which holds at least one input\n", argv[0]);
    for (int i = 0; i < count; i++) {
        failed |= run_file(argv[1], entries[i]->d_name) != 0;
        free(entries[i]);
    }
    free(entries);
    printf("%d inputs\n", count);
    return failed;
}
