/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that nobody waits for any more: of those who were asked and not needed in the end. To
 * give such a request up closes its connection (so libcurl before 8.0, whatever the protocol), and
 * who is a little slower than others would shake hands anew each time. So its handle stays with the
 * unit: an answer that has come by the unit's next use is read and dropped, and leaves a connection
 * to use again. One that has not come when its place is wanted again, or when its time is over, is
 * given up.
 */
#include "http_private.h"

static bool was_sent(const struct remote_handle *handle)
{
    curl_off_t sent = 0;

    curl_easy_getinfo(handle->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    return sent > 0;
}

bool remote_late_begin(struct remote_handle *handle)
{
    struct remote_transfer *transfer = handle->transfer;
    struct remote_request *request = transfer->request;

    if (!was_sent(handle) || request->once)
        return false;
    handle->late = true;
    handle->late_until_ms = transfer->deadline_ms;
    handle->late_left = REMOTE_REPLY_MAX;
    handle->late_body = request->body; /* libcurl may have to send it again */
    request->body = (struct remote_buf){ 0 };
    handle->transfer = NULL;
    return true;
}

bool remote_late_take(struct remote_handle *handle, size_t len)
{
    if (len > handle->late_left)
        return false;
    handle->late_left -= len;
    return true;
}

void remote_late_end(struct remote_handle *handle)
{
    curl_multi_remove_handle(handle->unit->multi, handle->easy);
    remote_buf_clear(&handle->late_body);
    handle->late = false;
}

void remote_late_give_up(struct remote_handle *handle)
{
    remote_handle_close_behind(handle);
    remote_late_end(handle);
}

bool remote_late_is_any(const struct remote_unit *unit)
{
    const struct remote_handle *handle = unit->handles;

    while (handle != NULL && !handle->late)
        handle = handle->next;
    return handle != NULL;
}

void remote_late_check(struct remote_unit *unit)
{
    int64_t now = remote_now_ms();

    for (struct remote_handle *handle = unit->handles; handle != NULL; handle = handle->next)
        if (handle->late && handle->late_until_ms <= now)
            remote_late_give_up(handle);
}
