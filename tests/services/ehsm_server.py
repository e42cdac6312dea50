# SPDX-License-Identifier: Apache-2.0
"""The eHSM-KMS double as a process of a test, and a client for it.

    with EhsmDouble() as ehsm:
        app = ehsm.app()
        keyid = app.create("EH_AES_GCM_256")
"""

import base64
import http.client
import json
import os
import ssl
import time
import urllib.parse

from double.tls import Authority
from ehsm.enclave import ENCRYPT, SIGN
from ehsm.signing import sign, signed_members
from process import PYTHON, Controlled, Process

SERVICES = os.path.dirname(os.path.abspath(__file__))
NAMES = ("127.0.0.1", "localhost", "ehsm.test")


class App:
    """Plain requests to an eHSM-KMS as one application."""

    def __init__(self, url, ca, appid, apikey, with_nonce=True):
        self._netloc = urllib.parse.urlsplit(url).netloc
        self._context = ssl.create_default_context(cafile=ca)
        self.appid, self.apikey = appid, apikey
        self.with_nonce = with_nonce

    def raw(self, method, action, body=None):
        """(HTTP status, bytes)"""
        door = http.client.HTTPSConnection(self._netloc, context=self._context, timeout=30)
        try:
            door.request(method, "/ehsm?Action=" + action, body)
            reply = door.getresponse()
            return reply.status, reply.read()
        finally:
            door.close()

    def body(self, payload=None):
        body = {"appid": self.appid, "timestamp": str(int(time.time() * 1000))}
        if self.with_nonce:
            body["nonce"] = os.urandom(8).hex()
        if payload is not None:
            body["payload"] = payload
        body["sign"] = sign(self.apikey, signed_members(body))
        return body

    def call(self, action, payload=None):
        """The answer as it is."""
        return json.loads(self.raw("POST", action, json.dumps(self.body(payload)))[1])

    def result(self, action, **payload):
        answer = self.call(action, payload)
        if answer["code"] != 200:
            raise RuntimeError("%s: %s" % (action, answer))
        return answer["result"]

    # ---- what eHSM's own clients do ----

    def create(self, spec, usage=None):
        usage = usage or (ENCRYPT if spec.startswith("EH_AES") else SIGN)
        return self.result("CreateKey", keyspec=spec, origin="EH_INTERNAL_KEY",
                           keyusage=usage)["keyid"]

    def encrypt(self, keyid, plain, aad=b""):
        return self._bytes("Encrypt", "ciphertext", keyid, plaintext=plain, aad=aad)

    def decrypt(self, keyid, sealed, aad=b""):
        return self._bytes("Decrypt", "plaintext", keyid, ciphertext=sealed, aad=aad)

    def public_key(self, keyid):
        return self.result("GetPublicKey", keyid=keyid)["pubkey"].encode()

    def ids(self):
        return [key["keyid"] for key in self.result("ListKey")["list"]]

    def _bytes(self, action, wanted, keyid, **members):
        payload = {name: base64.b64encode(value).decode() for name, value in members.items()}
        return base64.b64decode(self.result(action, keyid=keyid, **payload)[wanted])


class EhsmDouble(Controlled, Process):
    """url, ca, port"""

    def __init__(self, *options, authority=None, port=0, names=NAMES, expired=False):
        super().__init__()
        self._options = options
        self.authority = authority or Authority(self.dir)
        self.ca = self.authority.path
        self._leaf = self.authority.issue("server-" + os.path.basename(self.dir), names,
                                          expired=expired)
        self.launch(port)
        self.url = self.ready["url"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def _command(self, port):
        return [PYTHON, os.path.join(SERVICES, "ehsm_double.py"), "--dir", self.dir, "--port",
                str(port), "--cert", self._leaf.cert, "--key", self._leaf.key, *self._options]

    def app(self, appid=None, apikey=None, with_nonce=True):
        made = self.control("POST", "app", {"appid": appid, "apikey": apikey})
        return App(self.url, self.ca, made["appid"], made["apikey"], with_nonce)

    def state(self, **state):
        """skew_ms, version, short_signatures: ehsm/control.py"""
        self.control("POST", "state", state)

    def change(self, keyid, **change):
        """enabled, expires, gone"""
        self.control("POST", "change", dict(change, keyid=keyid))

    def secret(self, keyid):
        return base64.b64decode(self.control("POST", "key", {"keyid": keyid})["secret"])

    def private_pem(self, keyid):
        return self.control("POST", "key", {"keyid": keyid})["pem"].encode()

    def actions(self):
        """Names of the actions since reset(), in order."""
        return [entry["path"].partition("Action=")[2] for entry in self.requests()]
