//! Tokens to the typed tree: operators, precedence, the omitted-qualifier rule.
//!
//! `not` binds tighter than `and` and `or`, which bind equally and to the left. A name or number
//! without qualifiers takes those of the primitive before it. Nesting is bounded, so that no
//! expression can exhaust the stack of any pass over its tree.

use std::sync::Arc;

use super::fault::{Fault, Span, SyntaxError};
use super::lexer::{self, Kind, Token};
use super::names;
use super::tree::{Arithmetic, Comparison, Node, Operator, Primitive};
use primitive::Qualifiers;

mod address;
mod host;
mod primitive;

/// The longest expression, in bytes.
const LONGEST: usize = 1 << 20;

/// How deep an expression may nest: parentheses, signs, and changes between `and` and `or`.
const DEEPEST: usize = 200;

type Result<T> = std::result::Result<T, SyntaxError>;

/// The tree of `text`; none when it is blank, which stands for every packet.
pub(super) fn parse(text: &Arc<str>) -> Result<Option<Node>> {
    let whole = Span {
        start: 0,
        end: text.len().min(LONGEST),
    };
    if text.len() > LONGEST {
        let message = format!(
            "the expression is too long: {} bytes, at most {LONGEST}",
            text.len()
        );
        return Err(SyntaxError(Fault::new(text, whole, message)));
    }
    let tokens = lexer::tokens(text)
        .map_err(|span| SyntaxError(Fault::new(text, span, "this character starts nothing")))?;
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        depth: 0,
        inherited: None,
    };
    if parser.kind() == Kind::End {
        return Ok(None);
    }
    let item = parser.expression()?;
    let node = parser.node(item)?;
    if parser.kind() != Kind::End {
        return Err(parser.unexpected("expected `and`, `or` or the end of the expression"));
    }
    Ok(Some(node.tree))
}

/// A part of the tree and how deep it nests.
struct Part<T> {
    tree: T,
    depth: usize,
}

/// What stands in one place: the language tells a boolean from a number only by what follows.
enum Item {
    Boolean(Part<Node>),
    Number(Part<Arithmetic>, Span),
}

struct Parser<'a> {
    text: &'a Arc<str>,
    tokens: Vec<Token>,
    at: usize,
    /// How many parentheses, brackets and signs are open.
    depth: usize,
    /// The qualifiers of the latest primitive, if it was one that has an id.
    inherited: Option<Qualifiers>,
}

