# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Zama's threshold KMS: n parties in one process, with real signatures, and with
faults on demand.

    http2        the parties' connections: HTTP/2 with prior knowledge, gRPC's frames and trailers
    service      from a request to an answer or a status: methods, and what is checked of a request
    joint        a public decryption that the parties do together, once enough of them were asked
    answers      what a party answers, and what one that cannot be trusted makes of it
    ciphertexts  ciphertexts that it can decrypt
    signing      secp256k1 and Ed25519 signatures, EIP-712, bincode, addresses
    curve        multiples of secp256k1's generator
    keccak       Keccak-256
    messages     protobuf, as much as is needed
    weather      what can happen to a request or a connection
    control      /_double/...: what tests may order, beside double/control.py

What is not real: FHE. A ciphertext of this double is the value under a toy cipher, in the wrapping
(type name, sizes) of a real one; recorded ciphertexts are known by their bytes. And there is no
protocol between the parties: they share this process. The post-quantum signatures are filler of
their length. Answers and statuses are those of tests/fixtures/zama, which test_zama_double.py holds
it to.
"""
