/* SPDX-License-Identifier: Apache-2.0 */
#include "args.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "fail.h"
#include "suggest.h"

#define FIELD(name) offsetof(struct tools_args, name)
#define EVERYWHERE "config json verbose help "
#define LONG_BASE 256 /* getopt's value of an option is this and its index in the table */

const struct tools_args tools_args_default = {
    .salt_length = TOOLS_SALT_AS_HASH,
    .bytes = 32,
    .threads = 1,
    .pairs = 20,
    .block_ms = 1000,
};

/* clang-format off */
const struct tools_option tools_options[] = {
    /* name        letter kind          value     field            min  max */
    { "slot",        's', TOOLS_TEXT,   "NAME",   FIELD(slot),        0, 0,
      "the slot; may be left out where only one is configured" },
    { "key",         'k', TOOLS_TEXT,   "LABEL",  FIELD(key),         0, 0,
      "the key, by its label: NAME, or NAME@vN for one version" },
    { "id",            0, TOOLS_TEXT,   "HEX",    FIELD(id),          0, 0,
      "the key, by its CKA_ID: exactly that version" },
    { "pin-file",      0, TOOLS_TEXT,   "FILE",   FIELD(pin_file),    0, 0,
      "the PIN of a slot that takes one; else the terminal is asked" },
    { "in",          'i', TOOLS_TEXT,   "FILE",   FIELD(in),          0, 0,
      "input; - or nothing: standard input" },
    { "out",         'o', TOOLS_TEXT,   "FILE",   FIELD(out),         0, 0,
      "output, as raw bytes unless told otherwise; else standard output" },
    { "base64",        0, TOOLS_FLAG,   NULL,     FIELD(base64),      0, 0,
      "write the output as base64" },
    { "hex",           0, TOOLS_FLAG,   NULL,     FIELD(hex),         0, 0,
      "write the output as hex digits" },
    { "decode",        0, TOOLS_TEXT,   "FORM",   FIELD(decode),      0, 0,
      "what is read is base64 or hex (default: raw bytes)" },
    { "mechanism",   'm', TOOLS_TEXT,   "NAME",   FIELD(mechanism),   0, 0,
      "the mechanism, e.g. ECDSA-SHA256; default: by the type of key" },
    { "type",          0, TOOLS_TEXT,   "KIND",   FIELD(type),        0, 0,
      "the kind of key: ecdsa-p256, rsa-2048, ed25519, aes-256, chacha20, hmac ...; of "
      "'zama decrypt', what is encrypted: bool, uint8, ... uint256" },
    { "use",           0, TOOLS_TEXT,   "WORD",   FIELD(use),         0, 0,
      "what an RSA key is for, where the service wants to know: sign or decrypt" },
    { "label",         0, TOOLS_TEXT,   "NAME",   FIELD(label),       0, 0,
      "what the key is called from now on" },
    { "digest",        0, TOOLS_FLAG,   NULL,     FIELD(digest),      0, 0,
      "the input is a digest already, made with the mechanism's hash" },
    { "der",           0, TOOLS_FLAG,   NULL,     FIELD(der),         0, 0,
      "ECDSA signatures are DER, as openssl has them (the default)" },
    { "raw",           0, TOOLS_FLAG,   NULL,     FIELD(raw),         0, 0,
      "ECDSA signatures are r||s, as PKCS#11 and JOSE have them" },
    { "salt-length",   0, TOOLS_NUMBER, "BYTES",  FIELD(salt_length), 0, 512,
      "length of the PSS salt; default: that of the hash" },
    { "signature",     0, TOOLS_TEXT,   "FILE",   FIELD(signature),   0, 0,
      "the signature to verify" },
    { "aad",           0, TOOLS_TEXT,   "TEXT",   FIELD(aad),         0, 0,
      "associated data that the ciphertext is bound to" },
    { "aad-file",      0, TOOLS_TEXT,   "FILE",   FIELD(aad_file),    0, 0,
      "the same, read from a file" },
    { "bytes",       'n', TOOLS_NUMBER, "N",      FIELD(bytes),       1, 1048576,
      "how many (default: 32)" },
    { "subject",       0, TOOLS_TEXT,   "NAME",   FIELD(subject),     0, 0,
      "the subject: \"/O=Example/CN=www\" or \"CN=www,O=Example\"" },
    { "san",           0, TOOLS_LIST,   "NAME",   FIELD(san),         0, 0,
      "a subjectAltName, DNS:... IP:... or email:...; may be repeated" },
    { "threads",     't', TOOLS_NUMBER, "N",      FIELD(threads),     1, 1024,
      "threads that work at once, on both sides (default: 1)" },
    { "pairs",         0, TOOLS_NUMBER, "N",      FIELD(pairs),       6, 10000,
      "pairs of blocks to measure (default: 20)" },
    { "block",         0, TOOLS_DURATION, "TIME", FIELD(block_ms),   10, 60000,
      "length of one block (default: 1s)" },
    { "dir",           0, TOOLS_TEXT,   "DIR",    FIELD(dir),         0, 0,
      "the directory of KES's file store" },
    { "from",          0, TOOLS_TEXT,   "SLOT",   FIELD(from),        0, 0,
      "the Vault slot whose credentials read KES's entries" },
    { "path",          0, TOOLS_TEXT,   "PATH",   FIELD(path),        0, 0,
      "where KES keeps them: mount and prefix, such as secret/kes/prod" },
    { "transit-key",   0, TOOLS_TEXT,   "LABEL",  FIELD(transit_key), 0, 0,
      "the key of that slot which KES has wrapped them with" },
    { "hmac",          0, TOOLS_FLAG,   NULL,     FIELD(with_hmac),   0, 0,
      "bring each key's HMAC key as well, as NAME-hmac" },
    { "dry-run",       0, TOOLS_FLAG,   NULL,     FIELD(dry_run),     0, 0,
      "only tell what is there" },
    { "file",          0, TOOLS_LIST,   "FILE",   FIELD(files),       0, 0,
      "a file to replace; may be repeated" },
    { "format",        0, TOOLS_TEXT,   "FORM",   FIELD(format),      0, 0,
      "of the ciphertext: small-compressed, small-expanded, big-compressed or big-expanded "
      "(default: as its header says)" },
    { "handle",        0, TOOLS_TEXT,   "HEX",    FIELD(handle),      0, 0,
      "what names the ciphertext in signatures (default: fresh random bytes)" },
    { "signatures",    0, TOOLS_TEXT,   "FILE",   FIELD(signatures),  0, 0,
      "where what a chain can check goes: handle, number of signatures, signatures, extra data" },
    { "request",       0, TOOLS_TEXT,   "FILE",   FIELD(request),     0, 0,
      "the stored request (protobuf) that the answer is to" },
    { "party",         0, TOOLS_NUMBER, "N",      FIELD(party),       1, 255,
      "the party whose answer it is (default: any)" },
    { "module",        0, TOOLS_TEXT,   "PATH",   FIELD(module),      0, 0,
      "go through C_Sign of this PKCS#11 module, not the core alone" },
    { "no-loop",       0, TOOLS_FLAG,   NULL,     FIELD(no_loop),     0, 0,
      "measure ours alone, without the bare libcurl loop" },
    { "markdown",      0, TOOLS_FLAG,   NULL,     FIELD(markdown),    0, 0,
      "write the table in Markdown" },
    { "config",      'c', TOOLS_TEXT,   "FILE",   FIELD(config),      0, 0,
      "the configuration, instead of /etc/hsmbridge/hsmbridge.conf" },
    { "json",          0, TOOLS_FLAG,   NULL,     FIELD(json),        0, 0,
      "write JSON" },
    { "verbose",     'v', TOOLS_COUNT,  NULL,     FIELD(verbose),     0, 0,
      "log to stderr what is done; twice: in detail" },
    { "help",        'h', TOOLS_FLAG,   NULL,     FIELD(help),        0, 0,
      "this text" },
    { NULL }
};
/* clang-format on */
#define OPTION_COUNT (ARRAY_SIZE(tools_options) - 1)
#define OPTION_ROOM 32 /* bytes for "--" and a name */

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

