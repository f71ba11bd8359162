//! What ICMPv4 messages are called and how long they are: the IANA icmp-parameters registry.
//!
//! Facts only; nothing here reads more than a type and a code.

/// RFC 792.
pub(super) const ECHO_REPLY: u8 = 0;
/// RFC 792, RFC 4884.
pub(super) const UNREACHABLE: u8 = 3;
/// RFC 792, withdrawn by RFC 6633.
pub(super) const SOURCE_QUENCH: u8 = 4;
/// RFC 792.
pub(super) const REDIRECT: u8 = 5;
/// RFC 792.
pub(super) const ECHO_REQUEST: u8 = 8;
/// RFC 1256, RFC 5944.
pub(super) const ROUTER_ADVERTISEMENT: u8 = 9;
/// RFC 1256.
pub(super) const ROUTER_SOLICITATION: u8 = 10;
/// RFC 792, RFC 4884.
pub(super) const TIME_EXCEEDED: u8 = 11;
/// RFC 792, RFC 1108, RFC 4884.
pub(super) const PARAMETER_PROBLEM: u8 = 12;
/// RFC 792.
pub(super) const TIMESTAMP_REQUEST: u8 = 13;
/// RFC 792.
pub(super) const TIMESTAMP_REPLY: u8 = 14;
/// RFC 792, withdrawn by RFC 6918.
pub(super) const INFORMATION_REQUEST: u8 = 15;
/// RFC 792, withdrawn by RFC 6918.
pub(super) const INFORMATION_REPLY: u8 = 16;
/// RFC 950, withdrawn by RFC 6918.
pub(super) const MASK_REQUEST: u8 = 17;
/// RFC 950, withdrawn by RFC 6918.
pub(super) const MASK_REPLY: u8 = 18;
/// RFC 1393, withdrawn by RFC 6918.
pub(super) const TRACEROUTE: u8 = 30;
/// RFC 1475, withdrawn by RFC 6918.
pub(super) const CONVERSION_ERROR: u8 = 31;
/// RFC 1788, withdrawn by RFC 6918.
pub(super) const DOMAIN_NAME_REQUEST: u8 = 37;
/// RFC 1788, withdrawn by RFC 6918.
pub(super) const DOMAIN_NAME_REPLY: u8 = 38;
/// RFC 2521.
pub(super) const PHOTURIS: u8 = 40;
/// RFC 4065.
pub(super) const MOBILITY: u8 = 41;
/// RFC 8335.
pub(super) const EXTENDED_ECHO_REQUEST: u8 = 42;
/// RFC 8335.
pub(super) const EXTENDED_ECHO_REPLY: u8 = 43;

/// Destination unreachable because the datagram is too big (RFC 1191).
pub(super) const FRAGMENTATION_NEEDED: u8 = 4;

/// The name of a message type, in words that fit a line.
pub(super) const fn kind(kind: u8) -> Option<&'static str> {
    Some(match kind {
        ECHO_REPLY => "echo reply",
        UNREACHABLE => "destination unreachable",
        SOURCE_QUENCH => "source quench",
        REDIRECT => "redirect",
        6 => "alternate host address",
        ECHO_REQUEST => "echo request",
        ROUTER_ADVERTISEMENT => "router advertisement",
        ROUTER_SOLICITATION => "router solicitation",
        TIME_EXCEEDED => "time exceeded",
        PARAMETER_PROBLEM => "parameter problem",
        TIMESTAMP_REQUEST => "timestamp request",
        TIMESTAMP_REPLY => "timestamp reply",
        INFORMATION_REQUEST => "information request",
        INFORMATION_REPLY => "information reply",
        MASK_REQUEST => "address mask request",
        MASK_REPLY => "address mask reply",
        TRACEROUTE => "traceroute",
        CONVERSION_ERROR => "datagram conversion error",
        32 => "mobile host redirect",
        33 => "IPv6 where-are-you",
        34 => "IPv6 I-am-here",
        35 => "mobile registration request",
        36 => "mobile registration reply",
        DOMAIN_NAME_REQUEST => "domain name request",
        DOMAIN_NAME_REPLY => "domain name reply",
        39 => "SKIP algorithm discovery",
        PHOTURIS => "Photuris security failure",
        MOBILITY => "experimental mobility",
        EXTENDED_ECHO_REQUEST => "extended echo request",
        EXTENDED_ECHO_REPLY => "extended echo reply",
        253 | 254 => "experiment",
        _ => return None,
    })
}

/// What a code says within its type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// It has a name.
    Named(&'static str),
    /// The type has no codes, and this is its 0, or the type leaves its codes open.
    Plain,
    /// Nobody has defined it.
    Unknown,
}

