/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container of a quorum slot: a random container key, split over the slot's members, and
 * content that is sealed under it. docs/quorum.md describes it byte by byte; all numbers are
 * big-endian, all lengths in bytes.
 *
 * What reads a container trusts none of it: threshold and members come from the slot, and the
 * caller compares. The functions here are pure; those that compute run inside the guard.
 */
#ifndef REMOTE_QUORUM_H
#define REMOTE_QUORUM_H

#include "remote/buf.h"
#include "shamir.h"

#define REMOTE_QUORUM_MEMBERS_MAX 32
#define REMOTE_QUORUM_SEALED_MAX 4096 /* one member's sealed share */
#define REMOTE_QUORUM_ID 16
#define REMOTE_QUORUM_HASH 32
#define REMOTE_QUORUM_RECORD 54 /* what a member seals: a share and what it belongs to */
#define REMOTE_QUORUM_KEY REMOTE_SHAMIR_SECRET

enum remote_quorum_how { /* how a member sealed its share; the values are the container's */
                         REMOTE_QUORUM_AEAD = 1,     /* the service's own sealed bytes */
                         REMOTE_QUORUM_AES_GCM = 2,  /* nonce, ciphertext, tag */
                         REMOTE_QUORUM_OAEP_256 = 3, /* RSA OAEP, hash and mask SHA-256, no label */
                         REMOTE_QUORUM_OAEP_1 =
                             4 /* the same with SHA-1, for HSMs that have no other */
};

struct remote_quorum_entry { /* one member's part */
    unsigned char id[REMOTE_QUORUM_ID];
    unsigned char x; /* of its share */
    enum remote_quorum_how how;
    unsigned version;                             /* of the member's key that sealed it */
    unsigned char commitment[REMOTE_QUORUM_HASH]; /* to the share */
    struct remote_slice sealed;                   /* empty: the member did not answer then */
};

struct remote_quorum_header {                     /* slices point into the bytes that were read */
    unsigned char container_id[REMOTE_QUORUM_ID]; /* stays when shares are made anew */
    unsigned char run_id[REMOTE_QUORUM_ID];       /* of this splitting */
    unsigned threshold;
    size_t count;
    struct remote_quorum_entry entries[REMOTE_QUORUM_MEMBERS_MAX];
    unsigned char key_commitment[REMOTE_QUORUM_HASH];
    /* set by reading */
    struct remote_slice authenticated; /* what the MAC is over */
    struct remote_slice mac;
};

/* The stable id of a member: SHA-256 of "hsmbridge quorum v1 member", slot, NUL and key, cut. */
enum remote_rc remote_quorum_member_id(const char *slot, const char *key,
                                       unsigned char ret[REMOTE_QUORUM_ID],
                                       struct remote_error *err) REMOTE_MUST_CHECK;

/* Fills key_commitment; container_id is set. */
enum remote_rc remote_quorum_commit_key(struct remote_quorum_header *header,
                                        const struct remote_secret *key, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Fills an entry's x and commitment; container_id and run_id are set. */
enum remote_rc remote_quorum_commit_share(const struct remote_quorum_header *header,
                                          struct remote_quorum_entry *entry,
                                          const struct remote_share *share,
                                          struct remote_error *err) REMOTE_MUST_CHECK;

/* What the member seals. */
void remote_quorum_record(const struct remote_quorum_header *header,
                          const struct remote_share *share,
                          unsigned char ret[REMOTE_QUORUM_RECORD]);
/*
 * The share in what a member opened. REMOTE_E_DATA: not a share of this run for this entry, or
 * another share than was committed to.
 */
enum remote_rc remote_quorum_share(const struct remote_quorum_header *header,
                                   const struct remote_quorum_entry *entry,
                                   struct remote_slice record, struct remote_share *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;

/* Appends the header with its MAC. */
enum remote_rc remote_quorum_write(const struct remote_quorum_header *header,
                                   const struct remote_secret *key, struct remote_buf *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * Takes a container apart. REMOTE_E_DATA: not one, of another version, truncated, or with counts,
 * lengths, ids or shares that cannot be. Nothing is authenticated by that.
 */
enum remote_rc remote_quorum_read(struct remote_slice container, struct remote_quorum_header *ret,
                                  struct remote_slice *ret_content, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* REMOTE_E_DATA: not the key that the header commits to, or the header was changed. */
enum remote_rc remote_quorum_check(const struct remote_quorum_header *header,
                                   const struct remote_secret *key, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* Appends the sealed content: nonce, ciphertext, tag. aad: the caller's. */
enum remote_rc remote_quorum_seal(const struct remote_quorum_header *header,
                                  const struct remote_secret *key, struct remote_slice plain,
                                  struct remote_slice aad, struct remote_buf *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
/* REMOTE_E_DATA: it does not open. The header was checked before. */
enum remote_rc remote_quorum_open(const struct remote_quorum_header *header,
                                  const struct remote_secret *key, struct remote_slice content,
                                  struct remote_slice aad, struct remote_buf *ret_plain,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

/* Bytes of a header with so many members that sealed so much each, and of content. */
size_t remote_quorum_header_size(size_t members, size_t sealed);
size_t remote_quorum_content_size(size_t plain);

#endif
