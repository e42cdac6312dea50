#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many callers and few parties: what a dead, hung or slow party costs, threads, forks, connections,
TLS, and what the log keeps to itself."""

import base64
import os
import statistics
import threading
import time
import unittest

from harness import CK, Authority
from p11 import P11Error
from zama_case import SYNC, ZamaTestCase, fhe
from zama_server import EUINT64, EUINT256, ZamaDouble

THREADS, EACH = 64, 4
ROUNDS = 15


class CostTest(ZamaTestCase):
    def setUp(self):
        super().setUp()
        self.session = self.open()
        self.private = self.key(self.session)
        self.sealed = self.zama.seal(EUINT64, 5)
        self.median()

    def median(self):
        """Seconds of a decryption."""
        taken = []
        for _ in range(ROUNDS):
            begin = time.monotonic()
            self.assertEqual(self.session.decrypt(self.private, fhe(EUINT64), self.sealed),
                             (5).to_bytes(8, "little"))
            taken.append(time.monotonic() - begin)
        return statistics.median(taken)

    def assert_costs_nothing(self, usual):
        self.assertLess(self.median(), 3 * usual + 0.05)

    def test_party_when_hung_then_nobody_waits_for_it(self):
        usual = self.median()
        self.zama.fault("hang", SYNC, 0, party=2)
        self.assert_costs_nothing(usual)

    def test_party_when_slow_then_nobody_waits_for_it(self):
        usual = self.median()
        self.zama.fault("slow", SYNC, 0, party=2, seconds=1)
        self.assert_costs_nothing(usual)

    def test_party_when_dead_then_nobody_waits_for_it_and_it_may_come_back(self):
        usual = self.median()
        self.zama.kill(2)
        self.assert_costs_nothing(usual)
        self.zama.restart(2)
        self.zama.reset()
        end = time.monotonic() + 20
        while self.zama.count_of(2, "PublicDecryptSync") == 0 and time.monotonic() < end:
            self.median()
        self.assertGreater(self.zama.count_of(2, "PublicDecryptSync"), 0)

    def test_party_when_it_accepts_and_says_nothing_then_nobody_waits_for_it(self):
        usual = self.median()
        fault = self.zama.connect_fault("hang", count=0, party=2)
        self.zama.drop(2)
        self.assert_costs_nothing(usual)
        self.zama.clear(fault)

    def test_connections_when_warm_then_few_are_new(self):
        """That of an answer which has not come by the next request is closed."""
        self.zama.reset()
        for _ in range(10):
            self.median()
        stats = self.zama.stats()
        self.assertLess(stats["connections"], 10 * ROUNDS)
        self.assertLessEqual(max(stats["most_by_party"].values()), 2)

    def test_connections_when_parties_are_a_little_slower_then_they_keep_theirs(self):
        for number in (3, 4):
            self.zama.fault("slow", SYNC, 0, party=number, seconds=0.05)
        self.zama.reset()
        for _ in range(10):
            self.session.decrypt(self.private, fhe(EUINT64), self.sealed)
            time.sleep(0.3)
        self.assertLess(self.zama.stats()["connections"], 5)

    def test_connections_when_dropped_or_sent_away_then_made_anew(self):
        for number in self.zama.parties:
            self.zama.drop(number, reset=number % 2 == 0)
        self.median()
        for number in self.zama.parties:
            self.zama.fault("goaway", SYNC, 1, party=number, graceful=True)
        self.median()


class ManyTest(ZamaTestCase):
    def work(self, count, each, meanwhile=lambda: None):
        """Threads that decrypt values of their own; what went wrong."""
        key, slot, failures = self.private, self.p11.slot("fhe"), []
        start = threading.Barrier(count)

        def one(index):
            try:
                with self.p11.session(slot) as mine:
                    start.wait(60)
                    for turn in range(each):
                        value = 1000 * index + turn
                        plain = mine.decrypt(key, fhe(EUINT64), self.zama.seal(EUINT64, value))
                        assert int.from_bytes(plain, "little") == value
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
        for thread in threads:
            thread.start()
        meanwhile()
        for thread in threads:
            thread.join()
        return failures

    def test_threads_when_64_at_once_then_all_right_over_bounded_connections(self):
        session = self.open()
        self.private = self.key(session)
        self.zama.reset()
        self.assertEqual(self.work(THREADS, EACH), [])
        most = self.zama.stats()["most_by_party"]
        # The double may hear of a connection's end after it has heard of the next.
        self.assertLessEqual(max(most.values()), THREADS + THREADS // 4, most)
        self.assertLessEqual(self.zama.count_of(1, "PublicDecryptSync"), THREADS * EACH)

    def test_threads_when_a_party_lies_and_one_dies_among_them_then_all_right(self):
        session = self.open()
        self.private = self.key(session)
        self.zama.fault("lie", SYNC, 0, party=1)
        self.addCleanup(self.zama.restart, 2)
        # With one that lies and one that is away, the two others still agree.
        self.assertEqual(self.work(8, 6, lambda: self.zama.kill(2)), [])

    def child(self, session):
        """Of a fork: initializes anew and decrypts. Ends the process."""
        status = 1
        try:
            self.p11.call("C_Finalize", None)
            self.p11.initialize(self.config.file)
            with self.p11.session(self.p11.slot("fhe")) as mine:
                status = 0 if self.decrypt(mine, 77) == 77 else 2
        finally:
            os._exit(status)

    def test_fork_when_decryptions_are_under_way_then_parent_and_child_go_on(self):
        session = self.open()
        self.private = self.key(session)
        statuses = []

        def fork():
            for _ in range(4):
                pid = os.fork()
                if pid == 0:
                    self.child(session)
                statuses.append(os.waitpid(pid, 0)[1])

        self.assertEqual(self.work(4, 30, fork), [])
        self.assertEqual(statuses, [0] * 4)
        self.assertEqual(self.decrypt(session), 0x2a)


class MoreThanFourTest(ZamaTestCase):
    options = ("--parties", "7")

    def test_seven_parties_when_two_lie_then_three_agree(self):
        session = self.open()
        self.assertIn("3 of 7", self.p11.slot_info(
            self.p11.slot("fhe")).slotDescription.decode())
        for number in (1, 5):
            self.zama.fault("lie", SYNC, 0, party=number)
        self.assertEqual(self.decrypt(session), 0x2a)

    def test_answers_when_more_are_wanted_then_waited_for(self):
        session = self.open(answers=7)
        self.assertEqual(self.decrypt(session), 0x2a)
        self.zama.fault("lie", SYNC, 0, party=6)
        self.assert_rv(CK.CKR_DEVICE_ERROR, self.decrypt, session)
        self.assertIn("6 of 7 parties agree where 7 are needed", self.config.log())


class TlsTest(ZamaTestCase):
    tls = True

    def test_tls_when_of_the_configured_authority_then_served_over_http2(self):
        session = self.open()
        self.assertEqual(self.decrypt(session), 0x2a)
        self.assertEqual(self.zama.stats()["handshakes"], self.zama.stats()["connections"])

    def test_tls_when_of_another_authority_then_refused_and_said(self):
        other = Authority(self.config.dir, "other")
        self.slot(ca_file=other.path, timeout="2s")
        self.p11 = self.open_module(self.config)
        with self.assertRaises(P11Error):
            with self.p11.session(self.p11.slot("fhe")) as session:
                self.key(session)
        self.assertRegex(self.config.log(), "certificate|issuer")
        self.assertEqual(self.zama.count("POST"), 0)

    def test_plain_http_when_not_allowed_then_no_slot(self):
        plain = self.enter(ZamaDouble("--parties", "1"))
        self.config.slot("fhe", None, **dict(plain.slot(), insecure_transport=None))
        told = self.cli("zama", "health", code=3)
        self.assertIn("insecure_transport", told)


class MutualTlsTest(ZamaTestCase):
    options = ("--mtls",)
    tls = True

    def test_client_certificate_when_shown_then_served_and_else_not(self):
        leaf = self.zama.authority.issue("client", ("app",), client=True)
        session = self.open(client_cert_file=leaf.cert, client_key_file=leaf.key)
        self.assertEqual(self.decrypt(session), 0x2a)
        self.slot(timeout="2s")
        told = self.run_cli(self.config, "zama", "health")
        self.assertNotEqual(told.returncode, 0)
        self.assertIn("0 of 4 parties are well", told.stdout + told.stderr)


class SecretsTest(ZamaTestCase):
    def test_log_when_at_its_highest_level_then_no_plaintext_and_no_ciphertext(self):
        session = self.open()
        value = int.from_bytes(os.urandom(32), "big")
        sealed = self.zama.seal(EUINT256, value)
        self.zama.fault("lie", SYNC, 0, party=2)
        self.zama.fault("tamper", SYNC, 0, party=3)
        plain = session.decrypt(self.key(session), fhe(EUINT256), sealed)
        self.assertEqual(int.from_bytes(plain, "little"), value)
        log = self.config.log()
        self.assertIn("debug", log)
        for secret in (plain, plain[::-1], sealed[70:200]):
            for form in (secret.hex(), base64.b64encode(secret).decode()[:-4]):
                self.assertNotIn(form, log.lower() if form == secret.hex() else log)


class ConfigTest(ZamaTestCase):
    def test_options_when_wrong_then_one_line_that_names_them(self):
        pins = self.zama.slot()["parties"]
        url = pins[0].split("#")[0]
        cases = (({"parties": None}, "parties"), ({"parties": pins[:1] + pins[:1]}, "named twice"),
                 ({"parties": [pins[0], pins[1].replace("2@", "7@")]}, "party 7 of 2"),
                 ({"parties": [url + "#0x1234"]}, "the pin of party 1"),
                 ({"parties": [url]}, "is not ID@URL#PIN"),
                 ({"parties": [pins[0], "2@" + pins[0][2:]]}, "parties 1 and 2"),
                 ({"parties": [pins[0].replace("0x49b", "0x49B")]}, "the pin of party 1"),
                 ({"threshold": 4}, "threshold"), ({"threshold": 0}, "threshold"),
                 ({"answers": 1}, "answers"), ({"answers": 5}, "answers"),
                 ({"domain_name": None}, "domain_name"), ({"chain_id": "12x"}, "chain_id"),
                 ({"verifying_contract": "0x12"}, "verifying_contract"),
                 ({"context_id": "07"}, "context_id"), ({"epoch_id": "xyz"}, "epoch_id"),
                 ({"domain_salt": "00"}, "domain_salt"), ({"extra_data": "00"}, "extra_data"),
                 ({"signing_schemes": "mldsa44"}, "signing_schemes"),
                 ({"signing_schemes": "ed25519"}, "no Ed25519 key pinned"),
                 ({"url": "http://127.0.0.1:1"}, "url"))
        for change, words in cases:
            with self.subTest(change=change):
                self.slot(**change)
                done = self.run_cli(self.config, "zama", "health")
                self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
                self.assertIn(words, done.stderr)
                self.assertIn("fhe", done.stderr)
                self.assertEqual(done.stderr.strip().count("\n"), 0, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
