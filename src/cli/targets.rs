//! Whom to probe: what was typed becomes a set of addresses.
//!
//! Knows words, files of words, and whom to ask for a name's address. What only looks like an
//! address is refused and never looked up: a name server would make something of it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::path::Path;

use crate::error::{Error, Result, named};
use crate::net::resolver::Resolver;
use crate::probe::targets::Targets;

/// The longest line of a file that is looked at: no name is longer (RFC 1035 section 2.3.4).
const LINE: u64 = 1024;

/// Whom to ask.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// All of them.
    pub(super) targets: Targets,
    /// What was typed for one that was not typed as its address, by index.
    pub(super) labels: HashMap<u32, String>,
    /// Addresses that were named one by one.
    pub(super) named: Vec<Ipv4Addr>,
    /// Names that have no address, and why.
    pub(super) unresolved: Vec<Error>,
    /// They were typed as several: more than one word, a network, a range or a file.
    pub(super) listed: bool,
    /// Who looked names up, if anybody had to.
    pub(super) resolver: Option<Resolver>,
}

/// What a word stands for.
#[derive(Debug, PartialEq, Eq)]
enum Meant<'a> {
    One(Ipv4Addr),
    Range(Ipv4Addr, Ipv4Addr),
    Name(&'a str),
}

/// Collects ranges and names.
#[derive(Debug, Default)]
struct Collection {
    ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    labels: Vec<(Ipv4Addr, String)>,
    chosen: Chosen,
}

/// The targets that these words mean.
///
/// # Errors
/// A word or a line of a file that means none, a file that cannot be read, more targets than a
/// set holds, or when all of them are names without an address.
pub(super) fn choose(words: &[String]) -> Result<Chosen> {
    let mut all = Collection::default();
    all.chosen.listed = words.len() > 1;
    for word in words {
        match word.strip_prefix('@') {
            Some(file) => {
                all.chosen.listed = true;
                all.file(file)?;
            }
            None => all.word(word, &|why| wrong(word, &why))?,
        }
    }
    let Collection {
        ranges,
        labels,
        mut chosen,
    } = all;
    if ranges.is_empty() {
        return Err(chosen.unresolved.into_iter().next().unwrap_or_else(|| {
            Error::usage("reading the targets", "there is none").advice("name a host")
        }));
    }
    chosen.targets = Targets::new(ranges).ok_or_else(|| {
        let most = Targets::MOST;
        Error::usage("reading the targets", format!("more than {most}"))
            .advice("take one part after the other")
    })?;
    let targets = &chosen.targets;
    let labels = labels.into_iter();
    chosen.labels = labels
        .filter_map(|(address, label)| Some((targets.index_of(address)?, label)))
        .collect();
    Ok(chosen)
}

/// The address of one word that must mean one.
///
/// # Errors
/// As [`choose`].
pub(super) fn one(word: &str) -> Result<Ipv4Addr> {
    let chosen = choose(&[word.to_owned()])?;
    match (chosen.targets.len(), chosen.targets.get(0)) {
        (1, Some(address)) => Ok(address),
        _ => Err(wrong(word, "one address is wanted here")),
    }
}

fn wrong(word: &str, why: &str) -> Error {
    Error::usage(format!("reading the target {}", word.escape_debug()), why)
        .advice("a name, 10.0.0.1, 10.0.0.0/24, 10.0.0.1-10.0.0.9 or @FILE")
}

impl Collection {
    fn word(&mut self, word: &str, wrong: &dyn Fn(String) -> Error) -> Result<()> {
        match meaning(word).map_err(wrong)? {
            Meant::One(address) => {
                // "This host" (RFC 1122 section 3.2.1.3) answers from its loopback address.
                let address = if address.is_unspecified() {
                    Ipv4Addr::LOCALHOST
                } else {
                    address
                };
                if address.to_string() != word {
                    self.labels.push((address, word.to_owned()));
                }
                self.chosen.named.push(address);
                self.ranges.push((address, address));
            }
            Meant::Range(first, last) => {
                self.chosen.listed = true;
                self.ranges.push((first, last));
            }
            Meant::Name(name) => match self.resolve(name) {
                Ok(address) => {
                    self.labels.push((address, name.to_owned()));
                    self.chosen.named.push(address);
                    self.ranges.push((address, address));
                }
                Err(error) => self.chosen.unresolved.push(error),
            },
        }
        Ok(())
    }

