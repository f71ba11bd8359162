//! Primitives: qualifiers, then the id they qualify, or a word that stands for itself.

use super::address;
use super::{Kind, Parser, Part, Result, Span};
use crate::filter::names::{self, Protocol, services};
use crate::filter::tree::{Arithmetic, Comparison, Direction, Node, Primitive, Version};

/// What was said before an id, kept for the ids after it that say nothing.
#[derive(Debug, Clone)]
pub(super) struct Qualifiers {
    /// The protocol, and its word and place for messages.
    pub(super) protocol: Option<(Protocol, Span)>,
    pub(super) direction: Option<Direction>,
    pub(super) what: What,
}

/// What kind of thing an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing was said: a host, or a net if it has a length.
    Anything,
    Host,
    Net,
    Port,
    PortRange,
    Protocol,
    ProtocolChain,
    Gateway,
}

impl Parser<'_> {
    /// A primitive at the next word.
    pub(super) fn primitive(&mut self) -> Result<Part<Node>> {
        let start = self.token();
        let protocol = self
            .word()
            .and_then(names::protocol)
            .map(|word| (word, start.span));
        if protocol.is_some() {
            self.advance();
        } else if let Some(part) = self.standalone()? {
            return Ok(part);
        }
        if let Some(node) = self.cast(protocol)? {
            return Ok(self.leaf(node, start.span));
        }
        let said = self.token();
        let direction = self.direction();
        let what = self.what();
        match (protocol, direction, what) {
            (None, None, None) => self.inherited_id(),
            (Some((protocol, span)), None, None) => {
                self.inherited = None;
                let Some(primitive) = abbreviation(protocol) else {
                    if self
                        .word()
                        .is_some_and(|word| names::foreign(word).is_some())
                    {
                        return self.inherited_id();
                    }
                    let message = "the link layer alone says nothing: expected `host`, `proto`, \
                                   `broadcast`, `multicast` or `[` after it";
                    return Err(self.error(span, message));
                };
                Ok(self.leaf(primitive, span))
            }
            (_, Some(_), Some(What::Protocol | What::ProtocolChain | What::Gateway)) => {
                Err(self.error(said.span, "this word takes no direction"))
            }
            _ => {
                let what = what.unwrap_or(What::Anything);
                let qualifiers = Qualifiers {
                    protocol,
                    direction,
                    what,
                };
                let mut part = self.id(&qualifiers)?;
                // The place of a primitive is all of it, qualifiers included.
                if let Node::Primitive(_, span) = &mut part.tree {
                    *span = span.to(start.span);
                }
                Ok(part)
            }
        }
    }

    /// The part that is this one primitive, up to the token just taken.
    pub(super) fn leaf(&self, primitive: Primitive, from: Span) -> Part<Node> {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let span = last.map_or(from, |token| from.to(token.span));
        Part {
            tree: Node::Primitive(primitive, span),
            depth: 1,
        }
    }

    /// `broadcast` and `multicast`, alone or of a protocol.
    fn cast(&mut self, protocol: Option<(Protocol, Span)>) -> Result<Option<Primitive>> {
        let multicast = match self.word() {
            Some("broadcast") => false,
            Some("multicast") => true,
            _ => return Ok(None),
        };
        let place = self.advance().span;
        self.inherited = None;
        match (
            protocol.map_or(Protocol::Link, |(protocol, _)| protocol),
            multicast,
        ) {
            (Protocol::Link, false) => Ok(Some(Primitive::EtherBroadcast)),
            (Protocol::Link, true) => Ok(Some(Primitive::EtherMulticast)),
            (Protocol::Network(names::IPV4), false) => Ok(Some(Primitive::IpBroadcast)),
            (Protocol::Network(names::IPV4), true) => Ok(Some(Primitive::IpMulticast)),
            (Protocol::Network(names::IPV6), true) => Ok(Some(Primitive::Ip6Multicast)),
            _ => Err(self.error(
                place,
                "only `ether`, `ip` and `ip6 multicast` have this word",
            )),
        }
    }

    /// A word that needs no qualifiers.
    fn standalone(&mut self) -> Result<Option<Part<Node>>> {
        let token = self.token();
        let Some(word) = self.word() else {
            return Ok(None);
        };
        let primitive = match word {
            "inbound" => self.plain(Primitive::Inbound),
            "outbound" => self.plain(Primitive::Outbound),
            "pppoed" => self.plain(Primitive::PppoeDiscovery),
            "llc" => self.llc(),
            "less" => self.length(Comparison::LessEqual)?,
            "greater" => self.length(Comparison::GreaterEqual)?,
            "ifindex" => {
                self.advance();
                Primitive::InterfaceIndex(self.required_number()?)
            }
            "vlan" => Primitive::Vlan(
                self.tag("VLAN id", 0xfff)?
                    .and_then(|id| id.try_into().ok()),
            ),
            "mpls" => Primitive::Mpls(self.tag("MPLS label", 0xf_ffff)?),
            "pppoes" => {
                let session = self.tag("PPPoE session id", 0xffff)?;
                Primitive::PppoeSession(session.and_then(|id| id.try_into().ok()))
            }
            "geneve" => Primitive::Geneve(self.tag("Geneve network identifier", 0xff_ffff)?),
            "vxlan" => Primitive::Vxlan(self.tag("VXLAN network identifier", 0xff_ffff)?),
            _ => return Ok(None),
        };
        self.inherited = None;
        Ok(Some(self.leaf(primitive, token.span)))
    }

    fn plain(&mut self, primitive: Primitive) -> Primitive {
        self.advance();
        primitive
    }

    /// `llc`, and the kind of control field that may follow.
    fn llc(&mut self) -> Primitive {
        self.advance();
        let kind = self.word().and_then(names::llc_control);
        if kind.is_some() {
            self.advance();
        }
        let (mask, bits) = kind.unwrap_or((0, 0));
        Primitive::Llc { mask, bits }
    }

    fn length(&mut self, comparison: Comparison) -> Result<Primitive> {
        self.advance();
        let right = Arithmetic::Number(self.required_number()?);
        Ok(Primitive::Relation {
            left: Arithmetic::Length,
            comparison,
            right,
        })
    }

    pub(super) fn required_number(&mut self) -> Result<u32> {
        let token = self.token();
        match self.word().and_then(address::number) {
            Some(Ok(number)) => {
                self.advance();
                Ok(number)
            }
            Some(Err(message)) => Err(self.error(token.span, message)),
            None => Err(self.unexpected("expected a number")),
        }
    }

    /// The number that may follow an encapsulation's word.
    fn tag(&mut self, name: &str, most: u32) -> Result<Option<u32>> {
        self.advance();
        if self.word().and_then(address::number).is_none() {
            return Ok(None);
        }
        let span = self.token().span;
        let number = self.required_number()?;
        if number > most {
            return Err(self.error(span, format!("no {name} is greater than {most}")));
        }
        Ok(Some(number))
    }

    /// `src`, `dst`, and the two joined.
    fn direction(&mut self) -> Option<Direction> {
        let (first, other) = match self.word()? {
            "src" => (Direction::Source, "dst"),
            "dst" => (Direction::Destination, "src"),
            _ => return None,
        };
        self.advance();
        let next = self.tokens.get(self.at + 1);
        let joined =
            next.is_some_and(|next| next.kind == Kind::Word && self.slice(next.span) == other);
        let direction = match self.kind() {
            Kind::Or if joined => Direction::Either,
            Kind::And if joined => Direction::Both,
            _ => return Some(first),
        };
        self.advance();
        self.advance();
        Some(direction)
    }

    fn what(&mut self) -> Option<What> {
        let what = match self.word()? {
            "host" => What::Host,
            "net" => What::Net,
            "port" => What::Port,
            "portrange" => What::PortRange,
            "proto" => What::Protocol,
            "protochain" => What::ProtocolChain,
            "gateway" => What::Gateway,
            _ => return None,
        };
        self.advance();
        Some(what)
    }

    /// An id with its own qualifiers: one, `not` one, or several in parentheses.
    fn id(&mut self, qualifiers: &Qualifiers) -> Result<Part<Node>> {
        self.inherited = Some(qualifiers.clone());
        let token = self.token();
        match token.kind {
            Kind::LeftParen | Kind::Not => self.nested(|parser| {
                let item = if token.kind == Kind::Not {
                    parser.term()?
                } else {
                    parser.operand()?
                };
                parser.node(item)
            }),
            Kind::Word | Kind::Escaped => {
                let word = self.slice(token.span).to_owned();
                self.advance();
                self.identified(qualifiers, &word, token.span, token.kind == Kind::Escaped)
            }
            _ => Err(self.unexpected(expected(qualifiers.what))),
        }
    }

    /// An id that takes the qualifiers of the primitive before it. An address says by itself what
    /// it is and may stand alone.
    pub(super) fn inherited_id(&mut self) -> Result<Part<Node>> {
        let token = self.token();
        let word = self.slice(token.span).to_owned();
        let address = matches!(address::dotted(&word), Some(Ok((_, bits))) if bits > 8)
            || address::ip6(&word).is_some();
        let qualifiers = match &self.inherited {
            Some(qualifiers) => qualifiers.clone(),
            None if address => Qualifiers {
                protocol: None,
                direction: None,
                what: What::Anything,
            },
            None => {
                let lower = word.to_ascii_lowercase();
                let keyword = names::protocol(&lower).is_some() && lower != word;
                let message = if keyword {
                    format!("keywords are in small letters: `{lower}`")
                } else if let Some(of) = names::foreign(&word) {
                    format!("`{word}` is not supported: it is of {of}")
                } else {
                    "this word is not a keyword, and nothing before it says what it names \
                     (such as `host` or `port`)"
                        .to_owned()
                };
                return Err(self.error(token.span, message));
            }
        };
        self.advance();
        self.inherited = Some(qualifiers.clone());
        self.identified(&qualifiers, &word, token.span, token.kind == Kind::Escaped)
    }

    /// The primitive that `word` makes under these qualifiers. An escaped word is a name.
    pub(super) fn identified(
        &mut self,
        qualifiers: &Qualifiers,
        word: &str,
        span: Span,
        escaped: bool,
    ) -> Result<Part<Node>> {
        let primitive = match qualifiers.what {
            What::Anything | What::Host | What::Net => {
                return self.host_or_net(qualifiers, word, span, escaped);
            }
            What::Port => {
                let (number, registered) = self.port(word, span, escaped)?;
                self.ports(qualifiers, number, number, registered)?
            }
            What::PortRange => {
                let (low, high) = self.port_range(word, span, escaped)?;
                self.ports(qualifiers, low, high, services::TCP | services::UDP)?
            }
            What::Protocol => self.protocol_number(qualifiers, word, span, escaped)?,
            What::ProtocolChain => {
                let version = self.version(qualifiers)?;
                Primitive::ProtocolChain {
                    version,
                    number: self.ip_number(word, span, escaped)?,
                }
            }
            What::Gateway => {
                if !escaped && (address::dotted(word).is_some() || address::ip6(word).is_some()) {
                    return Err(self.error(span, "a gateway is named by a host name"));
                }
                Primitive::Gateway {
                    name: word.to_owned(),
                }
            }
        };
        Ok(self.leaf(primitive, span))
    }

    /// A port and the transports its name is registered for.
    fn port(&self, word: &str, span: Span, escaped: bool) -> Result<(u16, u8)> {
        let both = services::TCP | services::UDP;
        if !escaped {
            match address::number(word) {
                Some(Ok(number)) => {
                    let port = u16::try_from(number)
                        .map_err(|_| self.error(span, "no port is greater than 65535"))?;
                    return Ok((port, both));
                }
                Some(Err(message)) => return Err(self.error(span, message)),
                None => {}
            }
        }
        names::service(word).ok_or_else(|| {
            self.error(
                span,
                format!("`{word}` is no known service: expected its name or a port number"),
            )
        })
    }

    fn port_range(&self, word: &str, span: Span, escaped: bool) -> Result<(u16, u16)> {
        // Names have hyphens too: the range is split where both sides are ports.
        for (at, _) in word.match_indices('-') {
            let (first, second) = (word.get(..at), word.get(at + 1..));
            let (Some(first), Some(second)) = (first, second) else {
                continue;
            };
            if let (Ok((low, _)), Ok((high, _))) = (
                self.port(first, span, false),
                self.port(second, span, false),
            ) {
                return Ok((low.min(high), low.max(high)));
            }
        }
        if word.contains('-') && !escaped {
            return Err(self.error(span, "expected two ports, such as 6000-6008"));
        }
        let (port, _) = self.port(word, span, escaped)?;
        Ok((port, port))
    }

    fn ports(
        &self,
        qualifiers: &Qualifiers,
        low: u16,
        high: u16,
        registered: u8,
    ) -> Result<Primitive> {
        let transports = match qualifiers.protocol {
            Some((Protocol::Ip(_, number @ (names::TCP | names::UDP | names::SCTP)), _)) => {
                vec![number]
            }
            Some((_, place)) => {
                return Err(self.error(place, "only `tcp`, `udp` and `sctp` have ports"));
            }
            // A name registered for one transport means that one; any other, all of them.
            None if registered == services::TCP => vec![names::TCP],
            None if registered == services::UDP => vec![names::UDP],
            None if registered == services::SCTP => vec![names::SCTP],
            None => vec![names::SCTP, names::TCP, names::UDP],
        };
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        Ok(Primitive::Port {
            transports,
            direction,
            ranges: vec![(low, high)],
        })
    }

    fn version(&self, qualifiers: &Qualifiers) -> Result<Version> {
        match qualifiers.protocol {
            None => Ok(Version::Any),
            Some((Protocol::Network(names::IPV4), _)) => Ok(Version::V4),
            Some((Protocol::Network(names::IPV6), _)) => Ok(Version::V6),
            Some((_, place)) => Err(self.error(place, "expected `ip` or `ip6` before this")),
        }
    }

    fn ip_number(&self, word: &str, span: Span, escaped: bool) -> Result<u8> {
        if !escaped {
            match address::number(word) {
                Some(Ok(number)) => {
                    return u8::try_from(number)
                        .map_err(|_| self.error(span, "no IP protocol is greater than 255"));
                }
                Some(Err(message)) => return Err(self.error(span, message)),
                None => {}
            }
        }
        names::ip_protocol(word)
            .ok_or_else(|| self.error(span, "expected an IP protocol's number or name"))
    }

    fn protocol_number(
        &self,
        qualifiers: &Qualifiers,
        word: &str,
        span: Span,
        escaped: bool,
    ) -> Result<Primitive> {
        let number = if escaped { None } else { address::number(word) };
        match qualifiers.protocol {
            Some((Protocol::Link, _)) => match number {
                Some(Ok(number)) if number <= 0xffff => Ok(Primitive::LinkProtocol(number)),
                Some(Ok(_)) => Err(self.error(span, "no Ethertype is greater than 0xffff")),
                Some(Err(message)) => Err(self.error(span, message)),
                None => names::ether_protocol(word)
                    .map(Primitive::LinkProtocol)
                    .ok_or_else(|| self.error(span, "expected an Ethertype's number or name")),
            },
            Some((Protocol::Network(names::LLC_ISO), _)) => match number {
                Some(Ok(number)) => u8::try_from(number).ok(),
                _ => names::iso_protocol(word),
            }
            .map(Primitive::IsoProtocol)
            .ok_or_else(|| {
                self.error(
                    span,
                    "expected an OSI protocol: clnp, esis, isis or a number",
                )
            }),
            _ => {
                let version = self.version(qualifiers)?;
                Ok(Primitive::IpProtocol {
                    version,
                    number: self.ip_number(word, span, escaped)?,
                })
            }
        }
    }
}

/// What a protocol's word means by itself.
fn abbreviation(protocol: Protocol) -> Option<Primitive> {
    Some(match protocol {
        Protocol::Link => return None,
        Protocol::Network(number) => Primitive::LinkProtocol(number),
        Protocol::Ip(version, number) => Primitive::IpProtocol { version, number },
        Protocol::Iso(number) => Primitive::IsoProtocol(number),
    })
}

fn expected(what: What) -> &'static str {
    match what {
        What::Anything | What::Host => "expected an address or a host name",
        What::Net => "expected a net, such as 10.1.0.0/16",
        What::Port => "expected a port number or a service's name",
        What::PortRange => "expected two ports, such as 6000-6008",
        What::Protocol | What::ProtocolChain => "expected a protocol's number or name",
        What::Gateway => "expected a host name",
    }
}
