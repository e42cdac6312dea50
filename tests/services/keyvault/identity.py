# SPDX-License-Identifier: Apache-2.0
"""Managed identities over plain HTTP: IMDS, App Service and Azure Arc.

    GET /metadata/identity/oauth2/token    IMDS, or Arc's agent where the api-version is Arc's
    GET /msi/token                         App Service, Functions, Container Apps

learn.microsoft.com: "How to use managed identities for Azure resources on an Azure VM to acquire
an access token", "Use managed identities for App Service", "Authenticate against Azure resources
with Azure Arc-enabled servers".
"""

import hmac
import os
import time
import uuid
from urllib.parse import parse_qs

from double.wire import Response

from . import clouds
from .apps import App
from .errors import Refusal, identity

IMDS_VERSIONS = ("2018-02-01", "2019-08-01", "2021-02-01")
ARC_VERSIONS = ("2019-11-01", "2020-06-01")
APP_SERVICE_VERSIONS = ("2019-08-01", "2025-03-30")


class ManagedIdentity(App):
    def __init__(self, tenant, resource_id=None, **ids):
        super().__init__(tenant, **ids)
        self.resource_id = resource_id or (
            "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg/providers/"
            "Microsoft.ManagedIdentity/userAssignedIdentities/" + self.client_id[:8])


class Identity:
    """system: the machine's own identity, or None; users: those assigned to it."""

    def __init__(self, tenant, tokens, cloud=clouds.CLOUDS[0]):
        self.tenant = tenant
        self.tokens = tokens
        self.cloud = cloud
        self.system = ManagedIdentity(tenant)
        self.users = []
        self.header = uuid.uuid4().hex  # App Service's X-IDENTITY-HEADER
        self.arc_directory = None  # where Arc's agent writes its challenge

    def assign(self, **ids):
        user = ManagedIdentity(self.tenant, **ids)
        self.users.append(user)
        return user

    def answer(self, request):
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        if request.method != "GET":
            raise Refusal(405)
        if request.path == "/msi/token":
            return self._app_service(request, query)
        if request.path != "/metadata/identity/oauth2/token":
            raise identity(404, "not_found", "Not found.")
        if request.headers.get("metadata", "").lower() != "true":
            raise identity(400, "bad_request_102", "Required metadata header not specified")
        if "x-forwarded-for" in request.headers:
            raise identity(400, "invalid_request", "X-Forwarded-For header is not allowed")
        if query.get("api-version") in ARC_VERSIONS:
            return self._arc(request, query)
        return self._imds(query)

    # ---- the three ----

    def _imds(self, query):
        if query.get("api-version") not in IMDS_VERSIONS:
            raise identity(400, "invalid_request", "Required query variable 'api-version' is "
                           "missing or not supported")
        user = self._choose(query, "msi_res_id")
        text, token = self._issue(user, query)
        now = int(time.time())
        return Response(200, {
            "access_token": text, "client_id": user.client_id, "expires_in": str(
                token.expires - now), "expires_on": str(token.expires), "ext_expires_in": str(
                token.expires - now), "not_before": str(now - 300), "resource": token.audience,
            "token_type": "Bearer"})

    def _app_service(self, request, query):
        given = request.headers.get("x-identity-header", "")
        if not hmac.compare_digest(given.encode(), self.header.encode()):
            raise Refusal(401, {"statusCode": 401, "message": "Unauthorized"})
        if query.get("api-version") not in APP_SERVICE_VERSIONS:
            raise Refusal(400, {"statusCode": 400, "message": "The api-version is not supported"})
        try:
            user = self._choose(query, "mi_res_id")
        except Refusal:
            raise Refusal(400, {"statusCode": 400, "message": "No Managed Identity found for "
                                "specified ClientId/ResourceId/PrincipalId."}) from None
        text, token = self._issue(user, query)
        return Response(200, {"access_token": text, "expires_on": str(token.expires),
                              "resource": token.audience, "token_type": "Bearer",
                              "client_id": user.client_id})

    def _arc(self, request, query):
        """Who can read the file that the first answer names is root or of the agent's group."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            path = self._write_challenge()
            raise Refusal(401, {"error": "unauthorized"},
                          {"WWW-Authenticate": "Basic realm=" + path})
        if not self._take_challenge(given):
            raise identity(401, "unauthorized", "The challenge token is wrong or was used.")
        user = self._choose(query, "msi_res_id")
        text, token = self._issue(user, query)
        return Response(200, {"access_token": text, "expires_in": token.expires - int(time.time()),
                              "expires_on": token.expires, "resource": token.audience,
                              "token_type": "Bearer"})

    def _write_challenge(self):
        if self.arc_directory is None:
            raise identity(500, "server_error", "no directory for challenges: state arc_directory")
        os.makedirs(self.arc_directory, exist_ok=True)
        path = os.path.join(self.arc_directory, uuid.uuid4().hex + ".key")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
            out.write(uuid.uuid4().hex)
        return path

    def _take_challenge(self, given):
        """Each is good for one request."""
        names = os.listdir(self.arc_directory) if self.arc_directory else []
        for name in names:
            path = os.path.join(self.arc_directory, name)
            with open(path, encoding="ascii") as file:
                good = file.read() == given
            if good:
                os.unlink(path)
                return True
        return False

    # ---- common ----

    def _choose(self, query, resource_id):
        wanted = {name: query[parameter] for name, parameter in (
            ("client_id", "client_id"), ("object_id", "object_id"), ("resource_id", resource_id))
            if parameter in query}
        if not wanted:
            if self.system is None and len(self.users) != 1:
                raise identity(400, "invalid_request", "Multiple user assigned identities exist, "
                               "please specify the clientId / resourceId of the identity in the "
                               "token request" if self.users else "Identity not found")
            return self.system or self.users[0]
        for user in [self.system, *self.users]:
            if user and all(getattr(user, name).lower() == value.lower()
                            for name, value in wanted.items()):
                return user
        raise identity(400, "invalid_request", "Identity not found")

    def _issue(self, user, query):
        resource = query.get("resource", "")
        if resource.rstrip("/") not in clouds.resources(self.cloud):
            raise identity(400, "invalid_resource", "AADSTS500011: The resource principal named "
                           "%s was not found in the tenant named Contoso." % resource)
        return self.tokens.issue(user.principal, resource)
