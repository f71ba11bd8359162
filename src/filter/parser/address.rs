//! Numbers and addresses as the language writes them, from the text of one word.

use std::net::Ipv6Addr;

/// A number in C's notations (decimal, 0x, leading 0 for octal) or in binary (0b), if the word is
/// one; the error says what is wrong with its digits or size.
pub(super) fn number(word: &str) -> Option<Result<u32, String>> {
    let bytes = word.as_bytes();
    let (digits, radix) = match bytes {
        [b'0', b'x' | b'X', ..] => (word.get(2..)?, 16),
        [b'0', b'b' | b'B', ..] => (word.get(2..)?, 2),
        [b'0', _, ..] => (word.get(1..)?, 8),
        _ => (word, 10),
    };
    if digits.is_empty() {
        return None;
    }
    // A word such as 0bad is a name; 09 is a number with a mistake in it.
    let own = if radix == 8 { 10 } else { radix };
    if !digits.chars().all(|digit| digit.is_digit(own)) {
        return None;
    }
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Some(Err(format!("{word} is not an octal number")));
    }
    Some(u32::from_str_radix(digits, radix).map_err(|_| format!("{word} does not fit in 32 bits")))
}

/// One to four dotted decimal parts: their bytes from the left, and how many bits they are.
pub(super) fn dotted(word: &str) -> Option<Result<(u32, u32), String>> {
    let mut value = 0_u32;
    let mut bits = 0_u32;
    for part in word.split('.') {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) || bits == 32 {
            return None;
        }
        let Ok(byte) = part.parse::<u8>() else {
            return Some(Err(format!("{part} is more than 255")));
        };
        value = (value << 8) | u32::from(byte);
        bits += 8;
    }
    Some(Ok((value << (32 - bits), bits)))
}

/// An IPv6 address.
pub(super) fn ip6(word: &str) -> Option<u128> {
    word.parse::<Ipv6Addr>().ok().map(u128::from)
}

/// An Ethernet address: six parts of one or two hex digits, three of four, or twelve digits;
/// colons, dots and hyphens separate.
pub(super) fn ether(word: &str) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    let parts: Vec<&str> = word.split([':', '.', '-']).collect();
    let widths = match parts.len() {
        1 if word.len() == 12 => 12..=12,
        3 => 4..=4,
        6 => 1..=2,
        _ => return None,
    };
    let bytes_a_part = 6 / parts.len();
    for (part, place) in parts.iter().zip(address.chunks_exact_mut(bytes_a_part)) {
        let hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex || !widths.contains(&part.len()) {
            return None;
        }
        let value = u64::from_str_radix(part, 16).ok()?;
        let bytes = value.to_be_bytes();
        place.copy_from_slice(bytes.get(8 - bytes_a_part..)?);
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_all_bases() {
        for (word, expected) in [
            ("0", Some(Ok(0))),
            ("10", Some(Ok(10))),
            ("0x1F", Some(Ok(31))),
            ("017", Some(Ok(15))),
            ("0b101", Some(Ok(5))),
            ("4294967295", Some(Ok(u32::MAX))),
            ("ip", None),
            ("0bad", None),
            ("0x", None),
            ("", None),
        ] {
            assert_eq!(number(word), expected, "{word}");
        }
        assert!(matches!(number("08"), Some(Err(_))));
        assert!(matches!(number("4294967296"), Some(Err(_))));
    }

    #[test]
    fn short_nets_fill_from_the_left() {
        assert_eq!(dotted("10.1"), Some(Ok((0x0a01_0000, 16))));
        assert_eq!(dotted("10.1.2.3"), Some(Ok((0x0a01_0203, 32))));
        assert_eq!(dotted("10.1.2.3.4"), None);
        assert_eq!(dotted("10..1"), None);
        assert!(matches!(dotted("10.256"), Some(Err(_))));
    }

    #[test]
    fn every_notation_of_an_ethernet_address() {
        let expected = Some([1, 2, 0xab, 0xcd, 5, 6]);
        for word in [
            "1:2:ab:cd:5:6",
            "01-02-AB-CD-05-06",
            "01.02.ab.cd.05.06",
            "0102.abcd.0506",
            "0102abcd0506",
        ] {
            assert_eq!(ether(word), expected, "{word}");
        }
        for word in [
            "1:2:3:4:5",
            "1:2:3:4:5:678",
            "102.abcd.506",
            "g:2:3:4:5:6",
            "",
        ] {
            assert_eq!(ether(word), None, "{word}");
        }
    }
}
