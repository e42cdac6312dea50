/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and ids as text. */
#include <string.h>

#include "zama.h"

#define ADDRESS_DIGITS (2 * ZAMA_ADDRESS_LEN)

static void write_hex(const uint8_t *bytes, size_t len, char *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *ret++ = digits[bytes[i] >> 4];
        *ret++ = digits[bytes[i] & 15];
    }
    *ret = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 'a' ^ 'A';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Just so many digits, then the end. ret may be half written when it is false. */
static bool read_hex(const char *text, size_t len, uint8_t *ret)
{
    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool has_prefix(const char *text)
{
    return text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

/* ---- ids ---- */

bool zama_id_parse(const char *text, uint8_t ret[ZAMA_ID_LEN])
{
    uint8_t id[ZAMA_ID_LEN];

    if (!read_hex(has_prefix(text) ? text + 2 : text, sizeof(id), id))
        return false;
    memcpy(ret, id, sizeof(id));
    return true;
}

void zama_id_format(const uint8_t id[ZAMA_ID_LEN], char ret[2 * ZAMA_ID_LEN + 1])
{
    write_hex(id, ZAMA_ID_LEN, ret);
}

/* ---- addresses ---- */

/* A letter is a capital where the hash of the digits in lower case has a nibble of 8 or more. */
void zama_address_format(const uint8_t address[ZAMA_ADDRESS_LEN], char ret[43])
{
    char *digits = ret + 2;
    uint8_t hash[ZAMA_HASH_LEN];
    struct remote_slice text = remote_slice(digits, ADDRESS_DIGITS);

    ret[0] = '0';
    ret[1] = 'x';
    write_hex(address, ZAMA_ADDRESS_LEN, digits);
    zama_keccak256(&text, 1, hash);
    for (size_t i = 0; i < ADDRESS_DIGITS; i++)
        if (digits[i] >= 'a' && (hash[i / 2] >> (i % 2 ? 0 : 4) & 8) != 0)
            digits[i] = (char)(digits[i] - 'a' + 'A');
}

/* All letters in one case: there is no checksum. */
static bool in_one_case(const char *digits)
{
    bool lower = false, upper = false;

    for (; *digits != '\0'; digits++) {
        lower = lower || *digits >= 'a';
        upper = upper || (*digits >= 'A' && *digits <= 'F');
    }
    return !lower || !upper;
}

bool zama_address_parse(const char *text, uint8_t ret[ZAMA_ADDRESS_LEN])
{
    uint8_t address[ZAMA_ADDRESS_LEN];
    char with_checksum[2 + ADDRESS_DIGITS + 1];

    if (!has_prefix(text) || !read_hex(text + 2, sizeof(address), address))
        return false;
    zama_address_format(address, with_checksum);
    if (!in_one_case(text + 2) && strcmp(text + 2, with_checksum + 2) != 0)
        return false;
    memcpy(ret, address, sizeof(address));
    return true;
}
