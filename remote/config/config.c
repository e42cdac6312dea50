/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files to sections. inih splits lines into option, value and comment; what it would get wrong
 * stays with our own line reader: inih 55 cuts a line at 199 characters without a word, takes
 * an indented option for a second value of the one above, cuts section names at 49 characters,
 * and reports neither an empty section nor the line of a value.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ini.h>

#include "build-config.h"
#include "remote/file.h"
#include "section.h"

#define BLANKS " \t\r\v\f" /* what inih strips, save the end of a line */

struct remote_config_file {
    char *name;
    /*
     * The file's bytes; while it is parsed, its options and values move to the front, each with
     * a NUL behind it. So they stay in pages that are kept out of core dumps: some are secrets.
     */
    struct remote_secret text;
    bool is_private; /* nobody but its owner may read it */
};

struct reader { /* of one file; its progress through the parse */
    struct remote_config *config;
    const struct remote_config_file *file;
    char *text;
    size_t len, next;               /* next: where the next line begins */
    size_t kept;                    /* bytes at the front that hold options and values */
    unsigned line;                  /* the last one read */
    bool unanswered;                /* inih has not said yet what that line holds */
    struct remote_section *section; /* NULL: before the first header */
    enum remote_rc rc;              /* a fault of the whole configuration ends the parse */
    struct remote_error *err;
};

/* ---- faults ---- */

