//! Opening a live source: which sockets on which interfaces, and what to do where one cannot be
//! had.
//!
//! Knows the words of the [`Options`] and the errors a person can do something about; not how
//! packets are fetched.

use std::io;
use std::os::fd::AsFd;

use nix::libc;

use super::directory::Directory;
use super::link::Layer;
use super::tap::{self, Refused, Request, Tap};
use super::{ANY, Backend, Options, Wanted};
use crate::capture;
use crate::error::{Error, Result};
use crate::filter::{Filter, Instruction, Scope, Target, on_socket};
use crate::net::interface::{self, Interface, State};
use crate::net::sockopt;
use crate::wire::frame::LinkType;

/// The largest ring, in MiB. The kernel would take all the memory there is without a word.
const LARGEST_RING: u32 = 2048;
/// Refuses every packet.
pub(super) const REFUSE: &[Instruction] = &[Instruction {
    code: 0x06,
    jump_true: 0,
    jump_false: 0,
    k: 0,
}];

/// What was opened.
pub(super) struct Opened {
    pub(super) taps: Vec<Tap>,
    pub(super) listening: Vec<capture::Interface>,
    pub(super) notices: Vec<String>,
}

/// One name of the options.
struct Chosen<'a> {
    name: &'a str,
    /// 0 for all interfaces.
    number: u32,
    layer: Layer,
    scope: Scope,
    netmask: Option<u32>,
}

/// Opens all sockets.
pub(super) fn open(
    options: &Options,
    directory: &mut Directory,
    compile: &mut dyn FnMut(&Wanted<'_>) -> Result<Filter>,
) -> Result<Opened> {
    let chosen = choose(options)?;
    if options.ring_mib > LARGEST_RING {
        return Err(Error::usage(
            format!("making a ring of {} MiB", options.ring_mib),
            format!("{LARGEST_RING} MiB are the most"),
        ));
    }
    let mut opened = Opened {
        taps: Vec::new(),
        listening: Vec::new(),
        notices: Vec::new(),
    };
    for chosen in &chosen {
        let link_type = chosen.layer.link_type();
        let filter = compile(&Wanted {
            interface: chosen.name,
            link_type,
            target: match chosen.layer {
                Layer::Own(_) => Target::Live,
                Layer::Cooked | Layer::Cooked2 => Target::LiveCooked,
            },
            netmask: chosen.netmask,
            snaplen: options.snaplen,
        })?;
        let program = on_socket(filter.program(), chosen.scope, options.direction);
        let described = directory.describe(chosen.name, link_type);
        let place = (chosen.number != 0).then(|| directory.add(described.clone()));
        if options.promiscuous && chosen.number == 0 {
            opened
                .notices
                .push("any: promiscuous mode is for single interfaces: not switched on".to_owned());
        }
        let first = opened.taps.len();
        for _ in 0..options.fanout.max(1) {
            let mut tap = one(options, chosen, &program, Tap::open, &mut opened.notices)?;
            if let Some(place) = place {
                tap.set_place(place);
            }
            opened.taps.push(tap);
        }
        let rings = opened.taps.get(first..).unwrap_or_default();
        if options.fanout > 1 {
            share(rings, &program)
                .map_err(|why| failed(chosen.name, "sharing it among several rings", &why))?;
        }
        if rings.iter().any(|tap| tap.backend() == Backend::Pnet) {
            opened.notices.push(match chosen.layer {
                Layer::Own(_) => format!(
                    "{}: with pnet the direction, the original length, the kernel's time, VLAN \
                     tags taken out by the hardware and the state of checksums are not known",
                    chosen.name
                ),
                // What tells of which protocol a packet is tells all of that too.
                Layer::Cooked | Layer::Cooked2 => format!(
                    "{}: pnet does not say what a packet without a link header is: each is looked \
                     at before pnet takes it, which costs a system call",
                    chosen.name
                ),
            });
        }
        opened.listening.push(described);
    }
    Ok(opened)
}

/// Finds the interfaces by their names.
fn choose(options: &Options) -> Result<Vec<Chosen<'_>>> {
    let known = interface::interfaces()?;
    let mut chosen: Vec<Chosen<'_>> = Vec::new();
    if options.interfaces.is_empty() {
        return Err(
            Error::usage("listening", "no interface is named").advice("-i any is all of them")
        );
    }
    for name in &options.interfaces {
        if chosen.iter().any(|chosen| chosen.name == name) {
            continue;
        }
        let listening = || format!("listening on {name}");
        if name == ANY {
            if options.interfaces.iter().any(|other| other != ANY) {
                return Err(Error::usage(listening(), "it stands for all interfaces")
                    .advice("name it alone, or the interfaces one by one"));
            }
            chosen.push(Chosen {
                name,
                number: 0,
                layer: Layer::Cooked2,
                scope: Scope::All,
                netmask: None,
            });
            continue;
        }
        let found = known.iter().find(|it| it.name.to_str() == Some(name));
        let Some(interface) = found else {
            return Err(Error::usage(listening(), "there is no such interface")
                .advice("dotquad interfaces lists those there are"));
        };
        if interface.state() == State::Down {
            return Err(Error::usage(listening(), "the interface is down")
                .advice(format!("ip link set dev {name} up")));
        }
        chosen.push(Chosen {
            name,
            number: interface.index,
            layer: layer(interface),
            scope: if interface.flags.is_loopback() {
                Scope::Loopback
            } else {
                Scope::Other
            },
            netmask: netmask(interface),
        });
    }
    Ok(chosen)
}

