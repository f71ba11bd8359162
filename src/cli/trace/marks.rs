//! The marks that stand beside a hop, and what they mean: said beneath, and only when they occur.

use std::io;

use crate::cli::text::Text;
use crate::probe::trace::{Answer, Hop, Mark, MtuSource};
use crate::wire::icmp_extensions::{Interface, Role};

/// Time exceeded (RFC 792).
const EXCEEDED: u8 = 11;

/// Marks that occurred, each with its meaning.
#[derive(Debug, Default)]
pub(super) struct Legend(Vec<(String, String)>);

impl Legend {
    fn add(&mut self, mark: &str, meaning: &str) {
        if !self.0.iter().any(|(known, _)| known == mark) {
            self.0.push((mark.to_owned(), meaning.to_owned()));
        }
    }

    /// Takes over another's meanings.
    pub(super) fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|(mark, it)| self.add(mark, it));
    }

    /// Writes the meanings, if there are any.
    pub(super) fn write(&self, out: &mut Text) {
        for (mark, meaning) in &self.0 {
            out.display(&format_args!("    {mark:<12} {meaning}\n"));
        }
    }
}

/// What traceroute puts behind a time.
pub(super) fn of_mark(mark: Mark, legend: &mut Legend) -> String {
    let (general, meaning) = match mark {
        Mark::Network => ("!N", "network unreachable, or unknown"),
        Mark::Host => ("!H", "host unreachable, or unknown"),
        Mark::Protocol => ("!P", "protocol unreachable"),
        Mark::Fragmentation(None) => ("!F", "too large for the next link, which is not told"),
        Mark::Fragmentation(Some(_)) => {
            ("!F-N", "too large for the next link, which takes N bytes")
        }
        Mark::SourceRoute => ("!S", "source route failed"),
        Mark::Prohibited => ("!X", "administratively prohibited"),
        Mark::Precedence => ("!V", "host precedence violation"),
        Mark::Cutoff => ("!C", "precedence cutoff in effect"),
        Mark::Code(_) => ("!<N>", "unreachable for the reason with ICMP code N"),
        Mark::Other(..) => ("!<N-M>", "an ICMP message of type N with code M"),
    };
    legend.add(general, meaning);
    mark.to_string()
}

/// What stands for a probe that the kernel would not send.
pub(super) fn of_refusal(errno: i32, legend: &mut Legend) -> String {
    let mark = format!("!E{errno}");
    let error = io::Error::from_raw_os_error(errno).to_string();
    let words = error.split(" (os error").next().unwrap_or_default();
    legend.add(&mark, &format!("not sent: {}", words.to_lowercase()));
    mark
}

/// What else an answer of a hop at this distance shows.
pub(super) fn of_answer(hop: &Hop, answer: &Answer, legend: &mut Legend) -> Vec<String> {
    let mut marks = Vec::new();
    let mut add = |mark: String, general: &str, meaning: &str| {
        legend.add(general, meaning);
        marks.push(mark);
    };
    if !answer.labels.is_empty() {
        // As traceroute -e has them.
        let labels: Vec<String> = answer
            .labels
            .iter()
            .map(|it| {
                let (tc, bottom) = (it.traffic_class, u8::from(it.bottom));
                format!("L={},E={tc},S={bottom},T={}", it.label, it.ttl)
            })
            .collect();
        add(
            format!("<MPLS:{}>", labels.join("/")),
            "<MPLS:...>",
            "MPLS labels the probe carried: label, traffic class, bottom of stack, time to live",
        );
    }
    for interface in &answer.interfaces {
        add(
            format!("<{}>", shown(interface)),
            "<in:...>",
            "the interface, as the hop names it: in, below (the part of it under IP), out, next",
        );
    }
    if let Some(ttl) = answer.quoted_ttl {
        let meaning = match (ttl, answer.icmp) {
            (0, _) => {
                "the probe's time to live here: one hop before let pass what it should have dropped"
            }
            (_, Some((EXCEEDED, _))) => {
                "the probe's time to live here, which should be 1: a tunnel may hide hops"
            }
            // The target, nearer than it was asked for, or somebody who lets nothing pass.
            _ => "the probe's time to live here, where it ended before that had run out",
        };
        add(format!("[ttl {ttl}]"), &format!("[ttl {ttl}]"), meaning);
    }
    if let Some(tos) = answer.tos_quoted {
        add(
            format!("[tos {tos:#04x}]"),
            "[tos N]",
            "the probe's type of service here: it was changed on the way",
        );
    }
    if let Some(key) = answer.unmatched_key {
        let key = key.name();
        add(
            format!("[{key}?]"),
            &format!("[{key}?]"),
            "this part of the probe came back changed, or not at all",
        );
    }
    if let Some(open) = answer.open {
        let (mark, meaning) = if open {
            ("[open]", "the port takes connections")
        } else {
            ("[closed]", "the port refuses connections")
        };
        add(mark.to_owned(), mark, meaning);
    }
    if let Some(back) = answer.return_hops.filter(|back| *back != hop.ttl) {
        add(
            format!("[back {back}]"),
            "[back N]",
            "the way back is probably N hops long",
        );
    }
    marks
}

