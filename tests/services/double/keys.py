# SPDX-License-Identifier: Apache-2.0
"""Transit keys: types, versions, what a read shows of them."""

import os
import threading
import time
from collections import namedtuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import UserError, bad, internal
from .go import encode64, rfc3339

KeyType = namedtuple("KeyType", "name label make encrypts signs derives")
RSA_EXPONENT = 65537
PEM = serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def _secret(size):
    return lambda: os.urandom(size)


def _ec(curve):
    return lambda: ec.generate_private_key(curve)


def _rsa(bits):
    return lambda: rsa.generate_private_key(RSA_EXPONENT, bits)


TYPES = {row.name: row for row in (
    #       name                 label      make                        encrypts signs  derives
    KeyType("aes128-gcm96",      "",        _secret(16),                True,    False, True),
    KeyType("aes256-gcm96",      "",        _secret(32),                True,    False, True),
    KeyType("chacha20-poly1305", "",        _secret(32),                True,    False, True),
    KeyType("ed25519",           "ed25519", ed25519.Ed25519PrivateKey.generate, False, True, True),
    KeyType("ecdsa-p256",        "P-256",   _ec(ec.SECP256R1()),        False,   True,  False),
    KeyType("ecdsa-p384",        "P-384",   _ec(ec.SECP384R1()),        False,   True,  False),
    KeyType("ecdsa-p521",        "P-521",   _ec(ec.SECP521R1()),        False,   True,  False),
    KeyType("rsa-2048",          "rsa-2048", _rsa(2048),                True,    True,  False),
    KeyType("rsa-3072",          "rsa-3072", _rsa(3072),                True,    True,  False),
    KeyType("rsa-4096",          "rsa-4096", _rsa(4096),                True,    True,  False),
    KeyType("hmac",              "",        None,                       False,   False, False),
)}
ENTERPRISE_TYPES = {"aes128-cmac", "aes192-cmac", "aes256-cmac", "aes128-cbc", "aes192-cbc",
                    "aes256-cbc", "ml-dsa", "slh-dsa", "hybrid"}
HMAC_SIZES = range(32, 513)


def key_type(name):
    if name in ENTERPRISE_TYPES:
        raise bad("key type %s is only available in enterprise versions of Vault" % name)
    if name == "managed_key":
        raise internal("managed keys are supported within enterprise edition only")
    if name not in TYPES:
        raise bad("unknown key type %s" % name)
    return TYPES[name]


class Version:
    """One version's material, made when it is first looked at: a mount of 10,000 keys is free."""

    def __init__(self, make, public=None):
        self._make = make  # None: only the public half was imported
        self._public = public
        self._secret = None
        self._lock = threading.Lock()
        self.created_ns = time.time_ns()
        self.hmac_key = os.urandom(32)

    @property
    def has_secret(self):
        return self._make is not None

    @property
    def secret(self):
        """A private key object, or bytes for a symmetric key."""
        with self._lock:
            if self._secret is None:
                self._secret = self._make()
            return self._secret

    @property
    def public(self):
        if self._public is None:
            self._public = self.secret.public_key()
        return self._public

    def complete(self, secret):
        """Adds the private half to a version of which only the public one was there."""
        self._make = lambda: secret