fn layer(interface: &Interface) -> Layer {
    match interface.link_type {
        Some(link_type) if link_type != LinkType::LINUX_SLL => Layer::Own(link_type),
        _ => Layer::Cooked,
    }
}

/// The mask of the first address.
fn netmask(interface: &Interface) -> Option<u32> {
    let bits = u32::from(interface.ipv4.first()?.bits.min(32));
    // A shift by all bits is none.
    Some(
        u32::MAX
            .checked_shl(32_u32.saturating_sub(bits))
            .unwrap_or(0),
    )
}

/// Opens one socket in the best way there is, which `open` tries.
fn one<T>(
    options: &Options,
    chosen: &Chosen<'_>,
    program: &[Instruction],
    mut open: impl FnMut(&Request<'_>, Backend) -> Result<T, Refused>,
    notices: &mut Vec<String>,
) -> Result<T> {
    let mut request = Request {
        name: chosen.name,
        number: chosen.number,
        layer: chosen.layer,
        // Sockets that share an interface begin together.
        program: if options.fanout > 1 { REFUSE } else { program },
        mebibytes: options.ring_mib.max(1),
        timeout: options.block_timeout,
        snaplen: options.snaplen,
        promiscuous: options.promiscuous,
        timestamps: options.timestamps,
    };
    let mut backend = options.backend;
    loop {
        let why = match open(&request, backend) {
            Ok(tap) => return Ok(tap),
            Err(Refused::Whole(doing, why)) => return Err(failed(chosen.name, doing, &why)),
            Err(Refused::Backend(why)) => why,
        };
        let memory = why.raw_os_error() == Some(libc::ENOMEM);
        let next = match backend {
            Backend::Ring if memory && request.mebibytes > 1 => {
                request.mebibytes /= 2;
                notices.push(format!(
                    "{}: no memory for a ring of {} MiB: half of it instead",
                    chosen.name,
                    request.mebibytes.saturating_mul(2)
                ));
                continue;
            }
            Backend::Ring => Backend::Recvmmsg,
            Backend::Recvmmsg => Backend::Pnet,
            Backend::Pnet => {
                return Err(failed(
                    chosen.name,
                    "making a channel for its packets",
                    &why,
                ));
            }
        };
        notices.push(format!(
            "{}: no {}: {}: {} instead",
            chosen.name,
            backend.name(),
            words(&why),
            next.name()
        ));
        backend = next;
    }
}

/// Joins the sockets of one interface, so that each gets the packets of some flows, and lets them
/// begin.
fn share(taps: &[Tap], program: &[Instruction]) -> io::Result<()> {
    // The number of the group in the lower half, kind and flags in the upper one. The first socket
    // asks for a number that nobody else has, and the others for the same.
    let mut group = (libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    for (index, tap) in taps.iter().enumerate() {
        let (socket, name) = (tap.socket.as_fd(), libc::PACKET_FANOUT);
        sockopt::set(socket, libc::SOL_PACKET, name, &group)?;
        if index == 0 {
            let given: u32 = sockopt::get(socket, libc::SOL_PACKET, name)?;
            group = (given & 0xffff) | (libc::PACKET_FANOUT_HASH << 16);
        }
    }
    for tap in taps {
        tap::attach(tap.socket.as_fd(), program)?;
    }
    Ok(())
}

/// Why listening failed, in one sentence.
fn failed(name: &str, doing: &str, why: &io::Error) -> Error {
    let listening = format!("listening on {name}");
    match why.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            let missing = if doing.contains("card") {
                (
                    "switching on the card's time stamps is not permitted",
                    "cap_net_raw,cap_net_admin",
                )
            } else {
                ("capturing packets is not permitted", "cap_net_raw")
            };
            Error::usage(listening, missing.0).advice(format!(
                "sudo setcap {}=ep $(command -v dotquad), or run it as root",
                missing.1
            ))
        }
        _ if doing.contains("card") => {
            let why = format!("{doing}: {}", words(why));
            Error::usage(listening, why)
                .advice("leave out --timestamps hardware: the kernel's stamps have nanoseconds too")
        }
        Some(libc::ENOMEM) if doing.contains("filter") => {
            Error::usage(listening, "the filter is too long for the kernel")
                .advice("sudo sysctl net.core.optmem_max=131072")
        }
        Some(libc::ENODEV) => Error::usage(listening, "the interface has just been removed"),
        Some(libc::ENETDOWN) => Error::usage(listening, "the interface is down")
            .advice(format!("ip link set dev {name} up")),
        _ => Error::usage(listening, format!("{doing}: {}", words(why))),
    }
}

