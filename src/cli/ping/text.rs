//! One target as ping(8) of iputils prints it, line by line and letter by letter: scripts read it.
//!
//! What iputils lacks stands before the line of dashes, so that the last lines stay the last.

use std::net::Ipv4Addr;

use super::numbers::{general, milliseconds, three_digits, whole};
use super::route::Routes;
use super::show::{Shared, Show};
use super::spread::Spread;
use super::times::Times;
use super::words;
use crate::cli::args::Ping as Args;
use crate::cli::text::Text;
use crate::probe::Source;
use crate::probe::ping::{Answer, Failure, Kind, Oddity, Reply, Report, Summary, Which};

/// EMSGSIZE (errno(3)): the one error with a sentence of its own.
const TOO_LONG: i32 = 90;
/// With less payload than two 64-bit numbers ping(8) has no room for its clock and tells no times.
const TIMED: u16 = 16;

/// What is printed, beside what happened.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of the command line"
)]
pub(super) struct Lines {
    /// What was typed.
    label: String,
    quiet: bool,
    flood: bool,
    stamps: bool,
    audible: bool,
    verbose: bool,
    precise: bool,
    timed: bool,
    /// Many answer, and duplicates are no news.
    multicast: bool,
    /// Percentiles and what else ping(8) lacks.
    more: bool,
    /// ping(8) tells the pace where answers make it.
    paced: bool,
    identifier: u16,
    word: &'static str,
    routes: Routes,
    /// Probes that have their dot.
    dots: u64,
    /// Where a histogram is asked for.
    spread: Option<Spread>,
    times: Times,
    /// Redirects and source quenches, which are no errors to ping(8).
    notices: u64,
    /// Answers that are not what was sent and so count for nothing. One that is, but for a byte,
    /// is an answer to ping(8).
    corrupted: u64,
    /// Answers timed by card, kernel and ourselves.
    sources: [u64; 3],
}

impl Lines {
    pub(super) fn new(args: &Args, shared: &Shared, target: Ipv4Addr, more: bool) -> Self {
        let config = &shared.config;
        Self {
            label: shared.label(0, target),
            quiet: args.quiet,
            flood: args.flood,
            stamps: args.stamps,
            audible: args.audible,
            verbose: args.verbose,
            precise: args.precise,
            timed: config.size >= TIMED || !matches!(config.kind, Kind::Echo),
            multicast: target.is_multicast() || args.broadcast,
            more: more || args.percentiles,
            paced: args.flood || args.adaptive || config.interval.is_zero(),
            identifier: config.identifier,
            word: match config.kind {
                Kind::Tcp(_) => "tcp_seq",
                Kind::Udp(_) => "udp_seq",
                _ => "icmp_seq",
            },
            routes: Routes::default(),
            dots: 0,
            spread: args.histogram.then(Spread::default),
            times: Times::default(),
            notices: 0,
            corrupted: 0,
            sources: [0; 3],
        }
    }

    /// The first line, and the pattern's before it. `from` is the source where one was asked for,
    /// with the interface's name.
    pub(super) fn begin(
        &self,
        out: &mut Text,
        shared: &Shared,
        target: Ipv4Addr,
        from: Option<(Ipv4Addr, &str)>,
    ) {
        let config = &shared.config;
        if !config.pattern.is_empty() && !self.quiet {
            out.str("PATTERN: 0x");
            out.hex_bytes(&config.pattern);
            out.push(b'\n');
        }
        out.str("PING ");
        out.escaped(self.label.as_bytes());
        out.str(" (");
        out.ipv4(target.octets());
        out.str(") ");
        if let Some((source, device)) = from {
            out.str("from ");
            out.ipv4(source.octets());
            out.push(b' ');
            out.escaped(device.as_bytes());
            out.str(": ");
        }
        match config.kind {
            Kind::Tcp(port) => {
                out.str("TCP SYN to port ");
                out.number(u64::from(port));
                out.str(".\n");
                return;
            }
            Kind::Udp(port) => {
                out.str("UDP port ");
                out.number(u64::from(port));
                out.str(": ");
            }
            Kind::Timestamp { .. } => return out.str("ICMP timestamp requests.\n"),
            Kind::Extended { .. } => return out.str("ICMP extended echo requests.\n"),
            Kind::Echo => {}
        }
        // ping(8) counts all the room for options where there are any.
        let headers = if config.options.is_empty() { 28 } else { 68 };
        let sizes = |out: &mut Text, extra: u64| {
            out.number(u64::from(config.size).saturating_add(extra));
            if let Some(most) = config.sweep_size {
                out.str("..");
                out.number(u64::from(most).saturating_add(extra));
            }
        };
        sizes(out, 0);
        out.push(b'(');
        sizes(out, headers);
        out.str(") bytes of data.\n");
    }

