/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "word.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define NAME_ROOM 64 /* bytes; longer names are compared by no one */

/* clang-format off */
const struct remote_option remote_options_global[] = {
    /* name, type, choices, min, max, what would be right */
    { "log", REMOTE_OPTION_PATH, "none syslog stderr", 0, 0,
      "none, syslog, stderr or the absolute path of a file" },
    { "log_level", REMOTE_OPTION_CHOICE, "error warning info debug", 0, 0,
      "the least severe kind of line that is written" },
    { NULL },
};

const struct remote_option remote_options_slot[] = {
    { "backend", REMOTE_OPTION_TEXT, NULL, 0, 0, "the kind of key service, such as vault" },
    { "keys", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "names of keys, or globs such as tls-*; the others stay hidden" },
    { "key_types", REMOTE_OPTION_CHOICES, "rsa ec ed25519 aes chacha20 hmac", 0, 0,
      "types of keys; the others stay hidden" },
    { "versions", REMOTE_OPTION_CHOICE, "latest all", 0, 0,
      "whether older versions of a key are listed too" },
    { "decrypt_versions", REMOTE_OPTION_NUMBER, NULL, 0, 64,
      "how many versions of a key a decryption may try" },
    { "certificates", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "absolute paths of PEM files, or globs such as /etc/hsmbridge/certs/*.pem" },
    { "timeout", REMOTE_OPTION_DURATION, NULL, 100, 10 * MINUTE,
      "the time for one use of the service, retries and login included" },
    { "connect_timeout", REMOTE_OPTION_DURATION, NULL, 50, 1 * MINUTE,
      "the time for a TCP connection to one address" },
    { "list_timeout", REMOTE_OPTION_DURATION, NULL, 1 * SECOND, 1 * HOUR,
      "the time for a whole listing of keys" },
    { "cache", REMOTE_OPTION_DURATION, NULL, 0, 24 * HOUR,
      "how long public keys and listings are good; 0s asks every time" },
    { "pin", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "which credential the PIN is, such as token" },
    { "pin_shared", REMOTE_OPTION_BOOL, NULL, 0, 0,
      "yes lets an application offer one PIN to several slots" },
    { "allow", REMOTE_OPTION_CHOICES, "generate import rotate destroy label", 0, 0,
      "what applications may do to keys; nothing unless named" },
    { "read_only", REMOTE_OPTION_BOOL, NULL, 0, 0,
      "yes refuses whatever would change a key, allow or not" },
    { "mechanisms", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "names such as ECDSA-SHA256; the others are not offered" },
    { "deny_mechanisms", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "names such as RSA-PKCS that are not offered" },
    { NULL },
};

const struct remote_option remote_options_https[] = {
    { "url", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "https://HOST:PORT of the service; several are tried in this order" },
    { "ca_file", REMOTE_OPTION_PATH, NULL, 0, 0,
      "a PEM file with the CAs that may vouch for the service" },
    { "client_cert_file", REMOTE_OPTION_PATH, NULL, 0, 0,
      "a PEM file with this client's certificate and its issuers" },
    { "client_key_file", REMOTE_OPTION_PATH, "pkcs11: hsmbridge:", 0, 0,
      "a PEM file with the private key of client_cert_file, or pkcs11:token=SLOT;object=KEY" },
    { "server_name", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "the name in the service's certificate, when it is not the URL's" },
    { "pin_sha256", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "base64 of SHA-256 over the service's SubjectPublicKeyInfo" },
    { "connect_to", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "HOST:PORT to connect to in place of the URL's, or HOST:PORT:ADDRESS:PORT" },
    { "proxy", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "http://HOST:PORT of an HTTP proxy; the environment's is ignored" },
    { "insecure_transport", REMOTE_OPTION_BOOL, NULL, 0, 0,
      "yes permits http:// to this host, a unix: socket or a metadata address" },
    { NULL },
};
/* clang-format on */

const char *const remote_option_suffixes[REMOTE_FORM_COUNT] = { "", "_file", "_env" };

/* ---- names ---- */

static size_t form_count(const struct remote_option *option)
{
    return option->type == REMOTE_OPTION_SECRET ? REMOTE_FORM_COUNT : 1;
}

struct walk { /* over every spelling of every option of a list of tables */
    const struct remote_option *const *table;
    size_t option, form;
};

static bool walk_next(struct walk *walk, struct remote_option_use *ret)
{
    const struct remote_option *option;

    while (*walk->table && !(*walk->table)[walk->option].name) {
        walk->table++;
        walk->option = 0;
    }
    if (!*walk->table)
        return false;
    option = &(*walk->table)[walk->option];
    *ret = (struct remote_option_use){ option, (enum remote_option_form)walk->form };
    if (++walk->form == form_count(option)) {
        walk->form = 0;
        walk->option++;
    }
    return true;
}

