# SPDX-License-Identifier: Apache-2.0
"""Beside double/control.py, where `party` in a fault's order says whose it is:

    POST state           window (seconds that a result is waited for), latency (of a decryption)
    POST party           party, and of it: sync, initialized, keys, bucket (service.py)
    POST kill            party: its connections are reset, its port is shut, its results are gone
    POST restart         party: after kill
    POST listener        {"open": bool, "party": N}
    POST connections/drop  {"reset": bool, "party": N}; without a party: of all
"""

import asyncio

from double.control import Control
from double.stats import Stats


class PartyStats(Stats):
    """With connections counted for each party; `most` that were open at a time."""

    BODY_KEPT = 1 << 20

    def __init__(self):
        self._open_by, self._most = {}, {}
        super().__init__()

    def reset(self):
        super().reset()
        self._most = dict(self._open_by)

    def accepted_by(self, party, tls):
        self.accepted()
        if tls:
            self.handshake()
        self._open_by[party] = self._open_by.get(party, 0) + 1
        self._most[party] = max(self._most.get(party, 0), self._open_by[party])

    def closed_by(self, party):
        self.closed()
        self._open_by[party] -= 1

    def report(self):
        return dict(super().report(), open_by_party=dict(self._open_by),
                    most_by_party=dict(self._most))


class ZamaControl(Control):
    def __init__(self, service, doors, weather, stats, loop):
        super().__init__(weather, stats)
        self._service, self._doors, self._loop = service, doors, loop
        for name in ("state", "party", "kill", "restart", "listener", "connections/drop"):
            self.add(name, self._in_loop(getattr(self, "_do_" + name.partition("/")[0])))

    def _in_loop(self, action):
        """The parties live in a thread of their own."""
        def ordered(body):
            return asyncio.run_coroutine_threadsafe(action(body), self._loop).result(30) or {}
        return ordered

    def _of(self, body):
        return self._doors[body["party"]], self._service.parties[body["party"]]

    async def _do_state(self, body):
        self._service.window = float(body.get("window", self._service.window))
        self._service.joints.latency = float(body.get("latency", self._service.joints.latency))

    async def _do_party(self, body):
        _, party = self._of(body)
        party.has_sync = body.get("sync", party.has_sync)
        party.initialized = body.get("initialized", party.initialized)
        party.key_ids = body.get("keys", party.key_ids)
        party.bucket = body.get("bucket", party.bucket)

    async def _do_kill(self, body):
        door, party = self._of(body)
        await door.shut()
        door.drop(True)
        self._service.died(party)

    async def _do_restart(self, body):
        door, party = self._of(body)
        self._service.came_back(party)
        await door.open()

    async def _do_listener(self, body):
        door, _ = self._of(body)
        await (door.open() if body["open"] else door.shut())

    async def _do_connections(self, body):
        doors = [self._doors[body["party"]]] if "party" in body else list(self._doors.values())
        return {"dropped": sum(door.drop(bool(body.get("reset"))) for door in doors)}
