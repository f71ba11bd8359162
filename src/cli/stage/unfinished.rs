//! What there is to say of datagrams that do not become whole, where no frame says it: when a live
//! source is quiet, and at the end.

use super::Stage;
use crate::cli::Console;
use crate::cli::line::ranges;
use crate::cli::text::Text;
use crate::net::clock;
use crate::survey::reassembly::{Counts, Unfinished};
use crate::wire::names;

/// Datagrams that are named at once; of more, only the number is told.
const MAX_NAMED: usize = 10;

impl Stage {
    /// Says whose time is over by the clock, before a frame comes that shows it.
    pub(super) fn late_by_clock(&mut self, console: &mut Console<'_>) {
        let Some(tally) = &self.plan.tally else {
            return;
        };
        if self.reassembly.is_idle() {
            return;
        }
        let late = self.reassembly.late_by(clock::wall());
        tally.aside(|| tell(&late, "not whole after 60 s", console));
    }

    /// Says what did not become whole, at the end.
    pub(super) fn unfinished(&self, console: &mut Console<'_>) {
        // After the last frame that was asked for, nobody knows what would have come.
        if !self.plan.reassembly.assemble || self.plan.limit == Some(0) {
            return;
        }
        let Counts {
            timed_out,
            evicted,
            unfinished,
            cut,
            ..
        } = self.reassembly.counts();
        let given_up = timed_out + evicted + unfinished;
        if given_up == 0 {
            return;
        }
        let waiting: Vec<Unfinished> = self.reassembly.unfinished().take(MAX_NAMED + 1).collect();
        tell(&waiting, "not whole at the end", console);
        console.note(&format_args!(
            "{given_up} datagram{} could not be reassembled: {timed_out} not whole within 60 s, \
             {unfinished} not whole at the end, {evicted} given up for want of memory \
             (--reassembly-mib); {cut} of them cut short by the capture",
            if given_up == 1 { "" } else { "s" }
        ));
    }
}

fn tell(datagrams: &[Unfinished], what: &str, console: &mut Console<'_>) {
    for datagram in datagrams.iter().take(MAX_NAMED) {
        console.note(&format_args!("{}: {what}", described(datagram)));
    }
    if datagrams.len() > MAX_NAMED {
        console.note(&format_args!("and more datagrams {what}"));
    }
}

/// `192.0.2.1 > 198.51.100.2 UDP id 7 (frames 1-2, without its end)`
fn described(datagram: &Unfinished) -> String {
    let mut text = Text::default();
    text.ipv4(datagram.source);
    text.str(" > ");
    text.ipv4(datagram.destination);
    text.push(b' ');
    match names::protocol(datagram.protocol) {
        Some(name) => text.str(name),
        None => {
            text.str("protocol ");
            text.number(u64::from(datagram.protocol));
        }
    }
    text.str(" id ");
    text.number(u64::from(datagram.identification));
    text.str(if datagram.frames.len() == 1 {
        " (frame "
    } else {
        " (frames "
    });
    let mut frames = datagram.frames.clone();
    frames.sort_unstable();
    ranges(&frames, &mut text);
    text.str(match (datagram.lacks_first, datagram.lacks_last) {
        (true, true) => ", without its start and its end)",
        (true, false) => ", without its start)",
        (false, true) => ", without its end)",
        (false, false) => ", with a gap)",
    });
    text.into_string()
}
