# SPDX-License-Identifier: Apache-2.0
"""A vault or managed HSM: its state, and what every request to it has in common."""

import json
import threading
import time
import uuid
from urllib.parse import parse_qsl, unquote

from double.routes import Routes
from double.wire import Response

from . import clouds
from .errors import Refusal, bad, conflict, forbidden, refused
from .limits import Limits
from .paging import page

STABLE = ("2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01",
          "2026-04-01")
PREVIEWS = ("7.6-preview.2", "2025-06-01-preview", "2026-01-01-preview", "2026-03-01-preview",
            "2026-05-01-preview")
KEY = "(?P<name>[^/]+)"
VERSION = "(?:/(?P<version>[0-9a-fA-F]{32}))?/?"
NOTHING = object()  # what a route returns for 204
LOCATION = "westeurope"


class VaultRoutes(Routes):
    @staticmethod
    def refusal(known):
        """What is raised for a path that has no such method (known), or that is none."""
        if known:
            return refused(405, "MethodNotAllowed", "The HTTP method is not allowed on this path.")
        return refused(404, "NotFound", "The resource is not found.")


routes = VaultRoutes()


class Call:
    """A request on its way through the routes."""

    def __init__(self, request, token, internal):
        self.method = request.method
        self.path = unquote(request.path).strip("/")
        self.query = dict(parse_qsl(request.query))
        self.api_version = self.query.get("api-version")
        self.principal = token.principal
        self.internal = internal
        self.body = {}