    fn resolve(&mut self, name: &str) -> Result<Ipv4Addr> {
        let resolver = match &mut self.chosen.resolver {
            Some(resolver) => resolver,
            empty => empty.insert(Resolver::start()?),
        };
        let addresses = resolver.addresses(name)?;
        let none = || Error::usage(format!("resolving {name}"), "it has no IPv4 address");
        addresses.first().copied().ok_or_else(none)
    }

    /// One target a line; what follows `#` is a remark.
    fn file(&mut self, name: &str) -> Result<()> {
        let shown = if name == "-" {
            "standard input".to_owned()
        } else {
            named(Path::new(name))
        };
        let failed = |why: io::Error| Error::usage(format!("reading targets from {shown}"), why);
        let input: Box<dyn Read> = if name == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(name).map_err(failed)?)
        };
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            if input
                .by_ref()
                .take(LINE)
                .read_until(b'\n', &mut line)
                .map_err(failed)?
                == 0
            {
                break;
            }
            let place = |why: String| {
                let place = format!("reading line {number} of {shown}");
                Error::usage(place, why).advice("one target a line, # begins a remark")
            };
            if line.len() as u64 == LINE {
                return Err(place("it is too long for a name".to_owned()));
            }
            let text =
                std::str::from_utf8(&line).map_err(|_| place("this is no text".to_owned()))?;
            // Some editors begin a file with a byte order mark.
            let mark = if number == 1 { "\u{feff}" } else { "" };
            let text = text
                .strip_prefix(mark)
                .unwrap_or(text)
                .split('#')
                .next()
                .unwrap_or_default();
            for word in text.split_whitespace() {
                let quoted = |why| place(format!("{}: {why}", word.escape_debug()));
                if word.starts_with('@') {
                    return Err(quoted("a file names no other".to_owned()));
                }
                self.word(word, &quoted)?;
            }
        }
        Ok(())
    }
}

/// What one word means.
fn meaning(word: &str) -> Result<Meant<'_>, String> {
    if word.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some((address, bits)) = word.split_once('/') {
        let address = dotted(address)?;
        let bits: u8 = bits
            .parse()
            .ok()
            .filter(|bits| *bits <= 32)
            .ok_or("a network has 0 to 32 bits behind its slash")?;
        let (first, last) = Targets::network(address, bits);
        return Ok(Meant::Range(first, last));
    }
    if let Some((first, last)) = word.split_once('-')
        && is_numeric(first)
        && is_numeric(last)
    {
        let first = dotted(first)?;
        let last = if last.contains('.') {
            dotted(last)?
        } else {
            let [a, b, c, _] = first.octets();
            let d = last.parse().map_err(|_| format!("{last} is above 255"))?;
            Ipv4Addr::new(a, b, c, d)
        };
        if last < first {
            return Err("its end is below its beginning".to_owned());
        }
        return Ok(Meant::Range(first, last));
    }
    if is_numeric(word) {
        return dotted(word).map(Meant::One);
    }
    if word.contains(':') {
        return Err("this is no IPv4 address, and IPv4 is all that is spoken here".to_owned());
    }
    Ok(Meant::Name(word))
}

