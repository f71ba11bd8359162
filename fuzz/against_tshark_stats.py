#!/usr/bin/env python3
"""Compares the figures of `dotquad stats` with tshark's over a folder of captures.

    fuzz/against_tshark_stats.py [--binary FILE] [--limit N] FOLDER

For each capture, in this order:
 1. conversations and endpoints, with the sums of `tshark -T fields` over the outermost IPv4
    header of each frame, and with the tables of `tshark -q -z conv,ip -z endpoints,ip` where no
    frame holds two IPv4 headers (tshark counts each of them);
 2. frames and bytes of the whole and of IPv4, with `-z io,phs`;
 3. frames by length;
 4. datagrams put together from fragments, with `ip.defragment`: which frames complete one, from
    which frames, and every byte.
Captures that either refuses, and those of link types that dotquad does not dissect, are counted
and left out. Left out and counted, too, are addresses that tshark finds only inside what dotquad
does not enter (NSH, MACsec, ...), and blocks of pcapng files that tshark lists as frames. Exit
status: 1 when a figure differs.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OFF = ["-n", "-o", "ip.defragment:FALSE", "-o", "ip.tso_support:TRUE", "-o", "ip.use_geoip:FALSE"]


# What dotquad shows as bytes and tshark enters.
CLOSED = {"macsec", "nsh", "avsp", "cmd", "sflow"}


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=300)
    return done.returncode, done.stdout.decode(errors="replace")


def ours(binary, file):
    code, text = run(binary, "stats", "--format", "ndjson", file)
    if code != 0:
        return None
    events = collections.defaultdict(list)
    for line in text.splitlines():
        event = json.loads(line)
        events[event["event"]].append(event)
    return events


def fields(file):
    """Frames and bytes by (source, destination) of the outermost IPv4 header, and all lengths."""
    sent, lengths, tunnels = collections.Counter(), [], False
    code, text = run(
        "tshark", *OFF, "-r", file, "-T", "fields", "-E", "separator=;", "-E", "occurrence=a",
        "-e", "frame.len", "-e", "ip.version", "-e", "ip.src", "-e", "ip.dst", "-e", "frame.protocols",
    )
    if code != 0:
        return None
    closed, blocks = 0, []
    for line in text.splitlines():
        length, _, source, destination, protocols = line.split(";")
        protocols = protocols.split(":")
        if protocols == ["data"]:
            blocks.append(int(length))
            continue
        lengths.append(int(length))
        tunnels |= protocols.count("ip") > 1
        if "ip" in protocols and CLOSED & set(protocols[: protocols.index("ip")]):
            closed += 1
            continue
        source, destination = source.split(",")[0], destination.split(",")[0]
        if source and destination:
            sent[source, destination, "packets"] += 1
            sent[source, destination, "bytes"] += int(length)
    return sent, lengths, tunnels, closed, blocks


def conversations(file):
    """tshark's own tables: conversations by pair, endpoints by address."""
    code, text = run("tshark", *OFF, "-q", "-r", file, "-z", "conv,ip", "-z", "endpoints,ip")
    if code != 0:
        return None
    pairs, points = {}, {}
    size = r"(\d+)\s*(bytes|kB|MB|GB)?"
    for line in text.splitlines():
        found = re.match(rf"^(\S+)\s+<->\s+(\S+)\s+(\d+)\s+{size}\s+(\d+)\s+{size}\s+(\d+)\s+{size}", line)
        if found:
            a, b, into, _, _, out, _, _, both, _, _ = found.groups()
            pairs[frozenset((a, b))] = (int(into), int(out), int(both), a, b)
            continue
        found = re.match(r"^(\d+\.\d+\.\d+\.\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", line)
        if found:
            address, *numbers = found.groups()
            points[address] = tuple(map(int, numbers))
    return pairs, points


