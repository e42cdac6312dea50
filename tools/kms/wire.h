/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to and from bytes, in memory that is wiped before it is freed: they carry keys. */
#ifndef KMS_WIRE_H
#define KMS_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "buf.h"

/* NULL: not such a message, or no memory. kms_wire_free() it; that takes NULL. */
ProtobufCMessage *kms_wire_read(const ProtobufCMessageDescriptor *type, struct remote_slice bytes);
void kms_wire_free(ProtobufCMessage *message);
/* Appends. */
enum remote_rc kms_wire_write(const ProtobufCMessage *message, struct remote_buf *ret,
                              struct remote_error *err) REMOTE_MUST_CHECK;

static inline struct remote_slice kms_wire_slice(ProtobufCBinaryData data)
{
    return remote_slice(data.data, data.len);
}
static inline ProtobufCBinaryData kms_wire_data(const struct remote_buf *buf)
{
    return (ProtobufCBinaryData){ buf->len, buf->data };
}

#endif
