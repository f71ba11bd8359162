//! One value as it was typed, on the command line or in a spec file, and how it becomes a number,
//! an address or bytes. Every refusal names the field, the value and what it may be.

use std::net::Ipv4Addr;

use crate::error::{Error, Result};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// What messages call the field: `--ttl`, or `ipv4.ttl`.
    pub(super) name: String,
    pub(super) value: Typed,
}

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    Text(String),
    Number(i64),
    Bool(bool),
    List(Vec<String>),
}

impl Given {
    pub(super) fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: Typed::Text(text.into()),
        }
    }

    /// The refusal of this value.
    pub(super) fn refuse(&self, range: &str) -> Error {
        let value = match &self.value {
            Typed::Text(text) => format!("{text:?}"),
            Typed::Number(number) => number.to_string(),
            Typed::Bool(bool) => bool.to_string(),
            Typed::List(list) => format!("{list:?}"),
        };
        Error::usage(
            format!("reading {}", self.name),
            format!("{value} is not {range}"),
        )
    }

    /// A number from 0 to `most`: decimal, or hexadecimal behind 0x.
    pub(super) fn number(&self, most: u64) -> Result<u64> {
        let number = match &self.value {
            Typed::Number(number) => u64::try_from(*number).ok(),
            Typed::Text(text) => number(text),
            Typed::Bool(_) | Typed::List(_) => None,
        };
        number
            .filter(|number| *number <= most)
            .ok_or_else(|| self.refuse(&format!("a number from 0 to {most}")))
    }

    pub(super) fn string(&self) -> Result<&str> {
        match &self.value {
            Typed::Text(text) => Ok(text),
            _ => Err(self.refuse("text")),
        }
    }

    /// The words of a list; a single text is a list of one.
    pub(super) fn words(&self) -> Result<Vec<Self>> {
        let words = match &self.value {
            Typed::Text(text) => std::slice::from_ref(text),
            Typed::List(list) => list.as_slice(),
            _ => return Err(self.refuse("a list of words")),
        };
        let words = words.iter().map(|word| Self::text(&self.name, word));
        Ok(words.collect())
    }

    /// Bytes from hexadecimal digits; blanks, colons and a leading 0x are passed over.
    pub(super) fn hex(&self) -> Result<Vec<u8>> {
        let text = self.string()?;
        hex(text).ok_or_else(|| self.refuse("bytes in hexadecimal, two digits each"))
    }
}

/// A value a field can hold.
pub(super) trait Value: Sized {
    /// Reads it; `most` is the largest number there is room for.
    fn read(given: &Given, most: u64) -> Result<Self>;

    /// How a spec file says it; None where there is nothing to say.
    fn show(&self, hexadecimal: bool) -> Option<String>;
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Value for $number {
            fn read(given: &Given, most: u64) -> Result<Self> {
                let most = most.min(u64::from(Self::MAX));
                Self::try_from(given.number(most)?).map_err(|_| given.refuse("small enough"))
            }

            fn show(&self, hexadecimal: bool) -> Option<String> {
                Some(if hexadecimal {
                    format!("0x{:0width$x}", self, width = size_of::<Self>() * 2)
                } else {
                    self.to_string()
                })
            }
        })*
    };
}
numbers! { u8 u16 u32 }

impl Value for bool {
    fn read(given: &Given, _: u64) -> Result<Self> {
        match &given.value {
            Typed::Bool(bool) => Ok(*bool),
            Typed::Text(text) if text == "true" => Ok(true),
            Typed::Text(text) if text == "false" => Ok(false),
            _ => Err(given.refuse("true or false")),
        }
    }

    fn show(&self, _: bool) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for Ipv4Addr {
    fn read(given: &Given, _: u64) -> Result<Self> {
        let text = given.string()?;
        text.parse()
            .map_err(|_| given.refuse("an IPv4 address such as 192.0.2.1"))
    }

    fn show(&self, _: bool) -> Option<String> {
        Some(format!("\"{self}\""))
    }
}

impl Value for [u8; 6] {
    fn read(given: &Given, _: u64) -> Result<Self> {
        mac(given.string()?).ok_or_else(|| given.refuse("a MAC address such as 02:00:00:00:00:01"))
    }

    fn show(&self, _: bool) -> Option<String> {
        let pairs = self.map(|byte| format!("{byte:02x}"));
        Some(format!("\"{}\"", pairs.join(":")))
    }
}

impl<T: Value> Value for Option<T> {
    fn read(given: &Given, most: u64) -> Result<Self> {
        T::read(given, most).map(Some)
    }

    fn show(&self, hexadecimal: bool) -> Option<String> {
        self.as_ref().and_then(|value| value.show(hexadecimal))
    }
}

/// A number in decimal, or in hexadecimal behind 0x; no sign, no blanks.
pub(super) fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix).ok().filter(|_| plain)
}

/// Six pairs of hexadecimal digits between colons.
pub(super) fn mac(text: &str) -> Option<[u8; 6]> {
    let pairs: Vec<u8> = text
        .split(':')
        .map(|pair| {
            u8::from_str_radix(pair, 16)
                .ok()
                .filter(|_| pair.len() == 2 && !pair.starts_with('+'))
        })
        .collect::<Option<_>>()?;
    pairs.try_into().ok()
}

/// Bytes from hexadecimal digits; blanks and colons between them are passed over.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits = text
        .chars()
        .filter(|digit| !digit.is_ascii_whitespace() && *digit != ':')
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<Vec<u8>>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Bytes as hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    let mut text = super::super::text::Text::default();
    text.hex_bytes(bytes);
    text.into_string()
}
