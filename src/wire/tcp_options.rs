//! TCP options (RFC 9293 section 3.1 and the RFCs that added to them).
//!
//! Knows how the list is strung together, so that no option, however broken or unknown, hides
//! the sound ones before it. What each option says is the business of the file below.

mod data;

use self::data::Data;
use super::anomaly::Anomaly;
use super::field::{Field, Lens, Name, Visitor, bytes};
use super::packet::Walk;

/// Where the options begin in the header.
const START: usize = 20;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const ECHO: u8 = 6;
const ECHO_REPLY: u8 = 7;
const TIMESTAMPS: u8 = 8;
const POC_PERMITTED: u8 = 9;
const POC_PROFILE: u8 = 10;
const CC: u8 = 11;
const CC_ECHO: u8 = 13;
const ALTERNATE_CHECKSUM: u8 = 14;
const MD5: u8 = 19;
const QUICK_START: u8 = 27;
const USER_TIMEOUT: u8 = 28;
const AUTHENTICATION: u8 = 29;
const MULTIPATH: u8 = 30;
const FAST_OPEN: u8 = 34;
const ENCRYPTION: u8 = 69;
const ACCECN_0: u8 = 172;
const ACCECN_1: u8 = 174;
const EXPERIMENT_1: u8 = 253;
const EXPERIMENT_2: u8 = 254;

/// How the options of nearly every segment begin: time stamps, laid out as RFC 7323 appendix A
/// recommends. Nothing is odd about them when they are alone.
const STAMPS: [u8; 4] = [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10];
const STAMPS_LEN: usize = 12;

/// The largest window scale (RFC 7323 section 2.3).
const MAX_SCALE: u8 = 14;
/// Fast Open while it was an experiment (RFC 7413 appendix A).
const EXID_FAST_OPEN: u16 = 0xf989;

/// Everything odd about options that take `area` bytes of the header, of which `options` were
/// captured.
pub(super) fn judge(walk: &mut Walk<'_>, options: &[u8], area: usize) {
    if area == STAMPS_LEN && options.len() == STAMPS_LEN && options.starts_with(&STAMPS) {
        return;
    }
    let mut seen = 0u64;
    for option in Options::new(options, area) {
        match option.state {
            State::Cut => return,
            State::Broken => walk.anomaly(Anomaly::TcpOptionLength),
            State::Whole => {}
        }
        let once = match option.kind {
            MSS | WINDOW_SCALE | SACK_PERMITTED | TIMESTAMPS | MD5 | USER_TIMEOUT
            | AUTHENTICATION | FAST_OPEN => 1u64 << option.kind,
            _ => 0,
        };
        if seen & once != 0 {
            walk.anomaly(Anomaly::TcpOptionDuplicate);
        }
        seen |= once;
        if option.kind == WINDOW_SCALE
            && option.state == State::Whole
            && option.data.first().is_some_and(|shift| *shift > MAX_SCALE)
        {
            walk.anomaly(Anomaly::TcpOptionWindowScale);
        }
    }
}

/// True when the options ask for Fast Open or carry its cookie.
pub(super) fn fast_open(options: &[u8]) -> bool {
    Options::new(options, options.len()).any(|option| match option.kind {
        FAST_OPEN => true,
        EXPERIMENT_1 | EXPERIMENT_2 => Lens(option.data).u16(0) == Some(EXID_FAST_OPEN),
        _ => false,
    })
}

/// Describes each option as an item. The options take `area` bytes of the header, of which
/// `options` were captured; `acknowledgment` tells which SACK block repeats what was received.
pub(super) fn fields<V: Visitor>(options: &[u8], area: usize, acknowledgment: u32, v: &mut V) {
    for option in Options::new(options, area) {
        let start = START + option.start;
        v.item(name(option.kind), bytes(start, option.bytes), |v| {
            v.field(
                Field::number("kind", "Kind", bytes(start, 1), option.kind)
                    .meaning(&Name(Some(name(option.kind)))),
            );
            if let Some(length) = option.length {
                v.field(
                    Field::number("length", "Length", bytes(start + 1, 1), length).meaning(&Name(
                        Some(match option.state {
                            State::Whole => "bytes",
                            State::Broken => "impossible",
                            State::Cut => "bytes, not all captured",
                        }),
                    )),
                );
            }
            let data = Data {
                bytes: option.data,
                start: start + if option.kind == END { 1 } else { 2 },
            };
            if option.state == State::Whole {
                data.describe(option.kind, acknowledgment, v);
            } else {
                data.rest("data", "Data", 0, v);
            }
        });
    }
}

