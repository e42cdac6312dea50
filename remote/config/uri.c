/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing the text of URIs. Strict, by RFC 7512 section 2.3: what is not understood
 * might have been meant to name something else, so it is refused rather than left out.
 */
#include "uri.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "build-config.h"
#include "remote/encode.h"
#include "remote/identity.h"

#define OURS "hsmbridge:"
#define RFC7512 "pkcs11:"
#define MODULE_NAME "hsmbridge"
#define MODULE_FILE "hsmbridge.so"
#define ATTRIBUTES_MAX 32 /* bits of reader.seen */

enum part { PATH, QUERY };
enum scheme { SCHEME_OURS = 1, SCHEME_RFC7512 = 2, SCHEME_BOTH = 3 };

struct reader {
    enum scheme scheme;
    struct remote_uri uri;
    unsigned seen; /* bit by index in attributes[] */
    struct remote_error *err;
};

struct attribute {
    const char *name;
    enum part part;
    enum scheme schemes;
    enum remote_rc (*take)(struct reader *r, const struct attribute *row, const char *value);
    size_t field;         /* take_text: offset of the char * */
    const char *expected; /* take_constant: what ours is called */
};

/* ---- attributes ---- */

static enum remote_rc take_text(struct reader *r, const struct attribute *row, const char *value)
{
    char **field = (char **)((char *)&r->uri + row->field);

    *field = strdup(value);
    return *field ? REMOTE_OK : REMOTE_FAIL(r->err, REMOTE_E_NOMEM, "out of memory");
}

/* What is the same for every token of ours: another value means a token of somebody else. */
static enum remote_rc take_constant(struct reader *r, const struct attribute *row,
                                    const char *value)
{
    if (strcmp(value, row->expected) != 0)
        r->uri.foreign = row->name;
    return REMOTE_OK;
}

static enum remote_rc take_type(struct reader *r, const struct attribute *row, const char *value)
{
    static const char *const words[] = {
        [REMOTE_URI_PRIVATE] = "private", [REMOTE_URI_PUBLIC] = "public",
        [REMOTE_URI_CERT] = "cert",       [REMOTE_URI_SECRET_KEY] = "secret-key",
        [REMOTE_URI_DATA] = "data",
    };

    for (size_t i = REMOTE_URI_PRIVATE; i < ARRAY_SIZE(words); i++) {
        if (strcmp(value, words[i]) == 0) {
            r->uri.class = (enum remote_uri_class)i;
            return REMOTE_OK;
        }
    }
    return REMOTE_FAIL(r->err, REMOTE_E_PARAM,
                       "%s=%.40s is none of private, public, cert, secret-key and data", row->name,
                       value);
}

static enum remote_rc take_slot_id(struct reader *r, const struct attribute *row, const char *value)
{
    char *end = NULL;

    errno = 0;
    r->uri.slot_id = strtol(value, &end, 10);
    if (isdigit((unsigned char)*value) && *end == '\0' && errno == 0)
        return REMOTE_OK;
    return REMOTE_FAIL(r->err, REMOTE_E_PARAM, "%s=%.40s is no number", row->name, value);
}

/* A directory may hold our module; a file is ours by its name. */
static enum remote_rc take_module_path(struct reader *r, const struct attribute *row,
                                       const char *value)
{
    const char *slash = strrchr(value, '/');
    const char *file = slash ? slash + 1 : value;

    if (*file != '\0' && strcmp(file, MODULE_FILE) != 0)
        r->uri.foreign = row->name;
    return REMOTE_OK;
}

/* RFC 7512 2.4: a file: URI or a path; a command to run, '|...', is more than we do for a PIN. */
static enum remote_rc take_pin_source(struct reader *r, const struct attribute *row,
                                      const char *value)
{
    if (strncasecmp(value, "file:", 5) == 0)
        value += 5;
    if (strncmp(value, "///", 3) == 0) /* RFC 8089: an empty authority */
        value += 2;
    if (value[0] != '/' || value[1] == '/')
        return REMOTE_FAIL(r->err, REMOTE_E_PARAM,
                           "%s names no file: write it as %s=file:/absolute/path", row->name,
                           row->name);
    return take_text(r, row, value);
}

static enum remote_rc take_pin_value(struct reader *r, const struct attribute *row,
                                     const char *value)
{
    (void)row;
    return remote_secret_set(&r->uri.pin, value, strlen(value), r->err);
}

