/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keccak-256 as Ethereum has it: the function of FIPS 202 with the padding of the submission to the
 * contest, 01 where SHA3-256 has 06. libcrypto offers it from 3.2 on. And EIP-712 over it.
 */
#include "zama.h"

#include <string.h>

#define LANES 25
#define ROUNDS 24
#define RATE 136 /* bytes: 1600 bits less twice the hash */
#define WORD 32  /* of Ethereum's ABI */

/* ---- Keccak-f[1600] (FIPS 202 section 3) ---- */

/* clang-format off */
static const uint64_t round_constants[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};
/* rho and pi move lane (1, 0) through all others but (0, 0): where to, and turned by how much. */
static const struct {
    uint8_t lane, bits;
} moves[LANES - 1] = {
    { 10,  1 }, {  7,  3 }, { 11,  6 }, { 17, 10 }, { 18, 15 }, {  3, 21 }, {  5, 28 }, { 16, 36 },
    {  8, 45 }, { 21, 55 }, { 24,  2 }, {  4, 14 }, { 15, 27 }, { 23, 41 }, { 19, 56 }, { 13,  8 },
    { 12, 25 }, {  2, 43 }, { 20, 62 }, { 14, 18 }, { 22, 39 }, {  9, 61 }, {  6, 20 }, {  1, 44 },
};
/* clang-format on */

static uint64_t turn(uint64_t lane, unsigned bits) /* 0 < bits < 64 */
{
    return lane << bits | lane >> (64 - bits);
}

/* Columns 4, 0, 1, 2, 3, 4, 0: each has its neighbours beside it. */
static void theta(uint64_t lanes[LANES])
{
    uint64_t parity[7], change;

    for (size_t x = 0; x < 5; x++)
        parity[x + 1] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
    parity[0] = parity[5];
    parity[6] = parity[1];
    for (size_t x = 0; x < 5; x++) {
        change = parity[x] ^ turn(parity[x + 2], 1);
        for (size_t y = 0; y < LANES; y += 5)
            lanes[x + y] ^= change;
    }
}

static void rho_pi(uint64_t lanes[LANES])
{
    uint64_t moving = lanes[1], next;

    for (size_t i = 0; i < LANES - 1; i++) {
        next = lanes[moves[i].lane];
        lanes[moves[i].lane] = turn(moving, moves[i].bits);
        moving = next;
    }
}

static void chi(uint64_t lanes[LANES])
{
    uint64_t row[7];

    for (size_t y = 0; y < LANES; y += 5) {
        memcpy(row, lanes + y, 5 * sizeof(*row));
        row[5] = row[0];
        row[6] = row[1];
        for (size_t x = 0; x < 5; x++)
            lanes[y + x] ^= ~row[x + 1] & row[x + 2];
    }
}

static void permute(uint64_t lanes[LANES])
{
    for (size_t round = 0; round < ROUNDS; round++) {
        theta(lanes);
        rho_pi(lanes);
        chi(lanes);
        lanes[0] ^= round_constants[round];
    }
}

/* ---- the sponge (FIPS 202 section 4); a zeroed struct begins ---- */

struct keccak {
    uint64_t lanes[LANES];
    size_t at; /* bytes absorbed of the block */
};

static void put(struct keccak *keccak, size_t at, uint8_t byte)
{
    keccak->lanes[at / 8] ^= (uint64_t)byte << 8 * (at % 8);
}

static void absorb(struct keccak *keccak, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        put(keccak, keccak->at++, bytes[i]);
        if (keccak->at == RATE) {
            permute(keccak->lanes);
            keccak->at = 0;
        }
    }
}

/* Wipes: what went in may have been a plaintext. */
static void finish(struct keccak *keccak, uint8_t ret[ZAMA_HASH_LEN])
{
    put(keccak, keccak->at, 0x01);
    put(keccak, RATE - 1, 0x80);
    permute(keccak->lanes);
    for (size_t i = 0; i < ZAMA_HASH_LEN; i++)
        ret[i] = (uint8_t)(keccak->lanes[i / 8] >> 8 * (i % 8));
    explicit_bzero(keccak, sizeof(*keccak));
}

