# SPDX-License-Identifier: Apache-2.0
"""sys/...: health, seal, mounts, login methods and policies."""

import time
import uuid

from .errors import Refusal, bad
from .login import METHODS
from .routes import Routes
from .transit import Transit

VERSION = "1.21.4"
routes = Routes()


class System:
    """What is one per server. `standby`: "", "standby", "performance" or "dr"."""

    kind = "system"
    routes = routes

    def __init__(self, tokens, unseal_key):
        self.tokens = tokens
        self.unseal_key = unseal_key
        self.sealed = False
        self.standby = ""
        self.leader = ""  # where a standby sends its callers
        self.cluster_id = str(uuid.uuid4())
        self.mounts = {}  # "transit/" -> Transit
        self.methods = {"token/": tokens}

    def find(self, method, path):
        """(mount, rest of path) of a path below /v1/."""
        if path.startswith("sys/"):
            return self, path[len("sys/"):]
        auth = path.startswith("auth/")
        rest = path[len("auth/"):] if auth else path
        table = self.methods if auth else self.mounts
        for prefix, mount in table.items():
            if rest.startswith(prefix):
                return mount, rest[len(prefix):]
        shown = path + "/" if method == "LIST" else path
        raise Refusal(404, ['no handler for route "%s". route entry not found.' % shown])

    def health(self):
        """(status, body): the statuses that load balancers look at."""
        passive = self.sealed or self.standby in ("standby", "dr")
        status = (503 if self.sealed else
                  {"": 200, "standby": 429, "performance": 473, "dr": 472}[self.standby])
        body = {"initialized": True, "sealed": self.sealed, "standby": passive,
                "performance_standby": self.standby == "performance",
                "replication_performance_mode": "unknown" if self.sealed else "disabled",
                "replication_dr_mode": "secondary" if self.standby == "dr" else
                                       "unknown" if self.sealed else "disabled",
                "server_time_utc": int(time.time()), "version": VERSION, "enterprise": False}
        if not self.sealed:
            body.update(cluster_name="vault-cluster-double", cluster_id=self.cluster_id)
        body.update(echo_duration_ms=0, clock_skew_ms=0, replication_primary_canary_age_ms=0)
        return status, body

    def seal_status(self):
        body = {"type": "shamir", "initialized": True, "sealed": self.sealed, "t": 1, "n": 1,
                "progress": 0, "nonce": "", "version": VERSION, "build_date": "",
                "migration": False,
                "recovery_seal": False}
        if not self.sealed:
            body.update(cluster_name="vault-cluster-double", cluster_id=self.cluster_id)
        return body

    def unseal(self, key):
        if key != self.unseal_key:
            raise bad("Unseal failed, invalid key")
        self.sealed = False
        return self.seal_status()

    def leader_status(self):
        return {"ha_enabled": bool(self.standby), "is_self": False,
                "active_time": "0001-01-01T00:00:00Z", "leader_address": self.leader,
                "leader_cluster_address": "", "performance_standby": self.standby == "performance",
                "performance_standby_last_remote_wal": 0}


@routes.on("POST", "seal")
def seal(system, request):
    system.sealed = True


@routes.on("GET", "mounts")
def list_mounts(system, request):
    return {path: {"type": mount.kind, "accessor": "", "description": "", "options": None}
            for path, mount in system.mounts.items()}


@routes.on("POST", r"mounts/(?P<path>.+)")
def mount_engine(system, request, path):
    kind = request.json.get("type")
    path = path.strip("/") + "/"
    if kind != "transit":
        raise bad('plugin not found in the catalog: %s' % kind)
    if path in system.mounts:
        raise bad("path is already in use at " + path)
    system.mounts[path] = Transit()


@routes.on("DELETE", r"mounts/(?P<path>.+)")
def unmount_engine(system, request, path):
    system.mounts.pop(path.strip("/") + "/", None)


@routes.on("GET", "auth")
def list_methods(system, request):
    return {path: {"type": method.kind, "accessor": "", "description": "", "options": None}
            for path, method in system.methods.items()}


@routes.on("POST", r"auth/(?P<path>.+)")
def mount_method(system, request, path):
    kind = request.json.get("type")
    path = path.strip("/") + "/"
    if kind not in METHODS:
        raise bad('plugin not found in the catalog: %s' % kind)
    if path in system.methods:
        raise bad("path is already in use at " + path)
    system.methods[path] = METHODS[kind](system.tokens)


@routes.on("POST", r"policies/acl/(?P<name>[^/]+)")
def write_policy(system, request, name):
    system.tokens.policies[name] = request.json.get("policy", "")


@routes.on("GET", r"policies/acl/(?P<name>[^/]+)")
def read_policy(system, request, name):
    if name not in system.tokens.policies:
        raise Refusal(404)
    return {"name": name, "policy": system.tokens.policies[name]}


@routes.on("DELETE", r"policies/acl/(?P<name>[^/]+)")
def delete_policy(system, request, name):
    system.tokens.policies.pop(name, None)


@routes.on("POST", "capabilities-self")
def capabilities_self(system, request):
    return {path: sorted(system.tokens.capabilities(request.token, path))
            for path in request.json.get("paths", [])}
