/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote_credential_* part of backend.h. A credential locks for itself, at the level of the
 * slot's pool: a caller may hold the slot's lock, but need not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "remote/backend.h"
#include "remote/file.h"
#include "remote/fork.h"

struct remote_credential {
    struct remote_lock lock;
    struct remote_secret value;   /* typed or from the environment; else the file's */
    struct remote_kept_file file; /* no path: not a file */
};

/* Without the newlines that editors and `echo` put behind it. */
static struct remote_slice trim(struct remote_slice bytes)
{
    while (bytes.len > 0 &&
           (bytes.data[bytes.len - 1] == '\n' || bytes.data[bytes.len - 1] == '\r'))
        bytes.len--;
    return bytes;
}

static enum remote_rc read_typed(struct remote_credential *credential,
                                 const struct remote_section *section, const char *option,
                                 const char *value, struct remote_error *err)
{
    (void)section;
    (void)option;
    return remote_secret_set(&credential->value, value, strlen(value), err);
}

static enum remote_rc read_file(struct remote_credential *credential,
                                const struct remote_section *section, const char *option,
                                const char *value, struct remote_error *err)
{
    struct remote_error why = { 0 };
    struct remote_slice text;

    if (remote_kept_file_open(&credential->file, value, REMOTE_FILE_SECRET, &why) != REMOTE_OK)
        return remote_section_fail(section, option, err, "%s", why.text);
    text = trim(remote_secret_slice(&credential->file.bytes));
    if (text.len == 0)
        return remote_section_fail(section, option, err, "%s: is empty; put the secret into it",
                                   value);
    return REMOTE_OK;
}

static enum remote_rc read_environment(struct remote_credential *credential,
                                       const struct remote_section *section, const char *option,
                                       const char *value, struct remote_error *err)
{
    const char *text = secure_getenv(value);

    /* The name is not repeated: it may be the secret, put where its variable belongs. */
    if (!text || text[0] == '\0')
        return remote_section_fail(section, option, err,
                                   "this environment variable is not set here; set it, or use a "
                                   "file (some programs clear the environment, nginx for one)");
    return remote_secret_set(&credential->value, text, strlen(text), err);
}

typedef enum remote_rc (*reader_fn)(struct remote_credential *credential,
                                    const struct remote_section *section, const char *option,
                                    const char *value, struct remote_error *err);
static const reader_fn readers[REMOTE_FORM_COUNT] = {
    [REMOTE_FORM_VALUE] = read_typed,
    [REMOTE_FORM_FILE] = read_file,
    [REMOTE_FORM_ENV] = read_environment,
};

static enum remote_rc open_with(reader_fn read, const struct remote_section *section,
                                const char *option, const char *value,
                                struct remote_credential **ret, struct remote_error *err)
{
    struct remote_credential *credential = calloc(1, sizeof(*credential));
    enum remote_rc rc;

    if (!credential)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    remote_lock_init(&credential->lock, REMOTE_LOCK_POOL);
    rc = read(credential, section, option, value, err);
    if (rc != REMOTE_OK)
        remote_credential_close(credential);
    else
        *ret = credential;
    return rc;
}

enum remote_rc remote_credential_open(const struct remote_section *section, const char *option,
                                      struct remote_credential **ret, struct remote_error *err)
{
    for (size_t form = 0; form < REMOTE_FORM_COUNT; form++) {
        char name[64];

        snprintf(name, sizeof(name), "%s%s", option, remote_option_suffixes[form]);
        if (remote_section_has(section, name))
            return open_with(readers[form], section, name, remote_section_text(section, name, ""),
                             ret, err);
    }
    *ret = NULL;
    return REMOTE_OK;
}

enum remote_rc remote_credential_open_file(const struct remote_section *section, const char *option,
                                           const char *path, struct remote_credential **ret,
                                           struct remote_error *err)
{
    return open_with(read_file, section, option, path, ret, err);
}

enum remote_rc remote_credential_get(struct remote_credential *credential,
                                     struct remote_secret *ret, struct remote_error *err)
{
    struct remote_slice current;
    enum remote_rc rc;

    remote_lock_acquire(&credential->lock);
    (void)remote_kept_file_refresh(&credential->file);
    current =
        remote_secret_slice(credential->file.path ? &credential->file.bytes : &credential->value);
    current = trim(current);
    rc = remote_secret_set(ret, current.data, current.len, err);
    remote_lock_release(&credential->lock);
    return rc;
}

void remote_credential_close(struct remote_credential *credential)
{
    if (!credential)
        return;
    remote_lock_destroy(&credential->lock);
    remote_secret_clear(&credential->value);
    remote_kept_file_close(&credential->file);
    free(credential);
}
