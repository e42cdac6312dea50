# SPDX-License-Identifier: Apache-2.0
"""A client of the Vault API for setting up a test's server, real or double."""

import base64
import http.client
import json
import ssl
import urllib.parse
from collections import namedtuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from process import ServerError

Answer = namedtuple("Answer", "status headers json text")


class VaultClient:
    """ca: path, None for plain HTTP; verifying: False where the server's certificate is wrong on
    purpose."""

    def __init__(self, url, ca=None, token="root", unseal_key=None, verifying=True):
        self.url = url
        self.ca = ca
        self.token = token
        self.unseal_key = unseal_key
        self.verifying = verifying

    def _connection(self, url, client=None):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        context = ssl.create_default_context(cafile=self.ca)
        if not self.verifying:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if client:
            context.load_cert_chain(*client)
        return http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=60)

    def request(self, method, path, body=None, token=None, client=None, headers=None):
        """One request. path: with or without /v1/. body: dict, or str as it stands.
        token: the root's unless given; "" for none. client: a Leaf for mTLS."""
        token = self.token if token is None else token
        headers = dict({"X-Vault-Token": token} if token else {}, **(headers or {}))
        data = body if body is None or isinstance(body, str) else json.dumps(body)
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        return self._exchange(self.url, method, path if path.startswith("/") else "/v1/" + path,
                              data, headers, client)

    def _exchange(self, url, method, path, data, headers, client=None):
        connection = self._connection(url, client)
        try:
            connection.request(method, path, data, headers)
            reply = connection.getresponse()
            text = reply.read().decode("utf-8", "replace")
            kind = reply.headers.get("Content-Type", "")
            return Answer(reply.status, reply.headers,
                          json.loads(text) if text and "json" in kind else None, text)
        finally:
            connection.close()

    def _must(self, method, path, body=None, **options):
        answer = self.request(method, path, body, **options)
        if answer.status >= 400:
            raise ServerError("%s %s: %d %s" % (method, path, answer.status, answer.text))
        return answer.json or {}

    def write(self, path, body=None, **options):
        """POST; the answer's data, or its auth for a login."""
        answer = self._must("POST", path, body or {}, **options)
        return answer.get("data") or answer.get("auth") or {}

    def read(self, path, **options):
        return self._must("GET", path, **options).get("data") or {}

    def list(self, path, **options):
        return self._must("LIST", path, **options)["data"]["keys"]

    def delete(self, path, **options):
        self._must("DELETE", path, **options)

    # ---- keys ----

    def setup_transit(self, *names, mount="transit", **typed):
        """Mounts transit, makes ECDSA P-256 keys of these names; typed: name="rsa-2048"."""
        self.write("sys/mounts/" + mount, {"type": "transit"})
        for name, kind in [(name, "ecdsa-p256") for name in names] + list(typed.items()):
            self.make_key(name, kind, mount)

    def make_key(self, name, kind="ecdsa-p256", mount="transit", **options):
        if kind == "hmac":
            options.setdefault("key_size", 32)
        return self.write("%s/keys/%s" % (mount, name), dict(options, type=kind))

    def rotate_key(self, name, mount="transit"):
        """Returns the new version's number."""
        return self.write("%s/keys/%s/rotate" % (mount, name))["latest_version"]

    def delete_key(self, name, mount="transit"):
        self.write("%s/keys/%s/config" % (mount, name), {"deletion_allowed": True})
        self.delete("%s/keys/%s" % (mount, name))

    def public_key(self, name, version=None, mount="transit"):
        """A version's public key, as python3-cryptography has it."""
        data = self.read("%s/keys/%s" % (mount, name))
        text = data["keys"][str(version or data["latest_version"])]["public_key"]
        if text.startswith("-----"):
            return load_pem_public_key(text.encode())
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text))

    # ---- rights and logins ----

    def setup_policy(self, name, paths):
        """paths: {"transit/sign/app": "update", "transit/keys/*": "read list"}"""
        rules = ['path "%s" { capabilities = [%s] }' % (path, ", ".join(
            '"%s"' % word for word in words.split())) for path, words in paths.items()]
        self.write("sys/policies/acl/" + name, {"policy": "\n".join(rules)})

    def setup_signer(self, name="signer", mount="transit"):
        """A policy that allows everything with the mount's keys but changing them."""
        self.setup_policy(name, {mount + "/keys": "list", mount + "/keys/*": "read", **{
            "%s/%s/*" % (mount, verb): "update"
            for verb in ("sign", "verify", "encrypt", "decrypt", "hmac", "random")},
            mount + "/random": "update"})
        return name

    def make_token(self, *policies, ttl="1h", **options):
        body = dict(options, policies=list(policies), ttl=ttl)
        return self.write("auth/token/create", body)["client_token"]

    def revoke(self, token):
        self.write("auth/token/revoke", {"token": token})

    def _enable(self, kind, path):
        if path + "/" not in self._must("GET", "sys/auth"):
            self.write("sys/auth/" + path, {"type": kind})

    @staticmethod
    def _role(policies, ttl, options):
        return dict(options, token_policies=list(policies), token_ttl=ttl)

    def setup_approle(self, *policies, role="app", ttl="1h", path="approle", **options):
        """(role id, secret id)"""
        self._enable("approle", path)
        base = "auth/%s/role/%s" % (path, role)
        self.write(base, self._role(policies, ttl, options))
        return self.read(base + "/role-id")["role_id"], self.write(base + "/secret-id")["secret_id"]

    def setup_userpass(self, user, password, *policies, ttl="1h", path="userpass", **options):
        self._enable("userpass", path)
        self.write("auth/%s/users/%s" % (path, user),
                   dict(self._role(policies, ttl, options), password=password))

    def setup_cert(self, *policies, role="web", ttl="1h", path="cert", ca=None, **options):
        """Trusts the client certificates of ca, a path (default: the server's own authority)."""
        self._enable("cert", path)
        with open(ca or self.ca, encoding="ascii") as pem:
            self.write("auth/%s/certs/%s" % (path, role),
                       dict(self._role(policies, ttl, options), certificate=pem.read()))

    def setup_kubernetes(self, stub, *policies, role="app", ttl="1h", path="kubernetes", **options):
        """Trusts the service account of a KubernetesStub."""
        self._enable("kubernetes", path)
        self.write("auth/%s/config" % path, {
            "kubernetes_host": stub.url, "token_reviewer_jwt": stub.jwt,
            "disable_local_ca_jwt": True, "disable_iss_validation": True})
        self.write("auth/%s/role/%s" % (path, role), dict(
            self._role(policies, ttl, options), bound_service_account_names=stub.account,
            bound_service_account_namespaces=stub.namespace))

    def seal(self):
        self._must("PUT", "sys/seal")

    def unseal(self):
        self._must("PUT", "sys/unseal", {"key": self.unseal_key})
