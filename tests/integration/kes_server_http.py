#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KES-compatible server's HTTP/1.1: requests however they are cut, limits, clients that are slow,
half gone or too many, and log streams."""

import email.utils
import json
import os
import resource
import socket
import ssl
import time
import unittest

from harness import HarnessTestCase, TempConfig
from kes_program import KesProgram

HOST = b"Host: kes\r\n"
GENERATE = b"PUT /v1/key/generate/app HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n"
VERSION = b"GET /version HTTP/1.1\r\n" + HOST + b"\r\n"
BODY_MAX = 1000000


class Replies:
    """Reads answers from a connection, one by one."""

    def __init__(self, conn):
        self.conn, self.bytes = conn, b""

    def _fill(self):
        more = self.conn.recv(65536)
        self.bytes += more
        return bool(more)

    def head(self):
        while b"\r\n\r\n" not in self.bytes:
            if not self._fill():
                raise EOFError("the connection ended: %r" % self.bytes)
        head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:])

    def next(self, bodiless=False):
        """(status, headers, body)"""
        status, headers = self.head()
        length = 0 if bodiless else int(headers.get("content-length", 0))
        while len(self.bytes) < length:
            if not self._fill():
                raise EOFError("the body ended: %r" % self.bytes)
        body, self.bytes = self.bytes[:length], self.bytes[length:]
        return status, headers, body

    def chunk(self):
        while b"\r\n" not in self.bytes:
            if not self._fill():
                raise EOFError("the stream ended")
        size, _, self.bytes = self.bytes.partition(b"\r\n")
        size = int(size, 16)
        while len(self.bytes) < size + 2:
            self._fill()
        chunk, self.bytes = self.bytes[:size], self.bytes[size + 2:]
        return chunk

    def at_end(self):
        return self.bytes == b"" and not self._fill()


class HttpCase(HarnessTestCase):
    def serve(self, *args, descriptors=None, **options):
        self.config = self.enter(TempConfig(log_level="info"))
        self.kes = self.enter(KesProgram(self.config, *args, start=False,
                                         **dict({"create": "app"}, **options)))
        self.kes.start(descriptors=descriptors)
        deadline = time.monotonic() + 20
        while self.kes.admin.call("GET", "/v1/key/describe/app").status != 200:
            self.assertLess(time.monotonic(), deadline)
        return self.kes

    def connect(self, **options):
        conn = self.kes.connect(**options)
        self.addCleanup(conn.close)
        return conn, Replies(conn)

    def assert_serves(self):
        conn, replies = self.connect()
        conn.sendall(GENERATE)
        self.assertEqual(replies.next()[0], 200)


class RequestTest(HttpCase):
    def setUp(self):
        self.serve()

    def test_connection_is_kept_and_answers_come_in_order(self):
        conn, replies = self.connect()
        paths = [b"/version", b"/v1/key/describe/app", b"/v1/key/describe/none", b"/v1/ready",
                 b"/nowhere", b"/v1/status"]
        conn.sendall(b"".join(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"
                              for path in paths * 20))
        for _ in range(20):
            self.assertEqual([replies.next()[0] for _ in paths], [200, 200, 404, 200, 404, 200])

    def test_answer_has_a_length_and_a_date(self):
        conn, replies = self.connect()
        conn.sendall(VERSION)
        _, headers, body = replies.next()
        self.assertEqual(int(headers["content-length"]), len(body))
        self.assertEqual(headers["content-type"], "application/json")
        sent = email.utils.parsedate_to_datetime(headers["date"].title())
        self.assertLess(abs(sent.timestamp() - time.time()), 30)
        self.assertNotIn("connection", headers)

    def test_bytes_may_come_one_by_one(self):
        conn, replies = self.connect()
        request = (b"PUT /v1/key/encrypt/app HTTP/1.1\r\n" + HOST +
                   b"Transfer-Encoding: chunked\r\n\r\n10\r\n{\"plaintext\":\"aG\r\n4\r\nk=\"}\r\n"
                   b"0\r\n\r\n")
        for byte in request:
            conn.sendall(bytes([byte]))
        status, _, body = replies.next()
        self.assertEqual(status, 200, body)
        conn.sendall(b"PUT /v1/key/decrypt/app HTTP/1.1\r\n" + HOST +
                     b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.assertEqual(json.loads(replies.next()[2]), {"plaintext": "aGk="})

    def test_connection_ends_when_the_client_wants_it(self):
        for request in (b"GET /version HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
                        b"GET /version HTTP/1.0\r\n\r\n"):
            conn, replies = self.connect()
            conn.sendall(request)
            status, headers, _ = replies.next()
            self.assertEqual((status, headers["connection"]), (200, "close"))
            self.assertTrue(replies.at_end())

    def test_head_has_no_body(self):
        conn, replies = self.connect()
        conn.sendall(b"HEAD /version HTTP/1.1\r\n" + HOST + b"\r\n" + VERSION)
        self.assertEqual(replies.next(bodiless=True)[0], 405)
        self.assertEqual(replies.next()[0], 200)

    def test_leave_to_send_a_body(self):
        conn, replies = self.connect()
        conn.sendall(b"PUT /v1/key/generate/app HTTP/1.1\r\n" + HOST +
                     b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        self.assertEqual(replies.next(bodiless=True)[0], 100)
        conn.sendall(b"{}")
        self.assertEqual(replies.next()[0], 200)

    def test_longest_body_and_one_byte_more(self):
        begin, end = b'{"plaintext":"', b'"}'
        body = begin + b"A" * ((BODY_MAX - len(begin) - len(end)) // 4 * 4) + end
        body += b" " * (BODY_MAX - len(body))
        for chunked in (False, True):
            for extra, expected in ((0, 200), (1, 400)):
                with self.subTest(chunked=chunked, extra=extra):
                    conn, replies = self.connect()
                    text = body + b" " * extra
                    head = b"PUT /v1/key/encrypt/app HTTP/1.1\r\n" + HOST
                    if chunked:
                        head += b"Transfer-Encoding: chunked\r\n\r\n"
                        text = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
                    else:
                        head += b"Content-Length: %d\r\n\r\n" % len(text)
                    conn.sendall(head + text)
                    status, headers, answer = replies.next()
                    self.assertEqual(status, expected, answer[:200])
                    if extra:
                        self.assertIn(b"invalid request body", answer)
                        self.assertEqual(headers["connection"], "close")
                        self.assertTrue(replies.at_end())

    def test_body_that_is_far_too_long_is_answered_nevertheless(self):
        conn, replies = self.connect()
        conn.sendall(b"PUT /v1/key/encrypt/app HTTP/1.1\r\n" + HOST +
                     b"Content-Length: 30000000\r\n\r\n")
        sent = 0
        try:
            while sent < 30000000:
                sent += conn.send(bytes(100000))
        except OSError:
            pass  # it need not be taken to its end
        status, headers, _ = replies.next()
        self.assertEqual((status, headers["connection"]), (400, "close"))

    def test_what_is_no_request(self):
        for text, status in ((b"nonsense\r\n\r\n", 400), (os.urandom(64) + b"\r\n\r\n", 400),
                             (b"GET /version HTTP/1.1\r\n\r\n", 400),
                             (b"GET /version HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
                             (b"GET /version HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40000, 431)):
            with self.subTest(text=text[:40]):
                conn, replies = self.connect()
                conn.sendall(text)
                got, headers, _ = replies.next()
                self.assertEqual((got, headers["connection"]), (status, "close"))
                self.assertTrue(replies.at_end())
        self.assert_serves()

    def test_request_that_breaks_off_harms_nobody(self):
        for cut in range(1, len(GENERATE) - 1, 7):
            conn, _ = self.connect()
            conn.sendall(GENERATE[:cut])
            conn.close()
        for _ in range(20):  # and one whose answer nobody waits for
            conn, _ = self.connect()
            conn.sendall(GENERATE * 50)
            conn.close()
        self.assert_serves()

    def test_client_that_has_said_all_gets_its_answer(self):
        conn, replies = self.connect()
        conn.sendall(VERSION)
        with socket.socket(fileno=os.dup(conn.fileno())) as same:
            same.shutdown(socket.SHUT_WR)
        self.assertEqual(replies.next()[0], 200)


class WeatherTest(HttpCase):
    def test_slow_clients_are_ended_and_others_served(self):
        self.serve("--threads", "1")
        silent = socket.create_connection(("127.0.0.1", self.kes.port), 20)
        self.addCleanup(silent.close)
        slow, slow_replies = self.connect()
        slow.sendall(b"GET /version HTTP/1.1\r\n")
        began = time.monotonic()
        slow.settimeout(0.5)
        while time.monotonic() - began < 20:
            self.assert_serves()
            try:
                slow.sendall(b"X: y\r\n")  # a byte now and then is not enough
                if slow_replies.at_end():
                    break
            except (socket.timeout, ssl.SSLWantReadError):
                continue
            except OSError:
                break
        self.assertGreater(time.monotonic() - began, 4)
        self.assertLess(time.monotonic() - began, 15)
        silent.settimeout(15)
        self.assertEqual(silent.recv(1), b"")

    def test_client_that_does_not_read_holds_nobody_up(self):
        self.serve("--threads", "1")
        conn, replies = self.connect()
        conn.settimeout(2)
        request = b"GET /v1/metrics HTTP/1.1\r\n" + HOST + b"\r\n"
        sent = 0
        try:
            while sent < 20000:
                conn.sendall(request)
                sent += 1
        except OSError:
            pass
        self.assertGreater(sent, 10)
        self.assert_serves()
        conn.settimeout(20)
        self.assertEqual([replies.next()[0] for _ in range(10)], [200] * 10)

    def test_thousand_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2000:
            self.skipTest("no 2000 descriptors here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
        self.serve()
        context = self.kes.client_context()
        idle = []
        self.addCleanup(lambda: [conn.close() for conn in idle])
        for _ in range(1000):
            plain = socket.create_connection(("127.0.0.1", self.kes.port), 20)
            idle.append(context.wrap_socket(plain, server_hostname="localhost"))
        self.assert_serves()
        time.sleep(2)  # buffers are given back
        with open("/proc/%d/statm" % self.kes.pid, encoding="ascii") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        if "asan" not in self.maps():
            self.assertLess(resident, 60e6)
        idle[0].sendall(GENERATE)
        idle[999].sendall(GENERATE)
        self.assertEqual(Replies(idle[999]).next()[0], 200)
        self.assertEqual(Replies(idle[0]).next()[0], 200)

    def maps(self):
        with open("/proc/%d/maps" % self.kes.pid, encoding="utf-8") as maps:
            return maps.read()

    def test_descriptors_are_used_up(self):
        self.serve(descriptors=40)
        many = [socket.create_connection(("127.0.0.1", self.kes.port), 20) for _ in range(80)]
        time.sleep(1)
        cpu = self.cpu_seconds()
        time.sleep(1)
        self.assertLess(self.cpu_seconds() - cpu, 0.5)  # it does not spin
        self.assertEqual(self.config.log().count("no more connections can be taken"), 1)
        for conn in many:
            conn.close()
        self.assert_serves()

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.kes.pid, encoding="ascii") as stat:
            words = stat.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class StreamTest(HttpCase):
    def test_audit_log_is_followed_until_the_end(self):
        kes = self.serve(audit="changes")
        conn, replies = self.connect()
        conn.sendall(b"GET /v1/log/audit HTTP/1.1\r\n" + HOST + b"\r\n")
        status, headers = replies.head()
        self.assertEqual((status, headers["transfer-encoding"], headers["content-type"]),
                         (200, "chunked", "application/x-ndjson"))
        for name in ("one", "two"):
            kes.admin.create(name)
            event = json.loads(replies.chunk())
            self.assertEqual(event["request"]["path"], "/v1/key/create/" + name)
            self.assertEqual(event["request"]["ip"], "127.0.0.1")
        kes.process.terminate()
        self.assertEqual(replies.chunk(), b"")
        self.assertTrue(replies.at_end())
        self.assertEqual(kes.process.wait(20), 0)

    def test_follower_that_goes_is_forgotten(self):
        kes = self.serve(audit="changes")
        for _ in range(5):
            conn, replies = self.connect()
            conn.sendall(b"GET /v1/log/audit HTTP/1.1\r\n" + HOST + b"\r\n")
            replies.head()
            conn.close()
        for i in range(10):
            kes.admin.create("key%d" % i)
        self.assert_serves()
        self.assertEqual(kes.stop(), 0)


if __name__ == "__main__":
    unittest.main()
