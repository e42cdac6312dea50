/* SPDX-License-Identifier: Apache-2.0 */
/* A core around the slots of memory.h, for what looks them up by name. */
#ifndef TESTS_KESD_CORE_H
#define TESTS_KESD_CORE_H

#include "core_private.h"
#include "memory.h"

static inline struct remote_core *kesd_core(const char *text)
{
    static struct remote_core core;

    atomic_store(&core.slots[0], memory_open(text));
    atomic_store(&core.slot_count, 1);
    return &core;
}

#endif