/// What became of one option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All there, and as long as its kind can be.
    Whole,
    /// Its length cannot be.
    Broken,
    /// The capture ends within it.
    Cut,
}

/// One option as it stands in the list.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    kind: u8,
    /// What its length byte says, for those that have one.
    length: Option<u8>,
    /// Position among the options.
    start: usize,
    /// Bytes it takes, as far as they were captured.
    bytes: usize,
    /// What follows kind and length; the padding, for the end of the list.
    data: &'a [u8],
    state: State,
}

/// The options one after the other. Ends at the end-of-list option, at the end of the bytes, or
/// at an option whose length leaves unknown where the next begins.
struct Options<'a> {
    bytes: &'a [u8],
    area: usize,
    at: usize,
}

impl<'a> Options<'a> {
    fn new(bytes: &'a [u8], area: usize) -> Self {
        Self { bytes, area, at: 0 }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..)?;
        let (&kind, behind) = rest.split_first()?;
        let mut entry = Entry {
            kind,
            length: None,
            start,
            bytes: rest.len(),
            data: behind,
            state: State::Whole,
        };
        // Unless it turns out where the next one begins, there is none.
        self.at = self.bytes.len();
        if kind == END {
            return Some(entry);
        }
        if kind == NO_OPERATION {
            entry.bytes = 1;
            entry.data = &[];
            self.at = start + 1;
            return Some(entry);
        }
        let Some((&length, data)) = behind.split_first() else {
            entry.state = if start + 1 < self.area {
                State::Cut
            } else {
                State::Broken
            };
            return Some(entry);
        };
        let len = usize::from(length);
        entry.length = Some(length);
        entry.data = data;
        if len < 2 || start + len > self.area {
            entry.state = State::Broken;
        } else if len > rest.len() {
            entry.state = State::Cut;
        } else {
            entry.bytes = len;
            entry.data = data.get(..len - 2).unwrap_or_default();
            self.at = start + len;
            if !possible(kind, len) {
                entry.state = State::Broken;
            }
        }
        Some(entry)
    }
}

/// Whether an option of this kind can be `len` bytes long, by the RFC that defines it.
#[inline]
const fn possible(kind: u8, len: usize) -> bool {
    match kind {
        SACK_PERMITTED | POC_PERMITTED => len == 2,
        WINDOW_SCALE | POC_PROFILE | ALTERNATE_CHECKSUM => len == 3,
        MSS | USER_TIMEOUT => len == 4,
        ECHO | ECHO_REPLY | CC..=CC_ECHO => len == 6,
        QUICK_START => len == 8,
        TIMESTAMPS => len == 10,
        MD5 => len == 18,
        SACK => len >= 10 && len % 8 == 2,
        AUTHENTICATION => len >= 4,
        MULTIPATH => len >= 3,
        ACCECN_0 | ACCECN_1 => matches!(len, 2 | 5 | 8 | 11),
        _ => true,
    }
}

