# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Azure: Entra ID, managed identities, Key Vault and Managed HSM in one program,
with real cryptography, and with faults on demand.

    service       from a host name to whoever answers for it
    clouds        the clouds and the host names in each
    entra         the token endpoint; apps: who may ask it, with which proofs; jwt: what it reads
    tokens        access tokens: issued by entra and identity, checked by vaults
    identity      managed identity over plain HTTP: IMDS, App Service, Azure Arc
    vault         a vault or managed HSM: what every request to one has in common
    keys          keys, their versions, what a read shows of them
    make          create, import, update, rotate, delete, recover, purge, backup, restore
    operations    sign, verify, encrypt, decrypt, wrapkey, unwrapkey, rng; the rules for each
    asymmetric    the algorithms on RSA and EC keys; symmetric: those on AES keys
    certificates  certificates of a vault: create, import, list, get
    paging        lists in pages; limits: requests in ten seconds; errors: refusals as written
    weather       the faults that know what these services' answers mean
    control       what the tests' side door has for all this

Sockets, HTTP, TLS, counters and the faults of any service are double/'s. Microsoft's own clients
drive all of it in test_azure_double.py.
"""
