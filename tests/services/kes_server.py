# SPDX-License-Identifier: Apache-2.0
"""The KES double as a process of a test, and clients for it.

    with KesDouble() as kes:
        kes.allow("app1", kes.new_api_key(), "/v1/key/*")
        kes.admin.call("PUT", "/v1/key/create/app")
"""

import base64
import datetime
import http.client
import json
import os
import ssl
import urllib.parse
from collections import namedtuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from double.tls import Authority
from kes.rights import identity_of
from process import PYTHON, Controlled, Process

SERVICES = os.path.dirname(os.path.abspath(__file__))
NAMES = ("127.0.0.1", "localhost", "kes.test")
Reply = namedtuple("Reply", "status headers body")
Client = namedtuple("Client", "cert key identity")  # paths, and what KES calls it


def new_api_key():
    return "kes:v1:" + base64.b64encode(b"\0" + os.urandom(32)).decode()


def api_key_identity(api_key):
    """What KES knows the holder of an API key by."""
    seed = base64.b64decode(api_key[len("kes:v1:"):])[1:]
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return identity_of(namedtuple("Certificate", "public_key")(lambda: public))


def identity_of_file(path):
    """Of the first certificate in a PEM file."""
    with open(path, "rb") as file:
        return identity_of(x509.load_pem_x509_certificate(file.read()))


def make_certificate(directory, stem, ca=False, expired=False, key=None):
    """A self-signed client certificate of a new key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
    now, day = datetime.datetime.utcnow(), datetime.timedelta(days=1)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * day).not_valid_after(now + (-day if expired else 30 * day))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
            .sign(key, hashes.SHA256()))
    paths = [os.path.join(directory, stem + end) for end in (".pem", ".key")]
    with open(paths[0], "wb") as out:
        out.write(cert.public_bytes(serialization.Encoding.PEM))
    with open(os.open(paths[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(key.private_bytes(serialization.Encoding.PEM,
                                    serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption()))
    return Client(*paths, identity_of(cert))


class Caller:
    """Plain requests to a KES as one client; client None: without a certificate."""

    def __init__(self, url, ca, client):
        self._netloc = urllib.parse.urlsplit(url).netloc
        self._context = ssl.create_default_context(cafile=ca)
        if client:
            self._context.load_cert_chain(client.cert, client.key)

    def call(self, method, path, body=None, chunked=False):
        door = http.client.HTTPSConnection(self._netloc, context=self._context, timeout=30)
        try:
            if isinstance(body, dict):
                body = json.dumps(body)
            if chunked:
                door.request(method, path, iter([body.encode()] if body else []),
                             {"Transfer-Encoding": "chunked"}, encode_chunked=True)
            else:
                door.request(method, path, body)
            reply = door.getresponse()
            return Reply(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            door.close()

    def json(self, method, path, body=None):
        reply = self.call(method, path, body)
        if reply.status != 200:
            raise RuntimeError("%s %s: %d %s" % (method, path, reply.status, reply.body))
        return json.loads(reply.body or b"{}")

    # ---- what KES's own clients do ----

    def create(self, name):
        self.json("PUT", "/v1/key/create/" + name)

    def import_key(self, name, value, cipher="AES256"):
        self.json("PUT", "/v1/key/import/" + name,
                  {"key": base64.b64encode(value).decode(), "cipher": cipher})

    def encrypt(self, name, plain, context=b""):
        return self._use("encrypt", name, "ciphertext", plaintext=plain, context=context)

    def decrypt(self, name, sealed, context=b""):
        return self._use("decrypt", name, "plaintext", ciphertext=sealed, context=context)

    def hmac(self, name, message):
        return self._use("hmac", name, "hmac", message=message)

    def _use(self, verb, name, result, **members):
        body = {member: base64.b64encode(value).decode() for member, value in members.items()}
        return base64.b64decode(self.json("PUT", "/v1/key/%s/%s" % (verb, name), body)[result])


class KesDouble(Controlled, Process):
    """url, ca, port; admin: a Caller who may do everything."""

    def __init__(self, *options, authority=None, port=0, names=NAMES):
        super().__init__()
        self._options = options
        self.authority = authority or Authority(self.dir)
        self.ca = self.authority.path
        self._leaf = self.authority.issue("server-" + os.path.basename(self.dir), names)
        self.admin_client = make_certificate(self.dir, "admin")
        self.start(port)
        self.admin = self.caller(self.admin_client)

    def _command(self, port):
        return [PYTHON, os.path.join(SERVICES, "kes_double.py"), "--dir", self.dir, "--port",
                str(port), "--cert", self._leaf.cert, "--key", self._leaf.key, "--admin",
                self.admin_client.identity, *self._options]

    def start(self, port=None):
        self.launch(self.port if port is None else port)
        self.url = self.ready["url"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def caller(self, client):
        return Caller(self.url, self.ca, client)

    def client(self, stem, **kind):
        """A new self-signed client certificate."""
        return make_certificate(self.dir, stem, **kind)

    def allow(self, policy, identity, *rules, deny=()):
        """A policy for one identity, or for the holder of an API key."""
        if identity.startswith("kes:v1:"):
            identity = api_key_identity(identity)
        self.control("POST", "policy", {"name": policy, "allow": rules, "deny": list(deny),
                                        "identities": [identity]})

    def state(self, **state):
        """away, unready, hmac, version, kind, open: kes/control.py"""
        self.control("POST", "state", state)

    def put_stored(self, name, text):
        self.control("POST", "store", {"name": name, "text": text})

    def stored(self, name):
        return self.control("POST", "stored", {"name": name})["text"]

    def forget(self):
        self.control("POST", "forget")