bool remote_option_find(const struct remote_option *const *tables, const char *name,
                        struct remote_option_use *ret)
{
    struct walk walk = { .table = tables };
    struct remote_option_use use;

    while (walk_next(&walk, &use)) {
        size_t len = strlen(use.option->name);

        if (strncmp(name, use.option->name, len) == 0 &&
            strcmp(name + len, remote_option_suffixes[use.form]) == 0) {
            *ret = use;
            return true;
        }
    }
    return false;
}

void remote_option_suggest(const struct remote_option *const *tables, const char *name, char *ret,
                           size_t size)
{
    /* One slip in a short name, two in a longer one; more and any word would do. */
    unsigned limit = strlen(name) < 6 ? 2 : 3;
    struct walk walk = { .table = tables };
    struct remote_option_use use;

    ret[0] = '\0';
    if (strlen(name) >= NAME_ROOM)
        return;
    while (walk_next(&walk, &use)) {
        char spelling[NAME_ROOM];
        unsigned distance;

        snprintf(spelling, sizeof(spelling), "%s%s", use.option->name,
                 remote_option_suffixes[use.form]);
        distance = remote_word_distance(name, spelling);
        if (distance < limit) {
            limit = distance;
            snprintf(ret, size, "%s", spelling);
        }
    }
}

bool remote_option_is_list(const struct remote_option *option)
{
    return option->type == REMOTE_OPTION_WORDS || option->type == REMOTE_OPTION_CHOICES;
}

size_t remote_word_next(const char **cursor, const char **ret_word)
{
    size_t len;

    *cursor += strspn(*cursor, " \t");
    len = strcspn(*cursor, " \t");
    *ret_word = *cursor;
    *cursor += len;
    return len;
}

/* ---- values ---- */

static const struct {
    const char *name;
    uint64_t ms;
} units[] = {
    /* the greatest last */
    { "ms", 1 },
    { "s", SECOND },
    { "m", MINUTE },
    { "h", HOUR },
};

/* Decimal digits and nothing else; moves *text behind them. */
static bool read_digits(const char **text, uint64_t *ret)
{
    const char *p = *text;
    uint64_t number = 0;

    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (p == *text)
        return false;
    *text = p;
    *ret = number;
    return true;
}

static bool in_range(const struct remote_option *option, uint64_t number)
{
    return number >= option->min && (option->max == 0 || number <= option->max);
}

static bool fits_any(const struct remote_option *option, const char *value, uint64_t *ret)
{
    (void)option;
    (void)value;
    (void)ret;
    return true;
}

static bool fits_number(const struct remote_option *option, const char *value, uint64_t *ret)
{
    return read_digits(&value, ret) && *value == '\0' && in_range(option, *ret);
}

static bool fits_duration(const struct remote_option *option, const char *value, uint64_t *ret)
{
    uint64_t number;

    if (!read_digits(&value, &number))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (strcmp(value, units[i].name) != 0)
            continue;
        if (number > UINT64_MAX / units[i].ms)
            return false;
        *ret = number * units[i].ms;
        return in_range(option, *ret);
    }
    return false;
}

static bool fits_bool(const struct remote_option *option, const char *value, uint64_t *ret)
{
    (void)option;
    *ret = strcmp(value, "yes") == 0;
    return *ret || strcmp(value, "no") == 0;
}

static bool is_choice(const char *choices, const char *word, size_t len)
{
    const char *choice;
    size_t choice_len;

    while ((choice_len = remote_word_next(&choices, &choice)) > 0) {
        if (choice_len == len && memcmp(choice, word, len) == 0)
            return true;
    }
    return false;
}

static bool fits_choice(const struct remote_option *option, const char *value, uint64_t *ret)
{
    (void)ret;
    return is_choice(option->choices, value, strlen(value));
}

static bool fits_choices(const struct remote_option *option, const char *value, uint64_t *ret)
{
    const char *word;
    size_t len;

    (void)ret;
    while ((len = remote_word_next(&value, &word)) > 0) {
        if (!is_choice(option->choices, word, len))
            return false;
    }
    return true;
}

/* A choice of PATH that ends with a colon is the scheme of a URI, in letters of either case. */
static bool has_scheme(const char *choices, const char *value)
{
    const char *choice;
    size_t len;

    while ((len = remote_word_next(&choices, &choice)) > 0) {
        if (choice[len - 1] == ':' && strncasecmp(choice, value, len) == 0)
            return true;
    }
    return false;
}

