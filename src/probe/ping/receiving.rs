//! The receiving half: what comes is matched with what was sent, and believed as far as that goes.

use std::net::Ipv4Addr;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::answer::{self, Evidence, Heard};
use super::flight::{Flight, State};
use super::message::{self, DAY};
use super::report::{Answer, Failure, Oddity, OptionBytes, Reply, Report, Which};
use super::{Held, Kind, Ping, STAMP_WAIT, nanoseconds};
use crate::probe::{Event, Outbox, ProbeId, Quoted, Rtt, Stamp};

/// The longest round trip that a histogram takes: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// What an event says of an answer beside its bytes.
#[derive(Debug, Clone, Copy)]
struct Arrival<'a> {
    from: Ipv4Addr,
    bytes: u32,
    ttl: Option<u8>,
    tos: Option<u8>,
    options: &'a [u8],
    stamp: Option<Stamp>,
    truncated: bool,
    seen: Duration,
}

impl Arrival<'_> {
    fn reply(&self, probe: Which, answer: Answer) -> Reply {
        Reply {
            probe,
            from: self.from,
            bytes: self.bytes,
            ttl: self.ttl,
            tos: self.tos,
            rtt: None,
            stamp: self.stamp,
            seen: self.seen,
            duplicate: false,
            late: false,
            reordered: false,
            truncated: self.truncated,
            wrong: None,
            returned: None,
            answer,
            options: OptionBytes::new(self.options),
        }
    }
}

impl Ping {
    pub(super) fn take_in(
        &mut self,
        now: Duration,
        event: &Event<'_>,
        outbox: &mut Outbox<Report>,
    ) {
        match *event {
            Event::Reply {
                source,
                destination: _,
                protocol,
                message,
                truncated,
                ttl,
                tos,
                options,
                stamp,
                ours,
            } => {
                let arrival = Arrival {
                    from: source,
                    bytes: u32::try_from(message.len()).unwrap_or(u32::MAX),
                    ttl,
                    tos,
                    options,
                    stamp,
                    truncated,
                    seen: now,
                };
                match answer::hear(&self.config, protocol, message, ours, truncated) {
                    Some(heard) => self.hear(&arrival, &heard, outbox),
                    None => self.strays.foreign += 1,
                }
            }
            Event::IcmpError {
                offender,
                icmp_type,
                code,
                info,
                message: _,
                quoted,
                ttl,
                tos,
                stamp,
            } => {
                let Some((target, probe)) = self.blame(&quoted) else {
                    self.strays.unproven += 1;
                    return;
                };
                let failure = Failure {
                    probe,
                    target: target.1,
                    index: target.0,
                    from: offender,
                    icmp_type,
                    code,
                    mtu: (icmp_type == 3 && code == 4).then_some((info & 0xffff) as u16),
                    info,
                    fatal: !matches!(icmp_type, 4 | 5),
                    ttl,
                    stamp,
                    seen: now,
                };
                self.fail(&failure, tos, outbox);
            }
            Event::Sent { id, stamp } => {
                // A card's stamp comes after the kernel's, and is the better one.
                if let Some(flight) = self.flights.by_id_mut(id)
                    && flight.stamp.is_none_or(|known| stamp.source < known.source)
                {
                    flight.stamp = Some(stamp);
                }
                let pairs = |held: &Held| held.id == id && is_pair(Some(stamp), held.reply.stamp);
                if let Some(at) = self.held.iter().position(pairs)
                    && let Some(held) = self.held.remove(at)
                {
                    self.settle(held.id, held.reply, outbox);
                }
            }
            Event::HandedOver { id } => {
                if let Some(flight) = self.flights.by_id_mut(id) {
                    // Not before it was handed out.
                    flight.sent = nanoseconds(now).max(flight.sent);
                }
            }
            Event::SendFailed { id, error, mtu } => self.refused(id, error, mtu, outbox),
            Event::LocalDrops(count) => {
                self.strays.local_drops = self.strays.local_drops.saturating_add(count);
                outbox.report(Report::LocalDrops(count));
            }
        }
    }

    fn refused(&mut self, id: ProbeId, error: i32, mtu: Option<u32>, outbox: &mut Outbox<Report>) {
        let Some(before) = self.end_waiting(id, State::Failed) else {
            return;
        };
        if let Some(tally) = self.tallies.get_mut(before.target as usize) {
            tally.error(true);
        }
        if let Some(probe) = self.which(before.target, before.number) {
            outbox.report(Report::Unsent { probe, error, mtu });
        }
    }

