# SPDX-License-Identifier: Apache-2.0
"""Certificate authorities for tests: an authority and its leaves, as PEM files in a directory."""

import datetime
import ipaddress
import os
from collections import namedtuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Leaf = namedtuple("Leaf", "cert key")  # paths
DAY = datetime.timedelta(days=1)
LOCAL_NAMES = ("127.0.0.1", "localhost", "vault.test")


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_key(path, key):
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(pem)


def _write_cert(path, cert):
    with open(path, "wb") as out:
        out.write(cert.public_bytes(serialization.Encoding.PEM))


class Authority:
    """Makes its key and DIRECTORY/STEM.pem at once; `path` is that file."""

    def __init__(self, directory, stem="ca", common_name="hsmbridge test CA"):
        self.directory = directory
        self.path = os.path.join(directory, stem + ".pem")
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(common_name)
        extensions = [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)]
        self.cert = self._sign(self._subject, self._key.public_key(), extensions, -DAY, 30 * DAY)
        _write_cert(self.path, self.cert)

    def issue(self, stem, names=LOCAL_NAMES, client=False, expired=False):
        """A leaf for a server of these names, or for a client called names[0]."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        extensions = [
            (x509.SubjectAlternativeName([_alternative(name) for name in names]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.KeyUsage(True, False, False, False, False, False, False, False, False), True),
            (x509.ExtendedKeyUsage([usage]), False)]
        begin, end = (-3 * DAY, -DAY) if expired else (-DAY, 30 * DAY)
        cert = self._sign(_name(names[0]), key.public_key(), extensions, begin, end)
        leaf = Leaf(os.path.join(self.directory, stem + ".pem"),
                    os.path.join(self.directory, stem + ".key"))
        _write_cert(leaf.cert, cert)
        _write_key(leaf.key, key)
        return leaf

    def certify(self, path, public_key, name):
        """A certificate for a key whose private half is elsewhere."""
        extensions = [(x509.SubjectAlternativeName([_alternative(name)]), False)]
        _write_cert(path, self._sign(_name(name), public_key, extensions, -DAY, 30 * DAY))

    def _sign(self, subject, public_key, extensions, begin, end):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self._subject)
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now + begin).not_valid_after(now + end))
        extensions = extensions + [
            (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False)]
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())
