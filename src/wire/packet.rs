//! The walk: one frame in, its layers out, in order, with where and why the walk ended.
//!
//! It is total: there is no input on which dissection fails. It keeps positions, not copies, in
//! storage that is reused from frame to frame, and it knows no protocol beyond the table below.

mod walk;

use std::fmt;

use super::anomaly::Anomaly;
use super::checksum::Verdict;
use super::field::{Group, Head, Lens, Shape, Visitor};
use super::frame::{Frame, LinkType};

pub(super) use walk::Context;
pub use walk::Walk;

/// Layers one frame may have, quoted ones included. Stacks deeper than this are hostile; the
/// walk says so and ends.
pub const MAX_LAYERS: usize = 32;

/// Errors quoting errors deeper than this are not followed (RFC 1122 section 3.2.2 forbids even
/// the first).
pub const MAX_QUOTES: u8 = 3;

/// Every protocol: its variant, its file, its name in NDJSON, what a person reads, and whether
/// it belongs to the link (shown on the line with `-e`) or to what the link carries.
macro_rules! protocols {
    ($($variant:ident $module:ident $name:literal $label:literal $kind:ident;)*) => {
        /// A kind of layer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Protocol {
            $(#[doc = $label] $variant,)*
        }

        impl Protocol {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Stable name: the `layer` of NDJSON and the first part of a CSV column.
            #[inline]
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What a person reads.
            #[inline]
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }

            /// What part this layer plays in a frame.
            #[inline]
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            #[inline]
            fn dissect(self, walk: &mut Walk<'_>, region: Region) -> Next {
                match self { $(Self::$variant => super::$module::dissect(walk, region),)* }
            }

            #[inline]
            fn fields<V: Visitor>(self, view: &View<'_>, visitor: &mut V) {
                match self { $(Self::$variant => super::$module::fields(view, visitor),)* }
            }
        }
    };
}

protocols! {
    Ethernet ethernet "ethernet" "Ethernet" Link;
    LinuxSll linux_sll "linux_sll" "Linux cooked" Link;
    Loopback loopback "loopback" "BSD loopback" Link;
    Slip slip "slip" "SLIP" Link;
    CiscoHdlc cisco_hdlc "cisco_hdlc" "Cisco HDLC" Link;
    Llc llc "llc" "LLC" Link;
    Vlan vlan "vlan" "VLAN" Tag;
    Mpls mpls "mpls" "MPLS" Tag;
    Pppoe pppoe "pppoe" "PPPoE" Tag;
    Ppp ppp "ppp" "PPP" Link;
    Arp arp "arp" "ARP" Message;
    Ipv4 ipv4 "ipv4" "IPv4" Network;
    Ipv6 ipv6 "ipv6" "IPv6" Network;
    Ah ah "ah" "AH" Tag;
    Gre gre "gre" "GRE" Tag;
    Icmpv6 icmpv6 "icmpv6" "ICMPv6" Message;
    Udp udp "udp" "UDP" Message;
    Tcp tcp "tcp" "TCP" Message;
    Vxlan vxlan "vxlan" "VXLAN" Tag;
    Icmpv4 icmpv4 "icmpv4" "ICMP" Message;
    Igmp igmp "igmp" "IGMP" Message;
    Payload payload "payload" "Payload" Data;
    Trailer trailer "trailer" "Trailer" Data;
}

/// What part a layer plays in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Carries others over one link.
    Link,
    /// Carries others and marks them: a VLAN, a label, a tunnel. Its briefs speak for
    /// themselves (`vlan 100`) and the line always shows them, without the layer's label.
    Tag,
    /// Names who and to whom.
    Network,
    /// What they say to each other.
    Message,
    /// Bytes that are not taken apart.
    Data,
}

/// A stretch of the frame, as byte positions in it: what was captured and what the layers above
/// promise. `start <= end <= bytes.len()`, and `end < promised_end` where the rest was cut away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub start: usize,
    /// End of what was captured.
    pub end: usize,
    /// End as the outer layers (or the frame's length on the wire) give it.
    pub promised_end: usize,
}

impl Region {
    /// What was captured of it, in bytes.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// True when nothing of it was captured.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What it should hold, in bytes.
    #[inline]
    #[must_use]
    pub const fn promised_len(self) -> usize {
        self.promised_end.saturating_sub(self.start)
    }

