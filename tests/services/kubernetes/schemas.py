#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a directory of JSON schemas for kubeconform, after making it when it is not there yet:
what Kubernetes' own module says of its objects in api/openapi-spec/swagger.json (Swagger 2.0), one
file for each kind, and strict: a property that no definition has is an error.

  usage: schemas.py        in $HSMBRIDGE_CACHE (default ~/.cache/hsmbridge)

Of objects that other projects define, monitoring.coreos.com and cert-manager.io, as much as our
chart says is written down here.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
GO = "go1.26.8/bin/go"  # as ../vault/build.sh keeps it
SHARED = "_definitions.json"
# Definitions that the swagger file calls strings, and that take numbers as well.
NUMBERS_TOO = ("util.intstr.IntOrString", "api.resource.Quantity")


def cache():
    return Path(os.environ.get("HSMBRIDGE_CACHE") or Path.home() / ".cache" / "hsmbridge")


def version():
    """Of the module that build.sh builds."""
    return re.search(r"k8s\.io/kubernetes (v[0-9.]+)", (HERE / "go.mod").read_text()).group(1)


def swagger():
    go = shutil.which("go") or str(cache() / GO)
    told = subprocess.run([go, "mod", "download", "-json", "k8s.io/kubernetes@" + version()],
                          check=True, stdout=subprocess.PIPE, cwd="/",
                          env=dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=mod"))
    path = Path(json.loads(told.stdout)["Dir"]) / "api" / "openapi-spec" / "swagger.json"
    return json.loads(path.read_text(encoding="utf-8"))


def strict(node):
    """A copy that allows named properties only, and refers to the shared file."""
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: strict(value) for key, value in node.items()}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = made["$ref"].replace("#/", SHARED + "#/")
    if made.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
        made["additionalProperties"] = False
    return made


def definitions(found):
    made = {name: strict(each) for name, each in found.items()}
    for name in made:
        if name.endswith(NUMBERS_TOO):
            made[name] = {"type": ["string", "number"]}
    return made


def of_kind(definition, kind):
    """The schema of a whole object: its apiVersion and kind are no free text."""
    made = json.loads(json.dumps(definition))
    group = kind["group"] + "/" if kind["group"] else ""
    made["properties"]["apiVersion"] = {"enum": [group + kind["version"]]}
    made["properties"]["kind"] = {"enum": [kind["kind"]]}
    made["required"] = sorted({*made.get("required", []), "apiVersion", "kind"})
    return made


def file_name(kind):
    """As kubeconform calls it by {{.ResourceKind}}{{.KindSuffix}}."""
    words = [kind["kind"].lower(), kind["group"].split(".")[0], kind["version"]]
    return "-".join(word for word in words if word) + ".json"


def kinds(made):
    """{file name: schema} of the objects that are stored under one group and kind."""
    found = {}
    for definition in made.values():
        names = definition.get("x-kubernetes-group-version-kind", [])
        if len(names) == 1 and "metadata" in definition.get("properties", {}):
            found[file_name(names[0])] = of_kind(definition, names[0])
    return found


# ---- other projects' objects ----

def record(required=(), **properties):
    made = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**made, "required": list(required)} if required else made  # not empty, says draft 4


def custom(group, version_, kind, spec):
    name = {"group": group, "version": version_, "kind": kind}
    metadata = {"$ref": SHARED + "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    whole = record(["metadata", "spec"], metadata=metadata, spec=spec)
    return {file_name(name): of_kind(whole, name)}


TEXT, TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
DURATION = {"type": "string", "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"}
SELECTOR = record(matchLabels={"type": "object", "additionalProperties": TEXT})
SECRET_KEY = record(["name", "key"], name=TEXT, key=TEXT)
FROM_SECRET = record(["secret"], secret=SECRET_KEY)
TLS = record(serverName=TEXT, ca=FROM_SECRET, cert=FROM_SECRET, keySecret=SECRET_KEY)


def endpoints(**more):
    return {"type": "array", "minItems": 1,
            "items": record(["port"], port=TEXT, path=TEXT, interval=DURATION, **more)}


def others():
    monitoring = "monitoring.coreos.com"
    certificate = record(
        ["secretName", "issuerRef"], secretName=TEXT,
        commonName={"type": "string", "maxLength": 64}, dnsNames=TEXTS, usages=TEXTS,
        duration=DURATION, renewBefore=DURATION,
        privateKey=record(algorithm={"enum": ["RSA", "ECDSA", "Ed25519"]}, size={"type": "integer"},
                          rotationPolicy={"enum": ["Never", "Always"]}),
        issuerRef=record(["name"], name=TEXT, kind=TEXT, group=TEXT))
    return {
        **custom("cert-manager.io", "v1", "Certificate", certificate),
        **custom(monitoring, "v1", "ServiceMonitor", record(
            ["selector", "endpoints"], selector=SELECTOR,
            endpoints=endpoints(scheme={"enum": ["http", "https"]}, tlsConfig=TLS))),
        **custom(monitoring, "v1", "PodMonitor", record(
            ["selector", "podMetricsEndpoints"], selector=SELECTOR,
            podMetricsEndpoints=endpoints())),
    }


# ---- the directory ----

def write(directory):
    shared = definitions(swagger()["definitions"])
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, schema in {SHARED: {"definitions": shared}, **kinds(shared), **others()}.items():
        (directory / name).write_text(json.dumps(schema), encoding="utf-8")


def main():
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    directory = cache() / ("kubernetes-schemas-%s-%s" % (version(), digest))
    if not directory.is_dir():
        part = directory.with_name("%s.part-%d" % (directory.name, os.getpid()))
        write(part)
        try:
            part.rename(directory)
        except OSError:  # another one was quicker
            shutil.rmtree(part)
    print(directory)


if __name__ == "__main__":
    sys.exit(main())
