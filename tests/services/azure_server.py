# SPDX-License-Identifier: Apache-2.0
"""The stand-in for Azure as a process of a test.

    with AzureDouble() as azure:
        azure.make_key("app", "EC", crv="P-256")         # in the vault WEB
        azure.make_key("seal", "oct-HSM", vault=HSM)     # in a managed HSM
        azure.throttle("/keys/app/", retry_after=1)
        ... url https://web.vault.azure.net, connect_to ::127.0.0.1:PORT, ca_file azure.ca

Faults and counters: process.Controlled; the orders: double/faults.py, keyvault/weather.py,
double/control.py and keyvault/control.py.
"""

import base64
import http.client
import json
import os
import socket
import ssl
from collections import namedtuple
from urllib.parse import urlencode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from double.tls import Authority
from keyvault.clouds import NAMES
from process import PYTHON, Controlled, Process, ServerError

SERVICES = os.path.dirname(os.path.abspath(__file__))
WEB = "web.vault.azure.net"
HSM = "web.managedhsm.azure.net"
AUTHORITY = "login.microsoftonline.com"
API = "7.4"
CURVES = {"P-256": ec.SECP256R1, "P-256K": ec.SECP256K1, "P-384": ec.SECP384R1,
          "P-521": ec.SECP521R1}

Answer = namedtuple("Answer", "status headers json text")


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