    fn stamp(&self, out: &mut Text, shared: &Shared) {
        if self.stamps {
            let now = shared.clock();
            out.push(b'[');
            out.signed(now.seconds);
            out.push(b'.');
            out.padded(now.nanoseconds / 1000, 6);
            out.str("] ");
        }
    }

    fn name(out: &mut Text, shared: &Shared, address: Ipv4Addr) {
        match shared.name(address) {
            Some(name) => {
                out.escaped(name.as_bytes());
                out.str(" (");
                out.ipv4(address.octets());
                out.push(b')');
            }
            None => out.ipv4(address.octets()),
        }
    }

    /// A dot for each probe up to this one.
    fn dot(&mut self, out: &mut Text, number: u64) {
        while self.flood && !self.quiet && self.dots < number {
            out.push(b'.');
            self.dots += 1;
        }
    }

    fn reply(&mut self, out: &mut Text, shared: &Shared, reply: &Reply, oddity: Option<Oddity>) {
        let rtt = reply.rtt.filter(|_| oddity.is_none());
        if let Some(rtt) = rtt {
            self.times.take(rtt.nanoseconds);
        }
        let damaged = matches!(oddity, Some(Oddity::BadChecksum | Oddity::WrongCookie));
        self.corrupted = self.corrupted.saturating_add(u64::from(damaged));
        if let Some(rtt) = rtt.filter(|_| !reply.duplicate) {
            if let Some(spread) = &mut self.spread {
                spread.take(rtt.nanoseconds);
            }
            let place = match rtt.source {
                Source::Hardware => 0,
                Source::Kernel => 1,
                Source::User => 2,
            };
            if let Some(count) = self.sources.get_mut(place) {
                *count += 1;
            }
        }
        if self.quiet {
            return;
        }
        if self.flood {
            self.dot(out, reply.probe.number);
            if oddity == Some(Oddity::BadChecksum) {
                out.str("\u{8}C");
            } else {
                out.str("\u{8} \u{8}");
            }
            if self.audible {
                out.push(7);
            }
            return;
        }
        self.stamp(out, shared);
        // A port that is closed answers with an error, whose size says nothing.
        if reply.bytes > 0 {
            out.number(u64::from(reply.bytes));
            out.str(" bytes from ");
        } else {
            out.str("From ");
        }
        Self::name(out, shared, reply.from);
        out.str(": ");
        out.str(self.word);
        out.push(b'=');
        out.number(u64::from(reply.probe.sequence()));
        if self.verbose && self.word == "icmp_seq" {
            out.str(" ident=");
            out.number(u64::from(self.identifier));
        }
        if let Some(ttl) = reply.ttl {
            out.str(" ttl=");
            out.number(u64::from(ttl));
        }
        if reply.truncated {
            out.str(" (truncated)\n");
            return;
        }
        says(out, &reply.answer);
        if let Some(rtt) = reply.rtt.filter(|_| self.timed) {
            out.str(" time=");
            if self.precise {
                milliseconds(out, rtt.nanoseconds);
            } else {
                three_digits(out, rtt.nanoseconds);
            }
            out.str(" ms");
        }
        if reply.duplicate && (!self.multicast || self.verbose) {
            out.str(" (DUP!)");
        }
        if let Some(oddity) = oddity {
            out.str(match oddity {
                Oddity::BadChecksum => " (BAD CHECKSUM!)",
                Oddity::WrongSource => " (DIFFERENT ADDRESS!)",
                Oddity::WrongIdentifier => " (DIFFERENT IDENTIFIER!)",
                Oddity::WrongCookie => " (NOT WHAT WAS SENT!)",
                Oddity::Stale => " (OUT OF DATE!)",
            });
        }
        if let Some(wrong) = reply.wrong {
            out.str("\nwrong data byte #");
            out.number(u64::from(wrong.index));
            out.display(&format_args!(
                " should be 0x{:x} but was 0x{:x}",
                wrong.should, wrong.was
            ));
            dump(
                out,
                wrong.index,
                reply.returned.as_deref().unwrap_or_default(),
            );
        }
        if self.audible {
            out.push(7);
        }
        self.routes.show(out, &reply.options);
        out.push(b'\n');
    }

