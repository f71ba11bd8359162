#!/usr/bin/env python3
"""Compares `dotquad ping` with iputils' `ping -n`: lines, exit codes, numbers masked.

    cargo build --release && sudo unshare -n benches/like_ping.py

Everything stays on the loopback of the namespace it is run in (`-n` makes an empty one).
"""

import re
import subprocess
import sys

LO = "127.0.0.1"
CASES = [
    f"-c 1 {LO}",
    f"-c 3 -i 0.01 {LO}",
    f"-c 3 -i 0.01 -q {LO}",
    f"-c 2 -i 0.01 -D {LO}",
    f"-c 2 -i 0.01 -O {LO}",
    f"-c 2 -i 0.01 -q -O {LO}",
    f"-c 2 -i 0.01 -a {LO}",
    f"-c 1 -s 0 {LO}",
    f"-c 1 -s 8 {LO}",
    f"-c 1 -s 15 {LO}",
    f"-c 1 -s 16 {LO}",
    f"-c 1 -s 1472 {LO}",
    f"-c 1 -s 65507 {LO}",
    f"-c 1 -s 8 -f {LO}",
    f"-c 1 -p ff {LO}",
    f"-c 1 -p ff00aa {LO}",
    f"-c 1 -p 00112233445566778899aabbccddeeff {LO}",
    f"-c 1 -p abc {LO}",
    f"-c 1 -q -p ff {LO}",
    f"-c 2 -i 0.01 -R {LO}",
    f"-c 2 -i 0.01 -T tsonly {LO}",
    f"-c 2 -i 0.01 -T tsandaddr {LO}",
    f"-c 1 -T tsprespec {LO} {LO}",
    f"-c 1 -I lo {LO}",
    f"-c 1 -I {LO} {LO}",
    f"-c 1 -I lo -I {LO} {LO}",
    f"-c 1 -t 7 {LO}",
    f"-c 1 -Q 0x10 {LO}",
    f"-c 1 -Q 184 {LO}",
    f"-c 1 -M do {LO}",
    f"-c 1 -M want {LO}",
    f"-c 1 -M dont -s 3000 {LO}",
    f"-c 1 -m 5 {LO}",
    f"-c 1 -S 65536 {LO}",
    f"-c 1 -r {LO}",
    f"-c 1 -4 {LO}",
    f"-c 1 -L {LO}",
    f"-c 5 -f {LO}",
    f"-c 5 -f -q {LO}",
    f"-c 5 -i 0 {LO}",
    f"-c 5 -A {LO}",
    f"-c 5 -A -q {LO}",
    f"-c 3 -l 3 {LO}",
    f"-c 4 -l 2 -i 0.01 {LO}",
    f"-c 2 -w 3 -i 0.01 {LO}",
    f"-w 1 -i 0.3 {LO}",
    f"-c 1 -W 1 {LO}",
    "-c 1 127.1",
    "-c 1 0",
    "-c 1 127.0.0.255",
    "-c 1 -b 127.255.255.255",
    "-c 1 127.255.255.255",
    "-c 1 192.0.2.1",
    "-c 1 -i x 127.0.0.1",
    "-c 0 127.0.0.1",
    "-c 1 -t 256 127.0.0.1",
    "-c 1 -s 65508 127.0.0.1",
    "-c 1 -p zz 127.0.0.1",
    "-c 1 nosuch.invalid",
    "-c 1 -I 192.0.2.9 127.0.0.1",
    "-c 1 -I nosuch0 127.0.0.1",
    # 10.9.0.0/24 is on a TUN that nobody reads.
    "-c 1 -W 0.2 10.9.0.7",
    "-c 3 -i 0.05 -W 0.2 10.9.0.7",
    "-c 3 -i 0.05 -W 0.2 -O 10.9.0.7",
    "-c 3 -f -W 0.2 10.9.0.7",
    "-c 2 -w 1 -i 0.3 10.9.0.7",
    # Routes that refuse: the kernel answers as a router would.
    "-c 1 198.51.100.1",
    "-c 1 203.0.113.1",
    # Larger than the interface with DF.
    "-c 2 -i 0.01 -M do -s 1473 10.9.0.7",
    "-c 2 -i 0.01 -M do -s 1473 -q 10.9.0.7",
    # No neighbour answers on the veth: host unreachable, from ourselves.
    "-c 1 -W 5 10.8.0.7",
    "-c 3 -i 0.01 -W 5 10.8.0.7",
    "-c 3 -i 0.01 -w 5 10.8.0.7",
    "-c 3 -i 0.01 -f -W 5 10.8.0.7",
]


def run(words):
    """Lines, and the exit code."""
    done = subprocess.run(words, capture_output=True, timeout=30, check=False)
    return done.stdout.decode(), done.stderr.decode(), done.returncode


def masked(text):
    """Times and what is drawn are not compared."""
    text = re.sub(r"time \d+ms", "time Nms", text)
    text = re.sub(r"time=[\d.]+ ms", "time=N ms", text)
    text = re.sub(r"(\d+\.\d+/)+\d+\.\d+ ms", "N ms", text)
    text = re.sub(r"\[\d+\.\d{6}\]", "[N]", text)
    text = re.sub(r"\t-?\d+( absolute)?$", r"\tN", text, flags=re.M)
    return text


def main():
    ours = sys.argv[1] if len(sys.argv) > 1 else "target/release/dotquad"
    for words in [
        "link set lo up",
        "tuntap add dev quiet0 mode tun",
        "addr add 10.9.0.1/24 dev quiet0",
        "link set quiet0 up",
        "link add near0 type veth peer name far0",
        "addr add 10.8.0.1/24 dev near0",
        "link set near0 up",
        "link set far0 up",
        "route add unreachable 198.51.100.0/24",
        "route add prohibit 203.0.113.0/24",
    ]:
        subprocess.run(["ip", *words.split()], check=True)
    different = 0
    for case in CASES:
        theirs = run(["ping", "-n", *case.split()])
        mine = run([ours, "ping", "-n", *case.split()])
        same = masked(theirs[0]) == masked(mine[0]) and theirs[2] == mine[2]
        if not same:
            different += 1
            print(f"{case}\n  theirs {theirs}\n  ours   {mine}")
        elif theirs[2] == 2 or theirs[1] or mine[1]:
            print(f"{case}: {theirs[2]}\n  theirs {theirs[1]!r}\n  ours   {mine[1]!r}")
    print(f"{len(CASES)} cases, {different} different")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
