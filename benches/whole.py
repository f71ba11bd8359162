#!/usr/bin/env python3
"""Times dotquad as whole processes beside cat, tcpdump and tshark, and prints a Markdown table.

    benches/whole.py [--runs N] [--folder FOLDER] [--binary FILE]

Makes its captures first: a million packets between 59 hosts, and the same between 100,000. All
commands take turns, so that what disturbs one run disturbs all; a figure is the median of its
runs, with the fastest behind it. Output goes to /dev/null. Peers that are not installed are left
out and said. Exit status: 1 when a goal is missed.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKETS = 1_000_000
# tshark takes a minute and gigabytes of memory for all of them; its figure is per packet.
FEWER = 50_000
MIB = 1 << 20


class Command:
    """A command line, what it works through, and how its runs went."""

    def __init__(self, line, packets=PACKETS, utc=False):
        self.line = [str(word) for word in line]
        self.packets = packets
        self.environment = {k: v for k, v in os.environ.items() if k != "TZ"}
        if utc:
            self.environment["TZ"] = "UTC"
        self.seconds = []
        self.peak = 0

    def run(self):
        start = time.perf_counter()
        process = subprocess.Popen(
            self.line,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds.append(time.perf_counter() - start)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{' '.join(self.line)}: exit status {process.returncode}")
        # In KiB. Never less than this script itself had when it started the command.
        self.peak = max(self.peak, usage.ru_maxrss * 1024)

    def median(self):
        """Seconds for a million packets."""
        return statistics.median(self.seconds) * PACKETS / self.packets

    def shown(self):
        scale = PACKETS / self.packets
        return f"{self.median():.3f} s ({min(self.seconds) * scale:.3f})"


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7, help="runs of each command")
    parser.add_argument("--folder", type=Path, help="where the captures are kept for next time")
    parser.add_argument("--binary", type=Path, help="the dotquad to measure, instead of a new build")
    return parser.parse_args()


def busy():
    """Seconds that all cores have worked since the machine started, whoever for."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _wait, *interrupts = map(int, stat.readline().split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def cargo(*words):
    subprocess.run(["cargo", words[0], "--release", "--quiet", *words[1:]], cwd=ROOT, check=True)


def captures(folder, dotquad):
    """Makes what is not there yet, and reads it all once, so that no run waits for the disk."""
    few, many = folder / "few.pcap", folder / "many.pcap"
    for file, hosts in [(few, 59), (many, 100_000)]:
        if not file.exists():
            cargo("run", "--example", "traffic", "--", "--hosts", str(hosts), str(file.resolve()))
    head, packed = folder / "head.pcap", folder / "few.pcap.zst"
    subprocess.run([dotquad, "decode", "-c", str(FEWER), "-w", head, few], check=True)
    subprocess.run([dotquad, "decode", "-w", packed, few], check=True)
    for file in [few, many, head, packed]:
        subprocess.run(["cat", file], stdout=subprocess.DEVNULL, check=True)
    return few, many, head, packed


def commands(few, many, head, packed, dotquad):
    """Every command by its name; those whose program is missing are None."""
    decode = [dotquad, "decode"]
    ndjson = [*decode, "--format", "ndjson"]
    detail = [*decode, "--format", "detail"]
    column = [*decode, "--format", "csv", "--fields", "ipv4.source"]
    port = ["tcp", "port", "80"]
    four = ["-j", "4"]
    lines = {
        "cat": Command(["cat", few]),
        "line": Command([*decode, few]),
        "line, many hosts": Command([*decode, many]),
        "ndjson": Command([*ndjson, few]),
        "ndjson, head": Command([*ndjson, head], FEWER),
        "column": Command([*column, few]),
        "column, many hosts": Command([*column, many]),
        "count": Command([*decode, "--count", few]),
        "filter": Command([*decode, "--count", few, *port]),
        "stats": Command([dotquad, "stats", few]),
        "stats, many hosts": Command([dotquad, "stats", many]),
        "stats, memory": Command([dotquad, "stats", *four, many]),
        "line, memory": Command([*decode, *four, few]),
        "line, memory, zst": Command([*decode, *four, packed]),
        "ndjson, memory": Command([*ndjson, *four, few]),
        "ndjson, memory, zst": Command([*ndjson, *four, packed]),
        "detail, memory": Command([*detail, *four, few]),
        "detail, memory, zst": Command([*detail, *four, packed]),
        "tcpdump": Command(["tcpdump", "-nn", "-r", few]),
        "tcpdump, UTC": Command(["tcpdump", "-nn", "-r", few], utc=True),
        "tcpdump, filter": Command(["tcpdump", "-r", few, "--count", *port]),
        "tshark, conversations": Command(["tshark", "-n", "-q", "-r", head, "-z", "conv,ip"], FEWER),
        "tshark": Command(["tshark", "-n", "-T", "ek", "-r", head], FEWER),
    }
    missing = {line.line[0] for line in lines.values() if not shutil.which(line.line[0])}
    for program in sorted(missing):
        print(f"{program} is not installed: left out", file=sys.stderr)
    return {name: line for name, line in lines.items() if line.line[0] not in missing}