    /// True when the capture holds all of it.
    #[inline]
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.end >= self.promised_end
    }

    /// The region without its first `len` bytes.
    #[inline]
    #[must_use]
    pub fn after(self, len: usize) -> Self {
        let start = self.start.saturating_add(len);
        Self {
            start: start.min(self.end),
            end: self.end,
            promised_end: self.promised_end.max(start.min(self.end)),
        }
    }

    /// Its first `len` bytes: what lies behind belongs to somebody else.
    #[inline]
    #[must_use]
    pub fn first(self, len: usize) -> Self {
        let end = self.start.saturating_add(len);
        Self {
            start: self.start,
            end: self.end.min(end),
            promised_end: self.promised_end.min(end),
        }
    }
}

/// What a protocol says comes next: the next layer and where it lies, or nothing.
pub type Next = Option<(Protocol, Region)>;

/// One layer that was found.
#[derive(Debug, Clone, Copy)]
pub struct Layer {
    /// Which protocol.
    pub protocol: Protocol,
    /// 0 for what the frame carries, 1 for what an ICMP error in it quotes, and so on.
    pub depth: u8,
    /// What became of its checksum, where it has one.
    pub checksum: Verdict,
    /// First byte of the layer in the frame.
    pub start: u32,
    /// Bytes of the header that were captured.
    pub header_len: u32,
    /// End of what was captured of header and payload together.
    pub end: u32,
    /// The same end as the outer layers promise it.
    pub promised_end: u32,
}

/// An anomaly and the layer that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What is odd.
    pub anomaly: Anomaly,
    /// Index into the packet's layers.
    pub layer: u8,
}

/// Why a walk ended before the frame was taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A header needs `need` bytes and only `have` were captured.
    Cut {
        /// Bytes the header needs.
        need: u32,
        /// Bytes there were.
        have: u32,
    },
    /// The header cannot be what it says it is.
    Invalid(&'static str),
    /// [`MAX_LAYERS`] or [`MAX_QUOTES`] reached.
    TooDeep,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { need, have } => write!(f, "{have} of {need} header bytes"),
            Self::Invalid(why) => f.write_str(why),
            Self::TooDeep => write!(f, "more than {MAX_LAYERS} layers or {MAX_QUOTES} quotes"),
        }
    }
}

/// Where and why a walk ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// The protocol that could not be read.
    pub protocol: Protocol,
    /// Byte position in the frame.
    pub offset: u32,
    /// Why.
    pub reason: Reason,
}

/// What the caller wants judged; what is not wanted costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct Judge {
    /// Verify checksums (touches every payload byte).
    pub checksums: bool,
    /// Look for anomalies.
    pub anomalies: bool,
}

impl Judge {
    /// Everything.
    pub const ALL: Self = Self {
        checksums: true,
        anomalies: true,
    };
    /// Nothing: only the layers.
    pub const NOTHING: Self = Self {
        checksums: false,
        anomalies: false,
    };
}

/// A dissected frame: positions and verdicts, no bytes. Reused from frame to frame.
#[derive(Debug, Clone, Default)]
pub struct Packet {
    layers: Vec<Layer>,
    anomalies: Vec<Found>,
    trailers: Vec<Region>,
    stopped: Option<Stopped>,
    fragment: Option<Fragment>,
}

/// Where the outermost IPv4 fragment of a frame lies: what reassembly needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Index of the IPv4 layer.
    pub layer: u8,
    /// Fragment offset in bytes.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
    /// The fragment's data.
    pub data: Region,
}

impl Packet {
    /// An empty packet with room for common frames.
    #[must_use]
    pub fn new() -> Self {
        Self {
            layers: Vec::with_capacity(MAX_LAYERS),
            ..Self::default()
        }
    }

    /// The layers in order; those an ICMP error quotes follow it with a greater depth.
    #[inline]
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What is odd about the frame, in the order it was found.
    #[inline]
    #[must_use]
    pub fn anomalies(&self) -> &[Found] {
        &self.anomalies
    }

    /// Where and why the walk ended early, if it did.
    #[inline]
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// The fragment this frame carries, if its outermost IPv4 datagram is one.
    #[inline]
    #[must_use]
    pub fn fragment(&self) -> Option<Fragment> {
        self.fragment
    }

    /// Adds what was learned from several frames together.
    pub fn add_anomaly(&mut self, anomaly: Anomaly, layer: u8) {
        self.anomalies.push(Found { anomaly, layer });
    }

    fn clear(&mut self) {
        self.layers.clear();
        self.anomalies.clear();
        self.trailers.clear();
        self.stopped = None;
        self.fragment = None;
    }
}

/// One layer seen by the file that describes it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The whole frame.
    pub frame: &'a Frame<'a>,
    /// The layer to describe.
    pub layer: &'a Layer,
}

