# SPDX-License-Identifier: Apache-2.0
"""From a request to an answer: what every path has in common."""

import json
import os
import uuid
from urllib.parse import unquote

from . import operations  # noqa: F401 (it adds its routes to transit's)
from .auth import Tokens
from .errors import InternalError, Refusal, UserError, bad, internal
from .keys import TYPES, Key
from .system import System
from .transit import Transit
from .wire import Response

STRING_MAX = 1 << 20
ARRAY_MAX = 10000
BODY_MAX = 32 << 20


def check_limits(value):
    """The listener's limits for JSON; beyond them Vault answers 500."""
    if isinstance(value, str) and len(value) > STRING_MAX:
        raise Refusal(500, ["JSON string value exceeds allowed length"])
    if isinstance(value, list) and len(value) > ARRAY_MAX:
        raise Refusal(500, ["JSON array exceeds allowed element count"])
    if isinstance(value, (dict, list)):
        for element in value.values() if isinstance(value, dict) else value:
            check_limits(element)


def parse_body(body):
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        first = body[1:2].decode("latin-1") if body[:1] == b"{" else body[:1].decode("latin-1")
        text = "invalid character '%s' looking for beginning of value" % first
        raise Refusal(500, [text]) from None
    if not isinstance(value, dict):
        raise Refusal(500, ["json: cannot unmarshal into Go value of type map[string]interface {}"])
    check_limits(value)
    return value


class Call:
    """A request on its way through the routes; they set `auth` and `status`."""

    def __init__(self, request):
        self.method = {"PUT": "POST", "HEAD": "GET"}.get(request.method, request.method)
        if self.method == "GET" and "list=true" in request.query:
            self.method = "LIST"
        self.path = unquote(request.path[len("/v1/"):]).rstrip("/")
        self.peer = request.peer
        self.json = {}
        self.token = None
        self.auth = None
        self.status = None  # 200


class Api:
    """The whole server's state; answer() may be called by any thread."""

    def __init__(self, root_token):
        self.tokens = Tokens(root_token)
        self.unseal_key = os.urandom(32).hex()
        self.system = System(self.tokens, self.unseal_key)

    def make_keys(self, count):
        """A transit mount with `count` keys named key-00000 and so on, made when first read."""
        transit = self.system.mounts.setdefault("transit/", Transit())
        for number in range(count):
            key = Key("key-%05d" % number, TYPES["ecdsa-p256"])
            key.add()
            transit.keys[key.name] = key

    def answer(self, request):
        try:
            return self._answer(request)
        except Refusal as refusal:
            return self._refused(refusal)
        except UserError as problem:
            return self._refused(bad(str(problem)))
        except InternalError as problem:
            return self._refused(internal(str(problem)))
        except (TypeError, ValueError, KeyError, AttributeError) as problem:
            return self._refused(bad("wrong type or missing field: %s" % problem))

    @staticmethod
    def _refused(refusal):
        return Response(refusal.status, {"errors": refusal.errors}, refusal.headers)

    def _answer(self, request):
        if not request.path.startswith("/v1/"):
            raise Refusal(404, ["404 page not found"])
        if len(request.body) > BODY_MAX:
            raise Refusal(413, ["http: request body too large"])
        if request.method == "PATCH":
            raise Refusal(415, ["PATCH requires Content-Type of application/merge-patch+json, "
                                "provided " + request.headers.get("content-type", "")])
        call = Call(request)
        open_answer = self._without_token(call, request)
        return open_answer or self._routed(call, request)

    def _without_token(self, call, request):
        """What a sealed or standby server answers too; None for everything else."""
        system = self.system
        if call.path == "sys/health":
            status, body = system.health()
            return Response(self._status_override(request.query, status), body)
        if call.path == "sys/seal-status":
            return Response(200, system.seal_status())
        if call.path == "sys/leader":
            return Response(200, system.leader_status())
        if call.path == "sys/unseal" and call.method == "POST":
            return Response(200, system.unseal(parse_body(request.body).get("key")))
        if system.sealed:
            raise Refusal(503, ["Vault is sealed"])
        if system.standby == "standby":
            self._redirect(request)
        if system.standby == "dr":
            raise bad("path disabled in replication DR secondary mode")
        return None

    @staticmethod
    def _status_override(query, status):
        """sys/health?sealedcode=299 and its kind; standbyok=true."""
        names = {503: "sealedcode", 429: "standbycode", 473: "performancestandbycode",
                 472: "drsecondarycode", 200: "activecode"}
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            if name == names[status] and value.isdigit():
                return int(value)
            if name in ("standbyok", "perfstandbyok") and status in (429, 473) and value == "true":
                return 200
        return status

    def _redirect(self, request):
        if not self.system.leader:
            raise Refusal(500, ["local node not active but active cluster node not found"])
        query = "?" + request.query if request.query else ""
        raise Refusal(307, headers={"Location": self.system.leader + request.path + query})

    def _routed(self, call, request):
        # Vault parses the body before it looks at the token.
        call.json = parse_body(request.body)
        request.batch = len(call.json.get("batch_input") or ())
        mount, rest = self._find(call, request)
        function, groups, login = mount.routes.find(call.method, rest)
        if not login:
            creates = getattr(mount, "creates", lambda path: False)(rest)
            self.tokens.check(call.token, call.method, call.path, creates)
        data = function(mount, call, **groups)
        if data is None and call.auth is None:
            return Response(204)
        return Response(call.status or 200, self._envelope(call, mount, data, login))

    def _find(self, call, request):
        """The mount, after the token was looked at: without rights nobody learns what exists."""
        try:
            mount, rest = self.system.find(call.method, call.path)
            open_path = mount.routes.is_login(call.method, rest)
        except Refusal:
            self._take_token(call, request)
            raise
        if not open_path:
            self._take_token(call, request)
        return mount, rest

    def _take_token(self, call, request):
        call.token = self.tokens.get(token_of(request))
        call.token.used()
        if call.token.exhausted:
            self.tokens.revoke(call.token.id)

    @staticmethod
    def _envelope(call, mount, data, login):
        body = {"request_id": str(uuid.uuid4()), "lease_id": "", "renewable": False,
                "lease_duration": 0, "data": data, "wrap_info": None, "warnings": None,
                "auth": call.auth,
                "mount_type": "" if login or call.status else mount.kind}
        if mount.kind == "system" and data:
            body = {**data, **body}  # sys/ answers carry their data twice
        return body


def token_of(request):
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return request.headers.get("x-vault-token") or (bearer if scheme == "Bearer" else "")
