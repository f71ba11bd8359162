//! What an ICMP error says, in ping(8)'s words (RFC 792, RFC 1122 section 3.2.2, RFC 1812).

use std::net::Ipv4Addr;

use crate::cli::text::Text;
use crate::probe::ping::Failure;

const UNREACHABLE: [&str; 16] = [
    "Destination Net Unreachable",
    "Destination Host Unreachable",
    "Destination Protocol Unreachable",
    "Destination Port Unreachable",
    "Frag needed and DF set",
    "Source Route Failed",
    "Destination Net Unknown",
    "Destination Host Unknown",
    "Source Host Isolated",
    "Destination Net Prohibited",
    "Destination Host Prohibited",
    "Destination Net Unreachable for Type of Service",
    "Destination Host Unreachable for Type of Service",
    "Packet filtered",
    "Precedence Violation",
    "Precedence Cutoff",
];
const REDIRECT: [&str; 4] = [
    "Redirect Network",
    "Redirect Host",
    "Redirect Type of Service and Network",
    "Redirect Type of Service and Host",
];
const EXCEEDED: [&str; 2] = ["Time to live exceeded", "Frag reassembly time exceeded"];

/// The error in words.
pub(super) fn failure(out: &mut Text, failure: &Failure) {
    error(out, failure.icmp_type, failure.code, failure.info);
}

/// An error of this type and code in words; `info` is the number in it: next-hop MTU, pointer or
/// gateway, as the type has it.
pub(super) fn error(out: &mut Text, icmp_type: u8, code: u8, info: u32) {
    let mut say = |words: &[&str], otherwise: &str| {
        if let Some(words) = words.get(usize::from(code)) {
            out.str(words);
        } else {
            out.str(otherwise);
            out.str(", Bad Code: ");
            out.number(u64::from(code));
        }
    };
    match icmp_type {
        3 => {
            say(&UNREACHABLE, "Dest Unreachable");
            if code == 4 {
                out.str(" (mtu = ");
                out.number(u64::from(info & 0xffff));
                out.push(b')');
            }
        }
        4 => out.str("Source Quench"),
        5 => {
            say(&REDIRECT, "Redirect");
            out.str("(New nexthop: ");
            out.ipv4(Ipv4Addr::from_bits(info).octets());
            out.push(b')');
        }
        11 => say(&EXCEEDED, "Time exceeded"),
        12 => {
            out.str("Parameter problem: pointer = ");
            out.number(u64::from(info));
        }
        other => {
            out.str("Bad ICMP type: ");
            out.number(u64::from(other));
        }
    }
}

/// What the kernel says of an error number.
pub(super) fn errno(error: i32) -> String {
    let text = std::io::Error::from_raw_os_error(error).to_string();
    match text.rfind(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(icmp_type: u8, code: u8, info: u32) -> String {
        let mut out = Text::default();
        error(&mut out, icmp_type, code, info);
        out.into_string()
    }

    /// As ping(8) of iputils prints them, through the same kernel's error queue.
    #[test]
    fn the_number_in_an_error_is_what_ping_makes_of_it() {
        assert_eq!(words(12, 0, 20), "Parameter problem: pointer = 20");
        assert_eq!(words(3, 4, 1300), "Frag needed and DF set (mtu = 1300)");
        let gateway = u32::from(Ipv4Addr::new(10, 66, 8, 2));
        assert_eq!(
            words(5, 1, gateway),
            "Redirect Host(New nexthop: 10.66.8.2)"
        );
        assert_eq!(
            words(5, 9, 0),
            "Redirect, Bad Code: 9(New nexthop: 0.0.0.0)"
        );
        assert_eq!(words(3, 16, 0), "Dest Unreachable, Bad Code: 16");
        assert_eq!(words(11, 1, 0), "Frag reassembly time exceeded");
    }
}
