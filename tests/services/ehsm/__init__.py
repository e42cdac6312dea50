# SPDX-License-Identifier: Apache-2.0
"""A stand-in for an eHSM-KMS, with real cryptography, and with faults on demand.

    api       from a request to an answer: routes, the checks of the front end in its order
    payloads  what the front end checks in a payload, before the signature
    signing   the string that is signed, and replays
    actions   what the actions do
    enclave   keys and cryptography
    control   /_double/...: what tests may order, beside double/control.py

Answers are those of tests/fixtures/ehsm, which test_ehsm_double.py holds it to.
"""