class Vault:
    """tenant: whose tokens it takes. rights: None, or what each object id may, such as
    {"keys/sign", ...}; model: how a refusal for want of rights is put: rbac or policy."""

    def __init__(self, place, tenant, tokens):
        self.place = place
        self.tenant = tenant
        self.tokens = tokens
        self.hsm = place.kind == "hsm"
        self.resource = clouds.resource(place)
        self.host = "%s.%s" % (place.name, getattr(place.cloud, place.kind))
        self._here = threading.local()  # port: in URLs of this answer, where the client's had one
        self.recovery_level = ("CustomizedRecoverable+Purgeable" if self.hsm
                               else "Recoverable+Purgeable")
        self.recoverable_days = 7 if self.hsm else 90
        self.deletion_delay = 0  # seconds until what was deleted shows among the deleted
        self.model = "rbac"
        self.rights = {}
        self.limits = Limits()
        self.lock = threading.RLock()
        self.keys, self.deleted, self.backups = {}, {}, {}
        self.certificates, self.deleted_certificates = {}, {}

    # ---- names ----

    @property
    def port(self):
        return getattr(self._here, "port", None)

    @property
    def base(self):
        return "https://" + self.host + (":%d" % self.port if self.port else "")

    def kid(self, key, version=None):
        return "%s/keys/%s%s" % (self.base, key.name, "/" + version.id if version else "")

    # ---- a request ----

    def answer(self, request, internal=False):
        """internal: asked by the double itself, which may all."""
        port = request.headers.get("host", "").partition(":")[2]
        self._here.port = int(port) if port.isdigit() and port != "443" else None
        try:
            response = self._answer(request, internal)
        except Refusal as refusal:
            response = Response(refusal.status, refusal.body, refusal.headers)
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            response = Response(400, bad("Wrong type or missing property: %s" % problem).body)
        response.content_type = "application/json; charset=utf-8"
        response.headers.update(self._headers())
        return response

    def _headers(self):
        headers = {"x-ms-request-id": str(uuid.uuid4()),
                   "Strict-Transport-Security": "max-age=31536000;includeSubDomains",
                   "X-Content-Type-Options": "nosniff"}
        region = "x-ms-keyvault-region" if self.place.kind == "vault" else "x-ms-server-latency"
        headers[region] = LOCATION if self.place.kind == "vault" else "2"
        return headers

    def _answer(self, request, internal):
        call = Call(request, self._token(request), internal)
        self._check_version(call)
        call.body = self._body(request)
        function, groups, _ = routes.find(call.method, call.path)
        if getattr(function, "only", self.place.kind) != self.place.kind:
            raise routes.refusal(False)
        data = function(self, call, **groups)
        if isinstance(data, Response):
            return data
        return Response(204) if data is NOTHING else Response(200, data)

    @staticmethod
    def _body(request):
        if not request.body:
            return {}
        if "application/json" not in request.headers.get("content-type", ""):
            raise refused(415, "BadParameter", "The content type must be application/json.")
        try:
            body = json.loads(request.body)
        except ValueError:
            raise bad("The request body is not valid JSON.") from None
        if not isinstance(body, dict):
            raise bad("The request body must be an object.")
        return body

    @staticmethod
    def _check_version(call):
        if not call.api_version:
            raise bad("api-version must be specified")
        if call.api_version not in STABLE + PREVIEWS:
            raise bad("The specified version (%s) is not recognized. Consider using the latest "
                      "supported version (%s)." % (call.api_version, STABLE[-1]))

    # ---- who asks ----

    def challenge(self):
        """In the words of the real ones: a vault names the older authority."""
        authority = self.place.cloud.authorities[0]
        if self.place.cloud.name == "public" and not self.hsm:
            authority = "login.windows.net"
        return 'Bearer authorization="https://%s/%s", resource="%s"' % (
            authority, self.tenant, self.resource)

    def unauthorized(self, message):
        headers = {"WWW-Authenticate": self.challenge()}
        if message is None:
            return Refusal(401, None, headers)
        return refused(401, "Unauthorized", message, headers=headers)

    def _token(self, request):
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise self.unauthorized(None if self.hsm else "AKV10000: Request is missing a Bearer "
                                    "or PoP token.")
        token = self.tokens.find(text)
        if token is None:
            raise self.unauthorized("AKV10046: Unable to resolve the key used for signature "
                                    "validation.")
        if token.principal.tenant != self.tenant:
            raise self.unauthorized("AKV10032: Invalid issuer. Expected one of "
                                    "https://sts.windows.net/%s/, found %s."
                                    % (self.tenant, token.issuer))
        if token.audience != self.resource:
            raise self.unauthorized(
                "Found token with aud=%s, but expected aud=%s" % (token.audience, self.resource)
                if self.hsm else "AKV10022: Invalid audience. Expected %s, found: %s."
                % (self.resource, token.audience))
        if token.revoked or token.expires <= time.time():
            raise self.unauthorized("[TokenExpired] Error validating token: 'S2S12086'.")
        return token

    def allow(self, call, right, name=None):
        """Refuses what the caller's rights do not have."""
        mine = self.rights.get(call.principal.object_id)
        if call.internal or mine is None or right in mine:
            return
        verb = right.partition("/")[2]
        caller = "appid=%s;oid=%s;iss=https://sts.windows.net/%s/" % (
            call.principal.client_id, call.principal.object_id, call.principal.tenant)
        where = "%s;location=%s" % (self.place.name, LOCATION)
        if self.hsm:
            raise refused(403, "AccessDenied", "Not authorized to access Microsoft.KeyVault/"
                          "managedHsm/%s/action on /keys%s (Activity ID: %s)"
                          % (right, "/" + name if name else "", uuid.uuid4()))
        if self.model == "policy":
            raise forbidden("AccessDenied", "The user, group or application '%s' does not have "
                            "keys %s permission on key vault '%s'. For help resolving this issue, "
                            "please see https://go.microsoft.com/fwlink/?linkid=2125287"
                            % (caller, verb, where))
        raise forbidden("ForbiddenByRbac", "Caller is not authorized to perform action on "
                        "resource.\r\nIf role assignments, deny assignments or role definitions "
                        "were changed recently, please observe propagation time.\r\nCaller: %s\r\n"
                        "Action: 'Microsoft.KeyVault/vaults/%s/action'\r\nResource: '/"
                        "subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg/"
                        "providers/microsoft.keyvault/vaults/%s/keys/%s'\r\nAssignment: (not "
                        "found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n"
                        "Vault: %s\r\n" % (caller, right, self.place.name, name, where))

    # ---- what the routes ask ----

    def find(self, name, ident=None):
        """(key, version)"""
        key = self.keys.get(name.lower())
        version = key and key.find(ident)
        if version is None:
            shown = name + ("/" + ident if ident else "")
            raise refused(404, "KeyNotFound", "A key with (name/id) %s was not found in this key "
                          "vault. If you recently deleted this key you may be able to recover it "
                          "using the correct recovery command. For help resolving this issue, "
                          "please see https://go.microsoft.com/fwlink/?linkid=2125182" % shown)
        return key, version

    def is_being_deleted(self, thing):
        return thing.deleted is not None and time.time() < thing.deleted + self.deletion_delay

    def refuse_deleted(self, name, what, deleted):
        thing = deleted.get(name.lower())
        if thing is None:
            return
        if self.is_being_deleted(thing):
            raise conflict("ObjectIsBeingDeleted", "%s %s is currently being deleted."
                           % (what, name))
        raise conflict("ObjectIsDeletedButRecoverable", "%s %s is currently in a deleted but "
                       "recoverable state, and its name cannot be reused; in this state, the %s "
                       "can only be recovered or purged." % (what, name, what.lower()))

    def page(self, call, things, show):
        """A page of things in the order of their names."""
        return page(self, call, sorted(list(things), key=lambda thing: thing.name), show)

    def page_in_order(self, call, things, show):
        return page(self, call, things, show)

    def charge(self, version, making=False):
        if not self.hsm:  # "Managed HSM is not throttled"
            self.limits.charge(version, making)
