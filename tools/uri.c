/* SPDX-License-Identifier: Apache-2.0 */
#include "uri.h"

#include "encode.h"

void tools_uri(struct remote_buf *ret, const char *token, const char *object,
               struct remote_slice id, const char *type)
{
    remote_buf_append_str(ret, "pkcs11:token=");
    remote_percent_append(ret, remote_slice_str(token));
    remote_buf_append_str(ret, ";object=");
    remote_percent_append(ret, remote_slice_str(object));
    remote_buf_append_str(ret, ";id=");
    for (size_t i = 0; i < id.len; i++) /* RFC 7512 2.3: the whole value SHOULD be encoded */
        remote_buf_printf(ret, "%%%02X", id.data[i]);
    remote_buf_printf(ret, ";type=%s", type);
}
