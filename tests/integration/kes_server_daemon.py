#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KES-compatible server as a daemon: its end, the reload of its configuration, sockets that are
passed on, load over several threads, and bad command lines."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import HarnessTestCase, TempConfig
from kes_program import KesProgram, kes_program
from kes_server import make_certificate
from kes_server_http import HOST, VERSION, HttpCase
from process import die_with_parent

SLOW = b"PUT /v1/key/generate/app HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{"


class EndTest(HttpCase):
    def test_what_was_asked_is_answered_and_idle_connections_end(self):
        self.serve()
        idle, idle_replies = self.connect()
        idle.sendall(VERSION)
        idle_replies.next()
        busy, busy_replies = self.connect()
        busy.sendall(SLOW)
        time.sleep(0.5)
        self.kes.process.terminate()
        self.assertTrue(idle_replies.at_end())
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", self.kes.port), 5)
        self.assertIsNone(self.kes.process.poll())
        busy.sendall(b"}")
        status, headers, _ = busy_replies.next()
        self.assertEqual((status, headers["connection"]), (200, "close"))
        self.assertTrue(busy_replies.at_end())
        busy.close()
        idle.close()
        self.assertEqual(self.kes.process.wait(20), 0)

    def test_end_waits_no_longer_than_it_may(self):
        self.serve("--drain-timeout", "1s")
        conn, _ = self.connect()
        conn.sendall(SLOW)
        time.sleep(0.3)
        began = time.monotonic()
        self.assertEqual(self.kes.stop(), 0)
        self.assertLess(time.monotonic() - began, 4)

    def test_process_leaves_no_core_dump(self):
        self.serve()
        with open("/proc/%d/limits" % self.kes.pid, encoding="ascii") as limits:
            self.assertRegex(limits.read(), r"Max core file size +0 +0 ")

    def test_connections_are_spread_over_threads_and_all_are_answered(self):
        self.serve("--threads", "3")
        failed = []

        def call():
            conn, replies = self.connect()
            for _ in range(200):
                conn.sendall(b"PUT /v1/key/generate/app HTTP/1.1\r\n" + HOST +
                             b"Content-Length: 0\r\n\r\n")
                status, _, body = replies.next()
                if status != 200 or len(json.loads(body)) != 2:
                    failed.append((status, body))

        threads = [threading.Thread(target=call) for _ in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        spent = [self.cpu_ticks(task) for task in os.listdir("/proc/%d/task" % self.kes.pid)]
        self.assertGreaterEqual(sum(1 for ticks in spent if ticks > 0), 3, spent)

    def cpu_ticks(self, task):
        with open("/proc/%d/task/%s/stat" % (self.kes.pid, task), encoding="ascii") as stat:
            words = stat.read().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])


class ReloadTest(HttpCase):
    def wait_for(self, text, count=1):
        deadline = time.monotonic() + 20
        while self.config.log().count(text) < count:
            self.assertLess(time.monotonic(), deadline, self.config.log())
            time.sleep(0.05)

    def reload(self):
        self.kes.write()
        self.kes.process.send_signal(signal.SIGHUP)

    def test_policies_change_under_open_connections(self):
        kes = self.serve()
        app = make_certificate(self.config.dir, "app")
        conn, replies = self.connect(client=app)
        request = (b"PUT /v1/key/generate/app HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n")
        conn.sendall(request)
        self.assertEqual(replies.next()[0], 403)
        kes.policies["app"] = {"allow": "/v1/key/generate/app*", "identities": app.identity}
        self.reload()
        self.wait_for("has been read again")
        conn.sendall(request)
        self.assertEqual(replies.next()[0], 200)
        kes.policies["app"]["deny"] = "/v1/key/generate/app"
        self.reload()
        self.wait_for("has been read again", 2)
        conn.sendall(request)
        self.assertEqual(replies.next()[0], 403)

    def test_configuration_that_cannot_be_used_changes_nothing(self):
        kes = self.serve()
        before = dict(kes.options)
        for option, value, pattern in (("cert_file", self.config.path("none"), "none"),
                                       ("store", "cloud", "cloud"),
                                       ("client_cert_expiry", "perhaps", "perhaps")):
            kes.options = dict(before, **{option: value})
            count = self.config.log().count("stays as it was")
            self.reload()
            self.wait_for("stays as it was", count + 1)
            self.assertRegex(self.config.log().splitlines()[-1], pattern)
            self.assertEqual(kes.admin.call("PUT", "/v1/key/generate/app").status, 200)

    def test_keys_of_the_start_and_another_store(self):
        kes = self.serve()
        kes.options["create"] = "app more"
        self.reload()
        self.wait_for("key 'more' has been made")
        self.assertEqual(kes.admin.call("GET", "/v1/key/describe/more").status, 200)
        kes.options["directory"] = self.config.path("elsewhere")
        os.mkdir(kes.options["directory"], 0o700)
        kes.options["create"] = "other"
        self.reload()
        self.wait_for("key 'other' has been made")
        self.assertEqual(kes.admin.call("GET", "/v1/key/describe/more").status, 404)
        self.assertEqual(kes.admin.call("GET", "/v1/key/describe/other").status, 200)