class Key:
    def __init__(self, name, kind, options=None):
        options = options or {}
        self.name = name
        self.type = kind
        self.latest = 0
        self.versions = {}
        self.lock = threading.RLock()
        self.derived = bool(options.get("derived"))
        self.convergent = bool(options.get("convergent_encryption"))
        self.exportable = bool(options.get("exportable"))
        self.allow_plaintext_backup = bool(options.get("allow_plaintext_backup"))
        self.key_size = int(options.get("key_size") or 32)
        self.auto_rotate_period = 0
        self.imported = False
        self.allow_rotation = False
        self.deletion_allowed = False
        self.min_decryption = 1
        self.min_encryption = 0
        self.min_available = 0

    @property
    def symmetric(self):
        return not self.type.label and self.type.name != "hmac"

    @property
    def rsa(self):
        return self.type.name.startswith("rsa-")

    def add(self, version=None):
        """A new version: the given one, or freshly made material."""
        make = self.type.make or _secret(self.key_size)
        with self.lock:
            self.latest += 1
            self.versions[self.latest] = version or Version(make)

    def rotate(self):
        if self.imported and not self.allow_rotation:
            raise internal("imported key %s does not allow rotation within Vault" % self.name)
        self.add()

    def version(self, number):
        try:
            return self.versions[number]
        except KeyError:
            raise UserError("no such key version") from None

    def writing_version(self, number, what):
        """The version to sign or encrypt with; 0 is the latest."""
        if number == 0:
            return self.latest
        problem = ("negative" if number < 0 else
                   "higher than the latest key version" if number > self.latest else
                   "less than the minimum encryption key version"
                   if number < self.min_encryption else None)
        if problem:
            raise UserError("requested version for %s is %s" % (what, problem))
        return number

    def reading_version(self, text, what):
        """(version, rest) of "vault:vN:rest"; checks what may still be read."""
        if not text.startswith("vault:v"):
            raise UserError("invalid %s: no prefix" % what)
        number, colon, rest = text[len("vault:v"):].partition(":")
        if not colon:
            raise UserError("invalid %s: wrong number of fields" % what)
        if not number.isdigit():
            raise UserError("invalid %s: version number could not be decoded" % what)
        version = int(number) or 1
        if version > self.latest:
            raise UserError("invalid %s: version is too new" % what)
        if version < self.min_decryption:
            raise UserError("ciphertext or signature version is disallowed by policy (too old)")
        return version, rest

    def symmetric_secret(self, version, context, size):
        """The version's key, derived with HKDF where the key says so."""
        secret = self.version(version).secret
        if not self.derived:
            return secret
        if not context:
            raise UserError("missing 'context' for key derivation; the key was created using a "
                            "derived key, which means additional, per-request information must "
                            "be included in order to perform operations with the key")
        return HKDF(hashes.SHA256(), size, salt=None, info=context).derive(secret)

    def describe(self):
        """The data of a read."""
        kind = self.type
        data = {
            "allow_plaintext_backup": self.allow_plaintext_backup,
            "auto_rotate_period": self.auto_rotate_period,
            "deletion_allowed": self.deletion_allowed, "derived": self.derived,
            "exportable": self.exportable, "imported_key": self.imported,
            "latest_version": self.latest, "min_available_version": self.min_available,
            "min_decryption_version": self.min_decryption,
            "min_encryption_version": self.min_encryption, "name": self.name,
            "supports_decryption": kind.encrypts, "supports_derivation": kind.derives,
            "supports_encryption": kind.encrypts, "supports_signing": kind.signs,
            "type": kind.name}
        if self.imported:
            data["imported_key_allow_rotation"] = self.allow_rotation
        if self.derived:
            data["kdf"] = "hkdf_sha256"
            data["convergent_encryption"] = self.convergent
            if self.convergent:
                data["convergent_encryption_version"] = -1
        if kind.name == "hmac":
            data["key_size"] = self.key_size
        else:
            data["keys"] = {str(number): self._describe_version(version)
                            for number, version in self._readable()}
        return data

    def _readable(self):
        return [(number, self.versions[number]) for number in sorted(self.versions)
                if number >= self.min_decryption]

    def _describe_version(self, version):
        if self.symmetric:
            return version.created_ns // 10**9
        return {"certificate_chain": "", "creation_time": rfc3339(version.created_ns),
                "hybrid_public_key": "", "name": self.type.label,
                "public_key": "" if self.derived else public_text(version.public)}


def public_text(public):
    """As Vault writes public keys: PEM, but base64 of the raw 32 bytes for Ed25519."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        return encode64(public.public_bytes(serialization.Encoding.Raw,
                                            serialization.PublicFormat.Raw))
    return public.public_bytes(PEM, SPKI).decode()


def private_text(secret):
    """As Vault exports private keys: base64 of raw secrets, traditional PEM of the others."""
    if isinstance(secret, bytes):
        return encode64(secret)
    none = serialization.NoEncryption()
    if isinstance(secret, ed25519.Ed25519PrivateKey):
        raw = serialization.Encoding.Raw
        public = secret.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
        return encode64(secret.private_bytes(raw, serialization.PrivateFormat.Raw, none) + public)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return secret.private_bytes(PEM, form, none).decode().strip()
