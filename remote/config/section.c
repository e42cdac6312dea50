/* SPDX-License-Identifier: Apache-2.0 */
#include "section.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

struct entry {                /* one line */
    const char *name, *value; /* borrowed, as is file */
    const char *file;
    unsigned line;
    uint64_t number;    /* once checked: NUMBER, DURATION, BOOL */
    bool list;          /* once checked: WORDS or CHOICES */
    const char **words; /* of the first entry of a list: the words of all of them */
};

struct remote_section {
    const char *kind; /* "slot", "hsmbridge", ... */
    char *name;       /* NULL: there is one of its kind */
    char *title;
    char *where;
    bool file_private; /* only its owner may read the file, so it may hold a typed secret */
    struct remote_error fault;
    struct entry *entries;
    size_t count, cap;
};

enum remote_rc remote_section_new(const char *kind, const char *name, const char *where,
                                  bool file_private, struct remote_section **ret,
                                  struct remote_error *err)
{
    struct remote_section *section = calloc(1, sizeof(*section));

    if (!section)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    section->kind = kind;
    section->file_private = file_private;
    section->where = strdup(where);
    section->name = name ? strdup(name) : NULL;
    if (asprintf(&section->title, "[%s%s%s]", kind, name ? " " : "", name ? name : "") < 0)
        section->title = NULL;
    if (!section->where || !section->title || (name && !section->name)) {
        remote_section_free(section);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    *ret = section;
    return REMOTE_OK;
}

void remote_section_free(struct remote_section *section)
{
    if (!section)
        return;
    for (size_t i = 0; i < section->count; i++)
        free(section->entries[i].words);
    free(section->entries);
    free(section->name);
    free(section->title);
    free(section->where);
    free(section);
}

enum remote_rc remote_section_add(struct remote_section *section, const char *file, unsigned line,
                                  const char *option, const char *value, struct remote_error *err)
{
    if (section->count == section->cap) {
        size_t cap = section->cap ? section->cap * 2 : 16;
        struct entry *entries = reallocarray(section->entries, cap, sizeof(*entries));

        if (!entries)
            return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        section->entries = entries;
        section->cap = cap;
    }
    section->entries[section->count++] =
        (struct entry){ .name = option, .value = value, .file = file, .line = line };
    return REMOTE_OK;
}

const char *remote_section_kind(const struct remote_section *section)
{
    return section->kind;
}

const char *remote_section_name(const struct remote_section *section)
{
    return section->name ? section->name : "";
}

const char *remote_section_title(const struct remote_section *section)
{
    return section->title;
}

const char *remote_section_where(const struct remote_section *section)
{
    return section->where;
}

bool remote_section_same(const struct remote_section *a, const struct remote_section *b)
{
    bool same = strcmp(a->title, b->title) == 0 && a->count == b->count &&
                a->file_private == b->file_private;

    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->entries[i].name, b->entries[i].name) == 0 &&
               strcmp(a->entries[i].value, b->entries[i].value) == 0;
    return same;
}

/* ---- faults ---- */

enum remote_rc remote_section_status(const struct remote_section *section, struct remote_error *err)
{
    if (err && section->fault.rc != REMOTE_OK)
        *err = section->fault;
    return section->fault.rc;
}

void remote_section_break(struct remote_section *section, const struct remote_error *why)
{
    if (section->fault.rc == REMOTE_OK)
        section->fault = *why;
}

static struct entry *find(const struct remote_section *section, const char *option)
{
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->entries[i].name, option) == 0)
            return &section->entries[i];
    }
    return NULL;
}

enum remote_rc remote_section_fail(const struct remote_section *section, const char *option,
                                   struct remote_error *err, const char *fmt, ...)
{
    const struct entry *entry = find(section, option);
    char text[REMOTE_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (entry)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s:%u: %s %s: %s", entry->file, entry->line,
                           section->title, option, text);
    return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: %s %s: %s", section->where, section->title,
                       option, text);
}

static enum remote_rc entry_fail(const struct remote_section *section, const struct entry *entry,
                                 struct remote_error *err, const char *text)
{
    /* An option's name is short; a longer one is something else that strayed here. */
    return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s:%u: %s %.40s: %s", entry->file, entry->line,
                       section->title, entry->name, text);
}

/* ---- checks ---- */

static enum remote_rc fail_unknown(const struct remote_section *section, const struct entry *entry,
                                   const struct remote_option *const *tables,
                                   struct remote_error *err)
{
    bool slot = strcmp(section->kind, "slot") == 0;
    char near[64], text[128];

    remote_option_suggest(tables, entry->name, near, sizeof(near));
    if (near[0])
        snprintf(text, sizeof(text), "unknown option; did you mean '%s'?", near);
    else
        snprintf(text, sizeof(text), "unknown option; hsmbridge.conf(5) lists those of %.32s",
                 slot ? remote_section_text(section, "backend", "each backend") : section->title);
    return entry_fail(section, entry, err, text);
}

static enum remote_rc fail_repeated(const struct remote_section *section, const struct entry *entry,
                                    const struct entry *first, struct remote_error *err)
{
    char text[REMOTE_ERROR_TEXT_MAX];

    snprintf(text, sizeof(text), "%s is given already in %s:%u; keep one of the two", first->name,
             first->file, first->line);
    return entry_fail(section, entry, err, text);
}

