/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a container and its authentication; docs/quorum.md has the layout. */
#include <string.h>

#include <openssl/crypto.h>

#include "quorum.h"
#include "remote/local/secret_key.h"

#define MAGIC "HSMBQRM"
#define VERSION 1
#define FIXED (7 + 1 + 4 + 2 * REMOTE_QUORUM_ID + 1 + 1 + REMOTE_QUORUM_HASH)
#define ENTRY (REMOTE_QUORUM_ID + 1 + 1 + 4 + REMOTE_QUORUM_HASH + 2)
#define NONCE 12
#define TAG 16
#define LABEL "hsmbridge quorum v1 "

static const unsigned char record_begin[] = { 'H', 'B', 'Q', 'S', VERSION };

/* ---- hashes ---- */

struct part {
    const void *data;
    size_t len;
};

static enum remote_rc hash_parts(const char *label, const struct part *parts, size_t count,
                                 unsigned char ret[REMOTE_QUORUM_HASH], struct remote_error *err)
{
    CLEANUP(remote_digest_clear) struct remote_digest digest = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };

    REMOTE_TRY(remote_digest_init(&digest, REMOTE_HASH_SHA256, err));
    REMOTE_TRY(remote_digest_update(&digest, remote_slice_str(LABEL), err));
    REMOTE_TRY(remote_digest_update(&digest, remote_slice_str(label), err));
    for (size_t i = 0; i < count; i++)
        REMOTE_TRY(remote_digest_update(&digest, remote_slice(parts[i].data, parts[i].len), err));
    REMOTE_TRY(remote_digest_final(&digest, &out, err));
    memcpy(ret, out.data, REMOTE_QUORUM_HASH);
    return REMOTE_OK;
}

enum remote_rc remote_quorum_member_id(const char *slot, const char *key,
                                       unsigned char ret[REMOTE_QUORUM_ID],
                                       struct remote_error *err)
{
    unsigned char hash[REMOTE_QUORUM_HASH];
    const struct part parts[] = { { slot, strlen(slot) + 1 }, { key, strlen(key) } };

    REMOTE_TRY(hash_parts("member", parts, ARRAY_SIZE(parts), hash, err));
    memcpy(ret, hash, REMOTE_QUORUM_ID);
    return REMOTE_OK;
}

static enum remote_rc key_commitment(const struct remote_quorum_header *header,
                                     const struct remote_secret *key,
                                     unsigned char ret[REMOTE_QUORUM_HASH],
                                     struct remote_error *err)
{
    const struct part parts[] = { { header->container_id, REMOTE_QUORUM_ID },
                                  { key->data, key->len } };

    return hash_parts("key", parts, ARRAY_SIZE(parts), ret, err);
}

enum remote_rc remote_quorum_commit_key(struct remote_quorum_header *header,
                                        const struct remote_secret *key, struct remote_error *err)
{
    return key_commitment(header, key, header->key_commitment, err);
}

static enum remote_rc share_commitment(const struct remote_quorum_header *header,
                                       const struct remote_share *share,
                                       unsigned char ret[REMOTE_QUORUM_HASH],
                                       struct remote_error *err)
{
    const struct part parts[] = { { header->container_id, REMOTE_QUORUM_ID },
                                  { header->run_id, REMOTE_QUORUM_ID },
                                  { &share->x, 1 },
                                  { share->y, sizeof(share->y) } };

    return hash_parts("share", parts, ARRAY_SIZE(parts), ret, err);
}

enum remote_rc remote_quorum_commit_share(const struct remote_quorum_header *header,
                                          struct remote_quorum_entry *entry,
                                          const struct remote_share *share,
                                          struct remote_error *err)
{
    REMOTE_TRY(share_commitment(header, share, entry->commitment, err));
    entry->x = share->x;
    return REMOTE_OK;
}

/* HMAC-SHA-256 under the container key: a key for one purpose, or with it the header's MAC. */
static enum remote_rc mac_parts(struct remote_slice key, const struct part *parts, size_t count,
                                struct remote_buf *ret, struct remote_error *err)
{
    struct remote_secret_key *hmac = NULL;
    struct remote_mac_run run = { 0 };
    enum remote_rc rc = remote_secret_key_new(REMOTE_KEY_GENERIC, key, &hmac, err);

