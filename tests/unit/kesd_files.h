/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration with one slot, and the settings that stand beside it. */
#ifndef TESTS_KESD_FILES_H
#define TESTS_KESD_FILES_H

#include "in_guard.h"
#include "settings.h"
#include "temp_dir.h"

#define KESD_SLOTS                                                                                 \
    "[hsmbridge]\nlog = none\n[slot vault]\nbackend = vault\nurl = http://127.0.0.1:8200\n"        \
    "insecure_transport = yes\nauth = token\ntoken_env = HSMBRIDGE_TEST_NO_TOKEN\n"

/* Fixtures. */
static inline int kesd_files_begin(void **state)
{
    return enter_guard(state) == 0 ? temp_dir_make(state) : -1;
}

static inline int kesd_files_end(void **state)
{
    int removed = temp_dir_remove(state);

    return leave_guard(state) == 0 ? removed : -1;
}

/* A core whose configuration says this of slots, and that of the server. */
static inline struct remote_core *kesd_core(const char *sections)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    struct remote_core *core = NULL;
    struct remote_error err = { 0 };

    remote_buf_printf(&text, "%s%s", KESD_SLOTS, sections);
    assert_false(text.failed);
    if (remote_core_open(make_file("hsmbridge.conf", (const char *)text.data, 0600), &core, &err) !=
        REMOTE_OK)
        fail_msg("%s", err.text);
    return core;
}

#endif
