//! The child's half: questions in, answers out, no power but that of asking name servers.
//!
//! Must not know what the names are for.

use std::io::{self, BufRead, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType};
use nix::libc;

use crate::error::{Error, Result};

/// Answers one question a line until the input ends, after giving up every capability.
///
/// # Errors
///
/// [`crate::error::Kind::Usage`] when capabilities cannot be given up or the input cannot be
/// read; `Write` or `ClosedPipe` when nobody takes the answers.
pub fn serve(input: impl BufRead, output: impl Write) -> Result<()> {
    give_up_privileges().map_err(|why| Error::usage("giving up privileges", why))?;
    answer_all(input, output)
}

/// What is given up is given up for the calling thread: the child has no other.
#[cfg(target_os = "linux")]
fn give_up_privileges() -> io::Result<()> {
    use caps::{CapSet, Capability};

    // Only who holds CAP_SETPCAP may empty the bounding set; for everyone else it stays, and
    // no_new_privs makes it harmless.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(io::Error::other)? {
        // One by one: an older kernel refuses to hear of capabilities it does not have.
        for capability in caps::runtime::thread_all_supported() {
            caps::drop(None, CapSet::Bounding, capability).map_err(io::Error::other)?;
        }
    }
    // A set cannot hold what the one before it must hold: ambient needs inheritable and
    // permitted, effective needs permitted.
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        caps::clear(None, set).map_err(io::Error::other)?;
    }
    nix::sys::prctl::set_no_new_privs()?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "there is nothing to give up here")]
fn give_up_privileges() -> io::Result<()> {
    Ok(())
}

pub(super) fn answer_all(mut input: impl BufRead, mut output: impl Write) -> Result<()> {
    let reading = |why| Error::usage("reading a question", why);
    let writing = |why| Error::write("writing an answer", &why);
    let mut question = String::new();
    while input.read_line(&mut question).map_err(reading)? > 0 {
        let answer = answer(question.trim_end_matches('\n'));
        output
            .write_all(format!("{answer}\n").as_bytes())
            .and_then(|()| output.flush())
            .map_err(writing)?;
        question.clear();
    }
    Ok(())
}

fn answer(question: &str) -> String {
    let answer = match question.split_once(' ') {
        Some(("a", name)) => addresses(name),
        Some(("p", address)) => match address.parse() {
            Ok(address) => name(address),
            Err(why) => Err(format!("{why}")),
        },
        _ => Err("not a question".to_owned()),
    };
    answer.unwrap_or_else(|reason| format!("!{}", reason.escape_debug()))
}

fn addresses(name: &str) -> Result<String, String> {
    let hints = AddrInfoHints {
        address: AddrFamily::Inet.into(),
        // One socket type, else every address comes once for each.
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let found = dns_lookup::getaddrinfo(Some(name), None, Some(hints)).map_err(|it| reason(&it))?;
    let mut addresses: Vec<String> = Vec::new();
    for info in found {
        let address = info.map_err(|why| why.to_string())?.sockaddr.ip();
        let text = address.to_string();
        if address.is_ipv4() && !addresses.contains(&text) {
            addresses.push(text);
        }
    }
    if addresses.is_empty() {
        return Err("the name has no IPv4 address".to_owned());
    }
    Ok(addresses.join(" "))
}

/// The name of an address, printable ASCII whatever the name server put into it; empty if none.
fn name(address: Ipv4Addr) -> Result<String, String> {
    // An address without a name is to be an error and not digits; the port is of no interest.
    let flags = libc::NI_NAMEREQD | libc::NI_NUMERICSERV;
    let address = SocketAddr::new(IpAddr::V4(address), 0);
    match dns_lookup::getnameinfo(&address, flags) {
        Ok((name, _)) => Ok(escaped(&name)),
        Err(why) if is_absent(why.kind()) => Ok(String::new()),
        Err(why) => Err(reason(&why)),
    }
}

fn is_absent(kind: LookupErrorKind) -> bool {
    matches!(kind, LookupErrorKind::NoName | LookupErrorKind::NoData)
}

fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_graphic() {
            text.push(character);
        } else {
            text.extend(character.escape_unicode());
        }
    }
    text
}

fn reason(why: &LookupError) -> String {
    match why.kind() {
        LookupErrorKind::NoName => "the name does not exist".to_owned(),
        LookupErrorKind::NoData => "the name has no IPv4 address".to_owned(),
        LookupErrorKind::Again => "no name server answered".to_owned(),
        _ => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn conversation(questions: &str) -> Vec<String> {
        let mut answers = Vec::new();
        answer_all(questions.as_bytes(), &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        answers.lines().map(ToOwned::to_owned).collect()
    }

    /// The name /etc/hosts gives to 127.0.0.1: asking for anything else could send a packet.
    fn name_of_localhost() -> String {
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap();
        hosts
            .lines()
            .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>())
            .find_map(|words| match *words {
                ["127.0.0.1", name] => Some(name.to_owned()),
                _ => None,
            })
            .unwrap()
    }

    #[test]
    fn each_question_has_one_answer() {
        let name = name_of_localhost();
        let questions = format!("a 192.0.2.1\np 127.0.0.1\na {name}\n");
        assert_eq!(
            conversation(&questions),
            ["192.0.2.1", name.as_str(), "127.0.0.1"]
        );
    }

    #[test]
    fn nonsense_is_refused_and_the_next_question_answered() {
        let answers = conversation("\nx y\np\np ::1\np 192.0.2\na 192.0.2.1");
        let (last, refused) = answers.split_last().unwrap();
        assert_eq!(refused.len(), 5);
        assert!(refused.iter().all(|it| it.starts_with('!')), "{refused:?}");
        assert_eq!(last, "192.0.2.1");
    }

    #[test]
    fn a_name_cannot_break_the_line() {
        assert_eq!(escaped("a\nb \u{e9}"), r"a\u{a}b\u{20}\u{e9}");
        assert_eq!(escaped("host-1.example.org"), "host-1.example.org");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn no_capability_is_kept() {
        // Capabilities belong to threads: this one gives up its own and no other's.
        let status = std::thread::spawn(|| {
            give_up_privileges().unwrap();
            std::fs::read_to_string("/proc/thread-self/status").unwrap()
        });
        let status = status.join().unwrap();
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap().trim().to_owned()
        };
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(value(set), "0000000000000000", "{set}");
        }
        assert_eq!(value("NoNewPrivs:"), "1");
    }
}
