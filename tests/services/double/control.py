# SPDX-License-Identifier: Apache-2.0
"""/_double/...: the tests' side door. JSON in, JSON out; no token.

    POST   faults             order one (faults.py): {"id": 1}
    GET    faults             those in force, with hits and left
    DELETE faults[/ID]        clear one, or all; whatever hangs in it is let go
    GET    stats              counters (stats.py)
    GET    requests           the newest 1000 requests: method, path, headers, body, status
    POST   reset              clears faults and counters; {"faults": false} or {"stats": false}
    POST   listener           {"open": bool}: refuse connections, or accept them again
    POST   connections/drop   {"reset": bool}: end every open connection

What one service adds: vault_control.py, ../keyvault/control.py.
"""

import json

from .wire import CONTROL, Response


class Control:
    refusals = ()  # exceptions of the service's own that an action may raise

    def __init__(self, faults, stats):
        self._faults = faults
        self._stats = stats
        self.server = None  # set once it listens
        self._actions = {
            ("POST", "faults"): lambda body: {"id": faults.add(body)},
            ("GET", "faults"): lambda body: {"faults": faults.list()},
            ("DELETE", "faults"): lambda body: {"cleared": faults.clear()},
            ("GET", "stats"): lambda body: stats.report(),
            ("GET", "requests"): lambda body: {"requests": stats.recent()},
            ("POST", "reset"): self._reset,
            ("POST", "listener"): self._listener,
            ("POST", "connections/drop"): lambda body: {
                "dropped": self.server.drop_connections(bool(body.get("reset")))}}

    def add(self, path, action):
        """POST `path` does action(body)."""
        self._actions["POST", path] = action

    def answer(self, request):
        try:
            path = request.path[len(CONTROL):]
            body = json.loads(request.body or b"{}")
            if request.method == "DELETE" and path.startswith("faults/"):
                return Response(200, {"cleared": self._faults.clear(int(path.split("/")[1]))})
            action = self._actions.get((request.method, path))
            if action is None:
                raise ValueError("no such control: %s %s" % (request.method, path))
            return Response(200, action(body))
        except (KeyError, TypeError, ValueError, *self.refusals) as problem:
            return Response(400, {"error": str(problem)})

    def _reset(self, body):
        if body.get("faults", True):
            self._faults.clear()
        if body.get("stats", True):
            self._stats.reset()
        return {}

    def _listener(self, body):
        if body["open"]:
            self.server.listener.open()
        else:
            self.server.listener.close()
        return {}