class Table:
    """Rows of the README's table, and whether all goals are met."""

    def __init__(self, commands):
        self.commands = commands
        self.met = True
        print("| What, for a million packets | dotquad | beside it | ratio | goal |")
        print("| --- | ---: | ---: | ---: | ---: |")

    def row(self, what, ours, beside, ratio, goal, met):
        self.met &= met
        print(f"| {what} | {ours} | {beside} | {ratio} | {goal}{'' if met else ' **missed**'} |")

    def faster(self, what, ours, peer, factor):
        """Ours takes no more than one `factor`th of the peer's time."""
        if peer not in self.commands:
            return
        ours, peer = self.commands[ours], self.commands[peer]
        ratio = peer.median() / ours.median()
        goal = f"at least {factor}x as fast"
        self.row(what, ours.shown(), peer.shown(), f"{ratio:.1f}", goal, ratio >= factor)

    def within(self, what, ours, peer, factor):
        """Ours takes no more than `factor` times the peer's time."""
        ours, peer = self.commands[ours], self.commands[peer]
        ratio = ours.median() / peer.median()
        goal = f"at most {factor}x the time"
        self.row(what, ours.shown(), peer.shown(), f"{ratio:.2f}", goal, ratio <= factor)

    def memory(self, what, name, most=64):
        peak = self.commands[name].peak / MIB
        self.row(what, f"{peak:.1f} MiB", "", "", f"below {most} MiB", peak < most)


def main():
    asked = options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not asked.binary:
            cargo("build")
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        dotquad = (asked.binary or target / "release" / "dotquad").resolve()
        measured = commands(*captures(folder, dotquad), dotquad)
        start, others, before = time.perf_counter(), -busy(), sum(os.times()[:4])
        for done in range(asked.runs):
            print(f"run {done + 1} of {asked.runs}", file=sys.stderr)
            for command in measured.values():
                command.run()
        others += busy() - (sum(os.times()[:4]) - before)
        others = max(others, 0) / (time.perf_counter() - start)

    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores; median of {asked.runs} runs, the fastest in parentheses.")
    # What others take is missing to the many threads of dotquad, and not to the one of a peer.
    print(f"Meanwhile others took {others:.0%} of a core.\n")
    table = Table(measured)
    table.faster("lines, beside `tcpdump -nn`", "line", "tcpdump", 20)
    table.faster("lines, beside `TZ=UTC tcpdump -nn`", "line", "tcpdump, UTC", 8)
    ek = f"beside `tshark -n -T ek` (on {FEWER:,} packets)"
    table.faster(f"NDJSON, {ek}", "ndjson", "tshark", 200)
    table.faster(f"NDJSON, both on {FEWER:,} packets", "ndjson, head", "tshark", 200)
    table.within("one CSV column, beside `cat`", "column", "cat", 4)
    table.within("count, beside `cat`", "count", "cat", 4)
    table.within("count of `tcp port 80`, beside `cat`", "filter", "cat", 4)
    count = "count of `tcp port 80`, beside `tcpdump --count`"
    table.faster(count, "filter", "tcpdump, filter", 1)
    table.within("lines, 100,000 hosts beside 59", "line, many hosts", "line", 1.5)
    table.within("one CSV column, 100,000 hosts beside 59", "column, many hosts", "column", 1.5)
    conversations = f"stats, beside `tshark -n -q -z conv,ip` (on {FEWER:,} packets)"
    table.faster(conversations, "stats", "tshark, conversations", 30)
    table.within("stats, beside `cat`", "stats", "cat", 5)
    table.within("stats, 100,000 hosts beside 59", "stats, many hosts", "stats", 3)
    table.memory("peak memory, stats of 100,000 hosts, 4 workers", "stats, memory", 128)
    for name in ["line", "ndjson", "detail"]:
        table.memory(f"peak memory, {name}, 4 workers", f"{name}, memory")
        table.memory(f"peak memory, {name}, 4 workers, zstd input", f"{name}, memory, zst")
    sys.exit(0 if table.met else 1)


if __name__ == "__main__":
    main()
