/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void *take(void *arg, size_t size)
{
    (void)arg;
    return malloc(size);
}

static void give(void *arg, void *data)
{
    (void)arg;
    if (data != NULL)
        explicit_bzero(data, malloc_usable_size(data));
    free(data);
}

static ProtobufCAllocator wiping = { .alloc = take, .free = give };

ProtobufCMessage *kms_wire_read(const ProtobufCMessageDescriptor *type, struct remote_slice bytes)
{
    return protobuf_c_message_unpack(type, &wiping, bytes.len, bytes.data);
}

void kms_wire_free(ProtobufCMessage *message)
{
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, &wiping);
}

enum remote_rc kms_wire_write(const ProtobufCMessage *message, struct remote_buf *ret,
                              struct remote_error *err)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    unsigned char *room = remote_buf_reserve(ret, size);

    if (room == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    ret->len += protobuf_c_message_pack(message, room);
    return remote_buf_check(ret, err);
}
