//! `dotquad send`: what was typed becomes one packet, and the packet is shown, written or sent.

mod fields;
mod given;
mod igmp;
#[cfg(target_os = "linux")]
mod live;
mod notation;
#[cfg(target_os = "linux")]
mod replay;
mod show;
pub(super) mod spec;
#[cfg(target_os = "linux")]
mod speed;
#[cfg(target_os = "linux")]
mod watch;
mod words;

use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;

#[cfg(target_os = "linux")]
pub(super) use replay::run as replay;
pub use words::{FragmentOrder, ReplayArgs, SendArgs, Show};

use super::args::Color;
use super::text::Text;
use super::{Console, Outcome, confine};
use crate::capture::{Interface, Target, Writer};
use crate::error::{Error, Result, counted};
use crate::filter::Resolve;
use crate::net::clock::wall;
use crate::net::resolver::OnDemand;
#[cfg(target_os = "linux")]
use crate::net::route;
use crate::net::sandbox::{self, Sandbox};
use crate::wire::build::Spec;
use crate::wire::build::fragment::{Cut, Order, fragments};
use crate::wire::frame::LinkType;
use fields::FIELDS;
use given::{Given, Value};
use show::{Shower, frame};

/// A spec file is a page or two; anything larger is none.
const MAX_SPEC: usize = 4 << 20;

/// Runs the command.
///
/// # Errors
/// Wrong words, no privilege, no way, an output that cannot be written; and what left otherwise
/// than it was built.
pub(super) fn run(args: &SendArgs, color: Color, console: &mut Console<'_>) -> Result<Outcome> {
    let mut spec = packet(args)?;
    let quiet = args.dry_run || args.write.is_some();
    if !quiet {
        return live(args, spec, color, console);
    }
    if spec.ipv4.source.is_none() {
        spec.ipv4.source = source(args, &spec)?;
    }
    let packets = cut(args, &spec)?;
    let target = args.write.as_deref().map(Target::open).transpose()?;
    let sandbox = Sandbox::new(sandbox::Command::Decode);
    confine::enter(&args.confinement, &sandbox, false, console)?;
    let link_type = match spec.ethernet {
        Some(_) => LinkType::ETHERNET,
        None => LinkType::IPV4,
    };
    let mut frames = Vec::new();
    for packet in &packets {
        frames.push(framed(&spec, packet));
    }
    if let Some(target) = target {
        let mut writer = Writer::start(target)?;
        let interface = Interface::new(link_type);
        let mut number = 0;
        for _ in 0..args.count {
            for bytes in &frames {
                number += 1;
                let mut frame = frame(bytes, link_type, number);
                frame.time = Some(wall());
                writer.write(&frame, &interface)?;
            }
        }
        let written = writer.finish()?;
        console.note(&format_args!(
            "{} written",
            counted(written.frames, "packet")
        ));
        return Ok(Outcome::Done);
    }
    let format = args.format.unwrap_or(Show::Detail);
    let mut shower = Shower::new(format, color);
    let mut out = Text::default();
    if format == Show::Spec {
        spec::write(&spec, &mut out);
    } else {
        for (number, bytes) in (1..).zip(&frames) {
            shower.show(&frame(bytes, link_type, number), None, &mut out);
        }
    }
    print(console, &out)?;
    Ok(Outcome::Done)
}

#[cfg(target_os = "linux")]
use live::run as live;

/// Puts the packet on the wire.
#[cfg(not(target_os = "linux"))]
fn live(_: &SendArgs, _: Spec, _: Color, _: &mut Console<'_>) -> Result<Outcome> {
    Err(Error::usage("sending", "it takes Linux's sockets")
        .advice("--dry-run and -w FILE need none"))
}

/// The address that the kernel would send this packet from.
#[cfg(target_os = "linux")]
fn source(args: &SendArgs, spec: &Spec) -> Result<Option<Ipv4Addr>> {
    let path = route::path(spec.ipv4.destination, args.interface.as_deref());
    let path = path.map_err(|error| error.advice("give --source ADDRESS"))?;
    Ok(path.source)
}

/// Routes are not looked up here.
#[cfg(not(target_os = "linux"))]
fn source(_: &SendArgs, _: &Spec) -> Result<Option<Ipv4Addr>> {
    Err(
        Error::usage("finding the source", "there is no looking up routes here")
            .advice("give --source ADDRESS"),
    )
}

/// Writes text to standard output.
fn print(console: &mut Console<'_>, text: &Text) -> Result<()> {
    let write = console.out.write_all(text.as_bytes());
    write
        .and_then(|()| console.out.flush())
        .map_err(|why| Error::write("writing to standard output", &why))
}

