//! For tests: a frame's whole description as text, one field a line, so that a protocol's test
//! reads like the header it is about.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot write to a string has found a wonder"
)]

use std::fmt::Write;

use super::field::{Field, Group, Head, Shape, Value, Visitor};
use super::frame::{Frame, LinkType};
use super::packet::{Judge, Packet, dissect, visit};

/// A frame of these bytes, all captured.
pub(crate) fn frame(link_type: LinkType, bytes: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        time: None,
        link_type,
        wire_len: u32::try_from(bytes.len()).unwrap(),
        bytes,
        interface: None,
        direction: None,
        offload: super::frame::Offload::default(),
        comments: &[],
    }
}

/// The description of a frame: `layer.group.field = value (meaning)` lines, then `! id` for each
/// anomaly and `stopped ...` where the walk ended early.
pub(crate) fn outline(frame: &Frame<'_>) -> String {
    let mut packet = Packet::new();
    dissect(frame, Judge::ALL, &mut packet);
    let mut visitor = Outline {
        text: String::new(),
        path: Vec::new(),
    };
    visit(frame, &packet, &mut visitor);
    assert!(visitor.path.is_empty(), "every group and layer is closed");
    for found in packet.anomalies() {
        writeln!(visitor.text, "! {} at {}", found.anomaly, found.layer).unwrap();
    }
    if let Some(stopped) = packet.stopped() {
        writeln!(
            visitor.text,
            "stopped {} at {}: {}",
            stopped.protocol.name(),
            stopped.offset,
            stopped.reason
        )
        .unwrap();
    }
    visitor.text
}

/// The description of the bytes of an IPv4 datagram.
pub(crate) fn outline_ipv4(bytes: &[u8]) -> String {
    outline(&frame(LinkType::IPV4, bytes))
}

/// An IPv4 datagram of twenty bytes that carries nothing, right in every field.
pub(crate) const DATAGRAM: [u8; 20] = [
    0x45, 0, 0, 20, 0, 1, 0, 0, 64, 253, 0x65, 0xea, 10, 0, 0, 1, 10, 0, 0, 2,
];

/// True when the description has this line, or one that goes on behind it with a meaning.
pub(crate) fn has(text: &str, line: &str) -> bool {
    text.lines().any(|found| {
        found
            .strip_prefix(line)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
    })
}

/// Describes every prefix of a frame, as what a snaplen left of it and as a frame that was never
/// longer. A capture that cuts must not make anything look wrong.
pub(crate) fn assert_every_prefix_holds(link_type: LinkType, bytes: &[u8]) {
    let whole = outline(&frame(link_type, bytes));
    for len in 0..bytes.len() {
        let mut short = frame(link_type, bytes.get(..len).unwrap());
        outline(&short);
        short.wire_len = u32::try_from(bytes.len()).unwrap();
        for line in outline(&short).lines().filter(|line| line.starts_with('!')) {
            assert!(whole.contains(line), "{line} because of a cut at {len}");
        }
    }
}

struct Outline {
    text: String,
    path: Vec<String>,
}

impl Visitor for Outline {
    fn layer(&mut self, head: Head) -> bool {
        self.path.push(head.protocol.name().to_owned());
        true
    }

    fn field(&mut self, field: Field<'_>) {
        let path = self.path.join(".");
        let value = match field.value {
            Value::Number(value) => value.to_string(),
            Value::Hex(value, digits) => format!("0x{value:0width$x}", width = usize::from(digits)),
            Value::Signed(value) => value.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Ipv4(address) => std::net::Ipv4Addr::from(address).to_string(),
            Value::Ipv6(address) => std::net::Ipv6Addr::from(address).to_string(),
            Value::Mac(address) => address.map(|byte| format!("{byte:02x}")).join(":"),
            Value::Bytes(bytes) => bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .concat(),
            Value::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
            Value::Unknown => "?".to_owned(),
        };
        let dot = if field.name.is_empty() { "" } else { "." };
        write!(self.text, "{path}{dot}{} = {value}", field.name).unwrap();
        if let Some(meaning) = field.meaning {
            write!(self.text, " ({meaning})").unwrap();
        }
        self.text.push('\n');
    }

    fn open(&mut self, group: Group) {
        self.path.push(if group.shape == Shape::Item {
            format!("[{}]", group.label)
        } else {
            group.name.to_owned()
        });
    }

    fn close(&mut self, _: Shape) {
        self.path.pop();
    }

    fn end_layer(&mut self) {
        self.path.pop();
    }
}
