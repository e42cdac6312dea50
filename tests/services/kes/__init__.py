# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a KES server, with real cryptography, and with faults on demand.

    api       from a request to an answer: routes, redirects, methods, rights, bodies
    rights    identities and policies
    keys      keys as KES stores them, ciphertexts in all its forms, HMAC
    stores    where keys are kept: memory, a directory, the K/V engine of a Vault
    mtls      TLS that demands a client certificate and takes any
    control   /_double/...: what tests may order, beside double/control.py

Answers are those of tests/fixtures/kes, which test_kes_double.py holds it to.
"""
