#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KES-compatible server's TLS: versions and suites, what it asks of clients, who they are, what
speaks no TLS at all, and certificates that change."""

import os
import shutil
import socket
import ssl
import subprocess
import time
import unittest

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness import HarnessTestCase, TempConfig
from kes_program import KesProgram
from kes_server import Client, make_certificate

TLS12 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
REQUIRED = b'"message":"tls: client certificate is required"'


def bundle(directory, stem, client, *others):
    """A client that sends more certificates behind its own."""
    path = os.path.join(directory, stem + ".pem")
    with open(path, "wb") as out:
        for cert in (client.cert, *others):
            with open(cert, "rb") as one:
                out.write(one.read())
    return Client(path, client.key, None)


class TlsCase(HarnessTestCase):
    def serve(self, *args, **options):
        self.config = self.enter(TempConfig(log_level="info"))
        self.kes = self.enter(KesProgram(self.config, *args, **options))
        return self.kes

    def client(self, stem, **options):
        return make_certificate(self.config.dir, stem, **options)

    def s_client(self, *args, said=b"", certified=True):
        """What `openssl s_client` prints."""
        command = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % self.kes.port, *args]
        if certified:
            command += ["-cert", self.kes.admin_client.cert, "-key", self.kes.admin_client.key]
        done = subprocess.run(command, input=said, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.stdout.decode(errors="replace")

    def assert_alert(self, pattern, client, **versions):
        """TLS 1.3 tells a client at its first read, not in the handshake."""
        with self.assertRaisesRegex(ssl.SSLError, pattern):
            with self.kes.connect(client, **versions) as conn:
                conn.sendall(b"GET /version HTTP/1.1\r\nHost: kes\r\n\r\n")
                while conn.recv(4096):
                    pass


class VersionTest(TlsCase):
    def test_versions_and_suites(self):
        self.serve()
        for args, pattern in ((["-tls1_3"], r"New, TLSv1.3, Cipher is TLS_"),
                              (["-tls1_2"], r"New, TLSv1.2, Cipher is ECDHE-ECDSA-"),
                              (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
                               r"Cipher is ECDHE-ECDSA-CHACHA20"),
                              (["-tls1_1"], r"alert protocol version|no protocols available"),
                              (["-tls1_2", "-cipher", "AES128-GCM-SHA256"], "handshake failure"),
                              (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
                               "handshake failure"),
                              (["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
                               "handshake failure")):
            with self.subTest(args=args):
                self.assertRegex(self.s_client(*args), pattern)

    def test_http2_is_preferred_and_http11_spoken(self):
        self.serve()
        for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"),
                                (["h2"], "h2"), (["http/1.1"], "http/1.1"), ([], None)):
            context = self.kes.client_context()
            if offered:
                context.set_alpn_protocols(offered)
            with socket.create_connection(("127.0.0.1", self.kes.port), 20) as plain, \
                    context.wrap_socket(plain, server_hostname="localhost") as conn:
                self.assertEqual(conn.selected_alpn_protocol(), chosen)
        self.assertIn("alert no application protocol", self.s_client("-alpn", "h3"))

    def test_nothing_is_negotiated_again_and_no_session_resumed(self):
        self.serve()
        self.assertRegex(self.s_client("-tls1_2", said=b"R\n"), "no renegotiation|NO_RENEGOTIATION")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.kes.client_context(maximum_version=version)
            session = None
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", self.kes.port), 20) as plain, \
                        context.wrap_socket(plain, server_hostname="localhost",
                                            session=session) as conn:
                    conn.sendall(b"GET /version HTTP/1.1\r\nHost: kes\r\n\r\n")
                    conn.recv(4096)
                    self.assertFalse(conn.session_reused)
                    session = conn.session

    def test_plain_http_is_told_so(self):
        self.serve()
        for method in (b"GET", b"PUT", b"POST", b"HEAD"):
            with socket.create_connection(("127.0.0.1", self.kes.port), 20) as plain:
                plain.sendall(method + b" /version HTTP/1.1\r\nHost: kes\r\n\r\n")
                reply = b"".join(iter(lambda: plain.recv(4096), b""))
            self.assertEqual(reply, b"HTTP/1.0 400 Bad Request\r\n\r\n"
                                    b"Client sent an HTTP request to an HTTPS server.\n")


class ClientTest(TlsCase):
    def test_certificate_is_demanded(self):
        self.serve()
        self.assert_alert("CERTIFICATE_REQUIRED", None)
        self.assert_alert("HANDSHAKE_FAILURE", None, **TLS12)
        self.assertIn("SSL alert number 116",
                      self.s_client("-ign_eof", said=b"GET /version HTTP/1.1\r\n\r\n",
                                    certified=False))

    def test_kinds_of_keys(self):
        self.serve()
        for name, key in (("p256", ec.generate_private_key(ec.SECP256R1())),
                          ("p521", ec.generate_private_key(ec.SECP521R1())),
                          ("rsa", rsa.generate_private_key(65537, 2048)),
                          ("ed25519", None)):
            client = self.client(name, key=key) if key else self.ed25519()
            for versions in ({}, TLS12):
                with self.subTest(key=name, versions=versions), \
                        self.kes.connect(client, **versions) as conn:
                    conn.sendall(b"GET /version HTTP/1.1\r\nHost: kes\r\n\r\n")
                    self.assertIn(b"200 OK", conn.recv(4096))

    def ed25519(self):
        path = self.config.path("ed25519")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout",
                        path + ".key", "-out", path + ".pem", "-days", "30", "-subj", "/CN=ed",
                        "-addext", "basicConstraints=CA:FALSE"], check=True,
                       stderr=subprocess.DEVNULL)
        return Client(path + ".pem", path + ".key", None)

    def test_certificates_of_authorities_do_not_count(self):
        kes = self.serve()
        leaf, other = self.client("leaf"), self.client("other")
        authority = self.client("authority", ca=True)
        admin = bundle(self.config.dir, "admin-chain", kes.admin_client, authority.cert)
        reply = kes.caller(authority).call("GET", "/v1/status")
        self.assertEqual((reply.status, REQUIRED in reply.body), (400, True), reply)
        self.assertEqual(kes.caller(admin).call("GET", "/v1/status").status, 200)
        two = bundle(self.config.dir, "two", leaf, other.cert)
        reply = kes.caller(two).call("GET", "/v1/status")
        self.assertEqual(reply.status, 400)
        self.assertIn(b"tls: received more than one client certificate", reply.body)

    def test_expired_certificate(self):
        kes = self.serve(client_cert_expiry="ignore")
        expired = self.client("expired", expired=True)
        self.assertEqual(kes.caller(expired).call("GET", "/version").status, 200)
        kes.options["client_cert_expiry"] = "enforce"
        kes.write()
        kes.stop()
        kes.start()
        self.assert_alert("CERTIFICATE_EXPIRED", expired)
        self.assertEqual(kes.admin.call("GET", "/version").status, 200)

    def test_clients_of_an_authority(self):
        kes = self.serve()
        known = kes.authority.issue("known", ("client",), client=True)
        late = kes.authority.issue("late", ("client",), client=True, expired=True)
        kes.options["ca_file"] = kes.ca
        kes.write()
        kes.stop()
        kes.start()
        self.assertEqual(kes.caller(known).call("GET", "/version").status, 200)
        self.assert_alert("UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN", kes.admin_client)
        self.assert_alert("CERTIFICATE_EXPIRED", late)

    def test_paths_without_a_certificate(self):
        kes = self.serve(skip_auth="/v1/ready")
        stranger = kes.caller(None)
        self.assertEqual(stranger.call("GET", "/v1/ready").status, 200)
        self.assertEqual(stranger.call("GET", "/version").status, 200)
        reply = stranger.call("GET", "/v1/status")
        self.assertEqual((reply.status, REQUIRED in reply.body), (400, True), reply)
        self.assertEqual(kes.admin.call("GET", "/v1/status").status, 200)


class ChangeTest(TlsCase):
    def served(self):
        """The certificate that a new connection sees."""
        with self.kes.connect() as conn:
            return conn.getpeercert(binary_form=True)

    def wait_until(self, what, met, seconds=20):
        deadline = time.monotonic() + seconds
        while not met():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)

    def test_certificate_is_read_again(self):
        kes = self.serve()
        before = self.served()
        with kes.connect() as old:
            leaf = kes.authority.issue("next", ("127.0.0.1", "localhost"))
            shutil.copy(leaf.key, kes.key)
            shutil.copy(leaf.cert, kes.cert)
            self.wait_until("the new certificate", lambda: self.served() != before)
            old.sendall(b"GET /version HTTP/1.1\r\nHost: kes\r\n\r\n")
            self.assertIn(b"200 OK", old.recv(4096))
        self.assertIn("has been read again", self.config.log())

    def test_pair_that_does_not_fit_is_told_once(self):
        kes = self.serve()
        before = self.served()
        shutil.copy(kes.authority.issue("wrong", ("localhost",)).key, kes.key)
        self.wait_until("a line in the log",
                        lambda: "not the key of the certificate" in self.config.log())
        time.sleep(2.5)
        self.assertEqual(self.config.log().count("not the key of the certificate"), 1)
        self.assertEqual(self.served(), before)

    def test_metrics_tell_when_the_certificate_ends(self):
        kes = self.serve()
        end = int(subprocess.run(["date", "-d", subprocess.run(
            ["openssl", "x509", "-in", kes.cert, "-noout", "-enddate"], check=True,
            stdout=subprocess.PIPE).stdout.decode().strip().partition("=")[2], "+%s"], check=True,
            stdout=subprocess.PIPE).stdout)
        self.assertIn("hsmbridge_kes_certificate_not_after_seconds %d\n" % end,
                      kes.admin.call("GET", "/v1/metrics").body.decode())

    def test_certificate_that_cannot_be_used_at_the_start(self):
        kes = self.serve(start=False)
        wrong = kes.authority.issue("wrong", ("localhost",)).key
        for option, value, pattern in (
                ("key_file", wrong, "not the key of the certificate"),
                ("cert_file", kes.admin_client.cert, "no subject alternative name"),
                ("cert_file", self.config.path("none"), "none")):
            with self.subTest(option=option, value=value):
                was = kes.options[option]
                kes.options[option] = value
                kes.write()
                with self.assertRaisesRegex(RuntimeError, pattern):
                    kes.start()
                self.assertEqual(kes.process.returncode, 3)
                kes.options[option] = was


if __name__ == "__main__":
    unittest.main()
