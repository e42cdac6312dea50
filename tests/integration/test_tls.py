#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that are not who they should be, and the options that say who that is."""

import base64
import hashlib
import os
import select
import socket
import threading

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import CK, Authority, Double
from weather import WeatherTestCase, main

PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def spki_pin(cert_path):
    with open(cert_path, "rb") as pem:
        public_key = x509.load_pem_x509_certificate(pem.read()).public_key()
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()


class Relay:
    """Listens, and connects what comes to a port of this host: a socket file's other half, or
    with `proxy` an HTTP proxy that knows CONNECT. `heads` are the requests that it was sent."""

    def __init__(self, listener, port, proxy=False):
        self.listener, self.port, self.proxy, self.heads = listener, port, proxy, []
        listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        with near, socket.create_connection(("127.0.0.1", self.port)) as far:
            if self.proxy:
                self.heads.append(near.recv(4096).decode("latin-1"))
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pairs = {near: far, far: near}
            while True:
                for ready in select.select(list(pairs), [], [])[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    pairs[ready].sendall(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def tcp_relay(port, **options):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return Relay(listener, port, **options)


class TlsTestCase(WeatherTestCase):
    def server(self, **options):
        vault = self.enter(Double(**options))
        vault.setup_transit("app")
        return vault

    def assert_not_trusted(self, vault, *words, repair=None, **options):
        """No request is sent, and the call fails at once."""
        token = vault.make_token(vault.setup_signer())
        vault.reset()
        files = {"token_file": ("token", token)}
        with self.scene_once(vault, warm=False, auth="token", files=files, **options) as web:
            self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", vault.url, *words,
                              within=-0.2)
            self.assertEqual(vault.stats()["requests"], 0)
            if repair:
                repair(web)
                self.assert_works(web)

    def assert_trusted(self, vault, **options):
        with self.scene_once(vault, **options) as web:
            self.assert_works(web)


class ServerCertificateTest(TlsTestCase):
    def test_find_when_other_ca_then_device_error_until_the_file_is_right(self):
        vault = self.server()
        bundle = self.enter(Double()).dir + "/bundle.pem"

        def copy(source):
            with open(source, encoding="ascii") as pem, \
                    open(bundle, "w", encoding="ascii") as out:
                out.write(pem.read())
        copy(Authority(self.enter(Double()).dir, "other").path)
        self.assert_not_trusted(vault, "certificate", "ca_file", ca_file=bundle)
        copy(vault.ca)
        self.assert_trusted(vault, ca_file=bundle)

    def test_find_when_system_bundle_does_not_know_it_then_device_error(self):
        self.assert_not_trusted(self.server(), "certificate", "ca_file", ca_file=None)

    def test_find_when_other_name_then_device_error(self):
        self.assert_not_trusted(self.server(names=("vault.test",)), "certificate", "name in url")

    def test_find_when_expired_then_device_error(self):
        self.assert_not_trusted(self.server(expired=True), "certificate", "expired")

    def test_find_when_client_certificate_as_server_then_device_error(self):
        vault = self.server()
        vault.leaf = vault.authority.issue("client", client=True)
        vault.stop()
        vault.verifying = False
        vault.start()
        vault.setup_transit("app")
        self.assert_not_trusted(vault, "certificate")

    def test_find_when_server_name_given_then_that_name_is_checked(self):
        vault = self.server(names=("vault.test",))
        self.assert_trusted(vault, server_name="vault.test")
        self.assert_not_trusted(vault, "certificate", server_name="other.test")

    def test_find_when_connect_to_given_then_goes_there_with_the_urls_name(self):
        vault = self.server()
        self.assert_trusted(vault, url="https://vault.test:8200",
                            connect_to="127.0.0.1:%d" % vault.port)
        with self.scene_once(vault, warm=False, url="https://elsewhere.test:8200",
                             connect_to="127.0.0.1:%d" % vault.port) as web:
            self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", "certificate",
                              "https://elsewhere.test:8200", within=-0.2)

    def test_find_when_pin_sha256_then_only_that_key(self):
        vault = self.server()
        right, wrong = spki_pin(vault.leaf.cert), spki_pin(vault.ca)
        self.assert_trusted(vault, pin_sha256=right)
        self.assert_trusted(vault, pin_sha256=[wrong, right])
        self.assert_not_trusted(vault, "pin_sha256", pin_sha256=wrong)

    def test_find_when_pin_right_but_ca_wrong_then_device_error(self):
        vault = self.server()
        other = self.enter(Double())
        self.assert_not_trusted(vault, "certificate", ca_file=other.ca,
                                pin_sha256=spki_pin(vault.leaf.cert))

    def test_find_when_server_speaks_plain_http_then_device_error(self):
        vault = self.server(plain=True)
        with self.scene_once(vault, warm=False, insecure_transport=None,
                             ca_file=self.enter(Double()).ca,
                             url=vault.url.replace("http:", "https:")) as web:
            self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", "TLS handshake")

    def test_sign_when_certificate_is_renewed_then_works_on(self):
        vault = self.server()
        with self.scene_once(vault) as web:
            vault.stop()
            vault.leaf = vault.authority.issue("renewed")
            vault.start()
            vault.setup_transit("app")
            vault.setup_signer()
            vault.write("auth/token/create", {"id": web.token, "policies": ["signer"]})
            web.p11.finalize()
            web.p11.initialize(web.config.write())
            web.session, web.key = web.p11.open_session(web.slot), None
            self.assert_works(web)


