#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Faults of the double of Zama's KMS: each is what it says, to grpcio and to a checker of answers
that is none of ours."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from zama_client import Answer, Asked  # noqa: E402
from zama_double_case import ASYNC, GET, SYNC, ZamaDoubleTestCase  # noqa: E402
from zama.messages import Malformed, data  # noqa: E402


class FaultsTest(ZamaDoubleTestCase):
    """Each dishonest answer is refused for its own reason by a checker of its own."""

    def setUp(self):
        self.zama, self.callers = self.start()

    def verdict(self, action, **order):
        asked = Asked(self.zama)
        self.answers(self.callers, asked)  # something to replay
        self.zama.fault(action, party=2, count=1, **order)
        asked = Asked(self.zama)
        replies = self.ask(self.callers, SYNC, asked.message, 3)
        for number in (1, 3, 4):
            self.assertIsNone(Answer(replies[number].message).check(asked,
                                                                    self.zama.parties[number]))
        if replies[2].code:
            return "status %d" % replies[2].code
        try:
            answer = Answer(replies[2].message or b"")
        except Malformed:
            return "unreadable"
        return answer.check(asked, self.zama.parties[2]) or answer.values()

    def test_distortions_when_ordered_then_each_is_what_it_says(self):
        cases = (("lie", {}, [b"\x2b"]), ("tamper", {}, "internal"), ("forge", {}, "internal"),
                 ("stranger", {}, "another key"), ("impostor", {"of": 3}, "another key"),
                 ("replay", {}, "another question"), ("wrong_id", {}, "another question"),
                 ("wrong_extra", {}, "another question"), ("wrong_type", {}, [bytes(4)]),
                 ("wrong_count", {}, [b"*", b"*"]), ("high", {}, "internal"),
                 ("high", {"of": "external"}, "external"), ("flip", {}, "internal"),
                 ("flip", {"of": "external"}, "external"),
                 ("flip", {"of": "ed25519"}, "ed25519"), ("short_key", {}, "another key"),
                 ("no_payload", {}, "another question"), ("no_signatures", {}, "internal"),
                 ("not_protobuf", {}, "unreadable"))
        for action, order, expected in cases:
            with self.subTest(action=action, order=order):
                self.assertEqual(self.verdict(action, **order), expected)

    def test_transport_faults_when_ordered_then_grpc_has_a_status_for_each(self):
        cases = (("status", {"code": 14}, 14), ("status", {"code": 8, "late": True}, 8),
                 ("http", {}, 14), ("rst", {"code": 2}, 13), ("truncate", {"then": "rst"}, 13),
                 ("twice", {}, None), ("hang", {}, 4),
                 ("close", {}, 14), ("goaway", {"code": 2}, None), ("garbage", {}, None),
                 ("oversize", {"bytes": 1 << 31}, None), ("no_trailers", {}, None))
        for action, order, expected in cases:
            with self.subTest(action=action):
                verdict = self.verdict(action, **order)
                self.assertRegex(verdict, "^status")
                if expected is not None:
                    self.assertEqual(verdict, "status %d" % expected)
                self.zama.clear()

    def test_older_server_when_asked_in_sync_then_unimplemented_and_the_pair_works(self):
        for number in self.callers:
            self.zama.party(number, sync=False)
        asked = Asked(self.zama)
        replies = self.ask(self.callers, SYNC, asked.message)
        self.assertEqual({(reply.code, reply.details) for reply in replies.values()}, {(12, "")})
        self.ask(self.callers, ASYNC, asked.message)
        for number, reply in self.ask(self.callers, GET, data(1, asked.request_id)).items():
            self.assertIsNone(Answer(reply.message).check(asked, self.zama.parties[number]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
