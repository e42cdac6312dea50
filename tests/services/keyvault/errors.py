# SPDX-License-Identifier: Apache-2.0
"""Refusals, with the words of the real services."""

import time
import uuid


class Refusal(Exception):
    """An answer other than 200: its status, its body (None: empty) and headers."""

    def __init__(self, status, body=None, headers=None):
        super().__init__("%d %s" % (status, body))
        self.status = status
        self.body = body
        self.headers = headers or {}


# ---- Key Vault and Managed HSM ----

def refused(status, code, message, inner=None, headers=None):
    error = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return Refusal(status, {"error": error}, headers)


def bad(message):
    return refused(400, "BadParameter", message)


def forbidden(inner, message):
    return refused(403, "Forbidden", message, inner)


def conflict(inner, message):
    return refused(409, "Conflict", message, inner)


def incorrect():
    """What cannot be decrypted, for whatever reason: one text, or there would be an oracle."""
    return bad("The parameter is incorrect.\r\n")


# ---- Entra ID ----

def entra(status, error, number, message):
    """AADSTS...: learn.microsoft.com, "Microsoft Entra authentication and authorization error
    codes"."""
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    text = "AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s" % (
        number, message, trace, correlation, stamp)
    return Refusal(status, {"error": error, "error_description": text, "error_codes": [number],
                            "timestamp": stamp, "trace_id": trace, "correlation_id": correlation,
                            "error_uri": "https://login.microsoftonline.com/error?code=%d"
                            % number})


# ---- managed identity ----

def identity(status, error, description, headers=None):
    return Refusal(status, {"error": error, "error_description": description}, headers)
