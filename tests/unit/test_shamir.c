/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/rand.h>

#include "shamir.h"

#define SIZE REMOTE_SHAMIR_SECRET

static void fill_x(struct remote_share *shares, size_t count)
{
    for (size_t i = 0; i < count; i++)
        shares[i].x = (unsigned char)(i + 1);
}

/* GF(2^8) by the textbook, to check against: FIPS 197 4.2 */
static unsigned char slow_mul(unsigned a, unsigned b)
{
    unsigned product = 0;

    for (unsigned bit = 0; bit < 8; bit++)
        if (b >> bit & 1u)
            product ^= a << bit;
    for (unsigned bit = 15; bit >= 8; bit--)
        if (product >> bit & 1u)
            product ^= 0x11bu << (bit - 8);
    return (unsigned char)product;
}

static void test_split_when_of_degree_one_then_it_is_the_line(void **state)
{
    unsigned char secret[SIZE], slope[SIZE];
    struct remote_share shares[255];

    (void)state;
    for (size_t i = 0; i < SIZE; i++) {
        secret[i] = (unsigned char)(i * 7 + 1);
        slope[i] = (unsigned char)(255 - i * 5);
    }
    fill_x(shares, 255);
    remote_shamir_split(secret, 2, slope, shares, 255);
    for (size_t s = 0; s < 255; s++)
        for (size_t i = 0; i < SIZE; i++)
            assert_int_equal(shares[s].y[i], secret[i] ^ slow_mul(slope[i], shares[s].x));
}

static void test_split_when_threshold_is_one_then_shares_are_the_secret(void **state)
{
    unsigned char secret[SIZE] = { 1, 2, 3 };
    struct remote_share shares[3];

    (void)state;
    fill_x(shares, 3);
    remote_shamir_split(secret, 1, NULL, shares, 3);
    for (size_t s = 0; s < 3; s++)
        assert_memory_equal(shares[s].y, secret, SIZE);
}

/* Every subset of `threshold` out of five, in every rotation. */
static void combine_subsets(const struct remote_share *shares, unsigned threshold,
                            const unsigned char *secret)
{
    for (unsigned mask = 0; mask < 32; mask++) {
        struct remote_share chosen[5];
        unsigned char found[SIZE];
        size_t count = 0;

        for (unsigned i = 0; i < 5; i++)
            if (mask >> i & 1u)
                chosen[count++] = shares[(i + mask) % 5];
        if (count != threshold)
            continue;
        remote_shamir_combine(chosen, count, found);
        assert_memory_equal(found, secret, SIZE);
    }
}

static void test_combine_when_any_k_of_n_then_the_secret(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        unsigned threshold = 1 + round % 5;
        unsigned char secret[SIZE], random[4 * SIZE];
        struct remote_share shares[5];

        assert_int_equal(RAND_bytes(secret, sizeof(secret)), 1);
        assert_int_equal(RAND_bytes(random, sizeof(random)), 1);
        fill_x(shares, 5);
        remote_shamir_split(secret, threshold, random, shares, 5);
        combine_subsets(shares, threshold, secret);
    }
}

/* An odd stride comes back after 256 steps only, of which one leads to 0. */
static void fill_places(struct remote_share *shares, size_t count, unsigned x, unsigned stride)
{
    for (size_t i = 0; i < count; x += stride)
        if ((x & 0xffu) != 0)
            shares[i++].x = (unsigned char)x;
}

/* Of random k, n, places and choices of k among the n. */
static void round_trip(unsigned round)
{
    unsigned char secret[SIZE], random[16 * SIZE], dice[20], found[SIZE];
    struct remote_share shares[16];
    size_t count, threshold, first;

    assert_int_equal(RAND_bytes(dice, sizeof(dice)), 1);
    assert_int_equal(RAND_bytes(secret, sizeof(secret)), 1);
    assert_int_equal(RAND_bytes(random, sizeof(random)), 1);
    count = 1 + dice[0] % (round % 16 == 0 ? 16u : 6u);
    threshold = 1 + dice[1] % count;
    fill_places(shares, count, dice[2], dice[3] | 1u);
    remote_shamir_split(secret, (unsigned)threshold, random, shares, count);
    first = dice[4] % (count - threshold + 1);
    remote_shamir_combine(shares + first, threshold, found);
    assert_memory_equal(found, secret, SIZE);
}

static void test_combine_when_k_and_n_are_random_then_the_secret(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 90000; round++)
        round_trip(round);
}

static void test_combine_when_one_share_is_wrong_then_another_secret(void **state)
{
    unsigned char secret[SIZE], random[2 * SIZE], found[SIZE];
    struct remote_share shares[3];

    (void)state;
    assert_int_equal(RAND_bytes(secret, sizeof(secret)), 1);
    assert_int_equal(RAND_bytes(random, sizeof(random)), 1);
    fill_x(shares, 3);
    remote_shamir_split(secret, 3, random, shares, 3);
    shares[1].y[9] ^= 1;
    remote_shamir_combine(shares, 3, found);
    assert_memory_not_equal(found, secret, SIZE);
}

/*
 * That k-1 shares tell nothing: for one fixed secret each share's bytes are uniformly distributed,
 * and so is what two of three shares differ by. A chi-squared test over 256 values: with 255
 * degrees of freedom 400 is passed by chance once in more than 10^8 runs.
 */
static void assert_uniform(const unsigned *counts, unsigned total)
{
    double expected = (double)total / 256, chi = 0;

    for (size_t v = 0; v < 256; v++)
        chi += ((double)counts[v] - expected) * ((double)counts[v] - expected) / expected;
    assert_true(chi < 400);
}

static void test_split_when_secret_is_fixed_then_shares_below_threshold_are_uniform(void **state)
{
    static const unsigned char secret[SIZE] = "always the same secret, 32 byte";
    unsigned single[256] = { 0 }, difference[256] = { 0 };
    unsigned total = 0;

    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        unsigned char random[2 * SIZE];
        struct remote_share shares[3];

        assert_int_equal(RAND_bytes(random, sizeof(random)), 1);
        fill_x(shares, 3);
        remote_shamir_split(secret, 3, random, shares, 3);
        for (size_t i = 0; i < SIZE; i++, total++) {
            single[shares[0].y[i]]++;
            difference[shares[1].y[i] ^ shares[2].y[i]]++;
        }
    }
    assert_uniform(single, total);
    assert_uniform(difference, total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_when_of_degree_one_then_it_is_the_line),
        cmocka_unit_test(test_split_when_threshold_is_one_then_shares_are_the_secret),
        cmocka_unit_test(test_combine_when_any_k_of_n_then_the_secret),
        cmocka_unit_test(test_combine_when_k_and_n_are_random_then_the_secret),
        cmocka_unit_test(test_combine_when_one_share_is_wrong_then_another_secret),
        cmocka_unit_test(test_split_when_secret_is_fixed_then_shares_below_threshold_are_uniform),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
