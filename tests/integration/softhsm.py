# SPDX-License-Identifier: Apache-2.0
"""SoftHSM2 tokens with copies of a Vault's keys, so that both can be asked the same.

    softhsm = SoftHsm(vault, {"rsa": "rsa-2048", "aes": "aes256-gcm96"})   # exportable in the Vault
    softhsm.certify("rsa", "rsa.crt")        # a certificate beside the key
    ...                                      # its token is `web`, its PIN softhsm.pin
    softhsm.remove()

SOFTHSM2_CONF is in this process's environment from then on.
"""

import base64
import ctypes
import os
import subprocess
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (Encoding, NoEncryption, PrivateFormat,
                                                          PublicFormat, load_pem_private_key)

from harness import CK, Module
from p11_types import Ulong, template
from servers import Directory

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
SECRET_KINDS = {"aes256-gcm96": "encryption", "hmac": "hmac"}
PRIME256V1 = bytes.fromhex("06082a8648ce3d030107")
SECP384R1 = bytes.fromhex("06052b81040022")
EDWARDS25519 = b"\x13\x0cedwards25519"  # a PrintableString, as SoftHSM 2.6 wants it


class SoftHsm:
    """A token of its own with a copy of Vault's keys; kinds: {label: Vault's type}."""

    pin = "1234"

    def __init__(self, vault, kinds):
        self._directory = Directory()
        os.mkdir(self._directory.path("tokens"))
        conf = self._directory.path("softhsm2.conf")
        with open(conf, "w", encoding="ascii") as out:
            out.write("directories.tokendir = %s\nlog.level = ERROR\n" %
                      self._directory.path("tokens"))
        os.environ["SOFTHSM2_CONF"] = conf
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "web", "--so-pin",
                        self.pin, "--pin", self.pin], check=True, stdout=subprocess.DEVNULL)
        self.module = Module(SOFTHSM)
        with self._writing() as session:
            for label, kind in kinds.items():
                for attributes in copies(vault, label, kind):
                    self._create(session, attributes)

    @contextmanager
    def _writing(self):
        self.module.initialize()
        with self.module.session(self.module.slot("web"), read_write=True) as session:
            session.login(self.pin)
            yield session
        self.module.finalize()

    @staticmethod
    def _create(session, attributes):
        session.must("C_CreateObject", template(attributes), len(attributes), ctypes.byref(Ulong()))

    def certify(self, label, path):
        """Puts a certificate, a PEM file, beside the key."""
        with open(path, "rb") as file:
            certificate = x509.load_pem_x509_certificate(file.read())
        serial = number(certificate.serial_number)
        with self._writing() as session:
            self._create(session, {
                "CKA_CLASS": CK.CKO_CERTIFICATE, "CKA_TOKEN": True, "CKA_PRIVATE": False,
                "CKA_LABEL": label, "CKA_ID": identify(certificate.public_key()),
                "CKA_CERTIFICATE_TYPE": CK.CKC_X_509,
                "CKA_SUBJECT": certificate.subject.public_bytes(),
                "CKA_ISSUER": certificate.issuer.public_bytes(),
                "CKA_SERIAL_NUMBER": bytes([2, len(serial)]) + serial,
                "CKA_VALUE": certificate.public_bytes(Encoding.DER)})

    def remove(self):
        self._directory.remove()


def exported(vault, kind, label):
    return vault.read("transit/export/%s-key/%s" % (kind, label))["keys"]["1"]


def number(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def identify(public):
    return x509.SubjectKeyIdentifier.from_public_key(public).digest


def copies(vault, label, kind):
    """The templates of a key's objects, with the uses that Vault's keys of this type have."""
    base = {"CKA_TOKEN": True, "CKA_LABEL": label, "CKA_MODIFIABLE": False}
    hidden = dict(base, CKA_PRIVATE=True, CKA_SENSITIVE=True, CKA_EXTRACTABLE=False)
    if kind in SECRET_KINDS:
        value = base64.b64decode(exported(vault, SECRET_KINDS[kind], label))
        crypts = kind != "hmac"
        yield dict(hidden, CKA_CLASS=CK.CKO_SECRET_KEY, CKA_VALUE=value,
                   CKA_KEY_TYPE=CK.CKK_AES if crypts else CK.CKK_GENERIC_SECRET,
                   CKA_SIGN=not crypts, CKA_VERIFY=not crypts, CKA_ENCRYPT=crypts,
                   CKA_DECRYPT=crypts, CKA_WRAP=crypts, CKA_UNWRAP=crypts)
        return
    key = load_private(exported(vault, "signing", label))
    for half, parts in zip((dict(base, CKA_PRIVATE=False), hidden), numbers_of(key)):
        yield dict(half, CKA_ID=identify(key.public_key()), **parts)


def load_private(text):
    if text.startswith("-----"):
        return load_pem_private_key(text.encode(), None)
    return ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(text)[:32])


def numbers_of(key):
    if isinstance(key, rsa.RSAPrivateKey):
        return rsa_numbers(key)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ed_numbers(key)
    return ec_numbers(key)


def rsa_numbers(key):
    private = key.private_numbers()
    public = private.public_numbers
    both = {"CKA_KEY_TYPE": CK.CKK_RSA, "CKA_MODULUS": number(public.n),
            "CKA_PUBLIC_EXPONENT": number(public.e)}
    return (dict(both, CKA_CLASS=CK.CKO_PUBLIC_KEY, CKA_VERIFY=True, CKA_ENCRYPT=True,
                 CKA_WRAP=True),
            dict(both, CKA_CLASS=CK.CKO_PRIVATE_KEY, CKA_SIGN=True, CKA_DECRYPT=True,
                 CKA_UNWRAP=True, CKA_PRIVATE_EXPONENT=number(private.d),
                 CKA_PRIME_1=number(private.p), CKA_PRIME_2=number(private.q),
                 CKA_EXPONENT_1=number(private.dmp1), CKA_EXPONENT_2=number(private.dmq1),
                 CKA_COEFFICIENT=number(private.iqmp)))


def ec_numbers(key):
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    params = {256: PRIME256V1, 384: SECP384R1}[key.key_size]
    return curve_numbers(CK.CKK_EC, params, point, number(key.private_numbers().private_value))


def ed_numbers(key):
    point = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    value = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return curve_numbers(CK.CKK_EC_EDWARDS, EDWARDS25519, point, value)


def curve_numbers(kind, params, point, value):
    both = {"CKA_KEY_TYPE": kind, "CKA_EC_PARAMS": params}
    return (dict(both, CKA_CLASS=CK.CKO_PUBLIC_KEY, CKA_VERIFY=True, CKA_ENCRYPT=False,
                 CKA_WRAP=False, CKA_EC_POINT=b"\4" + bytes([len(point)]) + point),
            dict(both, CKA_CLASS=CK.CKO_PRIVATE_KEY, CKA_SIGN=True, CKA_DECRYPT=False,
                 CKA_UNWRAP=False, CKA_VALUE=value))