/// The code's name within its type.
pub(super) const fn code(kind: u8, code: u8) -> Code {
    use Code::{Named, Plain, Unknown};
    match (kind, code) {
        (UNREACHABLE, 0) => Named("network unreachable"),
        (UNREACHABLE, 1) => Named("host unreachable"),
        (UNREACHABLE, 2) => Named("protocol unreachable"),
        (UNREACHABLE, 3) => Named("port unreachable"),
        (UNREACHABLE, FRAGMENTATION_NEEDED) => Named("fragmentation needed"),
        (UNREACHABLE, 5) => Named("source route failed"),
        (UNREACHABLE, 6) => Named("destination network unknown"),
        (UNREACHABLE, 7) => Named("destination host unknown"),
        (UNREACHABLE, 8) => Named("source host isolated"),
        (UNREACHABLE, 9) => Named("network administratively prohibited"),
        (UNREACHABLE, 10) => Named("host administratively prohibited"),
        (UNREACHABLE, 11) => Named("network unreachable for type of service"),
        (UNREACHABLE, 12) => Named("host unreachable for type of service"),
        (UNREACHABLE, 13) => Named("communication administratively prohibited"),
        (UNREACHABLE, 14) => Named("host precedence violation"),
        (UNREACHABLE, 15) => Named("precedence cutoff in effect"),
        (REDIRECT, 0) => Named("redirect for network"),
        (REDIRECT, 1) => Named("redirect for host"),
        (REDIRECT, 2) => Named("redirect for type of service and network"),
        (REDIRECT, 3) => Named("redirect for type of service and host"),
        (ROUTER_ADVERTISEMENT, 0) => Named("normal"),
        (ROUTER_ADVERTISEMENT, 16) => Named("does not route common traffic"),
        (TIME_EXCEEDED, 0) => Named("time to live exceeded in transit"),
        (TIME_EXCEEDED, 1) => Named("fragment reassembly time exceeded"),
        (PARAMETER_PROBLEM, 0) => Named("pointer indicates the error"),
        (PARAMETER_PROBLEM, 1) => Named("missing a required option"),
        (PARAMETER_PROBLEM, 2) => Named("bad length"),
        (TRACEROUTE, 0) => Named("outbound packet forwarded"),
        (TRACEROUTE, 1) => Named("no route, packet discarded"),
        (CONVERSION_ERROR, 0) => Named("unspecified error"),
        (CONVERSION_ERROR, 1) => Named("don't convert option present"),
        (CONVERSION_ERROR, 2) => Named("unknown mandatory option present"),
        (CONVERSION_ERROR, 3) => Named("known unsupported option present"),
        (CONVERSION_ERROR, 4) => Named("unsupported transport protocol"),
        (CONVERSION_ERROR, 5) => Named("overall length exceeded"),
        (CONVERSION_ERROR, 6) => Named("IP header length exceeded"),
        (CONVERSION_ERROR, 7) => Named("transport protocol above 255"),
        (CONVERSION_ERROR, 8) => Named("port conversion out of range"),
        (CONVERSION_ERROR, 9) => Named("transport header length exceeded"),
        (CONVERSION_ERROR, 10) => Named("32-bit rollover missing and ACK set"),
        (CONVERSION_ERROR, 11) => Named("unknown mandatory transport option present"),
        (PHOTURIS, 0) => Named("bad SPI"),
        (PHOTURIS, 1) => Named("authentication failed"),
        (PHOTURIS, 2) => Named("decompression failed"),
        (PHOTURIS, 3) => Named("decryption failed"),
        (PHOTURIS, 4) => Named("need authentication"),
        (PHOTURIS, 5) => Named("need authorization"),
        (EXTENDED_ECHO_REPLY, 0) => Named("no error"),
        (EXTENDED_ECHO_REPLY, 1) => Named("malformed query"),
        (EXTENDED_ECHO_REPLY, 2) => Named("no such interface"),
        (EXTENDED_ECHO_REPLY, 3) => Named("no such table entry"),
        (EXTENDED_ECHO_REPLY, 4) => Named("multiple interfaces satisfy query"),
        (
            ECHO_REPLY
            | SOURCE_QUENCH
            | ECHO_REQUEST
            | ROUTER_SOLICITATION
            | TIMESTAMP_REQUEST
            | TIMESTAMP_REPLY
            | INFORMATION_REQUEST
            | INFORMATION_REPLY
            | MASK_REQUEST
            | MASK_REPLY
            | DOMAIN_NAME_REQUEST
            | DOMAIN_NAME_REPLY
            | EXTENDED_ECHO_REQUEST,
            0,
        )
        | (6 | 32..=36 | 39 | MOBILITY | 253 | 254, _) => Plain,
        _ => Unknown,
    }
}

/// Whether the code's name alone says what the message is.
pub(super) const fn code_says_all(kind: u8, code: u8) -> bool {
    matches!(kind, UNREACHABLE | REDIRECT | TIME_EXCEEDED)
        && matches!(self::code(kind, code), Code::Named(_))
}

/// Withdrawn by RFC 6633 (source quench) or RFC 6918.
pub(super) const fn is_deprecated(kind: u8) -> bool {
    matches!(
        kind,
        SOURCE_QUENCH | 6 | INFORMATION_REQUEST..=MASK_REPLY | TRACEROUTE..=39
    )
}

/// The error messages: RFC 1122 section 3.2.2.
pub(super) const fn is_error(kind: u8) -> bool {
    matches!(
        kind,
        UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
    )
}

/// The messages that quote the datagram they are about.
pub(super) const fn quotes(kind: u8) -> bool {
    is_error(kind) || kind == PHOTURIS
}

/// The errors that RFC 4884 section 4 allows extensions behind the quote.
pub(super) const fn is_multipart(kind: u8) -> bool {
    matches!(kind, UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM)
}
