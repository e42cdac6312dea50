/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_IN_GUARD_H
#define TESTS_UNIT_IN_GUARD_H

#include "libctx.h"

/* Group fixtures: the whole program is inside the guard, as the callers of remote/local are. */
static struct remote_guard test_guard;

static inline int enter_guard(void **state)
{
    (void)state;
    return remote_guard_enter(&test_guard, NULL) == REMOTE_OK ? 0 : -1;
}

static inline int leave_guard(void **state)
{
    (void)state;
    remote_guard_leave(&test_guard);
    return 0;
}

#endif
