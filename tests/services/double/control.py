# SPDX-License-Identifier: Apache-2.0
"""/_double/...: the tests' side door. JSON in, JSON out; no token.

    POST   faults             order one (faults.py): {"id": 1}
    GET    faults             those in force, with hits and left
    DELETE faults[/ID]        clear one, or all; whatever hangs in it is let go
    GET    stats              counters (stats.py)
    GET    requests           the newest 1000 requests: method, path, headers, body, status
    POST   reset              clears faults and counters; {"faults": false} or {"stats": false}
    POST   tokens/expire      {"token": T, "in": seconds}; without a token, all but the root's
    POST   tokens/revoke      {"token": T}; without a token, all but the root's
    POST   keys/delete        {"name": N, "mount": "transit"}: behind everybody's back
    POST   keys/rotate        {"name": N, "mount": "transit"}
    POST   keys/make          {"count": N}: ECDSA keys key-00000 and on, in transit/
    POST   state              {"sealed": bool, "standby": ""|"standby"|"performance"|"dr",
                               "leader": URL}; whatever is left out stays
    POST   listener           {"open": bool}: refuse connections, or accept them again
    POST   connections/drop   {"reset": bool}: end every open connection
"""

import json
import time

from .errors import Refusal
from .wire import CONTROL, Response


class Control:
    def __init__(self, api, faults, stats):
        self._api = api
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
            ("POST", "tokens/expire"): self._expire,
            ("POST", "tokens/revoke"): self._revoke,
            ("POST", "keys/delete"): self._delete_key,
            ("POST", "keys/rotate"): self._rotate_key,
            ("POST", "keys/make"): self._make_keys,
            ("POST", "state"): self._state,
            ("POST", "listener"): self._listener,
            ("POST", "connections/drop"): lambda body: {
                "dropped": self.server.drop_connections(bool(body.get("reset")))}}

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
        except (KeyError, TypeError, ValueError, Refusal) as problem:
            return Response(400, {"error": str(problem)})

    def _reset(self, body):
        if body.get("faults", True):
            self._faults.clear()
        if body.get("stats", True):
            self._stats.reset()
        return {}

    @staticmethod
    def _chosen(body):
        ident = body.get("token")
        return lambda token: token.id == ident if ident else token.policies != ["root"]

    def _revoke(self, body):
        return {"revoked": self._api.tokens.revoke_where(self._chosen(body))}

    def _expire(self, body):
        end = time.time() + float(body.get("in", 0))
        return {"expired": self._api.tokens.expire_where(self._chosen(body), end)}

    def _mount(self, body):
        return self._api.system.mounts[body.get("mount", "transit").strip("/") + "/"]

    def _delete_key(self, body):
        del self._mount(body).keys[body["name"]]
        return {}

    def _rotate_key(self, body):
        key = self._mount(body).keys[body["name"]]
        key.rotate()
        return {"latest_version": key.latest}

    def _make_keys(self, body):
        self._api.make_keys(int(body["count"]))
        return {}

    def _state(self, body):
        system = self._api.system
        if body.get("standby", "") not in ("", "standby", "performance", "dr"):
            raise ValueError("standby is one of standby, performance, dr, or empty")
        for name in ("sealed", "standby", "leader"):
            setattr(system, name, body.get(name, getattr(system, name)))
        return {"sealed": system.sealed, "standby": system.standby, "leader": system.leader}

    def _listener(self, body):
        if body["open"]:
            self.server.listener.open()
        else:
            self.server.listener.close()
        return {}
