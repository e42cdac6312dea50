/* SPDX-License-Identifier: Apache-2.0 */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "remote/config/options.h"
#include "remote/config/section.h"
#include "remote/config/uri.h"

enum mark { UNSEEN, ON_THE_WAY, SEEN };

struct walk {
    struct remote_config *config;
    enum mark *marks; /* of each section */
};

static void visit(struct walk *walk, size_t index);

static size_t find(const struct remote_config *config, const char *name)
{
    size_t i = 0;

    while (i < config->slot_count && strcmp(remote_section_name(config->slots[i]), name) != 0)
        i++;
    return i;
}

/* Section `index` needs slot `name`, says its `option`. */
static void follow(struct walk *walk, size_t index, const char *option, const char *name)
{
    struct remote_section *section = walk->config->slots[index];
    size_t target = find(walk->config, name);
    struct remote_error err = { 0 };

    if (target == walk->config->slot_count)
        remote_section_fail(section, option, &err, "there is no slot '%s'", name);
    else if (walk->marks[target] == ON_THE_WAY)
        remote_section_fail(section, option, &err,
                            "slot '%s' needs this slot in turn; slots must not go round in circles",
                            name);
    else
        visit(walk, target);
    if (err.rc != REMOTE_OK && remote_section_status(section, NULL) == REMOTE_OK)
        remote_section_break(section, &err);
}

/* SLOT/KEY ...; what has another form the backend will complain of. */
static void follow_words(struct walk *walk, size_t index, const char *option, const char *words)
{
    const char *word;
    size_t len;

    while ((len = remote_word_next(&words, &word)) > 0) {
        const char *slash = memchr(word, '/', len);
        CLEANUP(remote_str_free)
        char *name = slash != NULL ? strndup(word, (size_t)(slash - word)) : NULL;

        if (name != NULL)
            follow(walk, index, option, name);
    }
}

static void follow_members(struct walk *walk, size_t index, const char *option)
{
    const struct remote_section *section = walk->config->slots[index];
    const char *words;

    for (size_t n = 0; (words = remote_section_line(section, option, n)) != NULL; n++)
        follow_words(walk, index, option, words);
}

static void follow_client_key(struct walk *walk, size_t index)
{
    static const char option[] = "client_key_file";
    struct remote_section *section = walk->config->slots[index];
    const char *text = remote_section_text(section, option, NULL);
    CLEANUP(remote_uri_clear) struct remote_uri uri = { 0 };
    struct remote_error err = { 0 }, why = { 0 };

    if (text == NULL || !remote_uri_is(text))
        return;
    if (remote_uri_parse(text, &uri, &why) != REMOTE_OK)
        remote_section_fail(section, option, &err, "%s", why.text);
    else if (uri.slot == NULL)
        remote_section_fail(section, option, &err, "the URI names no slot; add token=SLOT");
    else
        follow(walk, index, option, uri.slot);
    if (err.rc != REMOTE_OK)
        remote_section_break(section, &err);
}

static void visit(struct walk *walk, size_t index)
{
    struct remote_section *section = walk->config->slots[index];

    if (walk->marks[index] != UNSEEN || remote_section_status(section, NULL) != REMOTE_OK)
        return;
    walk->marks[index] = ON_THE_WAY;
    follow_members(walk, index, "members");
    follow_members(walk, index, "retired");
    follow_client_key(walk, index);
    walk->marks[index] = SEEN;
}

enum remote_rc remote_graph_check(struct remote_config *config, struct remote_error *err)
{
    struct walk walk = { .config = config };

    walk.marks = calloc(config->slot_count + 1, sizeof(*walk.marks));
    if (walk.marks == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (size_t i = 0; i < config->slot_count; i++)
        visit(&walk, i);
    free(walk.marks);
    return REMOTE_OK;
}
