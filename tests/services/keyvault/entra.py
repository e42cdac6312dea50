# SPDX-License-Identifier: Apache-2.0
"""Entra ID: the token endpoint (v2 and v1) for client credentials, and the two documents that
clients read before it.

Client assertions: learn.microsoft.com, "Microsoft identity platform application authentication
certificate credentials"; federated ones: "Workload identity federation".
"""

import datetime
import time
from urllib.parse import parse_qs

from double.wire import Response

from . import clouds, jwt
from .apps import EXCHANGE, App, Federation
from .errors import Refusal, entra

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SKEW = 300  # seconds that clocks may differ by
FORM = "application/x-www-form-urlencoded"


class Entra:
    def __init__(self, tenant, tokens):
        self.tenant = tenant
        self.tokens = tokens
        self.apps = {}
        self.issuers = {}  # of federated tokens: URL to public key

    def register(self, **ids):
        app = App(self.tenant, **ids)
        self.apps[app.client_id] = app
        return app

    def federate(self, app, issuer, subject, audience=EXCHANGE):
        app.federations.append(Federation(issuer, subject, audience))

    # ---- routes ----

    def answer(self, request, place):
        parts = request.path.strip("/").split("/")
        tenant, rest = parts[0], "/".join(parts[1:])
        if request.method == "POST" and rest in ("oauth2/v2.0/token", "oauth2/token"):
            return self._token(request, place, tenant, v1=rest == "oauth2/token")
        if request.method == "GET" and rest.endswith(".well-known/openid-configuration"):
            return Response(200, self._configuration(place, self._tenant(tenant)))
        if request.method == "GET" and request.path == "/common/discovery/instance":
            return Response(200, self._instance(request, place))
        raise Refusal(404)

    @staticmethod
    def _configuration(place, tenant):
        base = "https://%s/%s" % (place.name, tenant)
        return {"token_endpoint": base + "/oauth2/v2.0/token", "issuer": base + "/v2.0",
                "authorization_endpoint": base + "/oauth2/v2.0/authorize",
                "device_authorization_endpoint": base + "/oauth2/v2.0/devicecode",
                "tenant_region_scope": "EU", "cloud_instance_name": "microsoftonline.com",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post", "private_key_jwt", "client_secret_basic"]}

    @staticmethod
    def _instance(request, place):
        metadata = [{"preferred_network": cloud.authorities[0],
                     "preferred_cache": cloud.authorities[-1], "aliases": list(cloud.authorities)}
                    for cloud in clouds.CLOUDS]
        wanted = parse_qs(request.query).get("authorization_endpoint", [""])[0]
        return {"tenant_discovery_endpoint": wanted.replace(
                    "oauth2/v2.0/authorize", "v2.0/.well-known/openid-configuration"),
                "api-version": "1.1", "metadata": metadata}

    def _tenant(self, tenant):
        if tenant.lower() != self.tenant:
            raise entra(400, "invalid_request", 90002,
                        "Tenant '%s' not found. Check to make sure you have the correct tenant ID "
                        "and are signing into the correct cloud." % tenant)
        return self.tenant

    def _token(self, request, place, tenant, v1):
        form = {}
        if request.headers.get("content-type", "").startswith(FORM):
            form = {name: values[0] for name, values
                    in parse_qs(request.body.decode(), keep_blank_values=True).items()}
        if "grant_type" not in form:
            raise _missing("grant_type")
        if form["grant_type"] != "client_credentials":
            raise entra(400, "unsupported_grant_type", 70003,
                        "The app requested an unsupported grant type '%s'." % form["grant_type"])
        app = self._app(form, self._tenant(tenant))
        self._authenticate(app, form, place, tenant)
        audience = self._audience(form, place, v1)
        text, token = self.tokens.issue(app.principal, audience)
        return Response(200, self._grant(text, token, v1))

    def _grant(self, text, token, v1):
        left = token.expires - int(time.time())
        if v1:  # numbers as strings
            return {"token_type": "Bearer", "expires_in": str(left), "ext_expires_in": str(left),
                    "expires_on": str(token.expires), "not_before": str(int(time.time()) - 300),
                    "resource": token.audience, "access_token": text}
        grant = {"token_type": "Bearer", "expires_in": left, "ext_expires_in": left,
                 "access_token": text}
        if self.tokens.refresh_in is not None:
            grant["refresh_in"] = self.tokens.refresh_in
        return grant

    # ---- for what ----

    @staticmethod
    def _audience(form, place, v1):
        if v1:
            resource = form.get("resource") or ""
        else:
            resource, dot, rest = form.get("scope", "").partition("/.default")
            if not form.get("scope"):
                raise _missing("scope")
            if not dot or rest:
                raise entra(400, "invalid_scope", 1002012,
                            "The provided value for scope %s is not valid. Client credential "
                            "flows must have a scope value with /.default suffixed to the "
                            "resource identifier (application ID URI)." % form["scope"])
        known = clouds.resources(place.cloud) + ["https://management.azure.com"]
        if resource.rstrip("/") not in known:
            raise entra(400, "invalid_resource", 500011,
                        "The resource principal named %s was not found in the tenant named "
                        "Contoso. This can happen if the application has not been installed by "
                        "the administrator of the tenant or consented to by any user in the "
                        "tenant." % resource)
        return resource

    # ---- by whom ----

    def _app(self, form, tenant):
        client_id = form.get("client_id")
        if not client_id:
            raise _missing("client_id")
        if client_id not in self.apps:
            raise entra(400, "unauthorized_client", 700016,
                        "Application with identifier '%s' was not found in the directory '%s'."
                        % (client_id, tenant))
        return self.apps[client_id]

    def _authenticate(self, app, form, place, tenant):
        if "client_assertion" in form:
            if form.get("client_assertion_type") != ASSERTION:
                raise _missing("client_assertion_type")
            self._check_assertion(app, form["client_assertion"], place, tenant)
        elif "client_secret" in form:
            self._check_secret(app, form["client_secret"])
        else:
            raise _client(7000216, "'client_assertion', 'client_secret' or 'request' is required "
                          "for the 'client_credentials' grant type.")

    @staticmethod
    def _check_secret(app, secret):
        expiry = app.secret_expiry(secret)
        if expiry is None:
            raise _client(7000215, "Invalid client secret provided. Ensure the secret being sent "
                          "in the request is the client secret value, not the client secret ID, "
                          "for a secret added to app '%s'." % app.client_id)
        if expiry and expiry < time.time():
            raise _client(7000222, "The provided client secret keys for app '%s' are expired."
                          % app.client_id)

    def _check_assertion(self, app, text, place, tenant):
        try:
            assertion = jwt.parse(text)
        except ValueError:
            raise entra(400, "invalid_request", 50027,
                        "JWT token is invalid or malformed.") from None
        if assertion.claims.get("iss") == app.client_id:
            self._check_certificate(app, assertion, place, tenant)
        else:
            self._check_federated(app, assertion)

    def _check_certificate(self, app, assertion, place, tenant):
        header, claims = assertion.header, assertion.claims
        if header.get("alg") not in jwt.PADDINGS:
            raise _client(5002738, "Invalid JWT token. '%s' is not a supported signature "
                          "algorithm." % header.get("alg"))
        if claims.get("sub") != app.client_id:
            raise _client(700021, "Client assertion application identifier doesn't match "
                          "'client_id' parameter.")
        certificate = app.certificate(header)
        if certificate is None:
            raise _client(700027, "The certificate with identifier used to sign the client "
                          "assertion is not registered on application. [Reason - The key was not "
                          "found., Thumbprint of key used by client: '%s'.]"
                          % (header.get("x5t#S256") or header.get("x5t")))
        if not jwt.verifies(assertion, certificate.public_key()):
            raise _client(50013, "Assertion failed signature validation. [Reason - The provided "
                          "signature value did not match the expected signature value.]")
        if claims.get("aud") not in _audiences(place, tenant):
            raise _client(700023, "Client assertion audience claim does not match Realm issuer.")
        _check_times(claims)
        if certificate.not_valid_after < datetime.datetime.utcnow():
            raise _client(700027, "The certificate with identifier used to sign the client "
                          "assertion is expired on application. [Reason - The key used is "
                          "expired.]")
        if not claims.get("jti"):
            raise _client(50027, "JWT token is invalid or malformed: no 'jti'.")

    def _check_federated(self, app, assertion):
        claims = assertion.claims
        if assertion.header.get("alg") != "RS256":
            raise _client(5002738, "Invalid JWT token. '%s' is not a supported signature "
                          "algorithm." % assertion.header.get("alg"))
        self._match_federation(app, claims)
        key = self.issuers.get(claims["iss"])
        if key is None or not jwt.verifies(assertion, key):
            raise _client(50013, "Assertion failed signature validation. [Reason - The key was "
                          "not found.]")
        _check_times(claims)

    @staticmethod
    def _match_federation(app, claims):
        """Issuer, then audience, then subject, each with its own number."""
        left = app.federations
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        for number, what, value, fits in (
                (700211, "issuer", claims.get("iss"), lambda one: one.issuer == claims.get("iss")),
                (700212, "audience", audience, lambda one: one.audience in audiences),
                (700213, "subject", claims.get("sub"),
                 lambda one: one.subject == claims.get("sub"))):
            left = [one for one in left if fits(one)]
            if not left:
                raise _client(number, "No matching federated identity record found for presented "
                              "assertion %s '%s'." % (what, value))


def _missing(name):
    return entra(400, "invalid_request", 900144,
                 "The request body must contain the following parameter: '%s'." % name)


def _client(number, message):
    return entra(401, "invalid_client", number, message)


def _audiences(place, tenant):
    return [form % (host, tenant) for host in place.cloud.authorities
            for form in ("https://%s/%s/oauth2/v2.0/token", "https://%s/%s/oauth2/token",
                         "https://%s/%s/v2.0")]


def _check_times(claims):
    now = time.time()
    exp, nbf = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(exp, (int, float)) or exp + SKEW < now or nbf - SKEW > now:
        raise _client(700024, "Client assertion is not within its valid time range. Current time: "
                      "%d, expiry time of assertion %s." % (now, exp))
