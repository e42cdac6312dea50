/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All names of a KES with more of them than one answer holds: a walk through the tree of
 * prefixes, which goes into a prefix only where its answer was cut short. KES sorts by bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kes.h"

/* Each further dash in a row would cost 63 requests, for names that nobody gives. Such names are
 * found by their prefix as long as no listing is cut short there, and by name always. */
#define DASHES_MAX 2

struct remote_slice kes_walk_prefix(const char *page)
{
    return page ? remote_slice(page, strcspn(page, "/")) : remote_slice("", 0);
}

const char *kes_walk_from(const char *page)
{
    const char *slash = page ? strchr(page, '/') : NULL;

    return slash ? slash + 1 : "";
}

/* KES takes only such a prefix as could be a name: none that ends in a dash. */
static bool listable(const char *prefix)
{
    return kes_name_fits(remote_slice_str(prefix));
}

static size_t dashes_behind(const char *prefix, size_t len)
{
    size_t count = 0;

    while (count < len && prefix[len - 1 - count] == '-')
        count++;
    return count;
}

/* From a prefix that cannot be listed to the first below it that can. */
static void descend(char prefix[KES_NAME_MAX + 1])
{
    size_t len = strlen(prefix);

    while (len > 0 && len < KES_NAME_MAX && !listable(prefix)) {
        prefix[len] = kes_name_letters[dashes_behind(prefix, len) < DASHES_MAX ? 0 : 1];
        prefix[++len] = '\0';
    }
}

/* The next prefix in the order of bytes, no longer than this one but for descend(). */
static void step(char prefix[KES_NAME_MAX + 1])
{
    size_t len = strlen(prefix);

    while (len > 0) {
        const char *at = strchr(kes_name_letters, prefix[len - 1]);

        if (at[1] != '\0') {
            prefix[len - 1] = at[1];
            break;
        }
        prefix[--len] = '\0';
    }
    descend(prefix);
}

static enum remote_rc give(const char *prefix, const char *from, char **ret,
                           struct remote_error *err)
{
    if (asprintf(ret, "%s/%s", prefix, from) < 0) {
        *ret = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    return REMOTE_OK;
}

/* The rest begins at continue_at: on to the shortest longer prefix of it that can be listed. */
static enum remote_rc narrow(struct remote_slice prefix, const char *continue_at, char **ret,
                             struct remote_error *err)
{
    char longer[KES_NAME_MAX + 1] = "";
    size_t len = prefix.len;

    if (!kes_name_fits(remote_slice_str(continue_at)) || strlen(continue_at) <= len ||
        memcmp(continue_at, prefix.data, len) != 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "the listing goes on at a name that does not belong to it");
    memcpy(longer, continue_at, len);
    do {
        longer[len] = continue_at[len];
        longer[++len] = '\0';
    } while (!listable(longer));
    return give(longer, continue_at, ret, err);
}

enum remote_rc kes_walk_next(const char *page, const char *continue_at, char **ret,
                             struct remote_error *err)
{
    struct remote_slice prefix = kes_walk_prefix(page);
    char next[KES_NAME_MAX + 1] = "";

    if (prefix.len > KES_NAME_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "a listing has gone astray");
    if (continue_at != NULL && continue_at[0] != '\0')
        return narrow(prefix, continue_at, ret, err);
    *ret = NULL;
    if (prefix.len == 0)
        return REMOTE_OK;
    memcpy(next, prefix.data, prefix.len);
    step(next);
    return next[0] != '\0' ? give(next, "", ret, err) : REMOTE_OK;
}
