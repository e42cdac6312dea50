/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a container: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "in_guard.h"
#include "local.h"
#include "quorum.h"

#define MEMBERS 5
#define TRIPS 10000 /* with those of test_shamir.c 100,000 */

/* A container with its members' parts in clear: what a member does is not the subject here. */
struct made {
    struct remote_secret key;
    struct remote_share shares[REMOTE_QUORUM_MEMBERS_MAX];
    unsigned char records[REMOTE_QUORUM_MEMBERS_MAX][REMOTE_QUORUM_RECORD];
    struct remote_quorum_header header;
    struct remote_buf bytes;
    size_t header_len;
};

static void random_bytes(void *ret, size_t len)
{
    struct remote_error err = { 0 };

    assert_int_equal(remote_local_random(ret, len, &err), REMOTE_OK);
}

static void make_shares(struct made *made, unsigned threshold, size_t count)
{
    unsigned char random[REMOTE_QUORUM_MEMBERS_MAX * REMOTE_SHAMIR_SECRET];
    struct remote_quorum_header *header = &made->header;
    struct remote_error err = { 0 };

    random_bytes(random, sizeof(random));
    random_bytes(header->run_id, sizeof(header->run_id));
    header->threshold = threshold;
    header->count = count;
    for (size_t i = 0; i < count; i++)
        made->shares[i].x = (unsigned char)(i + 1);
    remote_shamir_split(made->key.data, threshold, random, made->shares, count);
    for (size_t i = 0; i < count; i++) {
        struct remote_quorum_entry *entry = &header->entries[i];
        char name[8] = { 'k', (char)('a' + (char)i), '\0' };

        assert_int_equal(remote_quorum_member_id("slot", name, entry->id, &err), REMOTE_OK);
        assert_int_equal(remote_quorum_commit_share(header, entry, &made->shares[i], &err),
                         REMOTE_OK);
        remote_quorum_record(header, &made->shares[i], made->records[i]);
        entry->how = REMOTE_QUORUM_AEAD;
        entry->version = (unsigned)i;
        entry->sealed = remote_slice(made->records[i], REMOTE_QUORUM_RECORD);
    }
}

static void write_all(struct made *made, struct remote_slice plain, struct remote_slice aad)
{
    struct remote_error err = { 0 };

    remote_buf_clear(&made->bytes);
    assert_int_equal(remote_quorum_write(&made->header, &made->key, &made->bytes, &err), REMOTE_OK);
    made->header_len = made->bytes.len;
    assert_int_equal(remote_quorum_seal(&made->header, &made->key, plain, aad, &made->bytes, &err),
                     REMOTE_OK);
}

static void make(struct made *made, unsigned threshold, size_t count, struct remote_slice plain,
                 struct remote_slice aad)
{
    struct remote_error err = { 0 };

    memset(made, 0, sizeof(*made));
    assert_int_equal(remote_secret_set(&made->key, NULL, REMOTE_QUORUM_KEY, &err), REMOTE_OK);
    random_bytes(made->key.data, made->key.len);
    random_bytes(made->header.container_id, sizeof(made->header.container_id));
    assert_int_equal(remote_quorum_commit_key(&made->header, &made->key, &err), REMOTE_OK);
    make_shares(made, threshold, count);
    write_all(made, plain, aad);
}

static void make_plain(struct made *made)
{
    make(made, 3, MEMBERS, remote_slice_str("content"), remote_slice_str("aad"));
}

static void unmake(struct made *made)
{
    remote_secret_clear(&made->key);
    remote_buf_clear(&made->bytes);
}

/* As the slot does it, by the members from `first` on. */
static enum remote_rc open_with(struct remote_slice bytes, size_t first, struct remote_slice aad,
                                struct remote_buf *ret)
{
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };
    struct remote_quorum_header header;
    struct remote_share shares[REMOTE_QUORUM_MEMBERS_MAX];
    struct remote_slice content;
    struct remote_error err = { 0 };

    REMOTE_TRY(remote_quorum_read(bytes, &header, &content, &err));
    for (size_t i = 0; i < header.threshold; i++) {
        const struct remote_quorum_entry *entry = &header.entries[(first + i) % header.count];

        REMOTE_TRY(remote_quorum_share(&header, entry, entry->sealed, &shares[i], &err));
    }
    REMOTE_TRY(remote_secret_set(&key, NULL, REMOTE_QUORUM_KEY, &err));
    remote_shamir_combine(shares, header.threshold, key.data);
    REMOTE_TRY(remote_quorum_check(&header, &key, &err));
    return remote_quorum_open(&header, &key, content, aad, ret, &err);
}

