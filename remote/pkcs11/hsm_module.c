/* SPDX-License-Identifier: Apache-2.0 */
#include "hsm_module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "remote/file.h"
#include "remote/local/libctx.h"

/* ---- the file ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* The object that this code is linked into: the module itself, or a program. */
static bool is_this_object(const struct stat *st)
{
    Dl_info info;
    struct stat own;

    return dladdr((void *)hsm_module_check, &info) != 0 && info.dli_fname != NULL &&
           stat(info.dli_fname, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

/* By name as well: for a program with the core inside, and another copy of the module. */
static bool leads_back(const char *path)
{
    static const char *const names[] = { "hsmbridge.so", "p11-kit-proxy.so", "libp11-kit.so.0" };
    CLEANUP(remote_str_free) char *real = realpath(path, NULL);
    const char *base = strrchr(real ? real : path, '/');

    base = base ? base + 1 : path;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strncmp(base, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

enum remote_rc hsm_module_check(const char *path, struct remote_error *err)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: is not a regular file; name a PKCS#11 module",
                           path);
    if (is_this_object(&st) || leads_back(path))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "%s: leads back to hsmbridge itself; name the HSM's own module", path);
    return remote_file_check(fd, path, REMOTE_FILE_CONFIG, err);
}

/* ---- life ---- */

enum remote_rc hsm_module_load(const char *path, void **ret, struct remote_error *err)
{
    struct remote_guard_pause pause;
    CK_FUNCTION_LIST *functions;
    const char *reason;

    REMOTE_TRY(hsm_module_check(path, err)); /* again: it may have changed since it was opened */
    remote_guard_suspend(&pause);
    functions = p11_kit_module_load(path, P11_KIT_MODULE_CRITICAL);
    reason = functions == NULL ? p11_kit_message() : NULL;
    remote_guard_resume(&pause);
    if (functions == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "%s: cannot be loaded: %s", path,
                           reason ? reason : "no PKCS#11 module");
    *ret = functions;
    return REMOTE_OK;
}

void hsm_module_unload(void *functions)
{
    struct remote_guard_pause pause;

    if (functions == NULL)
        return;
    remote_guard_suspend(&pause);
    p11_kit_module_release(functions);
    remote_guard_resume(&pause);
}

unsigned long hsm_module_initialize(void *functions)
{
    struct remote_guard_pause pause;
    CK_RV rv;

    remote_guard_suspend(&pause);
    rv = p11_kit_module_initialize(functions);
    remote_guard_resume(&pause);
    return rv;
}

void hsm_module_finalize(void *functions)
{
    struct remote_guard_pause pause;

    remote_guard_suspend(&pause);
    (void)p11_kit_module_finalize(functions);
    remote_guard_resume(&pause);
}

/* ---- the token's URI ---- */

struct hsm_uri {
    P11KitUri *parsed;
};

static enum remote_rc check_parts(P11KitUri *uri, struct remote_error *err)
{
    if (p11_kit_uri_get_pin_value(uri) != NULL || p11_kit_uri_get_pin_source(uri) != NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "has a PIN; use 'pin_file' for it");
    if (p11_kit_uri_any_unrecognized(uri))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "has parts that no token has; use token, manufacturer, serial, model "
                           "and slot-id");
    return REMOTE_OK;
}

enum remote_rc hsm_uri_parse(const char *text, struct hsm_uri **ret, struct remote_error *err)
{
    struct hsm_uri *uri = calloc(1, sizeof(*uri));
    enum remote_rc rc = REMOTE_OK;
    int status;

    if (uri == NULL || (uri->parsed = p11_kit_uri_new()) == NULL) {
        free(uri);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    status = p11_kit_uri_parse(text, P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_SLOT, uri->parsed);
    if (status == P11_KIT_URI_NO_MEMORY)
        rc = REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    else if (status != P11_KIT_URI_OK) /* the text may hold a PIN: not repeated */
        rc = REMOTE_FAIL(err, REMOTE_E_CONFIG,
                         "is no PKCS#11 URI; write pkcs11:token=LABEL or pkcs11:serial=NUMBER");
    if (rc == REMOTE_OK)
        rc = check_parts(uri->parsed, err);
    if (rc != REMOTE_OK) {
        hsm_uri_free(uri);
        return rc;
    }
    *ret = uri;
    return REMOTE_OK;
}

void hsm_uri_free(struct hsm_uri *uri)
{
    if (uri == NULL)
        return;
    p11_kit_uri_free(uri->parsed);
    free(uri);
}

bool hsm_uri_matches(const struct hsm_uri *uri, unsigned long slot_id, void *token_info)
{
    CK_SLOT_ID wanted;

    if (uri == NULL)
        return true;
    wanted = p11_kit_uri_get_slot_id(uri->parsed);
    return (wanted == (CK_SLOT_ID)-1 || wanted == slot_id) &&
           p11_kit_uri_match_token_info(uri->parsed, token_info) == 1;
}
