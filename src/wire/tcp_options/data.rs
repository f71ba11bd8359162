//! What each TCP option says, behind its kind and its length.
//!
//! Knows the inside of an option whose length is right; nothing of the list it stands in.

use std::fmt::{self, Display};

use super::super::field::{Bits, Brief, Field, Lens, Name, Visitor, bits, bytes};
use super::{
    ACCECN_0, ACCECN_1, ALTERNATE_CHECKSUM, AUTHENTICATION, CC, CC_ECHO, ECHO, ECHO_REPLY,
    ENCRYPTION, END, EXID_FAST_OPEN, EXPERIMENT_1, EXPERIMENT_2, FAST_OPEN, MAX_SCALE, MD5, MSS,
    MULTIPATH, POC_PROFILE, QUICK_START, SACK, TIMESTAMPS, USER_TIMEOUT, WINDOW_SCALE,
};

/// The one registered experiment identifier of 32 bits: SMC-R (RFC 7609).
const EXID_SMC: u32 = 0xe2d4_c3d9;

/// The bytes behind kind and length, and where they begin in the header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
}

impl<'a> Data<'a> {
    /// Describes the data of a sound option. `acknowledgment` tells which SACK block repeats what
    /// was received.
    pub(super) fn describe<V: Visitor>(self, kind: u8, acknowledgment: u32, v: &mut V) {
        match kind {
            END => self.rest("padding", "Padding", 0, v),
            MSS => {
                if let Some(size) = self.u16(0) {
                    v.field(
                        self.number("mss", "Maximum segment size", 0, 2, size)
                            .meaning(&Name(Some("most data bytes the sender takes at once")))
                            .brief(Brief::Value("mss ")),
                    );
                }
            }
            WINDOW_SCALE => {
                if let Some(shift) = self.u8(0) {
                    v.field(
                        self.number("shift_count", "Shift count", 0, 1, shift)
                            .meaning(&Scale(shift))
                            .brief(Brief::Value("wscale ")),
                    );
                }
            }
            SACK => self.blocks(acknowledgment, v),
            ECHO | ECHO_REPLY => self.rest("info", "Information", 0, v),
            TIMESTAMPS => {
                if let (Some(value), Some(echo)) = (self.u32(0), self.u32(4)) {
                    v.field(self.number("tsval", "Timestamp value", 0, 4, value));
                    v.field(self.number("tsecr", "Timestamp echo reply", 4, 4, echo));
                }
            }
            POC_PROFILE => {
                if let Some(flags) = self.u8(0) {
                    let at = self.bits(0, 8).start;
                    let (start, end) = (flags & 0x80 != 0, flags & 0x40 != 0);
                    v.field(Field::flag("start", "Start flag", bits(at, 1), start));
                    v.field(Field::flag("end", "End flag", bits(at + 1, 1), end));
                }
            }
            CC..=CC_ECHO => {
                if let Some(count) = self.u32(0) {
                    v.field(self.number("connection_count", "Connection count", 0, 4, count));
                }
            }
            ALTERNATE_CHECKSUM => {
                if let Some(number) = self.u8(0) {
                    v.field(
                        self.number("checksum_number", "Checksum number", 0, 1, number)
                            .meaning(&Name(Some(match number {
                                0 => "TCP checksum",
                                1 => "8-bit Fletcher's algorithm",
                                2 => "16-bit Fletcher's algorithm",
                                3 => "redundant checksum avoidance",
                                _ => "unknown",
                            }))),
                    );
                }
            }
            MD5 => self.rest("digest", "Digest", 0, v),
            QUICK_START => self.quick_start(v),
            USER_TIMEOUT => {
                if let Some(timeout) = self.u16(0) {
                    let at = self.bits(0, 16).start;
                    let minutes = timeout & 0x8000 != 0;
                    v.field(Field::flag(
                        "granularity",
                        "Granularity",
                        bits(at, 1),
                        minutes,
                    ));
                    v.field(
                        Field::number(
                            "user_timeout",
                            "User timeout",
                            bits(at + 1, 15),
                            timeout & 0x7fff,
                        )
                        .meaning(&Name(Some(if minutes {
                            "minutes"
                        } else {
                            "seconds"
                        }))),
                    );
                }
            }
            AUTHENTICATION => {
                if let (Some(key), Some(next)) = (self.u8(0), self.u8(1)) {
                    v.field(self.number("key_id", "KeyID", 0, 1, key));
                    v.field(self.number("r_next_key_id", "RNextKeyID", 1, 1, next));
                }
                self.rest("mac", "Authentication code", 2, v);
            }
            MULTIPATH => self.multipath(v),
            FAST_OPEN => v.field(
                self.field("cookie", "Cookie", 0)
                    .meaning(&Cookie(self.bytes.len())),
            ),
            ENCRYPTION => self.rest("suboptions", "Suboptions", 0, v),
            ACCECN_0 | ACCECN_1 => self.accurate_ecn(kind, v),
            EXPERIMENT_1 | EXPERIMENT_2 => self.experiment(v),
            _ => self.rest("data", "Data", 0, v),
        }
    }

