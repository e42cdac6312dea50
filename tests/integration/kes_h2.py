# SPDX-License-Identifier: Apache-2.0
"""Clients of hsmbridge-kes that speak HTTP/2, by python3-h2.

    peer = H2Peer(conn)     # of TLS, with ALPN; many requests at once
    answer = peer.call("PUT", "/v1/key/generate/app", b"{}")

    H2Caller(kes.url, kes.ca, client)   # as Caller of kes_server.py
"""

import json
import socket
import struct

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hyperframe.frame

from kes_server import Caller, Reply


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream) + payload


class Answer:
    def __init__(self):
        self.headers, self.body, self.reset, self.ended, self.interim = {}, b"", None, False, []

    @property
    def status(self):
        return int(self.headers.get(":status", 0))


class H2Peer:
    """A connection whose frames can be made by hand where h2 would not make them."""

    def __init__(self, conn):
        self.conn = conn
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False,
            header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.answers, self.goaways = {}, []
        # to h2 any GOAWAY is the end: RFC 9113, 6.8 has a first one that is none
        self.h2._frame_dispatch_table[  # pylint: disable=protected-access
            hyperframe.frame.GoAwayFrame] = self.note_goaway
        self.flush()

    def note_goaway(self, goaway):
        self.goaways.append((goaway.last_stream_id, goaway.error_code))
        return [], []

    def flush(self):
        self.conn.sendall(self.h2.data_to_send())

    def start(self, method, path, *more, end=False, authority="kes"):
        stream = self.h2.get_next_available_stream_id()
        headers = [(":method", method), (":scheme", "https"), (":path", path),
                   (":authority", authority), *more]
        self.h2.send_headers(stream, [(name, value) for name, value in headers
                                      if value is not None], end_stream=end)
        self.answers[stream] = Answer()
        self.flush()
        return stream

    def send(self, stream, data, end=True):
        """As far as the server lets it, and wants it."""
        answer = self.answers[stream]
        while True:
            room = min(self.h2.local_flow_control_window(stream), 16384, len(data))
            if room == 0 and data:
                if answer.ended or answer.reset is not None or not self.take():
                    return
                continue
            last = room == len(data)
            self.h2.send_data(stream, data[:room], end_stream=end and last)
            self.flush()
            data = data[room:]
            if last:
                return

    def take(self):
        """What arrives next; False: the connection is closed."""
        try:
            data = self.conn.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
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
        if answer is None:
            return
        elif isinstance(event, h2.events.ResponseReceived):
            answer.headers.update(event.headers)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(dict(event.headers)[":status"])
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
            pass

    def call(self, method, path, body=None, *more):
        stream = self.start(method, path, *more, end=body is None)
        if body is not None:
            self.send(stream, body)
        return self.answer(stream)


class H2Caller(Caller):
    """A connection for each request."""

    def call(self, method, path, body=None, chunked=False):
        self._context.set_alpn_protocols(["h2"])
        host, port = self._netloc.split(":")
        with socket.create_connection((host, int(port)), 30) as plain, \
                self._context.wrap_socket(plain, server_hostname=host) as conn:
            body = json.dumps(body) if isinstance(body, dict) else body
            body = body.encode() if isinstance(body, str) else body
            length = [] if chunked or body is None else [("content-length", str(len(body)))]
            if chunked:
                body = body or b""
            answer = H2Peer(conn).call(method, path, body, *length)
        if not answer.ended:
            raise OSError("the request was not answered: %s" % vars(answer))
        return Reply(answer.status, {name.title(): value for name, value
                                     in answer.headers.items()}, answer.body)
