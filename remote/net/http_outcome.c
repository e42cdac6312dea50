/* SPDX-License-Identifier: Apache-2.0 */
/* What it means for the core when libcurl got a reply, or could not get a whole one. */
#include "grpc.h"
#include "http_private.h"

struct verdict { /* what a CURLcode means for the core */
    CURLcode code;
    enum remote_rc rc;
    bool lasting;
    const char *text;
};

/* clang-format off */
static const struct verdict verdicts[] = {
    { CURLE_COULDNT_RESOLVE_HOST,     REMOTE_E_UNAVAILABLE, false, "the host name does not resolve" },
    { CURLE_COULDNT_RESOLVE_PROXY,    REMOTE_E_UNAVAILABLE, false, "the proxy's name does not resolve" },
    { CURLE_COULDNT_CONNECT,          REMOTE_E_UNAVAILABLE, false, "cannot connect" },
    { CURLE_PEER_FAILED_VERIFICATION, REMOTE_E_UNAVAILABLE, true,  "the server's certificate is not accepted (check ca_file and the name in url)" },
    { CURLE_SSL_PINNEDPUBKEYNOTMATCH, REMOTE_E_UNAVAILABLE, true,  "the server's key is not the one that pin_sha256 names" },
    { CURLE_SSL_CERTPROBLEM,          REMOTE_E_UNAVAILABLE, true,  "the client certificate cannot be used (check client_cert_file and client_key_file)" },
    { CURLE_SSL_CONNECT_ERROR,        REMOTE_E_UNAVAILABLE, false, "the TLS handshake failed" },
    { CURLE_SEND_ERROR,               REMOTE_E_UNAVAILABLE, false, "the connection broke while sending" },
    { CURLE_RECV_ERROR,               REMOTE_E_UNAVAILABLE, false, "the connection broke before the answer was complete" },
    { CURLE_GOT_NOTHING,              REMOTE_E_UNAVAILABLE, false, "the connection was closed without an answer" },
    { CURLE_PARTIAL_FILE,             REMOTE_E_UNAVAILABLE, false, "the connection was closed in mid-answer" },
    { CURLE_HTTP2,                    REMOTE_E_UNAVAILABLE, false, "the HTTP/2 connection ended without an answer" },
    { CURLE_HTTP2_STREAM,             REMOTE_E_UNAVAILABLE, false, "the server gave the request up" },
    { CURLE_OPERATION_TIMEDOUT,       REMOTE_E_TIMEOUT,     false, "no answer in time" },
    { CURLE_OUT_OF_MEMORY,            REMOTE_E_NOMEM,       true,  "out of memory" },
    { CURLE_UNSUPPORTED_PROTOCOL,     REMOTE_E_PROTOCOL,    true,  "not an HTTP answer" },
    { CURLE_WEIRD_SERVER_REPLY,       REMOTE_E_PROTOCOL,    true,  "not an HTTP answer" },
};
/* clang-format on */

static struct verdict verdict_of(CURLcode code)
{
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
        if (verdicts[i].code == code)
            return verdicts[i];
    return (struct verdict){ code, REMOTE_E_PROTOCOL, true, "the exchange failed" };
}

static const char *phase(const struct remote_handle *handle)
{
    curl_off_t lookup = 0, connected = 0, tls = 0, sent = 0;

    curl_easy_getinfo(handle->easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup);
    curl_easy_getinfo(handle->easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(handle->easy, CURLINFO_APPCONNECT_TIME_T, &tls);
    curl_easy_getinfo(handle->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    if (sent > 0)
        return "waiting for the answer";
    if (lookup == 0)
        return "resolving the host name";
    if (connected == 0 && !handle->tls_begun)
        return "connecting";
    return tls == 0 ? "in the TLS handshake" : "sending";
}

static void explain(struct remote_handle *handle, CURLcode code, struct remote_transfer *transfer)
{
    struct verdict verdict = verdict_of(code);
    const char *detail = handle->error[0] ? handle->error : curl_easy_strerror(code);

    transfer->rc = verdict.rc;
    transfer->lasting = verdict.lasting;
    if (handle->too_large) {
        transfer->rc =
            REMOTE_FAIL(&transfer->err, REMOTE_E_PROTOCOL, "the answer is larger than %zu bytes",
                        transfer->request->reply_max ? transfer->request->reply_max
                                                     : (size_t)REMOTE_REPLY_MAX);
        return;
    }
    if (verdict.rc == REMOTE_E_TIMEOUT)
        REMOTE_FAIL(&transfer->err, verdict.rc, "timed out %s", phase(handle));
    else if (transfer->request->grpc && (code == CURLE_GOT_NOTHING || code == CURLE_HTTP2))
        REMOTE_FAIL(&transfer->err, verdict.rc, "%s: %s (is this a gRPC server's port?)",
                    verdict.text, detail);
    else
        REMOTE_FAIL(&transfer->err, verdict.rc, "%s: %s", verdict.text, detail);
}

/*
 * A gRPC status, wherever it came from, is for the backend; what is no gRPC answer is not. OK
 * counts in an answer that is gRPC's in every respect.
 */
static enum remote_rc judge_grpc(struct remote_handle *handle, struct remote_transfer *transfer)
{
    bool ok = transfer->grpc_status == REMOTE_GRPC_OK;
    long version = 0;

    remote_grpc_text(transfer->header);
    curl_easy_getinfo(handle->easy, CURLINFO_HTTP_VERSION, &version);
    if (version != CURL_HTTP_VERSION_2_0)
        return REMOTE_FAIL(&transfer->err, REMOTE_E_PROTOCOL,
                           "the server does not speak HTTP/2, which gRPC needs");
    if (transfer->status != 200 && (ok || transfer->grpc_status == REMOTE_GRPC_NONE))
        transfer->grpc_status = remote_grpc_status_of_http(transfer->status);
    else if ((ok || transfer->grpc_status == REMOTE_GRPC_NONE) && !handle->grpc_type)
        return REMOTE_FAIL(&transfer->err, REMOTE_E_PROTOCOL,
                           "the answer is not gRPC: its content type is another");
    else if (transfer->grpc_status == REMOTE_GRPC_NONE)
        /* libcurl before 8.0 also loses the trailers of a server that goes away (GOAWAY) */
        return REMOTE_FAIL(&transfer->err, REMOTE_E_UNAVAILABLE,
                           "the gRPC answer ends without a status");
    return REMOTE_OK;
}

void remote_http_judge(struct remote_handle *handle, CURLcode code,
                       struct remote_transfer *transfer)
{
    if (code != CURLE_OK)
        explain(handle, code, transfer);
    else if (transfer->request->grpc)
        transfer->rc = judge_grpc(handle, transfer);
    else
        transfer->rc = REMOTE_OK;
}
