#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hsmbridge-kes under load for a while: data keys made and opened by MinIO's SDK and by connections
of our own, clients that vanish, a new certificate and a new process in the middle. No call fails,
and no memory is lost."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from cryptography import x509

from clients import build_go
from harness import HarnessTestCase, TempConfig
from kes_program import KesProgram, kes_program
from process import die_with_parent

SECONDS = 20
WORKERS = 4  # beside the SDK's eight
RSS_MAX = 16 << 10  # kB; each CPU has its lane
GROWTH_MAX = 4 << 10  # of 200,000 requests; what threads' arenas take in a burst
UNCOUNTED = "asan"  # a build whose memory says nothing


class Worker(threading.Thread):
    """Data keys made and opened on one connection, which is made anew when the server ends it
    between two answers."""

    def __init__(self, kes, until):
        super().__init__()
        self.kes, self.until = kes, until
        self.context = kes.client_context()
        self.done, self.faults, self.connected = 0, [], 0

    def request(self, path, body=b""):
        for _ in range(3):
            if self.door is None:
                self.door = http.client.HTTPSConnection("localhost", self.kes.port, timeout=20,
                                                        context=self.context)
                self.connected += 1
            try:
                self.door.request("PUT", path, body)
                reply = self.door.getresponse()
                text = reply.read()
                if reply.will_close:
                    self.door.close()
                    self.door = None
                if reply.status != 200:
                    raise ValueError("%d %s" % (reply.status, text))
                return json.loads(text)
            except (http.client.RemoteDisconnected, ConnectionError):
                self.door.close()
                self.door = None
        raise ValueError("three connections ended without an answer")

    def run(self):
        self.door = None
        try:
            while time.monotonic() < self.until:
                made = self.request("/v1/key/generate/app")
                opened = self.request("/v1/key/decrypt/app",
                                      json.dumps({"ciphertext": made["ciphertext"]}))
                if opened["plaintext"] != made["plaintext"]:
                    raise ValueError("another data key came back")
                self.done += 1
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(repr(fault))
        if self.door is not None:
            self.door.close()