/* Whether an entry gives the same option, perhaps in another form of a secret. */
static bool gives(const struct entry *entry, const struct remote_option *option)
{
    const struct remote_option table[] = { *option, { NULL } };
    const struct remote_option *const tables[] = { table, NULL };
    struct remote_option_use use;

    return remote_option_find(tables, entry->name, &use);
}

static enum remote_rc check_single(const struct remote_section *section, const struct entry *entry,
                                   const struct remote_option *option, struct remote_error *err)
{
    for (const struct entry *first = section->entries; first < entry; first++) {
        if (gives(first, option))
            return fail_repeated(section, entry, first, err);
    }
    return REMOTE_OK;
}

static enum remote_rc check_privacy(const struct remote_section *section, const struct entry *entry,
                                    struct remote_option_use use, struct remote_error *err)
{
    char text[REMOTE_ERROR_TEXT_MAX];

    if (use.option->type != REMOTE_OPTION_SECRET || use.form != REMOTE_FORM_VALUE ||
        section->file_private)
        return REMOTE_OK;
    snprintf(text, sizeof(text),
             "a secret in a file that others may read; chmod 600 %s, or use %s_file", entry->file,
             use.option->name);
    return entry_fail(section, entry, err, text);
}

static enum remote_rc check_entry(const struct remote_section *section, struct entry *entry,
                                  const struct remote_option *const *tables,
                                  struct remote_error *err)
{
    struct remote_option_use use;
    struct remote_error why;
    enum remote_rc rc;

    if (!remote_option_find(tables, entry->name, &use))
        return fail_unknown(section, entry, tables, err);
    entry->list = remote_option_is_list(use.option);
    if (!entry->list)
        REMOTE_TRY(check_single(section, entry, use.option, err));
    REMOTE_TRY(check_privacy(section, entry, use, err));
    rc = remote_option_check(use, entry->value, &entry->number, &why);
    return rc == REMOTE_OK ? rc : entry_fail(section, entry, err, why.text);
}

/* The next entry of the same name; NULL: none. */
static const struct entry *next_same(const struct remote_section *section,
                                     const struct entry *entry)
{
    const struct entry *end = section->entries + section->count;

    for (const struct entry *other = entry + 1; other < end; other++) {
        if (strcmp(other->name, entry->name) == 0)
            return other;
    }
    return NULL;
}

const char *remote_section_line(const struct remote_section *section, const char *option, size_t n)
{
    const struct entry *entry = find(section, option);

    while (entry && n-- > 0)
        entry = next_same(section, entry);
    return entry ? entry->value : NULL;
}

/* One block: the NULL-ended array, and behind it the words. */
static enum remote_rc gather_words(const struct remote_section *section, struct entry *first,
                                   struct remote_error *err)
{
    size_t count = 0, bytes = 0, len;
    const char *word;
    char *at;

    for (const struct entry *e = first; e; e = next_same(section, e)) {
        for (const char *cursor = e->value; (len = remote_word_next(&cursor, &word)) > 0; count++)
            bytes += len + 1;
    }
    free(first->words);
    first->words = malloc((count + 1) * sizeof(*first->words) + bytes);
    if (!first->words)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    at = (char *)(first->words + count + 1);
    count = 0;
    for (const struct entry *e = first; e; e = next_same(section, e)) {
        for (const char *cursor = e->value; (len = remote_word_next(&cursor, &word)) > 0;) {
            first->words[count++] = memcpy(at, word, len);
            at[len] = '\0';
            at += len + 1;
        }
    }
    first->words[count] = NULL;
    return REMOTE_OK;
}

static enum remote_rc check_entries(struct remote_section *section,
                                    const struct remote_option *const *tables,
                                    struct remote_error *err)
{
    for (size_t i = 0; i < section->count; i++)
        REMOTE_TRY(check_entry(section, &section->entries[i], tables, err));
    for (size_t i = 0; i < section->count; i++) {
        struct entry *entry = &section->entries[i];

        if (entry->list && find(section, entry->name) == entry)
            REMOTE_TRY(gather_words(section, entry, err));
    }
    return REMOTE_OK;
}

enum remote_rc remote_section_check(struct remote_section *section,
                                    const struct remote_option *const *tables,
                                    struct remote_error *err)
{
    struct remote_error fault = { 0 };

    REMOTE_TRY(remote_section_status(section, err));
    if (check_entries(section, tables, &fault) != REMOTE_OK)
        remote_section_break(section, &fault);
    return remote_section_status(section, err);
}

/* ---- values ---- */

const char *remote_section_text(const struct remote_section *section, const char *option,
                                const char *otherwise)
{
    const struct entry *entry = find(section, option);

    return entry ? entry->value : otherwise;
}

bool remote_section_bool(const struct remote_section *section, const char *option, bool otherwise)
{
    return remote_section_number(section, option, otherwise) != 0;
}

uint64_t remote_section_number(const struct remote_section *section, const char *option,
                               uint64_t otherwise)
{
    const struct entry *entry = find(section, option);

    return entry ? entry->number : otherwise;
}

const char *const *remote_section_words(const struct remote_section *section, const char *option)
{
    static const char *const none[] = { NULL };
    const struct entry *entry = find(section, option);

    return entry && entry->words ? entry->words : none;
}

bool remote_section_has(const struct remote_section *section, const char *option)
{
    return find(section, option) != NULL;
}

bool remote_section_has_word(const struct remote_section *section, const char *option,
                             const char *word)
{
    for (const char *const *words = remote_section_words(section, option); *words; words++) {
        if (strcmp(*words, word) == 0)
            return true;
    }
    return false;
}
