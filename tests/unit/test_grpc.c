/* SPDX-License-Identifier: Apache-2.0 */
/* Unary gRPC calls: messages and headers, and the transport against a server of HTTP/2. */
#include "h2_server.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "grpc.h"
#include "temp_dir.h"

#define PATH "/kms_service.v1.CoreServiceEndpoint/GetHealthStatus"
#define HEAD ":status: 200\ncontent-type: application/grpc\n"
#define OK_TRAILERS "grpc-status: 0\n"
#define MESSAGE(text)                                                                              \
    remote_slice("\0\0\0\0" text, sizeof(text) + 3) /* text: its length, bytes                     \
                                                     */

/* ---- messages and headers ---- */

static void assert_message(const char *body, size_t len, const char *refusal)
{
    struct remote_reply reply = { .status = 200, .body = remote_slice(body, len) };
    struct remote_slice message = { 0 };
    struct remote_error err = { 0 };
    enum remote_rc rc = remote_grpc_message(&reply, &message, &err);

    if (refusal != NULL) {
        assert_int_equal(rc, REMOTE_E_PROTOCOL);
        assert_says(err.text, refusal);
        assert_null(message.data);
        return;
    }
    assert_int_equal(rc, REMOTE_OK);
    assert_ptr_equal(message.data, body + 5);
    assert_int_equal(message.len, len - 5);
}

static void test_message_is_taken_when_it_is_whole_and_alone(void **state)
{
    (void)state;
    assert_message("\0\0\0\0\0", 5, NULL);
    assert_message("\0\0\0\0\2ok", 7, NULL);
    assert_message("", 0, "has no message");
    assert_message("\0\0\0\0", 4, "has no message");
    assert_message("\1\0\0\0\2ok", 7, "is compressed");
    assert_message("\0\0\0\0\3ok", 7, "3 bytes are announced, 2 came");
    assert_message("\0\xff\xff\xff\xff", 5, "4294967295 bytes are announced, 0 came");
    assert_message("\0\0\0\0\2ok\0\0\0\0\2ok", 14, "2 bytes are announced, 9 came");
}

static void test_call_has_the_message_in_its_frame(void **state)
{
    TRY;

    (void)state;
    assert_int_equal(remote_grpc_call(&try.request, PATH, remote_slice_str("abc"), NULL),
                     REMOTE_OK);
    assert_true(try.request.grpc);
    assert_string_equal(try.request.method, "POST");
    assert_string_equal((char *)try.request.path.data, PATH);
    assert_int_equal(try.request.body.len, 8);
    assert_memory_equal(try.request.body.data, "\0\0\0\0\3abc", 8);
}

static void test_status_is_one_of_seventeen_or_unknown(void **state)
{
    static const char *const bad[] = { "", "17", "99", "-1", "+1", "0x0", "1 ", " 1", "000", "ok" };

    (void)state;
    assert_int_equal(remote_grpc_status_parse("0"), REMOTE_GRPC_OK);
    assert_int_equal(remote_grpc_status_parse("9"), REMOTE_GRPC_FAILED_PRECONDITION);
    assert_int_equal(remote_grpc_status_parse("16"), REMOTE_GRPC_UNAUTHENTICATED);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(remote_grpc_status_parse(bad[i]), REMOTE_GRPC_UNKNOWN);
    assert_string_equal(remote_grpc_status_name(REMOTE_GRPC_UNAVAILABLE), "UNAVAILABLE");
    assert_string_equal(remote_grpc_status_name(REMOTE_GRPC_NONE), "none");
    assert_string_equal(remote_grpc_status_name(17), "UNKNOWN");
}

