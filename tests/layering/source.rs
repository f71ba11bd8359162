//! Reads Rust as far as the laws need it: words with their lines, and the paths they form.
//!
//! No parser: comments and literals are blanked, the rest is cut into words. That a path may hide
//! in a macro's expansion is accepted.

/// A word or a mark, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// An identifier, `::`, or a single character.
    pub(crate) text: &'a str,
    /// 1-based.
    pub(crate) line: usize,
}

/// A path as it is written, groups spread out: `use a::{b, c::d}` is `a::b` and `a::c::d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    /// Its segments, the first of them unqualified.
    pub(crate) segments: Vec<&'a str>,
    /// Where its first segment stands.
    pub(crate) line: usize,
    /// How many inline modules it stands in.
    pub(crate) inline: usize,
}

/// The source with comments and literals blanked; lines stay where they are.
pub(crate) fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            '\'' => character(rest),
            'r' | 'b' | 'c' if !out.ends_with(is_word) => literal(rest),
            _ => 0,
        };
        if skipped == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let blank = |c| if c == '\n' { '\n' } else { ' ' };
            out.extend(rest[..skipped].chars().map(blank));
            rest = &rest[skipped..];
        }
    }
    out
}

/// The length of the block comment at the start, which may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of the string at the start.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of the character at the start, 0 if it is a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest.char_indices().skip(1);
    match inside.next() {
        // The escaped character itself may be a quote.
        Some((_, '\\')) => rest[3..].find('\'').map_or(rest.len(), |end| end + 4),
        Some(_) => match inside.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// The length of the prefixed literal at the start, 0 if there is none.
fn literal(rest: &str) -> usize {
    let prefix = rest.len() - rest.trim_start_matches(['r', 'b', 'c']).len();
    let raw = rest[..prefix].ends_with('r');
    let quoted = &rest[prefix..];
    let hashes = quoted.len() - quoted.trim_start_matches('#').len();
    if raw && quoted[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let from = prefix + hashes + 1;
        return rest[from..]
            .find(&end)
            .map_or(rest.len(), |at| from + at + end.len());
    }
    match quoted.chars().next() {
        Some('"') if prefix <= 2 => prefix + string(quoted),
        Some('\'') if &rest[..prefix] == "b" => prefix + character(quoted),
        _ => 0,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Cuts code into tokens.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            out.push(Token { text, line });
            rest = after.trim_start();
        }
    }
    out
}

/// All paths of two segments or more, and `use` of a single name.
pub(crate) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Path<'a>> {
    let mut out = Vec::new();
    // For each open brace, whether it is a module's.
    let mut braces: Vec<bool> = Vec::new();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let mut next = at + 1;
        match token.text {
            "{" => braces.push(at >= 2 && text(at - 2) == "mod"),
            "}" => drop(braces.pop()),
            word if word.starts_with(is_word) => {
                let used = at > 0 && text(at - 1) == "use";
                if text(next) == "::" || used {
                    let inline = braces.iter().filter(|module| **module).count();
                    let mut found = Vec::new();
                    next = tree(tokens, at, &[], &mut found);
                    out.extend(found.into_iter().map(|segments| Path {
                        segments,
                        line: token.line,
                        inline,
                    }));
                }
            }
            _ => {}
        }
        at = next;
    }
    out
}

/// Spreads out the path that starts at `at`; answers where it ends.
fn tree<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    out: &mut Vec<Vec<&'a str>>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut segments = before.to_vec();
    loop {
        match text(at) {
            "{" => {
                at += 1;
                while !matches!(text(at), "}" | "") {
                    at = match text(at) {
                        "," => at + 1,
                        _ => tree(tokens, at, &segments, out).max(at + 1),
                    };
                }
                return at + 1;
            }
            word if word.starts_with(is_word) || word == "*" => {
                segments.push(word);
                at += 1;
            }
            // Generic arguments, a macro's repetition: the path has said enough.
            _ => break,
        }
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if text(at) == "as" {
        at += 2;
    }
    out.push(segments);
    at
}