impl<'a> View<'a> {
    /// The captured bytes of the header.
    #[inline]
    #[must_use]
    pub fn header(&self) -> &'a [u8] {
        let start = self.layer.start as usize;
        self.frame
            .bytes
            .get(start..start.saturating_add(self.layer.header_len as usize))
            .unwrap_or_default()
    }

    /// The header as a lens.
    #[inline]
    #[must_use]
    pub fn lens(&self) -> Lens<'a> {
        Lens(self.header())
    }

    /// The captured bytes of header and payload.
    #[inline]
    #[must_use]
    pub fn all(&self) -> &'a [u8] {
        self.frame
            .bytes
            .get(self.layer.start as usize..self.layer.end as usize)
            .unwrap_or_default()
    }

    /// What header and payload should hold, in bytes, by the word of the layers above.
    #[inline]
    #[must_use]
    pub fn promised_len(&self) -> u32 {
        self.layer.promised_end.saturating_sub(self.layer.start)
    }
}

/// Takes one frame apart into `packet`. Never fails: what could not be read is recorded there.
pub fn dissect(frame: &Frame<'_>, judge: Judge, packet: &mut Packet) {
    packet.clear();
    let whole = Region {
        start: 0,
        end: frame.bytes.len(),
        promised_end: frame.bytes.len().max(frame.wire_len as usize),
    };
    let mut walk = Walk {
        frame,
        judge,
        context: Context {
            pseudo: None,
            fragmented: false,
            ttl: None,
            to_many: false,
            loopback: false,
        },
        packet,
        depth: 0,
    };
    let mut next = Some((first(frame), whole));
    while let Some((protocol, region)) = next {
        if walk.packet.layers.len() >= MAX_LAYERS {
            walk.stop(protocol, region, Reason::TooDeep);
            break;
        }
        next = protocol.dissect(&mut walk, region);
    }
    if walk.judge.anomalies && frame.bytes.len() > frame.wire_len as usize {
        walk.depth = 0;
        walk.packet.anomalies.push(Found {
            anomaly: Anomaly::FrameLength,
            layer: 0,
        });
    }
    walk.depth = 0;
    while let Some(region) = walk.packet.trailers.pop() {
        walk.push(Protocol::Trailer, region, region.len());
    }
}

/// The first layer of a frame by its link type; what dotquad does not know is opaque.
fn first(frame: &Frame<'_>) -> Protocol {
    let byte = frame.bytes.first().copied();
    match frame.link_type {
        LinkType::ETHERNET => Protocol::Ethernet,
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => super::ipv4::by_version(byte),
        LinkType::IPV4 => Protocol::Ipv4,
        LinkType::IPV6 => Protocol::Ipv6,
        LinkType::NULL | LinkType::LOOP => Protocol::Loopback,
        LinkType::LINUX_SLL | LinkType::LINUX_SLL2 => Protocol::LinuxSll,
        // PPP over serial lines shares its number with Cisco's framing of RFC 1547 section 4.3.1.
        LinkType::PPP_HDLC if super::cisco_hdlc::is_address(byte) => Protocol::CiscoHdlc,
        LinkType::PPP | LinkType::PPP_HDLC => Protocol::Ppp,
        LinkType::PPP_ETHER => Protocol::Pppoe,
        LinkType::C_HDLC => Protocol::CiscoHdlc,
        LinkType::SLIP => Protocol::Slip,
        _ => Protocol::Payload,
    }
}

/// Describes the layers of a dissected frame to a visitor, in order; what an ICMP error quotes
/// is visited inside it, as a group `quoted` with a list `layers`.
#[inline]
pub fn visit<V: Visitor>(frame: &Frame<'_>, packet: &Packet, visitor: &mut V) {
    let mut depth = 0;
    let mut layers = packet.layers.iter().peekable();
    while let Some(layer) = layers.next() {
        let head = Head {
            protocol: layer.protocol,
            start: layer.start,
            len: layer.header_len,
            depth: layer.depth,
        };
        if visitor.layer(head) {
            layer.protocol.fields(&View { frame, layer }, visitor);
        }
        let following = layers.peek().map_or(0, |next| next.depth);
        if following > depth {
            let bits = super::field::Bits::NONE;
            visitor.open(Group {
                name: "quoted",
                label: "Quoted datagram",
                bits,
                shape: Shape::Quote,
            });
            visitor.open(Group {
                name: "layers",
                label: "Layers",
                bits,
                shape: Shape::List,
            });
            depth += 1;
            continue;
        }
        visitor.end_layer();
        while depth > following {
            visitor.close(Shape::List);
            visitor.close(Shape::Quote);
            visitor.end_layer();
            depth -= 1;
        }
    }
}

/// A position in a frame as the 32 bits that layers keep; frames are far below 4 GiB.
#[inline]
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
