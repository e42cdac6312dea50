/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: INI, read through inih, checked against tables of options. A fault is one
 * line that names file, line, section, option and what would be right. A fault in a slot's
 * section breaks that slot only; a fault elsewhere breaks the configuration.
 */
#ifndef REMOTE_CONFIG_H
#define REMOTE_CONFIG_H

#include <stdint.h>

#include "remote/buf.h"

#define REMOTE_SLOT_NAME_MAX 32 /* bytes; CK_TOKEN_INFO.label */
#define REMOTE_SLOTS_MAX 256
#define REMOTE_CONFIG_LINE_MAX 198 /* bytes; inih silently cuts behind it, so longer is refused */

enum remote_option_type {
    REMOTE_OPTION_TEXT,
    REMOTE_OPTION_WORDS,    /* blank-separated; a repeated option adds to it */
    REMOTE_OPTION_DURATION, /* 500ms, 3s, 5m, 1h; kept in milliseconds */
    REMOTE_OPTION_BOOL,     /* yes, no */
    REMOTE_OPTION_NUMBER,   /* min..max */
    REMOTE_OPTION_CHOICE,   /* one of `choices` */
    REMOTE_OPTION_CHOICES,  /* WORDS, each one of `choices` */
    REMOTE_OPTION_PATH,     /* absolute */
    REMOTE_OPTION_SECRET    /* NAME, NAME_file (absolute path) or NAME_env; at most one of them */
};

struct remote_option {
    const char *name;
    enum remote_option_type type;
    const char *choices; /* blank-separated, for CHOICE(S); words that PATH takes as well */
    uint64_t min, max;   /* NUMBER; DURATION in milliseconds; max 0: no limit */
    const char *help;    /* what would be right, for messages and `hsmbridge check` */
};
/* Tables end with an entry whose name is NULL. */
extern const struct remote_option remote_options_global[]; /* [hsmbridge] */
extern const struct remote_option remote_options_slot[];   /* every slot */
extern const struct remote_option remote_options_https[];  /* every HTTPS or gRPC slot */

struct remote_section; /* one [slot NAME], [hsmbridge], or of a front end: [kes] */
struct remote_config_file;
struct remote_config {
    char *source; /* the path, or the default pair, for messages */
    struct remote_section *global;
    struct remote_section **slots; /* in file order */
    size_t slot_count;
    struct remote_section **fronts; /* [kes], [kes-policy NAME]: the front end checks its own */
    size_t front_count;
    struct remote_config_file *files; /* config.c's: the bytes that values point into */
    size_t file_count;
};

/*
 * Where the configuration is: `named` when not NULL, else HSMBRIDGE_CONFIG (secure_getenv),
 * else NULL for the default: /etc/hsmbridge/hsmbridge.conf, then /etc/hsmbridge/conf.d/ *.conf
 * in name order. Returned text: static or the argument itself.
 */
const char *remote_config_path(const char *named);

/*
 * Reads it. path: absolute; a file, or a directory with the pair hsmbridge.conf and conf.d, of
 * which each may be absent, but not both. NULL: the directory of the default.
 * REMOTE_E_CONFIG: unreadable, wrong owner or mode, over-long line, unknown section.
 * No network, no slot is opened. ret: remote_config_clear() it.
 */
enum remote_rc remote_config_load(const char *path, struct remote_config *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
/* The same from memory; `name` stands for the file in messages. For tests and fuzzing. */
enum remote_rc remote_config_parse(const char *name, struct remote_slice text,
                                   struct remote_config *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void remote_config_clear(struct remote_config *config);

/*
 * What the files at that path are now, told by stat(2) alone: differs once one of them was changed,
 * added or taken away. path as for remote_config_load().
 */
struct remote_config_stamp {
    uint64_t sum;
    bool young; /* one was changed so lately that somebody may still be writing it */
};
void remote_config_stamp(const char *path, struct remote_config_stamp *ret);

/* ---- one section ---- */
const char *remote_section_kind(const struct remote_section *section); /* "slot", "kes", ... */
const char *remote_section_name(const struct remote_section *section); /* "": it has none */
/* "FILE:LINE" where the section begins; for messages. */
const char *remote_section_where(const struct remote_section *section);
/* REMOTE_OK, or why this slot is broken (duplicate name, unknown backend, bad option ...). */
enum remote_rc remote_section_status(const struct remote_section *section,
                                     struct remote_error *err);
void remote_section_break(struct remote_section *section, const struct remote_error *why);
/* The options of one backend are checked here once the backend is known; tables: NULL-ended. */
enum remote_rc remote_section_check(struct remote_section *section,
                                    const struct remote_option *const *tables,
                                    struct remote_error *err) REMOTE_MUST_CHECK;

/* Whether both say the same: name, and options and values line by line, wherever they stand. */
bool remote_section_same(const struct remote_section *a, const struct remote_section *b);

/* Values as checked. The pointers live as long as the config. */
const char *remote_section_text(const struct remote_section *section, const char *option,
                                const char *otherwise);
bool remote_section_bool(const struct remote_section *section, const char *option, bool otherwise);
uint64_t remote_section_number(const struct remote_section *section, const char *option,
                               uint64_t otherwise); /* NUMBER, or DURATION in ms */
/* NULL-ended array, possibly empty; never NULL. */
const char *const *remote_section_words(const struct remote_section *section, const char *option);
bool remote_section_has(const struct remote_section *section, const char *option);
bool remote_section_has_word(const struct remote_section *section, const char *option,
                             const char *word);
/* Sets err to "FILE:LINE: [slot NAME] OPTION: text" and returns REMOTE_E_CONFIG. */
enum remote_rc remote_section_fail(const struct remote_section *section, const char *option,
                                   struct remote_error *err, const char *fmt, ...)
    REMOTE_PRINTF(4, 5);

#endif
