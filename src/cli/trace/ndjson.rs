//! A path as objects: one a query as soon as its hop is known, then one a target.

use std::net::Ipv4Addr;

use super::Show;
use super::facts::Facts;
use super::marks;
use crate::cli::text::Text;
use crate::probe::trace::{Answer, Hop, Outcome, Query, Summary};

/// Writes objects.
#[derive(Debug)]
pub(super) struct Ndjson {
    cycles: bool,
}

impl Ndjson {
    /// With `cycles` each object says which one it belongs to.
    pub(super) fn new(cycles: bool) -> Self {
        Self { cycles }
    }
}

/// An object being written: keys with commas between them.
struct Object<'a> {
    out: &'a mut Text,
    empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Text) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn key(&mut self, key: &str) -> &mut Text {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.str(key);
        self.out.str("\":");
        self.out
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key).json(value.as_bytes());
    }

    fn number(&mut self, key: &str, value: impl Into<u64>) {
        self.key(key).number(value.into());
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.key(key).str(if value { "true" } else { "false" });
    }

    fn null(&mut self, key: &str) {
        self.key(key).str("null");
    }

    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        let mut inner = Object::begin(self.key(key));
        fill(&mut inner);
        inner.end();
    }

    fn list<T>(&mut self, key: &str, items: &[T], mut item: impl FnMut(&mut Text, &T)) {
        let out = self.key(key);
        out.push(b'[');
        for (at, value) in items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            item(out, value);
        }
        out.push(b']');
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

/// What an answer adds to its query's object.
fn answer(object: &mut Object<'_>, answer: &Answer, facts: &Facts) {
    object.text("address", &answer.address.to_string());
    object.number("rtt_ns", answer.rtt.nanoseconds);
    object.text("timestamps", answer.rtt.source.name());
    if let Some((icmp_type, code)) = answer.icmp {
        object.object("icmp", |it| {
            it.number("type", icmp_type);
            it.number("code", code);
        });
    }
    let small = [
        ("reply_ttl", answer.reply_ttl),
        ("return_hops", answer.return_hops),
        ("quoted_ttl", answer.quoted_ttl),
        ("tos_quoted", answer.tos_quoted),
    ];
    for (key, value) in small {
        if let Some(value) = value {
            object.number(key, value);
        }
    }
    if !answer.labels.is_empty() {
        object.list("mpls", &answer.labels, |out, label| {
            let mut it = Object::begin(out);
            it.number("label", label.label);
            it.number("tc", label.traffic_class);
            it.flag("bottom", label.bottom);
            it.number("ttl", label.ttl);
            it.end();
        });
    }
    if !answer.interfaces.is_empty() {
        object.object("interface_info", |roles| {
            let mut told = Vec::new();
            for interface in &answer.interfaces {
                // A key stands in an object once.
                if told.contains(&interface.role) {
                    continue;
                }
                told.push(interface.role);
                roles.object(marks::role(interface.role), |it| {
                    if let Some(name) = &interface.name {
                        it.key("name").json(name);
                    }
                    if let Some(index) = interface.index {
                        it.number("index", index);
                    }
                    if let Some(address) = interface.address {
                        it.text("address", &address.to_string());
                    }
                    if let Some(mtu) = interface.mtu {
                        it.number("mtu", mtu);
                    }
                });
            }
        });
    }
    if let Some(name) = facts.name(answer.address) {
        object.text("name", name);
    }
    if let Some(system) = facts.system(answer.address) {
        object.number("asn", system.number);
        if let Some(holder) = system.holder {
            object.text("as_holder", &holder);
        }
    }
    if let Some(mark) = answer.mark {
        object.text("mark", &mark.to_string());
    }
    if let Some(open) = answer.open {
        object.text("port", if open { "open" } else { "closed" });
    }
    if let Some(key) = answer.unmatched_key {
        object.text("unmatched_key", key.name());
    }
}

impl Show for Ndjson {
    fn hop(&mut self, hop: &Hop, facts: &Facts, out: &mut Text) {
        for (number, Query { flow, outcome }) in (1_u64..).zip(&hop.queries) {
            let mut object = Object::begin(out);
            object.text("event", "hop");
            object.text("target", &facts.label(hop.target));
            object.number("ttl", hop.ttl);
            object.number("query", number);
            object.number("flow", *flow);
            match outcome {
                Outcome::Answered(it) => answer(&mut object, it, facts),
                Outcome::Lost | Outcome::Refused(_) => {
                    object.null("address");
                    object.null("rtt_ns");
                }
            }
            if let Outcome::Refused(errno) = outcome {
                object.number("errno", errno.unsigned_abs());
            }
            if hop.nat {
                object.flag("nat", true);
            }
            if let Some(mtu) = hop.mtu {
                object.number("mtu", mtu.bytes);
                object.text("mtu_source", mtu.source.name());
            }
            if hop.rate_limited {
                object.flag("rate_limited", true);
            } else if hop.undecided {
                object.null("rate_limited");
            }
            if hop.repeated {
                object.flag("loop", true);
            }
            if self.cycles {
                object.number("cycle", hop.cycle);
            }
            object.end();
            out.push(b'\n');
        }
    }

    fn summary(&mut self, target: Ipv4Addr, summary: &Summary, facts: &Facts, out: &mut Text) {
        let mut object = Object::begin(out);
        object.text("event", "trace");
        object.text("target", &facts.label(target));
        object.text("address", &target.to_string());
        object.flag("reached", summary.reached);
        object.number("hops", summary.hops);
        object.list("nat_hops", &summary.nat_hops, |out, hop| {
            out.number((*hop).into());
        });
        if let Some(mtu) = summary.path_mtu {
            object.number("path_mtu", mtu);
        }
        if summary.looped {
            object.flag("loop", true);
        }
        object.number(
            "duration_ns",
            u64::try_from(summary.duration.as_nanos()).unwrap_or(u64::MAX),
        );
        object.number("probes", summary.probes);
        if summary.strays > 0 {
            object.number("strays", summary.strays);
        }
        if summary.local_drops > 0 {
            object.number("local_drops", summary.local_drops);
        }
        if !summary.links.is_empty() {
            object.list("links", &summary.links, |out, link| {
                let mut it = Object::begin(out);
                it.number("ttl", link.ttl);
                for (key, end) in [("from", link.from), ("to", link.to)] {
                    match end {
                        Some(address) => it.text(key, &address.to_string()),
                        None => it.null(key),
                    }
                }
                it.end();
            });
            object.object("balancing", |it| {
                for (ttl, balancing) in &summary.balancing {
                    it.text(&ttl.to_string(), balancing.name());
                }
            });
        }
        if summary.exhausted {
            object.flag("exhausted", true);
        }
        if summary.interrupted {
            object.flag("interrupted", true);
        }
        object.end();
        out.push(b'\n');
    }
}
