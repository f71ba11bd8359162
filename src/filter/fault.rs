//! What is wrong with an expression, and where: the text, a caret under the place, what was
//! expected there.
//!
//! Knows nothing of the language; a place is a range of bytes in the text.

use std::fmt;
use std::sync::Arc;

/// A range of bytes in an expression's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// How many characters of a long expression are shown around the place.
const WINDOW: usize = 72;

/// Something said about one place of one expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    text: Arc<str>,
    span: Span,
    message: String,
}

impl Fault {
    pub(super) fn new(text: &Arc<str>, span: Span, message: impl Into<String>) -> Self {
        Self {
            text: Arc::clone(text),
            span,
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    /// Three lines: the message, the expression (its neighbourhood, when it is long), the caret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Characters, not bytes, so that the caret stands right under non-ASCII text; control
        // characters could move a terminal's cursor and are shown as one mark each.
        let mut shown = Vec::new();
        let mut first = None;
        let mut last = 0;
        for (at, character) in self.text.char_indices() {
            if at >= self.span.start && first.is_none() {
                first = Some(shown.len());
            }
            if at < self.span.end {
                last = shown.len();
            }
            shown.push(if character.is_control() {
                '\u{fffd}'
            } else {
                character
            });
        }
        let first = first.unwrap_or(shown.len());
        let length = last.saturating_sub(first).saturating_add(1).min(WINDOW / 2);
        let from = if shown.len() <= WINDOW {
            0
        } else {
            first.saturating_sub(WINDOW / 3)
        };
        let part: String = shown.iter().skip(from).take(WINDOW).collect();
        let (before, after) = (
            if from > 0 { "…" } else { "" },
            if shown.len() > from.saturating_add(WINDOW) {
                "…"
            } else {
                ""
            },
        );
        let column = first - from + before.chars().count();
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {before}{part}{after}")?;
        write!(f, "  {}{}", " ".repeat(column), "^".repeat(length.max(1)))
    }
}

/// An expression that is not in the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError(pub(super) Fault);

/// An expression that is in the language, but not for this link type, target or resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError(pub(super) Fault);

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SyntaxError {}
impl std::error::Error for CompileError {}

impl From<SyntaxError> for crate::Error {
    fn from(error: SyntaxError) -> Self {
        Self::usage("reading the filter", error)
    }
}

impl From<CompileError> for crate::Error {
    fn from(error: CompileError) -> Self {
        Self::usage("compiling the filter", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, start: usize, end: usize) -> String {
        Fault::new(&Arc::from(text), Span { start, end }, "no").to_string()
    }

    #[test]
    fn the_caret_stands_under_the_word() {
        assert_eq!(
            shown("tcp port htpp", 9, 13),
            "no\n  tcp port htpp\n           ^^^^"
        );
        assert_eq!(shown("tcp", 3, 3), "no\n  tcp\n     ^");
        assert_eq!(shown("", 0, 0), "no\n  \n  ^");
        assert_eq!(shown("é x", 3, 4), "no\n  é x\n    ^");
    }

    #[test]
    fn a_long_expression_is_shown_around_the_place() {
        let text = format!("{}x{}", "a ".repeat(200), " b".repeat(200));
        let message = shown(&text, 400, 401);
        let lines: Vec<&str> = message.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 80));
        let column = lines
            .last()
            .and_then(|line| line.chars().position(|c| c == '^'));
        let word = lines
            .get(1)
            .and_then(|line| line.chars().position(|c| c == 'x'));
        assert_eq!(column, word);
    }
}
