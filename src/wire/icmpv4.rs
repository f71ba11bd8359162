//! ICMPv4 (RFC 792 and its successors): every message that has been registered, and the
//! datagram that an error quotes.
//!
//! Knows the messages and hands what an error quotes back to IPv4. What follows the quote
//! (RFC 4884) is the next file's business.

mod body;
mod message;

use super::anomaly::Anomaly;
use super::checksum::Pseudo;
use super::field::{Brief, Field, Lens, Name, Value, Visitor, bits};
use super::icmp_extensions::{self, Place};
use super::names;
use super::packet::{Next, Protocol, Reason, Region, View, Walk};
use super::transport;
use message::Code;

/// Type, code, checksum: what every message begins with.
const COMMON: usize = 4;
/// The header of most messages, and what stands before a quote.
const HEADER: usize = 8;
/// The smallest MTU there can be (RFC 791 section 3.2).
const MIN_MTU: u16 = 68;

#[inline]
pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let Some(kind) = lens.u8(0) else {
        if region.is_whole() && !walk.context.fragmented {
            walk.anomaly(Anomaly::Icmpv4Truncated);
        }
        return walk.stop_cut(Protocol::Icmpv4, region, COMMON);
    };
    let header = header_len(kind, lens);
    walk.push(Protocol::Icmpv4, region, header);
    if walk.judge.checksums {
        walk.set_checksum(transport::message_verdict(walk, region));
    }
    if walk.judge.anomalies && !walk.is_quoted() {
        judge(walk, region, kind, header);
    }
    if region.len() < header {
        return walk.stop_cut(Protocol::Icmpv4, region, header);
    }
    if message::quotes(kind) {
        return quote(walk, region, kind);
    }
    Some((Protocol::Payload, region.after(header)))
}

/// Bytes that belong to the message itself: neither data to be echoed nor a quote.
#[inline]
fn header_len(kind: u8, message: Lens<'_>) -> usize {
    match kind {
        message::ROUTER_ADVERTISEMENT => {
            let entries = usize::from(message.u8(4).unwrap_or_default());
            HEADER + entries * entry_len(message).unwrap_or_default()
        }
        message::TIMESTAMP_REQUEST | message::TIMESTAMP_REPLY | message::TRACEROUTE => 20,
        message::MASK_REQUEST | message::MASK_REPLY | message::DOMAIN_NAME_REPLY => 12,
        message::EXTENDED_ECHO_REQUEST => {
            icmp_extensions::end_of_one(message, HEADER).unwrap_or(message.0.len().max(HEADER))
        }
        6 | 32..=36 | 39 => COMMON,
        _ if message::kind(kind).is_none() || kind >= 253 => COMMON,
        _ => HEADER,
    }
}

/// The length of a router advertisement's entries in bytes; RFC 1256 section 3.1 defines the
/// first two words of each.
fn entry_len(message: Lens<'_>) -> Option<usize> {
    message
        .u8(5)
        .filter(|&words| words >= 2)
        .map(|words| usize::from(words) * 4)
}

/// The quoted datagram without what follows it (RFC 4884), and where that stands.
fn quoted(walk: &Walk<'_>, region: Region, kind: u8) -> (Region, Place) {
    let quote = region.after(HEADER);
    if !message::is_multipart(kind) {
        return (quote, Place::Absent);
    }
    let place = icmp_extensions::place(walk.bytes(region), region.promised_len());
    match place {
        Place::At(at) => (region.first(at).after(HEADER), place),
        Place::Absent | Place::Lying => (quote, place),
    }
}

fn quote(walk: &mut Walk<'_>, region: Region, kind: u8) -> Next {
    let (quote, _) = quoted(walk, region, kind);
    if quote.promised_len() == 0 {
        return None;
    }
    if !walk.enter_quote() {
        return walk.stop(Protocol::Ipv4, quote, Reason::TooDeep);
    }
    Some((Protocol::Ipv4, quote))
}

/// Everything odd about a message.
fn judge(walk: &mut Walk<'_>, region: Region, kind: u8, header: usize) {
    let lens = walk.lens(region);
    if walk.checksum().ok() == Some(false) {
        walk.anomaly(Anomaly::Icmpv4ChecksumBad);
    }
    let least = match kind {
        // Extension header, object header.
        message::EXTENDED_ECHO_REQUEST => HEADER + 8,
        _ => header,
    };
    // A first fragment's length is the fragment's, not the message's.
    if !walk.context.fragmented && region.promised_len() < least {
        walk.anomaly(Anomaly::Icmpv4Truncated);
    }
    if message::kind(kind).is_none() {
        walk.anomaly(Anomaly::Icmpv4TypeUnknown);
        return;
    }
    if message::is_deprecated(kind) {
        walk.anomaly(Anomaly::Icmpv4TypeDeprecated);
    }
    let Some(code) = lens.u8(1) else { return };
    if message::code(kind, code) == Code::Unknown {
        walk.anomaly(Anomaly::Icmpv4CodeUnknown);
    }
    match kind {
        message::ECHO_REQUEST => {
            if let Some(Pseudo::V4(_, [255, 255, 255, 255])) = walk.context.pseudo {
                walk.anomaly(Anomaly::Icmpv4EchoBroadcast);
            }
        }
        message::EXTENDED_ECHO_REQUEST if region.promised_len() > HEADER => {
            judge_extensions(walk, region.first(header), HEADER);
        }
        message::UNREACHABLE
            if code == message::FRAGMENTATION_NEEDED
                && lens.u16(6).is_some_and(|mtu| mtu != 0 && mtu < MIN_MTU) =>
        {
            walk.anomaly(Anomaly::Icmpv4UnreachableMtu);
        }
        _ => {}
    }
    if message::is_error(kind) && region.promised_len() >= HEADER {
        judge_error(walk, region, kind);
    }
}