    if (rc == REMOTE_OK)
        rc = remote_mac_init(&run, hmac, REMOTE_HASH_SHA256, err);
    for (size_t i = 0; i < count && rc == REMOTE_OK; i++)
        rc = remote_mac_update(&run, remote_slice(parts[i].data, parts[i].len), err);
    if (rc == REMOTE_OK)
        rc = remote_mac_final(&run, ret, err);
    remote_mac_clear(&run);
    remote_secret_key_unref(hmac);
    return rc;
}

static enum remote_rc derive(const struct remote_quorum_header *header,
                             const struct remote_secret *key, const char *purpose,
                             struct remote_buf *ret, struct remote_error *err)
{
    const struct part parts[] = { { LABEL, strlen(LABEL) },
                                  { purpose, strlen(purpose) },
                                  { header->container_id, REMOTE_QUORUM_ID } };

    return mac_parts(remote_secret_slice(key), parts, ARRAY_SIZE(parts), ret, err);
}

static enum remote_rc header_mac(const struct remote_quorum_header *header,
                                 const struct remote_secret *key, struct remote_slice bytes,
                                 struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac_key = { 0 };
    const struct part part = { bytes.data, bytes.len };

    REMOTE_TRY(derive(header, key, "header", &mac_key, err));
    return mac_parts(remote_buf_slice(&mac_key), &part, 1, ret, err);
}

/* ---- records: what members seal ---- */

void remote_quorum_record(const struct remote_quorum_header *header,
                          const struct remote_share *share, unsigned char ret[REMOTE_QUORUM_RECORD])
{
    unsigned char *at = ret;

    memcpy(at, record_begin, sizeof(record_begin));
    at += sizeof(record_begin);
    *at++ = share->x;
    memcpy(at, header->run_id, REMOTE_QUORUM_ID);
    memcpy(at + REMOTE_QUORUM_ID, share->y, sizeof(share->y));
}

enum remote_rc remote_quorum_share(const struct remote_quorum_header *header,
                                   const struct remote_quorum_entry *entry,
                                   struct remote_slice record, struct remote_share *ret,
                                   struct remote_error *err)
{
    unsigned char commitment[REMOTE_QUORUM_HASH];
    struct remote_share share = { .x = entry->x };
    const unsigned char *at = record.data;
    bool fits = record.len == REMOTE_QUORUM_RECORD &&
                memcmp(at, record_begin, sizeof(record_begin)) == 0 &&
                at[sizeof(record_begin)] == entry->x &&
                memcmp(at + sizeof(record_begin) + 1, header->run_id, REMOTE_QUORUM_ID) == 0;
    enum remote_rc rc;

    if (!fits)
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "opened to something that is no share of this "
                           "container");
    memcpy(share.y, at + REMOTE_QUORUM_RECORD - sizeof(share.y), sizeof(share.y));
    rc = share_commitment(header, &share, commitment, err);
    if (rc == REMOTE_OK && CRYPTO_memcmp(commitment, entry->commitment, sizeof(commitment)) != 0)
        rc = REMOTE_FAIL(err, REMOTE_E_DATA, "opened to another share than the container says");
    if (rc == REMOTE_OK)
        *ret = share;
    OPENSSL_cleanse(&share, sizeof(share));
    return rc;
}

/* ---- writing ---- */

static void append_number(struct remote_buf *buf, uint32_t number, unsigned bytes)
{
    while (bytes-- > 0)
        remote_buf_append_char(buf, (char)(unsigned char)(number >> (8 * bytes)));
}

static void append_entry(struct remote_buf *buf, const struct remote_quorum_entry *entry)
{
    remote_buf_append(buf, entry->id, sizeof(entry->id));
    append_number(buf, entry->x, 1);
    append_number(buf, (uint32_t)entry->how, 1);
    append_number(buf, entry->version, 4);
    remote_buf_append(buf, entry->commitment, sizeof(entry->commitment));
    append_number(buf, (uint32_t)entry->sealed.len, 2);
    remote_buf_append(buf, entry->sealed.data, entry->sealed.len);
}

static size_t size_of(const struct remote_quorum_header *header)
{
    size_t size = FIXED + REMOTE_QUORUM_HASH;

    for (size_t i = 0; i < header->count; i++)
        size += ENTRY + header->entries[i].sealed.len;
    return size;
}

