# SPDX-License-Identifier: Apache-2.0
"""What the tests of hsmbridge-kes over slots and stores share."""

import copy
import json
import os
import re
import threading

from harness import HarnessTestCase
from kes_program import KesProgram, free_port

CONTEXT = b"bucket/object"
SEALED = b"hsmbridge-kes:v1:"
ABSENT = b"key does not exist"


class KesServerCase(HarnessTestCase):
    def serve(self, config, *args, **options):
        return self.enter(KesProgram(config, *args, **options))

    def replica(self, kes):
        """A second server with the configuration of the first, at an address of its own."""
        other = copy.copy(kes)
        other.port, other.process = free_port(), None
        other.url = "https://localhost:%d" % other.port
        other.args = [*kes.args, "--address", "127.0.0.1:%d" % other.port]
        other.start()
        return self.enter(other)

    def restart(self, kes):
        """So that nothing of what it knew is left."""
        self.assertEqual(kes.stop(), 0, kes.errors())
        kes.start()

    def assert_works(self, admin, name):
        """A data key and a text go there and back; the context binds."""
        made = admin.json("PUT", "/v1/key/generate/" + name)
        self.assertEqual(admin.json("PUT", "/v1/key/decrypt/" + name,
                                    {"ciphertext": made["ciphertext"]})["plaintext"],
                         made["plaintext"])
        sealed = admin.encrypt(name, b"hello", CONTEXT)
        self.assertNotEqual(admin.encrypt(name, b"hello", CONTEXT), sealed)
        self.assertEqual(admin.decrypt(name, sealed, CONTEXT), b"hello")
        for context in (b"", b"bucket/other"):
            with self.assertRaisesRegex(RuntimeError, "400 .*ciphertext is not authentic"):
                admin.decrypt(name, sealed, context)
        return sealed

    def assert_refused(self, reply, status, text):
        self.assertEqual((reply.status, json.loads(reply.body)["message"]), (status, text))

    def assert_away(self, reply):
        """What cannot be reached is not said to be absent."""
        self.assertIn(reply.status, (502, 504), reply)
        self.assertNotIn(ABSENT, reply.body)

    def assert_sdk_takes_metrics(self, kes):
        """It refuses an answer with two values of one name, whatever their labels, but for these."""
        text = kes.admin.call("GET", "/v1/metrics").body.decode()
        names = re.findall(r"(?m)^(\w+)(?:\{[^}]*\})? ", text)
        twice = {name for name in names if names.count(name) > 1}
        self.assertLessEqual(twice, {"kes_http_request_success", "kes_http_request_error",
                                     "kes_http_request_failure", "kes_http_response_time_bucket"})

    @staticmethod
    def race(callers, method, path):
        """One request by each of them at the same moment; the replies."""
        barrier, replies = threading.Barrier(len(callers)), []

        def run(caller):
            barrier.wait()
            replies.append(caller.call(method, path))

        threads = [threading.Thread(target=run, args=(caller,)) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return replies

    @staticmethod
    def stored(config, name):
        with open(os.path.join(config.path("keys"), name), "rb") as file:
            return file.read()
