#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""KMS v1 with local keys: one request wraps a key for many objects, and opens it for all."""

import time
import unittest

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from grpc import RpcError
from grpc import StatusCode as Code

from kms_calls import KmsCase
from kms_plugin import Plugin

SEED = bytes(range(32))
HEAD = 4 + 1 + 32 + 2  # magic, form, key_id, length of the wrapped key


class LocalKekTest(KmsCase):
    options = {}

    def requests(self):
        return sum("transit/encrypt" in line or "transit/decrypt" in line
                   for line in self.config.log().splitlines())

    def test_objects_when_many_then_one_request_wraps_and_one_opens(self):
        client = self.serve("--local-kek")
        client.v1_encrypt(SEED)
        before = self.requests()
        ciphers = [client.v1_encrypt(bytes([i]) * 32) for i in range(50)]
        self.assertEqual(self.requests(), before)
        for i, cipher in enumerate(ciphers):
            self.assertEqual(client.v1_decrypt(cipher), bytes([i]) * 32)
        self.assertEqual(self.requests(), before + 1)
        self.assertEqual(len(set(ciphers)), 50)

    def test_ciphertext_when_made_then_names_the_services_key_and_is_what_it_says(self):
        client = self.serve("--local-kek")
        cipher = client.v1_encrypt(SEED)
        self.assertEqual(cipher[:4], b"HBK\2")
        self.assertEqual(cipher[5:37].hex(), client.status().key_id)
        wrapped = cipher[HEAD:HEAD + int.from_bytes(cipher[37:39], "big")]
        path = self.config.path("wrapped")
        with open(path, "wb") as out:
            out.write(wrapped)
        opened = self.run_cli(self.config, "decrypt", "--key", "kek", "--aad",
                              cipher[5:37].hex(), "--in", path, "--hex")
        kek = bytes.fromhex(opened.stdout.strip())
        head = cipher[:HEAD + len(wrapped)]
        rest = cipher[len(head):]
        self.assertEqual(AESGCM(kek).decrypt(rest[:12], rest[12:], head), SEED)

    def test_ciphertext_when_any_byte_is_changed_or_missing_then_does_not_open(self):
        client = self.serve("--local-kek")
        cipher = client.v1_encrypt(SEED)
        places = [4, 5, 20, 37, 38, HEAD, HEAD + 30, len(cipher) - 1, len(cipher) - 50]
        for place in places:
            changed = bytearray(cipher)
            changed[place] ^= 1
            self.assert_fails(Code.INVALID_ARGUMENT, "open|whole|form", client.v1_decrypt,
                              bytes(changed))
        for length in (4, 5, 30, 39, HEAD + 10, len(cipher) - 1):
            self.assert_fails(Code.INVALID_ARGUMENT, "open|whole|form", client.v1_decrypt,
                              cipher[:length])

    def test_key_when_used_up_then_another(self):
        client = self.serve("--local-kek", "--local-kek-uses", "5")
        ciphers = [client.v1_encrypt(SEED) for _ in range(12)]
        self.assertEqual(len({cipher[:-60] for cipher in ciphers}), 3)
        for cipher in ciphers:
            self.assertEqual(client.v1_decrypt(cipher), SEED)

    def test_key_when_too_old_then_another(self):
        client = self.serve("--local-kek", "--local-kek-age", "1s")
        first = client.v1_encrypt(SEED)
        time.sleep(1.1)
        second = client.v1_encrypt(SEED)
        self.assertNotEqual(first[:-60], second[:-60])
        self.assertEqual(client.v1_decrypt(first), SEED)

    def test_services_key_when_rotated_then_wraps_another_and_the_old_opens(self):
        client = self.serve("--local-kek", "--rotation-check", "1s")
        old = client.v1_encrypt(SEED)
        key_id = client.status().key_id
        self.vault.rotate_behind("kek")
        self.wait_for(lambda: client.status().key_id != key_id)
        fresh = client.v1_encrypt(SEED)
        self.assertEqual(fresh[5:37].hex(), client.status().key_id)
        self.assertEqual([client.v1_decrypt(cipher) for cipher in (old, fresh)], [SEED] * 2)

    def test_service_when_away_then_what_was_opened_goes_on(self):
        client = self.serve("--local-kek")
        cipher = client.v1_encrypt(SEED)
        self.assertEqual(client.v1_decrypt(cipher), SEED)
        self.vault.freeze()
        try:
            self.assertEqual(client.v1_decrypt(cipher), SEED)
            self.assertEqual(len(client.v1_encrypt(SEED)), len(cipher))
        finally:
            self.vault.thaw()

    def test_services_key_when_deleted_then_what_was_opened_is_forgotten(self):
        client = self.serve("--local-kek", "--rotation-check", "1s")
        cipher = client.v1_encrypt(SEED)
        self.assertEqual(client.v1_decrypt(cipher), SEED)
        self.vault.delete_behind("kek")
        self.wait_for(lambda: self.has_failed(client.status))
        for function, argument in ((client.v1_decrypt, cipher), (client.v1_encrypt, SEED)):
            self.assert_fails(Code.NOT_FOUND, "key 'kek'", function, argument)

    @staticmethod
    def has_failed(function):
        try:
            function()
        except RpcError:
            return True
        return False

    def test_option_when_taken_away_then_its_ciphertexts_still_open(self):
        with Plugin(self.config, "--slot", "kms", "--key", "kek", "--local-kek") as first:
            cipher = first.client.v1_encrypt(SEED)
        plain = self.enter(Plugin(self.config, "--slot", "kms", "--key", "kek"))
        self.assertEqual(plain.client.v1_decrypt(cipher), SEED)
        self.assertEqual(plain.client.v1_encrypt(SEED)[:4], b"HBK\1")


if __name__ == "__main__":
    unittest.main()