    fn error(&mut self, out: &mut Text, shared: &Shared, failure: &Failure) {
        self.notices = self.notices.saturating_add(u64::from(!failure.fatal));
        if self.quiet || (self.flood && !failure.fatal) {
            return;
        }
        if self.flood {
            if let Some(probe) = failure.probe {
                self.dot(out, probe.number);
            }
            return out.str("\u{8}E");
        }
        self.stamp(out, shared);
        out.str("From ");
        Self::name(out, shared, failure.from);
        // As ping(8) has it: what ends no probe has a colon.
        out.str(if failure.fatal { " " } else { ": " });
        if let Some(probe) = failure.probe {
            out.str(self.word);
            out.push(b'=');
            out.number(u64::from(probe.sequence()));
            out.push(b' ');
        }
        words::failure(out, failure);
        out.push(b'\n');
    }

    fn unsent(
        &mut self,
        out: &mut Text,
        err: &mut Text,
        probe: Which,
        error: i32,
        mtu: Option<u32>,
    ) {
        if self.quiet {
            return;
        }
        if self.flood {
            self.dots = self.dots.max(probe.number);
            return out.push(b'E');
        }
        err.str("dotquad: ");
        match mtu {
            Some(mtu) if error == TOO_LONG => {
                err.str("local error: message too long, mtu=");
                err.number(u64::from(mtu));
            }
            _ => {
                err.str("sendmsg: ");
                err.str(&words::errno(error));
            }
        }
        err.push(b'\n');
    }

    /// What ping(8) lacks, before its dashes.
    fn more(&self, out: &mut Text, summary: &Summary) {
        let Some(rtt) = summary.rtt.filter(|_| self.more) else {
            return;
        };
        out.str("rtt p50/p90/p99 = ");
        if let Some([median, nine, ninety_nine]) = rtt.percentiles {
            milliseconds(out, median);
            out.push(b'/');
            milliseconds(out, nine);
            out.push(b'/');
            milliseconds(out, ninety_nine);
        }
        out.str(" ms, round-trip delay variation ");
        milliseconds(out, whole(rtt.jitter));
        out.str(" ms, ");
        out.number(summary.reordered);
        out.str(" reordered");
        if summary.late > 0 {
            out.str(", ");
            out.number(summary.late);
            out.str(" late");
        }
        out.str(", timed by ");
        let names = ["the network card", "the kernel", "this program"];
        let mut several = false;
        for (name, count) in names.into_iter().zip(self.sources) {
            if count == 0 {
                continue;
            }
            if several {
                out.str(" and ");
            }
            several = true;
            out.str(name);
            if count < self.sources.iter().sum() {
                out.display(&format_args!(" ({count})"));
            }
        }
        out.push(b'\n');
    }

    fn summary(&mut self, out: &mut Text, summary: &Summary) {
        out.push(b'\n');
        self.more(out, summary);
        if let Some(spread) = &self.spread {
            spread.draw(out);
        }
        out.str("--- ");
        out.escaped(self.label.as_bytes());
        out.str(" ping statistics ---\n");
        out.number(summary.transmitted);
        out.str(" packets transmitted, ");
        out.number(summary.answered());
        out.str(" received");
        for (count, what) in [
            (summary.duplicates, " duplicates"),
            (self.corrupted, " corrupted"),
            (summary.errors.saturating_sub(self.notices), " errors"),
        ] {
            if count > 0 {
                out.str(", +");
                out.number(count);
                out.str(what);
            }
        }
        if summary.transmitted > 0 {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "six digits of it are shown"
            )]
            let loss = summary.loss_percent() as f32;
            out.str(", ");
            out.str(&general(loss));
            out.str("% packet loss, time ");
            let sending = summary.sending.as_micros().saturating_add(500) / 1000;
            out.display(&sending);
            out.str("ms");
        }
        out.push(b'\n');
        let mut comma = "";
        let times = &self.times;
        let told = self.timed && !times.is_empty();
        if told {
            out.str("rtt min/avg/max/mdev = ");
            milliseconds(out, times.min);
            for time in [whole(times.mean), times.max, whole(times.deviation())] {
                out.push(b'/');
                milliseconds(out, time);
            }
            out.str(" ms");
            comma = ", ";
        }
        if summary.pipe > 1 {
            out.str(comma);
            out.str("pipe ");
            out.number(summary.pipe);
            comma = ", ";
        }
        if summary.answered() > 0 && self.paced && summary.transmitted > 1 {
            let sending = u64::try_from(summary.sending.as_nanos()).unwrap_or(u64::MAX);
            out.str(comma);
            out.str("ipg/ewma ");
            milliseconds(out, sending / (summary.transmitted - 1));
            out.push(b'/');
            milliseconds(out, if told { whole(times.ewma) } else { 0 });
            out.str(" ms");
        }
        out.push(b'\n');
    }
}