static void test_http_status_maps_as_grpc_prescribes(void **state)
{
    (void)state;
    assert_int_equal(remote_grpc_status_of_http(400), REMOTE_GRPC_INTERNAL);
    assert_int_equal(remote_grpc_status_of_http(401), REMOTE_GRPC_UNAUTHENTICATED);
    assert_int_equal(remote_grpc_status_of_http(403), REMOTE_GRPC_PERMISSION_DENIED);
    assert_int_equal(remote_grpc_status_of_http(404), REMOTE_GRPC_UNIMPLEMENTED);
    assert_int_equal(remote_grpc_status_of_http(429), REMOTE_GRPC_UNAVAILABLE);
    assert_int_equal(remote_grpc_status_of_http(503), REMOTE_GRPC_UNAVAILABLE);
    assert_int_equal(remote_grpc_status_of_http(500), REMOTE_GRPC_UNKNOWN);
    assert_int_equal(remote_grpc_status_of_http(200), REMOTE_GRPC_UNKNOWN);
}

static void test_content_type_may_name_a_format_but_no_other_type(void **state)
{
    (void)state;
    assert_true(remote_grpc_is_content_type("application/grpc"));
    assert_true(remote_grpc_is_content_type("Application/gRPC+proto"));
    assert_true(remote_grpc_is_content_type("application/grpc;charset=utf-8"));
    assert_false(remote_grpc_is_content_type("application/grpc-web"));
    assert_false(remote_grpc_is_content_type("application/grp"));
    assert_false(remote_grpc_is_content_type("text/html"));
}

static void assert_text(const char *from, const char *to)
{
    char text[64];

    snprintf(text, sizeof(text), "%s", from);
    remote_grpc_text(text);
    assert_string_equal(text, to);
}

static void test_text_is_decoded_and_printable(void **state)
{
    (void)state;
    assert_text("", "");
    assert_text("not%20here%25", "not here%");
    assert_text("a%0ab", "a b");
    assert_text("%c3%a4", "\xc3\xa4");
    assert_text("cut%2", "cut%2"); /* not well formed: as it came */
    assert_text("a%00b", "a");
}

static void assert_timeout(int64_t left_ms, const char *value)
{
    CLEANUP(remote_buf_clear) struct remote_buf headers = { 0 };
    char line[64];

    snprintf(line, sizeof(line), "\ngrpc-timeout: %s\n", value);
    remote_grpc_headers(&headers, left_ms);
    assert_says((const char *)headers.data, line);
}

static void test_timeout_ends_a_little_before_ours_and_fits_8_digits(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf headers = { 0 };

    (void)state;
    assert_timeout(-5, "1m");
    assert_timeout(0, "1m");
    assert_timeout(1, "1m");
    assert_timeout(1000, "950m");
    assert_timeout(10000, "9900m");
    assert_timeout(100000099, "99999999m");
    assert_timeout(100000100, "100000S");
    remote_grpc_headers(&headers, INT64_MAX); /* longer than can be said: none is */
    assert_null(strstr((const char *)headers.data, "grpc-timeout"));
}

/* ---- the transport ---- */

static int begin(const char *scheme, const char *more)
{
    told = (struct h2_answer){ .head = HEAD, .body = MESSAGE("\2ok"), .trailers = OK_TRAILERS };
    return start_server(h2_serve) == 0 ? open_slot(scheme, more) : -1;
}

static int setup(void **state)
{
    (void)state;
    return begin("http", "insecure_transport = yes\n");
}

static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    return SSL_select_next_proto((unsigned char **)ret, ret_len, arg, 3, in, in_len) ==
                   OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

/* For this host, signed by itself. */
static X509 *make_cert(EVP_PKEY *pkey)
{
    X509 *cert = X509_new();
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");

    X509_set_version(cert, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, pkey);
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    return X509_sign(cert, pkey, EVP_sha256()) > 0 ? cert : NULL;
}

/* A server of TLS that agrees on HTTP/2, or on nothing. */
static int setup_tls(void **state, bool h2)
{
    static unsigned char protocols[] = "\2h2";
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *cert = make_cert(pkey);
    char options[PATH_MAX + 128];
    FILE *out;

    if (temp_dir_make(state) != 0 || (out = fopen(path_of("ca.pem"), "w")) == NULL)
        return -1;
    PEM_write_X509(out, cert);
    fclose(out);
    snprintf(options, sizeof(options), "ca_file = %s\n", path_of("ca.pem"));
    h2_tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(h2_tls, cert);
    SSL_CTX_use_PrivateKey(h2_tls, pkey);
    if (h2)
        SSL_CTX_set_alpn_select_cb(h2_tls, choose_alpn, protocols);
    X509_free(cert);
    EVP_PKEY_free(pkey);
    return begin("https", options);
}

