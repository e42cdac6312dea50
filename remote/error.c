/* SPDX-License-Identifier: Apache-2.0 */
#include "error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const rc_names[REMOTE_RC_COUNT] = {
    [REMOTE_OK] = "ok",
    [REMOTE_E_NOMEM] = "memory",
    [REMOTE_E_USAGE] = "usage",
    [REMOTE_E_CONFIG] = "config",
    [REMOTE_E_UNSUPPORTED] = "unsupported",
    [REMOTE_E_PARAM] = "parameter",
    [REMOTE_E_LENGTH] = "length",
    [REMOTE_E_DATA] = "data",
    [REMOTE_E_NOT_FOUND] = "not-found",
    [REMOTE_E_EXISTS] = "exists",
    [REMOTE_E_FORBIDDEN_USE] = "forbidden-use",
    [REMOTE_E_RIGHTS] = "rights",
    [REMOTE_E_PIN] = "pin",
    [REMOTE_E_AUTH] = "auth",
    [REMOTE_E_BUSY] = "busy",
    [REMOTE_E_TIMEOUT] = "timeout",
    [REMOTE_E_UNAVAILABLE] = "unavailable",
    [REMOTE_E_PROTOCOL] = "protocol",
    [REMOTE_E_CRYPTO] = "crypto",
};

const char *remote_rc_name(enum remote_rc rc)
{
    return (unsigned)rc < REMOTE_RC_COUNT ? rc_names[rc] : "unknown";
}

/* Bytes of the well-formed UTF-8 character at s (RFC 3629 section 4), 0 when it is not one. */
static size_t utf8_length(const unsigned char *s)
{
    static const struct {
        unsigned char first, last;            /* lead byte */
        unsigned char second_from, second_to; /* narrower where long forms and surrogates hide */
        unsigned char length;
    } forms[] = {
        { 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (s[0] < forms[i].first || s[0] > forms[i].last)
            continue;
        if (forms[i].length > 1 && (s[1] < forms[i].second_from || s[1] > forms[i].second_to))
            return 0;
        for (size_t j = 2; j < forms[i].length; j++) {
            if ((s[j] & 0xc0) != 0x80)
                return 0;
        }
        return forms[i].length;
    }
    return 0;
}

/* C0, DEL, and C1, which some terminals obey as well (U+0080 to U+009F are C2 80 to C2 9F). */
static bool is_control(const unsigned char *s)
{
    return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void remote_printable(char *text)
{
    unsigned char *s = (unsigned char *)text;

    while (*s != '\0') {
        size_t length = utf8_length(s);

        if (length == 0) {
            *s = '?';
            length = 1;
        } else if (is_control(s)) {
            memset(s, ' ', length);
        }
        s += length;
    }
}

enum remote_rc remote_error_set(struct remote_error *err, enum remote_rc rc, const char *func,
                                const char *fmt, ...)
{
    char text[REMOTE_ERROR_TEXT_MAX]; /* the arguments may point into err->text */
    va_list args;

    if (!err)
        return rc;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    remote_printable(text);
    err->rc = rc;
    err->func = func;
    memcpy(err->text, text, sizeof(text));
    return rc;
}

void remote_error_prefix(struct remote_error *err, const char *fmt, ...)
{
    char text[2 * REMOTE_ERROR_TEXT_MAX + sizeof(": ")]; /* both and what joins them */
    va_list args;
    char *end;

    if (!err)
        return;
    va_start(args, fmt);
    vsnprintf(text, REMOTE_ERROR_TEXT_MAX, fmt, args);
    va_end(args);
    end = stpcpy(text + strlen(text), ": ");
    strcpy(end, err->text);
    text[REMOTE_ERROR_TEXT_MAX - 1] = '\0';
    remote_printable(text);
    memcpy(err->text, text, sizeof(err->text));
}
