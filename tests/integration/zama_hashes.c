/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EIP-712 hashes and addresses as we compute them, for zama_eip712.py. A case is a line of words of
 * hex digits, '-' for an empty one: name, version, chain id, verifying contract, salt, extra data,
 * public key, then a handle and a plaintext for each ciphertext. The answer is a line "HASH
 * ADDRESS".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libctx.h"
#include "remote/encode.h"
#include "zama.h"

#define CIPHERTEXTS_MAX 8

struct hash_case {
    struct zama_domain domain;
    struct zama_question question;
    struct zama_ciphertext ciphertexts[CIPHERTEXTS_MAX];
    struct remote_buf plaintexts[CIPHERTEXTS_MAX];
    struct remote_slice slices[CIPHERTEXTS_MAX];
    struct remote_buf name, version, extra_data;
    uint8_t point[ZAMA_POINT_LEN];
};

static __attribute__((noreturn)) void fail(const char *what)
{
    fprintf(stderr, "zama_hashes: %s\n", what);
    exit(1);
}

static struct remote_buf take(char **line)
{
    const char *word = strsep(line, " \n");
    struct remote_buf bytes = { 0 };

    remote_buf_append_str(&bytes, ""); /* not NULL */
    if (word == NULL ||
        (strcmp(word, "-") != 0 && !remote_hex_decode(remote_slice_str(word), &bytes)))
        fail("a word is missing or not hex");
    return bytes;
}

/* Right-aligned; false: there was nothing. */
static bool take_number(char **line, uint8_t *ret, size_t len)
{
    struct remote_buf bytes = take(line);
    bool given = bytes.len > 0;

    if (bytes.len > len)
        fail("a number is too long");
    memcpy(ret + len - bytes.len, bytes.data, bytes.len);
    remote_buf_clear(&bytes);
    return given;
}

static void read_case(char *line, struct hash_case *ret)
{
    struct zama_question *question = &ret->question;

    ret->name = take(&line);
    ret->version = take(&line);
    ret->domain.name = (char *)ret->name.data;
    ret->domain.version = (char *)ret->version.data;
    take_number(&line, ret->domain.chain_id, sizeof(ret->domain.chain_id));
    take_number(&line, ret->domain.verifying_contract, sizeof(ret->domain.verifying_contract));
    ret->domain.has_salt = take_number(&line, ret->domain.salt, sizeof(ret->domain.salt));
    ret->extra_data = take(&line);
    take_number(&line, ret->point, sizeof(ret->point));
    question->domain = &ret->domain;
    question->extra_data = remote_buf_slice(&ret->extra_data);
    question->ciphertexts = ret->ciphertexts;
    for (; line != NULL && *line != '\0' && question->count < CIPHERTEXTS_MAX; question->count++) {
        size_t at = question->count;

        take_number(&line, ret->ciphertexts[at].handle, ZAMA_HANDLE_LEN);
        ret->plaintexts[at] = take(&line);
        ret->slices[at] = remote_buf_slice(&ret->plaintexts[at]);
    }
}

static void clear_case(struct hash_case *one)
{
    for (size_t i = 0; i < one->question.count; i++)
        remote_buf_clear(&one->plaintexts[i]);
    remote_buf_clear(&one->name);
    remote_buf_clear(&one->version);
    remote_buf_clear(&one->extra_data);
}

static void print_case(const struct hash_case *one)
{
    uint8_t hash[ZAMA_HASH_LEN], address[ZAMA_ADDRESS_LEN];
    char address_text[43], hash_text[2 * ZAMA_HASH_LEN + 1];

    if (!zama_address_of(one->point, address))
        fail("a public key is no point of the curve");
    zama_eip712_hash(&one->question, one->slices, hash);
    zama_address_format(address, address_text);
    zama_id_format(hash, hash_text);
    printf("%s %s\n", hash_text, address_text);
}

int main(void)
{
    struct remote_guard guard;
    char *line = NULL;
    size_t size = 0;

    if (remote_guard_enter(&guard, NULL) != REMOTE_OK)
        fail("cannot enter the guard");
    while (getline(&line, &size, stdin) > 0) {
        struct hash_case one = { 0 };

        read_case(line, &one);
        print_case(&one);
        clear_case(&one);
    }
    free(line);
    remote_guard_leave(&guard);
    return 0;
}