#define FIELD(name) offsetof(struct remote_uri, name)
#define VERSION_TEXT(major, minor) VERSION_QUOTE(major) "." VERSION_QUOTE(minor)
#define VERSION_QUOTE(number) #number
/* The id, which alone may hold NULs, is kept by take_attribute(). */
/* clang-format off */
static const struct attribute attributes[] = {
    { "slot",                 PATH,  SCHEME_OURS,    take_text,        FIELD(slot), NULL },
    { "token",                PATH,  SCHEME_RFC7512, take_text,        FIELD(slot), NULL },
    { "object",               PATH,  SCHEME_BOTH,    take_text,        FIELD(object), NULL },
    { "id",                   PATH,  SCHEME_BOTH,    NULL,             0, NULL },
    { "type",                 PATH,  SCHEME_BOTH,    take_type,        0, NULL },
    { "manufacturer",         PATH,  SCHEME_RFC7512, take_constant,    0, REMOTE_IDENTITY_MANUFACTURER },
    { "model",                PATH,  SCHEME_RFC7512, take_text,        FIELD(model), NULL },
    { "serial",               PATH,  SCHEME_RFC7512, take_text,        FIELD(serial), NULL },
    { "library-manufacturer", PATH,  SCHEME_RFC7512, take_constant,    0, REMOTE_IDENTITY_MANUFACTURER },
    { "library-description",  PATH,  SCHEME_RFC7512, take_constant,    0, REMOTE_IDENTITY_LIBRARY },
    { "library-version",      PATH,  SCHEME_RFC7512, take_constant,    0, VERSION_TEXT(HSMBRIDGE_VERSION_MAJOR, HSMBRIDGE_VERSION_MINOR) },
    { "slot-manufacturer",    PATH,  SCHEME_RFC7512, take_constant,    0, REMOTE_IDENTITY_MANUFACTURER },
    { "slot-description",     PATH,  SCHEME_RFC7512, take_text,        FIELD(slot_description), NULL },
    { "slot-id",              PATH,  SCHEME_RFC7512, take_slot_id,     0, NULL },
    { "pin-source",           QUERY, SCHEME_BOTH,    take_pin_source,  FIELD(pin_source), NULL },
    { "pin-value",            QUERY, SCHEME_BOTH,    take_pin_value,   0, NULL },
    { "module-name",          QUERY, SCHEME_RFC7512, take_constant,    0, MODULE_NAME },
    { "module-path",          QUERY, SCHEME_RFC7512, take_module_path, 0, NULL },
};
/* clang-format on */
_Static_assert(ARRAY_SIZE(attributes) <= ATTRIBUTES_MAX, "reader.seen has a bit for each");

static const struct attribute *find_attribute(enum scheme scheme, enum part part,
                                              struct remote_slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        const struct attribute *row = &attributes[i];

        if (row->part == part && (row->schemes & scheme) != 0 &&
            remote_slice_equal(name, remote_slice_str(row->name)))
            return row;
    }
    return NULL;
}

static enum remote_rc fail_unknown(const struct reader *r, enum part part, struct remote_slice name)
{
    CLEANUP(remote_buf_clear) struct remote_buf known = { 0 };

    if (r->uri.pin.data) /* it may be a part of the PIN, which is not told */
        return REMOTE_FAIL(
            r->err, REMOTE_E_PARAM,
            "what follows pin-value= is no attribute; a '&' in a PIN is written %%26");
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        if (attributes[i].part == part && (attributes[i].schemes & r->scheme) != 0)
            remote_buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", attributes[i].name);
    return REMOTE_FAIL(r->err, REMOTE_E_PARAM, "'%.*s' is no attribute %s '?'; there are %s",
                       (int)(name.len < 40 ? name.len : 40), (const char *)name.data,
                       part == PATH ? "before the" : "after the",
                       known.data ? (char *)known.data : "");
}

/* RFC 7512 2.3: pk11-res-avail, with '&' in the path, and '/', '?' and '|' in the query. */
static bool is_allowed(enum part part, unsigned char c)
{
    return c != '\0' && (isalnum(c) || strchr("-._~%:[]@!$'()*+,=", c) != NULL ||
                         (part == PATH ? c == '&' : strchr("/?|", c) != NULL));
}

static enum remote_rc decode_value(struct reader *r, const struct attribute *row,
                                   struct remote_slice value, struct remote_buf *ret)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_allowed(row->part, value.data[i]))
            return REMOTE_FAIL(r->err, REMOTE_E_PARAM,
                               "%s= has a character that must be written as %%%02X", row->name,
                               value.data[i]);
    if (value.len == 0)
        return REMOTE_FAIL(r->err, REMOTE_E_PARAM, "%s= has no value: leave it out", row->name);
    if (!remote_percent_decode(value, ret))
        return REMOTE_FAIL(r->err, REMOTE_E_PARAM,
                           "%s= has a '%%' without two hex digits behind it: write %%25",
                           row->name);
    return remote_buf_check(ret, r->err);
}

static enum remote_rc take_value(struct reader *r, const struct attribute *row,
                                 struct remote_slice text)
{
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };

    REMOTE_TRY(decode_value(r, row, text, &value));
    if (!row->take) {
        r->uri.id = value;
        value = (struct remote_buf){ 0 };
        return REMOTE_OK;
    }
    if (memchr(value.data, '\0', value.len))
        return REMOTE_FAIL(r->err, REMOTE_E_PARAM, "%s= has a NUL byte in it", row->name);
    return row->take(r, row, (const char *)value.data);
}

static enum remote_rc take_attribute(struct reader *r, enum part part, struct remote_slice text)
{
    const unsigned char *equals = memchr(text.data, '=', text.len);
    struct remote_slice name =
        remote_slice(text.data, equals ? (size_t)(equals - text.data) : text.len);
    const struct attribute *row = find_attribute(r->scheme, part, name);
    unsigned bit;

