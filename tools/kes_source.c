/* SPDX-License-Identifier: Apache-2.0 */
/* With `transit` a text in Vault is "vault:v1:...", which the transit engine of the same Vault
 * opens. */
#include "kes_source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "file.h"

/* ---- names ---- */

static int add_name(struct tools_kes_source *source, const char *name)
{
    char **longer = reallocarray(source->names, source->count + 1, sizeof(char *));

    if (longer != NULL)
        source->names = longer;
    if (longer == NULL || (longer[source->count] = strdup(name)) == NULL)
        return tools_fail(TOOLS_FAILED, "out of memory");
    source->count++;
    return TOOLS_OK;
}

/* What KES did not write there is passed over. */
static int add_if_key(struct tools_kes_source *source, const char *wanted, const char *name)
{
    if (!kes_name_fits(remote_slice_str(name)) || (wanted && strcmp(wanted, name) != 0) ||
        source->count == TOOLS_KES_NAMES_MAX)
        return TOOLS_OK;
    return add_name(source, name);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- a directory ---- */

static int list_dir(struct tools_kes_source *source, const char *wanted)
{
    DIR *dir = opendir(source->dir);
    const struct dirent *entry;
    int code = TOOLS_OK;

    if (dir == NULL)
        return tools_fail(TOOLS_FAILED, "%s: %s", source->dir, strerror(errno));
    while (code == TOOLS_OK && (entry = readdir(dir)) != NULL)
        code = add_if_key(source, wanted, entry->d_name);
    closedir(dir);
    return code;
}

static enum remote_rc read_file(const struct tools_kes_source *source, const char *name,
                                struct remote_secret *ret, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *path = NULL;

    if (asprintf(&path, "%s/%s", source->dir, name) < 0) {
        path = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    return remote_file_read(path, REMOTE_FILE_SECRET, ret, err);
}

/* ---- a Vault ---- */

struct wish {
    struct tools_kes_source *source;
    int code;
};

static enum remote_rc add_listed(void *arg, const char *name, struct remote_error *err)
{
    struct wish *wish = arg;

    wish->code = add_if_key(wish->source, NULL, name);
    return wish->code == TOOLS_OK ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

static int list_vault(struct tools_kes_source *source, const char *wanted)
{
    struct wish wish = { source, TOOLS_OK };
    struct remote_error err = { 0 };

    if (wanted != NULL) /* needs no right to list */
        return add_if_key(source, wanted, wanted);
    if (kes_kv_list(&source->kv, add_listed, &wish, &err) != REMOTE_OK)
        return wish.code != TOOLS_OK ? wish.code : tools_fail_core(&err);
    return TOOLS_OK;
}

static enum remote_rc unwrap(const struct tools_kes_source *source,
                             const struct remote_secret *text, struct remote_secret *ret,
                             struct remote_error *err)
{
    static const struct remote_params aead = { .alg = REMOTE_ALG_AEAD };
    struct remote_buf plain = { 0 };
    enum remote_rc rc;

    if (source->transit == NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "wrapped with a transit key: name it with --transit-key");
    rc = remote_key_decrypt(source->transit, &aead, remote_secret_slice(text), &plain, err);
    if (rc == REMOTE_OK)
        rc = remote_secret_set(ret, plain.data, plain.len, err);
    remote_buf_clear(&plain);
    return rc;
}

static enum remote_rc read_entry(const struct tools_kes_source *source, const char *name,
                                 struct remote_secret *ret, struct remote_error *err)
{
    static const char wrapped[] = "vault:v";
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };

    REMOTE_TRY(kes_kv_read(&source->kv, name, &text, err));
    if (strncmp((const char *)text.data, wrapped, sizeof(wrapped) - 1) == 0)
        return unwrap(source, &text, ret, err);
    return remote_secret_set(ret, text.data, text.len, err);
}

static int find_transit(const char *label, struct tools_kes_source *source)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };
    struct remote_error err = { 0 };

    if (remote_slot_find_label(source->slot, label, &list, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    if (list.count == 0)
        return tools_fail(TOOLS_FAILED, "no key '%s' in slot '%s'", label,
                          remote_slot_name(source->slot));
    source->transit = remote_key_ref(list.keys[0]);
    return TOOLS_OK;
}

static int open_vault(const struct tools_args *args, struct remote_core *core,
                      struct tools_kes_source *source)
{
    struct tools_args from = *args;
    struct remote_error err = { 0 };

    from.slot = args->from;
    TOOLS_TRY(tools_target_named_slot(&from, core, &source->slot));
    if (remote_slot_status(source->slot, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    TOOLS_TRY(tools_target_login(&from, source->slot));
    if (kes_kv_find(&source->kv, source->slot, args->path, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    if (args->transit_key != NULL)
        TOOLS_TRY(find_transit(args->transit_key, source));
    return list_vault(source, args->key);
}

/* ---- either ---- */

int tools_kes_source_open(const struct tools_args *args, struct remote_core *core,
                          struct tools_kes_source *ret)
{
    if ((args->dir != NULL) == (args->from != NULL))
        return tools_fail(TOOLS_USAGE, "where are KES's keys? Either --dir DIR, or --from SLOT "
                                       "with --path PATH");
    if (args->from != NULL && args->path == NULL)
        return tools_fail(TOOLS_USAGE, "--path is missing; it says where in Vault KES's keys are, "
                                       "such as secret/kes/prod");
    ret->dir = args->dir;
    TOOLS_TRY(args->dir ? list_dir(ret, args->key) : open_vault(args, core, ret));
    if (ret->count == 0)
        return tools_fail(TOOLS_FAILED, "%s: %s%s", args->dir ? args->dir : args->path,
                          args->key ? "no key called " : "no key of KES there",
                          args->key ? args->key : "");
    qsort(ret->names, ret->count, sizeof(char *), compare);
    return TOOLS_OK;
}

enum remote_rc tools_kes_source_read(const struct tools_kes_source *source, const char *name,
                                     struct remote_secret *ret, struct remote_error *err)
{
    return source->dir ? read_file(source, name, ret, err) : read_entry(source, name, ret, err);
}

void tools_kes_source_close(struct tools_kes_source *source)
{
    for (size_t i = 0; i < source->count; i++)
        free(source->names[i]);
    free(source->names);
    kes_kv_clear(&source->kv);
    remote_key_unref(source->transit);
    *source = (struct tools_kes_source){ 0 };
}
