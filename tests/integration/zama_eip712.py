#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ethereum's own library, eth-account, on what parties of Zama's KMS sign: the EIP-712 hash of an
answer, and the address of a key.

It is not in Debian: this program goes on in an environment that has the versions of zama_client.py
(../services/environments.py).
"""

import os
import random
import subprocess
import unittest

import harness  # puts ../services on the path
import environments
from zama_client import REQUIREMENTS

CASES = 1000
SEED = 712
WIDTHS = (1, 2, 4, 8, 16, 20, 32)  # bytes of a plaintext
NAMES = ("Authorization token", "Decryption", "", "gr\u00fcn \u2713", "n" * 200)
TYPES = {
    "PublicDecryptVerification": [
        {"name": "ctHandles", "type": "bytes32[]"},
        {"name": "decryptedResult", "type": "bytes"},
        {"name": "extraData", "type": "bytes"},
    ],
}


class Case:
    """One answer's contents, at random."""

    def __init__(self, draw):
        self.name = draw.choice(NAMES)
        self.version = draw.choice(("1", "", "2.0-rc"))
        self.chain_id = draw.getrandbits(draw.choice((0, 8, 16, 64, 256)))
        self.contract = draw.randbytes(20)
        self.salt = draw.choice((None, draw.randbytes(32)))
        self.extra_data = draw.randbytes(draw.choice((0, 1, 65, 135, 136, 137, 300)))
        self.handles = [draw.randbytes(32) for _ in range(draw.randint(1, 6))]
        self.plaintexts = [draw.randbytes(draw.choice(WIDTHS)) for _ in self.handles]
        self.key = draw.randbytes(32)

    def line(self, point):
        """As zama_hashes reads it."""
        words = [self.name.encode(), self.version.encode(), self.chain_id.to_bytes(32, "big"),
                 self.contract, self.salt or b"", self.extra_data, point]
        for handle, plaintext in zip(self.handles, self.plaintexts):
            words += [handle, plaintext]
        return " ".join(word.hex() or "-" for word in words) + "\n"

    def domain(self):
        domain = {"name": self.name, "version": self.version, "chainId": self.chain_id,
                  "verifyingContract": "0x" + self.contract.hex()}
        if self.salt:
            domain["salt"] = self.salt
        return domain

    def message(self):
        """A plaintext is little-endian; on a chain it is a uint256."""
        return {"ctHandles": self.handles,
                "decryptedResult": b"".join(plaintext[::-1].rjust(32, b"\0")
                                            for plaintext in self.plaintexts),
                "extraData": self.extra_data}


def ask_ours(lines):
    program = os.path.join(os.environ["HSMBRIDGE_BUILD"], "tests", "integration", "zama_hashes")
    done = subprocess.run([program], input="".join(lines), stdout=subprocess.PIPE, text=True,
                          timeout=60, check=True)
    return [line.split() for line in done.stdout.splitlines()]


class EthAccountTest(unittest.TestCase):
    def test_hashes_and_addresses_agree(self):
        # They are there only in the virtual environment.
        from eth_account import Account
        from eth_account.messages import encode_typed_data
        from eth_keys import keys
        from eth_utils import keccak

        draw = random.Random(SEED)
        cases = [Case(draw) for _ in range(CASES)]
        ours = ask_ours([case.line(keys.PrivateKey(case.key).public_key.to_compressed_bytes())
                         for case in cases])
        self.assertEqual(len(ours), CASES)
        for case, (digest, address) in zip(cases, ours):
            signed = encode_typed_data(case.domain(), TYPES, case.message())
            theirs = keccak(b"\x19" + signed.version + signed.header + signed.body)
            self.assertEqual(digest, theirs.hex())
            self.assertEqual(address, Account.from_key(case.key).address)


if __name__ == "__main__":
    environments.enter("zama", REQUIREMENTS)
    unittest.main(verbosity=2)