class AzureDouble(Controlled, Process):
    """port, ca (path), tenant, client_id, client_secret, object_id, identity (URL of IMDS)

    connect_to                "127.0.0.1:PORT"; the option's value with :: before it (all hosts)
    authority                 a tls.Authority; issue() makes more leaves
    """

    def __init__(self, port=0, names=NAMES, expired=False, authority=None):
        """names, expired: of the server's certificate."""
        super().__init__()
        self.authority = authority or Authority(self.dir)
        self.ca = self.authority.path
        self.leaf = self.authority.issue("server-" + os.path.basename(self.dir), tuple(names),
                                         expired=expired)
        self.port = port
        self._ids = []  # tenant, client id, secret: the same after stop() and start()
        self.start()

    def _command(self, port):
        return [PYTHON, os.path.join(SERVICES, "azure_double.py"), "--dir", self.dir, "--port",
                str(port), "--cert", self.leaf.cert, "--key", self.leaf.key, *self._ids]

    def start(self):
        """Starts the server, on the port and for the application that it had before."""
        self.launch(self.port)
        for name in ("port", "tenant", "client_id", "client_secret", "object_id", "identity",
                     "identity_header"):
            setattr(self, name, self.ready[name])
        self._ids = ["--tenant", self.tenant, "--client-id", self.client_id,
                     "--client-secret=" + self.client_secret]
        self.connect_to = "127.0.0.1:%d" % self.port

    # ---- requests as a client ----

    def request(self, method, host, path, body=None, headers=None, context=None):
        """One request over TLS. body: dict for JSON, or bytes as they stand."""
        headers = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        context = context or ssl.create_default_context(cafile=self.ca)
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPSConnection(host, timeout=60)
        connection.sock = context.wrap_socket(sock, server_hostname=host)
        try:
            connection.request(method, path, body, headers)
            return self._read(connection.getresponse())
        finally:
            connection.close()

    def request_plain(self, path, headers=None, method="GET"):
        """One request to IMDS and its kind."""
        connection = http.client.HTTPConnection(self.identity.rpartition("/")[2], timeout=60)
        try:
            connection.request(method, path, headers=headers or {})
            return self._read(connection.getresponse())
        finally:
            connection.close()

    @staticmethod
    def _read(reply):
        text = reply.read().decode("utf-8", "replace")
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        return Answer(reply.status, reply.headers, value, text)

    def ask_token(self, host=AUTHORITY, path=None, **form):
        """The token endpoint's answer to a form; by default the first application's secret."""
        form = dict({"grant_type": "client_credentials", "client_id": self.client_id,
                     "client_secret": self.client_secret,
                     "scope": "https://vault.azure.net/.default"}, **form)
        data = urlencode({name: value for name, value in form.items() if value is not None})
        return self.request("POST", host, path or "/%s/oauth2/v2.0/token" % self.tenant,
                            data.encode(), {"Content-Type": "application/x-www-form-urlencoded"})

    def issue_token(self, audience="https://vault.azure.net", **more):
        return self.control("POST", "tokens/issue", dict(more, audience=audience))["token"]

    # ---- setting up; nothing of it is counted ----

    def behind(self, method, path, body=None, vault=WEB, expect=(200, 202, 204)):
        """The vault's own API, without a token and unseen; the answer's body."""
        answer = self.control("POST", "keys/request", {
            "vault": vault, "method": method, "path": path, "body": body})
        if answer["status"] not in expect:
            raise ServerError("%s %s: %s" % (method, path, answer))
        return answer["body"]

    def make_key(self, name, kty="EC", vault=WEB, **options):
        """A key, or a new version of it; options: key_size, crv, key_ops, attributes, tags."""
        return self.behind("POST", "/keys/%s/create" % name, dict(options, kty=kty), vault)

    def import_key(self, name, jwk, vault=WEB, **options):
        return self.behind("PUT", "/keys/" + name, dict(options, key=jwk), vault)

    def rotate_key(self, name, vault=WEB):
        """The new version's bundle."""
        return self.behind("POST", "/keys/%s/rotate" % name, {}, vault)

    def update_key(self, name, vault=WEB, version=None, **options):
        """key_ops, attributes, tags"""
        path = "/keys/" + name + ("/" + version if version else "")
        return self.behind("PATCH", path, options, vault)

    def delete_key(self, name, vault=WEB):
        self.behind("DELETE", "/keys/" + name, vault=vault)

    def purge_key(self, name, vault=WEB):
        self.behind("DELETE", "/deletedkeys/" + name, vault=vault)

    def make_keys(self, count, vault=WEB):
        """EC keys key-00000 and on."""
        self.control("POST", "keys/make", {"vault": vault, "count": count})

    def key(self, name, version=None, vault=WEB):
        """Its bundle."""
        return self.behind("GET", "/keys/" + name + ("/" + version if version else ""),
                           vault=vault)

    def version(self, name, vault=WEB):
        """The id of its latest version."""
        return self.key(name, vault=vault)["key"]["kid"].rpartition("/")[2]

    def public_key(self, name, version=None, vault=WEB):
        """As python3-cryptography has it."""
        jwk = self.key(name, version, vault)["key"]
        if "n" in jwk:
            return rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()
        return ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]),
                                             CURVES[jwk["crv"]]()).public_key()

    def make_certificate(self, name, subject="CN=web.test", vault=WEB, **key):
        """A certificate that signs itself, with its key; key: kty, key_size, crv. Returns DER."""
        self.behind("POST", "/certificates/%s/create" % name, {"policy": {
            "issuer": {"name": "Self"}, "key_props": dict({"kty": "RSA"}, **key),
            "x509_props": {"subject": subject}}}, vault)
        return base64.b64decode(self.behind("GET", "/certificates/" + name, vault=vault)["cer"])

    def import_certificate(self, name, leaf, vault=WEB):
        """leaf: a tls.Leaf."""
        pem = ""
        for path in (leaf.key, leaf.cert):
            with open(path, encoding="ascii") as file:
                pem += file.read()
        return self.behind("POST", "/certificates/%s/import" % name, {"value": pem}, vault)

    # ---- who may ask ----

    def add_app(self, **body):
        """An application, or more for one: keyvault/control.py, apps. Its ids."""
        return self.control("POST", "apps", body)

    def add_certificate_app(self, stem="client", **more):
        """(client id, PEM file of its certificate and RSA key): for client assertions."""
        key = rsa.generate_private_key(65537, 2048)
        path = os.path.join(self.dir, stem + ".pem")
        self.authority.certify(path, key.public_key(), stem + ".test")
        with open(path, encoding="ascii") as file:
            certificate = file.read()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption()).decode()
        with open(os.open(path, os.O_WRONLY | os.O_TRUNC), "w", encoding="ascii") as file:
            file.write(certificate + pem)
        os.chmod(path, 0o600)
        return self.add_app(certificate=certificate, **more)["client_id"], path

    def add_federated_app(self, subject="system:serviceaccount:default:app", lifetime=3600):
        """(client id, path of a token file)"""
        client_id = self.add_app(federation={"subject": subject})["client_id"]
        return client_id, self.federated_token(subject, lifetime=lifetime)

    def federated_token(self, subject="system:serviceaccount:default:app", **options):
        """The path of a new one; options: audience, lifetime, claims."""
        token = self.control("POST", "federated", dict(options, subject=subject))["token"]
        path = os.path.join(self.dir, "federated-token")
        with open(path, "w", encoding="ascii") as file:
            file.write(token)
        os.chmod(path, 0o600)
        return path

    def assign_identity(self, **ids):
        """A user-assigned managed identity: client_id, object_id, resource_id."""
        return self.control("POST", "identities", ids)

    def allow(self, *rights, vault=WEB, object_id=None, model="rbac"):
        """What the first application may do in a vault: "keys/sign", ...; without any: nothing.
        allow_all() takes it back."""
        self.control("POST", "rights", {"vault": vault, "rights": list(rights), "model": model,
                                        "object_id": object_id or self.object_id})

    def allow_all(self, vault=WEB, object_id=None):
        self.control("POST", "rights", {"vault": vault, "rights": None,
                                        "object_id": object_id or self.object_id})

    def state(self, **state):
        """lifetime, refresh_in, system_identity, cloud, arc_directory, deletion_delay"""
        self.control("POST", "state", state)

    def end_tokens(self, token=None):
        """All that were issued, unless one is named; from now on they are expired."""
        return self.control("POST", "tokens/end", {"token": token})["ended"]

    # ---- weather ----

    def throttle(self, path="/keys", retry_after=None, count=0, **order):
        """429; one_in=10 for a tenth of the requests."""
        return self.fault("throttle", path, count, retry_after=retry_after, **order)

    def refuse(self, inner=None, path="/keys", count=1, **order):
        """inner: "ForbiddenByRbac", "KeyDisabled", ...; or status and code."""
        return self.fault("refuse", path, count, inner=inner, **order)

    def limit(self, operations, retry_after=None, vault=WEB):
        """At most so many of the lightest operations in ten seconds; None: no limit."""
        self.control("POST", "limits", {"vault": vault, "limit": operations,
                                        "retry_after": retry_after})

    def token_requests(self):
        """How often tokens were asked for since reset()."""
        return sum(number for name, number in self.stats()["by_path"].items()
                   if name.endswith("/token"))
