/* SPDX-License-Identifier: Apache-2.0 */
/* Which backend can do which mechanism: the table of the documentation, made by the code. */
#include "backend.h"
#include "command.h"
#include "fail.h"
#include "mechanism.h"
#include "output.h"

#define BACKENDS_MAX (TOOLS_COLUMNS_MAX - 4)

/* A service that signs nothing may still have keys whose signatures are checked here. */
static const char *share(const struct remote_backend_ops *backend,
                         const struct remote_mechanism *row)
{
    if (!remote_backend_can(backend, row))
        return "-";
    return (row->uses & REMOTE_USE_SIGN) && !remote_key_type_symmetric(row->key) &&
                   !remote_backend_has_op(backend, REMOTE_OP_SIGN)
               ? "verify"
               : "yes";
}

static int add_row(const struct remote_mechanism *row, struct tools_table *table)
{
    CLEANUP(remote_buf_clear) struct remote_buf uses = { 0 };
    const char *cells[TOOLS_COLUMNS_MAX] = { row->name, remote_key_type_name(row->key) };
    const struct remote_backend_ops *backend;
    size_t columns = 3;

    tools_output_uses(row->uses, &uses);
    if (uses.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    cells[2] = (const char *)uses.data;
    for (size_t i = 0; i < BACKENDS_MAX && (backend = remote_backend_at(i)); i++)
        cells[columns++] = share(backend, row);
    cells[columns++] = row->served & REMOTE_SERVED_HERE ? "yes" : "-";
    tools_table_row(table, columns, cells);
    return TOOLS_OK;
}

static void add_heading(struct tools_table *table)
{
    const char *cells[TOOLS_COLUMNS_MAX] = { "Mechanism", "Key", "Use" };
    const struct remote_backend_ops *backend;
    size_t columns = 3;

    for (size_t i = 0; i < BACKENDS_MAX && (backend = remote_backend_at(i)); i++)
        cells[columns++] = backend->name;
    cells[columns++] = "session keys";
    tools_table_row(table, columns, cells);
}

static json_t *backends_of(const struct remote_mechanism *row)
{
    const struct remote_backend_ops *backend;
    json_t *names = json_array();

    for (size_t i = 0; (backend = remote_backend_at(i)); i++)
        if (remote_backend_can(backend, row))
            json_array_append_new(names, json_string(backend->name));
    return names;
}

static int print_json(const struct tools_args *args)
{
    json_t *array = json_array();

    for (size_t i = 0; i < remote_mechanism_count; i++)
        json_array_append_new(array,
                              json_pack("{s:s,s:I,s:s,s:o,s:b}", "mechanism",
                                        remote_mechanisms[i].name, "ckm",
                                        (json_int_t)remote_mechanisms[i].ckm, "key",
                                        remote_key_type_name(remote_mechanisms[i].key), "backends",
                                        backends_of(&remote_mechanisms[i]), "session_keys",
                                        (remote_mechanisms[i].served & REMOTE_SERVED_HERE) != 0));
    return tools_json_print(args, array);
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_table_clear) struct tools_table table = { 0 };

    if (args->json)
        return print_json(args);
    add_heading(&table);
    for (size_t i = 0; i < remote_mechanism_count; i++)
        TOOLS_TRY(add_row(&remote_mechanisms[i], &table));
    return args->markdown ? tools_table_print_markdown(&table) : tools_table_print(&table);
}

const struct tools_command tools_cmd_mechanisms = {
    .name = "mechanisms",
    .purpose = "Shows which backend can do which mechanism",
    .text =
        "This is what the backends can do at all, and what session keys, which are used in this\n"
        "process, can do in a slot of any backend; a slot's mechanisms and deny_mechanisms, and\n"
        "the types of its keys, may leave less.",
    .options = "markdown",
    .example = "hsmbridge mechanisms --markdown",
    .run = run,
};
