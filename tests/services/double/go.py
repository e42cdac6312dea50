# SPDX-License-Identifier: Apache-2.0
"""What shows through Vault's answers of the Go that it is written in."""

import base64
import binascii
import re
import time

from .errors import UserError

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def decode64(text, what=""):
    """Standard base64, with Go's words for what is wrong."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        illegal = re.search(r"[^A-Za-z0-9+/]", text)
        at = illegal.start() if illegal else len(text) // 4 * 4
        raise UserError("%sillegal base64 data at input byte %d" % (what, at)) from None


def encode64(data):
    return base64.b64encode(data).decode()


def seconds(value, default=0):
    """A duration as the API takes them: 3600, "3600", "60m", "1h"."""
    if value in (None, ""):
        return default
    match = re.fullmatch(r"(\d+)([smhd]?)", str(value))
    if not match:
        raise UserError("time: invalid duration %r" % str(value))
    return int(match[1]) * UNITS[match[2]]


def rfc3339(nanoseconds):
    whole, fraction = divmod(nanoseconds, 10**9)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return text + (".%09d" % fraction).rstrip("0").rstrip(".") + "Z"


def words(value):
    """A list as the API takes them: ["a", "b"] or "a,b"."""
    if isinstance(value, str):
        value = value.split(",")
    return [word.strip() for word in value or [] if word.strip()]