    /// The latest probe to `target` whose number ends in `sequence`.
    fn latest(&self, target: u32, sequence: u64) -> Option<Which> {
        let bits = message::sequence_bits(&self.config);
        let tally = self.tallies.get(target as usize)?;
        self.which(target, tally.latest(sequence, bits)?)
    }

    /// The probe that an answer claims to be to, by its own payload.
    fn claimed(&self, heard: &Heard<'_>) -> Option<(Which, Evidence)> {
        let which = match heard.claim() {
            Some((target, number)) => {
                let index = self.config.targets.index_of(target)?;
                let tally = self.tallies.get(index as usize)?;
                self.which(index, tally.latest(u64::from(number), 32)?)?
            }
            // Too short to name its target; with one alone, a whole cookie is enough.
            None if self.tallies.len() == 1 && self.config.size >= 8 => {
                self.latest(0, heard.sequence)?
            }
            None => return None,
        };
        let bits = message::sequence_bits(&self.config);
        let same = (which.number ^ heard.sequence) & ((1 << bits) - 1) == 0;
        let evidence = heard.evidence(&self.config, which);
        (same && evidence.proved).then_some((which, evidence))
    }

    fn hear(&mut self, arrival: &Arrival<'_>, heard: &Heard<'_>, outbox: &mut Outbox<Report>) {
        let anybody = self.config.broadcast && self.tallies.len() == 1;
        let by_source = if anybody {
            Some(0)
        } else {
            self.config.targets.index_of(arrival.from)
        };
        let expected = by_source
            .filter(|_| heard.ours)
            .and_then(|target| self.latest(target, heard.sequence));
        if let Some(which) = expected {
            let evidence = heard.evidence(&self.config, which);
            if evidence.proved {
                return self.believe(arrival, heard, (which, evidence), outbox);
            }
        }
        let oddity = match self.claimed(heard) {
            Some((which, evidence)) => {
                let right_source = which.target == arrival.from || self.config.broadcast;
                if right_source && heard.ours {
                    return self.believe(arrival, heard, (which, evidence), outbox);
                }
                let oddity = if heard.ours {
                    Oddity::WrongSource
                } else {
                    Oddity::WrongIdentifier
                };
                Some((which, oddity))
            }
            None if heard.damaged => expected.map(|which| (which, Oddity::BadChecksum)),
            None => expected.map(|which| (which, Oddity::WrongCookie)),
        };
        match oddity {
            Some((which, oddity)) => self.wonder(arrival, heard, which, oddity, outbox),
            None => self.strays.foreign += 1,
        }
    }

    /// Reports an answer that counts for nothing.
    fn wonder(
        &mut self,
        arrival: &Arrival<'_>,
        heard: &Heard<'_>,
        which: Which,
        oddity: Oddity,
        outbox: &mut Outbox<Report>,
    ) {
        self.strays.strange += 1;
        if matches!(oddity, Oddity::WrongCookie | Oddity::BadChecksum)
            && let Some(tally) = self.tallies.get_mut(which.index as usize)
        {
            tally.corrupted();
        }
        let evidence = heard.evidence(&self.config, which);
        let mut reply = arrival.reply(which, heard.answer);
        reply.truncated |= evidence.truncated;
        reply.wrong = evidence.wrong;
        reply.returned = evidence.wrong.map(|_| heard.returned(&self.config, which));
        if let Some(flight) = self.flights.get(which.index, which.number) {
            let sent = Duration::from_nanos(flight.sent);
            reply.rtt = Some(Rtt::between(
                sent,
                flight.stamp,
                arrival.seen,
                arrival.stamp,
            ));
        }
        outbox.report(Report::Strange(reply, oddity));
    }

