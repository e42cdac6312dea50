# SPDX-License-Identifier: Apache-2.0
"""What tests may order of a KES, beside double/control.py.

    POST admin     {"identity": HEX}
    POST policy    {"name", "allow", "deny", "identities"}
    POST state     any of: away (the store is gone), unready ([status, seconds] of /v1/ready), hmac,
                   version, kind (of keys that it makes), open (paths that skip authentication)
    POST store     {"name", "text"}: a stored value, past the API; text null: removed
    POST stored    {"name"}: {"text"}, as it is kept
    POST forget    empties the cache
"""

from double.control import Control


class KesControl(Control):
    def __init__(self, api, faults, stats):
        super().__init__(faults, stats)
        self._api = api
        self.add("admin", self._admin)
        self.add("policy", self._policy)
        self.add("state", self._state)
        self.add("store", self._store)
        self.add("stored", lambda body: {"text": api.store.get(body["name"])})
        self.add("forget", lambda body: api.forget() or {})

    def _admin(self, body):
        self._api.rights.admin = body["identity"]
        return {}

    def _policy(self, body):
        self._api.rights.set_policy(body.pop("name"), body)
        return {}

    def _state(self, body):
        api = self._api
        api.store.away = body.get("away", getattr(api.store, "away", False))
        api.unready = body.get("unready", api.unready)
        api.has_hmac = body.get("hmac", api.has_hmac)
        api.version = body.get("version", api.version)
        api.kind = body.get("kind", api.kind)
        api.rights.open = set(body.get("open", api.rights.open))
        return {}

    def _store(self, body):
        if body["text"] is None:
            self._api.store.delete(body["name"])
        else:
            self._api.store.put(body["name"], body["text"])
        return {}
