/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of names, as stores make them and clients want them. */
#include <stdlib.h>
#include <string.h>

#include "kes_stored.h"
#include "store.h"

#define NAMES_AT_FIRST 64

/* Room is doubled, so a count that is a power of two is full. */
static bool make_room(struct kesd_names *names)
{
    size_t cap = names->count == 0 ? NAMES_AT_FIRST : 2 * names->count;
    char **longer;

    if (names->count > 0 &&
        (names->count < NAMES_AT_FIRST || (names->count & (names->count - 1)) != 0))
        return true;
    longer = reallocarray(names->names, cap, sizeof(char *));
    if (longer == NULL)
        return false;
    names->names = longer;
    return true;
}

enum remote_rc kesd_names_add(struct kesd_names *names, const char *name, struct remote_error *err)
{
    if (!kes_name_fits(remote_slice_str(name)))
        return REMOTE_OK;
    if (names->count == KESD_STORE_NAMES_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the store has more than %d keys",
                           KESD_STORE_NAMES_MAX);
    if (!make_room(names) || (names->names[names->count] = strdup(name)) == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    names->count++;
    return REMOTE_OK;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of sorted names. */
static bool is_chosen(const struct kesd_names *names, size_t at, const char *prefix)
{
    const char *name = names->names[at];

    return strncmp(name, prefix, strlen(prefix)) == 0 &&
           (at + 1 == names->count || strcmp(name, names->names[at + 1]) != 0);
}

void kesd_names_choose(struct kesd_names *names, const char *prefix, size_t max)
{
    size_t chosen = 0;

    if (names->count > 0)
        qsort(names->names, names->count, sizeof(char *), compare);
    for (size_t i = 0; i < names->count; i++) {
        char *name = names->names[i];

        if (!is_chosen(names, i, prefix)) {
            free(name);
        } else if (chosen < max) {
            names->names[chosen++] = name;
        } else if (names->more == NULL) {
            names->more = name;
        } else {
            free(name);
        }
    }
    names->count = chosen;
}

void kesd_names_clear(struct kesd_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    free(names->more);
    *names = (struct kesd_names){ 0 };
}