static enum remote_rc open_plain(const struct remote_buf *bytes)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    enum remote_rc rc = open_with(remote_buf_slice(bytes), 0, remote_slice_str("aad"), &plain);

    if (rc == REMOTE_OK)
        assert_memory_equal(plain.data, "content", 7);
    return rc;
}

/* ---- round trips ---- */

static void round_trip(unsigned round)
{
    static unsigned char plain[5000], aad[64];
    CLEANUP(remote_buf_clear) struct remote_buf found = { 0 };
    struct made made;
    unsigned char dice[8];
    size_t count, len, aad_len;

    random_bytes(dice, sizeof(dice));
    count = 1 + dice[0] % (round % 50 == 0 ? REMOTE_QUORUM_MEMBERS_MAX : 4u);
    len = round % 50 == 0 ? (size_t)dice[2] * 19 + dice[3] % 19 : dice[2] % 70u;
    aad_len = dice[4] % (sizeof(aad) + 1);
    random_bytes(plain, len);
    random_bytes(aad, aad_len);
    make(&made, 1 + dice[1] % (unsigned)count, count, remote_slice(plain, len),
         remote_slice(aad, aad_len));
    assert_int_equal(made.bytes.len - made.header_len, remote_quorum_content_size(len));
    assert_int_equal(made.header_len, remote_quorum_header_size(count, REMOTE_QUORUM_RECORD));
    assert_int_equal(open_with(remote_buf_slice(&made.bytes), dice[5], remote_slice(aad, aad_len),
                               &found),
                     REMOTE_OK);
    assert_int_equal(found.len, len);
    if (len > 0)
        assert_memory_equal(found.data, plain, len);
    unmake(&made);
}

static void test_open_when_k_n_and_sizes_are_random_then_the_content(void **state)
{
    (void)state;
    for (unsigned round = 0; round < TRIPS; round++)
        round_trip(round);
}

/* ---- what is no container ---- */

static void test_read_when_truncated_at_any_byte_then_refused(void **state)
{
    struct made made;

    (void)state;
    make_plain(&made);
    assert_int_equal(open_plain(&made.bytes), REMOTE_OK);
    for (size_t len = 0; len < made.bytes.len; len++) {
        unsigned char *cut = malloc(len > 0 ? len : 1); /* a sanitizer sees a read behind it */
        CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };

        memcpy(cut, made.bytes.data, len);
        assert_int_equal(open_with(remote_slice(cut, len), 0, remote_slice_str("aad"), &plain),
                         REMOTE_E_DATA);
        assert_int_equal(plain.len, 0);
        free(cut);
    }
    unmake(&made);
}

