#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The BigDL double against what a real server of the second generation answered
(tests/fixtures/bigdl/cases.json, in its order), and against what the sources of both say."""

import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from bigdl import shamir  # noqa: E402
from bigdl.store import PADDING, Thrown, unwrap, wrap  # noqa: E402
from bigdl_server import BigdlDouble  # noqa: E402
from process import ServerError  # noqa: E402

FIXTURES = os.path.join(os.path.dirname(HERE), "fixtures", "bigdl", "cases.json")
KEY = re.compile(r"[A-Za-z0-9+/]{22}==\Z")


class Recorded(unittest.TestCase):
    def test_every_recorded_case(self):
        with open(FIXTURES, encoding="utf-8") as file:
            cases = json.load(file)["cases"]
        self.assertEqual(len(cases), 28)
        ours = {}  # recorded key -> the double's
        with BigdlDouble() as kms:
            for case in cases:
                reply = kms.call(case["method"], case["path"])
                with self.subTest(case=case["name"]):
                    self.assert_same(reply, case, ours)

    def assert_same(self, reply, case, ours):
        body = reply.body.decode()
        self.assertEqual(reply.status, case["status"])
        self.assertEqual(reply.headers["Content-Type"], case["content_type"])
        self.assertEqual(reply.headers["Server"], case["server"])
        if not KEY.match(case["body"]):
            self.assertEqual(body, case["body"])
            return
        self.assertRegex(body, KEY)
        self.assertEqual(ours.setdefault(case["body"], body), body)


class SecondGeneration(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kms = cls.enterClassContext(BigdlDouble())
        cls.user = cls.kms.enroll("alice", "t")

    def tearDown(self):
        self.kms.state(root=True, java8=False)

    def assert_thrown(self, text, call, *args):
        with self.assertRaises(ServerError) as raised:
            call(*args)
        self.assertTrue(str(raised.exception).startswith("500: " + text), raised.exception)

    def test_names_and_tokens_of_any_characters(self):
        for odd in ("a+b", "a b", "a/b", "grün", "100%", "a&b=c", "?#"):
            user = self.kms.enroll("u" + odd, "t" + odd)
            user.primary("p" + odd)
            user.data("d" + odd, "p" + odd)
            self.assertEqual(len(user.get("d" + odd, "p" + odd)), 16)

    def test_get_of_missing_data_key_by_java_version(self):
        self.user.primary("j")
        self.assert_thrown("Cannot invoke ", self.user.get, "none", "j")
        self.kms.state(java8=True)
        self.assert_thrown("null\n please", self.user.get, "none", "j")

    def test_data_key_in_the_place_of_a_primary_key(self):
        self.user.primary("p1")
        self.user.data("d1", "p1")
        self.assert_thrown("", self.user.get, "none", "d1")  # padding, or once in 256 a length
        with self.assertRaisesRegex(ServerError, "padded|key length"):
            self.user.get("none", "d1")

    def test_without_root_key(self):
        self.user.primary("before")
        self.kms.state(root=False)
        self.assertEqual(self.kms.call("GET", "/").status, 200)
        with self.assertRaisesRegex(ServerError, "empty root key! Need initilization first"):
            self.kms.enroll("late", "t")
        self.assert_thrown("empty encryption key!", self.user.primary, "late")
        self.assert_thrown("empty encryption key!", self.user.get, "none", "before")
        self.assert_thrown("wrong primary key", self.user.get, "none", "none")

    def test_parameters_are_missed_in_their_order(self):
        for query, missing in (("", "primaryKeyName"), ("primaryKeyName=p", "user"),
                               ("primaryKeyName=p&user=u", "token"), ("token=t&user=u",
                                                                     "primaryKeyName")):
            reply = self.kms.call("GET", "/dataKey/d?" + query)
            self.assertEqual((reply.status, reply.body.decode()), (
                404, "Request is missing required query parameter '%s'" % missing))

    def test_rotate_then_counted_old_keys_are_lost_and_three_shares_recover(self):
        with BigdlDouble() as kms:
            user = kms.enroll("u", "t")
            shares = re.findall(r'\{"index":\d,"content":"[^"]*"\}',
                                kms.call("GET", "/rootKey/rotate").body.decode())
            self.assertEqual((len(shares), kms.rotations()), (5, 1))
            user.primary("p")
            user.data("d", "p")
            key = user.get("d", "p")
            kms.state(root=False)
            answers = [kms.call("PUT", "/rootKey/recover", share).body for share in shares[1:4]]
            self.assertEqual(answers[:2], [b"received 1/3 shares", b"received 2/3 shares"])
            self.assertEqual(user.get("d", "p"), key)
            kms.call("GET", "/rootKey/rotate")
            with self.assertRaisesRegex(ServerError, "padded|key length"):
                user.get("d", "p")


class FirstGeneration(unittest.TestCase):
    def test_texts(self):
        with BigdlDouble("--v1") as kms:
            user = kms.enroll("u", "t")
            self.assertTrue(kms.call("GET", "/").body.startswith(b"welcome to BigDL KMS Frontend"))
            self.assertEqual(user.primary("p"), "primaryKey [p] is generated successfully!")
            self.assertEqual(user.data("d", "p"), "dataKey [d] is generated successfully!")
            self.assertEqual(user.get("d", "p"), user.get("d", "p"))
            user.token = "wrong"
            for call in ((user.get, "d", "p"), (user.primary, "q"), (user.data, "e", "p")):
                with self.assertRaisesRegex(ServerError, "500: Nonzero exit value: 1\n please "):
                    call[0](*call[1:])
            user.token = "t"
            for call in ((user.get, "none", "p"), (user.get, "d", "none"), (user.primary, "p"),
                         (user.data, "d", "p"), (kms.enroll, "u", "t")):
                with self.assertRaisesRegex(ServerError, "Nonzero exit value: 1\n please "):
                    call[0](*call[1:])
            self.assertEqual(kms.call("GET", "/rootKey/rotate").status, 404)


class Cryptography(unittest.TestCase):
    def test_wrapped_key_is_aes_ecb_with_a_block_of_padding(self):
        wrapped = wrap(bytes(32), bytes(16))
        self.assertEqual(wrapped[:16].hex(), "dc95c078a2408989ad48a21492842087")  # FIPS 197 of zeroes
        self.assertEqual(len(wrapped), 32)
        self.assertEqual(wrapped[16:], wrap(bytes(32), bytes(range(16)))[16:])
        self.assertEqual(unwrap(bytes(32), wrapped), bytes(16))

    def test_wrong_key_fails_by_its_padding(self):
        failed = 0
        for number in range(64):
            try:
                unwrap(bytes([number]) * 32, wrap(bytes([200]) * 32, bytes(16)))
            except Thrown as thrown:
                self.assertEqual(str(thrown), PADDING)
                failed += 1
        self.assertGreater(failed, 60)

    def test_three_of_five_shares(self):
        secret = os.urandom(32)
        shares = shamir.split(secret)
        for picked in ((1, 2, 3), (5, 1, 4), (2, 4, 5)):
            self.assertEqual(shamir.join({n: shares[n] for n in picked}), secret)
        self.assertNotEqual(shamir.join({1: shares[1], 2: shares[2]}), secret)


if __name__ == "__main__":
    unittest.main()