void zama_keccak256(const struct remote_slice *parts, size_t count, uint8_t ret[ZAMA_HASH_LEN])
{
    struct keccak keccak = { 0 };

    for (size_t i = 0; i < count; i++)
        absorb(&keccak, parts[i].data, parts[i].len);
    finish(&keccak, ret);
}

/* ---- EIP-712 ---- */

#define DOMAIN_FIELDS "string name,string version,uint256 chainId,address verifyingContract"
#define ANSWER_TYPE                                                                                \
    "PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)"

static void absorb_hash(struct keccak *keccak, struct remote_slice data)
{
    uint8_t hash[ZAMA_HASH_LEN];

    zama_keccak256(&data, 1, hash);
    absorb(keccak, hash, sizeof(hash));
}

/* A number or an address in a word of its own, right-aligned. */
static void absorb_word(struct keccak *keccak, const uint8_t *number, size_t len)
{
    static const uint8_t zeros[WORD];

    absorb(keccak, zeros, WORD - len);
    absorb(keccak, number, len);
}

/* Its type names the members that it has. */
static void separate_domain(const struct zama_domain *domain, uint8_t ret[ZAMA_HASH_LEN])
{
    struct keccak keccak = { 0 };

    absorb_hash(&keccak,
                remote_slice_str(domain->has_salt ? "EIP712Domain(" DOMAIN_FIELDS ",bytes32 salt)"
                                                  : "EIP712Domain(" DOMAIN_FIELDS ")"));
    absorb_hash(&keccak, remote_slice_str(domain->name));
    absorb_hash(&keccak, remote_slice_str(domain->version));
    absorb_word(&keccak, domain->chain_id, sizeof(domain->chain_id));
    absorb_word(&keccak, domain->verifying_contract, sizeof(domain->verifying_contract));
    if (domain->has_salt)
        absorb_word(&keccak, domain->salt, sizeof(domain->salt));
    finish(&keccak, ret);
}

static void hash_handles(const struct zama_question *question, uint8_t ret[ZAMA_HASH_LEN])
{
    struct keccak keccak = { 0 };

    for (size_t i = 0; i < question->count; i++)
        absorb_word(&keccak, question->ciphertexts[i].handle, ZAMA_HANDLE_LEN);
    finish(&keccak, ret);
}

/* A uint256 for each: big-endian, where the answer has them little-endian. */
static void hash_plaintexts(const struct remote_slice *plaintexts, size_t count,
                            uint8_t ret[ZAMA_HASH_LEN])
{
    struct keccak keccak = { 0 };
    uint8_t word[WORD];

    for (size_t i = 0; i < count; i++) {
        memset(word, 0, sizeof(word));
        for (size_t at = 0; at < plaintexts[i].len && at < WORD; at++)
            word[WORD - 1 - at] = plaintexts[i].data[at];
        absorb(&keccak, word, sizeof(word));
    }
    explicit_bzero(word, sizeof(word));
    finish(&keccak, ret);
}

static void hash_struct(const struct zama_question *question, const struct remote_slice *plaintexts,
                        uint8_t ret[ZAMA_HASH_LEN])
{
    struct keccak keccak = { 0 };
    uint8_t hash[ZAMA_HASH_LEN];

    absorb_hash(&keccak, remote_slice_str(ANSWER_TYPE));
    hash_handles(question, hash);
    absorb(&keccak, hash, sizeof(hash));
    hash_plaintexts(plaintexts, question->count, hash);
    absorb(&keccak, hash, sizeof(hash));
    absorb_hash(&keccak, question->extra_data);
    finish(&keccak, ret);
}

void zama_eip712_hash(const struct zama_question *question, const struct remote_slice *plaintexts,
                      uint8_t ret[ZAMA_HASH_LEN])
{
    static const uint8_t intro[] = { 0x19, 0x01 };
    uint8_t domain[ZAMA_HASH_LEN], message[ZAMA_HASH_LEN];
    struct remote_slice parts[] = { remote_slice(intro, sizeof(intro)),
                                    remote_slice(domain, sizeof(domain)),
                                    remote_slice(message, sizeof(message)) };

    separate_domain(question->domain, domain);
    hash_struct(question, plaintexts, message);
    zama_keccak256(parts, ARRAY_SIZE(parts), ret);
}
