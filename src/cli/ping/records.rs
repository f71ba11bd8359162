//! Pings for programs, as things happen: objects a line, or comma separated values.

use std::net::Ipv4Addr;

use super::output::Output;
use super::show::{Shared, Show};
use super::words;
use crate::cli::text::Text;
use crate::cli::time::epoch;
use crate::error::Result;
use crate::probe::ping::{Answer, Failure, Oddity, Reply, Report, Strays, Summary, Sums, Which};
use crate::wire::frame::Time;

/// One JSON object a line.
#[derive(Debug)]
pub(super) struct Ndjson;

/// Key and value, after another of its object.
fn key(out: &mut Text, name: &str) {
    out.str(",\"");
    out.str(name);
    out.str("\":");
}

fn number(out: &mut Text, name: &str, value: u64) {
    key(out, name);
    out.number(value);
}

fn flag(out: &mut Text, name: &str, value: bool) {
    key(out, name);
    out.str(if value { "true" } else { "false" });
}

/// A key that stands there only when it says something.
fn only(out: &mut Text, name: &str, value: bool) {
    if value {
        flag(out, name, true);
    }
}

fn string(out: &mut Text, name: &str, value: &str) {
    key(out, name);
    out.json(value.as_bytes());
}

fn address(out: &mut Text, name: &str, value: Ipv4Addr) {
    key(out, name);
    out.push(b'"');
    out.ipv4(value.octets());
    out.push(b'"');
}

fn moment(out: &mut Text, time: Time) {
    key(out, "time");
    out.push(b'"');
    epoch(out, time, 9);
    out.push(b'"');
}

/// A number with a fraction, which JSON has no word for when it is none.
fn fraction(out: &mut Text, name: &str, value: f64) {
    key(out, name);
    if value.is_finite() {
        out.display(&format_args!("{value:?}"));
    } else {
        out.str("null");
    }
}

fn begin(out: &mut Text, event: &str, shared: &Shared, index: u32, target: Ipv4Addr) {
    out.str("{\"event\":\"");
    out.str(event);
    out.push(b'"');
    match shared.labels.get(&index) {
        Some(label) => string(out, "target", label),
        None => address(out, "target", target),
    }
}

fn of_probe(out: &mut Text, event: &str, shared: &Shared, which: &Which) {
    begin(out, event, shared, which.index, which.target);
    number(out, "sequence", which.number);
}

fn reason(oddity: Oddity) -> &'static str {
    match oddity {
        Oddity::WrongSource => "wrong_source",
        Oddity::WrongIdentifier => "wrong_identifier",
        Oddity::WrongCookie => "wrong_payload",
        Oddity::BadChecksum => "bad_checksum",
        Oddity::Stale => "stale",
    }
}

fn reply(out: &mut Text, shared: &Shared, reply: &Reply, oddity: Option<Oddity>) {
    let event = if oddity.is_some() { "strange" } else { "reply" };
    begin(out, event, shared, reply.probe.index, reply.probe.target);
    address(out, "address", reply.from);
    if let Some(name) = shared.name(reply.from) {
        string(out, "name", &name);
    }
    number(out, "sequence", reply.probe.number);
    number(out, "bytes", u64::from(reply.bytes));
    match reply.ttl {
        Some(ttl) => number(out, "ttl", u64::from(ttl)),
        None => out.str(",\"ttl\":null"),
    }
    if let Some(tos) = reply.tos {
        number(out, "tos", u64::from(tos));
    }
    match reply.rtt {
        Some(rtt) => number(out, "rtt_ns", rtt.nanoseconds),
        None => out.str(",\"rtt_ns\":null"),
    }
    moment(out, shared.time(reply.stamp, reply.seen));
    if let Some(rtt) = reply.rtt {
        string(out, "timestamps", rtt.source.name());
    }
    flag(out, "duplicate", reply.duplicate);
    flag(out, "corrupted", reply.corrupted());
    only(out, "late", reply.late);
    only(out, "reordered", reply.reordered);
    only(out, "truncated", reply.truncated);
    if let Some(wrong) = reply.wrong {
        key(out, "wrong_byte");
        out.display(&format_args!(
            "{{\"index\":{},\"expected\":{},\"found\":{}}}",
            wrong.index, wrong.should, wrong.was
        ));
    }
    if let Some(oddity) = oddity {
        string(out, "reason", reason(oddity));
    }
    answer(out, &reply.answer);
    if !reply.options.bytes().is_empty() {
        key(out, "options");
        out.push(b'"');
        out.hex_bytes(reply.options.bytes());
        out.push(b'"');
    }
    out.str("}\n");
}

