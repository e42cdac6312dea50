/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and answers as recorded with a real KES and Vault 1.21. */
#include "kes_kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "remote/document.h"
#include "remote/encode.h"
#include "remote/gate.h"
#include "remote/json.h"

#define SETTLE_MS 50 /* longer than Vault takes from its look to its write */

static enum remote_rc out_of_memory(struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

/* ---- paths ---- */

/* Segments that are not empty, with a slash between them. NULL: out of memory. */
static char *encode_path(const char *path)
{
    struct remote_buf encoded = { 0 };

    for (size_t len; *path != '\0'; path += len + (path[len] == '/')) {
        len = strcspn(path, "/");
        if (len == 0)
            continue;
        if (encoded.len > 0)
            remote_buf_append_char(&encoded, '/');
        remote_percent_append(&encoded, remote_slice(path, len));
    }
    remote_buf_append(&encoded, "", 0);
    return (char *)encoded.data;
}

enum remote_rc kes_kv_init(struct kes_kv *ret, struct remote_slot *slot, const char *mount,
                           const char *prefix, bool versioned, struct remote_error *err)
{
    struct kes_kv kv = { .slot = slot,
                         .mount = encode_path(mount),
                         .prefix = encode_path(prefix),
                         .versioned = versioned };

    if (kv.mount == NULL || kv.prefix == NULL) {
        kes_kv_clear(&kv);
        return out_of_memory(err);
    }
    *ret = kv;
    return REMOTE_OK;
}

void kes_kv_clear(struct kes_kv *kv)
{
    free(kv->mount);
    free(kv->prefix);
    *kv = (struct kes_kv){ 0 };
}

/* MOUNT/[KIND/]PREFIX[/NAME][QUERY]; kind: of version 2. NULL: out of memory. */
static char *path_of(const struct kes_kv *kv, const char *kind, const char *name, const char *query)
{
    CLEANUP(remote_buf_clear) struct remote_buf path = { 0 };
    const char *const parts[] = { kv->mount, kv->versioned ? kind : "", kv->prefix, name };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (parts[i][0] == '\0')
            continue;
        if (path.len > 0)
            remote_buf_append_char(&path, '/');
        remote_buf_append_str(&path, parts[i]);
    }
    remote_buf_append_str(&path, query);
    return path.failed ? NULL : strdup((const char *)path.data);
}

/* ---- requests ---- */

static enum remote_rc fetch(const struct kes_kv *kv, const char *path, remote_json **ret,
                            struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret answer = { 0 };

    if (path == NULL)
        return out_of_memory(err);
    REMOTE_TRY(remote_slot_document(kv->slot, path, &answer, err));
    *ret = remote_json_read(remote_secret_slice(&answer), err);
    return *ret != NULL ? REMOTE_OK : REMOTE_E_PROTOCOL;
}

enum remote_rc kes_kv_read(const struct kes_kv *kv, const char *name, struct remote_secret *ret,
                           struct remote_error *err)
{
    /* A KES writes an entry once and reads what it wrote, whatever somebody put above it. */
    CLEANUP(remote_str_free)
    char *path = path_of(kv, "data", name, kv->versioned ? "?version=1" : "");
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_slice text;

    REMOTE_TRY(fetch(kv, path, &json, err));
    text = remote_json_slice(remote_json_at(json, kv->versioned ? "data.data" : "data"), name);
    if (text.data == NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "an entry without a text called '%s'", name);
    return remote_secret_set(ret, text.data, text.len, err);
}

static enum remote_rc write_entry(const struct kes_kv *kv, const char *name,
                                  struct remote_slice text, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *path = path_of(kv, "data", name, "");
    CLEANUP(remote_buf_clear) struct remote_buf body = { 0 };

    if (path == NULL)
        return out_of_memory(err);
    remote_buf_append_str(&body, kv->versioned ? "{\"data\":{" : "{");
    remote_json_append_string(&body, remote_slice_str(name));
    remote_buf_append_char(&body, ':');
    remote_json_append_string(&body, text);
    remote_buf_append_str(&body, kv->versioned ? "},\"options\":{\"cas\":0}}" : "}");
    REMOTE_TRY(remote_buf_check(&body, err));
    return remote_slot_write_document(kv->slot, REMOTE_WRITE_PUT, path, remote_buf_slice(&body),
                                      err);
}

/* REMOTE_OK: there is none. */
static enum remote_rc refuse_existing(const struct kes_kv *kv, const char *name,
                                      struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    struct remote_error why = { 0 };
    enum remote_rc rc = kes_kv_read(kv, name, &text, &why);

    if (rc == REMOTE_E_NOT_FOUND)
        return REMOTE_OK;
    if (rc == REMOTE_OK)
        return REMOTE_FAIL(err, REMOTE_E_EXISTS, "slot '%s': there is an entry '%s' already",
                           remote_slot_name(kv->slot), name);
    if (err != NULL)
        *err = why;
    return rc;
}

