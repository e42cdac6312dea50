# SPDX-License-Identifier: Apache-2.0
"""Access tokens: signed as Entra ID signs them, and remembered, so that a vault's check is cheap
and a test can end one early."""

import threading
import time
import uuid
from collections import namedtuple

from cryptography.hazmat.primitives.asymmetric import rsa

from . import jwt

Principal = namedtuple("Principal", "client_id object_id tenant")
LIFETIME = 3599


class Token:
    def __init__(self, principal, audience, expires):
        self.principal = principal
        self.audience = audience
        self.expires = expires
        self.revoked = False

    @property
    def issuer(self):
        return "https://sts.windows.net/%s/" % self.principal.tenant


class Tokens:
    def __init__(self):
        self._key = rsa.generate_private_key(65537, 2048)
        self._lock = threading.Lock()
        self._tokens = {}
        self.lifetime = LIFETIME  # seconds
        self.refresh_in = None

    def issue(self, principal, audience):
        """(text, Token)"""
        now = int(time.time())
        token = Token(principal, audience, now + self.lifetime)
        text = jwt.sign(self._key, {
            "aud": audience, "iss": token.issuer, "iat": now, "nbf": now, "exp": token.expires,
            "appid": principal.client_id, "oid": principal.object_id, "tid": principal.tenant,
            "ver": "1.0", "uti": jwt.encode(uuid.uuid4().bytes)}, kid="double")
        with self._lock:
            self._tokens[text] = token
        return text, token

    def find(self, text):
        return self._tokens.get(text)

    def end(self, text=None):
        """Ends one token, or all, before their time; how many."""
        with self._lock:
            chosen = [self._tokens[text]] if text else list(self._tokens.values())
        for token in chosen:
            token.revoked = True
        return len(chosen)