    /// RFC 2018 section 3. A first block below the acknowledgment number, or within the second,
    /// reports what arrived twice (RFC 2883 section 4).
    fn blocks<V: Visitor>(self, acknowledgment: u32, v: &mut V) {
        let edges = |at| Some((self.u32(at)?, self.u32(at + 4)?));
        let second = edges(8);
        let place = self.bits(0, 0).start;
        let all = bits(place, bytes(0, self.bytes.len()).len);
        v.list("blocks", "Blocks", all, |v| {
            let mut at = 0;
            while let Some((left, right)) = edges(at) {
                let twice = at == 0
                    && (!after(right, acknowledgment)
                        || second
                            .is_some_and(|(from, to)| !after(from, left) && !after(right, to)));
                let block = Block { left, right, twice };
                v.say(&format_args!("sack {left}-{right}"));
                v.item("block", bytes(self.start + at, 8), |v| {
                    v.field(
                        self.number("left_edge", "Left edge", at, 4, left)
                            .meaning(&block),
                    );
                    v.field(self.number("right_edge", "Right edge", at + 4, 4, right));
                });
                at += 8;
            }
        });
    }

    /// RFC 4782 section 3.2, the response of a TCP receiver (section 4.1).
    fn quick_start<V: Visitor>(self, v: &mut V) {
        let (Some(rate), Some(ttl), Some(nonce)) = (self.u8(0), self.u8(1), self.u32(2)) else {
            return;
        };
        let at = self.bits(0, 8).start;
        let rate = rate & 0x0f;
        v.field(
            Field::number("rate_request", "Rate request", bits(at + 4, 4), rate)
                .meaning(&Rate(rate)),
        );
        v.field(self.number("ttl_diff", "TTL difference", 1, 1, ttl));
        v.field(Field::hex(
            "qs_nonce",
            "QS nonce",
            bits(at + 16, 30),
            nonce >> 2,
        ));
    }

    /// RFC 8684 section 3: every message begins with its subtype.
    fn multipath<V: Visitor>(self, v: &mut V) {
        const MP_CAPABLE: u8 = 0;
        let Some(first) = self.u8(0) else { return };
        let at = self.bits(0, 8).start;
        let subtype = first >> 4;
        v.field(
            Field::number("subtype", "Subtype", bits(at, 4), subtype).meaning(&Name(Some(
                match subtype {
                    MP_CAPABLE => "MP_CAPABLE",
                    1 => "MP_JOIN",
                    2 => "DSS, data sequence signal",
                    3 => "ADD_ADDR",
                    4 => "REMOVE_ADDR",
                    5 => "MP_PRIO",
                    6 => "MP_FAIL",
                    7 => "MP_FASTCLOSE",
                    8 => "MP_TCPRST",
                    15 => "MP_EXPERIMENTAL",
                    _ => "unknown",
                },
            ))),
        );
        let low = first & 0x0f;
        v.field(if subtype == MP_CAPABLE {
            Field::number("version", "Version", bits(at + 4, 4), low)
        } else {
            Field::hex("flags", "Flags", bits(at + 4, 4), low)
        });
        self.rest("data", "Data", 1, v);
    }

