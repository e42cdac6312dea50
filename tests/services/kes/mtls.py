# SPDX-License-Identifier: Apache-2.0
"""TLS that demands a client certificate and takes any: Python's own ssl cannot say that."""

import socket
import ssl

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL


class Stream:
    """What double.wire wants of a TLS socket, over an SSL.Connection."""

    def __init__(self, sock, tls):
        self._sock = sock
        self._tls = tls

    def getpeercert(self, binary_form):
        """The whole chain that the client sent, each certificate in DER."""
        return [certificate.to_cryptography().public_bytes(Encoding.DER)
                for certificate in _sent(self._tls)]

    def recv(self, size):
        try:
            return self._tls.recv(size)
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as problem:
            raise OSError(str(problem)) from problem

    def sendall(self, data):
        try:
            self._tls.sendall(data)
        except SSL.Error as problem:
            raise OSError(str(problem)) from problem

    def setsockopt(self, *args):
        self._sock.setsockopt(*args)

    def shutdown(self, how):
        self._sock.shutdown(how)

    def close(self):
        self._sock.close()


def _sent(tls):
    """A server's view of the peer's chain leaves the first certificate out."""
    first, chain = tls.get_peer_certificate(), tls.get_peer_cert_chain() or []
    return chain if first is None or first in chain else [first, *chain]


class Context:
    """mode: "any" (demanded, not verified), "optional" (skip_auth), or the path of an authority
    (tls.auth: on)."""

    def __init__(self, cert, key, mode="any"):
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._context.use_certificate_chain_file(cert)
        self._context.use_privatekey_file(key)
        self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        demand = SSL.VERIFY_PEER if mode == "optional" else (
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        if mode in ("any", "optional"):
            self._context.set_verify(demand, lambda *_: True)
        else:
            self._context.load_verify_locations(mode)
            self._context.set_verify(demand, lambda connection, cert, error, depth, ok: bool(ok))

    def wrap_socket(self, sock, server_side):
        tls = SSL.Connection(self._context, sock)
        tls.set_accept_state()
        try:
            tls.do_handshake()
        except SSL.Error as problem:
            _let_read(sock)
            raise ssl.SSLError(str(problem)) from problem
        return Stream(sock, tls)


def _let_read(sock):
    """Until the client has gone: a close with its request unread would be a reset, which takes
    the alert with it."""
    sock.settimeout(5)
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        pass