    if (!row)
        return fail_unknown(r, part, name);
    if (!equals)
        return REMOTE_FAIL(r->err, REMOTE_E_PARAM, "'%s' stands without a value", row->name);
    bit = 1u << (row - attributes);
    if (r->seen & bit)
        return REMOTE_FAIL(r->err, REMOTE_E_PARAM, "'%s' stands twice", row->name);
    r->seen |= bit;
    return take_value(r, row, remote_slice(equals + 1, text.len - name.len - 1));
}

static enum remote_rc take_part(struct reader *r, enum part part, struct remote_slice text)
{
    const int separator = part == PATH ? ';' : '&';

    if (text.len == 0) /* RFC 7512 2.3: an empty path names all */
        return REMOTE_OK;
    for (;;) {
        const unsigned char *end = memchr(text.data, separator, text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;

        REMOTE_TRY(take_attribute(r, part, remote_slice(text.data, len)));
        if (!end)
            return REMOTE_OK;
        text = remote_slice(end + 1, text.len - len - 1);
    }
}

/* ---- the whole ---- */

static bool has_scheme(const char *text, const char *scheme)
{
    return strncasecmp(text, scheme, strlen(scheme)) == 0;
}

bool remote_uri_is(const char *text)
{
    return has_scheme(text, OURS) || has_scheme(text, RFC7512);
}

/*
 * A PIN has no business in a message, wherever it stands and however its name was mistyped. What
 * follows may be part of it, when its separators were not escaped.
 */
static size_t length_without_pin(const char *text)
{
    size_t at = strcspn(text, ":");

    while (text[at] != '\0') {
        const char *attribute = text + at + 1;

        if (strncasecmp(attribute, "pin", 3) == 0 && strncmp(attribute, "pin-source=", 11) != 0)
            return text[at] == ':' ? at + 1 : at;
        at += strcspn(attribute, ";?&") + 1;
    }
    return at;
}

static enum remote_rc read_parts(struct reader *r, const char *text)
{
    const char *path = strchr(text, ':') + 1;
    const char *query = strchr(path, '?');

    r->scheme = has_scheme(text, OURS) ? SCHEME_OURS : SCHEME_RFC7512;
    r->uri.slot_id = -1;
    REMOTE_TRY(
        take_part(r, PATH, remote_slice(path, query ? (size_t)(query - path) : strlen(path))));
    return query ? take_part(r, QUERY, remote_slice_str(query + 1)) : REMOTE_OK;
}

enum remote_rc remote_uri_parse(const char *text, struct remote_uri *ret, struct remote_error *err)
{
    struct reader r = { .err = err };
    enum remote_rc rc;

    if (!remote_uri_is(text))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "a key's URI begins with 'hsmbridge:' or 'pkcs11:'");
    if (strlen(text) > REMOTE_URI_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "a URI of more than %d bytes", REMOTE_URI_MAX);
    r.uri.text = strndup(text, length_without_pin(text));
    if (!r.uri.text)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = read_parts(&r, text);
    if (rc != REMOTE_OK) {
        remote_error_prefix(err, "URI '%.80s'", r.uri.text);
        remote_uri_clear(&r.uri);
        return rc;
    }
    *ret = r.uri;
    return REMOTE_OK;
}

void remote_uri_clear(struct remote_uri *uri)
{
    char *texts[] = { uri->slot,   uri->object,           uri->pin_source, uri->model,
                      uri->serial, uri->slot_description, uri->text };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(texts[i]);
    remote_buf_clear(&uri->id);
    remote_secret_clear(&uri->pin);
    *uri = (struct remote_uri){ 0 };
}

/* ---- writing ---- */

static void write_uri(const struct remote_slot *slot, struct remote_slice label,
                      struct remote_slice id, const char *type, struct remote_buf *ret)
{
    remote_buf_append_str(ret, RFC7512 "token=");
    remote_percent_append(ret, remote_slice_str(remote_slot_name(slot)));
    remote_buf_append_str(ret, ";object=");
    remote_percent_append(ret, label);
    remote_buf_append_str(ret, ";id=");
    for (size_t i = 0; i < id.len; i++) /* RFC 7512 2.3: the whole value SHOULD be encoded */
        remote_buf_printf(ret, "%%%02X", id.data[i]);
    remote_buf_printf(ret, ";type=%s", type);
}

void remote_uri_write(const struct remote_key *key, struct remote_buf *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf label = { 0 };

    remote_slot_label(key->slot, key, &label);
    write_uri(key->slot, remote_buf_slice(&label), remote_slice(key->id, key->id_len),
              remote_key_type_symmetric(key->type) ? "secret-key" : "private", ret);
    ret->failed = ret->failed || label.failed;
}

void remote_uri_write_cert(const struct remote_slot *slot, const struct remote_cert *cert,
                           const char *label, struct remote_buf *ret)
{
    write_uri(slot, remote_slice_str(label), remote_slice(cert->id, sizeof(cert->id)), "cert", ret);
}
