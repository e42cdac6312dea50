#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""curl as docs/curl.md has it: a client certificate whose key is remote."""

from provider_case import HOST, ClientCertificateServer, ProgramTestCase, main


class ClientTest(ProgramTestCase):
    keys = {"www": "ecdsa-p256", "rsa": "rsa-2048", "p384": "ecdsa-p384"}

    def server(self, name):
        return self.enter(ClientCertificateServer(self.software_certificate("server"),
                                                  self.site(name + ".crt")))

    def command(self, port, name, more=""):
        words = "--silent --show-error --cacert %s --resolve %s:%d:127.0.0.1 %s --cert" % (
            self.vault.authority.path, HOST, port, more)
        return self.block("curl", "client", {
            "https://www.example.com/": "https://%s:%d/" % (HOST, port),
            "--cert": words}, name)

    def test_get_when_server_wants_a_certificate_then_each_kind_and_version(self):
        for name in self.keys:
            port = self.server(name).port
            for more, version in (("--tlsv1.3", "TLSv1.3"), ("--tls-max 1.2", "TLSv1.2")):
                with self.subTest(name=name, version=version):
                    self.assertEqual(self.must("sh", "-ec", self.command(port, name, more)),
                                     b"%s by %s" % (HOST.encode(), version.encode()))

    def test_get_when_there_is_no_provider_then_the_file_is_no_key(self):
        command = self.command(self.server("www").port, "www")
        command = command.replace("OPENSSL_CONF=", "UNUSED=")
        text = self.must_fail("sh", "-ec", command, env=dict(self.env(), OPENSSL_CONF="/dev/null"))
        self.assertIn("unable to set private key file", text)

    def test_get_when_the_certificate_is_anothers_then_curl_says_so(self):
        command = self.command(self.server("www").port, "www")
        command = command.replace(self.site("www.key"), self.site("p384.key"))
        self.assertRegex(self.must_fail("sh", "-ec", command), "unable to set private key|match")


if __name__ == "__main__":
    main()