    /// RFC 9768 section 3.2.3: byte counters of 24 bits, as many as the sender had room for, in
    /// one order or the other.
    fn accurate_ecn<V: Visitor>(self, kind: u8, v: &mut V) {
        const E0: (&str, &str) = ("ee0b", "ECT(0) bytes");
        const CE: (&str, &str) = ("eceb", "CE bytes");
        const E1: (&str, &str) = ("ee1b", "ECT(1) bytes");
        let order = if kind == ACCECN_0 {
            [E0, CE, E1]
        } else {
            [E1, CE, E0]
        };
        let (counters, _) = self.bytes.as_chunks::<3>();
        for ((index, (name, label)), [high, middle, low]) in order.iter().enumerate().zip(counters)
        {
            let counter = u32::from_be_bytes([0, *high, *middle, *low]);
            v.field(self.number(name, label, index * 3, 3, counter));
        }
    }

    /// RFC 6994: an identifier of 16 or 32 bits says whose experiment it is. RFC 3692 experiments
    /// from before it have none.
    fn experiment<V: Visitor>(self, v: &mut V) {
        if let Some(EXID_SMC) = self.u32(0) {
            v.field(
                Field::hex("exid", "Experiment", self.bits(0, 32), EXID_SMC)
                    .meaning(&Name(Some("SMC-R, shared memory communications"))),
            );
            return self.rest("data", "Data", 4, v);
        }
        let Some(exid) = self.u16(0) else {
            return self.rest("data", "Data", 0, v);
        };
        v.field(
            Field::hex("exid", "Experiment", self.bits(0, 16), exid).meaning(&Name(match exid {
                0x0348 => Some("host identification"),
                0x454e => Some("encryption negotiation"),
                0xacc0 => Some("Accurate ECN, order 0"),
                0xacc1 => Some("Accurate ECN, order 1"),
                0xacce => Some("Accurate ECN"),
                EXID_FAST_OPEN => Some("Fast Open cookie"),
                _ => None,
            })),
        );
        self.rest("data", "Data", 2, v);
    }

    /// The bytes from `from` on, where there are any.
    pub(super) fn rest<V: Visitor>(
        self,
        name: &'static str,
        label: &'static str,
        from: usize,
        v: &mut V,
    ) {
        if from < self.bytes.len() {
            v.field(self.field(name, label, from));
        }
    }

    fn u8(self, at: usize) -> Option<u8> {
        Lens(self.bytes).u8(at)
    }

    fn u16(self, at: usize) -> Option<u16> {
        Lens(self.bytes).u16(at)
    }

    fn u32(self, at: usize) -> Option<u32> {
        Lens(self.bytes).u32(at)
    }

    /// `len` bits from byte `at` of the data.
    fn bits(self, at: usize, len: u32) -> Bits {
        bits(bytes(self.start + at, 0).start, len)
    }

    /// A number of `len` bytes.
    fn number(
        self,
        name: &'static str,
        label: &'static str,
        at: usize,
        len: usize,
        value: impl Into<u64>,
    ) -> Field<'a> {
        Field::number(name, label, bytes(self.start + at, len), value)
    }

    /// The bytes from `from` on.
    fn field(self, name: &'static str, label: &'static str, from: usize) -> Field<'a> {
        let rest = self.bytes.get(from..).unwrap_or_default();
        Field::bytes(name, label, bytes(self.start + from, rest.len()), rest)
    }
}

/// True when `a` comes after `b`, counting round the end of 32 bits (RFC 9293 section 3.4).
const fn after(a: u32, b: u32) -> bool {
    let distance = a.wrapping_sub(b);
    distance != 0 && distance < 1 << 31
}

struct Scale(u8);

impl Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > MAX_SCALE {
            return write!(f, "too much, taken as {MAX_SCALE}");
        }
        write!(f, "windows count {} bytes", 1u32 << self.0)
    }
}

struct Block {
    left: u32,
    right: u32,
    twice: bool,
}

impl Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.right.wrapping_sub(self.left);
        let what = if self.twice {
            "arrived twice (D-SACK)"
        } else {
            "received out of order"
        };
        write!(f, "{len} bytes {what}")
    }
}

/// RFC 4782 section 3.1: each step doubles the rate, from 80 kbit/s.
struct Rate(u8);

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("none"),
            steps => write!(f, "{} kbit/s", 40u64 << steps.min(15)),
        }
    }
}

/// By the number of its bytes.
struct Cookie(usize);

impl Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("asked for"),
            len => write!(f, "{len} bytes"),
        }
    }
}
