#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs of Debian's Python with the ssl module, as docs/python.md has them: a server, and a
client with a certificate."""

import ssl
import sys

from provider_case import HOST, ClientCertificateServer, ProgramTestCase, free_port, main


class ServerTest(ProgramTestCase):
    def start_server(self, name):
        port = free_port()
        self.write("index", "hello\n")
        program = self.write("server.py", self.block(
            "python", "server", {'("", 443)': '("127.0.0.1", %d)' % port}, name))
        self.serve(port, sys.executable, program, cwd=self.directory.dir)
        return port

    def test_server_when_key_is_remote_then_each_kind_and_version(self):
        for name in self.keys:
            port = self.start_server(name)
            for version, text in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
                                  (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
                with self.subTest(name=name, version=text):
                    self.assertEqual(self.shake_hands(port, name=name, version=version), text)
            self.assertEqual(self.curl(port, name=name, path="/index"), "hello\n")


class ClientTest(ProgramTestCase):
    def test_client_when_server_wants_a_certificate_then_each_kind(self):
        for name in self.keys:
            with self.subTest(name=name):
                server = self.enter(ClientCertificateServer(
                    self.software_certificate("server", ("localhost",)),
                    self.site(name + ".crt")))
                program = self.write("client.py", self.block("python", "client", {
                    "/etc/ssl/hsmbridge/backend.crt": self.vault.authority.path,
                    "backend.example.com": "localhost:%d" % server.port}, name))
                self.assertEqual(self.must(sys.executable, program).decode(),
                                 HOST + " by TLSv1.3\n")


if __name__ == "__main__":
    main()
