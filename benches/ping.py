#!/usr/bin/env python3
"""Times `dotquad ping` beside fping and iputils' ping, and prints a Markdown table.

    benches/ping.py [--runs N] [--binary FILE]

Starts itself again in a network namespace of its own (as root `unshare -n`, else `unshare -Urn`):
nothing leaves its loopback, nor the path that the example `internet` plays in another one. All
commands take turns, in every second run the other way round: a machine that was busy for a while
may be slower. A figure is the median of its runs, with the best behind it. Exit status: 1 when a
goal is missed.
"""

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "DOTQUAD_BENCH_NAMESPACE"
FLOOD = 100_000
# Twelve hops, 60 ms there and back, played by a router of the tests' own.
PATH, PATH_MS = ROOT / "tests" / "scenarios" / "quiet-icmp.toml", 60


def run(line):
    """What it printed, in how many seconds, and the most memory it held."""
    start = time.perf_counter()
    child = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = child.communicate()
    seconds = time.perf_counter() - start
    return out.decode() + err.decode(), seconds


def shown(values, unit, digits=2):
    return f"{statistics.median(values):.{digits}f} {unit} ({min(values):.{digits}f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "dotquad")
    parser.add_argument("--player", type=Path, help="the example `internet` (default: beside it)")
    asked = parser.parse_args()
    player = (asked.player or asked.binary.parent / "examples" / "internet").resolve()
    if not player.exists():
        sys.exit(f"{player} is not there: cargo build --release --example internet")
    for peer in ["fping", "ping", "ip"]:
        if not shutil.which(peer):
            sys.exit(f"{peer} is not installed")
    if not os.environ.get(INSIDE):
        words = ["-n"] if os.geteuid() == 0 else ["-Urn"]
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", *words, "--", *sys.orig_argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    dotquad = [str(asked.binary.resolve()), "ping"]

    net = "127.1.0.0/16"
    played = ["unshare", "-n", "--", str(player), str(PATH)]
    lines = {
        "fping": ["fping", "-q", "-g", "-i", "0", "-r", "0", net],
        "sweep": [*dotquad, "-q", "--rate", "0", net],
        "iputils": ["ping", "-n", "-q", "-f", "-c", str(FLOOD), "127.0.0.1"],
        "flood": [*dotquad, "-n", "-q", "-f", "-c", str(FLOOD), "127.0.0.1"],
        "iputils slow": ["ping", "-n", "-q", "-i", "0.01", "-c", "200", "127.0.0.1"],
        "slow": [*dotquad, "-q", "-i", "0.01", "-c", "200", "--percentiles", "127.0.0.1"],
    }
    lines["iputils path"] = [*played, "ping", "-n", "-q", "-i", "0.01", "-c", "100"]
    lines["path"] = [*played, *dotquad, "-q", "-i", "0.01", "-c", "100", "--percentiles"]
    seconds = {name: [] for name in lines}
    printed = {name: [] for name in lines}
    for done in range(asked.runs):
        print(f"run {done + 1} of {asked.runs}", file=sys.stderr)
        turns = list(lines.items())
        for name, line in reversed(turns) if done % 2 else turns:
            text, took = run(line)
            seconds[name].append(took)
            printed[name].append(text)

    met = True

    def row(what, ours, beside, ratio, goal, holds):
        nonlocal met
        met &= holds
        print(f"| {what} | {ours} | {beside} | {ratio} | {goal}{'' if holds else ' **missed**'} |")

    def faster(what, ours, peer, factor):
        ratio = statistics.median(seconds[peer]) / statistics.median(seconds[ours])
        goal = f"at least {factor}x as fast"
        times = shown(seconds[ours], "s"), shown(seconds[peer], "s")
        row(what, *times, f"{ratio:.2f}", goal, ratio >= factor)

    print(f"\n{len(os.sched_getaffinity(0))} cores; median of {asked.runs} runs, the best behind it;")
    print(f"load average {os.getloadavg()[0]:.1f}.\n")
    print("| What | dotquad | beside it | ratio | goal |")
    print("| --- | ---: | ---: | ---: | ---: |")
    faster("a /16 on loopback, beside `fping -g -i 0 -r 0`", "sweep", "fping", 2)
    faster(f"{FLOOD:,} of a flood, beside `ping -f`", "flood", "iputils", 1)
    theirs = [float(re.search(r"= [\d.]+/([\d.]+)/", it)[1]) * 1000 for it in printed["iputils slow"]]
    ours = [float(re.search(r"p99 = ([\d.]+)/", it)[1]) * 1000 for it in printed["slow"]]
    ratio = statistics.median(ours) / statistics.median(theirs)
    what = "median round trip on loopback, beside the average of `ping`"
    times = shown(ours, "us", 0), shown(theirs, "us", 0)
    row(what, *times, f"{ratio:.2f}", "at most half", ratio <= 0.5)

    theirs = [float(re.search(r"= [\d.]+/([\d.]+)/", it)[1]) for it in printed["iputils path"]]
    ours = [float(re.search(r"p99 = ([\d.]+)/", it)[1]) for it in printed["path"]]
    off = statistics.median(ours) - PATH_MS
    what = f"median round trip over a path of {PATH_MS} ms, beside the average of `ping`"
    times = shown(ours, "ms", 3), shown(theirs, "ms", 3)
    row(what, *times, f"{off:+.3f} ms", "within 1 ms", 0 <= off < 1)

    # Last, as it is the largest child of all: the kernel keeps the most that any child held.
    text, _ = run([*dotquad, "-q", "--rate", "0", "--min-alive", str(2**20 - 2), "127.16.0.0/12"])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    row("peak memory, a /12 on loopback", f"{peak:.0f} MiB", "", "", "below 256 MiB", peak < 256)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
