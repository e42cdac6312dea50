# SPDX-License-Identifier: Apache-2.0
"""Where keys are kept: texts by name. What KES answers when its store fails depends on which."""

import base64
import json
import os
import ssl
import urllib.error
import urllib.request


class Unavailable(Exception):
    """The store cannot be used."""


class Memory:
    def __init__(self):
        self._texts = {}
        self.away = False

    def check(self):
        if self.away:
            raise Unavailable()

    def get(self, name):
        """None: not there. Of a directory that is gone this is all that KES can tell."""
        return None if self.away else self._texts.get(name)

    def create(self, name, text):
        """Whether it was made; False: it was there."""
        self.check()
        return self._texts.setdefault(name, text) is text

    def put(self, name, text):
        self._texts[name] = text

    def delete(self, name):
        """Whether it was there."""
        return not self.away and self._texts.pop(name, None) is not None

    def names(self):
        self.check()
        return sorted(self._texts)


class Files(Memory):
    """A file for each key, as KES's own file store has them."""

    def __init__(self, path):
        super().__init__()
        self._dir = path
        os.makedirs(path, exist_ok=True)

    def _path(self, name):
        return os.path.join(self._dir, name)

    def get(self, name):
        try:
            with open(self._path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def create(self, name, text):
        self.check()
        try:
            handle = os.open(self._path(name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        except FileNotFoundError:
            raise Unavailable() from None
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return True

    def put(self, name, text):
        with open(self._path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def delete(self, name):
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            return False
        return True

    def names(self):
        self.check()
        try:
            return sorted(os.listdir(self._dir))
        except FileNotFoundError:
            raise Unavailable() from None


class Vault:
    """The K/V engine of a Vault, by AppRole. settings: url, ca, role_id, secret_id, engine,
    version ("v1" or "v2"), prefix, and transit, if a key of the transit engine wraps the texts."""

    def __init__(self, settings):
        self._settings = settings
        context = ssl.create_default_context(cafile=settings["ca"])
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                                   urllib.request.HTTPSHandler(context=context))
        self._token = self._call("PUT", "auth/approle/login",
                                 {"role_id": settings["role_id"],
                                  "secret_id": settings["secret_id"]})["auth"]["client_token"]

    def _call(self, method, path, body=None):
        """The answer's JSON, None for a 404."""
        request = urllib.request.Request(
            self._settings["url"] + "/v1/" + path, method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"X-Vault-Request": "true"})
        if hasattr(self, "_token"):
            request.add_header("X-Vault-Token", self._token)
        try:
            with self._opener.open(request, timeout=10) as reply:
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as refusal:
            if refusal.code == 404 and not json.loads(refusal.read() or b"{}").get("data"):
                return None  # else a version that was deleted, of which Vault tells
            raise Unavailable() from refusal
        except OSError as problem:
            raise Unavailable() from problem

    def _path(self, kind, name=None):
        kind = kind + "/" if self._settings["version"] == "v2" else ""
        path = "%s/%s%s" % (self._settings["engine"], kind, self._settings["prefix"])
        return path if name is None else path + "/" + name

    def check(self):
        self._call("GET", "sys/health?sealedcode=503&uninitcode=503")

    def get(self, name):
        answer = self._call("GET", self._path("data", name))
        if answer is None:
            return None
        data = answer["data"]["data"] if self._settings["version"] == "v2" else answer["data"]
        if not isinstance((data or {}).get(name), str):
            raise Unavailable()
        return self._unwrap(data[name])

    def _transit(self, verb, member, text):
        answer = self._call("PUT", "transit/%s/%s" % (verb, self._settings["transit"]),
                            {member: text})
        if answer is None:
            raise Unavailable()
        return answer["data"]

    def _unwrap(self, text):
        if "transit" not in self._settings:
            return text
        plain = self._transit("decrypt", "ciphertext", text)["plaintext"]
        return base64.b64decode(plain).decode()

    def _wrap(self, text):
        """What a key that was rotated gives is not taken."""
        if "transit" not in self._settings:
            return text
        wrapped = self._transit("encrypt", "plaintext",
                                base64.b64encode(text.encode()).decode())["ciphertext"]
        if not wrapped.startswith("vault:v1:"):
            raise Unavailable()
        return wrapped

    def create(self, name, text):
        if self.get(name) is not None:
            return False
        body = {name: self._wrap(text)}
        if self._settings["version"] == "v2":
            body = {"data": body, "options": {"cas": 0}}
        self._call("PUT", self._path("data", name), body)
        return True

    def delete(self, name):
        self._call("DELETE", self._path("metadata", name))
        return True  # Vault does not say whether it was there

    def names(self):
        answer = self._call("GET", self._path("metadata") + "?list=true")
        if answer is None:
            raise Unavailable()  # an empty path looks like none
        return sorted(answer["data"]["keys"])