class ManagerTest(HttpCase):
    def test_socket_is_passed_on(self):
        self.config = self.enter(TempConfig(log_level="info"))
        self.kes = self.enter(KesProgram(self.config, start=False, address="127.0.0.1:1"))
        with socket.create_server(("127.0.0.1", self.kes.port)) as listener:

            def pass_on():
                die_with_parent()
                os.dup2(listener.fileno(), 3)
                os.set_inheritable(3, True)

            self.kes.process = subprocess.Popen(
                ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", kes_program()],
                env=self.config.env(), preexec_fn=pass_on, pass_fds=(3,))
            self.assertEqual(self.kes.admin.call("GET", "/version").status, 200)
            self.assertEqual(self.kes.stop(), 0)

    def test_manager_is_told_of_start_reload_and_end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            self.config = self.enter(TempConfig(log_level="info"))
            manager.settimeout(20)
            manager.bind(self.config.path("notify"))
            os.environ["NOTIFY_SOCKET"] = self.config.path("notify")
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
            self.kes = self.enter(KesProgram(self.config))
            self.assertEqual(manager.recv(100), b"READY=1")
            self.kes.process.send_signal(signal.SIGHUP)
            self.assertEqual(manager.recv(100), b"RELOADING=1")
            self.assertEqual(manager.recv(100), b"READY=1")
            self.kes.process.terminate()
            self.assertEqual(manager.recv(100), b"STOPPING=1")


class UsageTest(HarnessTestCase):
    def setUp(self):
        self.config = self.enter(TempConfig(log_level="info"))
        self.kes = KesProgram(self.config, start=False)

    def run_kes(self, *args):
        return subprocess.run([kes_program(), *args], env=self.config.env(), capture_output=True,
                              text=True, timeout=60, check=False)

    def assert_refused(self, code, pattern, *args):
        done = self.run_kes(*args)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_bad_command_lines(self):
        for code, pattern, args in (
                (2, "unknown option '--adress'; did you mean 'address'", ["--adress", "x"]),
                (2, "'serve' is no option", ["serve"]),
                (2, "--threads", ["--threads", "0"]),
                (2, "--spin", ["--spin", "long"]),
                (2, "not an address and a port", ["--address", "localhost"]),
                (2, "not an address to listen at", ["--address", "kes.example:7373"]),
                (3, "cannot listen at", ["--address", "192.0.2.1:7373"]),
                (3, "none.conf", ["--config", self.config.path("none.conf")]),
                (3, "none.yml", ["--kes-config", self.config.path("none.yml")])):
            with self.subTest(args=args):
                self.assert_refused(code, pattern, *args)

    def test_address_that_somebody_has(self):
        with socket.create_server(("127.0.0.1", self.kes.port)):
            self.assert_refused(3, "cannot listen at .*%d: Address already in use" % self.kes.port)

    def test_help_version_and_manual(self):
        told = self.run_kes("--help").stdout
        self.assertRegex(self.run_kes("--version").stdout, r"^hsmbridge-kes \d")
        page = os.path.join(os.environ["HSMBRIDGE_SOURCE"], "docs", "man", "hsmbridge-kes.8.scd")
        with open(page, encoding="utf-8") as file:
            entries = [line for line in file if line.startswith("*--")]
        self.assertEqual(set(re.findall(r"\*--([a-z0-9-]+)\*", "".join(entries))),
                         set(re.findall(r"(?m)^  --([a-z0-9-]+)", told)))

    def test_log_lines_are_json_when_asked(self):
        self.kes.args.append("--log-format-json")
        with self.kes:
            self.kes.start()
            self.assertEqual(self.kes.stop(), 0)
        lines = [json.loads(line) for line in self.config.log().splitlines()]
        self.assertTrue(any("serving at" in line["msg"] for line in lines), lines)


if __name__ == "__main__":
    unittest.main()
