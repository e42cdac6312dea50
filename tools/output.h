/* SPDX-License-Identifier: Apache-2.0 */
/* What commands print: aligned tables, Markdown tables, JSON. */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include <jansson.h>

#include "args.h"
#include "buf.h"
#include "key.h"

#define TOOLS_COLUMNS_MAX 12

struct tools_table {
    size_t columns, rows;
    size_t width[TOOLS_COLUMNS_MAX]; /* characters of the widest cell */
    struct remote_buf cells;         /* each ends with a NUL; row by row */
};

/* The first row is the heading. Cells are copied; NULL is "-"; control characters become '?'. */
void tools_table_row(struct tools_table *table, size_t columns, const char *const *cells);
#define TOOLS_TABLE_ROW(table, ...)                                                                \
    tools_table_row((table), ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })),                   \
                    (const char *const[]){ __VA_ARGS__ })
int tools_table_print(const struct tools_table *table);
int tools_table_print_markdown(const struct tools_table *table);
void tools_table_clear(struct tools_table *table);

/* Takes the reference; NULL stands for "out of memory". */
int tools_json_print(const struct tools_args *args, json_t *value);
/* For CLEANUP(). */
void tools_json_free(json_t **value);

/* "ec P-256", "rsa 2048", "aes 256", "ed25519" */
void tools_output_key_kind(const struct remote_key *key, struct remote_buf *ret);
/* "sign verify": the words for bits of REMOTE_USE_*. */
void tools_output_uses(unsigned uses, struct remote_buf *ret);
json_t *tools_output_uses_json(unsigned uses);
/* "2026-11-25", "-" when unknown */
void tools_output_date(int64_t seconds, char ret[16]);

/*
 * The result of an operation with a key, as the options say: bytes, or with --json an object
 * that names slot, key, version, mechanism and, as base64 or hex, the bytes as `what`.
 */
int tools_output_result(const struct tools_args *args, const struct remote_key *key,
                        const char *mechanism, const char *what, struct remote_slice bytes,
                        bool secret);

/* Bytes as text for JSON: base64, or hex digits with --hex. */
int tools_output_encode(const struct tools_args *args, struct remote_slice bytes,
                        struct remote_buf *ret);

/* What became of a key: "key 'web' of slot 'prod': made, version 1, ec P-256", or JSON. */
int tools_output_key(const struct tools_args *args, struct remote_slot *slot,
                     const struct remote_key *key, const char *what);

#endif
