# SPDX-License-Identifier: Apache-2.0
"""The transit engine: a mount, and the life of its keys. Using them is in operations.py."""

import re
import threading

from .errors import Refusal, bad, internal
from .go import encode64, seconds
from .importing import WRAPPING_KEY, version_of
from .keys import HMAC_SIZES, Key, key_type, private_text, public_text
from .routes import Routes

routes = Routes()
NAME = r"(?P<name>\w(?:[\w.-]*\w)?)"


class Transit:
    """One mount."""

    kind = "transit"
    routes = routes

    def __init__(self):
        self.keys = {}
        self.lock = threading.RLock()
        self.disable_upsert = False

    def find(self, name, absent):
        key = self.keys.get(name)
        if key is None:
            raise bad(absent)
        return key

    def create(self, name, kind, options=None):
        """Makes the key, or returns the one that is there, whatever its type: as Vault does."""
        with self.lock:
            if name not in self.keys:
                key = Key(name, kind, options)
                key.add()
                self.keys[name] = key
            return self.keys[name]

    def creates(self, path):
        """Whether a write to this path needs the right to create: only an encryption does."""
        verb, _, name = path.partition("/")
        return verb == "encrypt" and name not in self.keys


# ---- keys ----

@routes.on("LIST", "keys")
def list_keys(transit, request):
    if not transit.keys:
        raise Refusal(404)
    return {"keys": sorted(transit.keys)}


@routes.on("POST", "keys/" + NAME)
def create_key(transit, request, name):
    body = request.json
    period = seconds(body.get("auto_rotate_period"))
    if period and period < 3600:
        raise bad("auto rotate period must be 0 to disable or at least an hour")
    if body.get("convergent_encryption") and not body.get("derived"):
        raise bad("convergent encryption requires derivation to be enabled")
    kind = key_type(body.get("type", "aes256-gcm96"))
    if kind.name == "hmac" and int(body.get("key_size", 0)) not in HMAC_SIZES:
        raise internal("invalid key size for HMAC key, must be between 32 and 512 bytes")
    key = transit.create(name, kind, body)
    key.auto_rotate_period = key.auto_rotate_period or period
    return key.describe()


@routes.on("GET", "keys/" + NAME)
def read_key(transit, request, name):
    if name not in transit.keys:
        raise Refusal(404)
    return transit.keys[name].describe()


@routes.on("DELETE", "keys/" + NAME)
def delete_key(transit, request, name):
    with transit.lock:
        problem = ("could not delete key; not found" if name not in transit.keys else
                   "deletion is not allowed for this key"
                   if not transit.keys[name].deletion_allowed else None)
        if problem:
            raise bad("error deleting policy %s: %s" % (name, problem))
        del transit.keys[name]


@routes.on("POST", "keys/" + NAME + "/rotate")
def rotate_key(transit, request, name):
    key = transit.find(name, "key not found")
    key.rotate()
    return key.describe()


@routes.on("POST", "keys/" + NAME + "/config")
def configure_key(transit, request, name):
    key = transit.find(name, "no existing key named %s could be found" % name)
    body = request.json
    with key.lock:
        lowest = {which: int(body.get("min_%s_version" % which, getattr(key, "min_" + which)))
                  for which in ("decryption", "encryption")}
        for which, number in lowest.items():
            if number > key.latest:
                raise bad("cannot set min %s version of %d, latest key version is %d"
                          % (which, number, key.latest))
        if 0 < lowest["encryption"] < lowest["decryption"]:
            raise bad("cannot set min encryption/decryption values; min encryption version of %d "
                      "must be greater than or equal to min decryption version of %d"
                      % (lowest["encryption"], lowest["decryption"]))
        key.min_decryption = max(lowest["decryption"], 1)
        key.min_encryption = lowest["encryption"]
        key.deletion_allowed = bool(body.get("deletion_allowed", key.deletion_allowed))
        key.exportable = key.exportable or bool(body.get("exportable"))
        key.allow_plaintext_backup |= bool(body.get("allow_plaintext_backup"))
        key.auto_rotate_period = seconds(body.get("auto_rotate_period"), key.auto_rotate_period)
    return key.describe()


