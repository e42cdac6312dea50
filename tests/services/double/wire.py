# SPDX-License-Identifier: Apache-2.0
"""Sockets, TLS and HTTP/1.1 with keep-alive: one thread for each connection."""

import json
import socket
import ssl
import struct
import threading
from email.utils import formatdate
from http.client import responses

HEAD_MAX = 64 << 10
CONTROL = "/_double/"
NOT_TLS = (b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
TLS_HANDSHAKE = b"\x16"  # the first byte of a record that carries a ClientHello


class Request:
    def __init__(self, method, target, headers, body, peer):
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers  # names in lower case
        self.body = body
        self.peer = peer  # the client certificate in DER, or None
        self.batch = 0  # items in its batch_input
        self.entry = None  # what the counters keep of it


class Response:
    """status, a JSON value or bytes, more headers."""

    def __init__(self, status, body=None, headers=None, content_type="application/json"):
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
        self.content_type = content_type

    def encode(self, with_body=True):
        body = self.body
        if body is None:
            body = b""
        elif not isinstance(body, bytes):
            body = (json.dumps(body, separators=(",", ":")) + "\n").encode()
        head = {"Cache-Control": "no-store", "Content-Type": self.content_type,
                "Date": formatdate(usegmt=True), "Content-Length": str(len(body))}
        if self.status == 204:
            del head["Content-Length"]
        head.update(self.headers)
        lines = ["HTTP/1.1 %d %s" % (self.status, responses.get(self.status, "Unknown"))]
        lines += ["%s: %s" % pair for pair in head.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body if with_body else b"")


class Connection:
    """One accepted connection, until either side ends it."""

    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.peer = None
        self._received = b""

    def run(self):
        try:
            if self.server.greet(self) and self._handshake():
                while self._exchange():
                    pass
        except (OSError, ValueError):
            pass  # the client went away, or spoke no HTTP: nobody is left to tell
        finally:
            self.server.forget(self)
            self._close()

    def _handshake(self):
        context = self.server.tls
        if context is None:
            return True
        if self.sock.recv(1, socket.MSG_PEEK) != TLS_HANDSHAKE:
            self.sock.sendall(NOT_TLS)
            return False
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.peer = self.sock.getpeercert(binary_form=True)
        self.server.stats.handshake()
        return True

    def _exchange(self):
        """One request and its answer; whether another may follow."""
        request = self._read_request()
        if request is None:
            return False
        keep = request.headers.get("connection", "").lower() != "close"
        return self.server.respond(self, request) and keep

    def _read_request(self):
        head = self._read_head()
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = (self._read_chunks() if "transfer-encoding" in headers
                else self._read_exactly(int(headers.get("content-length", 0))))
        return Request(method, target, headers, body, self.peer)

    def _read_head(self):
        """The bytes up to the empty line, or None at the end of the connection."""
        while b"\r\n\r\n" not in self._received:
            data = self.sock.recv(65536)
            if not data or len(self._received) > HEAD_MAX:
                return None
            self._received += data
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head

    def _read_chunks(self):
        parts = []
        while True:
            size = int(self._read_line().split(b";")[0], 16)
            parts.append(self._read_exactly(size))
            if self._read_line():
                raise ValueError("a chunk is longer than it says, or has a trailer")
            if size == 0:
                return b"".join(parts)

    def _read_line(self):
        line = b""
        while not line.endswith(b"\r\n"):
            line += self._read_exactly(1)
        return line[:-2]

    def _read_exactly(self, size):
        parts, missing = [self._received[:size]], size - len(self._received)
        self._received = self._received[size:]
        while missing > 0:
            data = self.sock.recv(min(missing, 1 << 20))
            if not data:
                raise ValueError("the body ended early")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def send(self, data):
        self.sock.sendall(data)

    def reset(self):
        """Ends the connection with RST, and what was not yet read or sent is lost."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def abort(self, reset=False):
        """Wakes the connection's thread by ending its socket under it."""
        try:
            if reset:
                self.reset()
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _close(self):
        try:
            self.sock.close()  # without close_notify, as servers that die do
        except OSError:
            pass


class Listener:
    """A loopback address with a thread that accepts; may be closed and opened again."""

    def __init__(self, port, serve):
        self._serve = serve
        self._sock = None
        self.port = port
        self.open()

    def open(self):
        if self._sock is not None:
            return
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", self.port))
        sock.listen(256)
        self.port = sock.getsockname()[1]
        self._sock = sock
        threading.Thread(target=self._accept, args=(sock,), daemon=True).start()

    def close(self):
        if self._sock is not None:
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes accept()
            self._sock.close()
            self._sock = None

    def _accept(self, listening):
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()


class Server:
    """A listener whose requests `handle` answers, with the weather of `faults`. Requests below
    CONTROL go to `control`, uncounted and in any weather."""

    def __init__(self, port, handle, control, faults, stats, tls=None):
        self.tls = tls
        self._control = control
        self.faults = faults
        self.stats = stats
        self._handle = handle
        self._lock = threading.Lock()
        self._connections = set()
        self.listener = Listener(port, self._serve)

    def _serve(self, sock):
        connection = Connection(self, sock)
        with self._lock:
            self._connections.add(connection)
        connection.run()

    def forget(self, connection):
        with self._lock:
            self._connections.discard(connection)
        self.stats.closed()

    def drop_connections(self, reset=False):
        """Ends every open connection, as a restart or a firewall would."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.abort(reset)
        return len(connections)

    def greet(self, connection):
        """Whether to go on with a connection that was just accepted."""
        self.stats.accepted()
        return self.faults.meet_connection(connection)

    def respond(self, connection, request):
        """Answers one request; whether the connection stays open."""
        if request.path.startswith(CONTROL):
            connection.send(self._control(request).encode())
            return True
        self.stats.begin(request)
        response = None
        try:
            response, keep = self.faults.meet_request(connection, request, self._handle)
        finally:
            # Before it is sent, so that who has the answer finds it counted.
            self.stats.end(request, response.status if response else None)
        if response is not None:
            connection.send(response.encode(request.method != "HEAD"))
        return keep


def tls_context(cert, key, client_authorities):
    """TLS 1.2 and 1.3; a client certificate is asked for and, when it comes, must be of one of
    the authorities. (Vault takes any here and judges it at login.)"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    context.verify_mode = ssl.CERT_OPTIONAL
    for path in client_authorities:
        context.load_verify_locations(path)
    return context