/// A packet behind the header of its frame, if it has one.
fn framed(spec: &Spec, packet: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(ethernet) = &spec.ethernet {
        ethernet.write(&mut bytes);
    }
    bytes.extend_from_slice(packet);
    bytes
}

/// The packet that was typed.
fn packet(args: &SendArgs) -> Result<Spec> {
    let mut spec = match &args.spec {
        Some(path) => {
            let name = crate::error::named(path);
            let text = read_limited(&path.to_string_lossy(), MAX_SPEC)?;
            let text = String::from_utf8(text).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                Error::usage(format!("reading {name}, byte {at}"), "this is no text")
            })?;
            spec::parse(&text, &name)?
        }
        None => Spec::default(),
    };
    let is_whole = args.spec.is_some() && fields::section(&spec.transport) == "icmp";
    let wanted = [
        ("udp", args.udp),
        ("tcp", args.tcp),
        ("icmp", args.icmp),
        ("igmp", args.igmp),
    ];
    for (name, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
        if fields::section(&spec.transport) != *name
            && let Some(transport) = spec::empty(name)
        {
            spec.transport = transport;
        }
    }
    if let Some(name) = &args.destination {
        spec.ipv4.destination = address(name)?;
    }
    for (flag, given) in &args.fields.given {
        set(&mut spec, flag, given)?;
    }
    let mut given = args.fields.given.iter();
    let identifies = |flag: &str| fields::IDENTIFYING.iter().any(|(_, known)| *known == flag);
    if !is_whole && !given.any(|(flag, _)| identifies(flag)) {
        fields::identify(&mut spec);
    }
    let told = args.destination.is_some()
        || args.spec.is_some()
        || args
            .fields
            .given
            .iter()
            .any(|(flag, _)| *flag == "destination");
    if !told {
        return Err(
            Error::usage("reading the command line", "no destination is named")
                .advice("dotquad send DESTINATION, or --spec FILE"),
        );
    }
    Ok(spec)
}

/// Applies a flag; one that several transports have means that of the packet.
fn set(spec: &mut Spec, flag: &str, given: &Given) -> Result<()> {
    let rows: Vec<_> = FIELDS.iter().filter(|field| field.flag == flag).collect();
    let own = fields::section(&spec.transport);
    let row = match rows.as_slice() {
        [only] => only,
        several => several
            .iter()
            .find(|field| field.section == own)
            .ok_or_else(|| {
                let sections: Vec<&str> = several.iter().map(|field| field.section).collect();
                Error::usage(
                    format!("reading {}", given.name),
                    format!("it belongs to {}", sections.join(" and ")),
                )
                .advice(format!("add --{}", sections.join(" or --")))
            })?,
    };
    (row.set)(spec, given)
}

/// An address, or the first one that a name has.
fn address(name: &str) -> Result<Ipv4Addr> {
    let given = Given::text("the destination", name);
    if let Ok(address) = Ipv4Addr::read(&given, 0) {
        return Ok(address);
    }
    let resolver = OnDemand::default();
    let found = resolver.host(name);
    let found = found.map_err(|why| Error::usage(format!("looking up {name:?}"), why))?;
    let first = found.first().copied();
    first.ok_or_else(|| Error::usage(format!("looking up {name:?}"), "it has no IPv4 address"))
}

/// The datagram, or the fragments it is to be cut into.
fn cut(args: &SendArgs, spec: &Spec) -> Result<Vec<Vec<u8>>> {
    let datagram = spec.datagram()?;
    let Some(mtu) = args.fragment else {
        return Ok(vec![datagram]);
    };
    let order = match args.fragment_order {
        FragmentOrder::Forward => Order::Forward,
        FragmentOrder::Reverse => Order::Reverse,
        FragmentOrder::Random => Order::Random { seed: args.seed },
    };
    let cut = Cut {
        mtu,
        overlap: args.fragment_overlap,
        gap: args.fragment_gap,
        order,
    };
    fragments(&datagram, &cut)
}

/// All of a file, or of standard input, unless it is longer than `most` bytes.
fn read_limited(path: &str, most: usize) -> Result<Vec<u8>> {
    let name = crate::error::named(path.as_ref());
    let refuse = |why: io::Error| Error::usage(format!("reading {name}"), why);
    let mut bytes = Vec::new();
    let limit = (most as u64).saturating_add(1);
    if path == "-" {
        let mut input = io::stdin().lock().take(limit);
        input.read_to_end(&mut bytes).map_err(refuse)?;
    } else {
        let mut input = File::open(path).map_err(refuse)?.take(limit);
        input.read_to_end(&mut bytes).map_err(refuse)?;
    }
    if bytes.len() > most {
        return Err(Error::usage(
            format!("reading {name}"),
            format!("it has more than {most} bytes"),
        ));
    }
    Ok(bytes)
}
