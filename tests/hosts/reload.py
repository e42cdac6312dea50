#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A slot comes, changes and goes while 8 threads sign on another (reload.c), under ThreadSanitizer
in a build that has it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "integration"))

from hosts import HostTestCase  # noqa: E402


class ReloadTest(HostTestCase):
    def text_with(self, **options):
        """The configuration with one more slot, in a file of its own."""
        self.config.slot("other", self.vault, **options)
        text = self.config.text()
        self.config.remove_slot("other")
        return text

    def test_module_when_a_slot_comes_changes_and_goes_then_others_never_fail(self):
        self.vault.setup_signer()
        self.config.slot("web", self.vault, timeout="20s")
        steps = [self.config.secret("step-%d" % number, text) for number, text in enumerate((
            self.text_with(), self.text_with(timeout="19s"), self.config.text() + "\n"))]
        self.check_host("reload", *steps, env=self.env())
        log = self.config.log()
        for what in ("added", "changed", "removed"):
            self.assertEqual(log.count("slot 'other' " + what), 1, log)
        self.assertNotIn("slot 'web' ", "".join(line for line in log.splitlines()
                                                if "configuration read again" in line))


if __name__ == "__main__":
    unittest.main()
