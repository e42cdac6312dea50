/* SPDX-License-Identifier: Apache-2.0 */
/* Containers made and opened by the members of a slot; quorum.h has their bytes. */
#include <string.h>

#include "quorum_slot.h"
#include "remote/local/local.h"
#include "remote/log.h"
#include "remote/slot_private.h"

/* ---- sealing ---- */

static enum remote_rc split(const struct quorum *quorum, const struct remote_quorum_header *header,
                            const struct remote_secret *key, struct quorum_fan *fan,
                            struct remote_quorum_entry *entries, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret random = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret memory = { 0 };
    struct remote_share *shares;

    REMOTE_TRY(
        remote_secret_set(&random, NULL, (size_t)quorum->threshold * REMOTE_SHAMIR_SECRET, err));
    REMOTE_TRY(remote_local_random(random.data, random.len, err));
    REMOTE_TRY(remote_secret_set(&memory, NULL, quorum->present * sizeof(*shares), err));
    shares = (struct remote_share *)(void *)memory.data;
    for (size_t i = 0; i < quorum->present; i++)
        shares[i].x = (unsigned char)(i + 1);
    remote_shamir_split(key->data, quorum->threshold, random.data, shares, quorum->present);
    for (size_t i = 0; i < quorum->present; i++) {
        struct quorum_part *part = quorum_fan_add(fan, &quorum->members[i]);

        memcpy(entries[i].id, quorum->members[i].id, REMOTE_QUORUM_ID);
        REMOTE_TRY(remote_quorum_commit_share(header, &entries[i], &shares[i], err));
        remote_quorum_record(header, &shares[i], part->record);
    }
    return REMOTE_OK;
}

/* A member that did not answer keeps its place in the header: re-wrapping fills it. */
static void fill_entries(const struct quorum *quorum, const struct quorum_fan *fan,
                         struct remote_quorum_header *header)
{
    for (size_t i = 0; i < fan->count; i++) {
        const struct quorum_part *part = &fan->parts[i];
        struct remote_quorum_entry *entry = &header->entries[i];

        entry->how = part->done ? part->how : REMOTE_QUORUM_AEAD;
        entry->version = part->done ? part->key->version : 0;
        entry->sealed = part->done ? remote_buf_slice(&part->item.out) : (struct remote_slice){ 0 };
    }
    if (fan->done == fan->count)
        return;
    atomic_fetch_add_explicit(&quorum->base.slot->counters.missing_shares, fan->count - fan->done,
                              memory_order_relaxed);
    remote_log(REMOTE_LOG_WARNING,
               "slot '%s': sealed with %zu of %zu members; `hsmbridge quorum rewrap` fills in "
               "the others",
               quorum->base.slot->name, fan->done, fan->count);
}

/* Appends a header of a new splitting of `key` among the present members. */
static enum remote_rc write_header(const struct quorum *quorum, struct remote_quorum_header *header,
                                   const struct remote_secret *key, int64_t deadline_ms,
                                   struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(quorum_fan_free) struct remote_secret memory = { 0 };
    struct quorum_fan *fan = NULL;

    header->threshold = quorum->threshold;
    header->count = quorum->present;
    REMOTE_TRY(remote_local_random(header->run_id, sizeof(header->run_id), err));
    REMOTE_TRY(quorum_fan_new(quorum, QUORUM_FAN_SEAL, header, quorum->present, deadline_ms,
                              &memory, &fan, err));
    fan->needed = quorum->wrap_min;
    REMOTE_TRY(split(quorum, header, key, fan, header->entries, err));
    REMOTE_TRY(quorum_fan_run(fan, err));
    fill_entries(quorum, fan, header);
    return remote_quorum_write(header, key, ret, err);
}

enum remote_rc quorum_seal(const struct quorum *quorum, struct remote_slice plain,
                           struct remote_slice aad, int64_t deadline_ms, struct remote_buf *ret,
                           struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };
    struct remote_quorum_header header = { 0 };

    if (plain.len > QUORUM_PLAIN_MAX)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes to seal where at most %u fit",
                           plain.len, QUORUM_PLAIN_MAX);
    REMOTE_TRY(remote_secret_set(&key, NULL, REMOTE_QUORUM_KEY, err));
    REMOTE_TRY(remote_local_random(key.data, key.len, err));
    REMOTE_TRY(remote_local_random(header.container_id, sizeof(header.container_id), err));
    REMOTE_TRY(remote_quorum_commit_key(&header, &key, err));
    REMOTE_TRY(write_header(quorum, &header, &key, deadline_ms, ret, err));
    return remote_quorum_seal(&header, &key, plain, aad, ret, err);
}

