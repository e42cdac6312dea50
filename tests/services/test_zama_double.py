#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The double of Zama's KMS against what the real one answered: tests/fixtures/zama. The client is
grpcio; eth-account, from the package index (environments.py), recovers who signed.

Keys of the real servers are not known, so of a recorded answer everything is compared but keys and
signatures, which have to be the double's own and in order.
"""

import base64
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import environments  # noqa: E402
from zama_client import (DOMAIN, REQUIREMENTS, Answer, Asked, Caller,  # noqa: E402
                         typed_message)
from zama_double_case import CIPHERTEXTS, SYNC, ZamaDoubleTestCase, load  # noqa: E402
from zama_server import EUINT64, EUINT256  # noqa: E402
from zama.ciphertexts import BITS  # noqa: E402
from zama.messages import Ciphertext, fields, last  # noqa: E402
from zama.signing import eip712  # noqa: E402


class RecordedAnswersTest(ZamaDoubleTestCase):
    @staticmethod
    def asked(zama, question):
        entries = [Ciphertext(zama.seal(kind, bytes.fromhex(value)), kind, bytes.fromhex(handle), 0)
                   for kind, value, handle in zip(question["types"], question["plaintexts"],
                                                  question["handles"])]
        schemes = [scheme for scheme in range(5) if question["schemes"] >> scheme & 1]
        return Asked(zama, request_id=question["request_id"], ciphertexts=entries,
                     extra_data=bytes.fromhex(question["extra_data"]), schemes=schemes)

    def test_answers_when_asked_what_was_recorded_then_alike(self):
        for deployment in load("answers.json")["deployments"]:
            zama, callers = self.start("--parties", str(len(deployment["parties"])))
            for question in deployment["questions"]:
                with self.subTest(deployment=deployment["name"], question=question["name"]):
                    asked = self.asked(zama, question)
                    answers = self.answers(callers, asked)
                    self.assert_alike(zama, asked, question, answers)

    def assert_alike(self, zama, asked, question, answers):
        for recorded in question["answers"]:
            if not recorded.get("why"):
                theirs = Answer(base64.b64decode(recorded["message"]))
                ours = answers[recorded["party"]]
                self.assertEqual(ours.without_keys(), theirs.without_keys())
                self.assertIsNone(ours.check(asked, zama.parties[recorded["party"]]))
        digest = eip712(DOMAIN, [entry.handle for entry in asked.ciphertexts],
                        answers[1].plaintexts, asked.extra_data).hex()
        self.assertEqual(digest, question.get("eip712", digest))  # not noted of every one

    def test_recorded_answers_when_checked_then_the_check_agrees_with_what_is_known_of_them(self):
        """The checker that judges the double here, judged by recordings, good and bad."""
        bad, good = 0, 0
        zama, _ = self.start("--parties", "1")
        for deployment in load("answers.json")["deployments"]:
            for question in deployment["questions"]:
                asked = self.asked(zama, question)
                for recorded in question["answers"]:
                    party = deployment["parties"][min(recorded["party"],
                                                      len(deployment["parties"])) - 1]
                    pinned = zama.parties[1]._replace(point=bytes.fromhex(party["point"]),
                                                      ed25519=bytes.fromhex(party["ed25519"]))
                    try:
                        verdict = Answer(base64.b64decode(recorded["message"])).check(asked, pinned)
                    except ValueError:
                        verdict = "unreadable"
                    is_good = not recorded.get("why") or "lying" in recorded["why"]
                    self.assertEqual(verdict is None, is_good, (recorded.get("why"), verdict))
                    bad, good = bad + (not is_good), good + is_good
        self.assertGreaterEqual(good, 139)
        self.assertGreaterEqual(bad, 9)

    def test_recorded_ciphertexts_when_decrypted_then_their_values(self):
        zama, callers = self.start("--recorded", CIPHERTEXTS)
        recorded = load("ciphertexts.json")
        for entry in recorded["ciphertexts"]:
            asked = Asked(zama, blob=base64.b64decode(entry["blob"]), fhe_type=entry["fhe_type"],
                          claimed_format=entry["format"], key_id=recorded["key_id"])
            for answer in self.answers(callers, asked).values():
                self.assertEqual(answer.values(), [bytes.fromhex(entry["value"])])

    def test_ciphertexts_when_made_here_then_each_type_and_format_comes_back(self):
        zama, callers = self.start("--parties", "1")
        for fhe_type in BITS:
            for fmt in range(4):
                asked = Asked(zama, 1, fhe_type, fmt)
                answer = self.answers(callers, asked)[1]
                self.assertEqual(int.from_bytes(answer.values()[0], "little"), 1)
                self.assertIsNone(answer.check(asked, zama.parties[1]))


class HealthTest(ZamaDoubleTestCase):
    def test_health_when_parties_die_then_as_recorded(self):
        zama, callers = self.start()

        def seen(message):
            found = fields(message)
            peers = fields(last(found, 1))
            listed = [fields(peer) for peer in peers[6]]
            return (last(peers, 3, 0), last(peers, 4, 0), last(peers, 5, 0),
                    sorted(last(peer, 3, 0) for peer in listed), last(found, 6, 0))

        recorded = load("answers.json")["health"]
        for name, dead in (("optimal", ()), ("one_dead", (4,)), ("two_dead", (3,))):
            for number in dead:
                zama.kill(number)
            ours = seen(callers[1].call("GetHealthStatus").message)
            theirs = seen(base64.b64decode(recorded[name]))
            self.assertEqual(ours, theirs, name)

    def test_restarted_party_when_a_request_was_pending_then_only_the_others_are_done(self):
        zama, callers = self.start()
        zama.state(window=1)
        zama.kill(3)
        zama.kill(4)
        asked = Asked(zama)
        pending = {number: callers[number].start(SYNC, asked.message) for number in (1, 2)}
        self.await_requests(zama, (1, 2), SYNC)
        zama.restart(3)
        with Caller(zama.parties[3]) as third:
            self.assertEqual(third.call(SYNC, asked.message).code, 14)
            self.assertEqual({Caller.take(future).code for future in pending.values()}, {0})
            fresh = Asked(zama)
            futures = [callers[1].start(SYNC, fresh.message),
                       callers[2].start(SYNC, fresh.message), third.start(SYNC, fresh.message)]
            self.assertEqual({Caller.take(future).code for future in futures}, {0})


class EthAccountTest(ZamaDoubleTestCase):
    def test_signatures_when_recovered_by_eth_account_then_the_parties_addresses(self):
        from eth_account import Account  # only in the environment
        zama, callers = self.start()
        salted = DOMAIN._replace(name="Décryption ∀", salt=bytes(range(32)))
        for domain, value, kind in ((DOMAIN, 1 << 255, EUINT256), (salted, 7, EUINT64)):
            asked = Asked(zama, value, kind, domain=domain)
            for number, answer in self.answers(callers, asked).items():
                self.assertEqual(Account.recover_message(typed_message(asked, answer),
                                                         signature=answer.external),
                                 zama.addresses[number])


if __name__ == "__main__":
    environments.enter("zama", REQUIREMENTS)
    unittest.main(verbosity=2)
