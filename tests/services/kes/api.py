# SPDX-License-Identifier: Apache-2.0
"""From a request to an answer, in KES's order: path, redirect, method, certificate, policy, name,
body, key, operation."""

import base64
import binascii
import json
import posixpath
import re
import threading
import time
import urllib.parse

from double.wire import Response

from .keys import AES, KEY_LEN, WIRE_NAMES, Damaged, Key, NotAuthentic, Panics
from .rights import NoIdentity, Rights, client_of
from .stores import Unavailable

BODY_MAX = 1000000
LIST_MAX = 1024
NAME = re.compile(r"(?!_\Z)[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,78}[0-9A-Za-z_])?")
BAD_BODY = "invalid request body"
BAD_IMPORT = "invalid import key request body"
ABSENT = "key does not exist"


class Refusal(Exception):
    def __init__(self, status, message, headers=None):
        super().__init__(status, message)
        self.status, self.message, self.headers = status, message, headers or {}


class Dropped(OSError):
    """The connection ends without an answer."""


class Answer(Response):
    """Empty answers have no type."""

    def encode(self, with_body=True):
        data = super().encode(with_body)
        return data if self.body else re.sub(rb"Content-Type: .*\r\n", b"", data, count=1)


def go_json(value):
    """As Go writes it: keys in this order, <, > and & escaped, a newline behind."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&":
        text = text.replace(char, "\\u%04x" % ord(char))
    return (text + "\n").encode()


def refused(status, message, headers=None):
    body = b'{"message":' + go_json(message).rstrip(b"\n") + b"\n}"
    return Answer(status, body, headers)


def check_name(name, what="key name '%s' is empty, too long or contains invalid characters"):
    if not NAME.fullmatch(name):
        raise Refusal(400, what % name)
    return name


# ---- bodies, as leniently as Go reads them ----

def _bytes(value):
    if value is None:
        return b""
    if isinstance(value, list) and all(isinstance(n, int) and 0 <= n < 256 for n in value):
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError("no bytes")
    return base64.b64decode(re.sub("[\r\n]", "", value), validate=True)


def _read_object(body):
    """The first JSON value, its names in lower case; null is an empty object."""
    value, _ = json.JSONDecoder().raw_decode(body.decode("utf-8", "replace").lstrip())
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("no object")
    return {name.lower(): member for name, member in value.items()}


def read_body(request, *names, fault=BAD_BODY, may_be_empty=False):
    """The bytes of these members."""
    if may_be_empty and not request.body and "transfer-encoding" not in request.headers:
        return [b""] * len(names)
    if len(request.body) > BODY_MAX:
        raise Refusal(400, fault, {"Connection": "close"})
    try:
        value = _read_object(request.body)
        return [_bytes(value.get(name)) for name in names]
    except (ValueError, binascii.Error):
        raise Refusal(400, fault) from None


def encode64(data):
    return base64.b64encode(data).decode()


class Api:
    """rights, store, version, hmac (False: older than that operation), generated kind of keys"""

    def __init__(self, store):
        self.rights = Rights()
        self.store = store
        self.version = "<unknown>"
        self.has_hmac = True
        self.kind = AES
        self.unready = None  # 502 or 504 with its delay: (status, seconds)
        self._cache = {}
        self._lock = threading.Lock()
        self._started = time.time()

    ROUTES = {  # path: (method, function, needs the policy)
        "/version": ("GET", "_version", False), "/v1/ready": ("GET", "_ready", True),
        "/v1/status": ("GET", "_status", True), "/v1/api": ("GET", "_list_api", True),
        "/v1/key/create/": ("PUT", "_create", True), "/v1/key/import/": ("PUT", "_import", True),
        "/v1/key/describe/": ("GET", "_describe", True), "/v1/key/list/": ("GET", "_list", True),
        "/v1/key/generate/": ("PUT", "_generate", True),
        "/v1/key/encrypt/": ("PUT", "_encrypt", True),
        "/v1/key/decrypt/": ("PUT", "_decrypt", True), "/v1/key/hmac/": ("PUT", "_hmac", True),
        "/v1/key/delete/": ("DELETE", "_delete", True)}
    WITH_BODY = ("import", "generate", "encrypt", "decrypt", "hmac")

    # ---- the way to an operation ----

    def answer(self, request):
        try:
            return self._route(request)
        except Refusal as refusal:
            return refused(refusal.status, refusal.message, refusal.headers)
        except Panics:
            raise Dropped() from None

    def _route(self, request):
        clean = posixpath.normpath("/" + request.path.lstrip("/"))
        if request.path.endswith("/") and clean != "/":
            clean += "/"
        if clean + "/" in self.ROUTES:
            clean += "/"
        if clean != request.path:
            return self._redirect(request, clean)
        path = urllib.parse.unquote(request.path)
        route = next((route for route in self.ROUTES if path == route
                      or route.endswith("/") and path.startswith(route)), None)
        if route is None or route == "/v1/key/hmac/" and not self.has_hmac:
            return Answer(404, b"404 page not found\n", {"X-Content-Type-Options": "nosniff"},
                          "text/plain; charset=utf-8")
        method, function, restricted = self.ROUTES[route]
        if request.method != method and not (request.method == "POST" and method == "PUT"):
            raise Refusal(405, "received method '%s' expected '%s'" % (request.method, method),
                          {"Accept": method})
        identity = self._authorize(request, path, restricted)
        return getattr(self, function)(request, path[len(route):], identity)

    @staticmethod
    def _redirect(request, clean):
        body = b""
        headers = {"Location": clean}
        if request.method == "GET":
            body = b'<a href="%s">Temporary Redirect</a>.\n\n' % clean.encode()
        return Answer(307, body, headers, "text/html; charset=utf-8")

    def _authorize(self, request, path, restricted):
        restricted = restricted and path not in self.rights.open
        try:
            identity = client_of(request.peer)
        except NoIdentity as problem:
            if restricted:
                raise Refusal(400, str(problem)) from None
            return ""
        if restricted and not self.rights.may(identity, path):
            raise Refusal(403, "not authorized: insufficient permissions")
        return identity

    # ---- keys ----

    def _key(self, name):
        with self._lock:
            if name in self._cache:
                return self._cache[name]
        try:
            text = self.store.get(name)
            if text is None:
                raise Refusal(404, ABSENT)
            key = Key.read(text)
        except (Damaged, Unavailable):
            raise Refusal(502, "failed to read key") from None
        with self._lock:
            self._cache[name] = key
        return key

    def forget(self):
        """What the cache's expiry does."""
        with self._lock:
            self._cache.clear()

    def _add(self, name, key):
        try:
            if not self.store.create(name, key.stored()):
                raise Refusal(400, "key already exists")
        except Unavailable:
            raise Refusal(502, "failed to create key") from None
        return Answer(200)

    def _create(self, request, name, identity):
        return self._add(check_name(name), Key.make(self.kind, identity))

    def _import(self, request, name, identity):
        check_name(name)
        [value] = read_body(request, "key", fault=BAD_IMPORT)
        cipher = _read_object(request.body).get("cipher", "")
        if cipher not in WIRE_NAMES:
            raise Refusal(406, "algorithm '%s' is not supported" % cipher)
        if len(value) != KEY_LEN:
            raise Refusal(406, "invalid key size for '%s'" % cipher)
        return self._add(name, Key.make(WIRE_NAMES[cipher], identity, value))

    def _describe(self, request, name, identity):
        key = self._key(check_name(name))
        value = {"name": name, "algorithm": key.kind, "created_at": key.created_at()}
        return Answer(200, go_json(dict(value, created_by=key.by) if key.by else value))

    def _list(self, request, prefix, identity):
        if prefix == "*":
            prefix = ""
        star = prefix.endswith("*")  # which nothing is called
        if prefix:
            check_name(prefix[:-1] if star else prefix,
                       "listing pattern '%s' is empty, too long or is invalid")
        try:
            names = [name for name in self.store.names() if name.startswith(prefix)]
        except Unavailable:
            raise Refusal(502, "failed to list keys") from None
        answer = {"names": names[:LIST_MAX]}
        if len(names) > LIST_MAX:
            answer["continue_at"] = names[LIST_MAX]
        return Answer(200, go_json(answer))

    def _delete(self, request, name, identity):
        check_name(name)
        try:
            if not self.store.delete(name):
                raise Refusal(404, ABSENT)
        except Unavailable:
            raise Refusal(502, "failed to delete key") from None
        with self._lock:
            self._cache.pop(name, None)
        return Answer(200)

    # ---- what keys do ----

    def _generate(self, request, name, identity):
        check_name(name)
        [context] = read_body(request, "context", may_be_empty=True)
        key, plain = self._key(name), Key.make(AES, "").cipher
        return Answer(200, go_json({"plaintext": encode64(plain),
                                    "ciphertext": encode64(key.encrypt(plain, context))}))

    def _encrypt(self, request, name, identity):
        check_name(name)
        plain, context = read_body(request, "plaintext", "context")
        return Answer(200, go_json({"ciphertext": encode64(
            self._key(name).encrypt(plain, context))}))

    def _decrypt(self, request, name, identity):
        check_name(name)
        sealed, context = read_body(request, "ciphertext", "context")
        key = self._key(name)
        try:
            return Answer(200, go_json({"plaintext": encode64(key.decrypt(sealed, context))}))
        except NotAuthentic:
            raise Refusal(400, "decryption failed: ciphertext is not authentic") from None

    def _hmac(self, request, name, identity):
        check_name(name)
        [message] = read_body(request, "message")
        key = self._key(name)
        if key.mac is None:
            raise Refusal(409, "key does not support HMAC")
        return Answer(200, go_json({"hmac": encode64(key.hmac(message))}))

    # ---- the server ----

    def _version(self, request, rest, identity):
        return Answer(200, go_json({"version": self.version, "commit": "<unknown>"}))

    def _store_fault(self):
        """(status, seconds) or None"""
        if self.unready:
            return self.unready
        try:
            self.store.check()
        except Unavailable:
            return 504, 0
        return None

    def _ready(self, request, rest, identity):
        fault = self._store_fault()
        if fault is None:
            return Answer(200)
        time.sleep(fault[1])
        raise Refusal(fault[0], "key store is not reachable" if fault[0] == 504
                      else "key store is unavailable")

    def _status(self, request, rest, identity):
        value = {"version": self.version, "os": "linux", "arch": "amd64",
                 "uptime": int(time.time() - self._started), "num_cpu": 2, "num_cpu_used": 2,
                 "mem_heap_used": 4000000, "mem_stack_used": 600000}
        value.update({"keystore_unreachable": True} if self._store_fault()
                     else {"keystore_latency": 1})
        return Answer(200, go_json(value))

    def _list_api(self, request, rest, identity):
        return Answer(200, go_json([
            {"method": method, "path": path,
             "timeout": 10 if path in ("/version", "/v1/api") else 15,
             "max_body": BODY_MAX if path.split("/")[-2] in self.WITH_BODY else 0}
            for path, (method, _, _) in self.ROUTES.items()]))
