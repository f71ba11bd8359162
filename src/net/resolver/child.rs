//! The child's half: questions in, answers out, no power but that of asking name servers.
//!
//! Must not know what the names are for.

use std::env;
use std::io::{BufRead, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType};
use nix::libc;

use crate::error::{Error, Result};
use crate::net::sandbox::{Command, Sandbox};

/// Where the C library's resolver and its modules keep what they read: nsswitch.conf(5),
/// resolv.conf(5) and hosts(5), which may be links into /run; libraries; sockets and caches of
/// daemons that know names.
const PLACES: [&str; 10] = [
    "/etc",
    "/run",
    "/var/run",
    "/var/lib/sss",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
];

/// Variables that name one more of them (resolv.conf(5), hostname(7), ld.so(8)).
const NAMED: [&str; 3] = ["HOSTALIASES", "RESOLV_HOST_CONF", "LD_LIBRARY_PATH"];

/// Answers one question a line until the input ends, inside a sandbox of its own. To be called
/// before any other thread runs.
///
/// # Errors
///
/// [`crate::error::Kind::Usage`] when the sandbox cannot be entered or the input cannot be read;
/// `Write` or `ClosedPipe` when nobody takes the answers.
pub fn serve(input: impl BufRead, output: impl Write) -> Result<()> {
    let mut readable: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
    for name in NAMED {
        let value = env::var_os(name).unwrap_or_default();
        readable.extend(env::split_paths(&value).filter(|it| it.is_absolute()));
    }
    let sandbox = Sandbox {
        readable: &readable,
        ..Sandbox::new(Command::Resolver)
    };
    sandbox.enter()?;
    answer_all(input, output)
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
}