/* ---- opening ---- */

static struct quorum_member *find_member(const struct quorum *quorum,
                                         const unsigned char id[REMOTE_QUORUM_ID])
{
    for (size_t i = 0; i < quorum->count; i++)
        if (memcmp(quorum->members[i].id, id, REMOTE_QUORUM_ID) == 0)
            return &quorum->members[i];
    return NULL;
}

/* Two keys of one slot would let one service answer twice. */
static enum remote_rc check_member(const struct quorum *quorum, const struct quorum_fan *fan,
                                   const struct quorum_member *member, struct remote_error *err)
{
    if (member == NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "the container names a member that slot '%s' does not have, neither in "
                           "'members' nor in 'retired'",
                           quorum->base.slot->name);
    for (size_t i = 0; i < fan->count; i++)
        if (strcmp(fan->parts[i].member->slot, member->slot) == 0)
            return REMOTE_FAIL(err, REMOTE_E_DATA, "the container names two keys of slot '%s'",
                               member->slot);
    return REMOTE_OK;
}

/* Threshold and members are the slot's; a container may ask for more, never for less. */
static enum remote_rc add_parts(const struct quorum *quorum,
                                const struct remote_quorum_header *header, struct quorum_fan *fan,
                                struct remote_error *err)
{
    if (header->threshold < quorum->threshold)
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "the container was made for %u members, slot '%s' demands %u",
                           header->threshold, quorum->base.slot->name, quorum->threshold);
    fan->needed = header->threshold;
    for (size_t i = 0; i < header->count; i++) {
        const struct remote_quorum_entry *entry = &header->entries[i];
        struct quorum_member *member = find_member(quorum, entry->id);

        REMOTE_TRY(check_member(quorum, fan, member, err));
        if (entry->sealed.len > 0)
            quorum_fan_add(fan, member)->entry = entry;
    }
    return REMOTE_OK;
}

static enum remote_rc combine(const struct quorum_fan *fan, struct remote_secret *ret_key,
                              struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret memory = { 0 };
    struct remote_share *shares;
    size_t count = 0;

    REMOTE_TRY(remote_secret_set(&memory, NULL, fan->needed * sizeof(*shares), err));
    REMOTE_TRY(remote_secret_set(ret_key, NULL, REMOTE_QUORUM_KEY, err));
    shares = (struct remote_share *)(void *)memory.data;
    for (size_t i = 0; i < fan->count && count < fan->needed; i++)
        if (fan->parts[i].done)
            shares[count++] = fan->parts[i].share;
    remote_shamir_combine(shares, count, ret_key->data);
    return REMOTE_OK;
}

/* The container key, once everything in the header has proved to belong to it. */
static enum remote_rc recover(const struct quorum *quorum,
                              const struct remote_quorum_header *header, int64_t deadline_ms,
                              struct remote_secret *ret_key, struct remote_error *err)
{
    CLEANUP(quorum_fan_free) struct remote_secret memory = { 0 };
    struct quorum_fan *fan = NULL;

    REMOTE_TRY(quorum_fan_new(quorum, QUORUM_FAN_OPEN, header, header->count, deadline_ms, &memory,
                              &fan, err));
    REMOTE_TRY(add_parts(quorum, header, fan, err));
    REMOTE_TRY(quorum_fan_run(fan, err));
    REMOTE_TRY(combine(fan, ret_key, err));
    return remote_quorum_check(header, ret_key, err);
}

enum remote_rc quorum_open_container(const struct quorum *quorum, struct remote_slice container,
                                     struct remote_slice aad, int64_t deadline_ms,
                                     struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };
    struct remote_quorum_header header;
    struct remote_slice content;

    REMOTE_TRY(remote_quorum_read(container, &header, &content, err));
    REMOTE_TRY(recover(quorum, &header, deadline_ms, &key, err));
    return remote_quorum_open(&header, &key, content, aad, ret, err);
}

enum remote_rc quorum_rewrap(const struct quorum *quorum, struct remote_slice container,
                             int64_t deadline_ms, struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };
    struct remote_quorum_header header;
    struct remote_slice content;

    REMOTE_TRY(remote_quorum_read(container, &header, &content, err));
    REMOTE_TRY(recover(quorum, &header, deadline_ms, &key, err));
    REMOTE_TRY(write_header(quorum, &header, &key, deadline_ms, ret, err));
    remote_buf_append(ret, content.data, content.len);
    return remote_buf_check(ret, err);
}
