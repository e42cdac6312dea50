# SPDX-License-Identifier: Apache-2.0
"""What the side door of double/control.py has for Azure. "vault" is a host name everywhere.

    POST   apps               {"client_id": ID, "secret": S, "secret_expiry": TIME,
                               "certificate": PEM, "trust": {"subject": S, "issuer": PEM},
                               "federation": {"subject": S, "audience": A}}: makes an application
                              or adds to it: {"client_id", "object_id"}
    POST   apps/forget        {"client_id": ID, "secrets": true, "certificates": true}
    POST   federated          {"subject": S, "audience": A, "lifetime": s, "claims": {...}}
    POST   identities         {"client_id", "object_id", "resource_id"}, any: a user-assigned one
    POST   tokens/issue       {"audience": A, "tenant": T}: a token of the first application
    POST   tokens/end         {"token": T}; without one, all
    POST   rights             {"vault": HOST, "object_id": ID, "rights": ["keys/sign", ...] | null,
                               "model": "rbac" | "policy"}
    POST   limits             {"vault": HOST, "limit": N | null, "retry_after": s | null}
    POST   keys/make          {"vault": HOST, "count": N}: EC keys key-00000 and on
    POST   keys/request       {"vault": HOST, "method": M, "path": P, "body": {...}}: the vault's
                              own API, behind everybody's back: {"status", "body"}
    POST   state              {"lifetime": s, "refresh_in": s | null, "system_identity": bool,
                               "cloud": of the managed identities, "arc_directory": PATH,
                               "deletion_delay": {HOST: s}}; what is left out stays
"""

import json

from cryptography import x509

from double.control import Control
from double.wire import Request

from . import apps, clouds
from .identity import ManagedIdentity
from .keys import Key, KeyVersion, Spec
from .tokens import Principal


class AzureControl(Control):
    def __init__(self, service, faults, stats):
        super().__init__(faults, stats)
        self._service = service
        for path, action in (
                ("apps", self._app), ("apps/forget", self._forget),
                ("federated", self._federated), ("identities", self._identity),
                ("tokens/issue", self._issue), ("tokens/end", self._end),
                ("rights", self._rights), ("limits", self._limits),
                ("keys/make", self._make_keys), ("keys/request", self._request),
                ("state", self._state)):
            self.add(path, action)

    # ---- Entra ID ----

    def _app(self, body):
        entra = self._service.entra
        app = entra.apps.get(body.get("client_id")) or entra.register(
            client_id=body.get("client_id"))
        if "secret" in body:
            app.secrets[body["secret"]] = body.get("secret_expiry", 0)
        if "certificate" in body:
            app.certificates.append(_certificate(body["certificate"]))
        if "trust" in body:
            app.trusted.append((body["trust"]["subject"], _certificate(body["trust"]["issuer"])))
        if "federation" in body:
            entra.federate(app, next(iter(entra.issuers)), body["federation"]["subject"],
                           body["federation"].get("audience", apps.EXCHANGE))
        return {"client_id": app.client_id, "object_id": app.object_id}

    def _forget(self, body):
        app = self._service.entra.apps[body["client_id"]]
        if body.get("secrets"):
            app.secrets.clear()
        if body.get("certificates"):
            app.certificates.clear()
        return {}

    def _federated(self, body):
        return {"token": self._service.federated_token(
            body["subject"], body.get("audience", apps.EXCHANGE), int(body.get("lifetime", 3600)),
            **body.get("claims", {}))}

    def _identity(self, body):
        user = self._service.identity.assign(**body)
        return {"client_id": user.client_id, "object_id": user.object_id,
                "resource_id": user.resource_id}

    def _issue(self, body):
        app = self._service.app
        principal = Principal(app.client_id, app.object_id,
                              body.get("tenant", self._service.tenant))
        text, _ = self._service.tokens.issue(principal, body["audience"])
        return {"token": text}

    def _end(self, body):
        return {"ended": self._service.tokens.end(body.get("token"))}

    # ---- vaults ----

    def _rights(self, body):
        vault = self._service.vault(body["vault"])
        rights = body.get("rights")
        vault.rights[body["object_id"]] = None if rights is None else set(rights)
        vault.model = body.get("model", vault.model)
        return {}

    def _limits(self, body):
        limits = self._service.vault(body["vault"]).limits
        limits.limit, limits.retry_after = body.get("limit"), body.get("retry_after")
        return {}

    def _make_keys(self, body):
        vault = self._service.vault(body["vault"])
        kty = "EC-HSM" if vault.hsm else "EC"
        for number in range(int(body["count"])):
            key = Key("key-%05d" % number)
            key.add(KeyVersion(Spec(kty, crv="P-256")))
            vault.keys[key.name] = key
        return {}

    def _request(self, body):
        vault = self._service.vault(body["vault"])
        text, token = self._service.tokens.issue(self._service.app.principal, vault.resource)
        path = body["path"] + ("&" if "?" in body["path"] else "?") + "api-version=7.6"
        data = json.dumps(body["body"]).encode() if body.get("body") is not None else b""
        headers = {"authorization": "Bearer " + text, "content-type": "application/json"}
        answer = vault.answer(Request(body["method"], path, headers, data, None), internal=True)
        token.revoked = True
        return {"status": answer.status, "body": answer.body}

    # ---- the rest ----

    def _state(self, body):
        tokens, identity = self._service.tokens, self._service.identity
        tokens.lifetime = body.get("lifetime", tokens.lifetime)
        tokens.refresh_in = body.get("refresh_in", tokens.refresh_in)
        identity.arc_directory = body.get("arc_directory", identity.arc_directory)
        if "cloud" in body:
            identity.cloud = next(one for one in clouds.CLOUDS if one.name == body["cloud"])
        if "system_identity" in body:
            identity.system = (ManagedIdentity(self._service.tenant) if body["system_identity"]
                               else None)
        for host, delay in body.get("deletion_delay", {}).items():
            self._service.vault(host).deletion_delay = delay
        return {}


def _certificate(pem):
    return x509.load_pem_x509_certificate(pem.encode())