/* Holds no fork up meanwhile. */
static void settle(void)
{
    const struct timespec pause = { 0, SETTLE_MS * 1000000L };
    unsigned depth = remote_gate_step_out();

    nanosleep(&pause, NULL);
    remote_gate_step_in(depth);
}

/*
 * Version 1 looks whether an entry is there before it asks the policy, and writes after that: of
 * two that write at once both may be let through, and the later replaces the earlier. So whoever
 * wrote looks, a moment later, whose entry it is.
 */
static enum remote_rc refuse_replaced(const struct kes_kv *kv, const char *name,
                                      struct remote_slice text, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret now = { 0 };

    settle();
    REMOTE_TRY(kes_kv_read(kv, name, &now, err));
    if (!remote_secret_equal(&now, text))
        return REMOTE_FAIL(err, REMOTE_E_EXISTS, "'%s' was made by another at the same time", name);
    return REMOTE_OK;
}

enum remote_rc kes_kv_create(const struct kes_kv *kv, const char *name, struct remote_slice text,
                             struct remote_error *err)
{
    struct remote_error why = { 0 };
    enum remote_rc rc;

    if (!kv->versioned) /* version 2 has check-and-set: one request, one winner */
        REMOTE_TRY(refuse_existing(kv, name, err));
    rc = write_entry(kv, name, text, &why);
    if (rc == REMOTE_OK && !kv->versioned)
        return refuse_replaced(kv, name, text, err);
    if (rc == REMOTE_E_RIGHTS) /* what a policy without `update` says when there is one already */
        REMOTE_TRY(refuse_existing(kv, name, err));
    if (rc != REMOTE_OK && err != NULL)
        *err = why;
    return rc;
}

enum remote_rc kes_kv_remove(const struct kes_kv *kv, const char *name, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *path = path_of(kv, "metadata", name, "");

    if (path == NULL)
        return out_of_memory(err);
    return remote_slot_write_document(kv->slot, REMOTE_WRITE_DELETE, path, remote_slice(NULL, 0),
                                      err);
}

enum remote_rc kes_kv_list(const struct kes_kv *kv,
                           enum remote_rc (*each)(void *arg, const char *name,
                                                  struct remote_error *err),
                           void *arg, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *path = path_of(kv, "metadata", "", "?list=true");
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_error why = { 0 };
    enum remote_rc rc = fetch(kv, path, &json, &why);
    const remote_json *names;

    if (rc == REMOTE_E_NOT_FOUND) /* Vault's word for an empty path */
        return REMOTE_OK;
    if (rc != REMOTE_OK) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    names = remote_json_at(json, "data.keys");
    for (size_t i = 0; rc == REMOTE_OK && i < remote_json_count(names); i++) {
        const char *name = remote_json_string(remote_json_index(names, i));

        if (name != NULL)
            rc = each(arg, name, err);
    }
    return rc;
}

/* ---- which engine is there ---- */

static enum remote_rc take_mount(struct kes_kv *ret, struct remote_slot *slot, const char *path,
                                 const remote_json *json, struct remote_error *err)
{
    const char *mount = remote_json_text(json, "data.path");
    const char *type = remote_json_text(json, "data.type");
    const char *version = remote_json_text(json, "data.options.version");

    while (*path == '/')
        path++;
    if (mount == NULL || type == NULL || strcmp(type, "kv") != 0 ||
        strncmp(path, mount, strlen(mount)) != 0 || path[strlen(mount)] == '\0')
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "'%s' is not below a K/V engine of slot '%s'", path,
                           remote_slot_name(slot));
    return kes_kv_init(ret, slot, mount, path + strlen(mount),
                       version != NULL && strcmp(version, "2") == 0, err);
}

enum remote_rc kes_kv_find(struct kes_kv *ret, struct remote_slot *slot, const char *path,
                           struct remote_error *err)
{
    CLEANUP(kes_kv_clear) struct kes_kv asked = { 0 };
    CLEANUP(remote_json_free) remote_json *json = NULL;
    CLEANUP(remote_str_free) char *ask = NULL;

    REMOTE_TRY(kes_kv_init(&asked, slot, "sys/internal/ui/mounts", path, false, err));
    ask = path_of(&asked, "", "", "");
    REMOTE_TRY(fetch(&asked, ask, &json, err));
    return take_mount(ret, slot, path, json, err);
}
