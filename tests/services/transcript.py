# SPDX-License-Identifier: Apache-2.0
"""The recorded conversation with a real Vault, taken apart so that it can be had again.

What differs between two servers (keys, signatures, ids) is paired up as it comes: a later request
that hands a recorded value back gets the live one in its place.
"""

import json
import re
from collections import namedtuple

Exchange = namedtuple("Exchange", "section line method path body status answer")

# Fields whose values differ from server to server.
VOLATILE = {"request_id", "public_key", "creation_time", "signature", "ciphertext", "hmac",
            "random_bytes", "client_token", "accessor", "role_id", "secret_id",
            "secret_id_accessor", "entity_id", "cluster_name", "cluster_id", "server_time_utc",
            "build_date", "echo_duration_ms", "clock_skew_ms", "plaintext"}
CUT = re.compile(r"\.\.\.\[\d+ chars\]$")
CARRIED = re.compile(r'"(ciphertext|signature)":"(vault:v\d+:[^".]{40,})')


def parse(path):
    """The exchanges, in order. answer: JSON, None for none, or the text of one that was cut."""
    exchanges, section, order = [], None, None
    with open(path, encoding="utf-8") as transcript:
        for number, line in enumerate(transcript, 1):
            line = line.rstrip("\n")
            if line.startswith("### "):
                section = line[4:]
            elif line.startswith("> "):
                order = (number, *(line[2:].split(" ", 2) + [None])[:3])
            elif line.startswith("< ") and order:
                status, _, answer = line[2:].partition(" ")
                exchanges.append(Exchange(section, *order, int(status), _answer(answer)))
                order = None
    return exchanges


def _answer(text):
    if not text:
        return None
    return text if CUT.search(text) else json.loads(text)


def was_cut(exchange):
    """Whether the request was cut, so that it cannot be made again."""
    return exchange.body is not None and CUT.search(exchange.body) is not None


class Pairs:
    """Recorded values and what stands for them now."""

    def __init__(self):
        self._whole = {}
        self._beginnings = {}

    def learn(self, recorded, live):
        if isinstance(recorded, str) and not isinstance(live, str):
            for field, beginning in CARRIED.findall(recorded):
                if field in (live or {}).get("data", {}) or {}:
                    self._beginnings[beginning] = live["data"][field]
        elif isinstance(recorded, str):
            self._whole[recorded] = live
        elif isinstance(recorded, dict) and isinstance(live, dict):
            for name, value in recorded.items():
                if name in live:
                    self.learn(value, live[name])
        elif isinstance(recorded, list) and isinstance(live, list):
            for one, other in zip(recorded, live):
                self.learn(one, other)

    def add(self, recorded, live):
        self._whole[recorded] = live

    def replace(self, value):
        """A request's body with live values."""
        if isinstance(value, dict):
            return {name: self.replace(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.replace(item) for item in value]
        if isinstance(value, str):
            for beginning, live in self._beginnings.items():
                if value.startswith(beginning):
                    return live
            return self._whole.get(value, value)
        return value


def differences(recorded, live, where=""):
    """What an answer has other than the recorded one, as texts: fields, types, and the values
    that are the same on every server."""
    if isinstance(recorded, dict) and isinstance(live, dict):
        found = ["%s: %s" % (where, "missing" if name in recorded else "unexpected") + " " + name
                 for name in sorted(set(recorded) ^ set(live))]
        for name in set(recorded) & set(live):
            if name not in VOLATILE:
                found += differences(recorded[name], live[name], where + "/" + name)
            elif type(recorded[name]) is not type(live[name]):
                found.append("%s/%s: another type" % (where, name))
        return found
    if isinstance(recorded, list) and isinstance(live, list):
        if len(recorded) != len(live):
            return ["%s: %d elements, recorded %d" % (where, len(live), len(recorded))]
        return [text for index, pair in enumerate(zip(recorded, live))
                for text in differences(*pair, "%s[%d]" % (where, index))]
    is_time = isinstance(recorded, int) and recorded > 10**9 and isinstance(live, int)
    if recorded != live and not is_time:
        return ["%s: %r, recorded %r" % (where, live, recorded)]
    return []