/* Of the whole configuration. */
static void fail(struct reader *r, const char *fmt, ...) REMOTE_PRINTF(2, 3);
static void fail(struct reader *r, const char *fmt, ...)
{
    char text[REMOTE_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->rc = REMOTE_FAIL(r->err, REMOTE_E_CONFIG, "%s:%u: %s", r->file->name, r->line, text);
}

/* Of a line in a section: a slot's breaks that slot only. */
static void fail_line(struct reader *r, const char *text)
{
    struct remote_error fault = { 0 };

    if (!r->section || r->section == r->config->global) {
        fail(r, "%s%s%s", r->section ? remote_section_title(r->section) : "", r->section ? " " : "",
             text);
        return;
    }
    (void)REMOTE_FAIL(&fault, REMOTE_E_CONFIG, "%s:%u: %s %s", r->file->name, r->line,
                      remote_section_title(r->section), text);
    remote_section_break(r->section, &fault);
}

/* ---- section headers ---- */

static bool name_is_fit(const char *name)
{
    char printable[REMOTE_SLOT_NAME_MAX + 1];

    if (name[0] == '\0' || strlen(name) > REMOTE_SLOT_NAME_MAX || strpbrk(name, "/;\""))
        return false;
    strcpy(printable, name); /* its length was checked above */
    remote_printable(printable);
    return strcmp(printable, name) == 0;
}

/* Sections of front ends, which read them: the core keeps what they say. */
static const struct front {
    const char *kind;
    bool has_name;
} fronts[] = {
    { "kes", false },
    { "kes-policy", true },
};

struct sections { /* where those of one sort are */
    struct remote_section ***list;
    size_t *count;
};

static const struct remote_section *find_section(const struct sections *sections, const char *kind,
                                                 const char *name)
{
    for (size_t i = 0; i < *sections->count; i++) {
        const struct remote_section *section = (*sections->list)[i];

        if (strcmp(remote_section_kind(section), kind) == 0 &&
            strcmp(remote_section_name(section), name) == 0)
            return section;
    }
    return NULL;
}

/* name: NULL, of a kind that has one section. */
static enum remote_rc append_section(struct reader *r, const struct sections *sections,
                                     const char *kind, const char *name)
{
    size_t count = *sections->count;
    struct remote_section **list = reallocarray(*sections->list, count + 1, sizeof(*list));
    char where[512];

    if (!list)
        return REMOTE_FAIL(r->err, REMOTE_E_NOMEM, "out of memory");
    *sections->list = list;
    snprintf(where, sizeof(where), "%s:%u", r->file->name, r->line);
    REMOTE_TRY(remote_section_new(kind, name, where, r->file->is_private, &r->section, r->err));
    list[count] = r->section;
    *sections->count = count + 1;
    return REMOTE_OK;
}

static void add_section(struct reader *r, const struct sections *sections, const char *kind,
                        const char *name)
{
    const struct remote_section *namesake = find_section(sections, kind, name ? name : "");
    char text[REMOTE_ERROR_TEXT_MAX];

    r->rc = append_section(r, sections, kind, name);
    if (r->rc != REMOTE_OK || !namesake)
        return;
    snprintf(text, sizeof(text),
             name ? "this name is taken in %s; give each %s its own"
                  : "this section stands in %s already; there is one [%s]",
             remote_section_where(namesake), kind);
    fail_line(r, text);
}

static void open_slot(struct reader *r, const char *name)
{
    const struct sections slots = { &r->config->slots, &r->config->slot_count };

    if (!name_is_fit(name))
        fail(r, "[slot %.40s]: a slot's name has 1 to %d bytes of text, without '/', ';' and '\"'",
             name, REMOTE_SLOT_NAME_MAX);
    else if (r->config->slot_count == REMOTE_SLOTS_MAX)
        fail(r, "[slot %s]: there are more than %d slots; use several configurations", name,
             REMOTE_SLOTS_MAX);
    else
        add_section(r, &slots, "slot", name);
}

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, BLANKS);
    len = strlen(text);
    while (len > 0 && strchr(BLANKS, text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

/* The name in a title "KIND NAME", "" when none is given; NULL: of another kind. */
static char *name_in(char *title, const char *kind)
{
    size_t len = strlen(kind);

    if (strncmp(title, kind, len) != 0 || !strchr(BLANKS, title[len]))
        return NULL; /* strchr() finds the end of the text too */
    return trim(title + len);
}

/* False: no front end has such a section. */
static bool open_front(struct reader *r, char *title)
{
    const struct sections sections = { &r->config->fronts, &r->config->front_count };

    for (size_t i = 0; i < ARRAY_SIZE(fronts); i++) {
        char *name = name_in(title, fronts[i].kind);

        if (!name || (!fronts[i].has_name && name[0] != '\0'))
            continue;
        add_section(r, &sections, fronts[i].kind, fronts[i].has_name ? name : NULL);
        return true;
    }
    return false;
}

/* line: from '[' to its end */
static void open_section(struct reader *r, char *line)
{
    char *end = strchr(line, ']'), *title, *name;

    if (!end) {
        fail(r, "'[' without ']'; write [slot NAME] or [hsmbridge]");
        return;
    }
    *end++ = '\0';
    end += strspn(end, BLANKS);
    if (*end != '\0' && *end != ';' && *end != '#') {
        fail(r, "surplus text behind ']'; begin a new line for it");
        return;
    }
    title = trim(line + 1);
    if (strcmp(title, "hsmbridge") == 0)
        r->section = r->config->global;
    else if ((name = name_in(title, "slot")) != NULL)
        open_slot(r, name);
    else if (!open_front(r, title))
        fail(r, "unknown section [%.40s]; there are [hsmbridge] and [slot NAME]", title);
}

/* ---- lines ---- */

/* Cuts the next line out of the text, without blanks around it; NULL when it must not be. */
static char *cut_line(struct reader *r)
{
    char *line = r->text + r->next;
    char *end = memchr(line, '\n', r->len - r->next);
    size_t len = end ? (size_t)(end - line) : r->len - r->next;

    r->next += len + (end ? 1 : 0);
    r->line++;
    if (r->line == 1 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3; /* a byte order mark, as some editors write it */
        len -= 3;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];

        if ((c >= 0x20 && c != 0x7f) || c == '\t' || c == '\f' || (c == '\r' && i + 1 == len))
            continue;
        fail(r, "control character (byte 0x%02x); the configuration is plain text in UTF-8", c);
        return NULL;
    }
    line[len] = '\0'; /* over the line's end, or the NUL that a secret has behind it */
    return trim(line);
}

/* What inih is to see of a line, "" for nothing. */
static const char *digest_line(struct reader *r, size_t room)
{
    char *line = cut_line(r);

    if (!line || line[0] == '\0' || line[0] == ';' || line[0] == '#')
        return "";
    if (strlen(line) > REMOTE_CONFIG_LINE_MAX || strlen(line) >= room) {
        fail(r, "the line is longer than %d bytes; split a list over several lines of its option",
             REMOTE_CONFIG_LINE_MAX);
        return "";
    }
    if (line[0] == '[') {
        open_section(r, line);
        return "";
    }
    r->unanswered = true;
    return line;
}

/* inih calls the handler at once, or never. */
static void settle_line(struct reader *r)
{
    if (r->unanswered)
        fail_line(r, "a line without '='; write OPTION = VALUE");
    r->unanswered = false;
}

/* For ini_parse_stream(), like fgets(). */
static char *read_line(char *line, int size, void *stream)
{
    struct reader *r = stream;

    settle_line(r);
    if (r->rc != REMOTE_OK || r->next >= r->len) {
        explicit_bzero(line, (size_t)size); /* inih's own buffer, on its stack */
        return NULL;
    }
    strcpy(line, digest_line(r, (size_t)size)); /* which is shorter than size */
    return line;
}

/*
 * Moves a text to the front of the file's bytes. There is room: option and value are shorter
 * than the line that they come from by '=' and the line's end, in place of which come two NULs.
 */
static const char *keep(struct reader *r, const char *text)
{
    size_t size = strlen(text) + 1;
    char *kept = memcpy(r->text + r->kept, text, size);

    r->kept += size;
    return kept;
}

/* For ini_parse_stream(). section: as inih understood it, see above. */
static int take_value(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;

    (void)section;
    if (!value) /* a host may have told inih to allow lines without '=' */
        return 1;
    r->unanswered = false;
    if (!r->section)
        fail(r, "'%.40s' before any section; write [slot NAME] or [hsmbridge] above it", name);
    else if (name[0] == '\0')
        fail_line(r, "nothing in front of '='; write OPTION = VALUE");
    else {
        const char *kept = keep(r, name);

        r->rc =
            remote_section_add(r->section, r->file->name, r->line, kept, keep(r, value), r->err);
    }
    return 1;
}

/* ---- files ---- */

static enum remote_rc parse_file(struct remote_config *config, struct remote_config_file *file,
                                 struct remote_error *err)
{
    struct reader r = {
        .config = config,
        .file = file,
        .text = (char *)file->text.data,
        .len = file->text.len,
        .err = err,
    };

    if (ini_parse_stream(read_line, &r, take_value, &r) == -2)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    return r.rc;
}

/* text: taken over, also on failure */
static enum remote_rc add_file(struct remote_config *config, const char *name,
                               struct remote_secret *text, bool is_private,
                               struct remote_error *err)
{
    struct remote_config_file *files, *file;

    files = reallocarray(config->files, config->file_count + 1, sizeof(*files));
    if (!files)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    config->files = files;
    file = &files[config->file_count];
    *file = (struct remote_config_file){ .name = strdup(name), .is_private = is_private };
    if (!file->name)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    config->file_count++;
    file->text = *text;
    *text = (struct remote_secret){ 0 };
    return parse_file(config, file, err);
}

/* Says what a file that could not be used was to be. */
static enum remote_rc usable(enum remote_rc rc, struct remote_error *err)
{
    if (rc != REMOTE_OK)
        remote_error_prefix(err, "configuration");
    return rc;
}

static enum remote_rc load_file(struct remote_config *config, const char *path,
                                struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    bool is_private = true;

    if (remote_file_read(path, REMOTE_FILE_CONFIG_SECRET, &text, NULL) != REMOTE_OK) {
        is_private = false;
        REMOTE_TRY(usable(remote_file_read(path, REMOTE_FILE_CONFIG, &text, err), err));
    }
    return add_file(config, path, &text, is_private, err);
}

/* ---- the pair hsmbridge.conf and conf.d ---- */

struct listing {
    struct dirent **entries;
    int count;
};

static void listing_clear(struct listing *listing)
{
    for (int i = 0; i < listing->count; i++)
        free(listing->entries[i]);
    free(listing->entries);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

bool remote_config_is_drop_in(const char *name)
{
    const char *dot = strrchr(name, '.');

    return name[0] != '.' && dot && strcmp(dot, ".conf") == 0;
}

static int is_conf(const struct dirent *entry)
{
    return remote_config_is_drop_in(entry->d_name);
}

/* Not alphasort(), whose order depends on the host's locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_absent(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static enum remote_rc load_entry(struct remote_config *config, const char *directory,
                                 const char *name, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *path = NULL;

    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    return load_file(config, path, err);
}

static enum remote_rc load_drop_ins(struct remote_config *config, const char *path,
                                    struct remote_error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(listing_clear) struct listing listing = { 0 };

    if (fd < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "configuration: %s: %s", path,
                           strerrordesc_np(errno));
    REMOTE_TRY(usable(remote_file_check(fd, path, REMOTE_FILE_CONFIG, err), err));
    listing.count = scandir(path, &listing.entries, is_conf, by_name);
    if (listing.count < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "configuration: %s: %s", path,
                           strerrordesc_np(errno));
    for (int i = 0; i < listing.count; i++)
        REMOTE_TRY(load_entry(config, path, listing.entries[i]->d_name, err));
    return REMOTE_OK;
}

static enum remote_rc load_directory(struct remote_config *config, const char *directory,
                                     struct remote_error *err)
{
    CLEANUP(remote_str_free) char *main_path = NULL, *drop_ins = NULL;

    if (asprintf(&main_path, "%s/hsmbridge.conf", directory) < 0)
        main_path = NULL;
    if (asprintf(&drop_ins, "%s/conf.d", directory) < 0)
        drop_ins = NULL;
    if (!main_path || !drop_ins)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (!is_absent(main_path))
        REMOTE_TRY(load_file(config, main_path, err));
    if (!is_absent(drop_ins))
        REMOTE_TRY(load_drop_ins(config, drop_ins, err));
    if (config->file_count == 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "no configuration: there is neither %s nor %s/*.conf; write one "
                           "(hsmbridge.conf(5)), or "
                           "name a file in HSMBRIDGE_CONFIG",
                           main_path, drop_ins);
    return REMOTE_OK;
}

/* ---- the whole ---- */

static enum remote_rc begin(struct remote_config *config, const char *source,
                            struct remote_error *err)
{
    config->source = strdup(source);
    if (!config->source)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    return remote_section_new("hsmbridge", NULL, source, false, &config->global, err);
}

static enum remote_rc finish(struct remote_config *config, struct remote_config *ret,
                             struct remote_error *err)
{
    const struct remote_option *const tables[] = { remote_options_global, NULL };

    REMOTE_TRY(remote_section_check(config->global, tables, err));
    *ret = *config;
    *config = (struct remote_config){ 0 };
    return REMOTE_OK;
}

const char *remote_config_path(const char *named)
{
    const char *path = named ? named : secure_getenv("HSMBRIDGE_CONFIG");

    return path && path[0] ? path : NULL;
}

static enum remote_rc load(struct remote_config *config, const char *path, struct remote_error *err)
{
    struct stat st;

    if (path[0] != '/')
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "configuration: '%s' is not an absolute path",
                           path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return load_directory(config, path, err);
    return load_file(config, path, err);
}

enum remote_rc remote_config_load(const char *path, struct remote_config *ret,
                                  struct remote_error *err)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    if (!path)
        path = HSMBRIDGE_SYSCONFDIR;
    REMOTE_TRY(begin(&config, path, err));
    REMOTE_TRY(load(&config, path, err));
    return finish(&config, ret, err);
}

enum remote_rc remote_config_parse(const char *name, struct remote_slice text,
                                   struct remote_config *ret, struct remote_error *err)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret copy = { 0 };

    REMOTE_TRY(begin(&config, name, err));
    REMOTE_TRY(remote_secret_set(&copy, text.data, text.len, err));
    REMOTE_TRY(add_file(&config, name, &copy, true, err));
    return finish(&config, ret, err);
}

void remote_config_clear(struct remote_config *config)
{
    if (!config)
        return;
    remote_section_free(config->global);
    for (size_t i = 0; i < config->slot_count; i++)
        remote_section_free(config->slots[i]);
    free(config->slots);
    for (size_t i = 0; i < config->front_count; i++)
        remote_section_free(config->fronts[i]);
    free(config->fronts);
    for (size_t i = 0; i < config->file_count; i++) {
        free(config->files[i].name);
        remote_secret_clear(&config->files[i].text);
    }
    free(config->files);
    free(config->source);
    *config = (struct remote_config){ 0 };
}
