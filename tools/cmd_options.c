/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the configuration, from the tables that check them. */
#include "backend.h"
#include "command.h"
#include "config.h"
#include "fail.h"
#include "kes/settings.h"
#include "output.h"

typedef int visit_fn(void *arg, const char *table, const struct remote_option *option);

static const char *type_word(enum remote_option_type type)
{
    static const char *const words[] = {
        [REMOTE_OPTION_TEXT] = "text",         [REMOTE_OPTION_WORDS] = "words",
        [REMOTE_OPTION_DURATION] = "duration", [REMOTE_OPTION_BOOL] = "yes/no",
        [REMOTE_OPTION_NUMBER] = "number",     [REMOTE_OPTION_CHOICE] = "choice",
        [REMOTE_OPTION_CHOICES] = "choices",   [REMOTE_OPTION_PATH] = "path",
        [REMOTE_OPTION_SECRET] = "secret",
    };

    return (size_t)type < ARRAY_SIZE(words) && words[type] ? words[type] : "-";
}

static int visit_table(const char *table, const struct remote_option *options, visit_fn *visit,
                       void *arg)
{
    for (; options && options->name; options++)
        TOOLS_TRY(visit(arg, table, options));
    return TOOLS_OK;
}

static int visit_all(visit_fn *visit, void *arg)
{
    const struct remote_backend_ops *backend;

    TOOLS_TRY(visit_table("hsmbridge", remote_options_global, visit, arg));
    TOOLS_TRY(visit_table("slot", remote_options_slot, visit, arg));
    TOOLS_TRY(visit_table("https", remote_options_https, visit, arg));
    for (size_t i = 0; (backend = remote_backend_at(i)); i++)
        TOOLS_TRY(visit_table(backend->name, backend->options, visit, arg));
    TOOLS_TRY(visit_table("[kes]", kesd_options, visit, arg));
    return visit_table("[kes-policy]", kesd_options_policy, visit, arg);
}

static int add_row(void *arg, const char *table, const struct remote_option *option)
{
    TOOLS_TABLE_ROW(arg, table, option->name, type_word(option->type), option->help);
    return TOOLS_OK;
}

static int add_object(void *arg, const char *table, const struct remote_option *option)
{
    json_t *object =
        json_pack("{s:s,s:s,s:s,s:s?,s:s?}", "table", table, "option", option->name, "type",
                  type_word(option->type), "choices", option->choices, "help", option->help);

    return json_array_append_new(arg, object) == 0 ? TOOLS_OK
                                                   : tools_fail(TOOLS_FAILED, "out of memory");
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_table_clear) struct tools_table table = { 0 };
    CLEANUP(tools_json_free) json_t *array = json_array();

    if (args->json) {
        TOOLS_TRY(visit_all(add_object, array));
        return tools_json_print(args, json_incref(array));
    }
    TOOLS_TABLE_ROW(&table, "TABLE", "OPTION", "TYPE", "MEANING");
    TOOLS_TRY(visit_all(add_row, &table));
    return tools_table_print(&table);
}

const struct tools_command tools_cmd_options = {
    .name = "options",
    .purpose = "Lists every option that the configuration may hold",
    .text = "TABLE says where it belongs: hsmbridge, the section of that name; slot, every slot;\n"
            "https, every slot whose service speaks HTTPS; [kes] and [kes-policy], sections of\n"
            "hsmbridge-kes; else slots of that backend. An option of type secret is given as\n"
            "NAME_file, NAME_env or NAME.",
    .options = "",
    .example = "hsmbridge options",
    .run = run,
};
