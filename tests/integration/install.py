#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `meson install` puts where, and whether others find it there."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

BUILD = os.environ["HSMBRIDGE_BUILD"]
EXPORTED = {"C_GetFunctionList", "C_GetInterface", "C_GetInterfaceList", "OSSL_provider_init"}


def output(*command, **options):
    done = subprocess.run([str(word) for word in command], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise RuntimeError(f"{command}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def variable(package, name):
    return output("pkg-config", f"--variable={name}", package).strip()


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.root)
        output("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.root)
        options = json.loads(output("meson", "introspect", "--buildoptions", BUILD))
        cls.option = {option["name"]: option["value"] for option in options}
        cls.modules = variable("p11-kit-1", "p11_module_path")

    def at(self, path):
        """Where a path of the finished system lies below DESTDIR."""
        return self.root / str(path).lstrip("/")

    def prefixed(self, option, *parts):
        return Path(self.option["prefix"], self.option[option], *parts)

    def test_files_are_those_that_the_readme_names_and_no_others(self):
        wanted = {
            Path(self.modules, "hsmbridge.so"),
            Path(variable("libcrypto", "modulesdir"), "hsmbridge.so"),
            Path(variable("p11-kit-1", "p11_module_configs"), "hsmbridge.module"),
            Path("/etc/hsmbridge/hsmbridge.conf"),
            self.prefixed("bindir", "hsmbridge"),
            self.prefixed("sbindir", "hsmbridge-kms"),
            self.prefixed("sbindir", "hsmbridge-kes"),
            Path(self.option["prefix"], "lib/systemd/system/hsmbridge-kms.service"),
            Path(self.option["prefix"], "lib/systemd/system/hsmbridge-kes.service"),
            Path(self.option["prefix"], "lib/systemd/system/hsmbridge-kms.socket"),
            self.prefixed("includedir", "hsmbridge.h"),
            self.prefixed("libdir", "pkgconfig", "hsmbridge.pc"),
            self.prefixed("mandir", "man1", "hsmbridge.1"),
            self.prefixed("mandir", "man5", "hsmbridge.conf.5"),
            self.prefixed("mandir", "man7", "hsmbridge.7"),
            self.prefixed("mandir", "man8", "hsmbridge-kms.8"),
            self.prefixed("mandir", "man8", "hsmbridge-kes.8"),
            self.prefixed("datadir", "bash-completion", "completions", "hsmbridge"),
        }
        landed = {Path("/") / path.relative_to(self.root) for path in self.root.rglob("*")
                  if not path.is_dir()}
        self.assertEqual(landed, wanted)

    def test_openssl_finds_the_one_module_through_a_link(self):
        link = self.at(variable("libcrypto", "modulesdir")) / "hsmbridge.so"
        self.assertTrue(link.is_symlink())
        target = Path(os.path.normpath(Path(variable("libcrypto", "modulesdir"),
                                            os.readlink(link))))
        self.assertEqual(target, Path(self.modules, "hsmbridge.so"))

    def test_module_exports_its_entry_points_only(self):
        symbols = output("nm", "-D", "--defined-only", self.at(self.modules) / "hsmbridge.so")
        names = {line.split()[-1].split("@")[0] for line in symbols.splitlines()}
        self.assertEqual(names, EXPORTED)

    def test_module_is_hardened_and_never_unloaded(self):
        module = self.at(self.modules) / "hsmbridge.so"
        dynamic = output("readelf", "--wide", "--dynamic", module)
        self.assertRegex(dynamic, r"FLAGS.*BIND_NOW")
        self.assertRegex(dynamic, r"FLAGS_1.*NODELETE")
        self.assertNotRegex(dynamic, r"R(UN)?PATH")
        headers = output("readelf", "--wide", "--program-headers", module)
        self.assertIn("GNU_RELRO", headers)
        self.assertRegex(headers, r"GNU_STACK.* RW ")

    def test_p11_kit_takes_the_module_file(self):
        text = self.at(variable("p11-kit-1", "p11_module_configs")) / "hsmbridge.module"
        self.assertIn("\nmodule: hsmbridge.so\n", text.read_text())

    def test_header_compiles_behind_any_pkcs11_header(self):
        pc = self.at(self.prefixed("libdir", "pkgconfig"))
        flags = output("pkg-config", "--cflags", "hsmbridge", env={
            **os.environ, "PKG_CONFIG_PATH": str(pc),
            "PKG_CONFIG_SYSROOT_DIR": str(self.root)}).split()
        for package, header in (("p11-kit-1", "p11-kit/pkcs11.h"), ("nss", "pkcs11.h")):
            program = (f"#include <{header}>\n#include <hsmbridge.h>\n"
                       "_Static_assert(CKM_HSMBRIDGE_AEAD == 0xC8534201UL, \"value\");\n")
            output("gcc", "-std=c11", "-Werror", "-Wall", "-fsyntax-only", "-x", "c", "-",
                   f"-I{self.at(self.prefixed('includedir'))}", *flags,
                   *output("pkg-config", "--cflags", package).split(), input=program)

    def test_pkg_config_names_version_and_module(self):
        text = (self.at(self.prefixed("libdir", "pkgconfig")) / "hsmbridge.pc").read_text()
        project = json.loads(output("meson", "introspect", "--projectinfo", BUILD))
        self.assertRegex(text, rf"(?m)^Version: {re.escape(project['version'])}$")
        self.assertIn(f"module={self.modules}/hsmbridge.so\n", text)

    def test_manual_pages_render_without_a_warning(self):
        for page in self.at(self.prefixed("mandir")).rglob("*.[1-8]"):
            shown = subprocess.run(["man", "--warnings", "--local-file", str(page)], check=True,
                                   capture_output=True, text=True)
            self.assertIn("HSMBRIDGE", shown.stdout.upper())
            self.assertEqual(shown.stderr, "", page.name)

    def test_sample_configuration_is_commented_and_good(self):
        sample = self.at("/etc/hsmbridge/hsmbridge.conf")
        self.assertEqual(sample.stat().st_mode & 0o022, 0)
        live = [line for line in sample.read_text().splitlines()
                if line.strip() and not line.lstrip().startswith((";", "#", "["))]
        self.assertEqual(live, [], "a sample must not configure a service")


if __name__ == "__main__":
    unittest.main(verbosity=2)
