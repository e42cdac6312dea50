#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Parties of a threshold KMS that lie, forge, break the protocol or are away: as long as three of
four do their part, every decryption succeeds and the log names who did what; else it fails with the
right code, in time, and nothing unauthenticated ever comes out."""

import threading
import time
import unittest

from harness import CK
from p11 import P11Error
from zama_case import CORE, SYNC, ZamaTestCase, fhe
from zama_server import EUINT8

GET, ASYNC = CORE + "GetPublicDecryptionResult", CORE + "PublicDecrypt"
UNAVAILABLE, EXHAUSTED, NOT_FOUND, INVALID, INTERNAL = 14, 8, 5, 3, 13
TOO_FEW = r"[01] of 4 parties agree where 2 are needed"

# (action, order, what the log says of the party)
DISHONEST = (
    ("tamper", {}, "its ECDSA signature of signatures[] is wrong"),
    ("forge", {}, "is wrong"),
    ("stranger", {}, "is pinned for this party"),
    ("impostor", {"of": 4}, "is pinned for this party"),
    ("replay", {}, "its request_id is not that of the request"),
    ("wrong_id", {}, "its request_id is not that of the request"),
    ("wrong_extra", {}, "its extra_data is not that of the request"),
    ("wrong_type", {}, "is of FHE type 4 where 2 was asked for"),
    ("wrong_count", {}, "it has 2 plaintexts where 1 were asked for"),
    ("high", {"of": "internal"}, "its signature is wrong: its s is in the upper half"),
    ("high", {"of": "external"}, "is wrong: its s is in the upper half"),
    ("flip", {"of": "internal"}, "its signature is wrong"),
    ("flip", {"of": "external"}, "its ECDSA signature of signatures[] is wrong"),
    ("short_key", {}, "its verification_key is not bincode of a point"),
    ("no_payload", {}, "it carries no payload"),
    ("no_signatures", {}, "signature"),
    ("not_protobuf", {}, "it is no PublicDecryptionResponse"),
    ("nothing", {}, "party"),
    ("noise", {"bytes": 100000}, "it has 100000 bytes where an answer to this request has at most"))

# What is no answer at all: (action, order, what an error says when it is all parties)
BROKEN = (
    ("rst", {"code": 2}, "party"), ("rst", {"code": 8}, "party"),
    ("goaway", {"code": 2}, "party"), ("goaway", {}, "party"), ("close", {}, "party"),
    ("close", {"reset": True}, "party"), ("garbage", {}, "party"),
    ("truncate", {}, "party"), ("truncate", {"then": "end"}, "party"),
    ("truncate", {"then": "rst"}, "party"), ("truncate", {"then": "close"}, "party"),
    ("oversize", {}, "party"), ("no_trailers", {}, "party"), ("bad_status", {}, "party"),
    ("compressed", {}, "party"), ("twice", {}, "party"),
    ("http", {"status": 503}, "HTTP 503"), ("http", {"status": 200}, "party"),
    ("status", {"code": UNAVAILABLE, "message": "try later"}, "UNAVAILABLE"),
    ("status", {"code": EXHAUSTED, "late": True}, "RESOURCE_EXHAUSTED"),
    ("status", {"code": 9}, "FAILED_PRECONDITION"), ("status", {"code": 10}, "ABORTED"),
    ("status", {"code": 99}, "party"))
# Statuses that say something of the request: one party's word for it counts for nothing.
BLAMES = (3, 5, 7, 11, 13)


class WeatherCase(ZamaTestCase):
    timeout = "2s"

    def setUp(self):
        super().setUp()
        self.session = self.open(timeout=self.timeout)
        self.private = self.key(self.session)
        self.assertEqual(self.one(), 0x2a)  # connections are open, keys are known
        self.config.clear_log()

    def one(self, value=0x2a):
        plain = self.session.decrypt(self.private, fhe(), self.zama.seal(EUINT8, value))
        return int.from_bytes(plain, "little")

    def break_all(self, action, count=0, numbers=(1, 2, 3, 4), path=SYNC, **order):
        self.zama.clear()
        for number in numbers:
            self.zama.fault(action, path, count, party=number, **order)


class OneOfFourTest(WeatherCase):
    """The others are slow enough for the one's answer to be there first."""

    def setUp(self):
        super().setUp()
        self.others = {"numbers": (1, 3, 4), "seconds": 0.15}

    def meet(self, action, **order):
        self.zama.clear()
        self.config.clear_log()
        self.break_all("slow", **self.others)
        self.zama.fault(action, SYNC, 0, party=2, **order)
        begin = time.monotonic()
        self.assertEqual(self.one(), 0x2a)
        return time.monotonic() - begin

    def test_dishonest_party_when_it_answers_first_then_named_with_the_reason_and_outvoted(self):
        for action, order, words in DISHONEST:
            with self.subTest(action=action, order=order):
                self.meet(action, **order)
                if action != "nothing":
                    self.assertRegex(self.config.log(), "answer of party 2: .*" +
                                     words.replace("[", r"\[").replace("]", r"\]"))
                self.assertNotIn("party 3:", self.config.log())

    def test_lying_party_when_authentic_then_outvoted_and_named(self):
        self.meet("lie")
        self.assertRegex(self.config.log(), "party 2 gives, under its own signature, another "
                         "result than [23] others")

    def test_broken_party_when_it_answers_first_then_the_others_decide(self):
        for action, order, _ in BROKEN:
            with self.subTest(action=action, order=order):
                self.meet(action, **order)

    def test_blaming_party_when_alone_then_the_others_decide(self):
        for code in BLAMES:
            with self.subTest(code=code):
                self.meet("status", code=code)


