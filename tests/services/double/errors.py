# SPDX-License-Identifier: Apache-2.0
"""The two kinds of error inside Vault, and what an HTTP answer makes of them."""


class Refusal(Exception):
    """An answer other than 200: a status and its error texts."""

    def __init__(self, status, errors=(), headers=None):
        super().__init__(status, errors)
        self.status = status
        self.errors = list(errors)
        self.headers = headers or {}


class UserError(Exception):
    """The caller's fault: 400 on most paths."""


class InternalError(Exception):
    """Vault calls it internal, and answers 500, although wrong input can be the cause."""


def bad(text):
    return Refusal(400, [text])


def internal(text):
    return Refusal(500, ["1 error occurred:\n\t* %s\n\n" % text])