static void test_open_when_any_bit_is_flipped_then_refused(void **state)
{
    struct made made;

    (void)state;
    make_plain(&made);
    for (size_t bit = 0; bit < made.bytes.len * 8; bit++) {
        made.bytes.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (open_plain(&made.bytes) != REMOTE_E_DATA)
            fail_msg("bit %zu of %zu does not matter", bit, made.bytes.len * 8);
        made.bytes.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_int_equal(open_plain(&made.bytes), REMOTE_OK);
    unmake(&made);
}

static void test_open_when_bytes_are_added_then_refused(void **state)
{
    struct made made;

    (void)state;
    make_plain(&made);
    remote_buf_append_char(&made.bytes, '\0');
    assert_int_equal(open_plain(&made.bytes), REMOTE_E_DATA);
    unmake(&made);
}

static void assert_read_says(struct remote_buf *bytes, const char *what)
{
    struct remote_quorum_header header;
    struct remote_slice content;
    struct remote_error err = { 0 };

    assert_int_equal(remote_quorum_read(remote_buf_slice(bytes), &header, &content, &err),
                     REMOTE_E_DATA);
    if (strstr(err.text, what) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, what);
}

static void test_read_when_of_another_version_then_says_so(void **state)
{
    struct made made;

    (void)state;
    make_plain(&made);
    made.bytes.data[7] = 2;
    assert_read_says(&made.bytes, "of another version than 1");
    made.bytes.data[0] = 'h';
    assert_read_says(&made.bytes, "not a container of a quorum slot");
    unmake(&made);
}

/* Counts, numbers and lengths that cannot be, in a header that is otherwise well authenticated. */
static void assert_header_refused(void (*change)(struct remote_quorum_header *header))
{
    struct made made;

    make_plain(&made);
    change(&made.header);
    write_all(&made, remote_slice_str("content"), remote_slice_str("aad"));
    assert_read_says(&made.bytes, "truncated or malformed");
    unmake(&made);
}

static void no_threshold(struct remote_quorum_header *header)
{
    header->threshold = 0;
}

static void threshold_above_count(struct remote_quorum_header *header)
{
    header->threshold = MEMBERS + 1;
}

static void no_members(struct remote_quorum_header *header)
{
    header->threshold = 1;
    header->count = 0;
}

static void x_is_zero(struct remote_quorum_header *header)
{
    header->entries[2].x = 0; /* there the polynomial is the key itself */
}

static void x_twice(struct remote_quorum_header *header)
{
    header->entries[2].x = header->entries[4].x;
}

static void member_twice(struct remote_quorum_header *header)
{
    memcpy(header->entries[2].id, header->entries[0].id, REMOTE_QUORUM_ID);
}

static void how_unknown(struct remote_quorum_header *header)
{
    header->entries[1].how = (enum remote_quorum_how)5;
}

static void how_none(struct remote_quorum_header *header)
{
    header->entries[1].how = (enum remote_quorum_how)0;
}

static void sealed_too_long(struct remote_quorum_header *header)
{
    static unsigned char much[REMOTE_QUORUM_SEALED_MAX + 1];

    header->entries[1].sealed = remote_slice(much, sizeof(much));
}

static void test_read_when_header_cannot_be_then_refused(void **state)
{
    (void)state;
    assert_header_refused(no_threshold);
    assert_header_refused(threshold_above_count);
    assert_header_refused(no_members);
    assert_header_refused(x_is_zero);
    assert_header_refused(x_twice);
    assert_header_refused(member_twice);
    assert_header_refused(how_unknown);
    assert_header_refused(how_none);
    assert_header_refused(sealed_too_long);
}

static void test_read_when_members_are_too_many_then_refused(void **state)
{
    struct made made;

    (void)state;
    make(&made, 1, REMOTE_QUORUM_MEMBERS_MAX, remote_slice_str(""), remote_slice_str(""));
    made.bytes.data[45] = REMOTE_QUORUM_MEMBERS_MAX + 1; /* docs/quorum.md */
    assert_read_says(&made.bytes, "truncated or malformed");
    unmake(&made);
}

/* ---- mixtures: each half is genuine ---- */

static void test_open_when_parts_are_reordered_then_refused(void **state)
{
    struct made made;
    unsigned char part[56 + REMOTE_QUORUM_RECORD];
    unsigned char *first, *second;

    (void)state;
    make_plain(&made);
    first = made.bytes.data + 78;
    second = first + sizeof(part);
    memcpy(part, first, sizeof(part));
    memcpy(first, second, sizeof(part));
    memcpy(second, part, sizeof(part));
    assert_int_equal(open_plain(&made.bytes), REMOTE_E_DATA);
    unmake(&made);
}

static void test_open_when_parts_of_two_containers_are_mixed_then_refused(void **state)
{
    struct made one, two;
    const size_t size = 56 + REMOTE_QUORUM_RECORD;

    (void)state;
    make_plain(&one);
    make_plain(&two);
    assert_int_equal(one.bytes.len, two.bytes.len);
    for (size_t i = 0; i < MEMBERS; i++) {
        unsigned char kept[56 + REMOTE_QUORUM_RECORD];

        memcpy(kept, one.bytes.data + 78 + i * size, size);
        memcpy(one.bytes.data + 78 + i * size, two.bytes.data + 78 + i * size, size);
        for (size_t first = 0; first < MEMBERS; first++) {
            CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };

            assert_int_equal(open_with(remote_buf_slice(&one.bytes), first, remote_slice_str("aad"),
                                       &plain),
                             REMOTE_E_DATA);
        }
        memcpy(one.bytes.data + 78 + i * size, kept, size);
    }
    unmake(&one);
    unmake(&two);
}

