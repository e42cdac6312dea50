# SPDX-License-Identifier: Apache-2.0
"""Certificates of a vault: made there or imported, each version with a key of the same name and
version. A managed HSM has none."""

import base64
import binascii
import datetime
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from double.keys import Version as Material
from double.wire import Response

from . import jwt
from .errors import bad, refused
from .keys import CURVES, Attributes, Key, KeyVersion, Spec, check_name, check_tags
from .make import spec_of
from .vault import KEY, VERSION, routes
from .versioned import Versioned

DER = serialization.Encoding.DER
POLICY = {"key_props": {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False},
          "secret_props": {"contentType": "application/x-pkcs12"},
          "issuer": {"name": "Unknown"}}


class CertificateVersion:
    def __init__(self, certificate, key_version, body):
        self.id = key_version.id
        self.certificate = certificate
        self.policy = body.get("policy") or POLICY
        self.attributes = Attributes(body.get("attributes"))
        self.attributes.nbf = _seconds(certificate.not_valid_before)
        self.attributes.exp = _seconds(certificate.not_valid_after)
        self.tags = check_tags(body.get("tags"))


class Certificate(Versioned):
    """In the vault."""


def _seconds(moment):
    return int(moment.replace(tzinfo=datetime.timezone.utc).timestamp())


def only_vault(method, pattern):
    """Decorates a route that a managed HSM does not have."""
    def add(function):
        function.only = "vault"
        return routes.on(method, pattern)(function)
    return add


def find(vault, name, ident=None):
    thing = vault.certificates.get(name.lower())
    version = thing and thing.find(ident)
    if version is None:
        raise refused(404, "CertificateNotFound", "A certificate with (name/id) %s was not found "
                      "in this key vault. If you recently deleted this certificate you may be "
                      "able to recover it using the correct recovery command. For help resolving "
                      "this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
                      % name)
    return thing, version


# ---- as the API shows them ----

def url(vault, kind, thing, version=None):
    return "%s/%s/%s%s" % (vault.base, kind, thing.name, "/" + version.id if version else "")


def item(vault, thing, version, with_version):
    shown = {"id": url(vault, "certificates", thing, version if with_version else None),
             "x5t": jwt.encode(version.certificate.fingerprint(hashes.SHA1())),
             "attributes": version.attributes.describe(vault),
             "subject": version.certificate.subject.rfc4514_string()}
    if version.tags:
        shown["tags"] = version.tags
    return shown


def bundle(vault, thing, version):
    shown = item(vault, thing, version, True)
    del shown["subject"]
    policy = dict(version.policy, id=url(vault, "certificates", thing) + "/policy")
    shown.update(kid=url(vault, "keys", thing, version), sid=url(vault, "secrets", thing, version),
                 cer=base64.b64encode(version.certificate.public_bytes(DER)).decode(),
                 policy=policy)
    return shown


# ---- routes ----

@only_vault("GET", "certificates")
def list_certificates(vault, call):
    vault.allow(call, "certificates/list")
    return vault.page(call, vault.certificates.values(),
                      lambda thing: item(vault, thing, thing.latest, False))


@only_vault("GET", "certificates/" + KEY + "/versions")
def list_versions(vault, call, name):
    vault.allow(call, "certificates/list", name)
    thing, _ = find(vault, name)
    return vault.page_in_order(call, sorted(thing.versions, key=lambda version: version.id),
                               lambda version: item(vault, thing, version, True))


@only_vault("GET", "certificates/" + KEY + "/pending")
def pending(vault, call, name):
    """Who asks a first time is told that it is done."""
    vault.allow(call, "certificates/get", name)
    return operation(vault, *find(vault, name), "completed")


def operation(vault, thing, version, status):
    return {"id": url(vault, "certificates", thing) + "/pending", "status": status,
            "issuer": {"name": "Self"}, "cancellation_requested": False,
            "target": url(vault, "certificates", thing), "request_id": version.id}


@only_vault("GET", "certificates/" + KEY + VERSION)
def get(vault, call, name, version):
    vault.allow(call, "certificates/get", name)
    return bundle(vault, *find(vault, name, version))


