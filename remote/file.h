/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a slot needs, read when the slot is opened and kept in memory, because nginx,
 * haproxy and BIND use us long after they gave up root or entered a chroot. A changed file is
 * read again when it can be; when it cannot, the kept bytes serve and one line says so.
 */
#ifndef REMOTE_FILE_H
#define REMOTE_FILE_H

#include <sys/types.h>
#include <time.h>

#include "buf.h"

enum remote_file_kind {
    REMOTE_FILE_PUBLIC, /* CA, certificate: no permission rules */
    REMOTE_FILE_SECRET, /* others may write: error; others may read: one warning */
    REMOTE_FILE_CONFIG, /* must belong to root or the effective user, not writable by others */
    REMOTE_FILE_CONFIG_SECRET /* CONFIG, and nobody but its owner may read it */
};

#define REMOTE_FILE_MAX (4u << 20) /* bytes; a larger one is refused */

/*
 * Reads the file once. Error text names path, what is wrong and what would be right
 * ("chmod o-w PATH"). Refuses what is not a regular file (after following links).
 * ret: replaced on success.
 */
enum remote_rc remote_file_read(const char *path, enum remote_file_kind kind,
                                struct remote_secret *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* Checks owner and mode as remote_file_read() would, on an open descriptor. */
enum remote_rc remote_file_check(int fd, const char *path, enum remote_file_kind kind,
                                 struct remote_error *err) REMOTE_MUST_CHECK;

struct remote_kept_file {
    char *path; /* owned; NULL: no such file configured */
    enum remote_file_kind kind;
    struct remote_secret bytes; /* as on disk */
    struct timespec mtime;
    off_t size;
    ino_t inode;
    bool said_stale;
};

enum remote_rc remote_kept_file_open(struct remote_kept_file *file, const char *path,
                                     enum remote_file_kind kind, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Reads again when the file on disk changed. True when the bytes are new. Caller locks. */
bool remote_kept_file_refresh(struct remote_kept_file *file);
void remote_kept_file_close(struct remote_kept_file *file);

#endif