    /// Takes an answer for what it says it is, if the table agrees.
    fn believe(
        &mut self,
        arrival: &Arrival<'_>,
        heard: &Heard<'_>,
        (which, evidence): (Which, Evidence),
        outbox: &mut Outbox<Report>,
    ) {
        if heard.damaged {
            return self.wonder(arrival, heard, which, Oddity::BadChecksum, outbox);
        }
        let flight = self.flights.get(which.index, which.number).copied();
        let asked = flight.map(|flight| flight.asked);
        let mut reply = arrival.reply(which, heard.answer);
        if let Answer::Timestamp { originate, .. } = reply.answer
            && asked.is_some_and(|asked| asked != originate)
        {
            return self.wonder(arrival, heard, which, Oddity::WrongCookie, outbox);
        }
        reply.truncated |= evidence.truncated;
        reply.wrong = evidence.wrong;
        reply.returned = evidence.wrong.map(|_| heard.returned(&self.config, which));
        reply.answer = self.ahead(reply.answer, arrival.seen);

        let tally = self.tallies.get(which.index as usize);
        let answered = match flight {
            Some(flight) => Some(flight.state == State::Answered),
            None => tally.and_then(|tally| tally.was_answered(which.number)),
        };
        let Some(duplicate) = answered else {
            return self.wonder(arrival, heard, which, Oddity::Stale, outbox);
        };
        reply.duplicate = duplicate;
        let failed = flight.is_some_and(|flight| flight.state == State::Failed);
        let waited = flight.is_some_and(|flight| flight.state == State::Waiting);
        reply.late = !duplicate && !waited;
        if let Some(flight) = flight {
            self.end(flight.id(), State::Answered);
            self.acknowledge(flight);
        }
        self.latest = self.latest.max(nanoseconds(arrival.seen));
        let count = self.config.count;
        if let Some(tally) = self.tallies.get_mut(which.index as usize) {
            if reply.corrupted() {
                tally.corrupted();
            }
            if duplicate {
                tally.duplicate();
            } else {
                if failed {
                    tally.revive();
                }
                reply.reordered = tally.answer(which.number, reply.late);
                if count == Some(tally.answers()) {
                    self.satisfied = self.satisfied.saturating_add(1);
                }
            }
        }
        let Some(flight) = flight else {
            outbox.report(Report::Reply(reply));
            return;
        };
        let wants_stamp = flight.stamped && arrival.stamp.is_some();
        if wants_stamp && !is_pair(flight.stamp, arrival.stamp) {
            self.held.push_back(Held {
                id: flight.id(),
                until: nanoseconds(arrival.seen).saturating_add(STAMP_WAIT),
                reply,
            });
        } else {
            self.settle(flight.id(), reply, outbox);
        }
    }

    /// A probe has come to its end at the other end, however.
    fn acknowledge(&mut self, flight: Flight) {
        self.schedule.acknowledge(flight.turn);
        if let Some(tally) = self.tallies.get(flight.target as usize) {
            let out = tally.transmitted().saturating_sub(flight.number);
            self.pipe = self.pipe.max(out.saturating_add(1));
        }
    }

    /// Reports the replies whose stamps did not come.
    pub(super) fn release(&mut self, now: u64, outbox: &mut Outbox<Report>) {
        while self.held.front().is_some_and(|held| held.until <= now) {
            if let Some(held) = self.held.pop_front() {
                self.settle(held.id, held.reply, outbox);
            }
        }
    }

    /// Times a reply and reports it.
    fn settle(&mut self, id: ProbeId, mut reply: Reply, outbox: &mut Outbox<Report>) {
        if let Some(flight) = self.flights.by_id(id) {
            let sent = Duration::from_nanos(flight.sent);
            reply.rtt = Some(Rtt::between(sent, flight.stamp, reply.seen, reply.stamp));
        }
        if let Some(rtt) = reply.rtt
            && !reply.duplicate
        {
            self.time(reply.probe.index, rtt.nanoseconds);
        }
        outbox.report(Report::Reply(reply));
    }

    fn time(&mut self, target: u32, rtt: u64) {
        self.longest = self.longest.max(Some(rtt));
        if let Some(tally) = self.tallies.get_mut(target as usize) {
            tally.time(rtt);
        }
        if let Some(histogram) = self.histograms.get_mut(target as usize) {
            if histogram.is_none() {
                // Three digits, and as large as need be.
                *histogram = Histogram::new(3).ok();
            }
            if let Some(histogram) = histogram {
                // Bounded, so that its memory is.
                let _ = histogram.record(rtt.min(LONGEST));
            }
        }
    }

    /// How far their clock is ahead of ours, from the four times of a timestamp exchange.
    fn ahead(&self, answer: Answer, seen: Duration) -> Answer {
        let (
            Kind::Timestamp { wall },
            Answer::Timestamp {
                originate,
                receive,
                transmit,
                ..
            },
        ) = (&self.config.kind, answer)
        else {
            return answer;
        };
        // The high bit says that it is no count of milliseconds since midnight (RFC 792).
        let standard = (receive | transmit) >> 31 == 0;
        let back = message::milliseconds(*wall, seen);
        let there = around_midnight(i64::from(receive) - i64::from(originate));
        let here = around_midnight(i64::from(transmit) - i64::from(back));
        Answer::Timestamp {
            originate,
            receive,
            transmit,
            ahead: standard.then(|| i64::midpoint(there, here)),
        }
    }

