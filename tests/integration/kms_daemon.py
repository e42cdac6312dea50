#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KMS plugin as a daemon: its socket, who may call, socket activation, the hand-over to a
successor, its end under load, the reload of its configuration, and bad command lines."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

import grpc

from harness import Double, HarnessTestCase, TempConfig
from kms_plugin import KmsClient, Load, Plugin, kms_path

SEED = bytes(32)


class DaemonCase(HarnessTestCase):
    def setUp(self):
        self.vault = self.enter(Double())
        self.vault.setup_transit(kek="aes256-gcm96")
        self.config = self.enter(TempConfig())
        self.config.slot("kms", self.vault, timeout="3s")

    def serve(self, *args, **options):
        return self.enter(Plugin(self.config, "--slot", "kms", "--key", "kek", "-v", "1", *args,
                                 **options))

    def run_kms(self, *args, **options):
        return subprocess.run([kms_path(), *args], env=self.config.env(), capture_output=True,
                              text=True, timeout=60, check=False, **options)

    def assert_refused(self, code, pattern, *args):
        done = self.run_kms(*args)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


class SocketTest(DaemonCase):
    def test_socket_is_for_its_owner_alone_and_goes_with_the_plugin(self):
        plugin = self.serve()
        self.assertEqual(stat.S_IMODE(os.stat(plugin.path).st_mode), 0o600)
        plugin.client.status()
        self.assertEqual(plugin.stop(), 0)
        self.assertEqual([name for name in os.listdir(self.config.dir) if "sock" in name], [])

    def test_mode_and_owner(self):
        plugin = self.serve("--socket-mode", "0660", "--socket-owner", "%d:%d" % (os.getuid(),
                                                                                  os.getgid()))
        self.assertEqual(stat.S_IMODE(os.stat(plugin.path).st_mode), 0o660)
        plugin.client.status()

    def test_directory_that_is_missing_is_made_for_its_owner(self):
        directory = self.config.path("run")
        plugin = self.serve(path=os.path.join(directory, "kms.sock"))
        self.assertEqual(stat.S_IMODE(os.stat(directory).st_mode), 0o700)
        plugin.client.status()

    def test_live_socket_is_refused_and_a_dead_one_replaced(self):
        plugin = self.serve()
        self.assert_refused(3, "another process serves .*--take-over", "--slot", "kms", "--key",
                            "kek", "--listen", plugin.path)
        plugin.client.status()
        plugin.kill()
        self.assertTrue(os.path.exists(plugin.path))
        plugin.start()
        client = KmsClient(plugin.path)
        self.addCleanup(client.close)
        client.status()

    def test_file_that_is_no_socket_is_left_alone(self):
        path = self.config.secret("kms.sock", "precious")
        self.assert_refused(3, "is not a socket", "--key", "kek", "--listen", path)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")

    def test_abstract_socket(self):
        name = "@hsmbridge-test-%d" % os.getpid()
        self.serve("--listen", "unix:///" + name, listen=False, path="\0" + name[1:])
        client = KmsClient("unused")
        client.channel = grpc.insecure_channel("unix-abstract:" + name[1:])
        self.addCleanup(client.close)
        self.assertEqual(client.status().healthz, "ok")

    def test_only_listed_users_may_call(self):
        plugin = self.serve("--allow-uid", str(os.getuid() + 1))
        with self.assertRaises(grpc.RpcError):
            plugin.client.channel.unary_unary("/v2.KeyManagementService/Status")(b"", timeout=2)
        self.assertIn("may not call", self.config.log())
        plugin.stop()
        plugin.args += ["--allow-uid", str(os.getuid())]
        plugin.start()
        plugin.client.status()