static int setup_h2_tls(void **state)
{
    return setup_tls(state, true);
}

static int setup_http1_tls(void **state)
{
    return setup_tls(state, false);
}

static int teardown_tls(void **state)
{
    int rc = close_slot(state);

    SSL_CTX_free(h2_tls);
    h2_tls = NULL;
    return temp_dir_remove(state) != 0 ? -1 : rc;
}

static void fill(struct try *try)
{
    if (try->request.body.len == 0)
        assert_int_equal(remote_grpc_call(&try->request, PATH, remote_slice_str("abc"), NULL),
                         REMOTE_OK);
}

static enum remote_rc call(struct try *try, int64_t ms)
{
    fill(try);
    return exchange(try, ms);
}

static void assert_answered(struct try *try)
{
    struct remote_slice message = { 0 };

    if (call(try, 5000) != REMOTE_OK)
        fail_msg("%s", try->transfer.err.text);
    assert_int_equal(try->transfer.grpc_status, REMOTE_GRPC_OK);
    assert_int_equal(remote_grpc_message(&(struct remote_reply){ .body = remote_buf_slice(
                                                                     &try->transfer.body) },
                                         &message, NULL),
                     REMOTE_OK);
    assert_true(remote_slice_equal(message, remote_slice_str("ok")));
}

static void assert_fails(struct try *try, enum remote_rc rc, const char *part)
{
    if (call(try, 5000) != rc)
        fail_msg("%s: '%s'", remote_rc_name(try->transfer.rc), try->transfer.err.text);
    assert_says(try->transfer.err.text, part);
    assert_true(try->transfer.sent);
}

static void assert_status(struct try *try, int status, const char *text)
{
    if (call(try, 5000) != REMOTE_OK)
        fail_msg("%s", try->transfer.err.text);
    assert_int_equal(try->transfer.grpc_status, status);
    assert_string_equal(try->transfer.header, text);
}

/* After a fault, the same unit serves the next call well. */
static void assert_recovers(struct try *try)
{
    told = (struct h2_answer){ .head = HEAD, .body = MESSAGE("\2ok"), .trailers = OK_TRAILERS };
    assert_answered(try);
}

static void test_call_is_answered_with_its_status_and_message(void **state)
{
    TRY;

    (void)state;
    remote_buf_append_str(&try.request.headers, "x-more: 1\n");
    assert_answered(&try);
    assert_int_equal(try.transfer.status, 200);
    assert_true(try.transfer.sent);
    assert_int_equal(h2_message_len, 8);
    assert_says(server.request, ":method: POST\n");
    assert_says(server.request, ":scheme: http\n");
    assert_says(server.request, ":path: " PATH "\n");
    assert_says(server.request, "\ncontent-type: application/grpc\n");
    assert_says(server.request, "\nte: trailers\n");
    assert_says(server.request, "\nuser-agent: hsmbridge/");
    assert_says(server.request, "\nx-more: 1\n");
    assert_says(server.request, "\ngrpc-timeout: 4");
    assert_null(strstr(server.request, "expect:"));
    assert_null(strstr(server.request, "accept"));
}

static void test_connection_is_kept_for_the_next_call(void **state)
{
    TRY;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_answered(&try);
    assert_int_equal(server.requests, 10);
    assert_int_equal(server.connections, 1);
}