    /// Which probe an error is about, with its target's index and address. What is quoted must
    /// not contradict what was sent.
    fn blame(&self, quoted: &Quoted<'_>) -> Option<((u32, Ipv4Addr), Option<Which>)> {
        match *quoted {
            Quoted::Datagram(datagram) => {
                let quote = answer::quote(&self.config, datagram)?;
                let target = self.config.targets.index_of(quote.destination)?;
                let which = self.latest(target, quote.sequence)?;
                quote
                    .agrees(&self.config, which)
                    .then_some(((target, quote.destination), Some(which)))
            }
            Quoted::Sent {
                destination,
                port: _,
                id: Some(id),
                payload: _,
            } => {
                let flight = self.flights.by_id(id)?;
                let which = self.which(flight.target, flight.number)?;
                (which.target == destination).then_some(((which.index, destination), Some(which)))
            }
            Quoted::Sent {
                destination,
                port: _,
                id: None,
                payload,
            } => {
                let target = self.config.targets.index_of(destination)?;
                let tally = self.tallies.get(target as usize)?;
                let (sequence, payload) = answer::remembered(&self.config, payload);
                let bits = message::sequence_bits(&self.config);
                let number = match (message::claim(payload), sequence) {
                    // What was never sent is nobody's.
                    (Some((_, number)), _) => Some(tally.latest(u64::from(number), 32)?),
                    (None, Some(sequence)) => Some(tally.latest(sequence, bits)?),
                    (None, None) => self.only_waiting(target, tally.transmitted()),
                };
                let which = number.and_then(|number| self.which(target, number));
                let which = which.filter(|which| answer::carries(&self.config, *which, payload));
                Some(((target, destination), which))
            }
        }
    }

    /// The one probe to a target that is waited for, when there is one alone among the last few.
    fn only_waiting(&self, target: u32, transmitted: u64) -> Option<u64> {
        let last = transmitted.saturating_sub(64).saturating_add(1)..=transmitted;
        let mut waiting = last.filter(|&number| {
            let flight = self.flights.get(target, number);
            flight.is_some_and(|flight| flight.state == State::Waiting)
        });
        let one = waiting.next()?;
        waiting.next().is_none().then_some(one)
    }

    /// An ICMP error about a probe of ours.
    fn fail(&mut self, failure: &Failure, tos: Option<u8>, outbox: &mut Outbox<Report>) {
        let flight = failure
            .probe
            .and_then(|probe| self.flights.get(probe.index, probe.number).copied());
        let Some(flight) = flight.filter(|flight| flight.state == State::Waiting) else {
            // One that was answered, given up or forgotten: told, and ends nothing.
            if let Some(tally) = self.tallies.get_mut(failure.index as usize) {
                tally.error(false);
            }
            outbox.report(Report::Error(*failure));
            return;
        };
        if self.is_answer(failure) {
            let arrival = Arrival {
                from: failure.from,
                bytes: 0,
                ttl: failure.ttl,
                tos,
                options: &[],
                stamp: failure.stamp,
                truncated: false,
                seen: failure.seen,
            };
            if let Some(probe) = failure.probe {
                self.closed(&arrival, probe, outbox);
            }
            return;
        }
        if failure.fatal {
            self.end(flight.id(), State::Failed);
            self.acknowledge(flight);
        }
        if let Some(tally) = self.tallies.get_mut(failure.index as usize) {
            tally.error(failure.fatal);
        }
        outbox.report(Report::Error(*failure));
        // As ping(8): with a deadline, the first error ends the run to a single target.
        if failure.fatal && self.config.deadline.is_some() && self.tallies.len() == 1 {
            self.stopped = true;
        }
    }

    /// Port unreachable from the target itself: somebody is there.
    fn is_answer(&self, failure: &Failure) -> bool {
        matches!(self.config.kind, Kind::Udp(_))
            && (failure.icmp_type, failure.code) == (3, 3)
            && failure.from == failure.target
    }

    fn closed(&mut self, arrival: &Arrival<'_>, probe: Which, outbox: &mut Outbox<Report>) {
        let heard = Heard::of(Answer::Udp { open: false }, probe.number);
        let evidence = heard.evidence(&self.config, probe);
        self.believe(arrival, &heard, (probe, evidence), outbox);
    }
}

/// Two stamps of one clock.
fn is_pair(sent: Option<Stamp>, seen: Option<Stamp>) -> bool {
    sent.zip(seen).is_some_and(|(a, b)| a.source == b.source)
}

/// A difference of times of day, the short way round.
fn around_midnight(milliseconds: i64) -> i64 {
    const DAY_MS: i64 = DAY.cast_signed();
    let turned = milliseconds.rem_euclid(DAY_MS);
    if turned > DAY_MS / 2 {
        turned - DAY_MS
    } else {
        turned
    }
}
