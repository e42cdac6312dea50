#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./quickstart does what it says, quickly the second time, and leaves nothing behind."""

import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

QUICKSTART = Path(os.environ["HSMBRIDGE_SOURCE"], "quickstart")


def session_members(session):
    """Processes that the quickstart started: its session is theirs. Zombies run no more."""
    found = subprocess.run(["pgrep", "--session", str(session), "--runstates", "DRSTt",
                            "--list-full"], check=False, stdout=subprocess.PIPE, text=True)
    return found.stdout


class Quickstart(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name  # TMPDIR too: what is left there was left behind

    def start(self):
        return subprocess.Popen([QUICKSTART], cwd=self.directory, start_new_session=True,
                                env={**os.environ, "TMPDIR": self.directory},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def finish(self, process, timeout=300):
        text, _ = process.communicate(timeout=timeout)
        self.assertEqual(session_members(process.pid), "", "left running")
        self.assertEqual(os.listdir(self.directory), [], "left behind")
        return text

    def test_second_run_signs_within_20_seconds(self):
        self.finish(self.start())
        began = time.monotonic()
        process = self.start()
        text = self.finish(process)
        self.assertEqual(process.returncode, 0, text)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(text.count("\nVerified OK\n"), 3, text)
        for slot, key in (("vault", "web"), ("vault", "release"), ("vault", "login"),
                          ("azure", "mail"), ("softhsm", "code")):
            self.assertRegex(text, rf"(?m)^.*\b{slot}\b.*\b{key}\b", "hsmbridge list shows it")
        self.assertIn("vault policy write hsmbridge", text)

    def test_two_at_once_do_not_disturb_each_other(self):
        first, second = self.start(), self.start()
        texts = [process.communicate(timeout=300)[0] for process in (first, second)]
        for process, text in zip((first, second), texts):
            self.assertEqual(process.returncode, 0, text)
            self.assertEqual(text.count("\nVerified OK\n"), 3, text)
            self.assertEqual(session_members(process.pid), "")

    def test_interrupted_it_leaves_nothing_running(self):
        process = self.start()
        for line in process.stdout:
            if line.startswith("$ curl"):
                break
        os.killpg(process.pid, signal.SIGINT)
        self.finish(process, timeout=10)
        self.assertNotEqual(process.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
