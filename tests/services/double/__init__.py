# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the Vault transit API with real cryptography, and with faults on demand.

    wire      sockets, TLS and HTTP/1.1, a thread for each connection
    program   options, TLS, the ready line, the end: what the programs of all doubles do
    faults    bad weather; vault_faults: that which knows Vault's answers
    stats     counters that tests assert on
    control   /_double/...: how tests order faults and read counters; vault_control: Vault's own
    api       from a request to an answer: routes, envelope, seal, standby, rights
    auth      tokens, policies and the login methods
    transit   routes of the transit engine; keys, signing, sealing, importing: what they do
    tls       certificate authorities for tests

Answers, statuses and error texts are those recorded in tests/fixtures/vault; test_vault_double.py
holds the double and a real Vault to the same list of cases.
"""
