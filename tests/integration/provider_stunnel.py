#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stunnel as docs/stunnel.md has it: a server, and a client with a certificate of its own."""

import socket
import socketserver
import threading

from provider_case import ProgramTestCase, free_port, main

STUNNEL = "/usr/bin/stunnel4"
AROUND = """foreground = yes
pid =
setuid = stunnel4
%s
"""


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"saw " + self.rfile.readline())


class StunnelTestCase(ProgramTestCase):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
        server.daemon_threads = True
        self.echo_port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)

    def start_stunnel(self, port, name, text):
        return self.serve(port, STUNNEL, self.write(name + ".conf", AROUND % text),
                          env=self.unit_env("stunnel"), log=self.path(name + ".log"))

    def start_server(self, more=""):
        text = self.block("stunnel", "server", {
            "accept = 443": "accept = 127.0.0.1:%d" % self.port,
            "127.0.0.1:80": "127.0.0.1:%d" % self.echo_port})
        self.start_stunnel(self.port, "server", text + more)


class ServerTest(StunnelTestCase):
    def ask(self, **options):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as plain:
            with self.context(**options).wrap_socket(
                    plain, server_hostname="www.example.com") as tls:
                tls.sendall(b"hello\n")
                return tls.makefile("rb").readline()

    def test_server_when_key_is_remote_then_clients_get_through(self):
        self.start_server()
        for _ in range(5):
            self.assertEqual(self.ask(), b"saw hello\n")
            self.assertEqual(self.shake_hands(self.port), "TLSv1.3")


class ClientTest(StunnelTestCase):
    def test_client_when_server_wants_a_certificate_then_gets_through(self):
        """Both ends are stunnel, and both keys remote."""
        self.start_server("CAfile = %s\nverifyChain = yes\n" % self.site("rsa.crt"))
        port = free_port()
        text = self.block("stunnel", "client", {
            "127.0.0.1:8080": "127.0.0.1:%d" % port,
            "backend.example.com:443": "127.0.0.1:%d" % self.port,
            "/etc/ssl/hsmbridge/backend.crt": self.site("www.crt")}, "rsa")
        self.start_stunnel(port, "client", text)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            plain.sendall(b"hello\n")
            self.assertEqual(plain.makefile("rb").readline(), b"saw hello\n")

    def test_client_when_its_certificate_is_not_wanted_then_refused(self):
        self.start_server("CAfile = %s\nverifyChain = yes\n" % self.site("rsa.crt"))
        port = free_port()
        self.start_stunnel(port, "client", self.block("stunnel", "client", {
            "127.0.0.1:8080": "127.0.0.1:%d" % port,
            "backend.example.com:443": "127.0.0.1:%d" % self.port,
            "/etc/ssl/hsmbridge/backend.crt": self.site("www.crt")}))
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            plain.sendall(b"hello\n")
            try:
                self.assertEqual(plain.makefile("rb").readline(), b"")
            except ConnectionResetError:
                pass


if __name__ == "__main__":
    main()
