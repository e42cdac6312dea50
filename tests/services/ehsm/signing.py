# SPDX-License-Identifier: Apache-2.0
"""What a signature is over, and which requests are replays."""

import base64
import hashlib
import hmac

KEPT_MS = 20 * 60 * 1000
WINDOW_MS = 10 * 60 * 1000


def _text(value):
    """As JavaScript prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _is_false(value):
    """What JavaScript's != '' is false of."""
    return value is None or value is False or value == "" or value == [] or (
        isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0)


def sign_string(members):
    """Names sorted, name=value joined by '&', objects the same way; nothing is escaped."""
    parts = []
    for name in sorted(members):
        value = members[name]
        if _is_false(value):
            continue
        if isinstance(value, list):
            value = {str(index): item for index, item in enumerate(value)}
        parts.append(name + "=" + (sign_string(value) if isinstance(value, dict) else _text(value)))
    return "&".join(parts)


def sign(apikey, members):
    mac = hmac.new(apikey.encode(), sign_string(members).encode(), hashlib.sha256).digest()
    return base64.b64encode(mac).decode()


def signed_members(body, with_nonce=True):
    names = ("appid", "nonce", "payload", "timestamp") if with_nonce else (
        "appid", "payload", "timestamp")
    return {name: body[name] for name in names if name in body}


class Replays:
    """Of each appid what the last 20 minutes brought. Refused is what has both a nonce and a
    timestamp that were there before, though perhaps not in one request; no nonce is one, too."""

    def __init__(self):
        self._seen = {}  # (appid, member, its value): when it came last

    def is_replay(self, body, now_ms):
        seen = [(body["appid"], name, body.get(name)) for name in ("nonce", "timestamp")]
        replay = all(self._seen.get(one, 0) > now_ms - KEPT_MS for one in seen)
        if not replay:
            self._seen.update(dict.fromkeys(seen, now_ms))
        return replay

    def clear(self):
        self._seen.clear()
