# SPDX-License-Identifier: Apache-2.0
"""Bad weather on demand.

A fault is a JSON object:

    action   what happens, one of ACTIONS (for a request) or CONNECT_ACTIONS (stage "connect")
    path     prefix of the request paths that it meets (default: all but the tests' own)
    suffix   what these paths end with
    host     only requests to this host, or with a leading dot to any below it
    method   only requests of this method
    count    how many it meets before it is used up; 0: every one until it is cleared (default 1)
    skip     how many matching ones pass unharmed before (default 0)
    one_in   of so many matching ones it strikes the last (default 1: each)
    delay    seconds to wait first, whatever the action
    and the action's own parameters, which stand with each action below or, for those that know
    what one service's answers mean, in vault_faults.py and ../keyvault/weather.py.
"""

import itertools
import threading

from .wire import Response

HANG_MAX = 600  # seconds; a forgotten fault must not keep a thread for ever
CHUNK = 1 << 16


class Fault:
    def __init__(self, ident, order, api):
        self.id = ident
        self.api = api
        self.order = order
        self.stage = order.get("stage", "request")
        self.left = int(order.get("count", 1)) or None  # None: until cleared
        self.skip = int(order.get("skip", 0))
        self.one_in = int(order.get("one_in", 1))
        self.met = 0
        self.hits = 0
        self.cleared = threading.Event()

    def get(self, name, default=None):
        return self.order.get(name, default)

    def matches(self, stage, request):
        if self.stage != stage or self.left == 0:
            return False
        if request is None:
            return True
        return (request.path.startswith(self.get("path", "/"))
                and request.path.endswith(self.get("suffix", ""))
                and self._matches_host(request.headers.get("host", ""))
                and self.get("method", request.method) == request.method)

    def _matches_host(self, header):
        wanted, host = self.get("host", ""), header.rsplit(":", 1)[0].lower()
        return not wanted or host == wanted or wanted[0] == "." and host.endswith(wanted)

    def take(self):
        """Counts a match; whether it is struck."""
        if self.skip:
            self.skip -= 1
            return False
        self.met += 1
        if self.met % self.one_in:
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        return True

    def wait(self, seconds):
        """Waits, but not longer than until the fault is cleared."""
        self.cleared.wait(seconds)

    def describe(self):
        return dict(self.order, id=self.id, hits=self.hits, left=self.left)


# ---- what can happen to a request: (response or None, whether the connection stays) ----

def delay(fault, connection, request, handle):
    """Only `delay`."""
    return handle(request), True


def hang(fault, connection, request, handle):
    """Never answers; ends the connection when it is cleared, or after `seconds`."""
    fault.wait(fault.get("seconds", HANG_MAX))
    return None, False


def cut(fault, connection, request, handle):
    """Sends `after` bytes of the real answer (head and body), then FIN, or RST with `rst`."""
    connection.send(handle(request).encode()[:int(fault.get("after", 0))])
    if fault.get("rst"):
        connection.reset()
    return None, False


def status(fault, connection, request, handle):
    """Answers `status` with `headers` and a `body` (JSON), or `text` of `content_type`, without
    touching the server's state."""
    body = fault.get("body", {"errors": []})
    if "text" in fault.order:
        body = fault.get("text").encode()
    return Response(int(fault.get("status", 500)), body, fault.get("headers"),
                    fault.get("content_type", "application/json")), True


def huge(fault, connection, request, handle):
    """A 200 whose body begins with `start` and has `bytes` bytes (default 1 GiB); Content-Length
    unless `chunked`."""
    left, chunked = int(fault.get("bytes", 1 << 30)), fault.get("chunked")
    how = "Transfer-Encoding: chunked" if chunked else "Content-Length: %d" % left
    connection.send(("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%s\r\n\r\n"
                     % how).encode())
    start = fault.get("start", '{"data":{"signature":"').encode()
    while left > 0 and not fault.cleared.is_set():
        data = (start + b"A" * CHUNK)[:min(left, CHUNK)]
        connection.send(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        start, left = b"", left - len(data)
    return None, False


def trickle(fault, connection, request, handle):
    """The real answer, `chunk` bytes (default 1) every `every` seconds (default 0.1)."""
    data, size = handle(request).encode(), int(fault.get("chunk", 1))
    for start in range(0, len(data), size):
        connection.send(data[start:start + size])
        fault.wait(float(fault.get("every", 0.1)))
    return None, True


ACTIONS = {action.__name__: action for action in (delay, hang, cut, status, huge, trickle)}


# ---- what can happen to a connection before TLS: whether it goes on ----

def connect_delay(fault, connection):
    """Only `delay`."""
    return True


def connect_hang(fault, connection):
    """Accepts, and then never says anything."""
    fault.wait(fault.get("seconds", HANG_MAX))
    return False


def connect_close(fault, connection):
    """Closes at once."""
    return False


def connect_reset(fault, connection):
    """Resets at once."""
    connection.reset()
    return False


CONNECT_ACTIONS = {"delay": connect_delay, "hang": connect_hang, "close": connect_close,
                   "reset": connect_reset}


class Faults:
    """The faults in force, in the order in which they were made; the first that matches counts.
    actions: what one service has beside ACTIONS; api: what these work on."""

    kind = Fault

    def __init__(self, api=None, actions=None):
        self._api = api
        self._actions = dict(ACTIONS, **(actions or {}))
        self._lock = threading.Lock()
        self._faults = []
        self._ids = itertools.count(1)

    def add(self, order):
        stage = order.get("stage", "request")
        known = {"request": self._actions, "connect": CONNECT_ACTIONS}.get(stage)
        if known is None or order.get("action") not in known:
            raise ValueError("unknown stage or action; actions are: "
                             + " ".join(known or ["request", "connect"]))
        fault = self.kind(next(self._ids), dict(order), self._api)
        with self._lock:
            self._faults.append(fault)
        return fault.id

    def clear(self, ident=None):
        with self._lock:
            gone = [fault for fault in self._faults if ident in (None, fault.id)]
            self._faults = [fault for fault in self._faults if fault not in gone]
        for fault in gone:
            fault.cleared.set()
        return len(gone)

    def list(self):
        with self._lock:
            return [fault.describe() for fault in self._faults]

    def _pick(self, stage, request=None):
        with self._lock:
            for fault in self._faults:
                if fault.matches(stage, request):
                    return fault if fault.take() else None
        return None

    def meet_connection(self, connection):
        fault = self._pick("connect")
        if fault is None:
            return True
        fault.wait(float(fault.get("delay", 0)))
        return CONNECT_ACTIONS[fault.get("action")](fault, connection)

    def meet_request(self, connection, request, handle):
        fault = self._pick("request", request)
        if fault is None:
            return handle(request), True
        fault.wait(float(fault.get("delay", 0)))
        return self._actions[fault.get("action")](fault, connection, request, handle)