@routes.on("POST", "keys/" + NAME + "/trim")
def trim_key(transit, request, name):
    key = transit.find(name, "invalid key name")
    lowest = int(request.json.get("min_available_version", 0))
    problem = ("set when minimum encryption version is not set" if not key.min_encryption else
               "decremented" if lowest < key.min_available else
               "greater than minmum encryption version" if lowest > key.min_encryption else
               "greater than minimum decryption version" if lowest > key.min_decryption else None)
    if problem:
        raise bad("minimum available version cannot be " + problem)
    with key.lock:
        key.min_available = lowest
        key.versions = {number: version for number, version in key.versions.items()
                        if number >= lowest}
    return key.describe()


@routes.on("GET", "wrapping_key")
def read_wrapping_key(transit, request):
    return {"public_key": WRAPPING_KEY.public_text()}


@routes.on("POST", "keys/" + NAME + "/import")
def import_key(transit, request, name):
    body = request.json
    kind = key_type(body.get("type", "aes256-gcm96"))
    if name in transit.keys:
        raise internal("the import path cannot be used with an existing key; use import-version "
                       "to rotate an existing imported key")
    key = Key(name, kind, body)
    key.imported = True
    key.allow_rotation = bool(body.get("allow_rotation"))
    key.add(version_of(body, kind))
    transit.keys[name] = key


@routes.on("POST", "keys/" + NAME + "/import_version")
def import_version(transit, request, name):
    key = transit.keys.get(name)
    if key is None:
        raise internal("no key found with name %s; to import a new key, use the import/ endpoint"
                       % name)
    if not key.imported:
        raise internal("the import_version endpoint can only be used with an imported key")
    version = version_of(request.json, key.type)
    newest = key.versions[key.latest]
    if version.has_secret and not newest.has_secret:
        newest.complete(version.secret)
    else:
        key.add(version)


@routes.on("GET", "config/keys")
def read_keys_config(transit, request):
    return {"disable_upsert": transit.disable_upsert}


@routes.on("POST", "config/keys")
def write_keys_config(transit, request):
    transit.disable_upsert = bool(request.json.get("disable_upsert"))
    return read_keys_config(transit, request)


# ---- export ----

@routes.on("GET", "export/(?P<what>[^/]+)/" + NAME + "(?:/(?P<which>[^/]+))?")
def export(transit, request, what, name, which):
    if what not in ("encryption-key", "signing-key", "hmac-key", "public-key"):
        raise bad("invalid export type: " + what)
    if name not in transit.keys:
        raise Refusal(404)
    key = transit.keys[name]
    if what != "public-key" and not key.exportable:
        raise bad("private key material is not exportable")
    for purpose, possible in (("encryption", key.type.encrypts), ("signing", key.type.signs)):
        if what == purpose + "-key" and not possible:
            raise bad(purpose + " not supported for the key")
    return {"name": name, "type": key.type.name,
            "keys": {str(number): _exported(key, what, key.versions[number])
                     for number in _export_versions(key, which)}}


def _export_versions(key, which):
    if not which:
        return sorted(number for number in key.versions if number >= key.min_decryption)
    text = re.sub("^v", "", which)
    if which != "latest" and not text.isdigit():
        raise bad("invalid key version")
    number = key.latest if which == "latest" else int(text)
    if number < key.min_decryption:
        raise bad("version for export is below minimum decryption version")
    if number not in key.versions:
        raise bad("version does not exist or cannot be found")
    return [number]


def _exported(key, what, version):
    if what == "hmac-key":
        return encode64(version.secret if key.type.name == "hmac" else version.hmac_key)
    if what == "public-key":
        if not key.type.label:
            raise internal("unknown key type %s for export type %s" % (key.type.name, what))
        return public_text(version.public)
    return private_text(version.secret)
