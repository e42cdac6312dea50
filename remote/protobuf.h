/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf messages to and from bytes (libprotobuf-c), in memory that is wiped before it is freed:
 * they carry plaintexts.
 */
#ifndef REMOTE_PROTOBUF_H
#define REMOTE_PROTOBUF_H

#include <protobuf-c/protobuf-c.h>

#include "buf.h"

/*
 * NULL: not such a message, no memory, or one that would take more than some 16 times its own size:
 * a sender must not make megabytes out of a message's worth of empty members.
 * remote_protobuf_free() it; that takes NULL.
 */
ProtobufCMessage *remote_protobuf_read(const ProtobufCMessageDescriptor *type,
                                       struct remote_slice bytes);
void remote_protobuf_free(ProtobufCMessage *message);
/* Appends. */
enum remote_rc remote_protobuf_write(const ProtobufCMessage *message, struct remote_buf *ret,
                                     struct remote_error *err) REMOTE_MUST_CHECK;

static inline struct remote_slice remote_protobuf_slice(ProtobufCBinaryData data)
{
    return remote_slice(data.data, data.len);
}
/* Borrowed; the writer reads it only. */
static inline ProtobufCBinaryData remote_protobuf_data(struct remote_slice slice)
{
    return (ProtobufCBinaryData){ slice.len, (uint8_t *)(uintptr_t)slice.data };
}

#endif