class NoQuorumTest(WeatherCase):
    """Three of four: none may be believed, and that is told before the deadline."""

    def assert_refused(self, rv, *words, within=3.0):
        self.assert_told(self.config, rv, self.one, *words, within=within)

    def assert_works(self):
        self.zama.clear()
        self.assertEqual(self.one(), 0x2a)

    def test_dishonest_majority_when_each_is_caught_then_device_error_at_once(self):
        for action, order, words in DISHONEST:
            if action == "impostor":
                continue  # party 4 would be itself
            with self.subTest(action=action, order=order):
                self.break_all(action, numbers=(1, 2, 3), **order)
                self.assert_refused(CK.CKR_DEVICE_ERROR, words, within=2.0)
                self.assertRegex(self.config.log(), TOO_FEW)
                self.assert_works()

    def test_request_when_three_blame_it_and_one_hangs_then_it_is_to_blame(self):
        self.break_all("status", numbers=(1, 2, 3), code=INTERNAL)
        self.zama.fault("hang", SYNC, 0, party=4)
        self.assert_refused(CK.CKR_ENCRYPTED_DATA_INVALID, "cannot decrypt this")

    def test_answers_when_all_differ_then_nothing_is_believed(self):
        self.zama.fault("lie", SYNC, 0, party=1)
        for number in (2, 3):
            self.zama.fault("forge", SYNC, 0, party=number)
        self.assert_refused(CK.CKR_DEVICE_ERROR)
        self.assertRegex(self.config.log(), TOO_FEW)

    def test_broken_majority_when_it_lasts_then_device_error_in_time(self):
        for action, order, words in BROKEN:
            with self.subTest(action=action, order=order):
                self.break_all(action, numbers=(1, 2, 3), **order)
                self.assert_refused(CK.CKR_DEVICE_ERROR, "slot 'fhe'", words, within=3.5)
                self.assert_works()

    def test_statuses_when_of_all_then_they_mean_what_they_say(self):
        cases = ((INVALID, CK.CKR_MECHANISM_PARAM_INVALID, "INVALID_ARGUMENT"),
                 (INTERNAL, CK.CKR_ENCRYPTED_DATA_INVALID, "cannot decrypt this"),
                 (7, CK.CKR_FUNCTION_REJECTED, "slot 'fhe'"), (2, CK.CKR_DEVICE_ERROR, "UNKNOWN"))
        for code, rv, words in cases:
            with self.subTest(code=code):
                self.break_all("status", code=code)
                self.assert_refused(rv, within=2.0)
                if code != INVALID:
                    self.assertIn(words, self.config.log())
                self.assert_works()

    def test_key_when_unknown_or_not_initialized_then_told_apart(self):
        for number in self.zama.parties:
            self.zama.party(number, initialized=False)
            self.addCleanup(self.zama.party, number, initialized=True)
        self.assert_refused(CK.CKR_DEVICE_ERROR, "context_id or epoch_id", "not initialized")
        for number in self.zama.parties:
            self.zama.party(number, initialized=True, keys=["cc" * 32])
            self.addCleanup(self.zama.party, number, keys=[self.zama.key_id])
        self.assert_refused(CK.CKR_FUNCTION_FAILED, "0 of 4 parties have this FHE key")
        self.assert_rv(CK.CKR_KEY_HANDLE_INVALID, self.one)

    def test_parties_when_two_are_dead_then_a_deadline_of_our_own(self):
        self.zama.state(window=0.7)  # the two that live know of no end
        for number in (3, 4):
            self.zama.kill(number)
            self.addCleanup(self.zama.restart, number)
        begin = time.monotonic()
        self.assert_refused(CK.CKR_DEVICE_ERROR, "0 of 4 parties agree where 2 are needed",
                            within=3.5)
        self.assertGreater(time.monotonic() - begin, 1)  # as long as they may come back