class SoakTest(HarnessTestCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.kes = KesProgram(self.config, start=False, create="app")
        self.addCleanup(self.kes.__exit__)
        self.listener = socket.create_server(("127.0.0.1", self.kes.port), backlog=512)
        self.addCleanup(self.listener.close)
        self.kes.process = self.launch()
        deadline = time.monotonic() + 20
        while self.kes.admin.call("GET", "/v1/key/describe/app").status != 200:
            self.assertLess(time.monotonic(), deadline, self.kes.errors())

    def launch(self):
        """A server with the socket that is there all the time, as a service manager would."""
        def prepare():
            die_with_parent()
            os.dup2(self.listener.fileno(), 3)

        with open(self.config.path("kes.err"), "ab") as err, \
                open(self.config.path("kes.out"), "ab") as out:
            return subprocess.Popen(
                ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", kes_program()],
                stderr=err, stdout=out, env=self.config.env(), preexec_fn=prepare, pass_fds=[3])

    def rss(self, seconds=2):
        """The least of so many seconds: connections come and go in bursts."""
        least, until = 1 << 40, time.monotonic() + seconds
        while time.monotonic() < until:
            with open("/proc/%d/status" % self.kes.pid, encoding="ascii") as status:
                least = min(least, next(int(line.split()[1]) for line in status
                                        if line.startswith("VmRSS")))
            time.sleep(0.1)
        return least

    def counts(self):
        with open("/proc/%d/maps" % self.kes.pid, encoding="ascii") as maps:
            return UNCOUNTED not in maps.read()

    def sdk(self, seconds, http_version):
        client = self.kes.admin_client
        return subprocess.Popen(
            [build_go("kes_go"), self.kes.url, self.kes.ca, "soak", "app", "%ds" % seconds],
            env=dict(os.environ, KES_CLIENT_CERT=client.cert, KES_CLIENT_KEY=client.key,
                     KES_HTTP=http_version), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=die_with_parent)

    def assert_sdk_is_well(self, process):
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        counts = json.loads(out)
        self.assertEqual([(count["Failed"], count["Fault"]) for count in counts], [(0, "")] * 8)
        for count in counts:
            self.assertGreater(count["Done"], 0)

    def assert_workers_are_well(self, workers):
        for worker in workers:
            worker.join(60)
            self.assertFalse(worker.is_alive())
            self.assertEqual(worker.faults, [])
            self.assertGreater(worker.done, 0)

    def vanish(self, count):
        """Clients that go in every way there is, in the middle of what they do."""
        request = b"PUT /v1/key/decrypt/app HTTP/1.1\r\nHost: kes\r\nContent-Length: 500\r\n\r\n{"
        for number in range(count):
            if number % 3 == 0:  # in the handshake
                plain = socket.create_connection(("127.0.0.1", self.kes.port), 20)
                plain.sendall(b"\x16\x03\x01")
                plain.close()
                continue
            conn = self.kes.connect()
            conn.sendall(request[:number % len(request) + 1])
            if number % 3 == 1:  # a reset in place of an end
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            conn.close()

    def renew_certificate(self):
        """Returns the new one's serial number once it is shown."""
        cert, key = self.kes.authority.issue("renewed", ("127.0.0.1", "localhost"))
        os.replace(key, self.kes.key)
        os.replace(cert, self.kes.cert)
        os.kill(self.kes.pid, signal.SIGHUP)
        with open(self.kes.cert, "rb") as file:
            wanted = x509.load_pem_x509_certificate(file.read()).serial_number
        deadline = time.monotonic() + 30
        while self.shown_serial() != wanted:
            self.assertLess(time.monotonic(), deadline, self.config.log())
            time.sleep(0.1)

    def shown_serial(self):
        with self.kes.connect() as conn:
            return x509.load_der_x509_certificate(conn.getpeercert(True)).serial_number

    def restart(self):
        """The old process ends with all that it was asked; meanwhile the new one serves."""
        before, self.kes.process = self.kes.process, self.launch()
        before.send_signal(signal.SIGTERM)
        self.assertEqual(before.wait(30), 0, self.kes.errors())

    def test_soak(self):
        until = time.monotonic() + SECONDS
        sdk = self.sdk(SECONDS, "2")
        workers = [Worker(self.kes, until) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        time.sleep(2)
        first = self.rss()
        self.vanish(30)
        self.renew_certificate()
        time.sleep(max(0, until - time.monotonic() - 11))
        middle = self.rss()
        counts = self.counts()
        self.restart()
        time.sleep(1)
        after = self.rss()
        time.sleep(max(0, until - time.monotonic() - 2.5))
        last = self.rss()
        self.assert_workers_are_well(workers)
        self.assert_sdk_is_well(sdk)
        if counts:
            self.assertLess(middle - first, GROWTH_MAX)
            self.assertLess(last - after, GROWTH_MAX)
            self.assertLessEqual(max(first, middle, after, last), RSS_MAX)

    def test_end_when_a_client_was_served_just_now_then_its_next_request_is_answered(self):
        door = http.client.HTTPSConnection("localhost", self.kes.port, timeout=20,
                                           context=self.kes.client_context())
        self.addCleanup(door.close)
        door.request("GET", "/version")
        self.assertIn(b"version", door.getresponse().read())
        self.kes.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        door.request("PUT", "/v1/key/generate/app")
        reply = door.getresponse()
        self.assertEqual((reply.status, reply.getheader("Connection")), (200, "close"))
        reply.read()
        door.close()
        self.assertEqual(self.kes.process.wait(20), 0)

    def test_new_certificate_when_connections_are_open_then_they_go_on(self):
        workers = [Worker(self.kes, time.monotonic() + 5) for _ in range(2)]
        for worker in workers:
            worker.start()
        self.renew_certificate()
        self.assert_workers_are_well(workers)
        self.assertEqual([worker.connected for worker in workers], [1, 1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
