# SPDX-License-Identifier: Apache-2.0
"""What the side door of control.py has for Vault.

    POST   tokens/expire      {"token": T, "in": seconds}; without a token, all but the root's
    POST   tokens/revoke      {"token": T}; without a token, all but the root's
    POST   keys/delete        {"name": N, "mount": "transit"}: behind everybody's back
    POST   keys/rotate        {"name": N, "mount": "transit"}
    POST   keys/make          {"count": N}: ECDSA keys key-00000 and on, in transit/
    POST   state              {"sealed": bool, "standby": ""|"standby"|"performance"|"dr",
                               "leader": URL}; whatever is left out stays
"""

import time

from .control import Control
from .errors import Refusal


class VaultControl(Control):
    refusals = (Refusal,)

    def __init__(self, api, faults, stats):
        super().__init__(faults, stats)
        self._api = api
        self.add("tokens/expire", self._expire)
        self.add("tokens/revoke", self._revoke)
        self.add("keys/delete", self._delete_key)
        self.add("keys/rotate", self._rotate_key)
        self.add("keys/make", self._make_keys)
        self.add("state", self._state)

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