static void test_error_without_a_message_is_for_the_backend(void **state)
{
    TRY;

    (void)state;
    told = (struct h2_answer){ .head = HEAD "grpc-status: 5\ngrpc-message: no%20such%20key%0a\n" };
    assert_status(&try, REMOTE_GRPC_NOT_FOUND, "no such key ");
    told = (struct h2_answer){ .head = HEAD, .trailers = "grpc-status: 14\n" };
    assert_status(&try, REMOTE_GRPC_UNAVAILABLE, "");
    told = (struct h2_answer){ .head = HEAD, .trailers = "grpc-status: 99\n" };
    assert_status(&try, REMOTE_GRPC_UNKNOWN, "");
    told = (struct h2_answer){ .head = HEAD "grpc-status: 0\ngrpc-status: 5\n" };
    assert_status(&try, REMOTE_GRPC_UNKNOWN, "");
    assert_int_equal(server.connections, 1);
}

static void test_answer_without_grpc_status_has_that_of_its_http_status(void **state)
{
    TRY;

    (void)state;
    told = (struct h2_answer){ .head = ":status: 503\ncontent-type: text/html\n",
                               .body = remote_slice_str("<p>") };
    assert_status(&try, REMOTE_GRPC_UNAVAILABLE, "");
    told.head = ":status: 403\n" OK_TRAILERS; /* an OK that cannot be one */
    assert_status(&try, REMOTE_GRPC_PERMISSION_DENIED, "");
    told = (struct h2_answer){ .head = ":status: 503\ngrpc-status: 7\n" };
    assert_status(&try, REMOTE_GRPC_PERMISSION_DENIED, "");
}

static void test_status_before_the_message_is_none(void **state)
{
    TRY;

    (void)state;
    told.head = HEAD OK_TRAILERS;
    told.trailers = NULL;
    assert_fails(&try, REMOTE_E_UNAVAILABLE, "ends without a status");
    assert_recovers(&try);
}

static void test_ok_of_another_content_type_is_a_protocol_error(void **state)
{
    TRY;

    (void)state;
    told.head = ":status: 200\ncontent-type: application/json\n";
    assert_fails(&try, REMOTE_E_PROTOCOL, "the answer is not gRPC");
    assert_recovers(&try);
}

static void test_connection_that_breaks_before_the_trailers_is_unavailable(void **state)
{
    TRY;

    (void)state;
    for (size_t cut = 0; cut < 30; cut++) {
        told = (struct h2_answer){ .head = HEAD,
                                   .body = MESSAGE("\2ok"),
                                   .trailers = cut > 0 ? OK_TRAILERS : NULL,
                                   .open = cut == 0,
                                   .cut = cut,
                                   .close_after = true };
        assert_fails(&try, REMOTE_E_UNAVAILABLE, "");
    }
    told.head = NULL;
    told.cut = 1000;
    assert_fails(&try, REMOTE_E_UNAVAILABLE, "");
    assert_recovers(&try);
}

static void test_stream_that_is_reset_is_unavailable(void **state)
{
    TRY;

    (void)state;
    told = (struct h2_answer){ .reset = NGHTTP2_CANCEL };
    assert_fails(&try, REMOTE_E_UNAVAILABLE, "CANCEL");
    told = (struct h2_answer){ .head = HEAD, .open = true, .reset = NGHTTP2_INTERNAL_ERROR };
    assert_fails(&try, REMOTE_E_UNAVAILABLE, "INTERNAL_ERROR");
    told.body = MESSAGE("\2ok");
    assert_fails(&try, REMOTE_E_UNAVAILABLE, "INTERNAL_ERROR");
    assert_recovers(&try);
}

static void test_stream_that_is_refused_ends_in_time(void **state)
{
    TRY;

    (void)state;
    told = (struct h2_answer){ .reset = NGHTTP2_REFUSED_STREAM };
    assert_fails(&try, REMOTE_E_UNAVAILABLE, "");
    assert_recovers(&try);
}

/* libcurl before 8.0 loses the trailers then, which is worth another try. */
static void test_server_that_goes_away_is_left(void **state)
{
    TRY;

    (void)state;
    told.goaway = 1;
    if (call(&try, 5000) != REMOTE_OK)
        assert_int_equal(try.transfer.rc, REMOTE_E_UNAVAILABLE);
    assert_recovers(&try);
    assert_int_equal(server.connections, 2);
}

