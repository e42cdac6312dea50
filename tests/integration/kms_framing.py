#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a client may do wrong in HTTP/2 and gRPC, frame by frame with python3-h2: every fault has its
answer, and the plugin serves on."""

import socket
import struct
import time
import unittest

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from harness import Double, HarnessTestCase, TempConfig
from kms_plugin import Plugin, field

STATUS = "/v2.KeyManagementService/Status"
ENCRYPT = "/v2.KeyManagementService/Encrypt"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def framed(message, flag=0):
    return struct.pack(">BI", flag, len(message)) + message


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream) + payload


class Answer:
    def __init__(self):
        self.headers, self.body, self.reset, self.ended = {}, b"", None, False

    @property
    def status(self):
        return self.headers.get("grpc-status")


class Peer:
    """A connection whose frames are made by hand where h2 would not make them."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False))
        self.h2.initiate_connection()
        self.answers, self.goaway, self.closed = {}, None, False
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def start(self, path=STATUS, *more, method="POST", authority="localhost", end=False,
              content_type="application/grpc"):
        stream = self.h2.get_next_available_stream_id()
        headers = [(":method", method), (":scheme", "http"), (":path", path)]
        if authority is not None:
            headers.append((":authority", authority))
        headers += [("content-type", content_type), ("te", "trailers"), *more]
        self.h2.send_headers(stream, headers, end_stream=end)
        self.answers[stream] = Answer()
        self.flush()
        return stream

    def send(self, stream, data, end=True):
        while len(data) > 16384:
            self.h2.send_data(stream, data[:16384])
            data = data[16384:]
            self.flush()
        self.h2.send_data(stream, data, end_stream=end)
        self.flush()

    def raw(self, data):
        self.socket.sendall(data)

    def take(self):
        """What arrives next; False: the connection is closed."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self.note(event)
        try:
            self.flush()
        except OSError:
            pass
        return True

    def note(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code
        elif answer is None:
            return
        elif isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            answer.headers.update((name.decode(), value.decode())
                                  if isinstance(name, bytes) else (name, value)
                                  for name, value in event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = event.error_code
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True

    def answer(self, stream):
        answer = self.answers[stream]
        while not answer.ended and answer.reset is None and self.take():
            pass
        return answer

    def wait_closed(self):
        try:
            while self.take():
                pass
        except h2.exceptions.ProtocolError:
            self.closed = True

    def call(self, body, path=STATUS, *more, **options):
        stream = self.start(path, *more, **options)
        self.send(stream, body)
        return self.answer(stream)


class FramingTest(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = Double()
        cls.vault.setup_transit(kek="aes256-gcm96")
        cls.config = TempConfig()
        cls.config.slot("kms", cls.vault, timeout="3s")
        cls.plugin = Plugin(cls.config, "--slot", "kms", "--key", "kek")
        cls.plugin.client.status()

    @classmethod
    def tearDownClass(cls):
        code = cls.plugin.stop()
        cls.plugin.__exit__()
        cls.config.remove()
        cls.vault.__exit__()
        assert code == 0, cls.plugin.process.returncode

    def setUp(self):
        self.peer = Peer(self.plugin.path)
        self.addCleanup(self.peer.socket.close)

    def tearDown(self):
        self.assertEqual(self.plugin.client.status().healthz, "ok")  # it serves on

    def assert_status(self, answer, status, text=""):
        self.assertEqual(answer.status, str(status), answer.headers)
        self.assertRegex(answer.headers.get("grpc-message", "") + " ", text or ".")

    def assert_works(self):
        self.assert_status(self.peer.call(framed(b"")), 0)

    # ---- what is good ----

    def test_answer_has_the_fields_that_grpc_wants(self):
        answer = self.peer.call(framed(b""))
        self.assertEqual(answer.headers[":status"], "200")
        self.assertEqual(answer.headers["content-type"], "application/grpc")
        self.assertEqual(answer.status, "0")
        self.assertEqual(struct.unpack(">BI", answer.body[:5]), (0, len(answer.body) - 5))

    def test_every_form_of_authority_is_taken(self):
        for authority in ("localhost", "%2Frun%2Fkms.sock", "/run/kms.sock", "unix:/run/kms.sock",
                          "", None):
            with self.subTest(authority=authority):
                self.assert_status(self.peer.call(framed(b""), authority=authority), 0)

    def test_content_types_of_grpc_are_taken(self):
        for kind in ("application/grpc", "application/grpc+proto", "application/grpc;charset=x",
                     "application/grpc+proto;x=y"):
            self.assert_status(self.peer.call(framed(b""), content_type=kind), 0)

    def test_body_in_single_bytes_and_padding_headers(self):
        stream = self.peer.start(ENCRYPT, ("x-padding", "a" * 3000))
        body = framed(field(1, b"seed"))
        for i, _ in enumerate(body):
            self.peer.send(stream, body[i:i + 1], end=i + 1 == len(body))
        self.assert_status(self.peer.answer(stream), 0)

    def test_hundred_streams_at_once_are_answered_each(self):
        streams = [self.peer.start(ENCRYPT) for _ in range(100)]
        for stream in streams:
            self.peer.send(stream, framed(field(1, b"%d" % stream)))
        for stream in streams:
            self.assert_status(self.peer.answer(stream), 0)

    def test_request_of_700_kb_passes_flow_control(self):
        stream = self.peer.start("/v1beta1.KeyManagementService/Encrypt")
        body = framed(field(2, bytes(700000)))
        while body:
            room = min(self.peer.h2.local_flow_control_window(stream), 16384, len(body))
            if room == 0:
                self.assertTrue(self.peer.take())
                continue
            self.peer.h2.send_data(stream, body[:room], end_stream=room == len(body))
            self.peer.flush()
            body = body[room:]
        self.assert_status(self.peer.answer(stream), 0)

    # ---- gRPC that is wrong ----

    def test_what_is_no_grpc_is_answered_in_http(self):
        answer = self.peer.call(b"", content_type="text/html")
        self.assertEqual(answer.headers[":status"], "415")
        answer = self.peer.call(b"", content_type="application/grpc-web")
        self.assertEqual(answer.headers[":status"], "415")
        answer = self.peer.answer(self.peer.start(method="GET", end=True))
        self.assertEqual(answer.headers[":status"], "405")

    def test_bodies_that_are_not_one_message(self):
        for body, status, text in ((b"", 13, "no whole message"), (b"\0\0\0", 13, "no whole"),
                                   (framed(b"abc")[:-1], 13, "not exactly one"),
                                   (framed(b"") + b"x", 13, "not exactly one"),
                                   (framed(b"") * 2, 13, "not exactly one"),
                                   (framed(b"", 1), 12, "uncompressed"),
                                   (framed(b"", 2), 13, "unknown flag"),
                                   (b"\0\xff\xff\xff\xff", 8, "1 MiB"),
                                   (b"\0\0\x10\0\1", 8, "1 MiB")):
            with self.subTest(body=body):
                self.assert_status(self.peer.call(body), status, text)

    def test_no_body_at_all(self):
        self.assert_status(self.peer.answer(self.peer.start(end=True)), 13, "no whole")

    def test_compression_is_refused_and_said(self):
        answer = self.peer.call(framed(b"", 1), STATUS, ("grpc-encoding", "gzip"))
        self.assert_status(answer, 12, "uncompressed")
        self.assertEqual(answer.headers["grpc-accept-encoding"], "identity")

    def test_message_that_is_too_long_is_cut_short(self):
        stream = self.peer.start(ENCRYPT)
        sent, answer = 0, self.peer.answers[stream]
        while sent < 2 << 20 and not answer.ended and answer.reset is None:
            room = min(self.peer.h2.local_flow_control_window(stream), 16384)
            if room == 0:
                self.peer.take()
                continue
            try:
                self.peer.h2.send_data(stream, bytes(room))
            except h2.exceptions.StreamClosedError:
                break
            self.peer.flush()
            sent += room
        self.peer.answer(stream)
        self.assert_status(answer, 8, "1 MiB")
        self.assert_works()

    def test_timeouts_that_make_no_sense_are_none(self):
        for value in ("", "S", "1", "-1S", "999999999S", "1x", "1 S", "0x1S"):
            with self.subTest(value=value):
                answer = self.peer.call(framed(b""), STATUS, ("grpc-timeout", value))
                self.assert_status(answer, 0)

    def test_timeout_of_nothing_is_exceeded(self):
        answer = self.peer.call(framed(field(1, b"x")), ENCRYPT, ("grpc-timeout", "1n"))
        self.assert_status(answer, 4)

    def test_unknown_path_is_said_with_a_message_in_percent_form(self):
        answer = self.peer.call(framed(b""), "/x.Y/%00\x7f")
        self.assert_status(answer, 12, "no such method")

    # ---- HTTP/2 that is wrong ----

    def test_stream_that_is_reset_is_forgotten(self):
        for _ in range(50):
            stream = self.peer.start(ENCRYPT)
            self.peer.send(stream, framed(field(1, b"x")), end=True)
            self.peer.h2.reset_stream(stream)
            self.peer.flush()
        self.assert_works()

    def test_stream_without_an_end_does_not_hold_others_up(self):
        self.peer.start(ENCRYPT)
        self.assert_works()

    def test_what_is_no_http2_is_closed(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + bytes(300),
                     PREFACE[:-1] + b"X", bytes(64)):
            with self.subTest(data=data), socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(20)
                peer.connect(self.plugin.path)
                peer.sendall(data)
                self.read_to_end(peer)

    @staticmethod
    def read_to_end(peer):
        try:
            while peer.recv(65536):
                pass
        except ConnectionError:
            pass

    def test_broken_frames_end_the_connection(self):
        for name, data in (
                ("too long", frame(0, 0, 1, b"")[:0] + b"\xff\xff\xff\0\0\0\0\0\1"),
                ("data on stream 0", frame(0, 0, 0, b"abc")),
                ("headers on an even stream", frame(1, 5, 2, b"\x82")),
                ("hpack that is none", frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff\xff")),
                ("settings of 5 bytes", frame(4, 0, 0, b"12345")),
                ("settings on a stream", frame(4, 0, 1, bytes(6))),
                ("ping of 7 bytes", frame(6, 0, 0, bytes(7))),
                ("window update of 0", frame(8, 0, 0, bytes(4))),
                ("window overflow", frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2),
                ("continuation without headers", frame(9, 4, 1, b"")),
                ("headers cut by another frame", frame(1, 1, 1, b"\x82") + frame(6, 0, 0, bytes(8))),
                ("push from a client", frame(5, 4, 1, bytes(4))),
                ("goaway of 3 bytes", frame(7, 0, 0, bytes(3)))):
            with self.subTest(name), socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(20)
                peer.connect(self.plugin.path)
                peer.sendall(PREFACE + frame(4, 0, 0, b"") + data)
                self.read_to_end(peer)

    def test_floods_are_bounded(self):
        for name, data in (("pings", frame(6, 0, 0, bytes(8))),
                           ("settings", frame(4, 0, 0, b"\0\4\0\0\xff\xff")),
                           ("empty data", frame(0, 0, 1, b"")),
                           ("continuations", frame(9, 0, 1, b""))):
            with self.subTest(name), socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(5)
                peer.connect(self.plugin.path)
                peer.sendall(PREFACE + frame(4, 0, 0, b""))
                if name == "continuations":
                    peer.sendall(frame(1, 0, 1, b"\x82"))
                try:
                    for _ in range(200):
                        peer.sendall(data * 100)
                except OSError:
                    pass  # it would not hear any more of it
            self.assert_works()
        self.assertLess(self.resident_mb(), 60)

    def resident_mb(self):
        with open("/proc/%d/statm" % self.plugin.process.pid, encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096 / 1e6

    def test_rapid_resets_are_bounded(self):
        try:
            for _ in range(3000):
                stream = self.peer.start(ENCRYPT)
                self.peer.h2.reset_stream(stream)
                self.peer.flush()
        except OSError:
            pass
        other = Peer(self.plugin.path)
        self.addCleanup(other.socket.close)
        self.assert_status(other.call(framed(b"")), 0)

    def test_client_that_does_not_read_is_not_heard_and_holds_nobody_up(self):
        for _ in range(100):
            stream = self.peer.start("/v1beta1.KeyManagementService/Version")
            self.peer.send(stream, framed(b""))
        self.assertEqual(self.plugin.client.status().healthz, "ok")
        self.assert_works()

    def test_connections_that_break_leave_nothing_behind(self):
        for _ in range(60):
            peer = Peer(self.plugin.path)
            for _ in range(8):
                peer.send(peer.start(ENCRYPT), framed(field(1, b"x")))
            peer.socket.close()
        deadline = time.monotonic() + 20
        while self.plugin.metric("hsmbridge_kms_in_flight") != 0 or \
                self.plugin.metric("hsmbridge_kms_connections") > 2:
            self.assertLess(time.monotonic(), deadline, self.plugin.get("/metrics")[1])
            time.sleep(0.1)

    @staticmethod
    def is_closed(peer):
        try:
            while peer.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def test_connections_are_bounded(self):
        peers, refused = [], 0
        for _ in range(70):
            try:
                peers.append(Peer(self.plugin.path))
                peers[-1].socket.settimeout(0.05)
            except OSError:
                refused += 1
        refused += sum(self.is_closed(peer.socket) for peer in peers)
        for peer in peers:
            peer.socket.close()
        self.assertGreaterEqual(refused, 6)
        self.assertLess(refused, 20)
        time.sleep(0.3)
        other = Peer(self.plugin.path)
        self.addCleanup(other.socket.close)
        self.assert_status(other.call(framed(b"")), 0)


if __name__ == "__main__":
    unittest.main()
