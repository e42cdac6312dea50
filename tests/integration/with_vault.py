#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command with a Vault and a configuration for it, for tests in shell.

    with_vault.py [--real] [--key NAME=TYPE]... [--option NAME=VALUE]... COMMAND...

The command finds HSMBRIDGE_CONFIG with one slot `web`, and VAULT_ADDR, VAULT_TOKEN, VAULT_CACERT
as Vault's own tools read them; the double also VAULT_DOUBLE, the address of its side door.
The exit status is the command's; the server is gone when it ends, however it ends.
"""

import argparse
import subprocess
import sys

from harness import Double, RealVault, TempConfig


def pair(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("%r is not NAME=VALUE" % text)
    return name, value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", action="store_true", help="a real Vault core, not the double")
    parser.add_argument("--key", action="append", type=pair, default=[], metavar="NAME=TYPE",
                        help="a key to make, such as app=ecdsa-p256")
    parser.add_argument("--option", action="append", type=pair, default=[], metavar="NAME=VALUE",
                        help="an option of the slot")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if not args.command:
        parser.error("no command")
    with (RealVault() if args.real else Double()) as vault, TempConfig() as config:
        vault.setup_transit(**dict(args.key))
        config.slot("web", vault, **dict(args.option))
        env = config.env(VAULT_ADDR=vault.url, VAULT_TOKEN=vault.token, VAULT_CACERT=vault.ca)
        if not args.real:
            vault.reset()
            env["VAULT_DOUBLE"] = vault.ready["control"]
        return subprocess.run(args.command, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