enum remote_rc remote_quorum_write(const struct remote_quorum_header *header,
                                   const struct remote_secret *key, struct remote_buf *ret,
                                   struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };
    size_t begin = ret->len;

    remote_buf_append(ret, MAGIC, strlen(MAGIC));
    append_number(ret, VERSION, 1);
    append_number(ret, (uint32_t)size_of(header), 4);
    remote_buf_append(ret, header->container_id, REMOTE_QUORUM_ID);
    remote_buf_append(ret, header->run_id, REMOTE_QUORUM_ID);
    append_number(ret, header->threshold, 1);
    append_number(ret, (uint32_t)header->count, 1);
    remote_buf_append(ret, header->key_commitment, REMOTE_QUORUM_HASH);
    for (size_t i = 0; i < header->count; i++)
        append_entry(ret, &header->entries[i]);
    REMOTE_TRY(remote_buf_check(ret, err));
    REMOTE_TRY(
        header_mac(header, key, remote_slice(ret->data + begin, ret->len - begin), &mac, err));
    remote_buf_append(ret, mac.data, mac.len);
    return remote_buf_check(ret, err);
}

/* ---- reading ---- */

/* Takes len bytes off the front; false when there are fewer. */
static bool take_copy(struct remote_slice *in, unsigned char *to, size_t len)
{
    struct remote_slice bytes;

    if (!remote_slice_take(in, len, &bytes))
        return false;
    memcpy(to, bytes.data, len);
    return true;
}

static bool take_number(struct remote_slice *in, unsigned bytes, uint32_t *ret)
{
    struct remote_slice digits;
    uint32_t number = 0;

    if (!remote_slice_take(in, bytes, &digits))
        return false;
    for (size_t i = 0; i < digits.len; i++)
        number = number << 8 | digits.data[i];
    *ret = number;
    return true;
}

static bool take_entry(struct remote_slice *in, struct remote_quorum_entry *entry)
{
    uint32_t x, how, version, len;

    if (!take_copy(in, entry->id, sizeof(entry->id)) || !take_number(in, 1, &x) ||
        !take_number(in, 1, &how) || !take_number(in, 4, &version) ||
        !take_copy(in, entry->commitment, sizeof(entry->commitment)) || !take_number(in, 2, &len))
        return false;
    entry->x = (unsigned char)x;
    entry->how = (enum remote_quorum_how)how;
    entry->version = version;
    return x != 0 && how >= REMOTE_QUORUM_AEAD && how <= REMOTE_QUORUM_OAEP_1 &&
           len <= REMOTE_QUORUM_SEALED_MAX && remote_slice_take(in, len, &entry->sealed);
}

/* Two entries of one member would let it answer twice; two of one share, be counted twice. */
static bool entries_differ(const struct remote_quorum_header *header)
{
    for (size_t i = 0; i < header->count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct remote_quorum_entry *a = &header->entries[i], *b = &header->entries[j];

            if (a->x == b->x || memcmp(a->id, b->id, sizeof(a->id)) == 0)
                return false;
        }
    return true;
}

static bool read_fixed(struct remote_slice *in, struct remote_quorum_header *header)
{
    uint32_t threshold, count;

    if (!take_copy(in, header->container_id, REMOTE_QUORUM_ID) ||
        !take_copy(in, header->run_id, REMOTE_QUORUM_ID) || !take_number(in, 1, &threshold) ||
        !take_number(in, 1, &count) || !take_copy(in, header->key_commitment, REMOTE_QUORUM_HASH))
        return false;
    header->threshold = threshold;
    header->count = count;
    return threshold >= 1 && threshold <= count && count <= REMOTE_QUORUM_MEMBERS_MAX;
}

/* in: a header without magic, version and length, and without its MAC. */
static bool read_header(struct remote_slice in, struct remote_quorum_header *header)
{
    if (!read_fixed(&in, header))
        return false;
    for (size_t i = 0; i < header->count; i++)
        if (!take_entry(&in, &header->entries[i]))
            return false;
    return in.len == 0 && entries_differ(header);
}

enum remote_rc remote_quorum_read(struct remote_slice container, struct remote_quorum_header *ret,
                                  struct remote_slice *ret_content, struct remote_error *err)
{
    struct remote_quorum_header header = { 0 };
    struct remote_slice rest = container, magic, body;
    uint32_t version, size;

