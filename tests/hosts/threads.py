#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""64 threads over 200 sessions (threads.c), under ThreadSanitizer in a build that has it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "integration"))

from hosts import HostTestCase  # noqa: E402


class ThreadsTest(HostTestCase):
    def test_module_when_64_threads_use_200_sessions_then_no_race(self):
        self.vault.setup_signer()
        self.config.slot("web", self.vault, auth="token", pin="token", timeout="20s")
        self.check_host("threads", "3", env=self.env(HOST_PIN=self.vault.make_token("signer")))

    def test_module_when_keys_are_never_cached_then_no_race(self):
        self.vault.setup_signer()
        self.config.slot("web", self.vault, auth="token", pin="token", timeout="20s", cache="0s")
        self.check_host("threads", "2", env=self.env(HOST_PIN=self.vault.make_token("signer")))


if __name__ == "__main__":
    unittest.main()