static void test_open_when_content_is_of_another_container_then_refused(void **state)
{
    struct made one, two;

    (void)state;
    make_plain(&one);
    make_plain(&two);
    memcpy(one.bytes.data + one.header_len, two.bytes.data + two.header_len,
           two.bytes.len - two.header_len);
    assert_int_equal(open_plain(&one.bytes), REMOTE_E_DATA);
    unmake(&one);
    unmake(&two);
}

static void test_open_when_split_anew_then_the_old_content_opens(void **state)
{
    struct made made;
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    make_plain(&made);
    make_shares(&made, 2, 3);
    assert_int_equal(remote_quorum_write(&made.header, &made.key, &fresh, &err), REMOTE_OK);
    remote_buf_append(&fresh, made.bytes.data + made.header_len, made.bytes.len - made.header_len);
    assert_int_equal(open_plain(&fresh), REMOTE_OK);
    unmake(&made);
}

/* A member that kept its record of an earlier splitting, or of another container. */
static void test_share_when_of_another_run_then_refused(void **state)
{
    struct made made;
    unsigned char old[REMOTE_QUORUM_RECORD];
    struct remote_share share = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    make_plain(&made);
    memcpy(old, made.records[0], sizeof(old));
    make_shares(&made, 3, MEMBERS);
    assert_int_equal(remote_quorum_share(&made.header, &made.header.entries[0],
                                         remote_slice(old, sizeof(old)), &share, &err),
                     REMOTE_E_DATA);
    assert_non_null(strstr(err.text, "no share of this container"));
    assert_int_equal(share.x, 0);
    unmake(&made);
}

static void test_share_when_any_bit_is_a_lie_then_refused(void **state)
{
    struct made made;

    (void)state;
    make_plain(&made);
    for (size_t bit = 0; bit < 8 * REMOTE_QUORUM_RECORD; bit++) {
        struct remote_share share = { 0 };
        struct remote_error err = { 0 };

        made.records[0][bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(remote_quorum_share(&made.header, &made.header.entries[0],
                                             made.header.entries[0].sealed, &share, &err),
                         REMOTE_E_DATA);
        made.records[0][bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    unmake(&made);
}

static void test_member_id_when_slot_and_key_meet_elsewhere_then_differs(void **state)
{
    unsigned char one[REMOTE_QUORUM_ID], two[REMOTE_QUORUM_ID];
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_quorum_member_id("ab", "c", one, &err), REMOTE_OK);
    assert_int_equal(remote_quorum_member_id("a", "bc", two, &err), REMOTE_OK);
    assert_memory_not_equal(one, two, sizeof(one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_when_k_n_and_sizes_are_random_then_the_content),
        cmocka_unit_test(test_read_when_truncated_at_any_byte_then_refused),
        cmocka_unit_test(test_open_when_any_bit_is_flipped_then_refused),
        cmocka_unit_test(test_open_when_bytes_are_added_then_refused),
        cmocka_unit_test(test_read_when_of_another_version_then_says_so),
        cmocka_unit_test(test_read_when_header_cannot_be_then_refused),
        cmocka_unit_test(test_read_when_members_are_too_many_then_refused),
        cmocka_unit_test(test_open_when_parts_are_reordered_then_refused),
        cmocka_unit_test(test_open_when_parts_of_two_containers_are_mixed_then_refused),
        cmocka_unit_test(test_open_when_content_is_of_another_container_then_refused),
        cmocka_unit_test(test_open_when_split_anew_then_the_old_content_opens),
        cmocka_unit_test(test_share_when_of_another_run_then_refused),
        cmocka_unit_test(test_share_when_any_bit_is_a_lie_then_refused),
        cmocka_unit_test(test_member_id_when_slot_and_key_meet_elsewhere_then_differs),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
