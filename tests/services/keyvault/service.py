# SPDX-License-Identifier: Apache-2.0
"""From a host name to whoever answers for it: a token authority, a vault or a managed HSM."""

import threading
import time
import uuid

from cryptography.hazmat.primitives.asymmetric import rsa

from double.wire import Response

from . import certificates, clouds, jwt, make, operations  # noqa: F401 (they add their routes)
from .entra import Entra
from .errors import Refusal
from .identity import Identity
from .tokens import Tokens
from .vault import Vault

CLUSTER = "https://oidc.cluster.test/"  # who signs federated tokens


class Service:
    """Everything; answer() and answer_plain() may be called by any thread. A vault is there as
    soon as it is asked for."""

    def __init__(self, tenant, client_id, secret):
        self.tenant = tenant
        self.tokens = Tokens()
        self.entra = Entra(tenant, self.tokens)
        self.app = self.entra.register(client_id=client_id)
        self.app.secrets[secret] = 0
        self.identity = Identity(tenant, self.tokens)
        self.cluster_key = rsa.generate_private_key(65537, 2048)
        self.entra.issuers[CLUSTER] = self.cluster_key.public_key()
        self._vaults = {}
        self._lock = threading.Lock()

    def vault(self, host):
        place = clouds.find(host)
        if place is None or place.kind == "authority":
            raise ValueError("no vault can have this host name: %s" % host)
        with self._lock:
            if host not in self._vaults:
                self._vaults[host] = Vault(place, self.tenant, self.tokens)
            return self._vaults[host]

    def federated_token(self, subject, audience, lifetime, **claims):
        """As a cluster projects it into a pod."""
        now = int(time.time())
        return jwt.sign(self.cluster_key, dict({
            "iss": CLUSTER, "sub": subject, "aud": [audience], "iat": now, "nbf": now,
            "exp": now + lifetime}, **claims), kid="cluster")

    def answer(self, request):
        host = request.headers.get("host", "").partition(":")[0].lower()
        place = clouds.find(host)
        if place is None:
            return Response(404, b"no such host here: " + host.encode(), content_type="text/plain")
        if place.kind != "authority":
            return self.vault(host).answer(request)
        return self._guarded(self.entra.answer, request, place)

    def answer_plain(self, request):
        return self._guarded(self.identity.answer, request)

    @staticmethod
    def _guarded(answer, *args):
        try:
            response = answer(*args)
        except Refusal as refusal:
            response = Response(refusal.status, refusal.body, refusal.headers)
        response.content_type = "application/json; charset=utf-8"
        response.headers["x-ms-request-id"] = str(uuid.uuid4())
        return response