static void test_server_that_goes_away_without_an_answer_is_unavailable(void **state)
{
    TRY;

    (void)state;
    told = (struct h2_answer){ .refuse = true, .close_after = true };
    assert_fails(&try, REMOTE_E_UNAVAILABLE, "");
    assert_recovers(&try);
}

static void test_server_of_http1_is_named_as_such(void **state)
{
    TRY;

    (void)state;
    told.http1 = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    assert_fails(&try, REMOTE_E_UNAVAILABLE, "is this a gRPC server's port?");
    assert_recovers(&try);
}

static void test_answer_that_is_too_large_is_a_protocol_error(void **state)
{
    TRY;

    (void)state;
    try.request.reply_max = 6;
    assert_fails(&try, REMOTE_E_PROTOCOL, "the answer is larger than 6 bytes");
    try.request.reply_max = 7;
    assert_recovers(&try);
}

static void test_large_messages_pass_both_ways(void **state)
{
    static unsigned char body[1 << 20];
    TRY;

    (void)state;
    memset(body + 5, 'x', sizeof(body) - 5);
    body[2] = (sizeof(body) - 5) >> 16;
    body[3] = (sizeof(body) - 5) >> 8 & 0xff;
    body[4] = (sizeof(body) - 5) & 0xff;
    told.body = remote_slice(body, sizeof(body));
    assert_int_equal(remote_grpc_call(&try.request, PATH, remote_slice(body, sizeof(body)), NULL),
                     REMOTE_OK);
    assert_int_equal(call(&try, 10000), REMOTE_OK);
    assert_int_equal(h2_message_len, sizeof(body) + 5);
    assert_int_equal(try.transfer.body.len, sizeof(body));
    assert_memory_equal(try.transfer.body.data, body, sizeof(body));
}

static void test_server_that_never_answers_ends_with_the_deadline_and_is_asked_anew(void **state)
{
    TRY;
    int64_t start = remote_now_ms();

    (void)state;
    told = (struct h2_answer){ 0 };
    assert_int_equal(call(&try, 300), REMOTE_E_TIMEOUT);
    assert_true(remote_now_ms() - start >= 290 && remote_now_ms() - start < 1300);
    assert_true(try.transfer.sent);
    assert_says(try.transfer.err.text, "timed out waiting for the answer");
    assert_recovers(&try);
    assert_int_equal(server.connections, 2); /* the first may be one that nobody hears */
}

static void test_call_that_is_cancelled_leaves_the_unit_usable(void **state)
{
    TRY;
    struct remote_unit *unit = NULL;
    struct remote_error err = { 0 };

    (void)state;
    assert_answered(&try);
    told.head = NULL;
    told.body.len = 0;
    told.trailers = NULL;
    assert_int_equal(slot->transport->acquire(slot, &unit, &err), REMOTE_OK);
    assert_int_equal(slot->transport->start(unit, prepare(&try, 5000), &err), REMOTE_OK);
    while (server.requests < 2)
        assert_null(slot->transport->wait(unit, remote_now_ms() + 10));
    slot->transport->cancel(unit, &try.transfer);
    slot->transport->release(unit);
    assert_recovers(&try);
    assert_int_equal(server.connections, 2); /* see exchange.h */
}

/* The server serves one connection after the other, so that a second one waits. */
static void test_calls_at_the_same_time_have_a_connection_each(void **state)
{
    CLEANUP(clear) struct try one = { 0 };
    CLEANUP(clear) struct try two = { 0 };
    struct remote_unit *unit = NULL;
    struct remote_error err = { 0 };

    (void)state;
    fill(&one);
    fill(&two);
    assert_int_equal(slot->transport->acquire(slot, &unit, &err), REMOTE_OK);
    assert_int_equal(slot->transport->start(unit, prepare(&one, 5000), &err), REMOTE_OK);
    assert_int_equal(slot->transport->start(unit, prepare(&two, 5000), &err), REMOTE_OK);
    assert_ptr_equal(slot->transport->wait(unit, INT64_MAX), &one.transfer);
    assert_int_equal(one.transfer.grpc_status, REMOTE_GRPC_OK);
    assert_null(slot->transport->wait(unit, remote_now_ms() + 200));
    assert_int_equal(server.requests, 1);
    slot->transport->cancel(unit, &two.transfer);
    slot->transport->release(unit);
}

