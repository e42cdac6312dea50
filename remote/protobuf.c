/* SPDX-License-Identifier: Apache-2.0 */
#include "protobuf.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define GROWTH 16         /* bytes of memory for a byte of an honest message, at most */
#define SPARE (64u << 10) /* and for a small one */

static void *take(void *arg, size_t size)
{
    size_t *left = arg;

    if (size > *left)
        return NULL;
    *left -= size;
    return malloc(size);
}

static void give(void *arg, void *data)
{
    (void)arg;
    if (data != NULL)
        explicit_bzero(data, malloc_usable_size(data));
    free(data);
}

ProtobufCMessage *remote_protobuf_read(const ProtobufCMessageDescriptor *type,
                                       struct remote_slice bytes)
{
    size_t left = bytes.len > (SIZE_MAX - SPARE) / GROWTH ? SIZE_MAX : bytes.len * GROWTH + SPARE;
    ProtobufCAllocator bounded = { .alloc = take, .free = give, .allocator_data = &left };

    return protobuf_c_message_unpack(type, &bounded, bytes.len, bytes.data);
}

void remote_protobuf_free(ProtobufCMessage *message)
{
    ProtobufCAllocator wiping = { .alloc = take, .free = give };

    if (message != NULL)
        protobuf_c_message_free_unpacked(message, &wiping);
}

enum remote_rc remote_protobuf_write(const ProtobufCMessage *message, struct remote_buf *ret,
                                     struct remote_error *err)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    unsigned char *room = remote_buf_reserve(ret, size);

    if (room == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    ret->len += protobuf_c_message_pack(message, room);
    return remote_buf_check(ret, err);
}