class UsageTest(DaemonCase):
    def test_bad_command_lines(self):
        here = ["--listen", self.config.path("kms.sock")]
        for code, pattern, args in (
                (2, "name the key", here),
                (2, "unknown option '--kee'; did you mean 'key'", ["--kee", "x"]),
                (2, "'kek' is no option", ["kek"]),
                (2, "needs a value", ["--key"]),
                (2, "no slot 'other' in .*hsmbridge.conf", ["--slot", "other", "--key", "k", *here]),
                (2, "not a unix socket", ["--key", "k", "--listen", "tcp://127.0.0.1:1"]),
                (2, "bytes, 2 to", ["--key", "k", "--listen", "/" + "a" * 200]),
                (2, "option --timeout: .*duration", ["--key", "k", "--timeout", "soon"]),
                (2, "option --workers: .*1 to 128", ["--key", "k", "--workers", "0"]),
                (2, "octal", ["--key", "k", "--socket-mode", "99", *here]),
                (2, "no user 'nobody-here'", ["--key", "k", "--socket-owner", "nobody-here", *here]),
                (2, "not an address", ["--key", "kek", "--healthz-address", "x", "--healthz-port",
                                       "1", *here]),
                (2, "not a user's number", ["--key", "kek", "--allow-uid", "me", *here]),
                (2, "2 keys with 1 sockets and 3 slots", ["--key", "a", "--key", "b", "--slot", "1",
                                                          "--slot", "2", "--slot", "3", *here]),
                (2, "takes true or false", ["--take-over=maybe"]),
                (2, "no socket was passed on", ["--key", "kek"]),
                (2, "go with --keyvault-name", ["--key", "k", "--managed-hsm", *here]),
                (2, "slot-option proxy=URL is for that", ["--proxy-mode=true"])):
            with self.subTest(args=args):
                self.assert_refused(code, pattern, *args)

    def test_help_and_version(self):
        self.assertIn("--keyvault-name", self.run_kms("--help").stdout)
        self.assertRegex(self.run_kms("--version").stdout, r"^hsmbridge-kms \d")

    def test_man_page_has_the_options_of_the_program(self):
        page = os.path.join(os.environ["HSMBRIDGE_SOURCE"], "docs", "man", "hsmbridge-kms.8.scd")
        with open(page, encoding="utf-8") as file:
            entries = [line for line in file if line.startswith("*--")]
        told = set(re.findall(r"\*--([a-z0-9-]+)\*", "".join(entries)))
        have = set(re.findall(r"(?m)^  --([a-z0-9-]+)", self.run_kms("--help").stdout))
        self.assertEqual(told, have)

    def test_configuration_that_is_missing(self):
        os.unlink(self.config.file)
        self.assert_refused(3, "hsmbridge.conf", "--key", "kek", "--listen", "/tmp/unused")

    def test_process_leaves_no_core_dump(self):
        plugin = self.serve()
        with open("/proc/%d/limits" % plugin.process.pid, encoding="ascii") as limits:
            self.assertRegex(limits.read(), r"Max core file size +0 +0 ")

    def test_log_lines_are_json_when_asked(self):
        plugin = self.serve("--log-format-json")
        plugin.client.status()
        lines = [json.loads(line) for line in self.config.log().splitlines()]
        self.assertTrue(any(line["level"] == "info" and "is served at" in line["msg"]
                            for line in lines), lines)


