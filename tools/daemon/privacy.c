/* SPDX-License-Identifier: Apache-2.0 */
#include "privacy.h"

#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Keys pass through our memory, and libraries' copies cannot be left out of a core one by one. */
void daemon_forbid_dumps(void)
{
    const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
}
