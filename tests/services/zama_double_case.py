# SPDX-License-Identifier: Apache-2.0
"""What the tests of the double of Zama's KMS share."""

import json
import os
import time
import unittest

from zama_client import Answer, Caller
from zama_server import ZamaDouble

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fixtures",
                        "zama")
CIPHERTEXTS = os.path.join(FIXTURES, "ciphertexts.json")
GET = "GetPublicDecryptionResult"
SYNC, ASYNC = "PublicDecryptSync", "PublicDecrypt"


def load(name):
    with open(os.path.join(FIXTURES, name), encoding="utf-8") as file:
        return json.load(file)


class ZamaDoubleTestCase(unittest.TestCase):
    def start(self, *options, **named):
        zama = ZamaDouble(*options, **named)
        self.addCleanup(zama.__exit__)
        callers = {}
        for number, party in zama.parties.items():
            callers[number] = Caller(party)
            self.addCleanup(callers[number].__exit__)
        return zama, callers

    def await_requests(self, zama, numbers, method):
        """Until these parties have a request that was not answered yet."""
        end = time.monotonic() + 20
        while not all(zama.count_of(number, method) for number in numbers):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    @staticmethod
    def ask(callers, method, message, timeout=30):
        """{party: Reply} of all at once"""
        started = {number: caller.start(method, message, timeout)
                   for number, caller in callers.items()}
        return {number: Caller.take(future) for number, future in started.items()}

    def answers(self, callers, asked, method=SYNC):
        replies = self.ask(callers, method, asked.message)
        self.assertEqual({reply.code for reply in replies.values()}, {0}, replies)
        return {number: Answer(reply.message) for number, reply in replies.items()}
