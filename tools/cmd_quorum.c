/* SPDX-License-Identifier: Apache-2.0 */
/* Looks after what a quorum slot has sealed. */
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "fail.h"
#include "io.h"
#include "target.h"

static int rewrap(const struct tools_target *target, const char *path, struct remote_buf *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_io_read(path, &sealed));
    if (remote_key_rewrap(target->key, remote_buf_slice(&sealed), ret, &err) == REMOTE_OK)
        return TOOLS_OK;
    if (path) /* of several files one wants to know which */
        remote_error_prefix(&err, "%s", path);
    return tools_fail_core(&err);
}

static int rewrap_in_place(const struct tools_target *target, const char *path)
{
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };

    TOOLS_TRY(rewrap(target, path, &fresh));
    return tools_io_replace(path, remote_buf_slice(&fresh));
}

/* One that fails keeps the others from nothing; the first failure is the exit status. */
static int rewrap_files(const struct tools_args *args, const struct tools_target *target)
{
    int first = TOOLS_OK;

    for (const char *const *file = args->files; *file; file++) {
        int code = rewrap_in_place(target, *file);

        first = first == TOOLS_OK ? code : first;
    }
    return first;
}

static bool same_file(const char *a, const char *b)
{
    struct stat one, two;

    return a && b && stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino && S_ISREG(one.st_mode);
}

static int rewrap_one(const struct tools_args *args, const struct tools_target *target)
{
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };

    if (same_file(args->in, args->out))
        return rewrap_in_place(target, args->in);
    TOOLS_TRY(rewrap(target, args->in, &fresh));
    return tools_io_write(args, remote_buf_slice(&fresh), false);
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };

    if (args->action == NULL)
        return tools_fail(TOOLS_USAGE, "what to do? 'hsmbridge quorum rewrap'");
    if (args->files[0] && (args->in || args->out))
        return tools_fail(TOOLS_USAGE, "either --file, or --in and --out");
    TOOLS_TRY(tools_target_key(args, &target));
    return args->files[0] ? rewrap_files(args, &target) : rewrap_one(args, &target);
}

const struct tools_command tools_cmd_quorum = {
    .name = "quorum",
    .purpose = "Renews what a quorum of slots has sealed",
    .text = "rewrap makes the shares in a container anew, for the members that the slot has now:\n"
            "after some were added, retired or replaced, or were away when it was sealed. The\n"
            "content stays as it is. Each --file is replaced, whole or not at all.\n",
    .actions = "rewrap",
    .options = "slot key pin-file in out file ",
    .example = "hsmbridge quorum rewrap --slot vaulted --key vaulted --file a.sealed",
    .run = run,
};
