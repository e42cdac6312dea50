# SPDX-License-Identifier: Apache-2.0
"""Tokens and policies. The login methods that hand out tokens are in login.py."""

import base64
import functools
import os
import re
import threading
import time

from .errors import Refusal, bad
from .go import rfc3339, seconds, words
from .routes import Routes

routes = Routes()
DENIED = "1 error occurred:\n\t* permission denied\n\n"
INVALID = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
DEFAULT_TTL = 768 * 3600
DEFAULT_POLICY = """
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
"""
CAPABILITIES = {"GET": "read", "HEAD": "read", "LIST": "list", "DELETE": "delete",
                "POST": "update"}


@functools.lru_cache(maxsize=256)
def parse_policy(text):
    """[(pattern, capabilities)] of the path blocks in HCL; all that this double understands."""
    block = r'path\s+"([^"]*)"\s*\{[^}]*?capabilities\s*=\s*\[([^\]]*)\]'
    return [(pattern, set(re.findall(r'"(\w+)"', capabilities)))
            for pattern, capabilities in re.findall(block, text)]


def _matches(pattern, path):
    """A trailing * stands for any rest, + for one segment."""
    glob = pattern.endswith("*")
    text = re.escape(pattern[:-1] if glob else pattern).replace(r"\+", "[^/]+")
    return re.fullmatch(text + (".*" if glob else ""), path) is not None


class Token:
    def __init__(self, ident, policies, ttl, kind="service", path="auth/token/create", **rest):
        self.id = ident
        self.policies = policies
        self.type = kind
        self.path = path
        self.accessor = "" if kind == "batch" else secret_text(18)
        self.created_ns = time.time_ns()
        self.ttl = self.lease = ttl  # seconds; 0: does not expire
        self.expires = time.time() + ttl if ttl else None
        self.max_ttl = rest.get("max_ttl", 0)
        self.renewable = rest.get("renewable", True) and kind == "service" and ttl > 0
        self.meta = rest.get("meta")
        self.uses = rest.get("uses", 0)
        self.orphan = rest.get("orphan", False)
        self.display_name = rest.get("display_name", "token")

    def left(self):
        return max(0, int(self.expires - time.time())) if self.expires else 0

    def expired(self):
        return self.expires is not None and time.time() >= self.expires

    def used(self):
        """Counts a use of a token that has only so many; the last one leaves -1."""
        if self.uses:
            self.uses = self.uses - 1 or -1

    @property
    def exhausted(self):
        return self.uses < 0

    def renew(self, ttl):
        ttl = ttl or self.ttl
        if self.max_ttl:
            oldest = self.created_ns / 1e9 + self.max_ttl
            ttl = max(0, min(ttl, int(oldest - time.time())))
        self.lease = ttl
        self.expires = time.time() + ttl

    def auth(self):
        """The `auth` of an answer that hands out or renews the token."""
        return {"client_token": self.id, "accessor": self.accessor, "policies": self.policies,
                "token_policies": self.policies, "metadata": self.meta,
                "lease_duration": self.lease, "renewable": self.renewable, "entity_id": "",
                "token_type": self.type, "orphan": self.orphan, "mfa_requirement": None,
                "num_uses": self.uses}

    def describe(self):
        expiry = rfc3339(int(self.expires * 10**9)) if self.expires else None
        return {"accessor": self.accessor, "creation_time": self.created_ns // 10**9,
                "creation_ttl": self.ttl, "display_name": self.display_name, "entity_id": "",
                "expire_time": expiry, "explicit_max_ttl": self.max_ttl, "id": self.id,
                "issue_time": rfc3339(self.created_ns), "meta": self.meta, "num_uses": self.uses,
                "orphan": self.orphan, "path": self.path, "policies": self.policies,
                "renewable": self.renewable, "ttl": self.left(), "type": self.type}


def secret_text(size):
    return base64.urlsafe_b64encode(os.urandom(size)).decode().rstrip("=")


