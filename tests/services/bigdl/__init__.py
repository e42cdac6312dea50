# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a BigDL KMS of either generation, with real cryptography, and with faults on
demand.

    api       from a request to an answer: routes, methods, parameters, texts
    store     users and keys, wrapped under the root key and under one another
    shamir    the root key in five shares, of which three bring it back
    control   /_double/...: what tests may order, beside double/control.py

Answers are those of tests/fixtures/bigdl, which test_bigdl_double.py holds it to.
"""
