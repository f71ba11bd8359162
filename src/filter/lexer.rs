//! Text to tokens: words, numbers, operators, each with its place.
//!
//! Knows no keyword but `and`, `or` and `not`; what a word means depends on where it stands and
//! is the parser's business.

use super::fault::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, name, number or address.
    Word,
    /// A word after a backslash: a name even where it spells a keyword. The span is the name's.
    Escaped,
    And,
    Or,
    Not,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Colon,
    Slash,
    Plus,
    Minus,
    Star,
    Percent,
    Ampersand,
    Pipe,
    Caret,
    ShiftLeft,
    ShiftRight,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// Past the last token.
    End,
}

/// A token and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// All tokens, the last one [`Kind::End`]; or the place of a character that starts none.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Span> {
    let bytes = text.as_bytes();
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    // Inside brackets a colon separates offset and size; outside it is part of an address.
    let mut brackets = 0_u32;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let (kind, length) = match (byte, next) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {
                at += 1;
                continue;
            }
            (b'(', _) => (Kind::LeftParen, 1),
            (b')', _) => (Kind::RightParen, 1),
            (b'[', _) => {
                brackets = brackets.saturating_add(1);
                (Kind::LeftBracket, 1)
            }
            (b']', _) => {
                brackets = brackets.saturating_sub(1);
                (Kind::RightBracket, 1)
            }
            (b':', _) if brackets > 0 => (Kind::Colon, 1),
            (b'/', _) => (Kind::Slash, 1),
            (b'+', _) => (Kind::Plus, 1),
            (b'-', _) => (Kind::Minus, 1),
            (b'*', _) => (Kind::Star, 1),
            (b'%', _) => (Kind::Percent, 1),
            (b'^', _) => (Kind::Caret, 1),
            (b'&', Some(b'&')) => (Kind::And, 2),
            (b'&', _) => (Kind::Ampersand, 1),
            (b'|', Some(b'|')) => (Kind::Or, 2),
            (b'|', _) => (Kind::Pipe, 1),
            (b'!', Some(b'=')) => (Kind::NotEqual, 2),
            (b'!', _) => (Kind::Not, 1),
            (b'=', Some(b'=')) => (Kind::Equal, 2),
            (b'=', _) => (Kind::Equal, 1),
            (b'<', Some(b'<')) => (Kind::ShiftLeft, 2),
            (b'<', Some(b'=')) => (Kind::LessEqual, 2),
            (b'<', _) => (Kind::Less, 1),
            (b'>', Some(b'>')) => (Kind::ShiftRight, 2),
            (b'>', Some(b'=')) => (Kind::GreaterEqual, 2),
            (b'>', _) => (Kind::Greater, 1),
            (b'\\', _) => {
                let rest = bytes.get(at + 1..).unwrap_or_default();
                let length = rest
                    .iter()
                    .take_while(|b| !matches!(b, b' ' | b'!' | b'(' | b')' | b'\n' | b'\t'))
                    .count();
                if length == 0 {
                    return Err(Span {
                        start: at,
                        end: at + 1,
                    });
                }
                at += 1;
                (Kind::Escaped, length)
            }
            _ if in_word(byte, brackets) => {
                let rest = bytes.get(at..).unwrap_or_default();
                let previous = tokens.last().map(|token| token.kind);
                let length = word_length(rest, brackets, previous);
                let word = rest.get(..length).unwrap_or_default();
                let kind = match word {
                    b"and" => Kind::And,
                    b"or" => Kind::Or,
                    b"not" => Kind::Not,
                    _ => Kind::Word,
                };
                (kind, length)
            }
            _ => {
                let end = text
                    .get(at..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(at + 1, |character| at + character.len_utf8());
                return Err(Span { start: at, end });
            }
        };
        tokens.push(Token {
            kind,
            span: Span {
                start: at,
                end: at + length,
            },
        });
        at += length;
    }
    tokens.push(Token {
        kind: Kind::End,
        span: Span { start: at, end: at },
    });
    Ok(tokens)
}

fn in_word(byte: u8, brackets: u32) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'$')
        || (byte == b':' && brackets == 0)
}

/// The length of the word that starts `rest`.
fn word_length(rest: &[u8], brackets: u32, previous: Option<Kind>) -> usize {
    let mut length = rest
        .iter()
        .take_while(|&&byte| byte == b'-' || in_word(byte, brackets))
        .count();
    // A hyphen joins words (`ftp-data`, `80-90`), but it cannot end one.
    while length > 1 && rest.get(length - 1) == Some(&b'-') {
        length -= 1;
    }
    let word = rest.get(..length).unwrap_or_default();
    // In arithmetic `len-20` and `5-3` are subtractions; elsewhere they are a name and a range.
    if let Some(hyphen) = word.iter().position(|&byte| byte == b'-') {
        let head = word.get(..hyphen).unwrap_or_default();
        let digits = head.first().is_some_and(u8::is_ascii_digit);
        let named = previous == Some(Kind::Word) || previous == Some(Kind::Slash);
        if (head == b"len" && !named) || (digits && previous.is_some_and(wants_number)) {
            return hyphen;
        }
    }
    length
}

/// True after what only a number can follow.
fn wants_number(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::LeftBracket
            | Kind::Colon
            | Kind::Plus
            | Kind::Minus
            | Kind::Star
            | Kind::Percent
            | Kind::Ampersand
            | Kind::Pipe
            | Kind::Caret
            | Kind::ShiftLeft
            | Kind::ShiftRight
            | Kind::Equal
            | Kind::NotEqual
            | Kind::Less
            | Kind::LessEqual
            | Kind::Greater
            | Kind::GreaterEqual
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text)
            .unwrap_or_default()
            .iter()
            .map(|token| {
                text.get(token.span.start..token.span.end)
                    .unwrap_or_default()
            })
            .filter(|word| !word.is_empty())
            .collect()
    }

    #[test]
    fn colons_and_hyphens_depend_on_where_they_stand() {
        assert_eq!(
            words("ip[6:2]-20=0"),
            ["ip", "[", "6", ":", "2", "]", "-", "20", "=", "0"]
        );
        assert_eq!(words("host 2001:db8::1"), ["host", "2001:db8::1"]);
        assert_eq!(
            words("portrange 80-90 or 91-95"),
            ["portrange", "80-90", "or", "91-95"]
        );
        assert_eq!(words("len-20=5-3"), ["len", "-", "20", "=", "5", "-", "3"]);
        assert_eq!(
            words("port ftp-data&&!\\tcp"),
            ["port", "ftp-data", "&&", "!", "tcp"]
        );
        assert_eq!(words("host len-20"), ["host", "len-20"]);
    }

    #[test]
    fn a_foreign_character_is_pointed_at_whole() {
        assert_eq!(tokens("ip é"), Err(Span { start: 3, end: 5 }));
        assert_eq!(tokens("ip \\ x"), Err(Span { start: 3, end: 4 }));
    }
}
