//! Tables of autonomous systems, mutated: they are read or refused, and whatever they answer, they
//! answer.

use std::net::Ipv4Addr;

use dotquad::survey::as_table::AsTable;

use super::{EDGES, Xorshift};

/// How many tables of each kind are tried.
const TRIED: usize = 30_000;

const ROWS: &[u8] = b"# remark\n1.0.0.0\t1.0.0.255\t64500\tAU\tEXAMPLE-ONE\r\n\
      1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n2001:db8::\t2001:db8::ff\t64502\tZZ\tSIX\n\
      16909056\t16909311\tAS64501\tUS\t\n4294967040\t4294967295\t4294967295\tZZ\tLAST\n";

/// A string of the MaxMind DB format: type 2 (format version 2.0, data section).
fn string(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("it is short");
    let mut bytes = match length {
        0..29 => vec![0x40 | length],
        _ => vec![0x5d, length - 29],
    };
    bytes.extend(text.bytes());
    bytes
}

/// A database of two nodes: addresses below 64.0.0.0 are of a system whose name is behind a
/// pointer, the next quarter is of one in a list, the rest is of nobody.
fn database() -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 0, 2];
    bytes.extend([0, 0, 2 + 16, 0, 0, 2 + 16 + 65]);
    bytes.extend([0; 16]);
    let data = bytes.len();
    bytes.push(0xe2);
    bytes.extend(string("autonomous_system_number"));
    bytes.extend([0xc4, 0, 0, 0xfb, 0xf4]);
    bytes.extend(string("autonomous_system_organization"));
    // A pointer of one byte and three bits, to the first key.
    bytes.extend([0x20, 0x01]);
    assert_eq!(bytes.len(), data + 65, "the second record leads here");
    bytes.extend([0x01, 0x04, 0xe1]);
    bytes.extend(string("asn"));
    bytes.extend(string("AS64501"));
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata: [(&str, Vec<u8>); 9] = [
        ("node_count", vec![0xc4, 0, 0, 0, 2]),
        ("record_size", vec![0xa2, 0, 24]),
        ("ip_version", vec![0xa2, 0, 4]),
        ("database_type", string("ASN")),
        ("languages", vec![0x00, 0x04]),
        ("binary_format_major_version", vec![0xa2, 0, 2]),
        ("binary_format_minor_version", vec![0xa2, 0, 0]),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("description", vec![0xe0]),
    ];
    bytes.push(0xe9);
    for (key, value) in metadata {
        bytes.extend(string(key));
        bytes.extend(value);
    }
    bytes
}

/// Whether the table was read; if so it is asked all over.
fn ask(bytes: Vec<u8>) -> bool {
    let Ok(table) = AsTable::read(bytes) else {
        return false;
    };
    for high in [0_u8, 1, 63, 64, 127, 128, 255] {
        for low in [0, 255] {
            let _ = table.system(Ipv4Addr::new(high, low, low, low));
        }
    }
    true
}

#[test]
fn any_table_is_read_or_refused() {
    let mut random = Xorshift(0x3c6e_f372_fe94_f82b);
    for whole in [ROWS.to_vec(), database()] {
        assert!(ask(whole.clone()), "the whole one is read");
        let mut read = 0;
        for _ in 0..TRIED {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(6) {
                let at = random.below(bytes.len());
                match random.below(5) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = EDGES[random.below(EDGES.len())],
                    2 => drop(bytes.remove(at)),
                    3 => bytes.insert(at, EDGES[random.below(EDGES.len())]),
                    _ => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
                }
            }
            read += u32::from(ask(bytes));
        }
        assert!(read > 1000, "{read} tables were read");
    }
}
