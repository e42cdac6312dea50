# SPDX-License-Identifier: Apache-2.0
"""Counters that tests assert on."""

import collections
import threading
import time


class Stats:
    """Counters since the start or the last reset."""

    KEPT = 1000  # requests in full, the newest

    def __init__(self):
        self._lock = threading.Lock()
        self._open = 0
        self._in_flight = 0
        self.reset()

    def reset(self):
        with self._lock:
            self._counts = {"requests": 0, "connections": 0, "handshakes": 0,
                            "max_in_flight": self._in_flight,
                            "batches": 0, "batch_items": 0, "max_batch": 0}
            self._by_path, self._by_status = {}, {}
            self._recent = collections.deque(maxlen=self.KEPT)
            self._started = time.time()

    def accepted(self):
        with self._lock:
            self._counts["connections"] += 1
            self._open += 1

    def closed(self):
        with self._lock:
            self._open -= 1

    def handshake(self):
        with self._lock:
            self._counts["handshakes"] += 1

    def begin(self, request):
        entry = {"at": time.time(), "method": request.method, "path": request.path,
                 "query": request.query, "headers": request.headers,
                 "body": request.body[:4096].decode("utf-8", "replace"), "status": None}
        name = "%s %s" % (request.method, request.path)
        with self._lock:
            request.entry = entry
            self._in_flight += 1
            self._counts["requests"] += 1
            self._counts["max_in_flight"] = max(self._counts["max_in_flight"], self._in_flight)
            self._by_path[name] = self._by_path.get(name, 0) + 1
            self._recent.append(entry)

    def end(self, request, status_code):
        """status_code None: no complete answer went out."""
        with self._lock:
            self._in_flight -= 1
            request.entry["status"] = status_code
            if request.batch:
                self._counts["batches"] += 1
                self._counts["batch_items"] += request.batch
                self._counts["max_batch"] = max(self._counts["max_batch"], request.batch)
            name = str(status_code or "none")
            self._by_status[name] = self._by_status.get(name, 0) + 1

    def report(self):
        with self._lock:
            return dict(self._counts, open_connections=self._open, in_flight=self._in_flight,
                        by_path=dict(self._by_path), by_status=dict(self._by_status),
                        seconds=round(time.time() - self._started, 3))

    def recent(self):
        with self._lock:
            return list(self._recent)
