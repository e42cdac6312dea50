# SPDX-License-Identifier: Apache-2.0
"""The part of the chart's values.schema.json that is the program's: what the sections of its
configuration may say.

    sections(options)      # of `hsmbridge options --json`: the schema's definitions
    write(options)         # puts them into the file: tests/integration/chart.py --write
"""

import json
import os
from pathlib import Path

FILE = Path(os.environ.get("HSMBRIDGE_SOURCE", ".")) / "k8s" / "chart" / "values.schema.json"
WITHOUT_TLS = {"pkcs11", "quorum"}  # backends that speak no HTTPS themselves
LEFT_OUT = {"zama": {"url"}}  # it has `parties`
IDENTITY = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
PATH = {"type": "string", "pattern": "^/"}
TEXT = {"type": ["string", "integer"]}
BY_TYPE = {
    "text": TEXT,
    "path": PATH,
    "number": {"type": "integer", "minimum": 0},
    "duration": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
    "yes/no": {"enum": [True, False, "yes", "no"]},
    "words": {"type": ["string", "array"], "items": TEXT},
}


def of_option(option):
    """{property: schema}. A secret is named by file or variable, never typed: a ConfigMap is read
    by many."""
    name, kind, choices = option["option"], option["type"], (option["choices"] or "").split()
    if kind == "secret":
        return {name + "_file": PATH, name + "_env": {"type": "string"}}
    if kind == "choice":
        return {name: {"enum": choices}}
    if kind == "choices":
        return {name: {"type": ["string", "array"], "items": {"enum": choices}}}
    if kind == "path" and choices:  # words of their own, or beginnings such as pkcs11:
        ends = ["/"] + [choice if choice.endswith(":") else choice + "$" for choice in choices]
        return {name: {"type": "string", "pattern": "^(%s)" % "|".join(ends)}}
    return {name: BY_TYPE[kind]}


def table(options, name):
    found = {}
    for option in options:
        if option["table"] == name:
            found.update(of_option(option))
    return found


def backends(options):
    return sorted(name for name in {option["table"] for option in options}
                  if name not in ("hsmbridge", "slot", "https") and not name.startswith("["))


def section(properties):
    return {"type": "object", "properties": dict(sorted(properties.items())),
            "additionalProperties": False}


def of_backend(options, name):
    properties = {**table(options, "slot"), **table(options, name)}
    if name not in WITHOUT_TLS:
        properties.update(table(options, "https"))
    for option in LEFT_OUT.get(name, ()):
        del properties[option]
    return section({**properties, "backend": {"const": name}})


def of_kes(options):
    """[kes], without what the chart says itself, and [kes-policy]."""
    server = {name: schema for name, schema in table(options, "[kes]").items()
              if name not in ("address", "cert_file", "key_file")}
    policy = {**table(options, "[kes-policy]"),
              "identities": {"type": ["string", "array"], "items": IDENTITY}}
    return {"kes-config": section(server), "kes-policy": section(policy)}


def sections(options):
    names = backends(options)
    return {
        "config": section(table(options, "hsmbridge")),
        **of_kes(options),
        "slot": {"type": "object", "required": ["backend"],
                 "properties": {"backend": {"enum": names}},
                 "allOf": [{"if": {"properties": {"backend": {"const": name}}},
                            "then": {"$ref": "#/definitions/slot-" + name}} for name in names]},
        **{"slot-" + name: of_backend(options, name) for name in names},
    }


def read():
    return json.loads(FILE.read_text(encoding="utf-8"))


def layout(value, indent=0):
    """JSON with whatever fits into a line on one."""
    text = json.dumps(value)
    if len(text) + indent < 100 or not isinstance(value, (dict, list)):
        return text
    inner = " " * (indent + 2)
    if isinstance(value, list):
        lines = [inner + layout(each, indent + 2) for each in value]
        return "[\n%s\n%s]" % (",\n".join(lines), " " * indent)
    lines = [inner + json.dumps(key) + ": " + layout(each, indent + 2)
             for key, each in value.items()]
    return "{\n%s\n%s}" % (",\n".join(lines), " " * indent)


def write(options):
    schema = read()
    schema["definitions"] = sections(options)
    FILE.write_text(layout(schema) + "\n", encoding="utf-8")