static void test_call_over_tls_is_answered_and_its_connection_kept(void **state)
{
    TRY;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_answered(&try);
    assert_says(server.request, ":scheme: https\n");
    assert_int_equal(server.connections, 1);
}

static void test_server_of_tls_without_http2_is_named_as_such(void **state)
{
    TRY;

    (void)state;
    told.http1 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    assert_fails(&try, REMOTE_E_PROTOCOL, "does not speak HTTP/2, which gRPC needs");
}

/* Of a server on tonic, byte by byte: an empty message, and answers to decryptions. */
static void test_answers_of_a_real_server_are_read(void **state)
{
    static const struct {
        const char *name;
        size_t body_len;
    } files[] = { { "h2_c.1.s2c.bin", 5 }, { "h2_c.2.s2c.bin", 394 }, { "h2_c.3.s2c.bin", 401 } };
    TRY;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        unsigned char bytes[1024];
        char path[PATH_MAX];
        FILE *in;

        snprintf(path, sizeof(path), ZAMA_FIXTURES "/real/centralized/%s", files[i].name);
        in = fopen(path, "r");
        assert_non_null(in);
        told = (struct h2_answer){ .raw = remote_slice(bytes, fread(bytes, 1, sizeof(bytes), in)) };
        fclose(in);
        assert_status(&try, REMOTE_GRPC_OK, "");
        assert_int_equal(try.transfer.body.len, files[i].body_len);
        slot->transport->trim(slot); /* the next file begins with a connection, too */
    }
}

#define TEST_TLS(name, how) cmocka_unit_test_setup_teardown(name, how, teardown_tls)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_is_taken_when_it_is_whole_and_alone),
        cmocka_unit_test(test_call_has_the_message_in_its_frame),
        cmocka_unit_test(test_status_is_one_of_seventeen_or_unknown),
        cmocka_unit_test(test_http_status_maps_as_grpc_prescribes),
        cmocka_unit_test(test_content_type_may_name_a_format_but_no_other_type),
        cmocka_unit_test(test_text_is_decoded_and_printable),
        cmocka_unit_test(test_timeout_ends_a_little_before_ours_and_fits_8_digits),
        TEST(test_call_is_answered_with_its_status_and_message),
        TEST(test_connection_is_kept_for_the_next_call),
        TEST(test_error_without_a_message_is_for_the_backend),
        TEST(test_answer_without_grpc_status_has_that_of_its_http_status),
        TEST(test_status_before_the_message_is_none),
        TEST(test_ok_of_another_content_type_is_a_protocol_error),
        TEST(test_connection_that_breaks_before_the_trailers_is_unavailable),
        TEST(test_stream_that_is_reset_is_unavailable),
        TEST(test_stream_that_is_refused_ends_in_time),
        TEST(test_server_that_goes_away_is_left),
        TEST(test_server_that_goes_away_without_an_answer_is_unavailable),
        TEST(test_server_of_http1_is_named_as_such),
        TEST(test_answer_that_is_too_large_is_a_protocol_error),
        TEST(test_large_messages_pass_both_ways),
        TEST(test_server_that_never_answers_ends_with_the_deadline_and_is_asked_anew),
        TEST(test_call_that_is_cancelled_leaves_the_unit_usable),
        TEST(test_calls_at_the_same_time_have_a_connection_each),
        TEST(test_answers_of_a_real_server_are_read),
        TEST_TLS(test_call_over_tls_is_answered_and_its_connection_kept, setup_h2_tls),
        TEST_TLS(test_server_of_tls_without_http2_is_named_as_such, setup_http1_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
