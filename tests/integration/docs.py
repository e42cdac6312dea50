#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The documents against the code: options, commands, mechanisms. Both ways, so that neither a
new option stays unwritten nor an old one stays written."""

import json
import os
import re
import subprocess
import unittest
from pathlib import Path

from harness import cli_path

SOURCE = Path(os.environ["HSMBRIDGE_SOURCE"])
MAN = SOURCE / "docs" / "man"
SECTIONS = {  # headings of hsmbridge.conf(5), by the table that they document
    "SECTION [hsmbridge]": "hsmbridge",
    "OPTIONS OF EVERY SLOT": "slot",
    "OPTIONS OF SLOTS THAT SPEAK HTTPS": "https",
    "OPTIONS OF AZURE SLOTS": "azure",
    "OPTIONS OF EHSM SLOTS": "ehsm",
    "OPTIONS OF BIGDL SLOTS": "bigdl",
    "OPTIONS OF KES SLOTS": "kes",
    "OPTIONS OF VAULT SLOTS": "vault",
    "OPTIONS OF PKCS11 SLOTS": "pkcs11",
    "OPTIONS OF QUORUM SLOTS": "quorum",
    "OPTIONS OF ZAMA SLOTS": "zama",
    "SECTION [kes]": "[kes]",
    "SECTIONS [kes-policy NAME]": "[kes-policy]",
}


def cli(*args):
    return subprocess.run([cli_path(), *args], capture_output=True, text=True, check=True).stdout


def sections(page):
    """The text below each "# HEADING" of an scdoc page."""
    parts = re.split(r"(?m)^# (.*)$", (MAN / page).read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2]))


def terms(text):
    """The *words* of the lines that begin a definition: flush left, with an indented line next."""
    lines = re.findall(r"(?m)^(\*.*)\n\t", text)
    return {word.replace("\\", "") for line in lines for word in re.findall(r"\*([^*]+)\*", line)}


class ConfigurationPage(unittest.TestCase):
    def options(self, table):
        """As the page spells them: a secret by its file and its environment variable."""
        names = set()
        for option in json.loads(cli("options", "--json")):
            if option["table"] == table and option["type"] == "secret":
                names |= {option["option"] + "_file", option["option"] + "_env"}
            elif option["table"] == table:
                names.add(option["option"])
        return names

    def test_every_table_has_a_section(self):
        tables = {option["table"] for option in json.loads(cli("options", "--json"))}
        self.assertEqual(tables, set(SECTIONS.values()))

    def test_each_section_documents_exactly_the_options_of_its_table(self):
        page = sections("hsmbridge.conf.5.scd")
        for heading, table in SECTIONS.items():
            with self.subTest(table=table):
                self.assertEqual(terms(page[heading]), self.options(table))

    def test_choices_of_an_option_are_all_named(self):
        page = sections("hsmbridge.conf.5.scd")
        for option in json.loads(cli("options", "--json")):
            text = next(page[heading] for heading, table in SECTIONS.items()
                        if table == option["table"])
            for choice in (option["choices"] or "").split():
                self.assertRegex(text, rf"[*\s]{choice}[*\s]", option["option"])

    def test_examples_use_known_options_only(self):
        known = {name for table in SECTIONS.values() for name in self.options(table)}
        for text in ((MAN / "hsmbridge.conf.5.scd").read_text(encoding="utf-8"),
                     (SOURCE / "tools" / "hsmbridge.conf.sample").read_text(encoding="utf-8")):
            used = set(re.findall(r"(?m)^(?:; )?([a-z0-9_]+) = ", text))
            self.assertTrue(used)
            self.assertEqual(used - known, set())


class CommandPage(unittest.TestCase):
    def commands(self):
        listed = re.search(r"(?s)Commands:\n(.*?)\n\n", cli("--help")).group(1)
        return re.findall(r"(?m)^  ([a-z]+) ", listed)

    @staticmethod
    def options_in_help(text):
        return set(re.findall(r"(?m)^  (?:-.,|   ) (--[a-z0-9-]+)", text))

    def test_commands_are_those_of_the_program(self):
        self.assertEqual(terms(sections("hsmbridge.1.scd")["COMMANDS"]), set(self.commands()))

    def test_each_command_documents_exactly_its_options(self):
        common = self.options_in_help(cli("--help"))
        text = sections("hsmbridge.1.scd")["COMMANDS"]
        parts = re.split(r"(?m)^\*([a-z]+)\*$", text)
        for name, body in zip(parts[1::2], parts[2::2]):
            with self.subTest(command=name):
                written = re.search(r"(?s)\tOptions: (.*?)(?:\n\n|\Z)", body)
                written = set(re.findall(r"--[a-z0-9-]+", written.group(1))) if written else set()
                offered = self.options_in_help(cli(name, "--help")) - common
                self.assertEqual(written, offered)

    def test_options_section_documents_every_option(self):
        offered = set()
        for name in self.commands():
            offered |= self.options_in_help(cli(name, "--help"))
        written = {term for term in terms(sections("hsmbridge.1.scd")["OPTIONS"])
                   if term.startswith("--")}
        self.assertEqual(written, offered)

    def test_every_help_shows_an_example_that_parses(self):
        for name in self.commands():
            with self.subTest(command=name):
                example = re.search(r"Example:\n  (hsmbridge .*)", cli(name, "--help")).group(1)
                done = subprocess.run([cli_path(), *example.split()[1:], "--help"],
                                      capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))


class Readme(unittest.TestCase):
    def test_mechanism_table_is_the_programs(self):
        text = (SOURCE / "README.md").read_text(encoding="utf-8")
        block = re.search(r"(?s)<!-- mechanisms:begin -->\n(.*?)<!-- mechanisms:end -->", text)
        self.assertIsNotNone(block, "README.md has no block of mechanisms")
        self.assertEqual(block.group(1).strip(), cli("mechanisms", "--markdown").strip())


if __name__ == "__main__":
    unittest.main(verbosity=2)
