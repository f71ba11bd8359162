#!/usr/bin/env python3
"""Compares filters with tcpdump's, frame by frame, over a folder of captures.

    fuzz/against_tcpdump.py [--binary FILE] [--random N] [--seed N] FOLDER

All frames below FOLDER (pcap and pcapng, plain or gzip) become one capture for each link type,
with copies cut short at random places; a frame's time is its number. Loopback headers, which
hosts write in their own byte order, are compared in both orders. The expressions are those of
tests/filter/table.rs that tcpdump answers, and N random ones for each link type, made from the
addresses and ports that its frames hold. For each, `tcpdump -r` and `dotquad decode` must select
the same frames; the lengths of `tcpdump -ddd` and `dotquad filter` are compared too.

Needs tcpdump. Exit status: 1 when something differs for no known reason.
"""

import argparse
import collections
import gzip
import ipaddress
import random
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What is compared: link types, their names and the length of their headers.
LINK_TYPES = {
    0: ("NULL", 4),
    1: ("EN10MB", 14),
    9: ("PPP", 4),
    50: ("PPP_SERIAL", 4),
    101: ("RAW", 0),
    104: ("C_HDLC", 4),
    108: ("LOOP", 4),
    113: ("LINUX_SLL", 16),
    228: ("IPV4", 0),
    229: ("IPV6", 0),
    276: ("LINUX_SLL2", 20),
}

# LLC's words, which libpcap looks for in SLL2's protocol field.
LLC = r"^LINUX_SLL2: .*(iso|stp|ipx|netbeui|proto 0x42)\b"

# What libpcap is known to see otherwise: a pattern of expressions, and why.
KNOWN = [
    (r"\* *\S+ *%", "libpcap gives `%` and `^` no precedence"),
    (r"geneve\b.*(\bor\b|\|\|)", "libpcap reads offsets of a tunnel that is not there"),
    (LLC, "libpcap takes LLC's numbers for protocols there and finds no such frame"),
]

LONGEST = 65535
OUTER = ("geneve", "geneve 1", "vlan", "vlan and vlan", "mpls", "pppoes")


def pcap(data):
    """The frames of a pcap file: link type, length on the wire, bytes."""
    order = "<" if data[0] in (0xD4, 0x4D) else ">"
    (kind,) = struct.unpack_from(order + "I", data, 20)
    at = 24
    while at + 16 <= len(data):
        kept, length = struct.unpack_from(order + "II", data, at + 8)
        if kept > LONGEST or at + 16 + kept > len(data):
            return
        yield kind & 0xFFFF, length, data[at + 16 : at + 16 + kept]
        at += 16 + kept


def pcapng(data):
    """The frames of a pcapng file's enhanced packet blocks."""
    order = "<" if data[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    kinds = []
    at = 0
    while at + 12 <= len(data):
        block, size = struct.unpack_from(order + "II", data, at)
        if size < 12 or at + size > len(data):
            return
        if block == 1:
            kinds += struct.unpack_from(order + "H", data, at + 8)
        if block == 6 and size >= 32:
            index, _, _, kept, length = struct.unpack_from(order + "5I", data, at + 8)
            if index < len(kinds) and kept <= min(size - 32, LONGEST):
                yield kinds[index], length, data[at + 28 : at + 28 + kept]
        at += (size + 3) & ~3


def gathered(folder, chosen):
    """All frames below the folder by link type, some of them again and cut short."""
    frames = collections.defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError):
                continue
        magic = data[:4].hex()
        if magic in ("d4c3b2a1", "4d3cb2a1", "a1b2c3d4", "a1b23c4d") and len(data) >= 24:
            source = pcap(data)
        elif magic == "0a0d0d0a" and len(data) >= 28:
            source = pcapng(data)
        else:
            continue
        for kind, length, kept in source:
            # libpcap takes the family in the file's byte order alone, whoever wrote the frame.
            if kind == 0 and kept[:4] < kept[3::-1]:
                kept = other_order(kept)
            frames[kind].append((max(length, len(kept)), kept))
    for whole in frames.values():
        for length, kept in chosen.sample(whole, min(len(whole), 3000)):
            if kept:
                whole.append((length, kept[: chosen.randrange(min(len(kept), 120))]))
    return frames


