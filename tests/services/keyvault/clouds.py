# SPDX-License-Identifier: Apache-2.0
"""The clouds: their token authorities and the domains of their vaults."""

import re
from collections import namedtuple

Cloud = namedtuple("Cloud", "name authorities vault hsm")
Place = namedtuple("Place", "cloud kind name")  # kind: "authority", "vault", "hsm"

CLOUDS = (
    Cloud("public", ("login.microsoftonline.com", "login.windows.net"),
          "vault.azure.net", "managedhsm.azure.net"),
    Cloud("usgov", ("login.microsoftonline.us",),
          "vault.usgovcloudapi.net", "managedhsm.usgovcloudapi.net"),
    Cloud("china", ("login.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
          "vault.azure.cn", "managedhsm.azure.cn"),
    Cloud("private", ("login.azurestack.test",),
          "vault.azurestack.test", "managedhsm.azurestack.test"),
)
VAULT_NAME = re.compile("[a-z0-9-]{3,24}")

# Of the server's certificate: what the real ones carry, and the address itself.
NAMES = tuple(name for cloud in CLOUDS
              for name in (*cloud.authorities, "*." + cloud.vault, "*." + cloud.hsm)
              ) + ("127.0.0.1", "localhost")


def find(host):
    """The Place that a host name (lower case, no port) is, or None."""
    label, _, domain = host.partition(".")
    for cloud in CLOUDS:
        if host in cloud.authorities:
            return Place(cloud, "authority", host)
        for kind in ("vault", "hsm"):
            if domain == getattr(cloud, kind) and VAULT_NAME.fullmatch(label):
                return Place(cloud, kind, label)
    return None


def resource(place):
    """The audience that tokens for a vault must have; no slash at its end."""
    return "https://" + getattr(place.cloud, place.kind)


def resources(cloud):
    return ["https://" + cloud.vault, "https://" + cloud.hsm]
