/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in and out: files or the standard streams, raw or encoded. */
#ifndef TOOLS_IO_H
#define TOOLS_IO_H

#include "args.h"
#include "buf.h"
#include "mechanism.h"

#define TOOLS_INPUT_MAX (32u << 20) /* what is held in memory at once; hashing has no limit */

/* Reads the whole input. path NULL or "-": stdin. ret: empty before. */
int tools_io_read(const char *path, struct remote_buf *ret);
/* The same, undoing --decode. */
int tools_io_read_decoded(const struct tools_args *args, const char *path, struct remote_buf *ret);
/* The digest of the input, of any length. */
int tools_io_digest(const char *path, enum remote_hash hash, struct remote_buf *ret);

/*
 * Writes to --out (made with mode 0600 when `secret`), else to stdout. The file is made only
 * now, so that a failed operation leaves no trace.
 */
int tools_io_write(const struct tools_args *args, struct remote_slice bytes, bool secret);
/* Takes the place of a file, or leaves it as it was; its mode stays. */
int tools_io_replace(const char *path, struct remote_slice bytes);
/*
 * A result: raw, or as --base64 or --hex say, with a newline. Bytes that a terminal would
 * choke on go there as base64; printable text goes as it is.
 */
int tools_io_write_result(const struct tools_args *args, struct remote_slice bytes, bool secret);

#endif
