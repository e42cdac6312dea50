#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What many threads cost a service: connections, handshakes, logins; and what they get from one
that throttles. Everything is counted by the stand-ins, nothing is timed."""

import ctypes
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import CK, AzureDouble, HarnessTestCase, P11Error, TempConfig
from bigdl_case import NAME as BIGDL_NAME
from bigdl_server import BigdlDouble
from ehsm_server import EhsmDouble
from kes_server import KesDouble
from p11_types import Ulong, mechanism_of, template
from service_slots import NAME, azure_slot, bigdl_slot, ehsm_slot, kes_slot

THREADS = 8
OPERATIONS = 10000
DIGEST = bytes(range(32))
SESSION_KEY = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES}
FOREVER = 0
DEADLINE = 10  # seconds


def sign(label=NAME):
    """Every one of these takes a session and returns what it does over and over."""
    def of(session):
        key = session.private_key(label)
        return lambda: session.sign(key, CK.CKM_ECDSA, DIGEST)
    return of


def mac(session):
    key = session.find_one(CKA_CLASS=CK.CKO_SECRET_KEY, CKA_KEY_TYPE=CK.CKK_GENERIC_SECRET)
    return lambda: session.sign(key, CK.CKM_SHA256_HMAC, DIGEST)


def unwrap(session):
    key, mechanism = session.secret_key(NAME), ctypes.byref(mechanism_of(BIGDL_NAME))

    def once():
        made = Ulong()
        session.must("C_UnwrapKey", mechanism, key, b"data", 4, template(SESSION_KEY),
                     len(SESSION_KEY), ctypes.byref(made))
        session.destroy(made.value)
    return once


class ThreadsTestCase(HarnessTestCase):
    def open(self, double, slot, *args, **options):
        """The stand-in, and a slot for it."""
        service = self.enter(double())
        self.config = self.enter(TempConfig(log_level="warning"))
        slot(service, self.config, *args, **options)
        self.p11 = self.open_module(self.config)
        service.reset()
        return service

    def operations(self, make):
        """What each of the threads does, in a session of its own."""
        sessions = [self.enter(self.p11.session(self.p11.slot(NAME))) for _ in range(THREADS)]
        return [make(session) for session in sessions]

    @staticmethod
    def in_threads(work, operations):
        """Runs work(operation) in a thread for each, all at once; their results."""
        start = threading.Barrier(len(operations))

        def run(operation):
            start.wait()
            return work(operation)

        with ThreadPoolExecutor(len(operations)) as pool:
            return list(pool.map(run, operations))


class ConnectionsTest(ThreadsTestCase):
    def check(self, service, make, path, others=0):
        """others: connections to other hosts than the service's."""
        operations = self.operations(make)
        service.fault("delay", path, THREADS, delay=0.5)  # so that all of them are under way
        self.in_threads(lambda once: once(), operations)
        warm = service.stats()
        self.assertEqual(warm["max_in_flight"], THREADS)
        self.assertEqual(warm["connections"], THREADS + others)
        self.assertEqual(warm["handshakes"], THREADS + others)
        service.reset()

        def many(once):
            for _ in range(OPERATIONS // THREADS):
                once()

        self.in_threads(many, operations)
        stats = service.stats()
        self.assertEqual(stats["requests"], OPERATIONS)
        self.assertEqual(service.count("GET " + path) + service.count("POST " + path) +
                         service.count("PUT " + path), OPERATIONS)
        self.assertEqual((stats["connections"], stats["handshakes"]), (0, 0))
        self.assertEqual(stats["open_connections"], THREADS + others)

    def test_azure_when_8_threads_sign_then_8_connections_and_one_login(self):
        azure = self.open(AzureDouble, azure_slot)
        self.check(azure, sign(), "/keys/%s/" % NAME, others=1)

    def test_kes_when_8_threads_make_macs_then_8_connections(self):
        kes = self.open(KesDouble, kes_slot)
        self.check(kes, mac, "/v1/key/hmac/" + NAME)

    def test_ehsm_when_8_threads_sign_then_8_connections(self):
        ehsm = self.open(EhsmDouble, ehsm_slot, "EH_EC_P256")
        self.check(ehsm, sign(), "/ehsm?Action=Sign")

    def test_bigdl_when_8_threads_unwrap_then_8_connections(self):
        kms = self.open(BigdlDouble, bigdl_slot)
        self.check(kms, unwrap, "/dataKey/data")


class AzureTokenTest(ThreadsTestCase):
    def test_token_when_8_threads_start_at_once_then_one_for_all_of_them(self):
        azure = self.open(AzureDouble, azure_slot)
        sessions = [self.enter(self.p11.session(self.p11.slot(NAME))) for _ in range(THREADS)]
        azure.fault("delay", "/%s/" % azure.tenant, FOREVER, delay=0.5)
        self.in_threads(lambda session: sign()(session)(), sessions)
        self.assertEqual(azure.token_requests(), 1)

    def test_token_when_its_lifetime_runs_out_then_one_for_each_lifetime(self):
        azure = self.open(AzureDouble, azure_slot)
        azure.state(lifetime=3)
        operations = self.operations(sign())
        began = time.monotonic()

        def until_late(once):
            while time.monotonic() < began + 7:
                once()

        self.in_threads(until_late, operations)
        # The first one, then each is renewed when two thirds of it are over.
        renewals = azure.token_requests() - 1
        self.assertGreaterEqual(renewals, 1)
        self.assertLessEqual(renewals, (time.monotonic() - began) / 2)
        self.assertEqual(azure.stats()["by_status"].get("401"), None)

    def test_token_when_ended_under_8_threads_then_one_new_one(self):
        azure = self.open(AzureDouble, azure_slot)
        operations = self.operations(sign())
        azure.reset()
        ended = threading.Event()

        def around_the_end(once):
            while not ended.is_set():
                once()
            for _ in range(20):
                once()

        ending = threading.Timer(1, lambda: (azure.end_tokens(), ended.set()))
        ending.start()
        self.in_threads(around_the_end, operations)
        ending.join()
        self.assertEqual(azure.token_requests(), 1)


class AzureThrottledTest(ThreadsTestCase):
    def throttled(self, each, retry_after):
        """A tenth of the requests are refused; the failures of THREADS * each operations."""
        azure = self.open(AzureDouble, azure_slot, timeout="%ds" % DEADLINE)
        operations = self.operations(sign())
        azure.reset()
        fault = azure.throttle("/keys/%s/" % NAME, retry_after, FOREVER, one_in=10)

        def many(once):
            failures = []
            for _ in range(each):
                began = time.monotonic()
                try:
                    once()
                except P11Error as error:
                    failures.append((error.rv, time.monotonic() - began))
            return failures

        failures = sum(self.in_threads(many, operations), [])
        self.assertGreaterEqual(azure.hits(fault), THREADS * each // 10)
        self.assert_told(failures)
        return failures

    def assert_told(self, failures):
        """In time, and in words."""
        log = self.config.log()
        for rv, seconds in failures:
            self.assertEqual(rv, CK.CKR_DEVICE_ERROR)
            self.assertLess(seconds, DEADLINE + 2)
        self.assertEqual(log.count("HTTP 429"), len(failures), log)

    def test_sign_when_a_tenth_is_throttled_then_999_of_1000_succeed(self):
        self.assertLessEqual(len(self.throttled(250, None)), THREADS * 250 // 1000)

    def test_sign_when_a_tenth_has_to_wait_a_second_then_999_of_1000_succeed(self):
        self.assertLessEqual(len(self.throttled(125, 1)), THREADS * 125 // 1000)

    def test_sign_when_all_is_throttled_then_each_failure_is_told(self):
        azure = self.open(AzureDouble, azure_slot, timeout="1s")
        operations = self.operations(sign())
        azure.throttle("/keys/%s/" % NAME, None, FOREVER)

        def fail(once):
            began = time.monotonic()
            with self.assertRaises(P11Error) as caught:
                once()
            return caught.exception.rv, time.monotonic() - began

        self.assert_told(self.in_threads(fail, operations))


if __name__ == "__main__":
    unittest.main(verbosity=2)
