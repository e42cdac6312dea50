/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <openssl/obj_mac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "encode.h"
#include "fail.h"
#include "io.h"
#include "slot.h"

/* Characters, not bytes: UTF-8's continuation bytes take no room. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* Names come from a service: none of them may steer the terminal. */
static void append_cell(struct remote_buf *cells, const char *text)
{
    for (; *text; text++)
        remote_buf_append_char(cells, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
    remote_buf_append_char(cells, '\0');
}

void tools_table_row(struct tools_table *table, size_t columns, const char *const *cells)
{
    if (table->rows == 0)
        table->columns = columns;
    for (size_t i = 0; i < table->columns; i++) {
        const char *cell = i < columns && cells[i] ? cells[i] : "-";
        size_t width = width_of(cell);

        if (width > table->width[i])
            table->width[i] = width;
        append_cell(&table->cells, cell);
    }
    table->rows++;
}

static void pad(size_t count)
{
    while (count-- > 0)
        putchar(' ');
}

int tools_table_print(const struct tools_table *table)
{
    const char *cell = (const char *)table->cells.data;

    if (table->cells.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    for (size_t row = 0; row < table->rows; row++) {
        for (size_t i = 0; i < table->columns; i++) {
            fputs(cell, stdout);
            if (i + 1 < table->columns)
                pad(table->width[i] - width_of(cell) + 2);
            cell += strlen(cell) + 1;
        }
        putchar('\n');
    }
    return TOOLS_OK;
}

static void print_markdown_rule(const struct tools_table *table)
{
    for (size_t i = 0; i < table->columns; i++)
        fputs("|---", stdout);
    puts("|");
}

int tools_table_print_markdown(const struct tools_table *table)
{
    const char *cell = (const char *)table->cells.data;

    if (table->cells.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    for (size_t row = 0; row < table->rows; row++) {
        for (size_t i = 0; i < table->columns; i++) {
            printf("| %s ", cell);
            cell += strlen(cell) + 1;
        }
        puts("|");
        if (row == 0)
            print_markdown_rule(table);
    }
    return TOOLS_OK;
}

void tools_table_clear(struct tools_table *table)
{
    remote_buf_clear(&table->cells);
    *table = (struct tools_table){ 0 };
}

void tools_json_free(json_t **value)
{
    json_decref(*value);
    *value = NULL;
}

int tools_json_print(const struct tools_args *args, json_t *value)
{
    CLEANUP(remote_str_free)
    char *text = value ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    CLEANUP(remote_buf_clear) struct remote_buf line = { 0 };

    json_decref(value);
    if (text) {
        remote_buf_append_str(&line, text);
        remote_buf_append_char(&line, '\n');
    }
    if (!text || line.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    return tools_io_write(args, remote_buf_slice(&line), false);
}

static const char *curve_name(int nid)
{
    switch (nid) {
    case NID_secp224r1:
        return "P-224";
    case NID_secp256k1:
        return "secp256k1";
    case NID_X9_62_prime256v1:
        return "P-256";
    case NID_secp384r1:
        return "P-384";
    case NID_secp521r1:
        return "P-521";
    default:
        return "other curve";
    }
}

void tools_output_key_kind(const struct remote_key *key, struct remote_buf *ret)
{
    remote_buf_append_str(ret, remote_key_type_name(key->type));
    if (key->type == REMOTE_KEY_EC)
        remote_buf_printf(ret, " %s", curve_name(key->curve));
    else if (key->type == REMOTE_KEY_SM4)
        remote_buf_append_str(ret, key->curve == NID_sm4_cbc ? " CBC" : " CTR");
    else if (key->type != REMOTE_KEY_ED25519 && key->type != REMOTE_KEY_SM2 && key->bits)
        remote_buf_printf(ret, " %u", key->bits);
}

static const struct {
    enum remote_use use;
    const char *word;
} use_words[] = {
    { REMOTE_USE_SIGN, "sign" },         { REMOTE_USE_VERIFY, "verify" },
    { REMOTE_USE_ENCRYPT, "encrypt" },   { REMOTE_USE_DECRYPT, "decrypt" },
    { REMOTE_USE_WRAP, "wrap" },         { REMOTE_USE_UNWRAP, "unwrap" },
    { REMOTE_USE_GENERATE, "generate" },
};

void tools_output_uses(unsigned uses, struct remote_buf *ret)
{
    const char *between = "";

    for (size_t i = 0; i < ARRAY_SIZE(use_words); i++) {
        if (!(uses & use_words[i].use))
            continue;
        remote_buf_printf(ret, "%s%s", between, use_words[i].word);
        between = " ";
    }
}

json_t *tools_output_uses_json(unsigned uses)
{
    json_t *words = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(use_words); i++)
        if (uses & use_words[i].use)
            json_array_append_new(words, json_string(use_words[i].word));
    return words;
}

void tools_output_date(int64_t seconds, char ret[16])
{
    time_t when = (time_t)seconds;
    struct tm parts;

    if (seconds <= 0 || !gmtime_r(&when, &parts) || strftime(ret, 16, "%Y-%m-%d", &parts) == 0)
        strcpy(ret, "-");
}

int tools_output_encode(const struct tools_args *args, struct remote_slice bytes,
                        struct remote_buf *ret)
{
    if (args->hex)
        remote_hex_append(ret, bytes);
    else
        remote_base64_append(ret, bytes);
    return ret->failed ? tools_fail(TOOLS_FAILED, "out of memory") : TOOLS_OK;
}

static int print_result_json(const struct tools_args *args, const struct remote_key *key,
                             const char *mechanism, const char *what, struct remote_slice bytes)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    TOOLS_TRY(tools_output_encode(args, bytes, &text));
    return tools_json_print(args,
                            json_pack("{s:s,s:s,s:i,s:s,s:s}", "slot", remote_slot_name(key->slot),
                                      "key", key->name, "version", (int)key->version, "mechanism",
                                      mechanism, what, text.data ? (char *)text.data : ""));
}

int tools_output_result(const struct tools_args *args, const struct remote_key *key,
                        const char *mechanism, const char *what, struct remote_slice bytes,
                        bool secret)
{
    if (args->json)
        return print_result_json(args, key, mechanism, what, bytes);
    return tools_io_write_result(args, bytes, secret);
}

int tools_output_key(const struct tools_args *args, struct remote_slot *slot,
                     const struct remote_key *key, const char *what)
{
    CLEANUP(remote_buf_clear) struct remote_buf kind = { 0 }, id = { 0 };

    tools_output_key_kind(key, &kind);
    remote_hex_append(&id, remote_slice(key->id, key->id_len));
    if (kind.failed || id.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    if (args->json)
        return tools_json_print(args, json_pack("{s:s,s:s,s:i,s:s,s:s,s:s}", "slot",
                                                remote_slot_name(slot), "key", key->name, "version",
                                                (int)key->version, "kind", kind.data, "id", id.data,
                                                "done", what));
    printf("key '%s' of slot '%s': %s, version %u, %s\n", key->name, remote_slot_name(slot), what,
           key->version, (char *)kind.data);
    return TOOLS_OK;
}