@only_vault("POST", "certificates/" + KEY + "/create")
def create(vault, call, name):
    vault.allow(call, "certificates/create", name)
    policy = call.body.get("policy") or {}
    if policy.get("issuer", {}).get("name") != "Self":
        raise bad("Only certificates that sign themselves are made here.")
    props = policy.get("key_props") or {}
    spec = spec_of(vault, {"kty": props.get("kty", "RSA"), "crv": props.get("crv", "P-256"),
                           "key_size": props.get("key_size", 2048)})
    key_version = KeyVersion(spec)
    certificate = self_signed(key_version.material.secret, policy.get("x509_props") or {})
    made = store(vault, name, certificate, key_version, call.body)
    return Response(202, operation(vault, *made, "inProgress"))


def self_signed(secret, props):
    try:
        subject = x509.Name.from_rfc4514_string(props["subject"])
    except (KeyError, ValueError):
        raise bad("Property policy.x509_props.subject has invalid value") from None
    now = datetime.datetime.utcnow()
    end = now + datetime.timedelta(days=30 * int(props.get("validity_months") or 12))
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
            .public_key(secret.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=10)).not_valid_after(end)
            .sign(secret, hashes.SHA256()))


@only_vault("POST", "certificates/" + KEY + "/import")
def import_certificate(vault, call, name):
    vault.allow(call, "certificates/import", name)
    secret, certificate = parse(call.body)
    if isinstance(secret, rsa.RSAPrivateKey):
        spec = Spec("RSA", size=secret.key_size)
    else:
        spec = Spec("EC", crv=next(crv for crv, curve in CURVES.items()
                                   if curve.name == secret.curve.name))
    key_version = KeyVersion(spec, material=Material(lambda: secret))
    return bundle(vault, *store(vault, name, certificate, key_version, call.body))


def parse(body):
    """(secret, certificate) of PEM, as it is or in base64, or of PKCS#12 in base64."""
    value = (body.get("value") or "").encode()
    try:
        data = value if b"-----BEGIN" in value else base64.b64decode(value, validate=True)
        if b"-----BEGIN" in data:
            secret = serialization.load_pem_private_key(data, None)
            begin = data.index(b"-----BEGIN CERTIFICATE-----")
            certificate = x509.load_pem_x509_certificate(data[begin:])
        else:
            password = (body.get("pwd") or "").encode() or None
            secret, certificate, _ = pkcs12.load_key_and_certificates(data, password)
    except (ValueError, TypeError, binascii.Error):
        raise bad("The specified PKCS#12 or PEM content cannot be read.") from None
    if not isinstance(secret, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)) or not certificate:
        raise bad("The specified content has no private key or no certificate.")
    return secret, certificate


def store(vault, name, certificate, key_version, body):
    check_name(name)
    version = CertificateVersion(certificate, key_version, body)
    key_version.attributes.nbf = version.attributes.nbf
    key_version.attributes.exp = version.attributes.exp
    with vault.lock:
        vault.refuse_deleted(name, "Certificate", vault.deleted_certificates)
        vault.refuse_deleted(name, "Key", vault.deleted)
        thing = vault.certificates.get(name.lower()) or Certificate(name)
        key = vault.keys.get(name.lower()) or Key(name, managed=True)
        thing.versions.append(version)
        key.add(key_version)
        vault.certificates[name.lower()], vault.keys[name.lower()] = thing, key
    return thing, version


@only_vault("DELETE", "certificates/" + KEY)
def delete(vault, call, name):
    """With its key."""
    vault.allow(call, "certificates/delete", name)
    thing, _ = find(vault, name)
    del vault.certificates[name.lower()]
    key = vault.keys.pop(name.lower())
    thing.deleted = key.deleted = time.time()
    vault.deleted_certificates[name.lower()] = thing
    vault.deleted[name.lower()] = key
    return recovery(vault, thing)


def recovery(vault, thing):
    return dict(bundle(vault, thing, thing.latest), deletedDate=int(thing.deleted),
                recoveryId=vault.base + "/deletedcertificates/" + thing.name,
                scheduledPurgeDate=int(thing.deleted) + vault.recoverable_days * 86400)


@only_vault("GET", "deletedcertificates/" + KEY)
def get_deleted(vault, call, name):
    vault.allow(call, "certificates/get", name)
    thing = vault.deleted_certificates.get(name.lower())
    if thing is None or vault.is_being_deleted(thing):
        raise refused(404, "CertificateNotFound", "Deleted Certificate not found: %s" % name)
    return recovery(vault, thing)
