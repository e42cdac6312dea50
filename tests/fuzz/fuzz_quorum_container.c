/* SPDX-License-Identifier: Apache-2.0 */
/* A quorum's container: a header that holds together, and within the bytes; or one line why not. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_guard.h"
#include "quorum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool within(struct remote_slice part, const uint8_t *data, size_t size)
{
    return part.len == 0 || (part.data >= data && part.data + part.len <= data + size);
}

static void check_entries(const struct remote_quorum_header *header, const uint8_t *data,
                          size_t size)
{
    for (size_t i = 0; i < header->count; i++) {
        const struct remote_quorum_entry *entry = &header->entries[i];

        must(entry->x != 0 && entry->sealed.len <= REMOTE_QUORUM_SEALED_MAX);
        must(entry->how >= REMOTE_QUORUM_AEAD && entry->how <= REMOTE_QUORUM_OAEP_1);
        must(within(entry->sealed, data, size));
        for (size_t j = 0; j < i; j++)
            must(header->entries[j].x != entry->x &&
                 memcmp(header->entries[j].id, entry->id, REMOTE_QUORUM_ID) != 0);
    }
}

/* As if members had opened what is there: nothing may be taken for a share, or for the key. */
static void try_records(const struct remote_quorum_header *header, struct remote_slice content)
{
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    for (size_t i = 0; i < header->count; i++) {
        struct remote_share share = { 0 };
        enum remote_rc rc = remote_quorum_share(header, &header->entries[i],
                                                header->entries[i].sealed, &share, &err);

        must(rc == REMOTE_E_DATA || (rc == REMOTE_OK && share.x == header->entries[i].x));
    }
    must(remote_secret_set(&key, NULL, REMOTE_QUORUM_KEY, &err) == REMOTE_OK);
    must(remote_quorum_check(header, &key, &err) == REMOTE_E_DATA);
    must(remote_quorum_open(header, &key, content, remote_slice_str(""), &plain, &err) ==
         REMOTE_E_DATA);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct remote_quorum_header header = { 0 };
    struct remote_slice content = { 0 };
    struct remote_error err = { 0 };

    fuzz_enter_guard();
    if (remote_quorum_read(remote_slice(data, size), &header, &content, &err) != REMOTE_OK) {
        must(err.rc == REMOTE_E_DATA && err.text[0] != '\0' && header.count == 0);
        return 0;
    }
    must(header.threshold >= 1 && header.threshold <= header.count &&
         header.count <= REMOTE_QUORUM_MEMBERS_MAX);
    must(within(content, data, size) && within(header.mac, data, size) &&
         within(header.authenticated, data, size));
    check_entries(&header, data, size);
    try_records(&header, content);
    return 0;
}
