/* SPDX-License-Identifier: Apache-2.0 */
/* For targets that reach libcrypto: the program enters the guard once and stays in it. */
#ifndef TESTS_FUZZ_GUARD_H
#define TESTS_FUZZ_GUARD_H

#include <stdlib.h>

#include "libctx.h"

static inline void fuzz_enter_guard(void)
{
    static struct remote_guard guard;

    if (!remote_guard_held() && remote_guard_enter(&guard, NULL) != REMOTE_OK)
        abort();
}

#endif