/// A payload in the lines of ping(8), which begin behind the 16 bytes of its clock; those are
/// shown where one of them is `wrong`, as they hold the cookie.
fn dump(out: &mut Text, wrong: u32, payload: &[u8]) {
    let first = usize::from(wrong >= u32::from(TIMED)) * usize::from(TIMED);
    for (index, byte) in payload.iter().enumerate().skip(first) {
        if index == 0 || index % 32 == usize::from(TIMED) {
            out.display(&format_args!("\n#{index}\t"));
        }
        out.display(&format_args!("{byte:x} "));
    }
}

/// What an answer says beside that it is one.
fn says(out: &mut Text, answer: &Answer) {
    match answer {
        Answer::Echo => {}
        Answer::Timestamp { ahead, .. } => match ahead {
            Some(ahead) => out.display(&format_args!(" clock={ahead:+} ms")),
            None => out.str(" clock=unknown"),
        },
        Answer::Extended {
            code,
            active,
            ipv4,
            ipv6,
            ..
        } => match code {
            0 => {
                out.str(if *active { " active" } else { " inactive" });
                for (runs, name) in [(ipv4, " ipv4"), (ipv6, " ipv6")] {
                    if *runs {
                        out.str(name);
                    }
                }
            }
            1 => out.str(" malformed query"),
            2 => out.str(" no such interface"),
            3 => out.str(" no such table entry"),
            4 => out.str(" several interfaces"),
            other => out.display(&format_args!(" code={other}")),
        },
        Answer::Tcp { open } | Answer::Udp { open } => {
            out.str(if *open { " open" } else { " closed" });
        }
    }
}

impl Show for Lines {
    fn report(&mut self, report: &Report, shared: &Shared, out: &mut Text, err: &mut Text) {
        match report {
            Report::Reply(reply) => self.reply(out, shared, reply, None),
            Report::Strange(reply, oddity) => self.reply(out, shared, reply, Some(*oddity)),
            Report::Error(failure) => self.error(out, shared, failure),
            Report::Unsent { probe, error, mtu } => self.unsent(out, err, *probe, *error, *mtu),
            Report::Unanswered(which) => {
                self.stamp(out, shared);
                out.str("no answer yet for ");
                out.str(self.word);
                out.push(b'=');
                out.number(u64::from(which.sequence()));
                out.push(b'\n');
            }
            Report::Summary(summary) => self.summary(out, summary),
            Report::Lost { .. } | Report::LocalDrops(_) | Report::Round(_) => {}
        }
    }

    fn sent(&mut self, number: u64, out: &mut Text) {
        self.dot(out, number);
    }

    fn status(&self, summary: &Summary, err: &mut Text) {
        let lost = summary.transmitted.saturating_sub(summary.answered());
        let loss = lost.saturating_mul(100).checked_div(summary.transmitted);
        err.push(b'\r');
        err.number(summary.answered());
        err.push(b'/');
        err.number(summary.transmitted);
        err.str(" packets, ");
        err.number(loss.unwrap_or(0));
        err.str("% loss");
        let times = &self.times;
        if self.timed && !times.is_empty() {
            err.str(", min/avg/ewma/max = ");
            milliseconds(err, times.min);
            for time in [whole(times.mean), whole(times.ewma), times.max] {
                err.push(b'/');
                milliseconds(err, time);
            }
            err.str(" ms");
        }
        err.push(b'\n');
    }
}