/// What the whole hop shows.
pub(super) fn of_hop(hop: &Hop, legend: &mut Legend) -> Vec<String> {
    let mut marks = Vec::new();
    let mut add = |mark: String, general: &str, meaning: &str| {
        legend.add(general, meaning);
        marks.push(mark);
    };
    if hop.nat {
        let meaning = "between the hop before and this one, addresses or ports are translated";
        add("[NAT]".to_owned(), "[NAT]", meaning);
    }
    if hop.rate_limited {
        let meaning = "answers slow questions and not quick ones: a limit on answers, no loss";
        add("[limit]".to_owned(), "[limit]", meaning);
    }
    if hop.undecided {
        let meaning = "answered only some: a limit on answers, or loss; --recheck finds out which";
        add("[limit?]".to_owned(), "[limit?]", meaning);
    }
    if hop.repeated {
        let meaning = "an address that stood before: the path goes in a circle";
        add("[loop]".to_owned(), "[loop]", meaning);
    }
    if let Some(mtu) = hop.mtu {
        let (general, meaning) = match mtu.source {
            MtuSource::Told => ("[mtu N]", "the link behind it takes N bytes, as it says"),
            MtuSource::Searched => (
                "[mtu N, searched]",
                "the link behind it takes N bytes; it said only that more is too much",
            ),
            MtuSource::Silent => (
                "[mtu N, silent]",
                "behind it, larger datagrams than N bytes vanish without a word",
            ),
        };
        add(
            general.replacen('N', &mtu.bytes.to_string(), 1),
            general,
            meaning,
        );
    }
    marks
}

/// The word for what an interface is to the probe.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Incoming => "incoming",
        Role::SubIp => "sub_ip",
        Role::Outgoing => "outgoing",
        Role::NextHop => "next_hop",
    }
}

fn shown(interface: &Interface) -> String {
    let mut text = Text::default();
    text.str(match interface.role {
        Role::Incoming => "in:",
        Role::SubIp => "below:",
        Role::Outgoing => "out:",
        Role::NextHop => "next:",
    });
    let mut separator = "";
    let mut part = |text: &mut Text| {
        text.str(separator);
        separator = ",";
    };
    if let Some(name) = &interface.name {
        part(&mut text);
        text.escaped(name);
    }
    if let Some(index) = interface.index {
        part(&mut text);
        text.display(&format_args!("#{index}"));
    }
    if let Some(address) = interface.address {
        part(&mut text);
        text.display(&address);
    }
    if let Some(mtu) = interface.mtu {
        part(&mut text);
        text.display(&format_args!("mtu={mtu}"));
    }
    text.into_string()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::probe::Rtt;

    /// What is said of a probe that had `ttl` left when this ICMP message was sent about it.
    fn said(ttl: u8, icmp: (u8, u8)) -> String {
        let target = Ipv4Addr::new(192, 0, 2, 1);
        let answer = Answer {
            address: target,
            rtt: Rtt::between(Duration::ZERO, None, Duration::ZERO, None),
            icmp: Some(icmp),
            reply_ttl: None,
            return_hops: None,
            quoted_ttl: Some(ttl),
            tos_quoted: None,
            labels: Vec::new(),
            interfaces: Vec::new(),
            unmatched_key: None,
            mark: None,
            open: None,
        };
        let hop = Hop {
            target,
            ttl: 7,
            cycle: 1,
            flow: 0,
            queries: Vec::new(),
            repeated: false,
            rate_limited: false,
            undecided: false,
            nat: false,
            mtu: None,
        };
        let mut legend = Legend::default();
        assert_eq!(
            of_answer(&hop, &answer, &mut legend),
            [format!("[ttl {ttl}]")]
        );
        let mut out = Text::default();
        legend.write(&mut out);
        out.into_string()
    }

    #[test]
    fn a_tunnel_is_suspected_only_where_the_time_to_live_ran_out() {
        assert!(said(0, (EXCEEDED, 0)).contains("let pass"));
        assert!(said(3, (EXCEEDED, 0)).contains("tunnel"));
        // Port unreachable: the target is nearer than -f. Host unreachable: a router of the way.
        for unreachable in [(3, 3), (3, 1)] {
            let said = said(3, unreachable);
            assert!(said.contains("ended before"), "{said}");
        }
    }
}
