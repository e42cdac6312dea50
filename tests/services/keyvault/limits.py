# SPDX-License-Identifier: Apache-2.0
"""Requests in ten seconds: learn.microsoft.com, "Azure Key Vault service limits"."""

import collections
import threading
import time

from .errors import refused

WINDOW = 10  # seconds
WHOLE = 4000  # operations with RSA-2048 or EC keys in software
BITS = {2048: 1, 3072: 4, 4096: 8}  # what one counts for
MAKING = 200  # making a key: 20 of software, 10 of an HSM


class Limits:
    """off until `limit` is set: how many of the lightest operations a window has."""

    def __init__(self):
        self.limit = None
        self.retry_after = None  # seconds to tell a throttled client; None: it is told nothing
        self._lock = threading.Lock()
        self._taken = collections.deque()
        self._sum = 0

    def charge(self, version, making):
        """Refuses what is over the limit; that does not count."""
        if self.limit is None:
            return
        weight = MAKING if making else BITS.get(version.spec.size, 1)
        if version.kty.endswith("-HSM"):
            weight *= 2
        with self._lock:
            now = time.monotonic()
            while self._taken and self._taken[0][0] < now - WINDOW:
                self._sum -= self._taken.popleft()[1]
            if self._sum + weight > self.limit:
                raise throttled(self.retry_after)
            self._taken.append((now, weight))
            self._sum += weight


def throttled(retry_after=None):
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return refused(429, "Throttled", "Request was not processed because too many requests were "
                   "received. Reason: VaultRequestTypeLimitReached", headers=headers)
