#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KES-compatible server's HTTP/2, frame by frame with python3-h2: many requests at once, bodies
and flow control, what a client may do wrong, requests that are given up while somebody works for
them, log streams, and the end."""

import json
import time
import unittest

from harness import Double, TempConfig
from kes_h2 import Answer, H2Peer, frame
from kes_program import KesProgram
from kes_server_http import BODY_MAX, HOST, HttpCase

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CANCEL = 8  # RFC 9113, 7
LAST_OF_ALL = (1 << 31) - 1


class H2Case(HttpCase):
    def peer(self):
        context = self.kes.client_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        peer = H2Peer(self.kes.connect_with(context))
        self.addCleanup(peer.conn.close)
        return peer

    def assert_made(self, answer):
        self.assertEqual((answer.status, answer.ended), (200, True), vars(answer))
        self.assertEqual(sorted(json.loads(answer.body)), ["ciphertext", "plaintext"])

    def assert_peer_works(self, peer):
        self.assert_made(peer.call("PUT", "/v1/key/generate/app", b"{}"))


class RequestTest(H2Case):
    def setUp(self):
        self.serve()

    def test_hundred_requests_at_once_are_answered_each(self):
        peer = self.peer()
        streams = [peer.start("PUT", "/v1/key/generate/app") for _ in range(100)]
        for stream in reversed(streams):
            peer.send(stream, b"{}")
        made = [peer.answer(stream) for stream in streams]
        for answer in made:
            self.assert_made(answer)
        self.assertEqual(len({answer.body for answer in made}), 100)

    def as_http1(self, method, path, body):
        conn, replies = self.connect()
        conn.sendall(b"%s %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (
            method.encode(), path.encode(), HOST, len(body or b""), body or b""))
        status, headers, text = replies.next(bodiless=method == "HEAD")
        del headers["date"]
        headers.pop("connection", None)  # which HTTP/2 does not have
        return status, headers, text

    def test_answers_are_those_of_http1(self):
        peer = self.peer()
        seen = set()
        for method, path, body in (
                ("GET", "/version", None), ("HEAD", "/version", None), ("PUT", "/version", None),
                ("GET", "/v1/key/generate/app", None), ("GET", "/nowhere", None),
                ("GET", "//version", None), ("GET", "/v1/../version", None),
                ("GET", "/v1/key/describe/absent", None), ("PUT", "/v1/key/encrypt/app", b"{"),
                ("PUT", "/v1/key/encrypt/app", None), ("PUT", "/v1/key/decrypt/app", b"{}"),
                ("GET", "/version?x=%00", None), ("OPTIONS", "*", None)):
            with self.subTest(method=method, path=path, body=body):
                answer = peer.call(method, path, body)
                headers = {name: value.lower() for name, value in answer.headers.items()}
                self.assertTrue(headers.pop("date").endswith("gmt"))
                del headers[":status"]
                self.assertEqual((answer.status, headers, answer.body),
                                 self.as_http1(method, path, body))
                seen.add(answer.status)
        self.assertLessEqual({200, 307, 400, 404, 405}, seen)

    def test_body_that_is_empty_and_one_that_is_none(self):
        peer = self.peer()
        self.assert_made(peer.call("PUT", "/v1/key/generate/app"))
        self.assert_made(peer.call("PUT", "/v1/key/generate/app", b"", ("content-length", "0")))
        chunked = self.kes.admin.call("PUT", "/v1/key/generate/app", None, chunked=True)
        self.assertEqual(peer.call("PUT", "/v1/key/generate/app", b"").status, chunked.status)

    def test_body_in_single_bytes_and_trailers(self):
        peer = self.peer()
        stream = peer.start("PUT", "/v1/key/generate/app")
        for byte in b'{"context":"aGk="}':
            peer.send(stream, bytes([byte]), end=False)
        peer.h2.send_headers(stream, [("x-trailer", "y")], end_stream=True)
        peer.flush()
        self.assert_made(peer.answer(stream))

    def test_longest_body_and_one_byte_more(self):
        begin, end = b'{"plaintext":"', b'"}'
        body = begin + b"A" * ((BODY_MAX - len(begin) - len(end)) // 4 * 4) + end
        body += b" " * (BODY_MAX - len(body))
        peer = self.peer()
        answer = peer.call("PUT", "/v1/key/encrypt/app", body)
        self.assertEqual((answer.status, answer.ended), (200, True), answer.body[:200])
        self.assertGreater(len(answer.body), BODY_MAX)
        self.assertEqual(len(answer.body), int(answer.headers["content-length"]))
        json.loads(answer.body)
        answer = peer.call("PUT", "/v1/key/encrypt/app", body + b" ")
        self.assertEqual(answer.status, 400)
        self.assertIn(b"invalid request body", answer.body)
        self.assert_peer_works(peer)

    def test_body_that_is_far_too_long_is_cut_short(self):
        peer = self.peer()
        answer = peer.call("PUT", "/v1/key/encrypt/app", bytes(30000000))
        self.assertEqual((answer.status, answer.ended), (400, True))
        self.assertNotIn("connection", answer.headers)
        self.assert_peer_works(peer)

    def test_bodies_that_are_too_much_together_are_refused_one_by_one(self):
        peer = self.peer()
        streams = [peer.start("PUT", "/v1/key/encrypt/app") for _ in range(24)]
        for stream in streams:
            peer.send(stream, b" " * 900000, end=False)
        for stream in streams:
            if not peer.answers[stream].ended:
                peer.send(stream, b"{")
        statuses = [peer.answer(stream).status for stream in streams]
        self.assertEqual(set(statuses), {400, 503})
        self.assertGreaterEqual(statuses.count(400), 15)
        self.assert_peer_works(peer)

    def test_leave_to_send_a_body(self):
        peer = self.peer()
        stream = peer.start("PUT", "/v1/key/generate/app", ("expect", "100-continue"))
        while not peer.answers[stream].interim:
            self.assertTrue(peer.take())
        peer.send(stream, b"{}")
        self.assert_made(peer.answer(stream))
        self.assertEqual(peer.answers[stream].interim, ["100"])

    def test_headers_that_are_too_long(self):
        peer = self.peer()
        answer = peer.call("GET", "/version", None, ("x-long", "a" * 20000))
        self.assertEqual((answer.status, answer.ended), (431, True))
        self.assertEqual(peer.call("PUT", "/v1/key/generate/app", b"{}",
                                   ("x-long", "a" * 20000)).status, 431)
        self.assert_made(peer.call("PUT", "/v1/key/generate/app", b"{}", ("x-long", "a" * 12000)))

    def test_requests_that_are_none_are_reset(self):
        peer = self.peer()
        for more in ([("Upper", "x")], [("connection", "close")], [("content-length", "-1")],
                     [("content-length", "7")], [(":path", "/twice")]):
            with self.subTest(more=more):
                self.assertEqual(peer.call("PUT", "/v1/key/generate/app", b"{}", *more).reset, 1)
        for path, authority in ((None, "kes"), ("/version", None)):
            stream = peer.start("GET", path, end=True, authority=authority)
            self.assertEqual(peer.answer(stream).reset, 1)
        self.assert_peer_works(peer)

    def test_methods_that_nobody_knows(self):
        peer = self.peer()
        for method in ("X", "PUTTTTTTTTTTTTTTTTTTTTTTTTT", "CONNECT"):
            with self.subTest(method=method):
                answer = peer.call(method, "/v1/key/generate/app")
                self.assertIn((answer.status, answer.reset), ((405, None), (0, 1)))
        stream = peer.h2.get_next_available_stream_id()
        peer.h2.send_headers(stream, [(":method", "CONNECT"), (":authority", "kes:1")],
                             end_stream=True)
        peer.answers[stream] = Answer()
        peer.flush()
        self.assertIn(peer.answer(stream).status, (400, 404, 405))
        self.assert_peer_works(peer)


class FaultTest(H2Case):
    def setUp(self):
        self.serve("--threads", "1")

    def tearDown(self):
        self.assert_serves()

    def raw(self, data):
        """Sends it behind the beginning that HTTP/2 has, and waits for the end."""
        context = self.kes.client_context()
        context.set_alpn_protocols(["h2"])
        with self.kes.connect_with(context) as conn:
            try:
                conn.sendall(data)
                while conn.recv(65536):
                    pass
            except ConnectionError:
                pass

    def test_what_is_no_http2_is_closed(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PREFACE[:-1] + b"X", bytes(64)):
            with self.subTest(data=data):
                self.raw(data)

    def test_broken_frames_end_the_connection(self):
        for name, data in (
                ("too long", b"\xff\xff\xff\0\0\0\0\0\1"),
                ("data on stream 0", frame(0, 0, 0, b"abc")),
                ("headers on an even stream", frame(1, 5, 2, b"\x82")),
                ("hpack that is none", frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff\xff")),
                ("settings of 5 bytes", frame(4, 0, 0, b"12345")),
                ("ping of 7 bytes", frame(6, 0, 0, bytes(7))),
                ("window overflow", frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2),
                ("continuation without headers", frame(9, 4, 1, b"")),
                ("headers cut by another frame", frame(1, 1, 1, b"\x82") + frame(6, 0, 0, bytes(8))),
                ("push from a client", frame(5, 4, 1, bytes(4)))):
            with self.subTest(name):
                self.raw(PREFACE + frame(4, 0, 0, b"") + data)

    def test_floods_are_bounded(self):
        for name, data in (("pings", frame(6, 0, 0, bytes(8))),
                           ("settings", frame(4, 0, 0, b"\0\4\0\0\xff\xff")),
                           ("empty data", frame(0, 0, 1, b"")),
                           ("continuations", frame(9, 0, 1, b""))):
            with self.subTest(name):
                peer = self.peer()
                peer.conn.settimeout(3)
                peer.conn.sendall(frame(1, 0, 1, b"\x82") if name == "continuations" else b"")
                try:
                    for _ in range(300):
                        peer.conn.sendall(data * 100)
                except OSError:
                    pass  # it would not hear any more of it
                self.assert_serves()

    def test_resets_without_an_end_end_the_connection(self):
        peer = self.peer()
        try:
            for _ in range(3000):
                stream = peer.start("PUT", "/v1/key/generate/app")
                peer.h2.reset_stream(stream)
                peer.flush()
        except OSError:
            pass
        peer.wait_closed()
        self.assertTrue(peer.goaways and peer.goaways[-1][1] != 0, peer.goaways)

    def test_a_few_resets_are_forgiven(self):
        peer = self.peer()
        for _ in range(200):
            stream = peer.start("PUT", "/v1/key/generate/app")
            peer.h2.reset_stream(stream)
        self.assert_peer_works(peer)
        self.assertEqual(peer.goaways, [])

    def test_client_that_does_not_read_holds_nobody_up(self):
        peer = self.peer()
        peer.h2.increment_flow_control_window(1 << 30)
        peer.flush()
        streams = [peer.start("GET", "/v1/metrics", end=True) for _ in range(100)]
        self.assert_serves()
        for stream in streams:
            answer = peer.answer(stream)
            self.assertEqual((answer.status, answer.ended), (200, True))

    def test_too_many_requests_at_once_are_refused(self):
        peer = self.peer()
        while peer.h2.remote_settings.max_concurrent_streams != 128:
            self.assertTrue(peer.take())
        peer.h2.remote_settings.update({3: 1000})  # which the client does not heed
        peer.h2.remote_settings.acknowledge()
        for _ in range(129):
            peer.start("PUT", "/v1/key/generate/app")
        peer.wait_closed()
        self.assertTrue(peer.goaways)

    def test_requests_that_do_not_end_are_ended(self):
        slow, stuck = self.peer(), self.peer()
        body = slow.start("PUT", "/v1/key/generate/app")
        begin = b'{"plaintext":"' + b"AAAA" * 100000 + b'"}'
        full = stuck.start("PUT", "/v1/key/encrypt/app")
        stuck.h2.acknowledge_received_data = lambda *_: None
        stuck.send(full, begin)
        began = time.monotonic()
        self.raw(PREFACE + frame(4, 0, 0, b"") + frame(1, 0, 1, b"\x82"))  # headers without an end
        self.assertGreater(time.monotonic() - began, 3)
        self.assertLess(time.monotonic() - began, 15)
        self.assert_peer_works(slow)
        self.assertEqual(slow.answer(body).reset, CANCEL)
        self.assertEqual(stuck.answer(full).reset, CANCEL)
        self.assertGreater(time.monotonic() - began, 12)
        self.assert_peer_works(slow)


class WorkTest(H2Case):
    """Keys are sealed by a service that takes its time."""

    def setUp(self):
        self.vault = self.enter(Double())
        self.vault.setup_transit(kek="aes256-gcm96")

    def serve(self, *args, **options):
        self.config = self.enter(TempConfig(log_level="info"))
        self.config.slot("web", self.vault, timeout="5s", allow="generate import destroy")
        self.kes = self.enter(KesProgram(self.config, *args, create="app", store_format="sealed",
                                         slot="web", sealing_key="kek", **options))
        for number in range(4):
            self.kes.admin.create("key%d" % number)
        self.assertEqual(self.kes.stop(), 0)
        self.kes.start()
        peer = self.peer()
        self.assert_peer_works(peer)
        self.vault.fault("delay", "/v1/transit/decrypt/kek", 0, delay=1.5)
        return peer

    def test_request_that_waits_holds_no_other_up(self):
        peer = self.serve("--threads", "1")
        waiting = [peer.start("PUT", "/v1/key/generate/key%d" % number, end=True)
                   for number in range(4)]
        for _ in range(20):
            self.assert_peer_works(peer)
        self.assertEqual([peer.answers[stream].status for stream in waiting], [0] * 4)
        for stream in waiting:
            self.assert_made(peer.answer(stream))

    def test_requests_that_are_given_up_while_a_worker_has_them(self):
        peer = self.serve("--threads", "1")
        for _ in range(40):
            stream = peer.start("PUT", "/v1/key/generate/key1")
            peer.send(stream, b'{"context":"aGk="}')
            peer.h2.reset_stream(stream)
            peer.flush()
        self.assert_peer_works(peer)
        gone = self.peer()
        for _ in range(40):
            gone.send(gone.start("PUT", "/v1/key/generate/key2"), b'{"context":"aGk="}')
        gone.conn.close()
        self.assert_made(peer.call("PUT", "/v1/key/generate/key3"))
        self.assert_peer_works(peer)

    def test_end_waits_for_what_workers_have(self):
        peer = self.serve()
        waiting = [peer.start("PUT", "/v1/key/generate/key%d" % number, end=True)
                   for number in range(4)]
        self.assert_peer_works(peer)
        self.kes.process.terminate()
        for stream in waiting:
            self.assert_made(peer.answer(stream))
        peer.wait_closed()
        self.assertEqual(peer.goaways[-1], (peer.h2.highest_outbound_stream_id, 0))
        peer.conn.close()
        self.assertEqual(self.kes.process.wait(20), 0)


class EndTest(H2Case):
    def test_end_is_said_in_two_steps_and_requests_are_answered(self):
        kes = self.serve()
        idle, busy = self.peer(), self.peer()
        self.assert_peer_works(idle)
        slow = busy.start("PUT", "/v1/key/generate/app")
        self.assert_peer_works(busy)
        kes.process.terminate()
        idle.wait_closed()
        self.assertEqual(idle.goaways, [(LAST_OF_ALL, 0), (1, 0)])
        while len(busy.goaways) < 2:
            self.assertTrue(busy.take())
        self.assertIsNone(kes.process.poll())
        busy.send(slow, b"{}")
        self.assert_made(busy.answer(slow))
        busy.wait_closed()
        busy.conn.close()
        idle.conn.close()
        self.assertEqual(kes.process.wait(20), 0)

    def test_end_waits_no_longer_than_it_may(self):
        self.serve("--drain-timeout", "1s")
        self.peer().start("PUT", "/v1/key/generate/app")
        time.sleep(0.3)
        began = time.monotonic()
        self.assertEqual(self.kes.stop(), 0)
        self.assertLess(time.monotonic() - began, 4)


class StreamTest(H2Case):
    def follow(self, peer):
        stream = peer.start("GET", "/v1/log/audit", end=True)
        while not peer.answers[stream].headers:
            self.assertTrue(peer.take())
        return stream

    def test_audit_log_is_followed_until_the_end(self):
        kes = self.serve(audit="changes")
        peer = self.peer()
        stream = self.follow(peer)
        answer = peer.answers[stream]
        self.assertEqual((answer.status, answer.headers["content-type"]),
                         (200, "application/x-ndjson"))
        self.assertNotIn("content-length", answer.headers)
        for count, name in enumerate(("one", "two"), 1):
            self.assertEqual(peer.call("PUT", "/v1/key/create/" + name).status, 200)
            while answer.body.count(b"\n") < count:
                self.assertTrue(peer.take())
            event = json.loads(answer.body.splitlines()[-1])
            self.assertEqual(event["request"]["path"], "/v1/key/create/" + name)
        kes.process.terminate()
        self.assertTrue(peer.answer(stream).ended)
        peer.wait_closed()
        peer.conn.close()
        self.assertEqual(kes.process.wait(20), 0)

    def test_follower_that_goes_is_forgotten(self):
        kes = self.serve(audit="changes")
        peer = self.peer()
        for _ in range(5):
            peer.h2.reset_stream(self.follow(peer))
            peer.flush()
            gone = self.peer()
            self.follow(gone)
            gone.conn.close()
        for number in range(10):
            kes.admin.create("key%d" % number)
        self.assert_peer_works(peer)
        self.assertEqual(kes.stop(), 0)


if __name__ == "__main__":
    unittest.main()