class WayTest(TlsTestCase):
    def test_find_when_plain_http_then_only_to_this_host_and_if_allowed(self):
        vault = self.server(plain=True)
        self.assert_trusted(vault)
        self.assert_trusted(vault, url=vault.url_for("localhost"))
        for options in ({"insecure_transport": None}, {"insecure_transport": "no"},
                        {"url": "http://192.0.2.1:8200"}):
            vault.reset()
            with self.assertRaises(LookupError):  # there is no such token
                with self.scene_once(vault, warm=False, **options):
                    pass
            self.assertEqual(vault.count("GET /v1/transit"), 0)

    def test_find_when_unix_socket_then_works(self):
        vault = self.server(plain=True)
        path = vault.dir + "/vault.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        self.enter(Relay(listener, vault.port))
        self.assert_trusted(vault, url="unix:" + path)

    def test_find_when_unix_socket_absent_then_device_error(self):
        vault = self.server(plain=True)
        with self.scene_once(vault, warm=False, url="unix:/nonexistent/vault.sock") as web:
            self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'",
                              "unix:/nonexistent/vault.sock", "cannot connect")

    def test_find_when_proxy_given_then_goes_through_it(self):
        vault = self.server()
        proxy = self.enter(tcp_relay(vault.port, proxy=True))
        name = "vault.test:%d" % vault.port
        self.assert_trusted(vault, url="https://" + name,
                            proxy="http://127.0.0.1:%d" % proxy.listener.getsockname()[1])
        self.assertTrue(proxy.heads[0].startswith("CONNECT %s HTTP/1.1\r\n" % name))
        self.assertNotIn("X-Vault", "".join(proxy.heads))

    def test_find_when_proxy_dead_then_device_error(self):
        vault = self.server()
        with socket.socket() as dead:
            dead.bind(("127.0.0.1", 0))
            with self.scene_once(vault, warm=False,
                                 proxy="http://127.0.0.1:%d" % dead.getsockname()[1]) as web:
                self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'",
                                  "cannot connect")

    def test_find_when_environment_names_a_proxy_then_ignored(self):
        vault = self.server()
        proxy = self.enter(tcp_relay(vault.port, proxy=True))
        for name in PROXIES:
            os.environ[name] = "http://127.0.0.1:%d" % proxy.listener.getsockname()[1]
            self.addCleanup(os.environ.pop, name)
        self.assert_trusted(vault)
        self.assertEqual(proxy.heads, [])

    def test_sign_when_key_log_is_wanted_then_none_is_written(self):
        vault = self.server()
        with self.scene_once(vault, warm=False) as web:
            path = os.environ["SSLKEYLOGFILE"] = vault.dir + "/keys.log"
            self.addCleanup(os.environ.pop, "SSLKEYLOGFILE")
            web.sign()
        self.assertFalse(os.path.exists(path))


class ClientCertificateTest(TlsTestCase):
    def client_scene(self, vault, leaf, **options):
        return self.scene(vault, auth="cert", client_cert_file=leaf.cert, client_key_file=leaf.key,
                          **options)

    def test_sign_when_client_certificate_then_logged_in_with_it(self):
        vault = self.server()
        vault.setup_cert(vault.setup_signer())
        web = self.client_scene(vault, vault.authority.issue("client", ("web",), client=True))
        self.assert_works(web)

    def test_find_when_client_certificate_is_strange_then_device_error(self):
        vault = self.server()
        vault.setup_cert(vault.setup_signer())
        stranger = self.enter(Double()).authority.issue("client", ("web",), client=True)
        web = self.client_scene(vault, stranger, warm=False)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", vault.url)

    def test_sign_when_client_certificate_is_renewed_then_the_new_one_is_used(self):
        vault = self.server()
        vault.setup_cert(vault.setup_signer(), ttl="1s", token_max_ttl="1s")
        leaf = vault.authority.issue("client", ("web",), client=True)
        web = self.client_scene(vault, leaf)
        vault.authority.issue("client", ("web",), client=True)  # over the same files
        vault.drop_connections()
        self.assert_works(web)


if __name__ == "__main__":
    main()