impl Parser<'_> {
    fn token(&self) -> Token {
        let end = Span {
            start: self.text.len(),
            end: self.text.len(),
        };
        self.tokens.get(self.at).copied().unwrap_or(Token {
            kind: Kind::End,
            span: end,
        })
    }

    fn kind(&self) -> Kind {
        self.token().kind
    }

    /// Takes the token; the one at the end is never passed.
    fn advance(&mut self) -> Token {
        let token = self.token();
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    fn taken(&mut self, kind: Kind) -> bool {
        let found = self.kind() == kind;
        if found {
            self.advance();
        }
        found
    }

    /// The text of an unescaped word, if one is next.
    fn word(&self) -> Option<&str> {
        let token = self.token();
        (token.kind == Kind::Word).then(|| self.slice(token.span))
    }

    /// Takes the word if it is next.
    fn taken_word(&mut self, word: &str) -> bool {
        let found = self.word() == Some(word);
        if found {
            self.advance();
        }
        found
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    fn error(&self, span: Span, message: impl Into<String>) -> SyntaxError {
        SyntaxError(Fault::new(self.text, span, message))
    }

    /// An error at the next token.
    fn unexpected(&self, message: &str) -> SyntaxError {
        self.error(self.token().span, message)
    }

    fn expect(&mut self, kind: Kind, message: &str) -> Result<Token> {
        if self.kind() == kind {
            Ok(self.advance())
        } else {
            Err(self.unexpected(message))
        }
    }

    /// Goes one level deeper for the time of `inner`.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEEPEST {
            return Err(self.unexpected(&format!("nested too deeply: at most {DEEPEST} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// The part one level above `depth`, if that is still allowed.
    fn deeper<T>(&self, tree: T, depth: usize, span: Span) -> Result<Part<T>> {
        if depth >= DEEPEST {
            let message =
                format!("nested too deeply: at most {DEEPEST} levels; group with parentheses");
            return Err(self.error(span, message));
        }
        Ok(Part {
            tree,
            depth: depth + 1,
        })
    }

    /// Terms joined by `and` and `or`.
    fn expression(&mut self) -> Result<Item> {
        let mut left = self.term()?;
        while matches!(self.kind(), Kind::And | Kind::Or) {
            let first = self.node(left)?;
            let operator = self.advance();
            let right = self.term()?;
            let right = self.node(right)?;
            left = Item::Boolean(self.joined(operator, first, right)?);
        }
        Ok(left)
    }

    /// `left operator right`; equal operators in a row make one list, however long.
    fn joined(&self, operator: Token, left: Part<Node>, right: Part<Node>) -> Result<Part<Node>> {
        let depth = left.depth.max(right.depth);
        match (operator.kind, left.tree) {
            (Kind::And, Node::And(mut nodes)) => {
                nodes.push(right.tree);
                let depth = left.depth.max(right.depth + 1);
                self.deeper(Node::And(nodes), depth - 1, operator.span)
            }
            (Kind::Or, Node::Or(mut nodes)) => {
                nodes.push(right.tree);
                let depth = left.depth.max(right.depth + 1);
                self.deeper(Node::Or(nodes), depth - 1, operator.span)
            }
            (Kind::And, tree) => {
                self.deeper(Node::And(vec![tree, right.tree]), depth, operator.span)
            }
            (_, tree) => self.deeper(Node::Or(vec![tree, right.tree]), depth, operator.span),
        }
    }

    /// `not` any number of times, then a relation, a primitive or a group.
    fn term(&mut self) -> Result<Item> {
        let start = self.token().span;
        let mut negated = false;
        let mut any = false;
        while self.taken(Kind::Not) {
            negated = !negated;
            any = true;
        }
        let item = self.relation()?;
        if !any {
            return Ok(item);
        }
        let part = self.node(item)?;
        if !negated {
            return Ok(Item::Boolean(part));
        }
        let node = Node::Not(Box::new(part.tree));
        Ok(Item::Boolean(self.deeper(node, part.depth, start)?))
    }

    /// A number compared with another, or whatever else stands there.
    fn relation(&mut self) -> Result<Item> {
        let left = self.arithmetic(0)?;
        let (Some(comparison), Item::Number(..)) = (comparison(self.kind()), &left) else {
            return Ok(left);
        };
        let operator = self.advance();
        let (left, from) = self.number(left)?;
        let right = self.arithmetic(0)?;
        let (right, to) = self.number(right)?;
        if super::parser::comparison(self.kind()).is_some() {
            return Err(self.unexpected("a comparison cannot be compared"));
        }
        self.inherited = None;
        let depth = left.depth.max(right.depth);
        let primitive = Primitive::Relation {
            left: left.tree,
            comparison,
            right: right.tree,
        };
        let node = Node::Primitive(primitive, from.to(to));
        Ok(Item::Boolean(self.deeper(node, depth, operator.span)?))
    }

    /// Operators that bind at least as tightly as `tightness`, by precedence climbing.
    fn arithmetic(&mut self, tightness: u8) -> Result<Item> {
        let mut left = self.operand()?;
        while let (Some((operator, level)), Item::Number(..)) = (operator(self.kind()), &left) {
            if level < tightness {
                break;
            }
            let sign = self.advance();
            let (first, from) = self.number(left)?;
            let right = self.arithmetic(level + 1)?;
            let (second, to) = self.number(right)?;
            left = self.combined(sign, operator, (first, from), (second, to))?;
        }
        Ok(left)
    }

    fn combined(
        &self,
        sign: Token,
        operator: Operator,
        (left, from): (Part<Arithmetic>, Span),
        (right, to): (Part<Arithmetic>, Span),
    ) -> Result<Item> {
        if let Arithmetic::Number(number) = right.tree {
            let message = match operator {
                Operator::Divide | Operator::Modulo if number == 0 => Some("division by zero"),
                Operator::ShiftLeft | Operator::ShiftRight if number > 31 => {
                    Some("a shift by more than 31 bits leaves nothing")
                }
                _ => None,
            };
            if let Some(message) = message {
                return Err(self.error(to, message));
            }
        }
        let span = from.to(to);
        // Constants fold here, so that they cost no depth.
        if let (Arithmetic::Number(first), Arithmetic::Number(second)) = (&left.tree, &right.tree)
            && let Some(number) = operator.apply(*first, *second)
        {
            return Ok(Item::Number(
                Part {
                    tree: Arithmetic::Number(number),
                    depth: 0,
                },
                span,
            ));
        }
        let depth = left.depth.max(right.depth);
        let tree = Arithmetic::Binary {
            operator,
            left: Box::new(left.tree),
            right: Box::new(right.tree),
        };
        Ok(Item::Number(self.deeper(tree, depth, sign.span)?, span))
    }

    /// A group, a sign, a number, an accessor or a primitive.
    fn operand(&mut self) -> Result<Item> {
        let token = self.token();
        match token.kind {
            Kind::LeftParen => self.nested(|parser| {
                parser.advance();
                let item = parser.expression()?;
                let close = parser.expect(Kind::RightParen, "expected `)`, `and` or `or`")?;
                Ok(match item {
                    Item::Number(part, _) => Item::Number(part, token.span.to(close.span)),
                    boolean @ Item::Boolean(_) => boolean,
                })
            }),
            Kind::Minus => self.nested(|parser| {
                parser.advance();
                let item = parser.operand()?;
                let (part, span) = parser.number(item)?;
                let span = token.span.to(span);
                Ok(match part.tree {
                    Arithmetic::Number(number) => {
                        let tree = Arithmetic::Number(number.wrapping_neg());
                        Item::Number(Part { tree, depth: 0 }, span)
                    }
                    tree => {
                        let tree = Arithmetic::Negate(Box::new(tree));
                        Item::Number(parser.deeper(tree, part.depth, token.span)?, span)
                    }
                })
            }),
            Kind::Word => self.word_operand(token),
            Kind::Escaped => Ok(Item::Boolean(self.inherited_id()?)),
            Kind::End => Err(self.unexpected("expected a primitive, such as `host 10.0.0.1`")),
            _ => Err(self.unexpected("expected a primitive or a number here")),
        }
    }

    fn word_operand(&mut self, token: Token) -> Result<Item> {
        let word = self.slice(token.span);
        let leaf = |tree| Ok(Item::Number(Part { tree, depth: 0 }, token.span));
        if let Some(number) = address::number(word) {
            let number = number.map_err(|message| self.error(token.span, message))?;
            self.advance();
            return leaf(Arithmetic::Number(number));
        }
        if word == "len" {
            self.advance();
            return leaf(Arithmetic::Length);
        }
        let constant = names::constant(word);
        let protocol = names::protocol(word);
        if let Some(number) = constant {
            self.advance();
            return leaf(Arithmetic::Number(number));
        }
        let bracket = self.tokens.get(self.at + 1).map(|next| next.kind);
        if let (Some(protocol), Some(Kind::LeftBracket)) = (protocol, bracket) {
            return self.accessor(token, protocol);
        }
        Ok(Item::Boolean(self.primitive()?))
    }

    /// `protocol[offset]` or `protocol[offset:size]`.
    fn accessor(&mut self, token: Token, protocol: names::Protocol) -> Result<Item> {
        let Some(layer) = protocol.layer() else {
            return Err(self.error(token.span, "bytes of this protocol cannot be addressed"));
        };
        self.advance();
        self.nested(|parser| {
            parser.advance();
            let offset = parser.arithmetic(0)?;
            let (offset, _) = parser.number(offset)?;
            let mut size = 1;
            if parser.taken(Kind::Colon) {
                let token = parser.token();
                size = match parser.word().map(address::number) {
                    Some(Some(Ok(1))) => 1,
                    Some(Some(Ok(2))) => 2,
                    Some(Some(Ok(4))) => 4,
                    _ => return Err(parser.error(token.span, "the size is 1, 2 or 4 bytes")),
                };
                parser.advance();
            }
            let close = parser.expect(Kind::RightBracket, "expected `]`, or `:` and a size")?;
            let tree = Arithmetic::Load {
                layer,
                offset: Box::new(offset.tree),
                size,
            };
            let span = token.span.to(close.span);
            Ok(Item::Number(
                parser.deeper(tree, offset.depth, token.span)?,
                span,
            ))
        })
    }

    /// The item as a boolean: a bare number is an id that takes the qualifiers before it.
    fn node(&mut self, item: Item) -> Result<Part<Node>> {
        match item {
            Item::Boolean(part) => Ok(part),
            Item::Number(
                Part {
                    tree: Arithmetic::Number(_),
                    ..
                },
                span,
            ) => {
                let Some(qualifiers) = self.inherited.clone() else {
                    let message = "this number qualifies nothing: expected a comparison after it, \
                                   or a word such as `port` before it";
                    return Err(self.error(span, message));
                };
                let word = self.slice(span).trim_matches(['(', ')', ' ']).to_owned();
                self.identified(&qualifiers, &word, span, false)
            }
            Item::Number(_, span) => Err(self.error(
                span,
                "a number alone is neither true nor false: expected a comparison",
            )),
        }
    }

    fn number(&self, item: Item) -> Result<(Part<Arithmetic>, Span)> {
        match item {
            Item::Number(part, span) => Ok((part, span)),
            Item::Boolean(_) => {
                let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
                let span = before.map_or(self.token().span, |token| token.span);
                Err(self.error(span, "expected a number here"))
            }
        }
    }
}

fn comparison(kind: Kind) -> Option<Comparison> {
    Some(match kind {
        Kind::Equal => Comparison::Equal,
        Kind::NotEqual => Comparison::NotEqual,
        Kind::Less => Comparison::Less,
        Kind::LessEqual => Comparison::LessEqual,
        Kind::Greater => Comparison::Greater,
        Kind::GreaterEqual => Comparison::GreaterEqual,
        _ => return None,
    })
}

/// The operator and how tightly it binds: C's order.
fn operator(kind: Kind) -> Option<(Operator, u8)> {
    Some(match kind {
        Kind::Pipe => (Operator::Or, 1),
        Kind::Caret => (Operator::Xor, 2),
        Kind::Ampersand => (Operator::And, 3),
        Kind::ShiftLeft => (Operator::ShiftLeft, 4),
        Kind::ShiftRight => (Operator::ShiftRight, 4),
        Kind::Plus => (Operator::Add, 5),
        Kind::Minus => (Operator::Subtract, 5),
        Kind::Star => (Operator::Multiply, 6),
        Kind::Slash => (Operator::Divide, 6),
        Kind::Percent => (Operator::Modulo, 6),
        _ => return None,
    })
}
