/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of keys. eHSM-KMS gives its keys ids and keeps no names, so these are ours: a file with a
 * line "KEYID NAME" for each. It only grows, by one write(2) of a whole line, so that any number of
 * processes may add to it without a lock; of two lines for one id, or with one name, the later
 * counts, and an id alone takes its name away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ehsm.h"
#include "remote/lifecycle.h"
#include "remote/log.h"
#include "remote/slot.h"

/* ---- reading ---- */

static int by_keyid(const void *a, const void *b)
{
    const struct ehsm_names_entry *left = a, *right = b;
    int order = memcmp(left->keyid, right->keyid, EHSM_UUID_LEN);

    if (order != 0)
        return order;
    return left->line < right->line ? -1 : left->line > right->line;
}

/* False: neither such a line nor a comment. */
static bool read_line(struct remote_slice line, struct ehsm_names_entry *ret)
{
    struct remote_slice keyid = { line.data, EHSM_UUID_LEN };
    size_t name_at = EHSM_UUID_LEN + 1;

    if (line.len < EHSM_UUID_LEN || !ehsm_is_uuid(keyid) ||
        (line.len > EHSM_UUID_LEN && line.data[EHSM_UUID_LEN] != ' '))
        return false;
    ret->keyid = (const char *)line.data;
    ret->name = line.len > name_at ? remote_slice(line.data + name_at, line.len - name_at)
                                   : remote_slice(NULL, 0);
    return true;
}

static void complain(const struct ehsm_names *names, size_t line)
{
    remote_log(REMOTE_LOG_WARNING,
               "%s:%zu: passed over; a line is a key's id, a blank, and its name", names->path,
               line);
}

/* Of lines with one id the last. */
static void keep_last(struct ehsm_names *names)
{
    size_t kept = 0;

    qsort(names->entries, names->count, sizeof(*names->entries), by_keyid);
    for (size_t i = 0; i < names->count; i++)
        if (i + 1 == names->count ||
            memcmp(names->entries[i].keyid, names->entries[i + 1].keyid, EHSM_UUID_LEN) != 0)
            names->entries[kept++] = names->entries[i];
    names->count = kept;
}

static size_t count_lines(struct remote_slice text)
{
    size_t lines = 1;

    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static void read_all(struct ehsm_names *names)
{
    struct remote_slice rest = remote_secret_slice(&names->file.bytes);

    free(names->entries);
    names->count = 0;
    names->entries = calloc(count_lines(rest), sizeof(*names->entries));
    for (size_t line = 1; names->entries != NULL && rest.len > 0; line++) {
        const unsigned char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        struct ehsm_names_entry *entry = &names->entries[names->count];

        if (read_line(remote_slice(rest.data, len), entry)) {
            entry->line = line;
            names->count++;
        } else if (len > 0 && rest.data[0] != '#') {
            complain(names, line);
        }
        rest.data += end ? len + 1 : len;
        rest.len -= end ? len + 1 : len;
    }
    if (names->count > 1)
        keep_last(names);
}

/* The file comes into being with the first name. ehsm.lock is held. */
static void refresh(struct ehsm_names *names)
{
    struct remote_error err = { 0 };

    if (names->path == NULL)
        return;
    if (names->file.path != NULL) {
        if (remote_kept_file_refresh(&names->file))
            read_all(names);
        return;
    }
    if (access(names->path, F_OK) != 0)
        return;
    if (remote_kept_file_open(&names->file, names->path, REMOTE_FILE_CONFIG, &err) == REMOTE_OK)
        read_all(names);
    else
        remote_log(REMOTE_LOG_WARNING, "%s; no key has its name", err.text);
}

enum remote_rc ehsm_names_open(struct ehsm *ehsm, const struct remote_section *section,
                               struct remote_error *err)
{
    struct ehsm_names *names = &ehsm->names;
    struct remote_error why = { 0 };

    names->path = remote_section_text(section, "names_file", NULL);
    if (names->path == NULL || (access(names->path, F_OK) != 0 && errno == ENOENT))
        return REMOTE_OK;
    if (remote_kept_file_open(&names->file, names->path, REMOTE_FILE_CONFIG, &why) != REMOTE_OK)
        return remote_section_fail(section, "names_file", err, "%s", why.text);
    read_all(names);
    return REMOTE_OK;
}

void ehsm_names_close(struct ehsm *ehsm)
{
    remote_kept_file_close(&ehsm->names.file);
    free(ehsm->names.entries);
}

/* ---- looking up ---- */

static const struct ehsm_names_entry *find_name(const struct ehsm_names *names,
                                                struct remote_slice name)
{
    const struct ehsm_names_entry *found = NULL;

    for (size_t i = 0; i < names->count; i++)
        if (remote_slice_equal(names->entries[i].name, name) &&
            (found == NULL || found->line < names->entries[i].line))
            found = &names->entries[i];
    return found;
}

static int compare_keyid(const void *keyid, const void *entry)
{
    return memcmp(keyid, ((const struct ehsm_names_entry *)entry)->keyid, EHSM_UUID_LEN);
}

enum remote_rc ehsm_keyid_of(struct ehsm *ehsm, const char *name, char ret[EHSM_UUID_LEN + 1],
                             struct remote_error *err)
{
    const struct ehsm_names_entry *entry = NULL;
    const char *keyid = ehsm_is_uuid(remote_slice_str(name)) ? name : NULL;

    remote_lock_acquire(&ehsm->lock);
    if (keyid == NULL) {
        refresh(&ehsm->names);
        entry = find_name(&ehsm->names, remote_slice_str(name));
        keyid = entry ? entry->keyid : NULL;
    }
    if (keyid != NULL) {
        memcpy(ret, keyid, EHSM_UUID_LEN);
        ret[EHSM_UUID_LEN] = '\0';
    }
    remote_lock_release(&ehsm->lock);
    if (keyid != NULL)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "no key is called '%s'", name);
}