/// Nothing but digits and dots: never a name.
fn is_numeric(word: &str) -> bool {
    let mut bytes = word.bytes();
    !word.is_empty() && bytes.all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// One to four numbers; the last fills what the others leave, as inet_aton(3) has it. A leading
/// zero is refused: some take what follows as octal.
fn dotted(word: &str) -> Result<Ipv4Addr, String> {
    if !is_numeric(word) {
        return Err(format!("{} is no address", word.escape_debug()));
    }
    let parts: Vec<&str> = word.split('.').collect();
    let Some((last, before)) = parts.split_last().filter(|(_, before)| before.len() < 4) else {
        return Err("an address has four numbers at most".to_owned());
    };
    let mut address = 0_u32;
    for part in &parts {
        if part.is_empty() {
            return Err("a number is missing between the dots".to_owned());
        }
        if part.len() > 1 && part.starts_with('0') {
            return Err(format!("{part} is octal to some and decimal to others"));
        }
    }
    let above = |part: &str, most: u32| format!("{part} is above {most}");
    for part in before {
        let octet: u8 = part.parse().map_err(|_| above(part, 255))?;
        address = (address << 8) | u32::from(octet);
    }
    // One number alone has all 32 bits.
    let bits = 32_u32.saturating_sub(u32::try_from(before.len()).unwrap_or(0) * 8);
    let most = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
    let rest: u32 = last
        .parse()
        .ok()
        .filter(|rest| *rest <= most)
        .ok_or_else(|| above(last, most))?;
    Ok(Ipv4Addr::from_bits(
        address.checked_shl(bits).unwrap_or(0) | rest,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn words_and_what_they_mean() {
        let range = |first, last| Ok(Meant::Range(ip(first), ip(last)));
        assert_eq!(meaning("10.0.0.1"), Ok(Meant::One(ip("10.0.0.1"))));
        assert_eq!(meaning("10.0.0.0/29"), range("10.0.0.1", "10.0.0.6"));
        assert_eq!(meaning("10.0.0.1-10.0.1.2"), range("10.0.0.1", "10.0.1.2"));
        assert_eq!(meaning("10.0.0.1-9"), range("10.0.0.1", "10.0.0.9"));
        assert_eq!(meaning("my-host"), Ok(Meant::Name("my-host")));
        assert_eq!(meaning("3com.example"), Ok(Meant::Name("3com.example")));
        // inet_aton(3) says what these are.
        assert_eq!(meaning("127.1"), Ok(Meant::One(ip("127.0.0.1"))));
        assert_eq!(meaning("10.1.258"), Ok(Meant::One(ip("10.1.1.2"))));
        assert_eq!(meaning("2130706433"), Ok(Meant::One(ip("127.0.0.1"))));
    }

    #[test]
    fn what_cannot_be_an_address_is_never_a_name() {
        for (word, why) in [
            ("192.168.34.442", "442 is above 255"),
            ("256.1.1.1", "256 is above 255"),
            ("4294967296", "4294967296 is above 4294967295"),
            ("127.16777216", "16777216 is above 16777215"),
            ("1.2.3.4.5", "an address has four numbers at most"),
            ("1..2.3", "a number is missing between the dots"),
            (".", "a number is missing between the dots"),
            ("010.0.0.1", "010 is octal to some and decimal to others"),
            ("10.0.0.1-300", "300 is above 255"),
            ("10.0.0.9-1", "its end is below its beginning"),
            ("10.0.0.0/33", "a network has 0 to 32 bits behind its slash"),
            ("host/24", "host is no address"),
            ("", "it is empty"),
        ] {
            assert_eq!(meaning(word), Err(why.to_owned()), "{word}");
        }
        assert!(meaning("::1").is_err());
    }

    #[test]
    fn a_mark_before_the_first_line_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts");
        std::fs::write(&file, "\u{feff}10.0.0.1\r\n10.0.0.2 # one\r\n").unwrap();
        let chosen = choose(&[format!("@{}", file.display())]).unwrap();
        assert_eq!(chosen.named, [ip("10.0.0.1"), ip("10.0.0.2")]);
    }

    #[test]
    fn targets_are_a_set_with_labels() {
        let words = ["10.0.0.3", "10.0.0.0/30", "127.1"].map(String::from);
        let chosen = choose(&words).unwrap();
        assert_eq!(chosen.targets.len(), 4);
        assert_eq!(chosen.labels, HashMap::from([(3, "127.1".to_owned())]));
        assert_eq!(chosen.named, [ip("10.0.0.3"), ip("127.0.0.1")]);
    }
}
