#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Node as docs/node.md has it: an HTTPS server with --openssl-shared-config."""

import ssl

from provider_case import ProgramTestCase, free_port, main


class ServerTest(ProgramTestCase):
    def server_js(self, port, name="www"):
        return self.write("server.js", self.block(
            "node", "server.js", {".listen(443)": ".listen(%d, '127.0.0.1')" % port}, name))

    def command(self, port, name="www"):
        return self.block("node", "start", {"server.js": self.server_js(port, name)})

    def test_server_when_key_is_remote_then_each_kind_and_version(self):
        for name in self.keys:
            port = free_port()
            self.serve(port, "sh", "-ec", self.command(port, name).replace(" node", " exec node"),
                       env=self.super_env())
            for version, text in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
                                  (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
                with self.subTest(name=name, version=text):
                    self.assertEqual(self.shake_hands(port, name=name, version=version), text)
            self.assertEqual(self.curl(port, name=name), "hello\n")

    def super_env(self):
        """OPENSSL_CONF is the page's to set."""
        env = self.env()
        del env["OPENSSL_CONF"]
        return env

    def test_server_when_option_is_missing_then_the_pages_error(self):
        command = self.command(free_port()).replace("--openssl-shared-config", "")
        text = self.must_fail("sh", "-ec", command, env=self.super_env())
        self.assertIn("DECODER routines::unsupported", text)


if __name__ == "__main__":
    main()