void ehsm_name_of(struct ehsm *ehsm, const char *keyid, struct remote_buf *ret)
{
    struct ehsm_names *names = &ehsm->names;
    const struct ehsm_names_entry *entry = NULL;

    remote_lock_acquire(&ehsm->lock);
    refresh(names);
    if (names->count > 0)
        entry = bsearch(keyid, names->entries, names->count, sizeof(*entry), compare_keyid);
    if (entry != NULL && entry->name.len > 0 && find_name(names, entry->name) == entry)
        remote_buf_append(ret, entry->name.data, entry->name.len);
    else
        remote_buf_append_str(ret, keyid);
    remote_lock_release(&ehsm->lock);
}

/* ---- giving ---- */

static bool name_fits(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > REMOTE_KEY_NAME_MAX || name[0] == ' ' || name[len - 1] == ' ' ||
        ehsm_is_uuid(remote_slice_str(name)))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return false;
    return true;
}

static int open_to_append(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
}

static enum remote_rc fail_file(const char *path, struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                       "names_file: %s: %s; this process must be able to add lines to it", path,
                       strerrordesc_np(errno));
}

enum remote_rc ehsm_names_check(struct ehsm *ehsm, const char *name, struct remote_error *err)
{
    const char *path = ehsm->names.path;
    int fd;

    if (path == NULL)
        return REMOTE_FAIL(
            err, REMOTE_E_PARAM,
            "eHSM-KMS keeps no names for its keys; set names_file to a file for them");
    if (!name_fits(name))
        return REMOTE_FAIL(
            err, REMOTE_E_PARAM,
            "'%s' will not do as a name: 1 to %d printable bytes, no blank at either "
            "end, and not an id",
            name, REMOTE_KEY_NAME_MAX);
    fd = open_to_append(path);
    if (fd < 0)
        return fail_file(path, err);
    close(fd);
    return REMOTE_OK;
}

enum remote_rc ehsm_names_give(struct ehsm *ehsm, const char *keyid, const char *name,
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf line = { 0 };
    const char *path = ehsm->names.path;
    bool written;
    int fd;

    remote_buf_printf(&line, "%s%s%s\n", keyid, name ? " " : "", name ? name : "");
    REMOTE_TRY(remote_buf_check(&line, err));
    fd = open_to_append(path);
    if (fd < 0)
        return fail_file(path, err);
    written = write(fd, line.data, line.len) == (ssize_t)line.len;
    if (!written) {
        enum remote_rc rc = fail_file(path, err);

        close(fd);
        return rc;
    }
    close(fd);
    return REMOTE_OK;
}
