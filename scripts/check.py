#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds everything and runs every test; ./check installs what this needs, then runs it.

The last line is "N passed, N failed" (", N skipped" when any was); the exit status says the same.
Whatever cannot be had is a failure with its reason. For root that goes for a test program that
wants to be skipped too, because then nothing that it may need is out of reach. Cases that do not
apply are skipped by name.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "logs"
TAIL = 60  # lines shown of what failed

# Each build has a directory of its own, so that none undoes what another has built.
BUILDS = {
    "gcc": ("gcc", []),
    "clang": ("clang", ["-Db_sanitize=address,undefined", "-Db_lundef=false"]),
    "tsan": ("clang", ["-Db_sanitize=thread", "-Db_lundef=false"]),
    "fuzz": ("clang", ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dfuzz=true"]),
}
SANITIZERS = {
    "ASAN_OPTIONS": "halt_on_error=1:detect_leaks=1:strict_string_checks=1:"
                    "detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
# What meson knows by these names has a step of its own here, or is run by hand.
OTHER_SUITES = ["concurrency", "fuzz", "integration", "bench"]


class Count:
    """Sums up tests."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + f", {self.skipped} skipped" if self.skipped else text


def show_tail(text):
    for line in text.rstrip().splitlines()[-TAIL:]:
        print("    | " + line)


def failure(what, text):
    print(f"  FAILED {what}")
    show_tail(text)
    return Count(failed=1)


def run(name, command, timeout=1200, env=None):
    """Runs a command; returns whether it succeeded, and what it printed, which is also kept."""
    try:
        done = subprocess.run([str(word) for word in command], cwd=ROOT, timeout=timeout,
                              env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        text, good = done.stdout.decode(errors="replace"), done.returncode == 0
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b"").decode(errors="replace") + f"\nno end after {timeout} s"
        good = False
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / f"{name}.log").write_text(text)
    return good, text


def tool(name, command, timeout=1200):
    """A program that says yes or no: one test."""
    good, text = run(name, command, timeout)
    return Count(passed=1) if good else failure(name, text)


# ---- builds and meson's tests ----

@contextlib.contextmanager
def compiler(name):
    before = os.environ.get("CC")
    os.environ["CC"] = name
    yield
    if before is None:
        del os.environ["CC"]
    else:
        os.environ["CC"] = before


def configure(name, options):
    """Sets a build up; a directory that another meson left behind is made anew."""
    directory = BUILD / name
    command = ["scripts/configure", directory, "-Dwerror=true", *options]
    if (directory / "build.ninja").exists():
        good, text = run(f"{name}-setup", [*command, "--reconfigure"])
        if good:
            return good, text
    shutil.rmtree(directory, ignore_errors=True)
    return run(f"{name}-setup", command)


def build(name, *targets):
    cc, options = BUILDS[name]
    with compiler(cc):
        good, text = configure(name, options)
    if good:
        good, text = run(f"{name}-build", ["ninja", "-C", BUILD / name, *targets])
    return Count() if good else failure(f"build with {cc} ({name})", text)


CMOCKA = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)", re.MULTILINE)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(.*)", re.MULTILINE)
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)


def cases(record):
    """The cases within one of meson's tests, where the program says how many it has."""
    text = (record.get("stdout") or "") + "\n" + (record.get("stderr") or "")
    count = Count()
    for word, number in CMOCKA.findall(text):
        setattr(count, word.lower(), getattr(count, word.lower()) + int(number))
    for number, rest in UNITTEST.findall(text):
        failed, skipped = (sum(map(int, re.findall(words + r"=(\d+)", rest)))
                           for words in ("(?:failures|errors|unexpected successes)", "skipped"))
        count.add(Count(int(number) - failed - skipped, failed, skipped))
    for numbers in PLAIN.findall(text)[-1:]:
        count.add(Count(*(int(number or 0) for number in numbers)))
    return count, text


SKIPPED = re.compile(r"^\[  SKIPPED \] (\w+)$|^(\w+ .*\.\.\. skipped .*)$", re.MULTILINE)


def judge(record):
    """One line of meson's log: its outcome counts, whatever the program itself says."""
    count, text = cases(record)
    outcome = record["result"]
    if outcome == "SKIP" and os.geteuid() != 0:
        print(f"  SKIPPED {record['name']}: {text.strip() or 'it gives no reason'}")
        return Count(skipped=1)
    for names in sorted(set(SKIPPED.findall(text))):
        print(f"  SKIPPED {record['name']}: {''.join(names)}")
    if outcome == "OK" and not count.failed:
        return count if count.passed else Count(passed=1)
    print(f"  FAILED {record['name']} ({outcome})")
    show_tail(text)
    return Count(count.passed, max(count.failed, 1), count.skipped)


def meson_test(name, directory, selection, multiplier=2):
    log = BUILD / directory / "meson-logs" / f"{name}.json"
    log.unlink(missing_ok=True)
    _, text = run(name, ["meson", "test", "-C", BUILD / directory, "--no-rebuild",
                         "--logbase", name, "--timeout-multiplier", multiplier, *selection],
                  timeout=3000, env=SANITIZERS)
    lines = log.read_text().splitlines() if log.exists() else []
    if not lines:
        return failure(f"{name}: no test ran", text)
    count = Count()
    for line in lines:
        count.add(judge(json.loads(line)))
    return count


def built_and_tested(name, directory, selection, multiplier=2, targets=()):
    count = build(directory, *targets)
    if not count.failed:
        count = meson_test(name, directory, selection, multiplier)
    return count


def suite(*names):
    return [word for name in names for word in ("--suite", name)]


NOT_OTHERS = [word for name in OTHER_SUITES for word in ("--no-suite", name)]


# ---- the real servers, for the integration tests ----

class Servers:
    """Builds Vault, kube-apiserver and etcd in the background while other steps run: minutes the
    first time."""

    command = ("{ command -v go >&2 || scripts/install-packages go >&2; } && "
               "nice -n 10 tests/services/vault/build.sh && "
               "exec nice -n 10 tests/services/kubernetes/build.sh")

    def __init__(self):
        self.process = None

    def start(self):
        LOGS.mkdir(parents=True, exist_ok=True)
        with open(LOGS / "servers-build.log", "wb") as log:
            self.process = subprocess.Popen(["sh", "-c", self.command], cwd=ROOT, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL,
                                            start_new_session=True)

    def wait(self):
        try:
            good = self.process.wait(timeout=3000) == 0
        except subprocess.TimeoutExpired:
            self.stop()
            good = False
        return Count() if good else failure("build of the real servers",
                                            (LOGS / "servers-build.log").read_text())

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()


SERVERS = Servers()


# ---- the steps ----

def sources(*patterns):
    """The repository's files, those not yet committed included."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard", "--", *patterns],
                            cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def shell_scripts():
    return [name for name in sources("*")
            if (ROOT / name).read_bytes()[:40].startswith((b"#!/bin/sh", b"#!/bin/bash"))]


def step_format():
    good, text = run("format", ["clang-format", "--dry-run", "-Werror", *sources("*.c", "*.h")])
    files = sorted(set(re.findall(r"^([^:\s]+):\d+:\d+: error", text, re.MULTILINE)))
    if files:
        text = "put right by: clang-format -i " + " ".join(files)
    return Count(passed=1) if good else failure("format", text)


def step_shellcheck():
    return tool("shellcheck", ["shellcheck", "--external-sources", *shell_scripts()])


def step_cppcheck():
    count = build("gcc")
    if count.failed:
        return count
    # The headers of NSPR refuse what they do not know; cppcheck claims no machine by itself.
    return tool("cppcheck", [
        "cppcheck", "--quiet", "--enable=warning,performance,portability", "--inline-suppr",
        "-D__x86_64__", "-D__linux__", "--suppressions-list=scripts/cppcheck-suppressions",
        "--error-exitcode=1", "-j", os.cpu_count() or 1,
        f"--project={BUILD / 'gcc' / 'compile_commands.json'}"])


def step_quick():
    return built_and_tested("quick", "gcc", suite("unit"))


def step_gcc():
    return built_and_tested("gcc", "gcc", NOT_OTHERS)


def step_clang():
    return built_and_tested("clang", "clang", NOT_OTHERS, multiplier=4)


def step_concurrency():
    return built_and_tested("concurrency", "tsan", suite("concurrency"), multiplier=10)


def step_fuzz():
    return built_and_tested("fuzz", "fuzz", suite("fuzz"), multiplier=4,
                            targets=["fuzz"])


def step_integration():
    count = build("gcc")
    if not count.failed:
        count = SERVERS.wait()
    if not count.failed:
        count = meson_test("integration", "gcc", suite("integration"))
    return count


STEPS = {
    "format": (step_format, "clang-format agrees with every C file"),
    "shellcheck": (step_shellcheck, "shellcheck agrees with every shell script"),
    "gcc": (step_gcc, "built with gcc, warnings as errors; tests without a service"),
    "cppcheck": (step_cppcheck, "cppcheck finds nothing"),
    "clang": (step_clang, "the same with clang, AddressSanitizer and UBSan"),
    "concurrency": (step_concurrency, "threads and forks under ThreadSanitizer"),
    "fuzz": (step_fuzz, "every fuzz target over its corpus, and a short fixed run"),
    "integration": (step_integration, "real consumers against the test service and a real Vault"),
}


def arguments():
    parser = argparse.ArgumentParser(prog="./check", description="Builds and tests everything.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="only these (see --list)")
    parser.add_argument("--suite", action="append", default=[], metavar="SUITE",
                        help="the same, one by one")
    parser.add_argument("--quick", action="store_true", help="only gcc and the unit tests")
    parser.add_argument("--list", action="store_true", help="show the suites and end")
    args = parser.parse_args()
    args.suites += args.suite
    for name in args.suites:
        if name not in STEPS:
            parser.error(f"no suite '{name}'; there are: {', '.join(STEPS)}")
    return args


def step(name, function, about):
    print(f"== {name}: {about}", flush=True)
    began = time.monotonic()
    count = function()
    print(f"  {count} ({time.monotonic() - began:.0f} s)", flush=True)
    return count


def main():
    args = arguments()
    if args.list:
        for name, (_, about) in STEPS.items():
            print(f"{name:12} {about}")
        return 0
    steps = {name: STEPS[name] for name in STEPS if not args.suites or name in args.suites}
    if args.quick:
        steps = {"quick": (step_quick, "built with gcc; the unit tests")}
    total = Count()
    if "integration" in steps:
        SERVERS.start()
    try:
        for name, (function, about) in steps.items():
            total.add(step(name, function, about))
    finally:
        SERVERS.stop()
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
