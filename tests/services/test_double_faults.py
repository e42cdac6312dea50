#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the double's own: bad weather and counters."""

import base64
import http.client
import json
import socket
import ssl
import time
import unittest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from servers import Double

HELLO = b"hello world"
INVALID_TOKEN = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"


def b64(data):
    return base64.b64encode(data).decode()


class FaultTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = Double()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit("app")

    def setUp(self):
        self.vault.reset()
        self.addCleanup(self.vault.clear)

    def sign(self, **more):
        return self.vault.request("POST", "transit/sign/app", dict(more, input=b64(HELLO)))

    def is_broken(self):
        """Whether one signature fails, however the client sees it."""
        try:
            return self.sign().json is None
        except (http.client.HTTPException, OSError, ValueError):
            return True

    def test_status_when_counted_then_over_after_so_many(self):
        self.vault.fault("status", "/v1/transit/sign/", count=2, skip=1, status=429,
                         headers={"Retry-After": "3"}, body={"errors": ["slow down"]})
        answers = [self.sign() for _ in range(4)]
        self.assertEqual([answer.status for answer in answers], [200, 429, 429, 200])
        self.assertEqual(answers[1].headers["Retry-After"], "3")
        self.assertEqual(answers[1].json, {"errors": ["slow down"]})
        self.assertEqual(self.vault.stats()["by_status"], {"200": 2, "429": 2})

    def test_delay_when_ordered_then_answers_later(self):
        self.vault.fault("delay", delay=0.3)
        begin = time.monotonic()
        self.assertEqual(self.sign().status, 200)
        self.assertGreaterEqual(time.monotonic() - begin, 0.3)

    def test_hang_when_cleared_then_connection_ends(self):
        self.vault.fault("hang", seconds=0.2)
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.sign()

    def test_cut_when_ordered_then_ends_in_mid_answer(self):
        for order in ({"after": 0}, {"after": 20}, {"after": 200}, {"after": 200, "rst": True}):
            self.vault.fault("cut", **order)
            self.assertTrue(self.is_broken(), order)
        self.assertEqual(self.vault.stats()["by_status"], {"none": 4})

    def test_huge_when_ordered_then_so_many_bytes(self):
        for chunked in (False, True):
            self.vault.fault("huge", bytes=3 << 20, chunked=chunked)
            with self.assertRaises((ValueError, http.client.IncompleteRead)) as caught:
                self.sign()
            if chunked:
                self.assertEqual(len(caught.exception.partial), 3 << 20)
            else:
                self.assertIsInstance(caught.exception, ValueError)  # whole, but no JSON

    def test_trickle_when_ordered_then_slow_but_whole(self):
        self.vault.fault("trickle", chunk=100, every=0.05)
        begin = time.monotonic()
        self.assertEqual(self.sign().status, 200)
        self.assertGreater(time.monotonic() - begin, 0.2)

    def test_edit_when_ordered_then_answer_lies(self):
        self.vault.fault("edit", data={"key_version": 99}, top={"mount_type": "x"})
        answer = self.sign()
        self.assertEqual((answer.json["data"]["key_version"], answer.json["mount_type"]), (99, "x"))

    def test_other_version_when_ordered_then_signed_with_it(self):
        self.vault.make_key("two")
        first = self.vault.public_key("two")
        self.vault.rotate_behind("two")
        self.vault.fault("other_version", "/v1/transit/sign/", version=1, claim=2)
        data = self.vault.write("transit/sign/two", {"input": b64(HELLO), "key_version": 2})
        self.assertEqual(data["key_version"], 2)
        self.assertTrue(data["signature"].startswith("vault:v2:"))
        signature = base64.b64decode(data["signature"].split(":")[2])
        first.verify(signature, HELLO, ec.ECDSA(hashes.SHA256()))

    def test_tokens_when_expired_or_revoked_then_root_lives_on(self):
        one, two = (self.vault.make_token("default") for _ in range(2))
        self.vault.expire_tokens(one)
        for token, status in ((one, 403), (two, 200)):
            self.assertEqual(self.vault.request("GET", "auth/token/lookup-self",
                                                token=token).status, status)
        self.vault.revoke_tokens()
        self.assertEqual(self.vault.request("GET", "auth/token/lookup-self", token=two).status, 403)
        self.assertEqual(self.sign().status, 200)

    def test_expire_token_when_met_then_that_request_fails(self):
        token = self.vault.make_token("default")
        self.vault.fault("expire_token", "/v1/auth/token/lookup-self")
        answer = self.vault.request("GET", "auth/token/lookup-self", token=token)
        self.assertEqual((answer.status, answer.json["errors"]), (403, [INVALID_TOKEN]))

    def test_delete_behind_when_signing_then_not_found(self):
        self.vault.make_key("gone")
        self.vault.delete_behind("gone")
        answer = self.vault.request("POST", "transit/sign/gone", {"input": ""})
        self.assertEqual((answer.status, answer.json["errors"]), (400, ["signing key not found"]))

    def test_connect_faults_when_ordered_then_no_handshake(self):
        for action in ("close", "reset"):
            self.vault.connect_fault(action)
            with self.assertRaises(OSError):
                self.sign()
        self.vault.connect_fault("hang", seconds=0.2)
        with self.assertRaises(OSError):
            self.sign()
        stats = self.vault.stats()
        self.assertEqual((stats["connections"], stats["handshakes"], stats["requests"]), (3, 0, 0))

    def test_listener_when_closed_then_refuses_until_opened(self):
        self.vault.refuse_connections()
        with self.assertRaises(ConnectionRefusedError):
            self.sign()
        self.vault.accept_connections()
        self.assertEqual(self.sign().status, 200)

    def test_keep_alive_when_many_requests_then_one_handshake(self):
        connection = self.vault._connection(self.vault.url)
        for _ in range(3):
            connection.request("POST", "/v1/transit/sign/app", json.dumps({
                "batch_input": [{"input": ""}] * 2}), {"X-Vault-Token": self.vault.token})
            self.assertEqual(connection.getresponse().read()[:1], b"{")
        stats = self.vault.stats()
        self.assertEqual((stats["requests"], stats["handshakes"], stats["open_connections"]),
                         (3, 1, 1))
        self.assertEqual((stats["batches"], stats["batch_items"], stats["max_batch"]), (3, 6, 2))
        self.assertEqual(stats["by_path"], {"POST /v1/transit/sign/app": 3})
        self.assertEqual(self.vault.drop_connections(), 1)
        with self.assertRaises((http.client.HTTPException, OSError)):
            connection.request("GET", "/v1/sys/health")
            connection.getresponse()
        connection.close()

    def test_standby_when_leader_known_then_redirects(self):
        self.addCleanup(self.vault.state, standby="", leader="")
        for standby, status in (("standby", 429), ("performance", 473), ("dr", 472)):
            self.vault.state(standby=standby, leader="https://127.0.0.1:1")
            self.assertEqual(self.vault.request("GET", "sys/health").status, status)
        self.vault.state(standby="standby")
        answer = self.sign()
        self.assertEqual((answer.status, answer.headers["Location"]),
                         (307, "https://127.0.0.1:1/v1/transit/sign/app"))
        self.assertEqual(self.vault.request("GET", "sys/health?standbyok=true").status, 200)

    def test_plain_http_when_sent_to_tls_then_400_in_text(self):
        with socket.create_connection(("127.0.0.1", self.vault.port), timeout=5) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.0 400 Bad Request"))

    def test_tls_when_authority_unknown_then_client_refuses(self):
        context = ssl.create_default_context()
        with socket.create_connection(("127.0.0.1", self.vault.port), timeout=5) as sock:
            with self.assertRaises(ssl.SSLCertVerificationError):
                context.wrap_socket(sock, server_hostname="localhost")

    def test_many_keys_when_ordered_then_all_listed_and_distinct(self):
        with Double(keys=1000) as vault:
            self.assertEqual(len(vault.list("transit/keys")), 1000)
            texts = {vault.read("transit/keys/key-%05d" % number)["keys"]["1"]["public_key"]
                     for number in (0, 1, 999)}
            self.assertEqual(len(texts), 3)


if __name__ == "__main__":
    unittest.main()