/// An I/O error in words, without the number that Rust adds to them.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::error::Kind;

    /// Which ways are tried, and what is told, when those in `refused` cannot be had.
    fn tried(layer: Layer, refused: &[(Backend, i32)]) -> (Vec<(Backend, u32)>, Vec<String>, bool) {
        let mut options = Options::new(vec!["eth0".to_owned()]);
        options.ring_mib = 4;
        let chosen = Chosen {
            name: "eth0",
            number: 2,
            layer,
            scope: Scope::Other,
            netmask: None,
        };
        let (mut ways, mut notices) = (Vec::new(), Vec::new());
        let open = |request: &Request<'_>, backend| {
            ways.push((backend, request.mebibytes));
            match refused.iter().find(|(it, _)| *it == backend) {
                Some((_, why)) => Err(Refused::Backend(io::Error::from_raw_os_error(*why))),
                None => Ok(()),
            }
        };
        let opened = one(&options, &chosen, &[], open, &mut notices).is_ok();
        (ways, notices, opened)
    }

    #[test]
    fn the_next_way_is_taken_and_told() {
        use Backend::{Pnet, Recvmmsg, Ring};
        let ethernet = Layer::Own(LinkType::ETHERNET);
        let (ways, notices, opened) = tried(ethernet, &[]);
        assert_eq!((ways, notices.len(), opened), (vec![(Ring, 4)], 0, true));
        let (ways, notices, opened) = tried(ethernet, &[(Ring, libc::EINVAL)]);
        assert_eq!((ways, opened), (vec![(Ring, 4), (Recvmmsg, 4)], true));
        assert_eq!(
            notices,
            ["eth0: no ring: invalid argument: recvmmsg instead"]
        );
        let (ways, notices, opened) = tried(ethernet, &[(Ring, libc::ENOMEM)]);
        let expected = vec![(Ring, 4), (Ring, 2), (Ring, 1), (Recvmmsg, 1)];
        assert_eq!((ways, opened), (expected, true));
        assert_eq!(notices.len(), 3);
        assert_eq!(
            notices.first().unwrap(),
            "eth0: no memory for a ring of 4 MiB: half of it instead"
        );
        let none = [(Ring, libc::EINVAL), (Recvmmsg, libc::EINVAL)];
        assert!(tried(ethernet, &none).2);
        assert!(tried(Layer::Cooked2, &none).2);
        assert_eq!(tried(ethernet, &[none[0], none[1], (Pnet, 1)]).0.len(), 3);
    }

    #[test]
    fn a_missing_privilege_is_named() {
        let denied = io::Error::from_raw_os_error(libc::EPERM);
        let error = failed("eth0", "opening a packet socket", &denied);
        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(
            error.to_string(),
            "listening on eth0: capturing packets is not permitted (sudo setcap cap_net_raw=ep \
             $(command -v dotquad), or run it as root)"
        );
    }

    #[test]
    fn a_mask_is_made_of_leading_ones() {
        let mut interface = interface::interfaces().unwrap().remove(0);
        for (bits, mask) in [(0, 0), (8, 0xff00_0000), (24, 0xffff_ff00), (32, u32::MAX)] {
            interface.ipv4 = vec![interface::Prefix {
                address: std::net::Ipv4Addr::LOCALHOST,
                bits,
            }];
            assert_eq!(netmask(&interface), Some(mask));
        }
        interface.ipv4.clear();
        assert_eq!(netmask(&interface), None);
    }
}