/// The name of an option kind (IANA tcp-parameters).
const fn name(kind: u8) -> &'static str {
    match kind {
        END => "end of options",
        NO_OPERATION => "no operation",
        MSS => "maximum segment size",
        WINDOW_SCALE => "window scale",
        SACK_PERMITTED => "SACK permitted",
        SACK => "SACK",
        ECHO => "echo",
        ECHO_REPLY => "echo reply",
        TIMESTAMPS => "timestamps",
        POC_PERMITTED => "partial order permitted",
        POC_PROFILE => "partial order service profile",
        CC => "connection count",
        12 => "connection count, new",
        CC_ECHO => "connection count, echo",
        ALTERNATE_CHECKSUM => "alternate checksum request",
        15 => "alternate checksum data",
        16 => "Skeeter",
        17 => "Bubba",
        18 => "trailer checksum",
        MD5 => "MD5 signature",
        20 => "SCPS capabilities",
        21 => "selective negative acknowledgments",
        22 => "record boundaries",
        23 => "corruption experienced",
        24 => "SNAP",
        26 => "compression filter",
        QUICK_START => "Quick-Start response",
        USER_TIMEOUT => "user timeout",
        AUTHENTICATION => "authentication",
        MULTIPATH => "Multipath TCP",
        FAST_OPEN => "Fast Open cookie",
        ENCRYPTION => "encryption negotiation",
        76 => "Riverbed probe",
        78 => "Riverbed transparency",
        ACCECN_0 => "Accurate ECN, order 0",
        ACCECN_1 => "Accurate ECN, order 1",
        EXPERIMENT_1 | EXPERIMENT_2 => "experiment",
        _ => "unknown option",
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test that reaches past its own bytes should say so"
    )]

    use proptest::prelude::*;

    use super::super::outline::outline_ipv4;
    use super::super::transport::tests::{ipv4, sealed};
    use super::*;

    /// The description of the options in an acknowledgment of byte 100, without `tcp.options.`.
    fn told(options: &[u8]) -> String {
        let mut bytes = vec![
            4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 100, 0x50, 0x10, 0, 1, 0, 0, 0, 0,
        ];
        bytes.extend(options);
        while bytes.len() % 4 != 0 {
            bytes.push(NO_OPERATION);
        }
        bytes[12] = u8::try_from(bytes.len() / 4).unwrap() << 4;
        sealed(&mut bytes, 6, 16);
        outline_ipv4(&ipv4(6, &bytes))
            .lines()
            .filter_map(|line| {
                line.strip_prefix("tcp.options.")
                    .or(line.starts_with('!').then_some(line))
            })
            .filter(|line| !line.starts_with("[no operation]"))
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// Each option of the RFCs, as they draw it.
    #[test]
    fn every_option_is_decoded() {
        for (options, expected) in [
            (
                &[2, 4, 5, 0xb4][..],
                "[maximum segment size].mss = 1460 (most data bytes the sender takes at once)",
            ),
            (
                &[3, 3, 7],
                "[window scale].shift_count = 7 (windows count 128 bytes)",
            ),
            (&[4, 2], "[SACK permitted].length = 2 (bytes)"),
            (&[6, 6, 1, 2, 3, 4], "[echo].info = 01020304"),
            (&[7, 6, 1, 2, 3, 4], "[echo reply].info = 01020304"),
            (&[8, 10, 0, 0, 0, 7, 0, 0, 1, 0], "[timestamps].tsval = 7"),
            (&[8, 10, 0, 0, 0, 7, 0, 0, 1, 0], "[timestamps].tsecr = 256"),
            (&[10, 3, 0x40], "[partial order service profile].end = true"),
            (
                &[11, 6, 0, 0, 0, 9],
                "[connection count].connection_count = 9",
            ),
            (
                &[14, 3, 1],
                "[alternate checksum request].checksum_number = 1 (8-bit Fletcher's algorithm)",
            ),
            (
                &[
                    19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                ],
                "[MD5 signature].digest = 0102030405060708090a0b0c0d0e0f10",
            ),
            (
                &[27, 8, 0x02, 5, 0, 0, 0, 4],
                "[Quick-Start response].rate_request = 2 (160 kbit/s)",
            ),
            (
                &[27, 8, 0x02, 5, 0, 0, 0, 4],
                "[Quick-Start response].qs_nonce = 0x00000001",
            ),
            (
                &[28, 4, 0x80, 5],
                "[user timeout].user_timeout = 5 (minutes)",
            ),
            (
                &[28, 4, 0x00, 90],
                "[user timeout].user_timeout = 90 (seconds)",
            ),
            (
                &[29, 6, 3, 4, 0xaa, 0xbb],
                "[authentication].r_next_key_id = 4",
            ),
            (&[29, 6, 3, 4, 0xaa, 0xbb], "[authentication].mac = aabb"),
            (
                &[30, 4, 0x01, 0x81],
                "[Multipath TCP].subtype = 0 (MP_CAPABLE)",
            ),
            (&[30, 4, 0x01, 0x81], "[Multipath TCP].version = 1"),
            (
                &[30, 4, 0x20, 0x01],
                "[Multipath TCP].subtype = 2 (DSS, data sequence signal)",
            ),
            (&[34, 2], "[Fast Open cookie].cookie =  (asked for)"),
            (
                &[34, 6, 1, 2, 3, 4],
                "[Fast Open cookie].cookie = 01020304 (4 bytes)",
            ),
            (&[69, 3, 0x21], "[encryption negotiation].suboptions = 21"),
            (
                &[172, 8, 0, 0, 1, 0, 1, 0],
                "[Accurate ECN, order 0].ee0b = 1",
            ),
            (
                &[172, 8, 0, 0, 1, 0, 1, 0],
                "[Accurate ECN, order 0].eceb = 256",
            ),
            (&[174, 5, 0, 0, 1], "[Accurate ECN, order 1].ee1b = 1"),
            (
                &[253, 6, 0xe2, 0xd4, 0xc3, 0xd9],
                "[experiment].exid = 0xe2d4c3d9 (SMC-R, shared memory communications)",
            ),
            (
                &[254, 6, 0xf9, 0x89, 1, 2],
                "[experiment].exid = 0xf989 (Fast Open cookie)",
            ),
            (&[254, 6, 0xf9, 0x89, 1, 2], "[experiment].data = 0102"),
            (&[200, 4, 1, 2], "[unknown option].data = 0102"),
        ] {
            let text = told(options);
            assert!(
                text.lines().any(|line| line == expected),
                "{expected} in\n{text}"
            );
            assert!(!text.contains('!'), "{text}");
        }
    }

    #[test]
    fn an_unknown_option_hides_none_behind_it() {
        let text = told(&[200, 3, 0xff, 1, 2, 4, 5, 0xb4]);
        assert!(text.contains("mss = 1460"), "{text}");
        assert!(!text.contains('!'), "{text}");
    }

    /// RFC 2883 section 4: below the acknowledgment number, or within the second block.
    #[test]
    fn sack_blocks_and_what_arrived_twice() {
        let blocks = |edges: &[u32]| {
            let mut option = vec![SACK, u8::try_from(2 + edges.len() * 4).unwrap()];
            option.extend(edges.iter().flat_map(|edge| edge.to_be_bytes()));
            told(&option)
        };
        let text = blocks(&[200, 300, 400, 450]);
        assert!(
            text.contains("blocks.[block].left_edge = 200 (100 bytes received out of order)"),
            "{text}"
        );
        assert!(text.contains("blocks.[block].right_edge = 450"), "{text}");
        let below = blocks(&[50, 60]);
        assert!(
            below.contains("left_edge = 50 (10 bytes arrived twice (D-SACK))"),
            "{below}"
        );
        let within = blocks(&[210, 220, 200, 300]);
        assert!(
            within.contains("left_edge = 210 (10 bytes arrived twice (D-SACK))"),
            "{within}"
        );
        assert!(
            within.contains("left_edge = 200 (100 bytes received out of order)"),
            "{within}"
        );
    }

    #[test]
    fn the_end_of_the_list_ends_it() {
        let text = told(&[0, 2, 4, 5]);
        assert!(text.contains("[end of options].padding = 020405"), "{text}");
        assert!(!text.contains("maximum") && !text.contains('!'), "{text}");
    }

    #[test]
    fn lengths_that_cannot_be() {
        for options in [
            &[2, 0, 5, 0xb4][..],
            &[2, 1, 5, 0xb4],
            &[2, 3, 5, 1],
            &[2, 5, 5, 0xb4],
            &[1, 1, 1, 2],
            &[3, 2],
            &[4, 3, 0],
            &[5, 2],
            &[5, 9, 1, 2, 3, 4, 5, 6, 7],
            &[8, 9, 0, 0, 0, 0, 0, 0, 0],
            &[19, 4, 0, 0],
            &[172, 4, 0, 0],
            &[200, 1],
        ] {
            let text = told(options);
            assert!(
                text.contains("! tcp.option.length at 1"),
                "{options:?}\n{text}"
            );
        }
        // A length that is wrong but fits leaves the next option where it is.
        assert!(told(&[3, 2, 2, 4, 5, 0xb4]).contains("mss = 1460"));
    }

    #[test]
    fn twice_and_too_far() {
        assert!(told(&[3, 3, 1, 3, 3, 1]).contains("! tcp.option.duplicate at 1"));
        assert!(
            !told(&[30, 3, 0x50, 30, 3, 0x50]).contains('!'),
            "MPTCP may repeat"
        );
        assert!(
            !told(&[253, 4, 1, 2, 253, 4, 1, 3]).contains('!'),
            "experiments may"
        );
        assert!(!told(&[3, 3, 14]).contains('!'));
        let text = told(&[3, 3, 15]);
        assert!(text.contains("! tcp.option.window_scale at 1"), "{text}");
        assert!(
            text.contains("shift_count = 15 (too much, taken as 14)"),
            "{text}"
        );
    }

    proptest! {
        /// The list covers its bytes once, in order, whatever they are.
        #[test]
        fn entries_follow_one_another(bytes in prop::collection::vec(any::<u8>(), 0..=40), more in 0..40usize) {
            let mut at = 0;
            for entry in Options::new(&bytes, bytes.len() + more) {
                prop_assert_eq!(entry.start, at);
                prop_assert!(entry.bytes > 0);
                at += entry.bytes;
            }
            prop_assert_eq!(at, bytes.len());
        }

        #[test]
        fn any_bytes_are_described(bytes in prop::collection::vec(any::<u8>(), 0..=40)) {
            let _ = told(&bytes);
        }
    }
}
