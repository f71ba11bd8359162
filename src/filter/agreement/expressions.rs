//! Random expressions from the language's grammar; needs nothing of the compiler.

use proptest::prelude::*;

/// Numbers that the frames hold too, so that tests come true about as often as not.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..8, Just(80), Just(0x0800), Just(0x45), any::<u32>()]
}

fn arithmetic() -> impl Strategy<Value = String> {
    let layer = prop::sample::select(vec![
        "link", "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "igmp", "sctp",
    ]);
    let load = (
        layer,
        0_u32..24,
        prop::sample::select(vec!["", ":1", ":2", ":4"]),
    )
        .prop_map(|(layer, offset, size)| format!("{layer}[{offset}{size}]"));
    let leaf = prop_oneof![
        3 => load,
        1 => number().prop_map(|number| number.to_string()),
        1 => Just("len".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "&", "|", "^"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (
                inner.clone(),
                prop::sample::select(vec!["<<", ">>"]),
                0_u32..32
            )
                .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (
                inner.clone(),
                prop::sample::select(vec!["/", "%", "<<", ">>"]),
                inner.clone()
            )
                .prop_filter("constant operands may be refused", |(_, _, b)| {
                    !b.chars()
                        .all(|c| c.is_ascii_digit() || "()+-*&|^<>/% ".contains(c))
                })
                .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            (inner, prop::sample::select(vec!["ip", "link", "udp"]))
                .prop_map(|(a, layer)| format!("{layer}[{a} & 0x1f]")),
        ]
    })
}

fn primitive(encapsulation: bool) -> impl Strategy<Value = String> {
    let direction =
        || prop::sample::select(vec!["", "src ", "dst ", "src or dst ", "src and dst "]);
    let words = prop::sample::select(vec![
        "ip",
        "ip6",
        "arp",
        "rarp",
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "sctp",
        "igmp",
        "esp",
        "ip multicast",
        "ip6 multicast",
        "ip broadcast",
        "inbound",
        "outbound",
        "iso",
        "stp",
        "ipx",
        "atalk",
        "aarp",
        "clnp",
        "llc",
        "llc i",
        "llc s",
        "llc ui",
        "ip proto 4",
        "proto 44",
        "ip6 proto 6",
        "ether proto 0x8100",
        "ether proto 0x0800",
        "protochain 6",
        "ip6 protochain 17",
        "pppoed",
    ]);
    let inward = if encapsulation {
        vec![
            "vlan", "vlan 1", "vlan 2", "pppoes", "pppoes 1", "mpls", "mpls 1", "geneve",
            "geneve 1", "vxlan", "vxlan 1",
        ]
    } else {
        vec!["ip"]
    };
    let comparison = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    prop_oneof![
        3 => words.prop_map(str::to_owned),
        2 => prop::sample::select(inward).prop_map(str::to_owned),
        2 => (prop::sample::select(vec!["", "ip ", "arp "]), direction(), 0..4)
            .prop_map(|(p, d, a)| format!("{p}{d}host 10.0.0.{a}")),
        1 => (direction(), 0..4, 29..=32).prop_map(|(d, a, l)| {
            let net = if l == 29 { 0 } else if l == 32 { a } else { a & !3 };
            format!("{d}net 10.0.0.{net}/{l}")
        }),
        1 => (direction(), 0..3).prop_map(|(d, a)| format!("ip6 {d}host fe80::{a}")),
        1 => (direction(), 0..3).prop_map(|(d, a)| format!("{d}net fe80::{a}/128")),
        2 => (prop::sample::select(vec!["", "tcp ", "udp ", "sctp "]), direction(), 79..83)
            .prop_map(|(p, d, a)| format!("{p}{d}port {a}")),
        1 => (prop::sample::select(vec!["", "tcp ", "udp "]), direction(), 70..82, 79..90)
            .prop_map(|(p, d, a, b)| format!("{p}{d}portrange {a}-{b}")),
        1 => (40..140).prop_map(|n| format!("greater {n}")),
        2 => (arithmetic(), comparison, arithmetic()).prop_map(|(a, c, b)| format!("{a} {c} {b}")),
    ]
}

pub(crate) fn expression(encapsulation: bool) -> impl Strategy<Value = String> {
    let outer = if encapsulation {
        vec!["vlan", "mpls", "pppoes", "geneve", "geneve 1", "vxlan"]
    } else {
        vec!["ip"]
    };
    primitive(encapsulation).prop_recursive(4, 16, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            (prop::sample::select(outer.clone()), inner.clone())
                .prop_map(|(outer, part)| format!("({outer} and {part})")),
            inner.prop_map(|part| format!("not {part}")),
        ]
    })
}
