#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KES double against what a real KES answered: tests/fixtures/kes/cases.json, in its order.

Values that were random are another's here. What the recorded server gave and a later request sends
back is replaced by what the double gave in its place, with the same bytes tampered or cut.
"""

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
from kes_server import KesDouble, new_api_key  # noqa: E402

FIXTURES = os.path.join(os.path.dirname(HERE), "fixtures", "kes", "cases.json")
RANDOM = {"plaintext", "ciphertext", "hmac", "created_at", "created_by", "uptime",
          "mem_heap_used", "mem_stack_used", "num_cpu", "num_cpu_used", "os", "arch"}
LEGACY = base64.b64encode(bytes(range(32))).decode()
BIG = {"[1 MiB]": 1 << 20, "[5 MB]": 5000000, "[2 MB chunked]": 2000000}
NOT_SERVED = re.compile(r"/v1/(metrics|policy|identity|log)\b")  # the double has no such routes


def load(*groups):
    with open(FIXTURES, encoding="utf-8") as file:
        return [case for case in json.load(file) if case["group"] in groups]


def key_value(case):
    """The request's ciphertext, and the bytes."""
    match = re.search(r'"ciphertext": ?"([^"]*)"', case)
    if not match:
        return None, b""
    try:
        return match[1], base64.b64decode(match[1], validate=True)
    except ValueError:
        return None, b""


class Translation:
    """What the double gave for what the recorded server gave."""

    def __init__(self):
        self._pairs = {}

    def learn(self, theirs, ours):
        self._pairs[base64.b64decode(theirs)] = base64.b64decode(ours)

    def apply(self, body):
        text, sealed = key_value(body)
        for theirs, ours in self._pairs.items():
            cut = theirs[:len(sealed)]
            changed = sum(a != b for a, b in zip(cut, sealed))
            if text and len(sealed) > 1 and len(cut) == len(sealed) and changed <= 1:
                moved = bytes(a ^ b ^ c for a, b, c in zip(cut, sealed, ours))
                return body.replace(text, base64.b64encode(moved).decode())
        return body


class RecordedTest(unittest.TestCase):
    def setUp(self):
        self.kes = KesDouble()
        self.addCleanup(self.kes.__exit__)
        self.known = Translation()
        client = self.kes.client
        self.clients = {"admin": self.kes.admin_client, "app1": client("app1"),
                        "ops": client("ops"), "nobody": client("nobody"),
                        "caflag": client("caflag", ca=True), "big": client("big"),
                        "leaf": client("leaf"), "(no client certificate)": None}
        self.kes.allow("app1", self.clients["app1"].identity, "/v1/key/create/app1*",
                       "/v1/key/generate/app1*", "/v1/key/decrypt/app1*", "/v1/key/list/*",
                       "/v1/api", deny=["/v1/key/generate/app1-internal*"])
        self.kes.allow("ops", self.clients["ops"].identity, "/v1/status", "/v1/key/delete/app1*")

    @staticmethod
    def body(case):
        body = case["request_body"]
        sized = re.match(r"\[(\d+) bytes", body or "")
        plain = re.match(r"\[(plaintext|message) of (\d+) bytes\]", body or "")
        if plain:
            return json.dumps({plain[1]: base64.b64encode(bytes(int(plain[2]))).decode()},
                              separators=(",", ":"))
        if sized or body in BIG:
            size = int(sized[1]) if sized else BIG[body]
            start, end = '{"plaintext":"', '"}'
            room = (size - len(start) - len(end)) // 4 * 4
            return (start + "A" * room + end).ljust(size)
        return body

    def replay(self, case):
        caller = self.kes.caller(self.clients[case["client"]])
        body = self.body(case)
        return caller.call(case["method"], case["path"],
                           self.known.apply(body) if body is not None else None,
                           chunked="chunked" in str(case.get("request_headers")))

    def skipped(self, case):
        return (case["status"] is None or case["client"] not in self.clients
                or NOT_SERVED.match(case["path"]) or case["http_version"] == "2"
                or "[" in case["name"]
                or case["name"].startswith("plain HTTP")
                or (case["request_body"] or "").startswith("[ciphertext"))

    def compare(self, case, reply):
        self.assertEqual(reply.status, case["status"])
        self.assertEqual(reply.headers.get("Content-Type"), case["content_type"])
        for line in case["response_headers"]:
            name, _, value = line.partition(": ")
            if name in ("Location", "Accept", "X-Content-Type-Options"):
                self.assertEqual(reply.headers.get(name), value)
        theirs, ours = case["response_body"], reply.body.decode()
        if case["method"] == "HEAD" or case["path"] == "/v1/api":
            return
        if case["content_type"] != "application/json":
            self.assertEqual(ours, theirs)
        elif theirs.startswith("{") and theirs.rstrip().endswith("}"):
            self.compare_json(json.loads(theirs), json.loads(ours))
            if '"message"' in theirs:
                self.assertEqual(ours, theirs)  # with its odd newline

    def compare_json(self, theirs, ours):
        self.assertEqual(list(theirs), list(ours))
        for name, value in theirs.items():
            if name == "ciphertext":
                self.known.learn(value, ours[name])
                self.assertEqual(len(ours[name]), len(value))
            elif name not in RANDOM and name != "names":
                self.assertEqual(ours[name], value)
        if "names" in theirs:
            self.assertEqual(sorted(ours["names"]), ours["names"])

    def run_cases(self, cases, least):
        played = 0
        for case in cases:
            if self.skipped(case):
                continue
            with self.subTest(case["group"] + ": " + case["name"]):
                self.compare(case, self.replay(case))
                played += 1
        self.assertGreaterEqual(played, least)

    def test_every_case_of_the_file_store(self):
        self.kes.admin.create("boot-key")
        self.kes.put_stored("old-json", json.dumps({
            "bytes": LEGACY, "algorithm": "AES256", "created_at": "2022-05-01T10:00:00Z",
            "created_by": "00ff"}))
        self.kes.put_stored("old-bare", json.dumps({"bytes": LEGACY}))
        self.kes.put_stored("broken", "garbage")
        self.kes.put_stored("broken-pb", base64.b64encode(b"\x0a\xff\x01").decode())
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

    def test_with_an_authority_self_signed_ones_are_not(self):
        authority = Authority(os.path.realpath(self.enter_dir()))
        with KesDouble("--clients", authority.path) as kes, self.assertRaises(OSError):
            kes.admin.call("GET", "/version")

    def test_optional_ones_leave_version_open_and_nothing_else(self):
        with KesDouble("--clients", "optional") as kes:
            nobody = kes.caller(None)
            self.assertEqual(nobody.call("GET", "/version").status, 200)
            reply = nobody.call("GET", "/v1/status")
        self.assertEqual((reply.status, reply.body),
                         (400, b'{"message":"tls: client certificate is required"\n}'))

    def enter_dir(self):
        directory = tempfile.TemporaryDirectory(prefix="hsmbridge-test-")
        self.addCleanup(directory.cleanup)
        return directory.name


class ApiKeyTest(unittest.TestCase):
    def test_identity_is_the_hash_of_the_public_key(self):
        first, second = new_api_key(), new_api_key()
        self.assertNotEqual(first, second)
        self.assertRegex(first, r"\Akes:v1:[0-9A-Za-z+/]{44}\Z")


if __name__ == "__main__":
    unittest.main(verbosity=2)