def compare(binary, file):
    mine = ours(binary, file)
    if mine is None:
        return "refused here", []
    if "link type " in mine["capture"][0].get("link_types", ""):
        return "of a link type that is unknown here", []
    theirs = fields(file)
    if theirs is None:
        return "refused there", []
    sent, lengths, tunnels, closed, blocks = theirs
    wrong = []

    def equal(what, ours, theirs):
        if ours != theirs:
            wrong.append(f"{what}: {ours} here, {theirs} there")

    whole = mine["capture"][0]
    compared = ["fields"]
    if blocks and whole["packets"] == len(lengths):
        compared.append("without blocks that are no frames")
    else:
        lengths += blocks
    equal("packets", whole["packets"], len(lengths))
    equal("bytes", whole["bytes"], sum(lengths))
    if lengths:
        equal("shortest", whole.get("shortest"), min(lengths))
        equal("longest", whole.get("longest"), max(lengths))
        for size in mine.get("size", []):
            within = [it for it in lengths if size["from"] <= it <= size.get("to", 1 << 40)]
            equal(f"from {size['from']} bytes", (size["packets"], size["bytes"]), (len(within), sum(within)))
    here = collections.Counter()
    for pair in mine["conversation"]:
        for way, (source, destination) in {"ab": ("a", "b"), "ba": ("b", "a")}.items():
            for unit in ["packets", "bytes"]:
                if pair[f"{unit}_{way}"]:
                    here[pair[source], pair[destination], unit] += pair[f"{unit}_{way}"]
    for key in sorted(here.keys() | sent.keys()):
        equal(" ".join(key), here[key], sent[key])
    out, into = collections.Counter(), collections.Counter()
    for (source, destination, unit), number in sent.items():
        out[source, unit] += number
        into[destination, unit] += number
    for point in mine.get("endpoint", []):
        address = point["address"]
        figures = tuple(point[key] for key in ["packets_out", "bytes_out", "packets_in", "bytes_in"])
        there = (out[address, "packets"], out[address, "bytes"], into[address, "packets"], into[address, "bytes"])
        equal(f"endpoint {address}", figures, there)
    if closed:
        compared.append("without what is not entered here")
    elif not tunnels:
        tables = conversations(file)
        if tables is not None:
            compared.append("tables")
            pairs, points = tables
            there = {key: (a_b, b_a) for key, (b_a, a_b, _, _, _) in pairs.items()}
            listed = {}
            for pair in mine["conversation"]:
                key = frozenset((pair["a"], pair["b"]))
                first = pairs.get(key, (0, 0, 0, pair["a"], pair["b"]))[3]
                ways = (pair["packets_ab"], pair["packets_ba"])
                listed[key] = ways if first == pair["a"] else ways[::-1]
            for key in sorted(listed.keys() | there.keys(), key=sorted):
                equal(f"conv,ip {' '.join(sorted(key))}", listed.get(key), there.get(key))
            mine_points = {
                it["address"]: (
                    it["packets_out"] + it["packets_in"], it["bytes_out"] + it["bytes_in"],
                    it["packets_out"], it["bytes_out"], it["packets_in"], it["bytes_in"],
                )
                for it in mine["endpoint"]
            }
            for key in sorted(mine_points.keys() | points.keys()):
                equal(f"endpoints,ip {key}", mine_points.get(key), points.get(key))
    here, there = assembled_here(binary, file), assembled_there(file)
    if here is None or there is None:
        wrong.append("fragments: refused")
    else:
        if there:
            compared.append(f"{len(there)} datagrams" if len(there) > 1 else "a datagram")
        for frame in sorted(here.keys() | there.keys()):
            made, wanted = here.get(frame), there.get(frame)
            if made is None or wanted is None:
                wrong.append(f"datagram at frame {frame}: {made and made[0]} here, {wanted and wanted[0]} there")
            else:
                equal(f"datagram at frame {frame}", made[0], wanted[0])
                if not made[1].endswith(wanted[1]):
                    wrong.append(f"datagram at frame {frame}: other bytes")
    return " and ".join(compared), wrong


def assembled_here(binary, file):
    """The frames that a datagram came from and its bytes, by the frame that completes it."""
    code, text = run(
        binary, "decode", "--reassemble", "--reassembly-policy", "first", "-x", "--no-anomalies", file
    )
    if code != 0:
        return None
    made, current = {}, None
    for line in text.splitlines():
        if line.startswith("\t"):
            if current is not None:
                made[current] = (made[current][0], made[current][1] + line.split(":", 1)[1].replace(" ", ""))
            continue
        found = re.search(r" reassembled from frames ([0-9, -]+)", line)
        current = int(line.split(" ", 1)[0]) if found else None
        if found:
            frames = []
            for part in found[1].split(", "):
                first, _, last = part.strip().partition("-")
                frames += range(int(first), int(last or first) + 1)
            made[current] = (frames, "")
    return made


def assembled_there(file):
    code, text = run(
        "tshark", "-n", "-o", "ip.defragment:TRUE", "-o", "ip.tso_support:TRUE", "-o", "ip.check_checksum:TRUE",
        "-r", file, "-Y", "ip.reassembled.length", "-T", "fields", "-E", "separator=;", "-E", "occurrence=a",
        "-e", "frame.number", "-e", "frame.protocols", "-e", "ip.fragment", "-e", "ip.reassembled.length",
        "-e", "ip.reassembled.data",
    )
    if code != 0:
        return None
    made = {}
    for line in text.splitlines():
        number, protocols, frames, length, data = line.split(";")
        # An inner datagram that came in pieces is not looked for here.
        if "," in length or CLOSED & set(protocols.split(":")):
            continue
        made[int(number)] = (sorted({int(frame) for frame in frames.split(",")}), data)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--binary", default="target/release/dotquad")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--largest", type=int, default=20_000_000, help="bytes of a file")
    asked = parser.parse_args()
    files = sorted(
        file for file in asked.folder.rglob("*")
        if file.is_file() and re.search(r"\.(pcap|pcapng|cap|ntar|trc)(\.gz|\.zst|\.lz4)?$", file.name)
        and file.stat().st_size <= asked.largest
    )[: asked.limit]
    outcomes, differing = collections.Counter(), 0

    def one(file):
        try:
            return file, *compare(asked.binary, file)
        except subprocess.TimeoutExpired:
            return file, "took too long", []

    with ThreadPoolExecutor(2) as pool:
        for file, outcome, wrong in pool.map(one, files):
            outcomes[outcome] += 1
            if wrong:
                differing += 1
                print(file)
                for line in wrong[:6]:
                    print(f"    {line}")
    print(f"{len(files)} captures, {differing} differ: " + ", ".join(f"{n} {what}" for what, n in outcomes.items()))
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
