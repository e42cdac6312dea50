# SPDX-License-Identifier: Apache-2.0
"""A party's port: HTTP/2 with prior knowledge (or over TLS), one gRPC message in and one out."""

import asyncio
import base64
import re
import socket
import struct
import urllib.parse

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from double.wire import Request

from .service import CANCELLED, INTERNAL, OK, OUT_OF_RANGE, UNIMPLEMENTED, Status

MESSAGE_MAX = 100 << 20
PREFIX_LEN = 5
UNITS = {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}
CONTENT_TYPE = ("content-type", "application/grpc")
AT_ONCE = 1e-4  # seconds; a shorter deadline is over before anything happens


def framed(message, flag=0):
    return struct.pack(">BI", flag, len(message)) + message


def timeout_of(headers):
    """Seconds, or None; what is not a timeout is ignored."""
    match = re.fullmatch(r"(\d{1,8})([HMSmun])", headers.get("grpc-timeout", ""))
    if not match:
        return None
    seconds = int(match[1]) * UNITS[match[2]]
    return seconds if seconds > AT_ONCE else 0


class Call:
    """One stream: a request, and what may be sent for it."""

    def __init__(self, connection, stream, headers):
        self.connection = connection
        self.stream = stream
        self.headers = headers
        self.path = headers.get(":path", "")
        self.body = b""
        self.task = None

    def message(self):
        """The request's message, out of its frame."""
        if "gzip" in self.headers.get("grpc-encoding", ""):
            raise Status(UNIMPLEMENTED, "Content is compressed with `gzip` which isn't supported")
        if not self.body or self.headers.get(":method") != "POST":
            raise Status(INTERNAL, "Missing request message.")
        if self.body[0]:
            raise Status(INTERNAL, "protocol error: received message with compressed-flag but no "
                         "grpc-encoding was specified")
        if len(self.body) < PREFIX_LEN or self.claimed() != len(self.body) - PREFIX_LEN:
            raise Status(INTERNAL, "Unexpected EOF decoding stream.")
        return self.body[PREFIX_LEN:]

    def claimed(self):
        """The length that the frame says."""
        return struct.unpack(">I", self.body[1:PREFIX_LEN])[0]

    # ---- sending; nothing is sent on a stream that is gone ----

    def send_headers(self, headers, end=False):
        self.connection.h2.send_headers(self.stream, headers, end_stream=end)
        self.connection.flush()

    async def send_data(self, data, end=False):
        await self.connection.send_data(self.stream, data, end)

    def start(self):
        self.send_headers([(":status", "200"), CONTENT_TYPE])

    def finish(self, code=OK):
        self.send_headers([("grpc-status", str(code))], True)

    async def reply(self, message):
        self.start()
        await self.send_data(framed(message))
        self.finish()

    def refuse(self, status):
        """Trailers only."""
        headers = [(":status", "200"), CONTENT_TYPE, ("grpc-status", str(status.code))]
        if status.message:
            headers.append(("grpc-message", urllib.parse.quote(status.message, safe="':,/()")))
        self.send_headers(headers, True)

    def reset(self, code=h2.errors.ErrorCodes.CANCEL):
        self.connection.h2.reset_stream(self.stream, code)
        self.connection.flush()


class Connection:
    def __init__(self, door, reader, writer):
        self.door = door
        self._reader, self.writer = reader, writer
        self._calls = {}
        self._window = asyncio.Event()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8", validate_inbound_headers=False))

    async def run(self):
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 16384})
        self.flush()
        try:
            while True:
                received = await self._reader.read(1 << 18)
                if not received:
                    break
                for event in self.h2.receive_data(received):
                    self._note(event)
                self.flush()
        except h2.exceptions.ProtocolError:
            self.flush()  # GOAWAY with the reason
        except OSError:
            pass
        finally:
            for call in self._calls.values():
                if call.task:
                    call.task.cancel()
            self.writer.close()

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    def _note(self, event):
        call = self._calls.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RequestReceived):
            self._calls[event.stream_id] = Call(self, event.stream_id, dict(event.headers))
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self._window.set()
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if call:
                self._collect(call, event.data)
        elif call and isinstance(event, h2.events.StreamEnded):
            call.task = call.task or asyncio.ensure_future(self._serve(call))
        elif call and isinstance(event, h2.events.StreamReset):
            if call.task:
                call.task.cancel()
            del self._calls[event.stream_id]

    def _collect(self, call, data):
        if call.task:
            return  # answered already
        call.body += data
        if len(call.body) >= PREFIX_LEN and call.claimed() > MESSAGE_MAX:
            call.task = asyncio.ensure_future(self._serve(call))

    async def _serve(self, call):
        try:
            await self.door.serve(call)
        except (h2.exceptions.ProtocolError, OSError):
            pass  # the stream or the connection went away meanwhile
        finally:
            self._calls.pop(call.stream, None)

    async def send_data(self, stream, data, end):
        """As fast as the client's windows let it."""
        view = memoryview(data)
        while True:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            piece = view[:max(0, room)]
            if len(piece) or not len(view):
                view = view[len(piece):]
                self.h2.send_data(stream, bytes(piece), end_stream=end and not len(view))
                self.flush()
                if not len(view):
                    return
                await self.writer.drain()
            else:
                self._window.clear()
                await self._window.wait()

    def close(self, reset=False):
        sock = self.writer.get_extra_info("socket")
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Door:
    """A party's port, which may be shut and opened again."""

    def __init__(self, party, weather, stats, tls=None):
        self.party = party
        self._weather = weather
        self._stats = stats
        self._tls = tls
        self._server = None
        self._connections = set()
        self.port = 0

    async def open(self):
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port,
                                                      ssl=self._tls, backlog=512)
            self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self):
        if self._server is not None:
            self._server.close()
            self._server = None

    def drop(self, reset=False):
        dropped = list(self._connections)
        for connection in dropped:
            connection.close(reset)
        return len(dropped)

    async def _accept(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, reader, writer)
        self._connections.add(connection)
        self._stats.accepted_by(self.party.number, self._tls is not None)
        try:
            if await self._weather.meet_connection(self.party, connection):
                await connection.run()
            else:
                connection.close()
        finally:
            self._connections.discard(connection)
            self._stats.closed_by(self.party.number)

    async def serve(self, call):
        request = Request(call.headers.get(":method"), "/p%d%s" % (self.party.number, call.path),
                          {name: value for name, value in call.headers.items()
                           if not name.startswith(":")}, b"", None)
        self._stats.begin(request)
        request.entry["body"] = base64.b64encode(call.body[:self._stats.BODY_KEPT]).decode()
        code = [None]
        try:
            await self._weather.meet(self.party, call, lambda: self.outcome(call, code))
        finally:
            self._stats.end(request, "none" if code[0] is None else "grpc %d" % code[0])

    async def outcome(self, call, ret_code=None):
        """What the party says: bytes, an answers.Answer or a Status, within the call's deadline."""
        try:
            if len(call.body) >= PREFIX_LEN and call.claimed() > MESSAGE_MAX:
                raise Status(OUT_OF_RANGE, "Error, decoded message length too large: found %d bytes"
                             ", the limit is: %d bytes" % (call.claimed(), MESSAGE_MAX))
            result = await asyncio.wait_for(self.party.answer(call.path, call.message()),
                                            timeout_of(call.headers))
            code = OK
        except asyncio.TimeoutError:
            result = Status(CANCELLED, "Timeout expired")
            code = CANCELLED
        except Status as status:
            result, code = status, status.code
        if ret_code is not None:
            ret_code[0] = code
        return result