fn answer(out: &mut Text, answer: &Answer) {
    match *answer {
        Answer::Echo => {}
        Answer::Timestamp {
            originate,
            receive,
            transmit,
            ahead,
        } => {
            number(out, "originate", u64::from(originate));
            number(out, "receive", u64::from(receive));
            number(out, "transmit", u64::from(transmit));
            key(out, "clock_ms");
            match ahead {
                Some(ahead) => out.signed(ahead),
                None => out.str("null"),
            }
        }
        Answer::Extended {
            code,
            state,
            active,
            ipv4,
            ipv6,
        } => {
            number(out, "code", u64::from(code));
            number(out, "state", u64::from(state));
            flag(out, "active", active);
            flag(out, "ipv4", ipv4);
            flag(out, "ipv6", ipv6);
        }
        Answer::Tcp { open } | Answer::Udp { open } => flag(out, "open", open),
    }
}

fn failure(out: &mut Text, shared: &Shared, failure: &Failure) {
    begin(out, "error", shared, failure.index, failure.target);
    address(out, "address", failure.from);
    if let Some(name) = shared.name(failure.from) {
        string(out, "name", &name);
    }
    if let Some(probe) = failure.probe {
        number(out, "sequence", probe.number);
    }
    number(out, "type", u64::from(failure.icmp_type));
    number(out, "code", u64::from(failure.code));
    if let Some(mtu) = failure.mtu {
        number(out, "mtu", u64::from(mtu));
    }
    let mut text = Text::default();
    words::failure(&mut text, failure);
    string(out, "message", &text.into_string());
    moment(out, shared.time(failure.stamp, failure.seen));
    out.str("}\n");
}

fn summary(out: &mut Text, shared: &Shared, summary: &Summary) {
    begin(out, "summary", shared, summary.index, summary.target);
    address(out, "address", summary.target);
    number(out, "transmitted", summary.transmitted);
    number(out, "received", summary.answered());
    number(out, "late", summary.late);
    number(out, "duplicates", summary.duplicates);
    number(out, "corrupted", summary.corrupted);
    number(out, "reordered", summary.reordered);
    number(out, "errors", summary.errors);
    fraction(out, "loss_percent", summary.loss_percent());
    key(out, "rtt_ns");
    match summary.rtt {
        None => out.str("null"),
        Some(rtt) => {
            out.str("{\"min\":");
            out.number(rtt.min);
            fraction(out, "mean", rtt.mean);
            number(out, "max", rtt.max);
            fraction(out, "stddev", rtt.stddev);
            if let Some(percentiles) = rtt.percentiles {
                for (name, value) in ["p50", "p90", "p99"].into_iter().zip(percentiles) {
                    number(out, name, value);
                }
            }
            fraction(out, "jitter", rtt.jitter);
            out.push(b'}');
        }
    }
    out.str("}\n");
}

impl Show for Ndjson {
    fn report(&mut self, report: &Report, shared: &Shared, out: &mut Text, _err: &mut Text) {
        match report {
            Report::Reply(it) => reply(out, shared, it, None),
            Report::Strange(it, oddity) => reply(out, shared, it, Some(*oddity)),
            Report::Lost { probe, cut } => {
                of_probe(out, "timeout", shared, probe);
                only(out, "cut", *cut);
                out.str("}\n");
            }
            Report::Unanswered(probe) => {
                of_probe(out, "unanswered", shared, probe);
                out.str("}\n");
            }
            Report::Error(it) => failure(out, shared, it),
            Report::Unsent { probe, error, mtu } => {
                of_probe(out, "error", shared, probe);
                key(out, "errno");
                out.signed(i64::from(*error));
                if let Some(mtu) = mtu {
                    number(out, "mtu", u64::from(*mtu));
                }
                string(out, "message", &words::errno(*error));
                out.str("}\n");
            }
            Report::LocalDrops(count) => {
                out.str("{\"event\":\"local_drops\"");
                number(out, "count", *count);
                out.str("}\n");
            }
            Report::Summary(it) => summary(out, shared, it),
            Report::Round(_) => {}
        }
    }

