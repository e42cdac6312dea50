# SPDX-License-Identifier: Apache-2.0
"""What the actions do, once a request has come through: (payload, appid) -> result."""

import base64
import json
import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .enclave import ENCRYPT, Key, decode, encode, exception
from .payloads import Refusal

LISTED_MAX = 10000
QUOTE = b"\x03\x00\x02\x00" + bytes(4600)  # version 3, ECDSA; nothing in it is true


class Actions:
    """server: the Api, for its clock, its version and its switches."""

    def __init__(self, server):
        self._server = server
        self.keys = {}
        self.secrets = {}
        self._actions = {
            "CreateKey": self._create, "ListKey": self._list, "DeleteKey": self._delete,
            "DeleteAllKey": self._delete_all, "EnableKey": self._enable,
            "DisableKey": self._disable, "GetPublicKey": self._public, "Encrypt": self._encrypt,
            "Decrypt": self._decrypt, "AsymmetricEncrypt": self._asymmetric_encrypt,
            "AsymmetricDecrypt": self._asymmetric_decrypt, "Sign": self._sign,
            "Verify": self._verify, "GenerateDataKey": self._data_key,
            "GenerateDataKeyWithoutPlaintext": self._data_key_only,
            "ExportDataKey": self._export, "GetParametersForImport": self._parameters,
            "ImportKeyMaterial": self._import, "GenerateQuote": self._quote,
            "CreateSecret": self._create_secret}
        self._since = {"0.4.0": ("GetPublicKey",),
                       "head": ("GetParametersForImport", "ImportKeyMaterial")}

    def find(self, action):
        """The function of an action that this version has, else None."""
        versions = ("0.3.2", "0.4.0", "head")
        for version, names in self._since.items():
            if action in names and versions.index(self._server.version) < versions.index(version):
                return None
        return self._actions.get(action)

    # ---- keys ----

    def key(self, keyid, appid):
        key = self.keys.get(keyid)
        if key is None:
            raise Refusal(400, "keyid error")
        if key.appid != appid:
            raise Refusal(400, "appid error")
        if not key.enabled:
            raise Refusal(400, "keyid is disabled")
        if key.expires <= self._server.now_ms():
            raise Refusal(400, "keyid expire")
        return key

    def _create(self, payload, appid):
        if self._server.ancient:
            usage = ENCRYPT if payload["keyspec"].startswith("EH_AES") else payload.get("purpose")
        else:
            usage = payload.get("keyusage")
        if usage is None:
            raise exception()
        key = Key(appid, payload["keyspec"], payload["origin"], usage, self._server.now_ms())
        self.keys[key.id] = key
        return {"keyid": key.id}

    def _list(self, payload, appid):
        keys = [key.listed() for key in self.keys.values() if key.appid == appid]
        return {"list": keys[:LISTED_MAX]}

    def _delete(self, payload, appid):
        key = self.keys.get(payload["keyid"])
        if key is not None and key.appid == appid:
            del self.keys[key.id]
        return {}

    def _delete_all(self, payload, appid):
        self.keys = {keyid: key for keyid, key in self.keys.items() if key.appid != appid}
        return {}

    def _switch(self, payload, appid, enabled):
        key = self.keys.get(payload["keyid"])
        if key is None or key.appid != appid:
            raise Refusal(400, "not find this keyid")
        key.enabled = enabled
        return {}

    def _enable(self, payload, appid):
        return self._switch(payload, appid, True)

    def _disable(self, payload, appid):
        return self._switch(payload, appid, False)

    def _public(self, payload, appid):
        return {"pubkey": self.key(payload["keyid"], appid).public_pem(),
                "keyid": payload["keyid"]}

    # ---- cryptography ----

    def _encrypt(self, payload, appid):
        key = self.key(payload["keyid"], appid)
        return {"ciphertext": encode(key.encrypt(decode(payload["plaintext"]),
                                                 decode(payload.get("aad"))))}

    def _decrypt(self, payload, appid):
        key = self.key(payload["keyid"], appid)
        return {"plaintext": encode(key.decrypt(decode(payload["ciphertext"]),
                                                decode(payload.get("aad"))))}

    def _oaep_hash(self):
        return hashes.SHA256 if self._server.version == "head" else hashes.SHA1

    def _asymmetric_encrypt(self, payload, appid):
        key = self.key(payload["keyid"], appid)
        return {"ciphertext": encode(key.asymmetric_encrypt(
            decode(payload["plaintext"]), payload["padding_mode"], self._oaep_hash()))}

    def _asymmetric_decrypt(self, payload, appid):
        key = self.key(payload["keyid"], appid)
        return {"plaintext": encode(key.asymmetric_decrypt(
            decode(payload["ciphertext"]), payload["padding_mode"], self._oaep_hash(),
            self._server.version == "head"))}

    def _sign(self, payload, appid):
        key = self.key(payload["keyid"], appid)
        return {"signature": encode(key.sign(payload, self._server.short_signatures))}

    def _verify(self, payload, appid):
        return {"result": self.key(payload["keyid"], appid).verify(payload)}

    # ---- data keys ----

    def _make_data_key(self, payload, appid):
        key = self.key(payload["keyid"], appid)
        if key.origin != "EH_INTERNAL_KEY":
            raise exception()
        plain = os.urandom(payload["keylen"])
        return plain, key.encrypt(plain, decode(payload.get("aad")))

    def _data_key(self, payload, appid):
        plain, sealed = self._make_data_key(payload, appid)
        return {"plaintext": encode(plain), "ciphertext": encode(sealed)}

    def _data_key_only(self, payload, appid):
        return {"ciphertext": encode(self._make_data_key(payload, appid)[1])}

    def _export(self, payload, appid):
        key, to = self.key(payload["keyid"], appid), self.key(payload["ukeyid"], appid)
        if key.origin != "EH_INTERNAL_KEY":
            raise exception()
        plain = key.decrypt(decode(payload["olddatakey_base"]), decode(payload.get("aad")))
        return {"newdatakey": encode(to.asymmetric_encrypt(plain, "EH_RSA_PKCS1_OAEP"))}

    # ---- import ----

    def _parameters(self, payload, appid):
        key = self.key(payload["keyid"], appid)
        if key.origin != "EH_EXTERNAL_KEY":
            raise exception()
        key.wrapping = rsa.generate_private_key(65537, int(payload["keyspec"][-4:]))
        token = {"keyid": key.id, "timestamp": str(self._server.now_ms())}
        pem = key.wrapping.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.PKCS1).decode()
        return {"pubkey": pem, "importToken": encode(json.dumps(token).encode())}

    def _import(self, payload, appid):
        key = self.key(payload["keyid"], appid)
        token = json.loads(base64.b64decode(payload.get("importToken", "")) or b"{}")
        if key.wrapping is None or token.get("keyid") != key.id:
            raise Refusal(400, "key invalid.")
        try:
            secret = key.wrapping.decrypt(decode(payload["key_material"]), key._padding(
                payload["padding_mode"], hashes.SHA256))
        except ValueError:
            raise exception() from None
        if len(secret) * 8 != (128 if key.is_sm4 else int(key.spec[-3:])):
            raise exception()
        key.secret, key.wrapping = secret, None
        return {"result": True}

    # ---- the rest ----

    def _quote(self, payload, appid):
        return {"challenge": payload["challenge"], "quote": encode(QUOTE)}

    def _create_secret(self, payload, appid):
        self.secrets[appid, payload["secretName"]] = payload["secretData"]
        return {}
