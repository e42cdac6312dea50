# SPDX-License-Identifier: Apache-2.0
"""Who may ask Entra ID for tokens: applications with their secrets, certificates and federations.
"""

import hmac
import uuid
from collections import namedtuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from . import jwt
from .tokens import Principal

Federation = namedtuple("Federation", "issuer subject audience")
EXCHANGE = "api://AzureADTokenExchange"  # the audience of federated tokens by default


class App:
    def __init__(self, tenant, client_id=None, object_id=None):
        self.tenant = tenant
        self.client_id = client_id or str(uuid.uuid4())
        self.object_id = object_id or str(uuid.uuid4())
        self.secrets = {}  # text to time of expiry, 0: never
        self.certificates = []
        self.trusted = []  # (subject, certificate of its issuer): subject-name/issuer logins
        self.federations = []

    @property
    def principal(self):
        return Principal(self.client_id, self.object_id, self.tenant)

    def secret_expiry(self, text):
        """None if it is no secret of this application."""
        for secret, expiry in self.secrets.items():
            if hmac.compare_digest(secret.encode(), text.encode()):
                return expiry
        return None

    def certificate(self, header):
        """The certificate that a client assertion's header says it is signed with, or None."""
        for certificate in self.certificates:
            if _thumbprint_matches(header, certificate):
                return certificate
        return self._trusted_leaf(header)

    def _trusted_leaf(self, header):
        """x5c brings the chain; the leaf's subject is registered, and its issuer has signed it."""
        chain = header.get("x5c") or []
        if not chain or not self.trusted:
            return None
        pem = "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % chain[0]
        leaf = x509.load_pem_x509_certificate(pem.encode())
        for subject, issuer in self.trusted:
            if leaf.subject.rfc4514_string() == subject and _has_signed(issuer, leaf) and \
                    _thumbprint_matches(header, leaf):
                return leaf
        return None


def _thumbprint_matches(header, certificate):
    """x5t: SHA-1, with or without padding (MSAL for Python pads); x5t#S256: SHA-256."""
    if "x5t#S256" in header:
        return header["x5t#S256"] == jwt.encode(certificate.fingerprint(hashes.SHA256()))
    return header.get("x5t", "").rstrip("=") == jwt.encode(certificate.fingerprint(hashes.SHA1()))


def _has_signed(issuer, leaf):
    try:
        issuer.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes,
                                   ec.ECDSA(leaf.signature_hash_algorithm))
        return True
    except InvalidSignature:
        return False
