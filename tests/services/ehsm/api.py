# SPDX-License-Identifier: Apache-2.0
"""From a request to an answer, in the order of the front end: JSON, presence, types, lengths,
window, replay, payload, signature, action, key, enclave."""

import json
import re
import secrets
import threading
import time
import uuid

from double.wire import Response

from .actions import Actions
from .payloads import FIELDS, Refusal, check
from .signing import WINDOW_MS, Replays, sign, signed_members

BODY_MAX = 100 * 1024
ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"
ENCLAVE = {"CreateKey", "Encrypt", "Decrypt", "AsymmetricEncrypt", "AsymmetricDecrypt", "Sign",
           "Verify", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ExportDataKey",
           "GetPublicKey", "GenerateQuote"}
TOO_LARGE = b"<!DOCTYPE html>\n<html><body><pre>PayloadTooLargeError</pre></body></html>\n"


def answer(code, message, result):
    """message None: the member is not there."""
    body = {"code": code, "message": message, "result": result}
    if message is None:
        del body["message"]
    return Response(200, json.dumps(body, separators=(",", ":")).encode())


class Api:
    """version: 0.3.2, 0.4.0 or head; apps: appid -> API key; skew_ms, clock_ms: of its clock;
    short_signatures: with leading zeros, one in 65536 otherwise"""

    def __init__(self, version="head", clock_ms=None):
        self.version = version
        self.apps = {}
        self.skew_ms = 0
        self.short_signatures = False
        self._clock_ms, self._started = clock_ms, time.monotonic()
        self._replays = Replays()
        self.actions = Actions(self)
        self._lock = threading.RLock()

    @property
    def ancient(self):
        return self.version == "0.3.2"

    def now_ms(self):
        if self._clock_ms is not None:
            return self._clock_ms + int((time.monotonic() - self._started) * 1000) + self.skew_ms
        return int(time.time() * 1000) + self.skew_ms

    def enroll(self, appid=None, apikey=None):
        appid = appid or str(uuid.uuid4())
        self.apps[appid] = apikey or "".join(secrets.choice(ALPHABET) for _ in range(32))
        return {"appid": appid, "apikey": self.apps[appid]}

    # ---- the way in ----

    def answer(self, request):
        path, _, query = request.path.partition("?")
        action = re.search(r"(?:^|&)Action=([^&]*)", query)
        action = action[1] if action else ""
        if path.rstrip("/") != "/ehsm":
            return Response(404, b"<!DOCTYPE html>\n", content_type="text/html")
        if len(request.body) > BODY_MAX:
            return Response(413, TOO_LARGE, content_type="text/html; charset=utf-8")
        try:
            if request.method == "GET":
                return self._get(action)
            return self._post(action, request.body)
        except Refusal as refusal:
            return answer(refusal.code, refusal.message, None if refusal.enclave else {})

    def _get(self, action):
        if action == "GetVersion":
            return answer(200, "success!", {"version": "0.3.2", "git_sha": "3454cac9e5b1"})
        if action == "Enroll":
            with self._lock:
                return answer(200, "successful", self.enroll())
        raise Refusal(404, "API Not Found")

    def _post(self, action, text):
        if action in ("Enroll", "GetVersion"):
            raise Refusal(404, "API Not Found")
        try:
            body = json.loads(text)
        except ValueError:
            raise Refusal(400, "Invalid JSON") from None
        if not isinstance(body, dict):
            raise Refusal(400, "Invalid JSON")
        self._check_envelope(action, body)
        with self._lock:
            self._check_replay(body)
        payload = body.get("payload") or {}
        function = self.actions.find(action)
        if function is not None:
            check(action, payload, self.version != "head", self.ancient)
        self._check_signature(body)
        if function is None:
            raise Refusal(404, "API Not Found")
        result = function(payload, body["appid"])
        message = "success!" if action in ENCLAVE else "successful"
        if action == "CreateSecret":
            message = "The %s create success." % payload["secretName"]
        return answer(200, message, result)

    def _check_envelope(self, action, body):
        if not all(body.get(name) for name in ("appid", "timestamp", "sign")):
            raise Refusal(400, "Missing required parameters")
        if (action in FIELDS and self.actions.find(action) is not None
                and "payload" not in body):
            raise Refusal(400, "Missing required parameters")
        if not all(isinstance(body[name], str) for name in ("appid", "timestamp", "sign")):
            raise Refusal(400, "param type error")
        if not isinstance(body.get("nonce", ""), str) or not isinstance(body.get("payload", {}),
                                                                        dict):
            raise Refusal(400, "param type error")
        if len(body.get("nonce", "")) > 64:
            raise Refusal(400, "Nonce length error")
        if len(body["timestamp"]) != 13:
            raise Refusal(400, "Timestamp length error")

    def _check_replay(self, body):
        now = self.now_ms()
        if not body["timestamp"].isdigit() or abs(now - int(body["timestamp"])) >= WINDOW_MS:
            raise Refusal(400, "Timestamp error")
        if self.ancient:
            body = dict(body, nonce=body["timestamp"])
        if self._replays.is_replay(body, now):
            raise Refusal(400, "Timestamp can't be repeated in 20 minutes")

    def _check_signature(self, body):
        apikey = self.apps.get(body["appid"])
        if apikey is None:
            raise Refusal(400, None)
        if sign(apikey, signed_members(body, not self.ancient)) != body["sign"]:
            raise Refusal(400, "sign error")
