#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a process must not notice: its ends, its threads, its signals, its error queue, its
standard output and its memory."""

import glob
import os
import shutil
import subprocess
import threading
import time
import unittest

from harness import CK, TempConfig, module_path
from hosts import HostTestCase, host_path

P11_KIT_PROXY = next(iter(glob.glob("/usr/lib/*/p11-kit-proxy.so")), None)
P11_KIT_MODULES = "/usr/share/p11-kit/modules"


class ExitTest(HostTestCase):
    def test_process_when_it_ends_in_any_way_then_ends_well(self):
        ways = self.run_host("exits").stdout.split()
        self.assertGreater(len(ways), 8)
        for way in ways:
            with self.subTest(way):
                self.check_host("exits", way)


class ThreadTest(HostTestCase):
    def test_threads_when_a_thousand_come_and_go_then_nothing_is_left_of_them(self):
        self.check_host("short_threads")


class SignalTest(HostTestCase):
    def test_sigpipe_when_server_drops_connections_then_is_never_raised_nor_changed(self):
        process = subprocess.Popen([host_path("sigpipe")], env=self.env(), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 4
        dropped = 0
        while time.monotonic() < end and process.poll() is None:
            dropped += self.vault.drop_connections(reset=dropped % 2 == 0)
            time.sleep(0.02)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, err), (0, ""))
        self.assertGreater(dropped, 20)
        self.assertGreater(int(out.split()[0]), 50)  # signatures that went well meanwhile


class ErrorQueueTest(HostTestCase):
    def test_error_queue_and_context_when_any_function_is_called_then_are_unchanged(self):
        self.check_host("errqueue")


class QuietTest(HostTestCase):
    """Nothing on standard output or standard error without `log = stderr`, whatever fails."""

    def quiet_config(self, **options):
        config = self.enter(TempConfig(log=[], log_level=[]))  # written not at all: the defaults
        config.slot("web", self.vault, **options)
        return config

    def outcome(self, config, **environment):
        signer = self.signer(env=self.env(config, **environment))
        outcome = signer.do("initialize")
        if outcome.rv == CK.CKR_OK:
            outcome = signer.do("find")
        self.assert_quiet_end(signer)
        return outcome.rv

    def test_output_when_all_is_well_then_nothing(self):
        self.assertEqual(self.outcome(self.quiet_config()), CK.CKR_OK)

    def test_output_when_server_is_gone_then_nothing(self):
        config = self.quiet_config(url="https://127.0.0.1:1")
        self.assertEqual(self.outcome(config), CK.CKR_DEVICE_ERROR)

    def test_output_when_token_is_wrong_then_nothing(self):
        config = self.quiet_config(token_file=self.config.secret("wrong", "hvs.wrong"))
        self.assertEqual(self.outcome(config), CK.CKR_DEVICE_ERROR)

    def test_output_when_name_is_wrong_then_nothing(self):
        config = self.quiet_config(server_name="elsewhere.test")
        self.assertEqual(self.outcome(config), CK.CKR_DEVICE_ERROR)

    def test_output_when_answer_is_nonsense_then_nothing(self):
        self.vault.fault("status", status=200, text="<html>", count=0)
        self.assertEqual(self.outcome(self.quiet_config()), CK.CKR_DEVICE_ERROR)

    def test_output_when_there_is_no_configuration_then_nothing(self):
        config = self.quiet_config()
        os.unlink(config.file)
        self.assertNotEqual(self.outcome(config), CK.CKR_OK)

    def test_output_when_configuration_is_nonsense_then_nothing(self):
        config = self.quiet_config()
        config.line("[nonsense")
        self.assertNotEqual(self.outcome(config), CK.CKR_OK)


class ProxyTest(HostTestCase):
    """p11-kit's proxy loads us with its lock held."""

    @unittest.skipUnless(P11_KIT_PROXY, "needs p11-kit-proxy.so")
    def test_module_when_loaded_through_p11_kit_proxy_then_signs_and_ends_well(self):
        self.need_mounts()  # p11-kit reads no other configuration when it runs as root
        modules = self.config.path("modules")
        os.mkdir(modules)
        with open(os.path.join(modules, "hsmbridge.module"), "w", encoding="utf-8") as out:
            out.write("module: %s\n" % module_path())
        env = self.env(HSMBRIDGE_MODULE=P11_KIT_PROXY)
        prefix = self.mounted({P11_KIT_MODULES: modules})
        signer = self.signer(prefix, env)
        for _ in range(3):
            signer.begin()
            self.assertEqual(signer.do("finalize").rv, CK.CKR_OK)
        self.assert_quiet_end(signer)
        for way in ("without-finalize", "finalize-at-exit"):
            self.check_host("exits", way, env=env, prefix=prefix)


class MemoryTest(HostTestCase):
    """libcurl, libcrypto and the private context stay until the end: "still reachable"."""

    @unittest.skipUnless(shutil.which("valgrind"), "needs valgrind")
    def test_memory_when_watched_by_valgrind_then_no_error_and_no_leak(self):
        report = self.config.path("valgrind")
        self.config.slot("web", self.vault, timeout="60s", connect_timeout="20s")  # it is slow
        signer = self.signer(prefix=[
            "valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--show-leak-kinds=definite,indirect,possible",
            "--errors-for-leak-kinds=definite,indirect,possible", "--log-file=" + report])
        for _ in range(2):
            signer.begin()
            self.assertEqual(signer.do("finalize").rv, CK.CKR_OK)
        status, text = signer.end()
        with open(report, encoding="utf-8") as found:
            self.assertEqual((status, text, found.read()), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
