/* SPDX-License-Identifier: Apache-2.0 */
/* Distinguished names as people type them: "/O=Example/CN=web" and RFC 4514. */
#include "local_private.h"

#include <ctype.h>
#include <string.h>

#include <openssl/err.h>

#include "remote/encode.h"

#define SUBJECT_MAX 2048 /* bytes */
#define RFC4514_SPECIAL ",+\"\\<>;= #"

/*
 * A cursor over the text. With a leading '/' the attributes stand in the order of the encoded
 * name; RFC 4514 section 2.1 has them the other way round.
 */
struct subject {
    const char *at;
    char separator;
};

static void skip_blanks(struct subject *subject)
{
    while (*subject->at == ' ')
        subject->at++;
}

static enum remote_rc read_type(struct subject *subject, struct remote_buf *type,
                                struct remote_error *err)
{
    size_t len;

    skip_blanks(subject);
    len = strcspn(subject->at, "=,+/\\");
    if (len == 0 || subject->at[len] != '=')
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "subject: '%.40s' where NAME=VALUE should be, as in CN=web or /CN=web",
                           subject->at);
    remote_buf_append(type, subject->at, len);
    subject->at += len + 1;
    while (type->len > 0 && type->data[type->len - 1] == ' ')
        remote_buf_truncate(type, type->len - 1);
    return remote_buf_check(type, err);
}

/* RFC 4514 section 2.4: a special character, or two hex digits for any byte. */
static bool read_escape(struct subject *subject, struct remote_buf *value)
{
    struct remote_slice hex = remote_slice(subject->at + 1, 2);

    if (subject->at[1] != '\0' &&
        (strchr(RFC4514_SPECIAL, subject->at[1]) != NULL || subject->at[1] == '/')) {
        remote_buf_append_char(value, subject->at[1]);
        subject->at += 2;
        return true;
    }
    if (!isxdigit((unsigned char)subject->at[1]) || !isxdigit((unsigned char)subject->at[2]) ||
        !remote_hex_decode(hex, value))
        return false;
    subject->at += 3;
    return true;
}

/* Reads up to the separator; blanks at both ends do not count unless escaped. */
static enum remote_rc read_value(struct subject *subject, struct remote_buf *value,
                                 struct remote_error *err)
{
    size_t keep = 0;

    skip_blanks(subject);
    while (*subject->at != '\0' && *subject->at != subject->separator) {
        bool escaped = *subject->at == '\\';

        if (subject->separator == ',' && strchr("+\";<>", *subject->at) != NULL)
            return REMOTE_FAIL(err, REMOTE_E_PARAM, "subject: '%c' needs a backslash before it",
                               *subject->at);
        if (escaped && !read_escape(subject, value))
            return REMOTE_FAIL(err, REMOTE_E_PARAM,
                               "subject: a backslash before '%.2s'; it stands before a special "
                               "character or two hex digits",
                               subject->at + 1);
        if (!escaped)
            remote_buf_append_char(value, *subject->at++);
        if (escaped || value->data == NULL || value->data[value->len - 1] != ' ')
            keep = value->len;
    }
    if (*subject->at != '\0')
        subject->at++;
    remote_buf_truncate(value, keep);
    return remote_buf_check(value, err);
}

static enum remote_rc add_attribute(struct subject *subject, X509_NAME *name,
                                    struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf type = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };
    int place = subject->separator == '/' ? -1 : 0;

    REMOTE_TRY(read_type(subject, &type, err));
    REMOTE_TRY(read_value(subject, &value, err));
    if (value.len == 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "subject: %s has no value", (char *)type.data);
    if (X509_NAME_add_entry_by_txt(name, (char *)type.data, MBSTRING_UTF8, value.data,
                                   (int)value.len, place, 0) == 1)
        return REMOTE_OK;
    ERR_clear_error();
    if (OBJ_txt2nid((char *)type.data) == NID_undef && strchr((char *)type.data, '.') == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "subject: '%s' is no attribute; CN, O, OU, C, ST, L, emailAddress or a "
                           "dotted OID is",
                           (char *)type.data);
    return REMOTE_FAIL(err, REMOTE_E_PARAM, "subject: %s cannot be '%s'", (char *)type.data,
                       (char *)value.data);
}

enum remote_rc remote_local_subject(const char *text, X509_NAME *name, struct remote_error *err)
{
    struct subject subject = { text, ',' };

    if (strlen(text) > SUBJECT_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "subject: longer than %d bytes", SUBJECT_MAX);
    if (*text == '/')
        subject = (struct subject){ text + 1, '/' };
    while (*subject.at != '\0')
        REMOTE_TRY(add_attribute(&subject, name, err));
    return REMOTE_OK;
}
