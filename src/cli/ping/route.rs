//! The options of an answer's header as ping(8) prints them: routes and time stamps (RFC 791
//! section 3.1).

use std::net::Ipv4Addr;

use crate::cli::text::Text;
use crate::probe::ping::OptionBytes;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE: u8 = 131;
const STRICT: u8 = 137;
/// The high bit of a time says that it is none since midnight UT.
const NOT_STANDARD: u32 = 1 << 31;

/// Prints options, and says when a route is the one before.
#[derive(Debug, Default)]
pub(super) struct Routes {
    last: Vec<u8>,
}

impl Routes {
    /// Everything that the options of one answer say.
    pub(super) fn show(&mut self, out: &mut Text, options: &OptionBytes) {
        let mut rest = options.bytes();
        while let Some((&kind, after)) = rest.split_first() {
            if kind == END {
                return;
            }
            if kind == NO_OPERATION {
                out.str("\nNOP");
                rest = after;
                continue;
            }
            let length = after.first().map_or(0, |length| usize::from(*length));
            let Some((option, next)) = rest.split_at_checked(length).filter(|_| length >= 2) else {
                return;
            };
            rest = next;
            self.option(out, kind, option.get(2..).unwrap_or_default());
        }
    }

    /// One option: `data` is its pointer and what follows.
    fn option(&mut self, out: &mut Text, kind: u8, data: &[u8]) {
        // The pointer counts from the option's first byte, from 1 on.
        let pointer = data.first().map_or(0, |pointer| usize::from(*pointer));
        match kind {
            RECORD_ROUTE => {
                let slots = data.get(1..).unwrap_or_default();
                let filled = pointer.saturating_sub(4).min(slots.len());
                let route = slots.get(..filled).unwrap_or_default();
                if route.is_empty() {
                    return;
                }
                if route == self.last {
                    out.str("\t(same route)");
                    return;
                }
                route.clone_into(&mut self.last);
                out.str("\nRR: ");
                addresses(out, route);
            }
            LOOSE | STRICT => {
                out.push(b'\n');
                out.push(if kind == LOOSE { b'L' } else { b'S' });
                out.str("SRR: ");
                addresses(out, data.get(1..).unwrap_or_default());
            }
            TIMESTAMP => {
                let flags = data.get(1).copied().unwrap_or(0);
                let slots = data.get(2..).unwrap_or_default();
                let filled = pointer.saturating_sub(5).min(slots.len());
                let filled = slots.get(..filled).unwrap_or_default();
                if !filled.is_empty() {
                    times(out, flags, filled);
                }
            }
            other => {
                out.str("\nunknown option ");
                out.hex(u64::from(other), 2);
            }
        }
    }
}

fn addresses(out: &mut Text, bytes: &[u8]) {
    for address in bytes.chunks_exact(4) {
        if let Some(address) = address.first_chunk::<4>() {
            out.push(b'\t');
            out.ipv4(*address);
            out.push(b'\n');
        }
    }
}

/// Times, the first of each kind whole and the others as what was added, with their addresses if
/// they have any. In the upper half of `flags` stands how many found no room.
fn times(out: &mut Text, flags: u8, bytes: &[u8]) {
    out.str("\nTS: ");
    let (mut standard, mut other) = (0_u32, 0_u32);
    let mut words = bytes.chunks_exact(4).filter_map(|word| {
        word.first_chunk::<4>()
            .map(|word| u32::from_be_bytes(*word))
    });
    while let Some(mut word) = words.next() {
        if flags & 0x0f != 0 {
            out.push(b'\t');
            out.ipv4(Ipv4Addr::from_bits(word).octets());
            match words.next() {
                Some(time) => word = time,
                None => break,
            }
        }
        out.push(b'\t');
        let time = word & !NOT_STANDARD;
        let (last, what) = if word & NOT_STANDARD == 0 {
            (&mut standard, "")
        } else {
            (&mut other, " not-standard")
        };
        if *last == 0 {
            out.number(u64::from(time));
            out.str(" absolute");
        } else {
            out.signed(i64::from(time) - i64::from(*last));
        }
        out.str(what);
        *last = time;
        out.push(b'\n');
    }
    if flags >> 4 > 0 {
        out.str("Unrecorded hops: ");
        out.number(u64::from(flags >> 4));
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(routes: &mut Routes, options: &[u8]) -> String {
        let mut out = Text::default();
        routes.show(&mut out, &OptionBytes::new(options));
        out.into_string()
    }

    #[test]
    fn a_route_is_told_once() {
        let mut routes = Routes::default();
        let mut option = vec![1, 7, 11, 8, 10, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(shown(&mut routes, &option), "\nNOP\nRR: \t10.0.0.1\n");
        assert_eq!(shown(&mut routes, &option), "\nNOP\t(same route)");
        option[3] = 12;
        let both = "\nNOP\nRR: \t10.0.0.1\n\t0.0.0.0\n";
        assert_eq!(shown(&mut routes, &option), both);
    }

    #[test]
    fn times_are_told_as_what_was_added() {
        let times = [
            68, 20, 21, 0x20, 0, 0, 3, 232, 0, 0, 3, 237, 0, 0, 3, 231, 0x80, 0, 0, 7,
        ];
        let told = "\nTS: \t1000 absolute\n\t5\n\t-6\n\t7 absolute not-standard\n\
                    Unrecorded hops: 2\n";
        assert_eq!(shown(&mut Routes::default(), &times), told);
        let named = [68, 12, 13, 1, 10, 0, 0, 1, 0, 0, 0, 9];
        assert_eq!(
            shown(&mut Routes::default(), &named),
            "\nTS: \t10.0.0.1\t9 absolute\n"
        );
    }

    #[test]
    fn broken_options_end_the_list() {
        for broken in [
            &[7][..],
            &[7, 0],
            &[7, 1, 4],
            &[7, 39, 8, 1],
            &[68, 2],
            &[7, 3, 255],
            &[0, 7, 7, 8, 1, 2, 3, 4],
        ] {
            assert_eq!(shown(&mut Routes::default(), broken), "", "{broken:?}");
        }
    }
}
