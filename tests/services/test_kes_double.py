#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KES double against what a real KES answered: kes_recorded.py."""

import base64
import json
import os
import re
import ssl
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from double.tls import Authority  # noqa: E402
from kes_recorded import POLICIES, STORED, RecordedCases, load  # noqa: E402
from kes_recorded_vault import PREFIX, VaultCases  # noqa: E402
from kes_server import (Client, KesDouble, identity_of_file, make_certificate,  # noqa: E402
                        new_api_key)

NOT_SERVED = re.compile(r"/v1/(metrics|policy|identity|log)\b")  # the double has no such routes


class RecordedTest(RecordedCases, unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.kes = KesDouble()
        self.addCleanup(self.kes.__exit__)
        client = self.kes.client
        self.clients = {"admin": self.kes.admin_client, "app1": client("app1"),
                        "ops": client("ops"), "nobody": client("nobody"),
                        "caflag": client("caflag", ca=True), "big": client("big"),
                        "leaf": client("leaf"), "(no client certificate)": None}
        for name, (allow, deny) in POLICIES.items():
            self.kes.allow(name, self.clients[name].identity, *allow, deny=deny)

    def caller_of(self, case):
        return self.kes.caller(self.clients[case["client"]])

    def skipped(self, case):
        return (super().skipped(case) or case["client"] not in self.clients
                or NOT_SERVED.match(case["path"]) or "[" in case["name"]
                or (case["request_body"] or "").startswith("[ciphertext"))

    def test_every_case_of_the_file_store(self):
        self.kes.admin.create("boot-key")
        for name, text in STORED.items():
            self.kes.put_stored(name, text)
        self.run_cases(load("fs"), 140)

    def test_size_limits(self):
        self.kes.admin.create("app1-k1")
        self.run_cases(load("size-trap"), 3)

    def test_store_gone(self):
        self.kes.admin.create("app1-k1")
        sealed = self.kes.admin.encrypt("app1-k1", b"hello")
        self.kes.state(away=True)
        cases = [case for case in load("fs-down") if "keystore back" not in case["name"]
                 and "decrypt" not in case["name"]]
        self.run_cases(cases, 6)
        self.assertEqual(self.kes.admin.decrypt("app1-k1", sealed), b"hello")  # from the cache

    def test_connection_drops_where_kes_panics(self):
        self.kes.put_stored("pb-nohmac", base64.b64encode(
            b"\x0a\x24\x0a\x20" + bytes(range(32)) + b"\x10\x01").decode())
        with self.assertRaises(OSError):
            self.kes.admin.call("GET", "/v1/key/describe/pb-nohmac")

    def test_stored_form_is_kes_own(self):
        recorded = ("CiQKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEAESJAogzRL4dU9N2fpah/1IBv/E"
                    "TvlQZ0Dm4SC+0Ux5jw17OS4QARoMCLbTj9gGEPa4zpACIkA2MDc0NmU3MmYzMmQ5NjI2Mzg2ZDE5"
                    "YjRkNjI0M2YzNGJhMjQ3ZWVmNmJjYjM1ZDUxOTMyYmU2M2Q3NmYzNWJh")
        self.kes.put_stored("vector", recorded)
        self.assertEqual(self.kes.admin.decrypt("vector", base64.b64decode(
            "2FxTRirOTfVxukQk0ndqBrb28M7wtB53PIg4iPLr06R8DvnSeJ8ACXnzyMTnQeZLKA=="), b"ctx"),
            b"hello")
        self.assertEqual(base64.b64encode(self.kes.admin.hmac("vector", b"msg")).decode(),
                         "knjqEkShlMauuVxLg2TbOygp5Fa62iXB1ctcClPzQEo=")

    def test_two_ciphertexts_differ_and_each_tampered_byte_is_refused(self):
        self.kes.admin.create("k")
        one, two = (self.kes.admin.encrypt("k", b"same") for _ in range(2))
        self.assertNotEqual(one, two)
        for at in range(len(one)):
            wrong = one[:at] + bytes([one[at] ^ 1]) + one[at + 1:]
            with self.assertRaisesRegex(RuntimeError, "ciphertext is not authentic"):
                self.kes.admin.decrypt("k", wrong)

    def test_listing_stops_at_1024_and_goes_on_nowhere(self):
        for number in range(1101):
            self.kes.put_stored("k%04d" % number, "x")
        first = self.kes.admin.json("GET", "/v1/key/list/")
        self.assertEqual((len(first["names"]), first["continue_at"]), (1024, "k1024"))
        self.assertEqual(self.kes.admin.json("GET", "/v1/key/list/k1024"), {"names": ["k1024"]})


class VaultRecordedTest(VaultCases, unittest.TestCase):
    def serve(self, version, role, transit=None):
        role_id, secret_id = self.roles[role]
        settings = {"url": self.vault.url, "ca": self.vault.ca, "role_id": role_id,
                    "secret_id": secret_id, "engine": "kv" + version, "version": "v" + version,
                    "prefix": PREFIX}
        if transit:
            settings["transit"] = transit
        path = os.path.join(self.vault.dir, "kes-%s.json" % role)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(settings, file)
        self.kes = KesDouble("--vault", path)
        self.addCleanup(self.kes.__exit__)
        self.clients = {"admin": self.kes.admin_client, "app1": self.kes.client("app1")}
        allow, deny = POLICIES["app1"]
        self.kes.allow("app1", self.clients["app1"].identity, *allow, deny=deny)

    def caller_of(self, case):
        return self.kes.caller(self.clients[case["client"]])

    def test_sealed_vault(self):
        self.serve("1", "kes-delete")
        for name in ("app1-m", "imp"):
            self.kes.admin.call("PUT", "/v1/key/create/" + name)
        cases = load("vault-sealed")
        made = self.kes.admin.json("PUT", "/v1/key/generate/app1-m")["ciphertext"]
        theirs = {json.loads(case["request_body"])["ciphertext"] for case in cases
                  if "decrypt" in case["path"]}
        for sealed in theirs:
            self.known.learn(sealed, made)
        sealed = [case for case in cases if "unseal" not in case["name"]]
        self.kes.forget()
        self.kes.admin.json("PUT", "/v1/key/generate/app1-m")  # so that it is at hand
        self.vault.seal()
        try:
            self.run_cases(sealed, 11)
        finally:
            self.vault.unseal()
        self.run_cases([case for case in cases if "unseal" in case["name"]
                        and "[0.0 s]" not in case["name"]], 2)  # it has no ping of its own


class DoorRecordedTest(RecordedCases, unittest.TestCase):
    """With paths that skip authentication, and with an authority that vouches for clients."""

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory(prefix="hsmbridge-test-")
        self.addCleanup(directory.cleanup)
        self.dir = directory.name

    def serve(self, clients):
        self.kes = KesDouble("--clients", clients)
        self.addCleanup(self.kes.__exit__)

    def caller_of(self, case):
        return self.kes.caller(self.clients[case["client"]])

    def skipped(self, case):
        return super().skipped(case) or NOT_SERVED.match(case["path"])

    def test_paths_that_skip_authentication(self):
        self.serve("optional")
        self.kes.state(open=["/v1/ready", "/v1/metrics"])
        self.kes.control("POST", "admin", {"identity": "disabled"})
        self.clients = {name: make_certificate(self.dir, name)
                        for name in ("admin", "app1", "leaf")}
        self.clients["(no client certificate)"] = None
        self.kes.allow("app1", self.clients["app1"].identity)
        self.kes.allow("leaf", self.clients["leaf"].identity, "/*")
        self.run_cases(load("skipauth"), 7)

    def test_clients_of_an_authority(self):
        authority = Authority(self.dir)
        issued = authority.issue("leaf", ["leaf"], client=True)
        leaf = Client(issued.cert, issued.key, identity_of_file(issued.cert))
        chain = os.path.join(self.dir, "chain.pem")
        with open(chain, "wb") as out:
            for path in (leaf.cert, authority.path):
                with open(path, "rb") as file:
                    out.write(file.read())
        self.clients = {"leaf": leaf, "leafchain": leaf._replace(cert=chain),
                        "admin": make_certificate(self.dir, "admin"),
                        "exp": make_certificate(self.dir, "exp", expired=True),
                        "(no client certificate)": None}
        self.serve(authority.path)
        self.kes.allow("ops", leaf.identity, "/v1/status")
        self.run_cases(load("auth-on"), 2)
        alerts = [case for case in load("auth-on") if case["status"] is None]
        self.assertEqual(len(alerts), 3)
        for case in alerts:
            with self.subTest(case["name"]), self.assertRaises(OSError):
                self.replay(case)


class HandshakeTest(unittest.TestCase):
    def test_without_a_certificate_the_alert_comes_after_the_handshake(self):
        with KesDouble() as kes, self.assertRaises(ssl.SSLError) as caught:
            kes.caller(None).call("GET", "/version")
        self.assertIn("alert certificate required".replace(" ", "_").upper(),
                      str(caught.exception).replace(" ", "_").upper())

    def test_expired_certificates_are_taken(self):
        with KesDouble() as kes:
            self.assertEqual(kes.caller(kes.client("old", expired=True))
                             .call("GET", "/version").status, 200)

    def test_optional_ones_leave_version_open_and_nothing_else(self):
        with KesDouble("--clients", "optional") as kes:
            nobody = kes.caller(None)
            self.assertEqual(nobody.call("GET", "/version").status, 200)
            reply = nobody.call("GET", "/v1/status")
        self.assertEqual((reply.status, reply.body),
                         (400, b'{"message":"tls: client certificate is required"\n}'))


class ApiKeyTest(unittest.TestCase):
    def test_identity_is_the_hash_of_the_public_key(self):
        first, second = new_api_key(), new_api_key()
        self.assertNotEqual(first, second)
        self.assertRegex(first, r"\Akes:v1:[0-9A-Za-z+/]{44}\Z")


if __name__ == "__main__":
    unittest.main(verbosity=2)