    /// What belongs to no probe, if anything came that does not.
    fn end(
        &mut self,
        sums: &dyn Sums,
        _shared: &Shared,
        output: &mut Output<'_, '_>,
    ) -> Result<()> {
        let strays = sums.strays();
        if strays == Strays::default() {
            return Ok(());
        }
        let out = &mut output.text;
        out.str("{\"event\":\"strays\"");
        number(out, "foreign", strays.foreign);
        number(out, "strange", strays.strange);
        number(out, "unproven", strays.unproven);
        number(out, "local_drops", strays.local_drops);
        out.str("}\n");
        Ok(())
    }
}

/// A row for each probe that ended or answer that came.
#[derive(Debug)]
pub(super) struct Csv;

/// The header.
pub(super) const COLUMNS: &str = "event,time,target,address,sequence,bytes,ttl,rtt_ns,timestamps,\
                                  duplicate,corrupted,type,code,mtu\n";

/// A row's cells, each empty where it says nothing.
#[derive(Default)]
struct Row<'a> {
    event: &'a str,
    time: Option<Time>,
    address: Option<Ipv4Addr>,
    sequence: Option<u64>,
    reply: Option<&'a Reply>,
    icmp: Option<(u8, u8)>,
    mtu: Option<u64>,
}

impl Row<'_> {
    fn write(&self, shared: &Shared, (index, target): (u32, Ipv4Addr), out: &mut Text) {
        let number = |out: &mut Text, value: Option<u64>| {
            out.push(b',');
            if let Some(value) = value {
                out.number(value);
            }
        };
        out.str(self.event);
        out.push(b',');
        if let Some(time) = self.time {
            epoch(out, time, 9);
        }
        out.push(b',');
        match shared.labels.get(&index) {
            // No name has a comma or a quote: the resolver would not have taken it.
            Some(label) => out.escaped(label.as_bytes()),
            None => out.ipv4(target.octets()),
        }
        out.push(b',');
        if let Some(address) = self.address {
            out.ipv4(address.octets());
        }
        number(out, self.sequence);
        let reply = self.reply;
        number(out, reply.map(|it| u64::from(it.bytes)));
        number(out, reply.and_then(|it| it.ttl).map(u64::from));
        let rtt = reply.and_then(|it| it.rtt);
        number(out, rtt.map(|rtt| rtt.nanoseconds));
        out.push(b',');
        out.str(rtt.map_or("", |rtt| rtt.source.name()));
        for flag in [reply.map(|it| it.duplicate), reply.map(Reply::corrupted)] {
            out.push(b',');
            out.str(flag.map_or("", |flag| if flag { "true" } else { "false" }));
        }
        number(out, self.icmp.map(|(icmp_type, _)| u64::from(icmp_type)));
        number(out, self.icmp.map(|(_, code)| u64::from(code)));
        number(out, self.mtu);
        out.push(b'\n');
    }
}

impl Show for Csv {
    fn report(&mut self, report: &Report, shared: &Shared, out: &mut Text, _err: &mut Text) {
        let of = |which: &Which| (which.index, which.target);
        let replied = |event, it: &Reply, out: &mut Text| {
            let row = Row {
                event,
                time: Some(shared.time(it.stamp, it.seen)),
                address: Some(it.from),
                sequence: Some(it.probe.number),
                reply: Some(it),
                ..Row::default()
            };
            row.write(shared, of(&it.probe), out);
        };
        match report {
            Report::Reply(it) => replied("reply", it, out),
            Report::Strange(it, oddity) => replied(reason(*oddity), it, out),
            Report::Lost { probe, .. } => {
                let row = Row {
                    event: "timeout",
                    sequence: Some(probe.number),
                    ..Row::default()
                };
                row.write(shared, of(probe), out);
            }
            Report::Error(it) => {
                let row = Row {
                    event: "error",
                    time: Some(shared.time(it.stamp, it.seen)),
                    address: Some(it.from),
                    sequence: it.probe.map(|probe| probe.number),
                    icmp: Some((it.icmp_type, it.code)),
                    mtu: it.mtu.map(u64::from),
                    ..Row::default()
                };
                row.write(shared, (it.index, it.target), out);
            }
            Report::Unsent { probe, mtu, .. } => {
                let row = Row {
                    event: "unsent",
                    sequence: Some(probe.number),
                    mtu: mtu.map(u64::from),
                    ..Row::default()
                };
                row.write(shared, of(probe), out);
            }
            Report::Unanswered(_)
            | Report::LocalDrops(_)
            | Report::Round(_)
            | Report::Summary(_) => {}
        }
    }
}
