#!/usr/bin/env python3
"""Times dotquad trace beside traceroute on the scenarios of tests/scenarios/, played in real time
behind a TUN device, and prints a Markdown table.

    benches/trace.py [--runs N] [--built FOLDER] [SCENARIO]...

Every run has a network namespace of its own: no packet leaves this machine. Both are asked for
three queries a hop, and take turns; a figure is the median of the runs, as a whole process, and what
starting one may cost more is allowed: 3 ms. Needs root (or user namespaces), iproute2 and traceroute.
Exit status: 1 when a goal is missed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LETTER = {"udp": [], "icmp": ["-I"], "tcp": ["-T"]}
# Twelve hops, 60 ms there and back.
QUIET, QUIET_SECONDS, TRIPS = "quiet-udp", 0.060, 1.2
SILENT = "silence"
# Seconds that starting one process may take longer than another: sockets for stamps, the sandbox.
START = 0.003


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="by name (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each command")
    parser.add_argument("--built", type=Path, help="target/release, or another, without a new build")
    return parser.parse_args()


def cargo(*words):
    subprocess.run(["cargo", words[0], "--release", "--quiet", *words[1:]], cwd=ROOT, check=True)


class Runs:
    """A command on a scenario, and how its runs went."""

    def __init__(self, player, file, line):
        namespace = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
        self.line = [*namespace, "--", player, file, *line]
        self.seconds, self.probes = [], []

    def run(self):
        done = subprocess.run(
            self.line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
        )
        told = json.loads(done.stderr.splitlines()[-1])
        self.seconds.append(told["seconds"])
        self.probes.append(told["probes"])

    def median(self):
        return statistics.median(self.seconds)

    def count(self):
        return int(statistics.median(self.probes))

    def shown(self):
        return f"{self.median() * 1000:.0f} ms, {self.count()} probes"


def main():
    asked = options()
    if not shutil.which("traceroute"):
        sys.exit("traceroute is not installed")
    if not asked.built:
        cargo("build")
        cargo("build", "--example", "internet")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = (asked.built or target / "release").resolve()
    dotquad, player = built / "dotquad", built / "examples" / "internet"

    pairs, met = {}, True
    for file in sorted((ROOT / "tests" / "scenarios").glob("*.toml")):
        scenario = tomllib.loads(file.read_text())
        # Narrow links, other eyes and repetition are no matter for traceroute.
        if {"interface_mtu", "sight", "cycles", "queries"} & scenario.keys():
            continue
        if asked.scenarios and file.stem not in asked.scenarios:
            continue
        words = list(LETTER[scenario.get("method", "udp")])
        for key, letter in [("max", "-m"), ("first", "-f")]:
            if key in scenario:
                words += [letter, str(scenario[key])]
        tos = scenario.get("tos")
        ours = [dotquad, "trace", *words, *(["-Q", str(tos)] if tos else [])]
        peer = ["traceroute", "-n", *words, *(["-t", str(tos)] if tos else [])]
        hops = len(scenario["hop"])
        spare = scenario.get("max", 30) - min(hops, scenario.get("max", 30))
        runs = Runs(player, file, ours), Runs(player, file, peer)
        pairs[file.stem] = (*runs, spare)
    quiet = ROOT / "tests" / "scenarios" / f"{QUIET}.toml"
    one, three = [Runs(player, quiet, [dotquad, "trace", "-q", q]) for q in ("1", "3")]
    for done in range(asked.runs):
        print(f"run {done + 1} of {asked.runs}", file=sys.stderr)
        one.run()
        three.run()
        for ours, peer, _ in pairs.values():
            ours.run()
            peer.run()

    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores; median of {asked.runs} runs; load {load:.1f}.\n")
    print("| Path | dotquad trace | traceroute -n | goal |")
    print("| --- | ---: | ---: | --- |")

    def row(what, ours, peer, goal, is_met):
        nonlocal met
        met &= is_met
        print(f"| {what} | {ours} | {peer} | {goal}{'' if is_met else ' **missed**'} |")

    for count, runs in ("one query", one), ("three queries", three):
        trips = runs.median() / QUIET_SECONDS
        shown = f"{runs.shown()}: {trips:.2f} round trips"
        goal = f"at most {TRIPS} round trips"
        row(f"12 hops of 60 ms, {count}", shown, "", goal, trips <= TRIPS)
    for name, (ours, peer, spare) in pairs.items():
        goal, is_met = "no slower", ours.median() <= peer.median() + START
        if name == SILENT:
            goal, is_met = "3 s", is_met and ours.median() <= 3.0
        goal += f", at most {spare} probes more"
        is_met &= ours.count() <= peer.count() + spare
        row(name, ours.shown(), peer.shown(), goal, is_met)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