bool tools_args_takes(const struct tools_command *command, const struct tools_option *option)
{
    return has_word(EVERYWHERE, option->name) ||
           (command && has_word(command->options, option->name));
}

/* Builds what getopt_long wants; both arrays are large enough for the whole table. */
static void prepare(const struct tools_command *command, char *letters, struct option *longs)
{
    *letters++ = command ? '-' : '+'; /* behind a command every argument is looked at in order */
    *letters++ = ':';
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct tools_option *option = &tools_options[i];

        if (!tools_args_takes(command, option))
            continue;
        *longs++ = (struct option){ option->name, option->value ? required_argument : no_argument,
                                    NULL, LONG_BASE + (int)i };
        if (option->letter)
            *letters++ = option->letter;
        if (option->letter && option->value)
            *letters++ = ':';
    }
    *letters = '\0';
    *longs = (struct option){ 0 };
}

static const struct tools_option *option_of(int value)
{
    if (value >= LONG_BASE)
        return &tools_options[value - LONG_BASE];
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (value && tools_options[i].letter == value)
            return &tools_options[i];
    return NULL;
}

static int unknown_option(const struct tools_command *command, const char *word)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    char spelled[OPTION_COUNT][OPTION_ROOM], bare[OPTION_ROOM];
    const char *names[OPTION_COUNT];
    size_t count = 0;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!tools_args_takes(command, &tools_options[i]))
            continue;
        snprintf(spelled[count], OPTION_ROOM, "--%s", tools_options[i].name);
        names[count] = spelled[count];
        count++;
    }
    snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(word, "="), word);
    remote_buf_printf(&text, "unknown option '%s'", bare);
    if (command)
        remote_buf_printf(&text, " for '%s'", command->name);
    tools_suggest(&text, bare, names, count, "its options are");
    return tools_fail(TOOLS_USAGE, "%s", text.failed ? "out of memory" : (char *)text.data);
}

