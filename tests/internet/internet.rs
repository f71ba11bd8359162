//! An internet in a text: routers and hosts with all their ways, as a function from a datagram to
//! the datagrams that come back, each with its delay. Shares no code with what it is there to
//! try; knows neither sockets nor clocks.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::bytes;
use toml::{Table, Value};

/// How a router treats what it cannot forward.
#[derive(Debug, Clone)]
struct Limit {
    burst: f64,
    per_ns: f64,
    tokens: f64,
    last: u64,
}

impl Limit {
    fn allows(&mut self, now: u64) -> bool {
        let gained = (now.saturating_sub(self.last)) as f64 / self.per_ns;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.last = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

#[derive(Debug, Clone)]
struct Nat {
    to: Ipv4Addr,
    /// What of a quote it gives back: "all", "addresses", "nothing".
    restores: String,
}

/// A router, or the host at the end.
#[derive(Debug, Clone, Default)]
struct Node {
    address: Option<Ipv4Addr>,
    /// Nanoseconds from the node before.
    delay: u64,
    /// Nanoseconds it takes to make an ICMP message.
    thinks: u64,
    next: Vec<String>,
    /// "flow", "packet", or "turns": flows in the order they come, one here and one there.
    balance: String,
    flows: Vec<u64>,
    key: u64,
    silent: bool,
    loss: f64,
    /// The packets that vanish before it, counted from 0.
    drops: Vec<u64>,
    /// The packets that a host answers twice, and those it answers a second later than others,
    /// counted alike.
    twice: Vec<u64>,
    tardy: Vec<u64>,
    met: u64,
    limit: Option<Limit>,
    /// Bytes of the datagram that it quotes.
    quote: usize,
    forwards_zero: bool,
    nat: Option<Nat>,
    labels: Vec<u32>,
    interface: Option<String>,
    /// The MTU of the link behind it, and whether it says so: "told", "untold", "silent".
    mtu: u16,
    mtu_says: String,
    tos: Option<u8>,
    /// A way to falsify quotes.
    lies: String,
    /// The code of an unreachable that it sends for everything.
    refuses: Option<u8>,
    /// The protocol's own answer, for a host: "closed", "open", "silent", "answers", "curt".
    port: String,
    host: bool,
    /// The initial time to live of its own packets.
    initial_ttl: u8,
    back: Option<u8>,
}

/// A network of nodes between one host and its destination.
#[derive(Debug, Clone)]
pub(crate) struct Internet {
    nodes: HashMap<String, Node>,
    first: String,
    destination: Ipv4Addr,
    random: u64,
}

/// A datagram that comes back, and how long after the other had left, in nanoseconds.
pub(crate) type Return = (u64, Vec<u8>);

fn mix(mut number: u64) -> u64 {
    number ^= number >> 33;
    number = number.wrapping_mul(0xff51_afd7_ed55_8ccd);
    number ^= number >> 33;
    number = number.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

fn millis(value: &Value) -> u64 {
    let millis = value
        .as_float()
        .unwrap_or_else(|| value.as_integer().unwrap() as f64);
    (millis * 1e6) as u64
}

impl Node {
    fn read(hop: &Table) -> Self {
        let text = |key: &str, default: &str| {
            hop.get(key).map_or(default.to_owned(), |value| {
                value.as_str().unwrap().to_owned()
            })
        };
        let number = |key: &str| hop.get(key).map(|value| value.as_integer().unwrap());
        let list = |key: &str| {
            hop.get(key)
                .map_or(&[][..], |value| value.as_array().unwrap())
        };
        let places = |key: &str| -> Vec<u64> {
            let all = list(key).iter();
            all.map(|at| at.as_integer().unwrap() as u64).collect()
        };
        let flag = |key: &str| hop.get(key).is_some_and(|value| value.as_bool().unwrap());
        Self {
            address: hop
                .get("address")
                .map(|value| value.as_str().unwrap().parse().unwrap()),
            delay: hop.get("ms").map_or(1_000_000, millis),
            thinks: hop.get("thinks_ms").map_or(0, millis),
            next: list("next")
                .iter()
                .map(|next| next.as_str().unwrap().to_owned())
                .collect(),
            balance: text("balance", "flow"),
            flows: Vec::new(),
            key: number("key").unwrap_or(0) as u64,
            silent: flag("silent"),
            loss: hop.get("loss").map_or(0.0, |loss| loss.as_float().unwrap()),
            drops: places("drops"),
            twice: places("twice"),
            tardy: places("tardy"),
            met: 0,
            limit: hop.get("limit").map(|limit| {
                let burst = limit["burst"].as_integer().unwrap() as f64;
                Limit {
                    burst,
                    per_ns: millis(&limit["per_ms"]) as f64,
                    // "tokens" where others have used some up before.
                    tokens: limit
                        .get("tokens")
                        .map_or(burst, |tokens| tokens.as_integer().unwrap() as f64),
                    last: 0,
                }
            }),
            quote: number("quote").unwrap_or(8) as usize,
            forwards_zero: flag("forwards_zero"),
            nat: hop.get("nat").map(|nat| Nat {
                to: nat["to"].as_str().unwrap().parse().unwrap(),
                restores: nat["restores"].as_str().unwrap().to_owned(),
            }),
            labels: list("labels")
                .iter()
                .map(|label| label.as_integer().unwrap() as u32)
                .collect(),
            interface: hop
                .get("interface")
                .map(|name| name.as_str().unwrap().to_owned()),
            mtu: number("mtu").unwrap_or(1500) as u16,
            mtu_says: text("mtu_says", "told"),
            tos: number("tos").map(|tos| tos as u8),
            lies: text("lies", ""),
            refuses: number("refuses").map(|code| code as u8),
            port: text("port", "closed"),
            host: flag("host"),
            initial_ttl: number("initial_ttl").unwrap_or(255) as u8,
            back: number("back").map(|hops| hops as u8),
        }
    }
}

impl Internet {
    /// Reads `[[hop]]` after `[[hop]]`: each leads to the one after it unless it says otherwise,
    /// and the last is the host at the end.
    pub(crate) fn read(scenario: &Table) -> Self {
        let hops = scenario["hop"].as_array().unwrap();
        let name = |hop: &Value| {
            let key = ["name", "address"].iter().find_map(|key| hop.get(key));
            key.unwrap().as_str().unwrap().to_owned()
        };
        let mut nodes = HashMap::new();
        let seed = scenario
            .get("seed")
            .map_or(1, |seed| seed.as_integer().unwrap() as u64);
        for (at, hop) in hops.iter().enumerate() {
            let mut node = Node::read(hop.as_table().unwrap());
            if node.next.is_empty() && at + 1 < hops.len() {
                node.next.push(name(&hops[at + 1]));
            }
            node.host |= at + 1 == hops.len();
            node.key ^= mix(seed ^ (at as u64) << 32 ^ 0x5eed);
            nodes.insert(name(hop), node);
        }
        Self {
            nodes,
            first: name(&hops[0]),
            destination: scenario["destination"].as_str().unwrap().parse().unwrap(),
            random: seed,
        }
    }

    pub(crate) fn destination(&self) -> Ipv4Addr {
        self.destination
    }

    fn chance(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.random) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// What a datagram that leaves at `now` nanoseconds brings back.
    pub(crate) fn carry(&mut self, now: u64, datagram: &[u8]) -> Vec<Return> {
        let mut packet = datagram.to_vec();
        let original = datagram.to_vec();
        let mut at = self.first.clone();
        let mut delay = 0;
        let mut hops = 0_u8;
        // Translators passed, nearest first.
        let mut translators: Vec<Nat> = Vec::new();
        // A datagram lives for 255 hops at most.
        for _ in 0..300 {
            hops = hops.saturating_add(1);
            let chance = self.chance();
            let spray = self.chance();
            let node = self.nodes.get_mut(&at).unwrap();
            delay += node.delay;
            let met = node.met;
            node.met += 1;
            if chance < node.loss || node.drops.contains(&met) {
                return Vec::new();
            }
            let ttl = packet[8];
            let answer = |node: &mut Node, message: Vec<u8>| -> Vec<Return> {
                let limited = node
                    .limit
                    .as_mut()
                    .is_some_and(|limit| !limit.allows(now + delay));
                if node.silent || limited {
                    return Vec::new();
                }
                let left = node
                    .initial_ttl
                    .saturating_sub(node.back.unwrap_or(hops) - 1);
                let from = node.address.unwrap();
                let reply = bytes::ipv4(from, bytes::source(&original), 1, left, 0xc0, &message);
                vec![(2 * delay + node.thinks, reply)]
            };
            if node.host {
                let node = node.clone();
                return self.host(
                    &at,
                    &node,
                    now,
                    &packet,
                    &original,
                    delay,
                    hops,
                    &translators,
                );
            }
            if ttl == 0 || (ttl == 1 && !node.forwards_zero) {
                let message = complaint(node, 11, 0, 0, &packet, &original, &translators);
                return answer(node, message);
            }
            if let Some(code) = node.refuses {
                let message = complaint(node, 3, code, 0, &packet, &original, &translators);
                return answer(node, message);
            }
            if packet.len() > usize::from(node.mtu) && packet[6] & 0x40 != 0 {
                if node.mtu_says == "silent" {
                    return Vec::new();
                }
                let info = if node.mtu_says == "told" {
                    u32::from(node.mtu)
                } else {
                    0
                };
                let message = complaint(node, 3, 4, info, &packet, &original, &translators);
                return answer(node, message);
            }
            packet[8] = ttl - 1;
            if let Some(tos) = node.tos {
                packet[1] = tos;
            }
            if let Some(nat) = &node.nat {
                bytes::translate(&mut packet, nat.to);
                translators.push(nat.clone());
            }
            bytes::fix_header(&mut packet);
            let width = node.next.len();
            let flow = flow_hash(node.key, &packet);
            let pick = match node.balance.as_str() {
                "packet" => (spray * width as f64) as usize,
                "turns" => {
                    if !node.flows.contains(&flow) {
                        node.flows.push(flow);
                    }
                    node.flows.iter().position(|known| *known == flow).unwrap() % width
                }
                _ => (flow % width as u64) as usize,
            };
            at = node.next[pick.min(width - 1)].clone();
        }
        Vec::new()
    }

    #[expect(clippy::too_many_arguments, reason = "what a host is given")]
    fn host(
        &mut self,
        at: &str,
        node: &Node,
        now: u64,
        packet: &[u8],
        original: &[u8],
        delay: u64,
        hops: u8,
        translators: &[Nat],
    ) -> Vec<Return> {
        let from = node.address.unwrap_or(bytes::destination(packet));
        let to = bytes::source(original);
        let left = node
            .initial_ttl
            .saturating_sub(node.back.unwrap_or(hops) - 1);
        let transport = &packet[20..];
        if node.port == "silent" || node.silent {
            return Vec::new();
        }
        let (protocol, message) = match (packet[9], node.port.as_str()) {
            (1, _) => (1, bytes::echo_reply(transport)),
            (6, port) => (
                6,
                bytes::tcp_answer(bytes::destination(packet), to, &original[20..], port),
            ),
            (17, "answers") => (
                17,
                bytes::udp_answer(bytes::destination(packet), to, &original[20..]),
            ),
            _ => (1, complaint(node, 3, 3, 0, packet, original, translators)),
        };
        let own = self.nodes.get_mut(at).unwrap();
        if let Some(limit) = &mut own.limit
            && !limit.allows(now + delay)
        {
            return Vec::new();
        }
        let reply = bytes::ipv4(from, to, protocol, left, 0, &message);
        let nth = node.met.wrapping_sub(1);
        let late = u64::from(node.tardy.contains(&nth)) * 1_000_000_000;
        let times = 1 + usize::from(node.twice.contains(&nth));
        vec![(2 * delay + node.thinks + late, reply); times]
    }
}

/// What a balancer makes of a flow: addresses, protocol, type of service, and the first four
/// bytes of the transport header, whatever they are.
fn flow_hash(key: u64, packet: &[u8]) -> u64 {
    let mut hash = mix(key ^ 0xcbf2_9ce4_8422_2325);
    for &byte in packet[12..24].iter().chain([&packet[9], &packet[1]]) {
        hash = mix(hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(hash)
}

/// An ICMP error of a node about a packet, as it arrives at the sender.
fn complaint(
    node: &Node,
    icmp_type: u8,
    code: u8,
    info: u32,
    packet: &[u8],
    original: &[u8],
    translators: &[Nat],
) -> Vec<u8> {
    let mut quote = packet.to_vec();
    // The translators nearest to the host speak last.
    for nat in translators.iter().rev() {
        match nat.restores.as_str() {
            "all" => {
                let (ttl, tos) = (quote[8], quote[1]);
                quote = original.to_vec();
                quote[8] = ttl;
                quote[1] = tos;
            }
            "addresses" => quote[12..16].copy_from_slice(&original[12..16]),
            _ => {}
        }
    }
    quote.truncate(20 + node.quote);
    match node.lies.as_str() {
        "identification" => quote[4] ^= 0x80,
        "checksum" => quote[26..28].copy_from_slice(&[0, 0]),
        "destination" => quote[16] ^= 0x40,
        "ihl0" => quote[0] = 0x40,
        "ihl15" => quote[0] = 0x4f,
        "cut19" => quote.truncate(19),
        "cut20" => quote.truncate(20),
        "empty" => quote.clear(),
        _ => {}
    }
    let mut objects = Vec::new();
    if !node.labels.is_empty() {
        objects.extend(((node.labels.len() * 4 + 4) as u16).to_be_bytes());
        objects.extend([1, 1]);
        for (at, label) in node.labels.iter().enumerate() {
            let bottom = u32::from(at + 1 == node.labels.len()) << 8;
            objects.extend((label << 12 | bottom | 1).to_be_bytes());
        }
    }
    if let Some(name) = &node.interface {
        let mut padded = vec![0_u8];
        padded.extend(name.bytes());
        padded.resize(padded.len().next_multiple_of(4), 0);
        padded[0] = padded.len() as u8;
        objects.extend(((padded.len() + 4) as u16).to_be_bytes());
        objects.extend([2, 2]);
        objects.extend(padded);
    }
    if node.lies == "extensions" {
        objects = vec![0xff, 0xff, 1, 1, 1, 2, 3, 4];
    }
    bytes::icmp_error(
        icmp_type,
        code,
        info,
        &quote,
        &objects,
        node.lies == "length",
    )
}
