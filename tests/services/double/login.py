# SPDX-License-Identifier: Apache-2.0
"""Login methods: AppRole, userpass, Kubernetes and client certificates."""

import hmac
import json
import time
import urllib.request
import uuid

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding

from .auth import DEFAULT_TTL
from .errors import Refusal, bad
from .go import seconds, words
from .routes import Routes

REVIEW_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"


class Method:
    """A mounted login method; roles are kept as their requests described them."""

    kind = None

    def __init__(self, tokens):
        self.tokens = tokens
        self.roles = {}
        self.config = {}

    def grant(self, request, role, metadata):
        ttl = seconds(role.get("token_ttl") or role.get("ttl"), DEFAULT_TTL)
        policies = words(role.get("token_policies") or role.get("policies"))
        kind = role.get("token_type", "service")
        request.auth = self.tokens.create(
            policies, ttl, kind if kind == "batch" else "service",
            max_ttl=seconds(role.get("token_max_ttl")), uses=int(role.get("token_num_uses", 0)),
            meta=metadata, orphan=True, path="auth/%s/login" % self.kind,
            display_name=self.kind).auth()

    def role(self, name):
        if name not in self.roles:
            raise Refusal(404)
        return self.roles[name]


# ---- AppRole ----

approle = Routes()


class AppRole(Method):
    kind = "approle"
    routes = approle


@approle.on("POST", r"role/(?P<name>[^/]+)")
def write_role(method, request, name):
    old = method.roles.get(name, {"role_id": str(uuid.uuid4()), "secrets": {}})
    method.roles[name] = dict(old, **request.json)


@approle.on("GET", r"role/(?P<name>[^/]+)/role-id")
def read_role_id(method, request, name):
    return {"role_id": method.role(name)["role_id"]}


@approle.on("POST", r"role/(?P<name>[^/]+)/role-id")
def write_role_id(method, request, name):
    method.role(name)["role_id"] = request.json["role_id"]


@approle.on("POST", r"role/(?P<name>[^/]+)/(?:custom-)?secret-id")
def make_secret_id(method, request, name):
    role = method.role(name)
    secret = request.json.get("secret_id") or str(uuid.uuid4())
    ttl, uses = seconds(role.get("secret_id_ttl")), int(role.get("secret_id_num_uses", 0))
    role["secrets"][secret] = {"expires": time.time() + ttl if ttl else None, "uses": uses}
    return {"secret_id": secret, "secret_id_accessor": str(uuid.uuid4()),
            "secret_id_num_uses": uses, "secret_id_ttl": ttl}


@approle.on("POST", "login", login=True)
def approle_login(method, request):
    for name, role in method.roles.items():
        if role["role_id"] == request.json.get("role_id") and _take_secret(role, request.json):
            return method.grant(request, role, {"role_name": name})
    raise bad("invalid role or secret ID")


def _take_secret(role, body):
    """Whether the secret id is good; counts its use."""
    if not role.get("bind_secret_id", True):
        return True
    ident = body.get("secret_id", "")
    secret = role["secrets"].get(ident)
    if secret is None or (secret["expires"] and time.time() >= secret["expires"]):
        return False
    if secret["uses"]:
        secret["uses"] -= 1
        if secret["uses"] == 0:
            del role["secrets"][ident]
    return True


# ---- userpass ----

userpass = Routes()


class UserPass(Method):
    kind = "userpass"
    routes = userpass


@userpass.on("POST", r"users/(?P<name>[^/]+)")
def write_user(method, request, name):
    method.roles[name] = dict(method.roles.get(name, {}), **request.json)


@userpass.on("POST", r"login/(?P<name>[^/]+)", login=True)
def userpass_login(method, request, name):
    user = method.roles.get(name)
    if user is None or not hmac.compare_digest(str(user.get("password")).encode(),
                                               str(request.json.get("password")).encode()):
        raise bad("invalid username or password")
    method.grant(request, user, {"username": name})


# ---- Kubernetes ----

kubernetes = Routes()


class Kubernetes(Method):
    """Asks the TokenReview API at `kubernetes_host`, which in tests is a stub."""

    kind = "kubernetes"
    routes = kubernetes


@kubernetes.on("POST", "config")
def write_kubernetes_config(method, request):
    method.config = request.json


@kubernetes.on("POST", r"role/(?P<name>[^/]+)")
def write_kubernetes_role(method, request, name):
    method.roles[name] = request.json


@kubernetes.on("POST", "login", login=True)
def kubernetes_login(method, request):
    for field in ("role", "jwt"):
        if not request.json.get(field):
            raise bad("missing " + field)
    name = request.json["role"]
    if name not in method.roles:
        raise bad('invalid role name "%s"' % name)
    role = method.roles[name]
    account = _review(method.config, request.json["jwt"])
    if account is None or not _is_bound(role, *account):
        raise Refusal(403, ["permission denied"])
    method.grant(request, role, {"role": name, "service_account_name": account[1],
                                 "service_account_namespace": account[0]})


def _review(config, jwt):
    """(namespace, name) of the service account; None when the API does not vouch for it."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": jwt}}
    order = urllib.request.Request(
        config.get("kubernetes_host", "").rstrip("/") + REVIEW_PATH, json.dumps(body).encode(),
        {"Content-Type": "application/json",
         "Authorization": "Bearer " + (config.get("token_reviewer_jwt") or jwt)})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(order, timeout=5) as reply:
            status = json.load(reply)["status"]
        kind, _, namespace, name = status["user"]["username"].split(":")
    except (OSError, ValueError, KeyError):
        return None
    return (namespace, name) if status.get("authenticated") and kind == "system" else None


def _is_bound(role, namespace, name):
    for field, value in (("bound_service_account_names", name),
                         ("bound_service_account_namespaces", namespace)):
        allowed = words(role.get(field))
        if value not in allowed and "*" not in allowed:
            return False
    return True


# ---- client certificates ----

cert = Routes()


class Cert(Method):
    kind = "cert"
    routes = cert


@cert.on("POST", r"certs/(?P<name>[^/]+)")
def write_cert(method, request, name):
    method.roles[name] = request.json


@cert.on("POST", "login", login=True)
def cert_login(method, request):
    if request.peer is None:
        raise bad("client certificate must be supplied")
    peer = x509.load_der_x509_certificate(request.peer)
    wanted = request.json.get("name")
    for name, role in method.roles.items():
        if wanted in (None, "", name) and _is_issued_by(peer, role["certificate"]):
            return method.grant(request, role, {"cert_name": name})
    raise bad("failed to match all constraints for this login certificate")


def _is_issued_by(peer, pem):
    authority = x509.load_pem_x509_certificate(pem.encode())
    if peer == authority:
        return True
    key = authority.public_key()
    how = ((ec.ECDSA(peer.signature_hash_algorithm),)
           if isinstance(key, ec.EllipticCurvePublicKey)
           else (padding.PKCS1v15(), peer.signature_hash_algorithm))
    try:
        key.verify(peer.signature, peer.tbs_certificate_bytes, *how)
    except InvalidSignature:
        return False
    return peer.issuer == authority.subject


METHODS = {method.kind: method for method in (AppRole, UserPass, Kubernetes, Cert)}
