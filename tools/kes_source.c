/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A KES writes an entry as {NAME: TEXT} below its prefix, as version 1 where the engine has
 * versions. With `transit` the text is "vault:v1:...", which the transit engine of the same Vault
 * opens.
 */
#include "kes_source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "encode.h"
#include "fail.h"
#include "file.h"
#include "json.h"

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

static enum remote_rc fetch(const struct tools_kes_source *source, const char *path,
                            remote_json **ret, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret answer = { 0 };

    REMOTE_TRY(remote_slot_document(source->slot, path, &answer, err));
    *ret = remote_json_read(remote_secret_slice(&answer), err);
    return *ret != NULL ? REMOTE_OK : REMOTE_E_PROTOCOL;
}

static char *encode_path(const char *path)
{
    struct remote_buf encoded = { 0 };

    while (*path == '/')
        path++;
    for (size_t len; *path != '\0'; path += len + (path[len] == '/')) {
        len = strcspn(path, "/");
        if (encoded.len > 0)
            remote_buf_append_char(&encoded, '/');
        remote_percent_append(&encoded, remote_slice(path, len));
    }
    remote_buf_append(&encoded, "", 0);
    return (char *)encoded.data; /* NULL: out of memory */
}

/* Which engine is mounted there: the one call that tells without further rights. */
static enum remote_rc find_mount(struct tools_kes_source *source, const char *path,
                                 struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    CLEANUP(remote_str_free) char *ask = NULL;
    const char *mount, *version, *type;

    if (asprintf(&ask, "sys/internal/ui/mounts/%s", path) < 0) {
        ask = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    REMOTE_TRY(fetch(source, ask, &json, err));
    mount = remote_json_text(json, "data.path");
    type = remote_json_text(json, "data.type");
    version = remote_json_text(json, "data.options.version");
    if (mount == NULL || type == NULL || strcmp(type, "kv") != 0 ||
        strncmp(path, mount, strlen(mount)) != 0 || path[strlen(mount)] == '\0')
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "--path '%s' is not below a K/V engine of slot '%s'", path,
                           remote_slot_name(source->slot));
    source->versioned = version != NULL && strcmp(version, "2") == 0;
    source->mount = strdup(mount);
    source->rest = strdup(path + strlen(mount));
    return source->mount && source->rest ? REMOTE_OK
                                         : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

static enum remote_rc fetch_below(const struct tools_kes_source *source, const char *kind,
                                  const char *behind, remote_json **ret, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *path = NULL;

    if (asprintf(&path, "%s%s%s%s", source->mount, source->versioned ? kind : "", source->rest,
                 behind) < 0) {
        path = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    return fetch(source, path, ret, err);
}

static int list_vault(struct tools_kes_source *source, const char *wanted)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_error err = { 0 };
    const remote_json *names;

    if (wanted != NULL) /* needs no right to list */
        return add_if_key(source, wanted, wanted);
    if (fetch_below(source, "metadata/", "?list=true", &json, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    names = remote_json_at(json, "data.keys");
    for (size_t i = 0; i < remote_json_count(names); i++) {
        const char *name = remote_json_string(remote_json_index(names, i));

        if (name != NULL)
            TOOLS_TRY(add_if_key(source, wanted, name));
    }
    return TOOLS_OK;
}

static enum remote_rc unwrap(const struct tools_kes_source *source, struct remote_slice text,
                             struct remote_secret *ret, struct remote_error *err)
{
    static const struct remote_params aead = { .alg = REMOTE_ALG_AEAD };
    struct remote_buf plain = { 0 };
    enum remote_rc rc;

    if (source->transit == NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "wrapped with a transit key: name it with --transit-key");
    rc = remote_key_decrypt(source->transit, &aead, text, &plain, err);
    if (rc == REMOTE_OK)
        rc = remote_secret_set(ret, plain.data, plain.len, err);
    remote_buf_clear(&plain);
    return rc;
}

static enum remote_rc read_entry(const struct tools_kes_source *source, const char *name,
                                 struct remote_secret *ret, struct remote_error *err)
{
    static const char wrapped[] = "vault:v";
    CLEANUP(remote_json_free) remote_json *json = NULL;
    CLEANUP(remote_str_free) char *behind = NULL;
    const remote_json *data;
    struct remote_slice text;

    if (asprintf(&behind, "/%s%s", name, source->versioned ? "?version=1" : "") < 0) {
        behind = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    REMOTE_TRY(fetch_below(source, "data/", behind, &json, err));
    data = remote_json_at(json, source->versioned ? "data.data" : "data");
    text = remote_json_slice(data, name);
    if (text.data == NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "an entry without a text called '%s'", name);
    if (text.len >= sizeof(wrapped) && memcmp(text.data, wrapped, sizeof(wrapped) - 1) == 0)
        return unwrap(source, text, ret, err);
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
    CLEANUP(remote_str_free) char *path = encode_path(args->path);
    struct tools_args from = *args;
    struct remote_error err = { 0 };

    from.slot = args->from;
    TOOLS_TRY(tools_target_named_slot(&from, core, &source->slot));
    if (remote_slot_status(source->slot, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    TOOLS_TRY(tools_target_login(&from, source->slot));
    if (path == NULL)
        return tools_fail(TOOLS_FAILED, "out of memory");
    if (find_mount(source, path, &err) != REMOTE_OK)
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
    free(source->mount);
    free(source->rest);
    remote_key_unref(source->transit);
    *source = (struct tools_kes_source){ 0 };
}
