//! `dotquad interfaces`: the interfaces of this host, as a table or as NDJSON.
//!
//! Must not know how interfaces are found.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::text::Text;
use crate::error::{Error, Result};
use crate::net::interface::{Interface, interfaces};

/// How the list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// One line an interface, more where it has several addresses.
    #[default]
    Table,
    /// One JSON object a line and interface.
    Ndjson,
}

/// Writes the interfaces of this network namespace, ordered by index.
///
/// # Errors
///
/// [`crate::error::Kind::Usage`] when the kernel refuses to list them, `Write` or `ClosedPipe`
/// when `out` does not take them.
pub fn run(format: Format, out: &mut dyn Write) -> Result<()> {
    render(&interfaces()?, format, out).map_err(|why| Error::write("writing the interfaces", &why))
}

fn render(interfaces: &[Interface], format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => writeln!(out, "{}", table(interfaces).trim_fmt()),
        Format::Ndjson => interfaces
            .iter()
            .try_for_each(|interface| ndjson(interface, out)),
    }
}

fn table(interfaces: &[Interface]) -> Table {
    let mut table = Table::new();
    // Columns without lines between them: for eyes, and for awk.
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "Name",
            "Index",
            "State",
            "MAC",
            "IPv4",
            "IPv6",
            "MTU",
            "Link type",
        ]);
    for interface in interfaces {
        table.add_row([
            escaped(&interface.name),
            interface.index.to_string(),
            interface.state().name().to_owned(),
            or_dash(interface.mac),
            lines(&interface.ipv4),
            lines(&interface.ipv6),
            or_dash(interface.mtu),
            or_dash(interface.link_type),
        ]);
    }
    table
}

/// One object, its keys in the order of the table's columns.
fn ndjson(interface: &Interface, out: &mut dyn Write) -> io::Result<()> {
    let members = [
        ("name", json!(escaped(&interface.name))),
        ("index", json!(interface.index)),
        ("state", json!(interface.state().name())),
        ("mac", json!(interface.mac.map(|it| it.to_string()))),
        ("ipv4", texts(&interface.ipv4)),
        ("ipv6", texts(&interface.ipv6)),
        ("mtu", json!(interface.mtu)),
        (
            "link_type",
            json!(interface.link_type.map(|it| it.to_string())),
        ),
    ];
    for (place, (key, value)) in members.iter().enumerate() {
        let before = if place == 0 { '{' } else { ',' };
        write!(out, "{before}\"{key}\":{value}")?;
    }
    out.write_all(b"}\n")
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// One a line; a dash for none.
fn lines(values: &[impl Display]) -> String {
    let lines: Vec<_> = values.iter().map(ToString::to_string).collect();
    or_dash((!lines.is_empty()).then(|| lines.join("\n")))
}

fn texts(values: &[impl Display]) -> Value {
    values.iter().map(ToString::to_string).collect()
}

fn escaped(name: &OsStr) -> String {
    let mut text = Text::default();
    text.escaped(name.as_encoded_bytes());
    text.into_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::net::interface::{Flags, Mac, Prefix};
    use crate::wire::frame::LinkType;

    fn example() -> Vec<Interface> {
        let prefix = |address, bits| Prefix { address, bits };
        vec![
            Interface {
                name: "eth0".into(),
                index: 2,
                flags: Flags::default(),
                mac: Some(Mac([2, 0xfc, 0, 0, 0, 1])),
                ipv4: vec![
                    prefix([192, 0, 2, 2].into(), 24),
                    prefix([198, 51, 100, 7].into(), 32),
                ],
                ipv6: Vec::new(),
                mtu: Some(1400),
                link_type: Some(LinkType::ETHERNET),
            },
            Interface {
                name: OsStr::from_bytes(b"t\x1b[1m\xff").into(),
                index: 7,
                flags: Flags::default(),
                mac: None,
                ipv4: Vec::new(),
                ipv6: vec![Prefix {
                    address: "fe80::1".parse().unwrap(),
                    bits: 64,
                }],
                mtu: None,
                link_type: None,
            },
        ]
    }

    fn rendered(format: Format) -> String {
        let mut out = Vec::new();
        render(&example(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_columns_and_no_raw_control_bytes() {
        let text = rendered(Format::Table);
        let rows: Vec<Vec<_>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let expected = [
            "Name Index State MAC IPv4 IPv6 MTU Link type",
            "eth0 2 down 02:fc:00:00:00:01 192.0.2.2/24 - 1400 ETHERNET",
            "198.51.100.7/32",
            r"t\u{1b}[1m\xff 7 down - - fe80::1/64 - -",
        ];
        let expected: Vec<Vec<_>> = expected
            .iter()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows, expected);
        assert!(text.chars().all(|it| it == '\n' || !it.is_control()));
    }

    #[test]
    fn ndjson_is_one_object_a_line() {
        let text = rendered(Format::Ndjson);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                concat!(
                    r#"{"name":"eth0","index":2,"state":"down","mac":"02:fc:00:00:00:01","#,
                    r#""ipv4":["192.0.2.2/24","198.51.100.7/32"],"ipv6":[],"mtu":1400,"#,
                    r#""link_type":"ETHERNET"}"#
                ),
                concat!(
                    r#"{"name":"t\\u{1b}[1m\\xff","index":7,"state":"down","mac":null,"#,
                    r#""ipv4":[],"ipv6":["fe80::1/64"],"mtu":null,"link_type":null}"#
                ),
            ]
        );
        for line in lines {
            assert!(serde_json::from_str::<Value>(line).unwrap().is_object());
        }
    }

    #[test]
    fn a_name_in_another_script_is_left_as_it_is() {
        assert_eq!(escaped(OsStr::new("réseau-0")), "réseau-0");
        assert_eq!(escaped(OsStr::new("a\u{9b}b")), r"a\u{9b}b");
    }
}