class Tokens:
    """The token store, mounted at auth/token, with the policies that decide about paths."""

    kind = "token"
    routes = routes

    def __init__(self, root):
        self._lock = threading.Lock()
        self._tokens = {root: Token(root, ["root"], 0, orphan=True, display_name="root")}
        self.policies = {"default": DEFAULT_POLICY}

    def create(self, policies, ttl, kind="service", ident=None, **rest):
        names = sorted(set(policies) | {"default"}) if "root" not in policies else ["root"]
        ident = ident or ("hvb.AAAA" if kind == "batch" else "hvs.") + secret_text(69)
        with self._lock:
            token = self._tokens[ident] = Token(ident, names, ttl, kind, **rest)
        return token

    def get(self, ident):
        """The living token, or the refusal that Vault gives for its absence."""
        if not ident:
            raise Refusal(403, ["permission denied"])
        with self._lock:
            token = self._tokens.get(ident)
            if token is not None and token.expired():
                del self._tokens[ident]
                token = None
        if token is None:
            raise Refusal(403, [INVALID])
        return token

    def revoke(self, ident):
        with self._lock:
            self._tokens.pop(ident, None)

    def revoke_where(self, test):
        """Forgets the tokens that test accepts; returns how many."""
        with self._lock:
            gone = [ident for ident, token in self._tokens.items() if test(token)]
            for ident in gone:
                del self._tokens[ident]
        return len(gone)

    def expire_where(self, test, end):
        """Lets the tokens that test accepts live until `end`; returns how many."""
        with self._lock:
            chosen = [token for token in self._tokens.values() if test(token)]
            for token in chosen:
                token.expires = end
        return len(chosen)

    def capabilities(self, token, path):
        """What the most specific rule of each policy allows."""
        if "root" in token.policies:
            return {"root"}
        found = set()
        for name in token.policies:
            rules = [rule for rule in parse_policy(self.policies.get(name, ""))
                     if _matches(rule[0], path)]
            if rules:
                found |= max(rules, key=lambda rule: (rule[0][-1:] != "*", len(rule[0])))[1]
        return {"deny"} if "deny" in found or not found else found

    def check(self, token, method, path, creates):
        wanted = "create" if creates else CAPABILITIES[method]
        if not self.capabilities(token, path) & {"root", wanted}:
            raise Refusal(403, [DENIED])


# ---- auth/token ----

@routes.on("POST", "create(?:-orphan)?")
def create(tokens, request):
    body = request.json
    kind = body.get("type", "service")
    request.auth = tokens.create(
        words(body.get("policies")) or request.token.policies,
        seconds(body.get("ttl"), DEFAULT_TTL), "service" if kind == "default" else kind,
        body.get("id"), max_ttl=seconds(body.get("explicit_max_ttl")),
        renewable=body.get("renewable", True), uses=int(body.get("num_uses", 0)),
        meta=body.get("meta"), orphan=bool(body.get("no_parent"))).auth()


@routes.on("GET", "lookup-self")
def lookup_self(tokens, request):
    return request.token.describe()


@routes.on("POST", "lookup")
def lookup(tokens, request):
    try:
        return tokens.get(request.json.get("token", "")).describe()
    except Refusal:
        raise Refusal(403, ["bad token"]) from None


@routes.on("POST", "renew-self")
def renew_self(tokens, request):
    if not request.token.renewable:
        if request.token.type == "batch":
            raise bad("batch tokens cannot be renewed")
        raise bad("lease is not renewable")
    request.token.renew(seconds(request.json.get("increment")))
    request.auth = request.token.auth()


@routes.on("POST", "revoke-self")
def revoke_self(tokens, request):
    tokens.revoke(request.token.id)


@routes.on("POST", "revoke(?:-orphan)?")
def revoke(tokens, request):
    tokens.revoke(request.json.get("token", ""))
