# SPDX-License-Identifier: Apache-2.0
"""Users and keys as the second generation keeps them: names and tokens as MD5, keys wrapped with
AES-ECB and PKCS#5 padding. One table holds a user's primary and data keys; the first to take a name
keeps it, and nobody is told."""

import base64
import hashlib
import os
import threading

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PRIMARY_LEN, DATA_LEN = 32, 16
NULL = 'Cannot invoke "String.getBytes(java.nio.charset.Charset)" because "src" is null'
PADDING = ("Given final block not properly padded. Such issues can arise if a bad key is used "
           "during decryption.")


class Thrown(Exception):
    """A Java exception, by its message."""


def md5(text):
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


def _cipher(key):
    if not key:
        raise Thrown("empty encryption key!")
    if len(key) not in (16, 24, 32):
        raise Thrown("Invalid AES key length: %d bytes" % len(key))
    return Cipher(algorithms.AES(key), modes.ECB())


def wrap(key, value):
    cipher, padder = _cipher(key).encryptor(), padding.PKCS7(128).padder()
    return cipher.update(padder.update(value) + padder.finalize()) + cipher.finalize()


def unwrap(key, wrapped):
    cipher, unpadder = _cipher(key).decryptor(), padding.PKCS7(128).unpadder()
    if wrapped is None:
        raise Thrown(NULL)
    padded = cipher.update(wrapped) + cipher.finalize()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise Thrown(PADDING) from None


class Store:
    """The second generation's. root_key empty: never set up."""

    def __init__(self, root_key):
        self.root_key = root_key
        self.rotations = 0
        self._lock = threading.Lock()
        self._users, self._keys = {}, {}

    def rotate(self):
        self.rotations += 1
        self.root_key = os.urandom(PRIMARY_LEN)
        return self.root_key

    def add_user(self, user, token):
        if not self.root_key:
            raise Thrown("empty root key! Need initilization first")
        with self._lock:
            self._users.setdefault(md5(user), md5(token))

    def login(self, user, token):
        with self._lock:
            known = self._users.get(md5(user))
        if known != md5(token):
            raise Thrown("wrong token or user")

    def _find(self, user, name):
        with self._lock:
            return self._keys.get((md5(user), md5(name)))

    def _save(self, user, name, wrapped):
        with self._lock:
            self._keys.setdefault((md5(user), md5(name)), wrapped)

    def add_primary(self, user, name):
        self._save(user, name, wrap(self.root_key, os.urandom(PRIMARY_LEN)))

    def _wrapped_primary(self, user, name):
        wrapped = self._find(user, name)
        if wrapped is None:
            raise Thrown("wrong primary key")
        return wrapped

    def add_data(self, user, name, primary):
        key = unwrap(self.root_key, self._wrapped_primary(user, primary))
        self._save(user, name, wrap(key, os.urandom(DATA_LEN)))

    def data(self, user, name, primary):
        wrapped = self._wrapped_primary(user, primary)
        return unwrap(unwrap(self.root_key, wrapped), self._find(user, name))


class Keywhiz(Store):
    """The first generation's: another program keeps things, and says only that it failed. That
    includes names that are taken."""

    FAILED = "Nonzero exit value: 1"

    def __init__(self):
        super().__init__(os.urandom(PRIMARY_LEN))

    def _save(self, user, name, wrapped):
        if self._find(user, name) is not None:
            raise Thrown(self.FAILED)
        super()._save(user, name, wrapped)

    def add_user(self, user, token):
        with self._lock:
            if md5(user) in self._users:
                raise Thrown(self.FAILED)
        super().add_user(user, token)

    def login(self, user, token):
        try:
            super().login(user, token)
        except Thrown:
            raise Thrown(self.FAILED) from None

    def _wrapped_primary(self, user, name):
        try:
            return super()._wrapped_primary(user, name)
        except Thrown:
            raise Thrown(self.FAILED) from None

    def data(self, user, name, primary):
        self._wrapped_primary(user, primary)
        if self._find(user, name) is None:
            raise Thrown(self.FAILED)
        return super().data(user, name, primary)