class EarlyTest(WeatherCase):
    """Nothing is waited for that cannot help any more."""

    timeout = "30s"

    def test_quorum_when_out_of_reach_then_told_though_one_hangs(self):
        for action, order in (("forge", {}), ("compressed", {}), ("status", {"code": INTERNAL})):
            with self.subTest(action=action):
                self.break_all(action, numbers=(1, 2, 3), **order)
                self.zama.fault("hang", SYNC, 0, party=4)
                begin = time.monotonic()
                with self.assertRaises(P11Error):
                    self.one()
                self.assertLess(time.monotonic() - begin, 10)


class PatientTest(WeatherCase):
    """What passes in time is not noticed."""

    timeout = "20s"

    def test_party_when_back_in_time_then_the_pending_request_ends_well(self):
        self.zama.state(window=0.4)
        for number in (3, 4):
            self.zama.refuse(number)
            self.addCleanup(self.zama.accept, number)
            self.zama.drop(number)
        timer = self.later(1.0, self.zama.accept, 3)
        self.assertEqual(self.one(), 0x2a)
        timer.join()

    def later(self, seconds, function, *args):
        timer = threading.Timer(seconds, function, args)
        timer.start()
        return timer

    def test_all_when_unavailable_for_a_while_then_nobody_notices(self):
        for code in (UNAVAILABLE, EXHAUSTED):
            self.break_all("status", 2, code=code)
            self.assertEqual(self.one(), 0x2a)
            left = [fault["left"] for fault in self.zama.control("GET", "faults")["faults"]]
            self.assertGreaterEqual(left.count(0), 3)  # without three there is no result
            self.zama.clear()

    def test_request_when_tried_again_then_of_the_same_bytes(self):
        self.zama.reset()
        self.break_all("status", 1, code=UNAVAILABLE)
        self.one()
        sent = {entry["body"] for entry in self.zama.requests() if entry["path"].endswith(SYNC)}
        self.assertEqual(len(sent), 1)
        self.assertGreater(self.zama.count(), 5)


class OldServerTest(WeatherCase):
    """Before 0.14 there was no PublicDecryptSync."""

    timeout = "20s"

    def setUp(self):
        super().setUp()
        for number in self.zama.parties:
            self.zama.party(number, sync=False)
            self.addCleanup(self.zama.party, number, sync=True)

    def test_parties_when_older_then_submitted_and_polled(self):
        self.assertEqual(self.one(), 0x2a)
        self.assertIn("party 1 has no PublicDecryptSync; it is polled", self.config.log())
        self.zama.reset()
        self.assertEqual(self.one(), 0x2a)
        self.assertEqual(self.zama.count_of(1, "PublicDecryptSync"), 0)
        self.assertGreater(self.zama.count_of(1, "PublicDecrypt"), 0)

    def test_only_one_when_older_then_each_in_its_way(self):
        for number in (1, 2, 3):
            self.zama.party(number, sync=True)
        self.assertEqual(self.one(), 0x2a)

    def test_result_when_pending_at_first_then_polled_until_there(self):
        self.zama.state(window=0.3, latency=1.0)
        self.assertEqual(self.one(), 0x2a)

    def test_submit_when_its_answer_is_lost_then_it_exists_and_is_polled(self):
        self.one()
        self.break_all("truncate", 1, path=ASYNC, after=0, then="close")
        self.assertEqual(self.one(), 0x2a)

    def test_result_when_a_restart_lost_it_then_submitted_anew(self):
        self.one()
        self.break_all("status", 1, path=GET, code=NOT_FOUND)
        self.assertEqual(self.one(), 0x2a)


if __name__ == "__main__":
    unittest.main(verbosity=2)
