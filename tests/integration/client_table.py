#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/clients.md against what the consumer tests of this build found: run after all of them.

    client_table.py            is the page what the results make of it?
    client_table.py --write    make it so

HSMBRIDGE_BUILD names the build's directory: build/gcc is that of ./check.
Clients that have no results, because they are not on this machine, keep their part of the page.
"""

import difflib
import glob
import json
import os
import re
import sys
import unittest
from collections import Counter
from pathlib import Path

from capabilities import CAPABILITIES, TARGETS, results_directory
from client_reasons import REASONS, find_reason

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "clients.md"
SLOTS = [name for name in TARGETS if name != "softhsm"]
HEAD = """# What clients do with a slot

Programs and libraries that others wrote, each with one list of things that it does with a token:
on SoftHSM2 itself, then on a slot of type *pkcs11* that shows this SoftHSM2, and on a slot of type
*vault* that shows a real Vault with copies of the same keys. The tests write this page
(`tests/integration/client_table.py --write`); what they found is right only if other code has
judged what the client made.

The slots want a PIN (`pin`), name certificates (`certificates`) and allow `generate import
destroy`. *yes*: done, and right. A result code, or *no*: the client said that it cannot. What the
client has not is not in its table. Where a slot's answer is not SoftHSM2's, the last column says
why.

"""


def known_clients():
    """Those that the tests name."""
    found = set()
    for path in HERE.glob("*.py"):
        found |= set(re.findall(r'(?m)^    client = "(.+)"$', path.read_text(encoding="utf-8")))
    return sorted(found, key=str.casefold)


def read_results():
    """{client: its rows}"""
    results = {}
    for path in sorted(glob.glob(os.path.join(results_directory(), "*.jsonl"))):
        with open(path, encoding="ascii") as file:
            rows = [json.loads(line) for line in file]
        if rows:
            results[rows[0]["client"]] = rows
    return results


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| %s |\n" % " | ".join(cells) for cells in lines)


def differing(row):
    return [slot for slot in SLOTS if row["answers"][slot] != row["answers"]["softhsm"]]


def why(client, row):
    reasons = {slot: find_reason(client, slot, row["capability"]) for slot in differing(row)}
    if len(reasons) == len(SLOTS) and len(set(reasons.values())) == 1:
        return reasons[SLOTS[0]]
    return " ".join("*%s*: %s" % item for item in reasons.items())


def section(client, rows):
    lines = [[CAPABILITIES[row["capability"]], *(row["answers"][name] for name in TARGETS),
              why(client, row)] for row in rows]
    note = rows[0]["note"]
    return "## %s\n\n%s%s" % (client, note + "\n\n" if note else "",
                              table(["", *TARGETS.values(), "why"], lines))


def sections_of(page):
    """{heading: the section's text}"""
    parts = re.split(r"(?m)^(?=## )", page)
    return {part.split("\n", 1)[0][3:]: part.rstrip("\n") + "\n" for part in parts[1:]}


def summary(sections):
    rows = []
    for client, text in sections.items():
        cells = [re.split(r" *\| *", line)[2:5] for line in text.splitlines()
                 if line.startswith("| ") and "---" not in line][1:]
        counts = [Counter(column)["yes"] for column in zip(*cells)]
        rows.append([client, *("%d of %d" % (count, len(cells)) for count in counts)])
    return table(["client", *TARGETS.values()], rows)


def render(results, committed):
    """The page, and whose part of it stays as it was."""
    old, kept, sections = sections_of(committed), [], {}
    for client in known_clients():
        if client in results:
            sections[client] = section(client, results[client])
        elif client in old:
            kept.append(client)
            sections[client] = old[client]
    return HEAD + summary(sections) + "\n" + "\n".join(sections.values()), kept


class ClientTable(unittest.TestCase):
    def setUp(self):
        self.results = read_results()
        if not self.results:
            self.skipTest("no consumer test has left a result in " + results_directory())

    def test_page_when_tests_have_run_then_says_what_they_found(self):
        committed = PAGE.read_text(encoding="utf-8")
        page, kept = render(self.results, committed)
        print("not tried here, and left as they are:", ", ".join(kept) or "none")
        changes = difflib.unified_diff(committed.splitlines(), page.splitlines(),
                                       "docs/clients.md", "what the tests found", lineterm="")
        self.assertEqual(committed, page, "\n" + "\n".join(changes) + "\n"
                         "put right by: tests/integration/client_table.py --write")

    def test_render_when_a_client_was_not_tried_then_its_part_stays(self):
        page, _ = render(self.results, "")
        for client in self.results:
            others = {name: rows for name, rows in self.results.items() if name != client}
            self.assertEqual(render(others, page), (page, [client]))

    def test_render_when_an_answer_is_another_then_so_is_the_page(self):
        page, _ = render(self.results, "")
        client, rows = next(iter(self.results.items()))
        changed = [dict(rows[0], answers=dict(rows[0]["answers"], vault="CKR_GENERAL_ERROR"))]
        other, _ = render(dict(self.results, **{client: changed + rows[1:]}), page)
        self.assertIn("| CKR_GENERAL_ERROR |", other)

    def test_differences_when_found_then_each_has_a_reason(self):
        for client, rows in self.results.items():
            for row in rows:
                for slot in differing(row):
                    self.assertTrue(find_reason(client, slot, row["capability"]), row)

    def test_reasons_when_read_then_clients_and_capabilities_are_known(self):
        for reason in REASONS:
            self.assertEqual(set(reason.clients) - set(known_clients()), set())
            self.assertEqual(set(reason.capabilities) - set(CAPABILITIES), set())
            self.assertEqual(set(reason.slots) - set(SLOTS), set())


def write():
    committed = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    page, kept = render(read_results(), committed)
    PAGE.write_text(page, encoding="utf-8")
    print("wrote %s; left as they were: %s" % (PAGE, ", ".join(kept) or "none"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        unittest.main(verbosity=2)
