/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration: parsed, checked, every value read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct remote_option backend_options[] = {
    { "mount", REMOTE_OPTION_TEXT, NULL, 0, 0, "where the engine is mounted" },
    { "token", REMOTE_OPTION_SECRET, NULL, 0, 0, "a token of the service" },
    { "threshold", REMOTE_OPTION_NUMBER, NULL, 1, 0, NULL },
    { NULL },
};
static const struct remote_option *const tables[] = {
    remote_options_slot,
    remote_options_https,
    backend_options,
    NULL,
};

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* A fault is one printable line that begins with the file. */
static void demand_message(const struct remote_error *err)
{
    char printable[REMOTE_ERROR_TEXT_MAX];

    memcpy(printable, err->text, sizeof(printable));
    remote_printable(printable);
    demand(strcmp(printable, err->text) == 0);
    demand(err->rc == REMOTE_E_NOMEM || strncmp(err->text, "f:", 2) == 0);
}

static void read_option(const struct remote_section *section, const struct remote_option *option)
{
    const char *text = remote_section_text(section, option->name, "");
    uint64_t number = remote_section_number(section, option->name, option->min);
    size_t length = 0;

    demand((text[0] != '\0') == remote_section_has(section, option->name));
    if (option->type == REMOTE_OPTION_NUMBER || option->type == REMOTE_OPTION_DURATION)
        demand(number >= option->min && (option->max == 0 || number <= option->max));
    if (option->type == REMOTE_OPTION_BOOL)
        demand(number <= 1);
    for (const char *const *word = remote_section_words(section, option->name); *word; word++) {
        demand(remote_section_has_word(section, option->name, *word));
        length += strlen(*word);
    }
    demand((length > 0) == (remote_section_words(section, option->name)[0] != NULL));
}

static void check_slot(struct remote_section *section)
{
    struct remote_error err = { 0 };

    demand(strlen(remote_section_name(section)) <= REMOTE_SLOT_NAME_MAX);
    if (remote_section_check(section, tables, &err) != REMOTE_OK) {
        demand_message(&err);
        return;
    }
    for (size_t i = 0; tables[i]; i++) {
        for (const struct remote_option *option = tables[i]; option->name; option++)
            read_option(section, option);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct remote_config config = { 0 };
    struct remote_error err = { 0 };

    if (remote_config_parse("f", remote_slice(data, size), &config, &err) != REMOTE_OK) {
        demand_message(&err);
        return 0;
    }
    for (size_t i = 0; i < config.slot_count; i++)
        check_slot(config.slots[i]);
    remote_config_clear(&config);
    return 0;
}
