# SPDX-License-Identifier: Apache-2.0
"""Who a client is, and what it may do."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization

REQUIRED = "tls: client certificate is required"
TOO_MANY = "tls: received more than one client certificate"


class NoIdentity(Exception):
    pass


def identity_of(certificate):
    """The hash of its SubjectPublicKeyInfo."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _is_authority(certificate):
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def client_of(chain):
    """The identity of a chain of DER certificates: its one that is not an authority's."""
    certificates = [x509.load_der_x509_certificate(der) for der in chain or []]
    leaves = [certificate for certificate in certificates if not _is_authority(certificate)]
    if len(leaves) != 1:
        raise NoIdentity(TOO_MANY if leaves else REQUIRED)
    return identity_of(leaves[0])


def _rule_fits(rule, path):
    return path.startswith(rule[:-1]) if rule.endswith("*") else path == rule


class Rights:
    def __init__(self, admin=""):
        self.admin = admin
        self.open = set()  # paths that need no certificate
        self.policies = {}  # name -> {"allow": [...], "deny": [...], "identities": [...]}

    def set_policy(self, name, policy):
        self.policies[name] = policy

    def may(self, identity, path):
        if identity == self.admin:
            return True
        for policy in self.policies.values():
            if identity in policy.get("identities", []):
                return (not any(_rule_fits(rule, path) for rule in policy.get("deny", []))
                        and any(_rule_fits(rule, path) for rule in policy.get("allow", [])))
        return False
