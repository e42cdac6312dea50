/* SPDX-License-Identifier: Apache-2.0 */
/* What tells a configuration that was changed on disk from the one that was loaded. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "build-config.h"
#include "section.h"

/* A file that is younger than this may still be in the middle of being written. */
#define SETTLE_NS 200000000LL

static uint64_t mix(uint64_t hash, const void *bytes, size_t len) /* FNV-1a */
{
    for (const unsigned char *p = bytes; len-- > 0; p++)
        hash = (hash ^ *p) * 1099511628211u;
    return hash;
}

static bool is_young(const struct stat *st)
{
    struct timespec now;
    int64_t age_ns;

    clock_gettime(CLOCK_REALTIME, &now);
    age_ns =
        (int64_t)(now.tv_sec - st->st_ctim.tv_sec) * 1000000000 + now.tv_nsec - st->st_ctim.tv_nsec;
    return age_ns >= 0 && age_ns < SETTLE_NS;
}

/* Owner and mode count: they decide whether the file is taken at all. */
static uint64_t mix_access(uint64_t hash, const struct stat *st)
{
    hash = mix(hash, &st->st_uid, sizeof(st->st_uid));
    return mix(hash, &st->st_mode, sizeof(st->st_mode));
}

/*
 * What is known of each path is added up, so that the order in which a directory is read does not
 * matter. Links are followed: Kubernetes swaps one to change a whole directory.
 */
static void add_path(struct remote_config_stamp *stamp, const char *path)
{
    uint64_t hash = mix(14695981039346656037u, path, strlen(path));
    struct stat st;

    if (stat(path, &st) < 0) {
        int why = errno;

        stamp->sum += mix(hash, &why, sizeof(why));
        return;
    }
    hash = mix_access(hash, &st);
    if (!S_ISDIR(st.st_mode)) { /* of a directory others' files come and go */
        hash = mix(hash, &st.st_dev, sizeof(st.st_dev));
        hash = mix(hash, &st.st_ino, sizeof(st.st_ino));
        hash = mix(hash, &st.st_size, sizeof(st.st_size));
        hash = mix(hash, &st.st_mtim, sizeof(st.st_mtim));
        hash = mix(hash, &st.st_ctim, sizeof(st.st_ctim));
        stamp->young = stamp->young || is_young(&st);
    }
    stamp->sum += hash;
}

/* A name that does not fit into PATH_MAX could not be opened either. */
static void add_below(struct remote_config_stamp *stamp, const char *directory, const char *name)
{
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path))
        add_path(stamp, path);
}

static void add_drop_ins(struct remote_config_stamp *stamp, const char *directory)
{
    char path[4096];
    DIR *listing;

    if (snprintf(path, sizeof(path), "%s/conf.d", directory) >= (int)sizeof(path))
        return;
    add_path(stamp, path);
    listing = opendir(path);
    if (listing == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (remote_config_is_drop_in(entry->d_name))
            add_below(stamp, path, entry->d_name);
    closedir(listing);
}

void remote_config_stamp(const char *path, struct remote_config_stamp *ret)
{
    struct remote_config_stamp stamp = { 0 };
    struct stat st;

    if (path == NULL)
        path = HSMBRIDGE_SYSCONFDIR;
    add_path(&stamp, path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        add_below(&stamp, path, "hsmbridge.conf");
        add_drop_ins(&stamp, path);
    }
    *ret = stamp;
}
