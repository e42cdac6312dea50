# SPDX-License-Identifier: Apache-2.0
"""A server process of a test, and orders to a double through its side door.

    class Double(Controlled, SomeServer): ...

The orders: double/control.py and double/faults.py.
"""

import ctypes
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

PYTHON = "/usr/bin/python3"  # Debian's own, which has python3-cryptography
START_MAX = 30  # seconds
PR_SET_PDEATHSIG = 1


class ServerError(Exception):
    """A set-up call that the server refused."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Directory:
    """A temporary directory that only its owner can read; gone at the end of the `with`."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="hsmbridge-test-")

    def path(self, name):
        return os.path.join(self.dir, name)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Process:
    """A server process; its directory, port and ready line. Stopped and removed at the end of the
    `with`."""

    def __init__(self):
        self._directory = Directory()
        self.dir = self._directory.dir
        self._process = None
        self.ready = None
        self.pid = None

    def _command(self, port):
        raise NotImplementedError

    def launch(self, port):
        """Starts the server and reads its ready line."""
        with open(self._directory.path("server.log"), "ab") as log:
            self._process = subprocess.Popen(self._command(port), stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=log,
                                             preexec_fn=die_with_parent)
        self.ready = json.loads(self._first_line())
        self.pid = self.ready["pid"]

    def _first_line(self):
        """The ready line; kills a server that does not print it in time."""
        timer = threading.Timer(START_MAX, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            self._process.wait()
            with open(self._directory.path("server.log"), encoding="utf-8") as log:
                raise RuntimeError("the server did not start: " + log.read()[-2000:])
        return line

    def stop(self):
        """Ends this server, and nothing else. start() brings it back, with nothing in it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None

    def freeze(self):
        """SIGSTOP: accepts connections (the kernel does), answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        while not self._is_stopped():  # its threads stop one after the other
            time.sleep(0.001)

    def _is_stopped(self):
        tasks = "/proc/%d/task" % self.pid
        states = []
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "stat"), encoding="ascii") as stat:
                states.append(stat.read().rpartition(")")[2].split()[0])
        return all(state in "Tt" for state in states)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._directory.remove()


class Controlled:
    """Orders to a double; `ready` is its ready line."""

    def control(self, method, path, body=None):
        """The side door: plain HTTP on a port of its own, so nothing of it is counted."""
        door = http.client.HTTPConnection(urllib.parse.urlsplit(self.ready["control"]).netloc,
                                          timeout=60)
        try:
            door.request(method, "/_double/" + path, json.dumps(body or {}))
            reply = door.getresponse()
            text = reply.read().decode()
        finally:
            door.close()
        if reply.status != 200:
            raise ServerError("%s %s: %s" % (method, path, text))
        return json.loads(text)

    def fault(self, action, path="/", count=1, **order):
        """Orders a fault; count 0: until clear(). Returns its id."""
        return self.control("POST", "faults", dict(order, action=action, path=path,
                                                   count=count))["id"]

    def connect_fault(self, action, count=1, **order):
        """hang, close, reset or delay, before TLS."""
        return self.fault(action, count=count, stage="connect", **order)

    def clear(self, ident=None):
        self.control("DELETE", "faults" if ident is None else "faults/%d" % ident)

    def hits(self, ident):
        """How many requests or connections a fault has met."""
        for fault in self.control("GET", "faults")["faults"]:
            if fault["id"] == ident:
                return fault["hits"]
        raise LookupError("fault %d is not in force" % ident)

    def stats(self):
        return self.control("GET", "stats")

    def count(self, prefix=""):
        """Requests since reset() whose "METHOD /path" begins like this."""
        return sum(number for name, number in self.stats()["by_path"].items()
                   if name.startswith(prefix))

    def requests(self):
        return self.control("GET", "requests")["requests"]

    def reset(self):
        """Forgets faults and counters: the line between a test's set-up and its body."""
        self.control("POST", "reset")

    def refuse_connections(self):
        """Nothing listens on the port any more; what is open stays open."""
        self.control("POST", "listener", {"open": False})

    def accept_connections(self):
        self.control("POST", "listener", {"open": True})

    def drop_connections(self, reset=False):
        return self.control("POST", "connections/drop", {"reset": reset})["dropped"]
