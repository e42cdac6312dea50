# SPDX-License-Identifier: Apache-2.0
"""An openssl.cnf that loads the provider, for programs under test.

    conf = OpensslConf(config)                    # a TempConfig; files go beside it
    subprocess.run(["openssl", "pkey", ...], env=conf.env())
    conf.write(default_properties="?provider=hsmbridge")
"""

import os
import subprocess

from harness import module_path

PROPERTIES = ("", "provider=default", "?provider=hsmbridge")


class OpensslConf:
    def __init__(self, config, **options):
        self._config = config
        self.file = config.path("openssl.cnf")
        self.write(**options)

    def write(self, default_properties="", providers=("default", "hsmbridge"), more=""):
        """more: lines at the end, e.g. sections for `openssl req`."""
        config = self._config.write()
        lines = ["openssl_conf = openssl_init", "", "[openssl_init]", "providers = providers"]
        if default_properties:
            lines += ["alg_section = algorithms"]
        lines += ["", "[providers]"]
        lines += ["%s = provider_%s" % (name, name) for name in providers]
        lines += ["", "[provider_default]", "activate = 1",
                  "", "[provider_hsmbridge]", "module = " + module_path(),
                  "config = " + config, "activate = 1"]
        if default_properties:
            lines += ["", "[algorithms]", "default_properties = " + default_properties]
        with open(self.file, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n" + more)
        return self.file

    def env(self, **more):
        """The configuration is found through openssl.cnf alone."""
        env = dict(os.environ, OPENSSL_CONF=self.file, **more)
        env.pop("HSMBRIDGE_CONFIG", None)
        return env

    def openssl(self, *args, **options):
        """Runs openssl; a CompletedProcess with text."""
        options.setdefault("timeout", 60)
        options.setdefault("text", True)
        return subprocess.run(["openssl", *args], env=self.env(), capture_output=True, check=False,
                              **options)
