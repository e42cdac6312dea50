# SPDX-License-Identifier: Apache-2.0
"""What tests may order of a BigDL KMS, beside double/control.py.

    POST state     any of: root (false: the root key is gone; true: there is one, a new one where
                   none was), java8 (exceptions in that version's words)
    POST facts     {"rotations"}: how often the root key was replaced through the API
"""

import os

from double.control import Control

from .store import PRIMARY_LEN


class BigdlControl(Control):
    def __init__(self, api, faults, stats):
        super().__init__(faults, stats)
        self._api = api
        self._kept = b""
        self.add("state", self._state)
        self.add("facts", lambda body: {"rotations": api.store.rotations})

    def _state(self, body):
        store = self._api.store
        self._api.java8 = body.get("java8", self._api.java8)
        if body.get("root") is False:
            self._kept, store.root_key = store.root_key, b""
        elif body.get("root") and not store.root_key:
            store.root_key = self._kept or os.urandom(PRIMARY_LEN)
        return {}
