# SPDX-License-Identifier: Apache-2.0
"""What tests may order of an eHSM-KMS, beside double/control.py.

    POST state     any of: skew_ms (of its clock), version, short_signatures
    POST app       {"appid", "apikey"}: an application; either is made up when it is left out
    POST key       {"keyid"}: {"secret"} of an AES key in base64, {"pem"} of a key pair
    POST change    {"keyid"} and any of: enabled, expires, gone
    POST fill      {"appid", "count"}: so many AES keys at once
"""

from cryptography.hazmat.primitives import serialization

from double.control import Control

from .enclave import ENCRYPT, Key, encode
from .payloads import Refusal


class EhsmControl(Control):
    refusals = (Refusal,)

    def __init__(self, api, faults, stats):
        super().__init__(faults, stats)
        self._api = api
        self.add("state", self._state)
        self.add("app", lambda body: api.enroll(body.get("appid"), body.get("apikey")))
        self.add("key", self._key)
        self.add("change", self._change)
        self.add("fill", self._fill)

    def _state(self, body):
        for name in ("skew_ms", "version", "short_signatures"):
            setattr(self._api, name, body.get(name, getattr(self._api, name)))
        return {}

    def _key(self, body):
        key = self._api.actions.keys[body["keyid"]]
        if key.is_secret:
            return {"secret": encode(key.secret)}
        return {"pem": key.secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode()}

    def _change(self, body):
        key = self._api.actions.keys[body["keyid"]]
        key.enabled = body.get("enabled", key.enabled)
        key.expires = body.get("expires", key.expires)
        if body.get("gone"):
            del self._api.actions.keys[key.id]
        return {}

    def _fill(self, body):
        for _ in range(body["count"]):
            key = Key(body["appid"], "EH_AES_GCM_256", "EH_INTERNAL_KEY", ENCRYPT,
                      self._api.now_ms())
            self._api.actions.keys[key.id] = key
        return {}