    if (!remote_slice_take(&rest, strlen(MAGIC), &magic) ||
        memcmp(magic.data, MAGIC, magic.len) != 0)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "not a container of a quorum slot");
    if (!take_number(&rest, 1, &version) || version != VERSION)
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "a quorum container of another version than %d, which this reads",
                           VERSION);
    if (!take_number(&rest, 4, &size) || size < FIXED + REMOTE_QUORUM_HASH ||
        size > container.len ||
        !remote_slice_take(&rest, size - (container.len - rest.len) - REMOTE_QUORUM_HASH, &body) ||
        !remote_slice_take(&rest, REMOTE_QUORUM_HASH, &header.mac) || !read_header(body, &header))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "a quorum container that is truncated or malformed");
    header.authenticated = remote_slice(container.data, size - REMOTE_QUORUM_HASH);
    *ret = header;
    *ret_content = rest;
    return REMOTE_OK;
}

enum remote_rc remote_quorum_check(const struct remote_quorum_header *header,
                                   const struct remote_secret *key, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };
    unsigned char commitment[REMOTE_QUORUM_HASH];

    REMOTE_TRY(key_commitment(header, key, commitment, err));
    REMOTE_TRY(header_mac(header, key, header->authenticated, &mac, err));
    if (CRYPTO_memcmp(commitment, header->key_commitment, sizeof(commitment)) != 0 ||
        !remote_slice_equal_secret(remote_buf_slice(&mac), header->mac))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the quorum container has been tampered with");
    return REMOTE_OK;
}

/* ---- content ---- */

/* Binds the content to its container and key, but not to one splitting: shares may be renewed. */
static void content_aad(const struct remote_quorum_header *header, struct remote_slice aad,
                        struct remote_buf *ret)
{
    remote_buf_append(ret, MAGIC, strlen(MAGIC));
    append_number(ret, VERSION, 1);
    remote_buf_append(ret, header->container_id, REMOTE_QUORUM_ID);
    remote_buf_append(ret, header->key_commitment, REMOTE_QUORUM_HASH);
    remote_buf_append(ret, aad.data, aad.len);
}

static enum remote_rc run_content(const struct remote_quorum_header *header,
                                  const struct remote_secret *key, struct remote_slice nonce,
                                  struct remote_slice in, struct remote_slice aad, bool encrypt,
                                  struct remote_buf *out, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf bound = { 0 };
    CLEANUP(remote_cipher_clear) struct remote_cipher_run run = { 0 };
    struct remote_cipher_params params = { .cipher = REMOTE_CIPHER_AES_GCM,
                                           .iv = nonce,
                                           .tag_len = TAG };
    struct remote_secret_key *aes = NULL;
    enum remote_rc rc = derive(header, key, "content", &value, err);

    content_aad(header, aad, &bound);
    params.aad = remote_buf_slice(&bound);
    if (rc == REMOTE_OK)
        rc = remote_buf_check(&bound, err);
    if (rc == REMOTE_OK)
        rc = remote_secret_key_new(REMOTE_KEY_AES, remote_buf_slice(&value), &aes, err);
    if (rc == REMOTE_OK)
        rc = remote_cipher_init(&run, aes, &params, encrypt, err);
    if (rc == REMOTE_OK)
        rc = remote_cipher_update(&run, in, out, err);
    if (rc == REMOTE_OK)
        rc = remote_cipher_final(&run, out, err);
    remote_secret_key_unref(aes);
    return rc;
}

enum remote_rc remote_quorum_seal(const struct remote_quorum_header *header,
                                  const struct remote_secret *key, struct remote_slice plain,
                                  struct remote_slice aad, struct remote_buf *ret,
                                  struct remote_error *err)
{
    unsigned char nonce[NONCE];

    REMOTE_TRY(remote_local_random(nonce, sizeof(nonce), err));
    remote_buf_append(ret, nonce, sizeof(nonce));
    return run_content(header, key, remote_slice(nonce, sizeof(nonce)), plain, aad, true, ret, err);
}

enum remote_rc remote_quorum_open(const struct remote_quorum_header *header,
                                  const struct remote_secret *key, struct remote_slice content,
                                  struct remote_slice aad, struct remote_buf *ret_plain,
                                  struct remote_error *err)
{
    struct remote_slice nonce;

    if (content.len < NONCE + TAG || !remote_slice_take(&content, NONCE, &nonce))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "a quorum container that is truncated or malformed");
    return run_content(header, key, nonce, content, aad, false, ret_plain, err);
}

size_t remote_quorum_header_size(size_t members, size_t sealed)
{
    return FIXED + members * (ENTRY + sealed) + REMOTE_QUORUM_HASH;
}

size_t remote_quorum_content_size(size_t plain)
{
    return NONCE + plain + TAG;
}