static int wrong_option(const struct tools_command *command, int result, char *const *argv)
{
    const struct tools_option *option = option_of(optopt);
    const char *word = argv[optind - 1];
    char letter[3] = { '-', (char)optopt, '\0' };

    if (result == ':')
        return tools_fail(TOOLS_USAGE, "option --%s needs a value: %s", option->name,
                          option->value);
    if (optopt >= LONG_BASE)
        return tools_fail(TOOLS_USAGE, "option --%s takes no value", option->name);
    return unknown_option(command, optopt ? letter : word);
}

/* What a command with actions is to do; true when the word is one of them. */
static bool take_action(const struct tools_command *command, const char *word,
                        struct tools_args *args)
{
    if (!command->actions || args->action || !has_word(command->actions, word))
        return false;
    args->action = word;
    return true;
}

static int surplus_argument(const struct tools_command *command, const char *word)
{
    if (command->actions)
        return tools_fail(TOOLS_USAGE, "'%s' does one of: %s; not '%s'", command->name,
                          command->actions, word);
    return tools_fail(TOOLS_USAGE, "'%s' takes no argument '%s'%s", command->name, word,
                      has_word(command->options, "in") ? "; a file goes with --in" : "");
}

static bool parse_number(const char *text, const char **ret_rest, uint64_t *ret)
{
    char *end;
    unsigned long long value;

    if (text[0] < '0' || text[0] > '9')
        return false; /* strtoull would take blanks and signs */
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno)
        return false;
    *ret_rest = end;
    *ret = value;
    return true;
}

static int set_number(const struct tools_option *option, const char *text, uint64_t *ret)
{
    const char *rest = "";
    uint64_t value = 0;

    if (!parse_number(text, &rest, &value) || *rest || value < option->min || value > option->max)
        return tools_fail(TOOLS_USAGE,
                          "option --%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
                          option->name, option->min, option->max, text);
    *ret = value;
    return TOOLS_OK;
}

static int set_duration(const struct tools_option *option, const char *text, uint64_t *ret)
{
    const char *rest = "";
    uint64_t value = 0, unit = 0;

    if (parse_number(text, &rest, &value))
        unit = strcmp(rest, "ms") == 0 ? 1 : strcmp(rest, "s") == 0 ? 1000 : 0;
    if (!unit || value > option->max || value * unit < option->min || value * unit > option->max)
        return tools_fail(TOOLS_USAGE,
                          "option --%s takes a time from %" PRIu64 "ms to %" PRIu64
                          "s, e.g. 500ms or 2s, not '%s'",
                          option->name, option->min, option->max / 1000, text);
    *ret = value * unit;
    return TOOLS_OK;
}

static int add_to_list(const struct tools_option *option, const char *text, const char **list)
{
    size_t count = 0;

    while (list[count])
        count++;
    if (count == TOOLS_LIST_MAX)
        return tools_fail(TOOLS_USAGE, "option --%s may be given %d times at most", option->name,
                          TOOLS_LIST_MAX);
    list[count] = text;
    return TOOLS_OK;
}

static int set(const struct tools_option *option, const char *text, struct tools_args *args)
{
    void *field = (char *)args + option->field;

    switch (option->kind) {
    case TOOLS_FLAG:
        *(bool *)field = true;
        break;
    case TOOLS_COUNT:
        (*(unsigned *)field)++;
        break;
    case TOOLS_TEXT:
        *(const char **)field = text;
        break;
    case TOOLS_LIST:
        return add_to_list(option, text, field);
    case TOOLS_NUMBER:
        return set_number(option, text, field);
    case TOOLS_DURATION:
        return set_duration(option, text, field);
    }
    return TOOLS_OK;
}

int tools_args_parse(const struct tools_command *command, int argc, char **argv,
                     struct tools_args *args, int *ret_next)
{
    char letters[2 * OPTION_COUNT + 3];
    struct option longs[OPTION_COUNT + 1];
    int result;

    prepare(command, letters, longs);
    opterr = 0;
    optind = 0; /* GNU: start afresh */
    while ((result = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (result == '?' || result == ':')
            return wrong_option(command, result, argv);
        if (result == 1 && take_action(command, optarg, args))
            continue;
        if (result == 1)
            return surplus_argument(command, optarg);
        TOOLS_TRY(set(option_of(result), optarg, args));
    }
    if (command && optind < argc)
        return surplus_argument(command, argv[optind]);
    *ret_next = optind;
    return TOOLS_OK;
}
