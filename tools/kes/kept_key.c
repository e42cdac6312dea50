/* SPDX-License-Identifier: Apache-2.0 */
#include "kept_key.h"

#include <stdlib.h>
#include <string.h>

#define CELL (2 * KESD_KEY_LEN)
#define CELLS 63 /* a secret's NUL takes the place of the 64th in a page of 4 KiB */

_Static_assert(KESD_KEY_LEN == KES_KEY_LEN && KESD_IDENTITY_LEN == KES_IDENTITY_LEN,
               "what is read is what is kept");

struct page {
    struct remote_secret bytes;
    uint64_t taken; /* bits */
    struct page *next;
};

struct kesd_key_room {
    struct remote_lock lock;
    struct page *pages;
};

enum remote_rc kesd_key_room_new(struct kesd_key_room **ret, struct remote_error *err)
{
    struct kesd_key_room *room = calloc(1, sizeof(*room));

    if (room == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    /* Behind the cache's own locks: keys come and go while one of those is held. */
    remote_lock_init(&room->lock, REMOTE_LOCK_POOL);
    *ret = room;
    return REMOTE_OK;
}

void kesd_key_room_free(struct kesd_key_room *room)
{
    if (room == NULL)
        return;
    while (room->pages != NULL) {
        struct page *page = room->pages;

        room->pages = page->next;
        remote_secret_clear(&page->bytes);
        free(page);
    }
    remote_lock_destroy(&room->lock);
    free(room);
}

/* ---- cells; the room's lock is held ---- */

static bool has_cell(const struct page *page)
{
    return page->taken != (UINT64_C(1) << CELLS) - 1;
}

static struct page *add_page(struct kesd_key_room *room)
{
    struct page *page = calloc(1, sizeof(*page));

    if (page == NULL || remote_secret_set(&page->bytes, NULL, CELLS * CELL, NULL) != REMOTE_OK) {
        free(page);
        return NULL;
    }
    page->next = room->pages;
    room->pages = page;
    return page;
}

static unsigned char *take_cell(struct kesd_key_room *room)
{
    struct page *page = room->pages;
    unsigned at;

    while (page != NULL && !has_cell(page))
        page = page->next;
    if (page == NULL)
        page = add_page(room);
    if (page == NULL)
        return NULL;
    at = (unsigned)__builtin_ctzll(~page->taken);
    page->taken |= UINT64_C(1) << at;
    return page->bytes.data + (size_t)at * CELL;
}

static void give_cell(struct kesd_key_room *room, unsigned char *cell)
{
    struct page *page = room->pages;

    explicit_bzero(cell, CELL);
    while (cell < page->bytes.data || cell >= page->bytes.data + CELLS * CELL)
        page = page->next;
    page->taken &= ~(UINT64_C(1) << (size_t)(cell - page->bytes.data) / CELL);
}

/* ---- keys ---- */

static void fill(struct kesd_kept_key *key, const struct kes_stored *stored)
{
    memcpy(key->bytes, stored->cipher.data, KESD_KEY_LEN);
    key->has_hmac = stored->mac.len == KESD_KEY_LEN;
    if (key->has_hmac)
        memcpy(key->bytes + KESD_KEY_LEN, stored->mac.data, KESD_KEY_LEN);
    key->info.algorithm = stored->type == REMOTE_KEY_CHACHA20 ? KESD_CHACHA20 : KESD_AES256;
    key->info.created_s = stored->created;
    key->info.created_ns = stored->created_ns;
    memcpy(key->info.created_by, stored->created_by, sizeof(key->info.created_by));
}

enum remote_rc kesd_kept_key_new(struct kesd_key_room *room, const struct kes_stored *stored,
                                 struct kesd_kept_key **ret, struct remote_error *err)
{
    struct kesd_kept_key *key = calloc(1, sizeof(*key));

    if (key == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    remote_lock_acquire(&room->lock);
    key->bytes = take_cell(room);
    remote_lock_release(&room->lock);
    if (key->bytes == NULL) {
        free(key);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    atomic_init(&key->refs, 1);
    key->room = room;
    fill(key, stored);
    *ret = key;
    return REMOTE_OK;
}

void kesd_kept_key_unref(struct kesd_kept_key *key)
{
    struct kesd_key_room *room;

    if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    room = key->room;
    remote_lock_acquire(&room->lock);
    give_cell(room, key->bytes);
    remote_lock_release(&room->lock);
    free(key);
}