def other_order(kept):
    """A frame of link type NULL as a host of the other byte order would have written it."""
    return kept[3::-1] + kept[4:] if len(kept) >= 4 else kept


def write(path, kind, frames, order="<"):
    with path.open("wb") as out:
        out.write(struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, kind))
        for number, (length, kept) in enumerate(frames, 1):
            out.write(struct.pack(order + "IIII", number, 0, len(kept), min(length, 1 << 20)))
            out.write(kept)


class Grammar:
    """Random expressions about what the frames hold."""

    def __init__(self, frames, kind, chosen):
        self.kind = kind
        self.random = chosen
        hosts, hosts6, ports, cards = (collections.Counter() for _ in range(4))
        at = LINK_TYPES[kind][1]
        for _, kept in frames:
            packet = kept[at:]
            if len(packet) >= 24 and packet[0] >> 4 == 4:
                hosts.update([packet[12:16], packet[16:20]])
                header = 4 * (packet[0] & 15)
                if packet[9] in (6, 17) and len(packet) >= header + 4:
                    ports.update(struct.unpack_from(">HH", packet, header))
            if len(packet) >= 40 and packet[0] >> 4 == 6:
                hosts6.update([packet[8:24], packet[24:40]])
            if kind == 1 and len(kept) >= 14:
                cards.update([kept[:6], kept[6:12]])

        def common(counter, show, otherwise):
            return [show(item) for item, _ in counter.most_common(60)] or [otherwise]

        self.hosts = common(hosts, lambda a: str(ipaddress.IPv4Address(a)), "10.0.0.1")
        self.hosts6 = common(hosts6, lambda a: str(ipaddress.IPv6Address(a)), "::1")
        self.ports = common(ports, str, "80")
        self.cards = common(cards, lambda a: a.hex(":"), "1:2:3:4:5:6")

    def one(self, *choices):
        return self.random.choice(choices)

    def below(self, number):
        return self.random.randrange(number)

    def direction(self):
        return self.one("", "", "src ", "dst ", "src or dst ", "src and dst ")

    def number(self, layer, depth):
        """Arithmetic over one layer, every step in parentheses."""
        if depth == 0 or self.below(4) == 0:
            return self.one(str(self.below(300)), hex(self.below(70000)), "len", "tcp-syn")
        if self.below(2) == 0:
            offset = self.below(24)
            if self.below(4) == 0:
                offset = f"({self.number(layer, depth - 1)}) & 0xf"
            return f"{layer}[{offset}{self.one('', ':1', ':2', ':4')}]"
        left = f"({self.number(layer, depth - 1)})"
        operator = self.one("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>")
        if operator in ("<<", ">>"):
            return f"{left} {operator} {self.below(31)}"
        if operator in ("/", "%"):
            return f"{left} {operator} {1 + self.below(9)}"
        return f"{left} {operator} ({self.number(layer, depth - 1)})"

    def relation(self):
        layer = self.one("ip", "ip", "tcp", "udp", "icmp", "link", "ip6", "arp", "icmp6", "igmp")
        comparison = self.one("=", "!=", "<", "<=", ">", ">=")
        load = f"{layer}[{self.below(20)}{self.one('', ':2', ':4')}]"
        return f"{load} {comparison} {self.number(layer, 2)}"

    def net(self):
        parts = self.random.choice(self.hosts).split(".")
        return self.one(
            f"{parts[0]}.0.0.0/8",
            f"{parts[0]}.{parts[1]}.0.0/16",
            f"{'.'.join(parts[:3])}.0 mask 255.255.255.0",
            ".".join(parts[: 1 + self.below(4)]),
        )

    def ethernet(self):
        return self.one(
            f"ether {self.one('host', 'src', 'dst')} {self.random.choice(self.cards)}",
            self.one("ether broadcast", "multicast", "llc", "llc ui", "iso", "stp", "ipx"),
            self.one("atalk", "aarp", "decnet", "isis", "pppoed", "netbeui"),
            self.one(f"vlan {self.below(10)}", f"mpls {16 + self.below(14)}", "vlan", "mpls"),
            f"({self.one(*OUTER)} and {self.primitive()})",
        )

    def primitive(self):
        if self.kind == 1 and self.below(5) == 0:
            return self.ethernet()
        host, port = self.random.choice(self.hosts), self.random.choice(self.ports)
        transport = self.one("", "", "tcp ", "udp ", "sctp ")
        last = min(65535, int(port) + self.below(500))
        return self.one(
            f"{self.one('', '', 'ip ', 'arp ', 'rarp ')}{self.direction()}host {host}",
            f"{self.direction()}net {self.net()}",
            f"{transport}{self.direction()}port {port}",
            f"{self.one('', 'tcp ', 'udp ')}{self.direction()}portrange {port}-{last}",
            self.one("ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp", "icmp6", "igmp", "sctp"),
            self.one("ip proto ", "ip6 proto ", "proto ") + self.one("1", "2", "6", "17", "44"),
            f"ether proto {self.one('0x800', '0x806', '0x86dd', '0x8100', '0x88cc', '0x42')}",
            self.one("ip multicast", "ip6 multicast", "esp", "ah", "pim"),
            f"{self.one('less', 'greater')} {20 + self.below(280)}",
            f"{self.one('', 'ip6 ')}{self.direction()}host {self.random.choice(self.hosts6)}",
            f"host {' or '.join(self.random.choices(self.hosts, k=3))}",
            f"port ({' or '.join(self.random.choices(self.ports, k=3))})",
            self.relation(),
            self.relation(),
        )

    def expression(self, depth=3):
        if depth == 0 or self.below(4) == 0:
            return self.primitive()
        if self.below(8) == 0:
            return f"not {self.one(self.primitive(), f'({self.expression(depth - 1)})')}"
        parts = []
        for _ in range(2 + self.below(2)):
            parts += [self.one(self.primitive(), f"({self.expression(depth - 1)})")]
            parts += [self.one("and", "or", "&&", "||")]
        return " ".join(parts[:-1])


