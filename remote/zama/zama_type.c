/* SPDX-License-Identifier: Apache-2.0 */
/* Types of encrypted values, and the form of a ciphertext from its own header. */
#include <stdio.h>
#include <string.h>

#include "zama.h"

/* ---- types ---- */

/* tfhe's FheTypes. len 0: the answer's EIP-712 form has no such type, so that nothing is signed. */
/* clang-format off */
static const struct {
    int32_t fhe_type;
    const char *name;
    size_t len;
} types[] = {
    {  0, "ebool",     1 },
    {  1, "euint4",    0 },
    {  2, "euint8",    1 },
    {  3, "euint16",   2 },
    {  4, "euint32",   4 },
    {  5, "euint64",   8 },
    {  6, "euint128", 16 },
    {  7, "euint160", 20 },
    {  8, "euint256", 32 },
    {  9, "euint512",  0 },
    { 10, "euint1024", 0 },
    { 11, "euint2048", 0 },
    { 39, "euint80",   0 },
};
/* clang-format on */

size_t zama_plaintext_len(int32_t fhe_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].fhe_type == fhe_type)
            return types[i].len;
    return 0;
}

const char *zama_fhe_type_name(int32_t fhe_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].fhe_type == fhe_type)
            return types[i].name;
    return NULL;
}

/* With or without the 'e' of Solidity's names; or the number, as it is written. */
int32_t zama_fhe_type_parse(const char *text)
{
    char number[12];

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        snprintf(number, sizeof(number), "%d", (int)types[i].fhe_type);
        if (strcmp(text, types[i].name) == 0 || strcmp(text, types[i].name + 1) == 0 ||
            strcmp(text, number) == 0)
            return types[i].fhe_type;
    }
    return -1;
}

/* ---- the header of tfhe's safe_serialize ---- */

#define NUMBER_LEN 8 /* of a length: u64, little-endian */
#define MODE_LEN 4   /* of the versioning mode: u32 */

/* clang-format off */
static const struct {
    const char *name;
    enum zama_format format;
} formats[] = {
    { "high_level_api::CompressedCiphertextList",             ZAMA_SMALL_COMPRESSED },
    { "high_level_api::FheBool",                              ZAMA_SMALL_EXPANDED },
    { "high_level_api::FheUint",                              ZAMA_SMALL_EXPANDED },
    { "high_level_api::CompressedSquashedNoiseCiphertextList", ZAMA_BIG_COMPRESSED },
    { "high_level_api::SquashedNoiseFheBool",                 ZAMA_BIG_EXPANDED },
    { "high_level_api::SquashedNoiseFheUint",                 ZAMA_BIG_EXPANDED },
};
/* clang-format on */

static bool take_string(struct remote_slice *in, struct remote_slice *ret)
{
    struct remote_slice number;
    uint64_t len = 0;

    if (!remote_slice_take(in, NUMBER_LEN, &number))
        return false;
    for (size_t i = NUMBER_LEN; i-- > 0;)
        len = len << 8 | number.data[i];
    return len <= in->len && remote_slice_take(in, (size_t)len, ret);
}

/* Version of the header, versioning mode with its own version, name of the type. */
bool zama_format_detect(struct remote_slice ciphertext, enum zama_format *ret)
{
    struct remote_slice rest = ciphertext, version, mode, name;

    if (!take_string(&rest, &version) || !remote_slice_take(&rest, MODE_LEN, &mode) ||
        !take_string(&rest, &version) || !take_string(&rest, &name))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (remote_slice_equal(name, remote_slice_str(formats[i].name))) {
            *ret = formats[i].format;
            return true;
        }
    return false;
}