class ChangeTest(DaemonCase):
    def activate(self, listener, *more):
        """Starts a plugin with a listening socket passed on, as systemd does."""
        args = [kms_path(), "--slot", "kms", "--key", "kek", "-v", "1", *more]

        def pass_on():
            os.dup2(listener.fileno(), 3)
            os.set_inheritable(3, True)

        process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *args],
            env=self.config.env(), preexec_fn=pass_on, close_fds=True, pass_fds=(3,))
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.wait()))
        return process

    def listener(self, path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(128)
        self.addCleanup(listener.close)
        return listener

    def test_restart_under_load_with_socket_activation_fails_no_call(self):
        path = self.config.path("kms.sock")
        listener = self.listener(path)
        process = self.activate(listener)
        with Load(path) as load:
            for _ in range(3):
                time.sleep(1)
                successor = self.activate(listener)
                time.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(20), 0)
                process = successor
            time.sleep(0.5)
        self.assertEqual(load.errors, [])
        self.assertGreater(load.calls, 200)
        self.assertTrue(os.path.exists(path))  # it is the manager's

    def test_successor_takes_over_under_load_and_no_call_fails(self):
        plugin = self.serve()
        with Load(plugin.path) as load:
            for _ in range(3):
                time.sleep(1)
                before = plugin.process
                plugin.start("--take-over", wait=False)
                self.assertEqual(before.wait(20), 0)
            time.sleep(0.5)
        self.assertEqual(load.errors, [])
        self.assertGreater(load.calls, 200)
        self.assertEqual(plugin.get("/livez"), (200, "ok\n"))
        self.assertEqual(plugin.stop(), 0)
        self.assertFalse(os.path.exists(plugin.path))

    def test_take_over_from_nobody_is_a_start(self):
        plugin = self.serve("--take-over")
        plugin.client.status()

    def test_successor_that_fails_changes_nothing(self):
        plugin = self.serve()
        self.assert_refused(2, "not an address", "--slot", "kms", "--key", "kek", "--listen",
                            plugin.path, "--take-over", "--healthz-address", "x",
                            "--healthz-port", "1")
        plugin.client.status()
        self.assertIsNone(plugin.process.poll())
        self.assertTrue(os.path.exists(plugin.path))

    def test_plain_restart_under_load_fails_no_call(self):
        plugin = self.serve()
        with Load(plugin.path) as load:
            time.sleep(1)
            self.assertEqual(plugin.stop(), 0)
            plugin.start()
            time.sleep(1.5)
        self.assertEqual(load.errors, [])
        self.assertLess(load.worst, 6)

    def test_calls_under_way_are_answered_before_the_end(self):
        plugin = self.serve()
        plugin.client.status()
        self.vault.fault("delay", "/v1/transit/encrypt/", seconds=1.5)
        result = []
        thread = threading.Thread(target=lambda: result.append(plugin.client.encrypt(SEED)))
        thread.start()
        time.sleep(0.5)
        self.assertEqual(plugin.stop(), 0)
        thread.join()
        self.assertEqual(len(result), 1)

    def test_end_does_not_wait_for_ever(self):
        plugin = self.serve("--drain-timeout", "1s")
        plugin.client.status()
        self.vault.freeze()
        thread = threading.Thread(target=self.ignore, args=(plugin.client.encrypt, SEED))
        thread.start()
        time.sleep(0.3)
        began = time.monotonic()
        self.assertEqual(plugin.stop(), 0)
        self.assertLess(time.monotonic() - began, 8)
        self.vault.thaw()
        plugin.client.close()
        thread.join()

    @staticmethod
    def ignore(function, *args):
        try:
            function(*args)
        except (grpc.RpcError, ValueError):
            pass

    def test_sighup_takes_over_what_the_configuration_says(self):
        plugin = self.serve()
        before = plugin.client.encrypt(SEED)
        time.sleep(1.1)  # Vault tells the second in which a key was made
        other = self.enter(Double(authority=self.vault.authority))
        other.setup_transit(kek="aes256-gcm96")
        self.config.slot("kms", other, timeout="3s")
        plugin.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 15
        while plugin.client.status().key_id == before.key_id:
            self.assertLess(time.monotonic(), deadline, self.config.log())
            time.sleep(0.1)
        self.assertEqual(plugin.client.decrypt(plugin.client.encrypt(SEED)), SEED)

    def test_sighup_with_a_broken_configuration_changes_nothing(self):
        plugin = self.serve()
        plugin.client.status()
        with open(self.config.file, "w", encoding="ascii") as out:
            out.write("[slat]\n")
        plugin.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 15
        while "stays as it was" not in self.config.log():
            self.assertLess(time.monotonic(), deadline, self.config.log())
            time.sleep(0.1)
        self.assertEqual(plugin.client.decrypt(plugin.client.encrypt(SEED)), SEED)

    def test_manager_is_told_of_start_and_end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(20)
            manager.bind(self.config.path("notify"))
            os.environ["NOTIFY_SOCKET"] = self.config.path("notify")
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET", None)
            plugin = self.serve()
            self.assertEqual(manager.recv(100), b"READY=1")
            plugin.process.send_signal(signal.SIGHUP)
            self.assertEqual(manager.recv(100), b"RELOADING=1")
            self.assertEqual(manager.recv(100), b"READY=1")
            plugin.stop()
            self.assertEqual(manager.recv(100), b"STOPPING=1")


if __name__ == "__main__":
    unittest.main()
