#!/usr/bin/env python3
"""Times live capture, sending and replay beside tcpdump, trafgen, hping3 and tcpreplay.

    benches/live.py [--runs N] [--packets N] [--binary FILE]

Prints a Markdown table. Everything happens in a network namespace of its own, over a veth pair: no packet leaves it. One
core sends 60-byte UDP frames as fast as it can, the other listens; commands take turns, and a
figure is the median of its runs. Takes root, two cores and iproute2; peers that are not installed
are left out and said. Exit status: 1 when a goal is missed.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "DOTQUAD_BENCH_NAMESPACE"
NEAR, FAR = "near0", "far0"
MACS = "02:00:00:00:00:01", "02:00:00:00:00:02"
# How long a listener may take to empty its buffer once the sender is done.
DRAIN = 2.0
# Of a frame's arrival, by the receiving kernel's clock (socket(7)).
SO_TIMESTAMPNS = 35


def inside():
    """Starts this script again in a namespace with a veth pair."""
    if INSIDE not in os.environ:
        environment = {**os.environ, INSIDE: "1"}
        os.execvpe("unshare", ["unshare", "-n", sys.executable, *sys.argv], environment)
    for line in (
        "link set dev lo up",
        f"link add {NEAR} address {MACS[0]} type veth peer name {FAR} address {MACS[1]}",
        f"link set dev {NEAR} up",
        f"link set dev {FAR} up",
        f"address add 10.0.0.1/24 dev {NEAR}",
    ):
        subprocess.run(["ip", *line.split()], check=True)


def sender(binary, packets):
    """Frames addressed to nobody's stack: what is timed is the listener, not the kernel's UDP."""
    return [
        binary, "send", "10.0.0.2", "-i", NEAR, "--ethernet", "02:00:00:00:00:99",
        "--udp", "--sport", "5000", "--dport", "9", "--data-len", "18", "-c", str(packets),
        "--rate", "0", "--yes",
    ]  # fmt: skip


def pinned(core, line):
    return ["taskset", "-c", str(core), *map(str, line)]


class Listener:
    """A command that listens, and what each of its runs gave."""

    def __init__(self, name, line, pattern):
        self.name, self.line, self.pattern = name, line, pattern
        self.lost, self.cpu, self.rate = [], [], []

    def run(self, send, packets, folder):
        said = folder / "said"
        with said.open("wb") as stderr:
            process = subprocess.Popen(
                pinned(1, self.line), stdout=subprocess.DEVNULL, stderr=stderr
            )
        deadline = time.monotonic() + 10
        while b"listening on" not in said.read_bytes():
            if time.monotonic() > deadline or process.poll() is not None:
                sys.exit(f"{self.name} does not listen: {said.read_text()}")
            time.sleep(0.01)
        start = time.perf_counter()
        subprocess.run(
            pinned(0, send), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.rate.append(packets / (time.perf_counter() - start))
        time.sleep(DRAIN)
        process.send_signal(signal.SIGINT)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        text = said.read_text()
        seen = int(re.search(self.pattern, text)[1])
        self.lost.append(max(0, packets - seen))
        self.cpu.append((usage.ru_utime + usage.ru_stime) / max(1, seen) * 1e6)


def listening(binary, folder, runs, packets):
    """Rows about capture; True when all goals are reached."""
    ours = r"(\d+) (?:written|shown)"
    theirs = r"(\d+) packets? captured"
    sniff = [binary, "sniff", "-i", FAR]
    pairs = [
        (
            "to a file",
            Listener("sniff -w", [*sniff, "-w", folder / "ours.pcapng"], ours),
            ["-w", folder / "theirs.pcap"],
        ),
        ("to lines", Listener("sniff", sniff, ours), ["-nn"]),
    ]
    tcpdump = shutil.which("tcpdump")
    listeners = []
    for _, mine, words in pairs:
        listeners.append(mine)
        if tcpdump:
            # It would give its privileges to a user who may not write here.
            line = [tcpdump, "-i", FAR, "-Z", "root", *words]
            listeners.append(Listener(f"tcpdump {words[0]}", line, theirs))
    for _ in range(runs):
        for listener in listeners:
            listener.run(sender(binary, packets), packets, folder)
    reached = True
    for what, mine, words in pairs:
        other = [one for one in listeners if one.name == f"tcpdump {words[0]}"]
        rate = statistics.median(mine.rate)
        lost = max(mine.lost)
        beside = f"{max(other[0].lost):,}" if other else ""
        missed = "" if lost == 0 else " **missed**"
        reached &= lost == 0
        print(
            f"| sniff {what}, {packets:,} packets at {rate / 1e6:.2f} million/s: "
            f"lost at most | {lost:,} | {beside} |  | none{missed} |"
        )
        cpu = statistics.median(mine.cpu)
        if other:
            peer = statistics.median(other[0].cpu)
            slower = words[0] == "-w" and cpu > peer
            reached &= not slower
            missed = " **missed**" if slower else ""
            print(
                f"| sniff {what}, processor time a packet | {cpu:.2f} µs | {peer:.2f} µs | "
                f"{cpu / peer:.2f} | at most 1x{missed if words[0] == '-w' else ''} |"
            )
    return reached


def sending(binary, folder, runs, packets):
    """A row about sending; True when its goal is reached."""
    config = folder / "udp.trafgen"
    config.write_text(
        "{ eth(da=02:00:00:00:00:99, sa=02:00:00:00:00:01), "
        "ipv4(sa=10.0.0.1, da=10.0.0.2, ttl=64), udp(sp=5000, dp=9), fill(0x20, 18) }\n"
    )
    rivals = {"ours": sender(binary, packets)}
    trafgen, hping = shutil.which("trafgen"), shutil.which("hping3")
    if trafgen:
        words = ["-i", config, "-o", NEAR, "-n", packets, "-P", 1, "-q"]
        rivals["trafgen"] = [trafgen, *words]
    rates = {name: [] for name in rivals}
    for _ in range(runs):
        for name, line in rivals.items():
            start = time.perf_counter()
            subprocess.run(
                pinned(0, line), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            rates[name].append(packets / (time.perf_counter() - start))
    ours = statistics.median(rates["ours"])
    if "trafgen" not in rates:
        print("trafgen is not installed: sending is not compared", file=sys.stderr)
        return True
    theirs = statistics.median(rates["trafgen"])
    missed = "" if ours >= theirs else " **missed**"
    print(
        f"| send, 60-byte UDP a second, one core, beside `trafgen -P 1` | {ours / 1e3:,.0f}k | "
        f"{theirs / 1e3:,.0f}k | {ours / theirs:.2f} | at least 1x{missed} |"
    )
    if hping:
        flood = [hping, "--flood", "--udp", "-p", "9", "-d", "18", "-q", "10.0.0.2"]
        subprocess.run(
            ["ip", "neigh", "replace", "10.0.0.2", "lladdr", "02:00:00:00:00:99", "dev", NEAR],
            check=True,
        )
        before = sent()
        process = subprocess.Popen(
            pinned(0, flood), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        start = time.perf_counter()
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
        rate = (sent() - before) / (time.perf_counter() - start)
        print(
            f"| send, the same beside `hping3 --flood` | {ours / 1e3:,.0f}k | {rate / 1e3:,.0f}k | "
            f"{ours / rate:.2f} | at least 1x |"
        )
    return ours >= theirs


def paced(path, frames):
    """A capture of frames one millisecond apart, each with its number at the end."""
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1))
        for number in range(frames):
            frame = bytes.fromhex("02000000009902000000000188b5") + bytes(42)
            frame += struct.pack(">I", number)
            seconds, milliseconds = divmod(number, 1000)
            out.write(struct.pack("<IIII", seconds, milliseconds * 1000, 60, 60) + frame)


def lateness(line, frames):
    """How far from its time each frame arrives, counted from the first, in ms; processor time."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    tap.bind((FAR, 0))
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    tap.settimeout(3)
    process = subprocess.Popen(
        pinned(0, line), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    first, off = None, []
    while len(off) < frames:
        frame, control, _, _ = tap.recvmsg(2048, 64)
        if frame[12:14] != b"\x88\xb5":
            continue
        seconds, nanoseconds = struct.unpack("qq", control[0][2][:16])
        now = seconds * 10**9 + nanoseconds - struct.unpack(">I", frame[-4:])[0] * 10**6
        first = now if first is None else first
        off.append(abs(now - first) / 1e6)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    tap.close()
    return sorted(off), usage.ru_utime + usage.ru_stime


def replaying(binary, folder, runs, frames=5000):
    """A row about keeping time; True when its goal is reached."""
    capture = folder / "paced.pcap"
    paced(capture, frames)
    lines = {"ours": [binary, "replay", capture, "-i", NEAR, "--yes"]}
    tcpreplay = shutil.which("tcpreplay")
    if tcpreplay:
        lines["tcpreplay"] = [tcpreplay, "-i", NEAR, capture]
    all_of = {name: [] for name in lines}
    for _ in range(runs):
        for name, line in lines.items():
            all_of[name].append(lateness(line, frames))

    def words(name):
        if name not in all_of:
            return ""
        off = sorted(it for run, _ in all_of[name] for it in run)
        processor = statistics.median(spent for _, spent in all_of[name])
        p99 = off[int(len(off) * 0.99)]
        share = sum(it <= 1 for it in off) / len(off) * 100
        return (
            f"p50 {off[len(off) // 2]:.3f}, p99 {p99:.3f}, max {off[-1]:.3f} ms; "
            f"{share:.2f} % within 1 ms; {processor / frames * 1e5:.0f} % of a core"
        )

    late = sum(it > 1 for run, _ in all_of["ours"] for it in run)
    missed = " **missed**" if late else ""
    print(
        f"| replay at its own pace, {frames:,} frames 1 ms apart: off by | {words('ours')} | "
        f"{words('tcpreplay')} |  | within 1 ms{missed} |"
    )
    return not late


def sent():
    """Packets that have left the near end."""
    line = next(one for one in Path("/proc/self/net/dev").read_text().splitlines() if NEAR in one)
    return int(line.split(":")[1].split()[9])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--packets", type=int, default=1_500_000)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/dotquad")
    arguments = parser.parse_args()
    inside()
    print("| What | dotquad | beside it | ratio | goal |")
    print("| --- | ---: | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reached = listening(arguments.binary, folder, arguments.runs, arguments.packets)
        reached &= sending(arguments.binary, folder, arguments.runs, arguments.packets)
        reached &= replaying(arguments.binary, folder, arguments.runs)
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