/// What RFC 1122 section 3.2.2 asks of an error and of what it quotes.
fn judge_error(walk: &mut Walk<'_>, region: Region, kind: u8) {
    if walk.context.to_many {
        walk.anomaly(Anomaly::Icmpv4ErrorToMany);
    }
    let (quote, place) = quoted(walk, region, kind);
    match place {
        Place::Absent => {}
        Place::Lying if walk.context.fragmented => {}
        Place::Lying => walk.anomaly(Anomaly::Icmpv4ExtensionLength),
        Place::At(at) => {
            let message = walk.lens(region);
            if message.u8(5).is_some_and(icmp_extensions::too_few_words) {
                walk.anomaly(Anomaly::Icmpv4ExtensionLength);
            }
            judge_extensions(walk, region, at);
        }
    }
    let lens = walk.lens(quote);
    let Some(first) = lens.u8(0) else {
        if quote.promised_len() == 0 && !walk.context.fragmented {
            walk.anomaly(Anomaly::Icmpv4QuoteShort);
        }
        return;
    };
    if first >> 4 != 4 {
        walk.anomaly(Anomaly::Icmpv4QuoteVersion);
        return;
    }
    let header = usize::from(first & 0x0f) * 4;
    // The header and 64 bits, or all of a datagram shorter than that (RFC 792).
    let enough = lens.u16(2).map_or(20, |total| {
        usize::from(total).min(header.saturating_add(8)).max(20)
    });
    if quote.promised_len() < enough && !walk.context.fragmented {
        walk.anomaly(Anomaly::Icmpv4QuoteShort);
    }
    let later = lens.u16(6).is_some_and(|word| word & 0x1fff != 0);
    if later {
        walk.anomaly(Anomaly::Icmpv4ErrorAboutFragment);
    }
    if !later
        && lens.u8(9) == Some(names::PROTOCOL_ICMP)
        && lens.u8(header).is_some_and(message::is_error)
    {
        walk.anomaly(Anomaly::Icmpv4ErrorAboutError);
    }
    let many = |address: [u8; 4]| address[0] >= 224;
    let (source, destination) = (lens.array(12), lens.array(16));
    if source.is_some_and(|source| many(source) || source == [0; 4])
        || destination.is_some_and(many)
    {
        walk.anomaly(Anomaly::Icmpv4ErrorAboutMany);
    }
}

fn judge_extensions(walk: &mut Walk<'_>, region: Region, at: usize) {
    let whole = region.is_whole() && !walk.context.fragmented;
    let structure = region.after(at);
    let promised = if walk.context.fragmented {
        usize::MAX
    } else {
        structure.promised_len()
    };
    icmp_extensions::judge(walk, structure, promised, whole);
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(kind) = lens.u8(0) else { return };
    let code = lens.u8(1);
    let says_all = code.is_some_and(|code| message::code_says_all(kind, code));
    let name = message::kind(kind);
    v.field(
        Field::number("type", "Type", bits(0, 8), kind)
            .meaning(&Name(name))
            .brief(match name {
                _ if says_all => Brief::Hidden,
                Some(_) => Brief::Meaning(""),
                None => Brief::Value("type "),
            }),
    );
    let Some(code) = code else { return };
    let field = Field::number("code", "Code", bits(8, 8), code);
    v.field(match message::code(kind, code) {
        Code::Named(ref name) if says_all || code != 0 => {
            field.meaning(name).brief(Brief::Meaning(""))
        }
        Code::Named(ref name) => field.meaning(name),
        Code::Plain if code == 0 => field,
        Code::Plain => field.brief(Brief::Value("code ")),
        Code::Unknown => field.meaning(&Name(None)).brief(Brief::Value("code ")),
    });
    let Some(checksum) = lens.u16(2) else { return };
    v.field(Field::hex("checksum", "Checksum", bits(16, 16), checksum));
    let ok = view.layer.checksum.ok().map_or(Value::Unknown, Value::Bool);
    v.field(Field::new("checksum_ok", "Checksum", bits(0, 0), ok).meaning(&view.layer.checksum));
    match kind {
        message::ECHO_REPLY | message::ECHO_REQUEST => {
            body::identified(lens, v);
        }
        _ => body::describe(view, kind, code, v),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that reads what is not there has found something"
)]
mod tests;