static bool fits_path(const struct remote_option *option, const char *value, uint64_t *ret)
{
    (void)ret;
    return value[0] == '/' ||
           (option->choices && (is_choice(option->choices, value, strlen(value)) ||
                                has_scheme(option->choices, value)));
}

/* IEEE Std 1003.1-2017 8.1, letters of either case. */
static bool fits_variable(const struct remote_option *option, const char *value, uint64_t *ret)
{
    (void)option;
    (void)ret;
    return (value[0] < '0' || value[0] > '9') &&
           value[strspn(value,
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void say_limit(char *ret, size_t size, enum remote_option_type type, uint64_t number)
{
    size_t unit = 0;

    if (type == REMOTE_OPTION_NUMBER) {
        snprintf(ret, size, "%" PRIu64, number);
        return;
    }
    while (unit + 1 < ARRAY_SIZE(units) && number >= units[unit + 1].ms &&
           number % units[unit + 1].ms == 0)
        unit++;
    snprintf(ret, size, "%" PRIu64 "%s", number / units[unit].ms, units[unit].name);
}

static void say_range(char *ret, size_t size, const struct remote_option *option, const char *what)
{
    char min[32], max[32];

    say_limit(min, sizeof(min), option->type, option->min);
    say_limit(max, sizeof(max), option->type, option->max);
    if (option->max > 0)
        snprintf(ret, size, "%s from %s to %s", what, min, max);
    else
        snprintf(ret, size, "%s, %s or more", what, min);
}

static void say_choices(char *ret, size_t size, const struct remote_option *option,
                        const char *what)
{
    snprintf(ret, size, "%s: %s", what, option->choices);
}

static void say_what(char *ret, size_t size, const struct remote_option *option, const char *what)
{
    (void)option;
    snprintf(ret, size, "%s", what);
}

struct value_rule {
    bool (*fits)(const struct remote_option *option, const char *value, uint64_t *ret);
    void (*say)(char *ret, size_t size, const struct remote_option *option, const char *what);
    const char *what;
};

/* clang-format off */
static const struct value_rule rules[] = {
    [REMOTE_OPTION_TEXT]     = { fits_any,      say_what,    "text" },
    [REMOTE_OPTION_WORDS]    = { fits_any,      say_what,    "words" },
    [REMOTE_OPTION_DURATION] = { fits_duration, say_range,   "a duration (with ms, s, m or h)" },
    [REMOTE_OPTION_BOOL]     = { fits_bool,     say_what,    "yes or no" },
    [REMOTE_OPTION_NUMBER]   = { fits_number,   say_range,   "a number" },
    [REMOTE_OPTION_CHOICE]   = { fits_choice,   say_choices, "one of" },
    [REMOTE_OPTION_CHOICES]  = { fits_choices,  say_choices, "some of" },
    [REMOTE_OPTION_PATH]     = { fits_path,     say_what,    "an absolute path" },
};
static const struct value_rule secret_rules[REMOTE_FORM_COUNT] = {
    [REMOTE_FORM_VALUE]      = { fits_any,      say_what,    "a secret" },
    [REMOTE_FORM_FILE]       = { fits_path,     say_what,    "the absolute path of a file" },
    [REMOTE_FORM_ENV]        = { fits_variable, say_what,    "the name of an environment variable" },
};
/* clang-format on */

static enum remote_rc fail(struct remote_error *err, struct remote_option_use use,
                           const char *problem)
{
    const char *help = use.option->help;

    return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s%s%s", problem, help ? "; " : "", help ? help : "");
}

enum remote_rc remote_option_check(struct remote_option_use use, const char *value,
                                   uint64_t *ret_number, struct remote_error *err)
{
    bool secret = use.option->type == REMOTE_OPTION_SECRET;
    const struct value_rule *rule = secret ? &secret_rules[use.form] : &rules[use.option->type];
    char right[160], problem[256];
    uint64_t number = 0;

    if (value[0] == '\0')
        return fail(err, use, "has no value");
    if (!secret && value[0] == '"')
        return fail(err, use, "values are written without quotes");
    if (rule->fits(use.option, value, &number)) {
        *ret_number = number;
        return REMOTE_OK;
    }
    rule->say(right, sizeof(right), use.option, rule->what);
    if (secret)
        snprintf(problem, sizeof(problem), "is not %s", right); /* it may be the secret itself */
    else
        snprintf(problem, sizeof(problem), "'%.64s' is not %s", value, right);
    return fail(err, use, problem);
}