def table():
    """The expressions of the test table that tcpdump answers."""
    text = (ROOT / "tests/filter/table.rs").read_text()
    peers = text.split("const PEERS", 1)[1].split("const OWN", 1)[0]
    found = re.findall(r'\(\s*r?"([^"]*)",\s*&\[[\d, ]*\]', peers)
    return [text for text in dict.fromkeys(found) if text]


def run(*command):
    """Exit status, standard output, last line of standard error."""
    done = subprocess.run(command, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return done.returncode, done.stdout, said


def selected_by_tcpdump(path, text, *options):
    """The numbers of the frames, or none and why."""
    code, out, said = run("tcpdump", *options, "-n", "-r", path, "-w", "-", text)
    if code != 0:
        why = said[-1] if said else ""
        return (set(), None) if "rejects all packets" in why else (None, why)
    found, at = set(), 24
    order = "<" if out[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    while at + 16 <= len(out):
        number, _, kept = struct.unpack_from(order + "III", out, at)
        found.add(number)
        at += 16 + kept
    return found, None


def selected_by_dotquad(binary, path, text):
    """The same."""
    code, out, said = run(binary, "decode", "--format", "csv", "--fields", "frame", path, text)
    if code != 0:
        return None, said[0] if said else ""
    return {int(number) for number in out.split()[1:]}, None


def length(*command):
    """How many instructions a listing in decimal has."""
    code, out, _ = run(*command)
    first = out.split(b"\n", 1)[0]
    return int(first) if code == 0 and first.isdigit() else None


def agree_when_filled(binary, path, text, kind, frames, order):
    """Both select the same of these frames once zeros follow each: what they differed about was
    a frame's end. The length on the wire stays."""
    filled = [(length, kept + bytes(1024)) for length, kept in frames]
    write(path, kind, filled, order)
    theirs, _ = selected_by_tcpdump(path, text)
    ours, _ = selected_by_dotquad(binary, path, text)
    return ours is not None and ours == theirs


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("folder", type=Path, help="captures, at any depth")
    words.add_argument("--binary", default=ROOT / "target/release/dotquad", type=Path)
    words.add_argument("--random", default=100, type=int, help="expressions for each link type")
    words.add_argument("--seed", default=1, type=int)
    given = words.parse_args()
    chosen = random.Random(given.seed)
    compared = unexplained = cut = 0
    known, ratios = [], []
    refusals = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        captures = []
        for kind, frames in sorted(gathered(given.folder, chosen).items()):
            if kind in LINK_TYPES:
                captures.append((kind, frames, "<"))
            if kind == 0:
                captures.append((kind, [(long, other_order(kept)) for long, kept in frames], ">"))
        for kind, frames, order in captures:
            name = LINK_TYPES[kind][0] + (" of the other byte order" if order == ">" else "")
            path, filled = (Path(folder) / f"{name}.pcap" for name in (kind, "filled"))
            write(path, kind, frames, order)
            grammar = Grammar(frames, kind, chosen)
            texts = table() + [grammar.expression() for _ in range(given.random)]
            print(f"{name}: {len(frames)} frames, {len(texts)} expressions", flush=True)
            for text in texts:
                theirs, complaint = selected_by_tcpdump(path, text)
                ours, own_complaint = selected_by_dotquad(given.binary, path, text)
                if theirs is None or ours is None:
                    if ours is not None:
                        refusals[complaint] += 1
                    elif theirs is not None:
                        refusals[f"{name}: {text}: {own_complaint}"] += 1
                    continue
                compared += 1
                if ours != theirs:
                    apart = ours ^ theirs
                    there = [frames[number - 1] for number in sorted(apart)]
                    if agree_when_filled(given.binary, filled, text, kind, there, order):
                        cut += 1
                        continue
                    more, less = sorted(ours & apart)[:5], sorted(theirs & apart)[:5]
                    what = f"{name}: {text}: only dotquad {more}, only tcpdump {less}"
                    said = f"{name}: {text}"
                    why = next((why for pattern, why in KNOWN if re.search(pattern, said)), None)
                    plain = selected_by_tcpdump(path, text, "-O")[0]
                    if plain is not None and plain & apart == ours & apart:
                        why = "tcpdump's own unoptimised program selects what dotquad's does"
                    if why:
                        known.append(f"{what} ({why})")
                    else:
                        unexplained += 1
                        print(f"  differs: {what}")
                peer = length("tcpdump", "-r", path, "-ddd", text)
                words = ("--link-type", str(kind), "--format", "decimal", text)
                own = length(given.binary, "filter", *words)
                if peer and own:
                    ratios.append((own / peer, own, peer, f"{name}: {text}"))
    print(f"{compared} compared: {unexplained} differ")
    # A frame that lacks a byte that is asked for is rejected; which bytes are asked for although
    # the answer does not depend on them is up to each compiler.
    print(f"{cut} differ only on frames that end too early, {len(known)} as known")
    for what in known:
        print(f"  {what}")
    print(f"{refusals.total()} refused by one alone")
    for what, count in refusals.most_common():
        print(f"  {count}x {what}")
    if ratios:
        ratios.sort(reverse=True)
        own, peer = (sum(entry[at] for entry in ratios) for at in (1, 2))
        mean = sum(entry[0] for entry in ratios) / len(ratios)
        print(f"programs: {own} instructions beside {peer}; mean ratio {mean:.3f}")
        for ratio, own, peer, text in ratios:
            if ratio > 1.25:
                why = f" ({KNOWN[-1][1]})" if re.search(LLC, text) else ""
                print(f"  {ratio:.2f} ({own} beside {peer}) {text}{why}")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
