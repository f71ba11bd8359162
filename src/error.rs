//! The one error: what we were doing, to what, why it failed and what to do about it.
//!
//! It knows nothing of exit codes or terminals; `main` turns a [`Kind`] into a code.

use std::fmt;
use std::io;
use std::path::Path;

/// What kind of failure this is: all that the exit code depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The words on the command line, or a permission, or something that cannot be opened.
    Usage,
    /// The input is damaged; whatever came before the damage has been handed on.
    Damaged,
    /// The output could not be written in full.
    Write,
    /// Whoever read our output has gone away: not a failure at all.
    ClosedPipe,
}

/// An error in one sentence: `doing: why (advice)`.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    doing: String,
    why: String,
    advice: Option<String>,
}

/// A result whose error is ours.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind; `doing` names the deed and its object, `why` the cause.
    pub fn new(kind: Kind, doing: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            kind,
            doing: doing.into(),
            why: in_words(why.to_string()),
            advice: None,
        }
    }

    /// Wrong words, missing permission, nothing to open.
    pub fn usage(doing: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, doing, why)
    }

    /// Damaged input.
    pub fn damaged(doing: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::new(Kind::Damaged, doing, why)
    }

    /// A failed write; a closed pipe is told apart here, once.
    pub fn write(doing: impl Into<String>, why: &io::Error) -> Self {
        let kind = if why.kind() == io::ErrorKind::BrokenPipe {
            Kind::ClosedPipe
        } else {
            Kind::Write
        };
        Self::new(kind, doing, why)
    }

    /// The same error with a sentence that says what to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// A path as a message names it: what a terminal would obey is escaped, so that a hostile file name
/// is only odd to look at.
#[must_use]
pub fn named(path: &Path) -> String {
    let mut name = String::new();
    for character in path.to_string_lossy().chars() {
        if is_obeyed(character) {
            name.extend(character.escape_unicode());
        } else {
            name.push(character);
        }
    }
    name
}

/// Whether a terminal would do something else than show it.
fn is_obeyed(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Words that may quote anything; a line may end in them, as in a message that points at a place.
struct Harmless<'a>(&'a str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|it| is_obeyed(it) && !matches!(it, '\n' | '\t')) {
            let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
            f.write_str(before)?;
            let mut behind = behind.chars();
            if let Some(obeyed) = behind.next() {
                write!(f, "{}", obeyed.escape_unicode())?;
            }
            rest = behind.as_str();
        }
        f.write_str(rest)
    }
}

/// What the system's error says, without its number: that would stand where advice does.
fn in_words(why: String) -> String {
    match why.split_once(" (os error ") {
        Some((words, rest)) => match rest.split_once(')') {
            Some((_, rest)) => format!("{words}{rest}"),
            None => why,
        },
        None => why,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Harmless(&self.doing), Harmless(&self.why))?;
        match &self.advice {
            Some(advice) => write!(f, " ({})", Harmless(advice)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// A number of things, as a sentence has it: `1 frame`, `2 frames`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        many => format!("{many} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_the_system_is_no_advice() {
        let why = io::Error::from_raw_os_error(28);
        let error = Error::write("writing", &why).advice("make room");
        let said = error.to_string();
        assert!(!said.contains("os error"), "{said}");
        assert!(
            said.starts_with("writing: ") && said.ends_with(" (make room)"),
            "{said}"
        );
        assert_eq!(in_words("no (os error".to_owned()), "no (os error");
        assert_eq!(in_words("a (os error 5) b".to_owned()), "a b");
    }

    #[test]
    fn no_message_tells_a_terminal_what_to_do() {
        let error = Error::usage("reading a\u{1b}[2J", "\u{9b}b\nc").advice("\u{202e}d");
        let said = error.to_string();
        assert_eq!(said, "reading a\\u{1b}[2J: \\u{9b}b\nc (\\u{202e}d)");
    }
}
