//! Programs in the kernel: its verifier takes each, and it lets the same frames pass as the
//! filter here.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use dotquad::capture::{FrameSource, open};
use dotquad::filter::{Expression, Filter, NoNames, Options, Target};
use dotquad::wire::frame::LinkType;
use libtest_mimic::{Failed, Trial};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use socket2::{Domain, SockFilter, SockRef, Socket, Type};

use super::Powers;

#[path = "../filter/table.rs"]
mod table;

#[path = "../../src/filter/agreement/expressions.rs"]
mod expressions;

/// How many random expressions are attached besides those of the table.
const GENERATED: usize = 400;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    let attached = |name, target, link_type, deep| {
        powers.trial(name, move || {
            every_program_attaches(target, link_type, deep)
        })
    };
    vec![
        attached(
            "filter_attaches_live",
            Target::Live,
            LinkType::ETHERNET,
            false,
        ),
        attached(
            "filter_attaches_live_deep",
            Target::Live,
            LinkType::ETHERNET,
            true,
        ),
        attached(
            "filter_attaches_live_raw_ip",
            Target::Live,
            LinkType::RAW,
            false,
        ),
        attached(
            "filter_attaches_cooked",
            Target::LiveCooked,
            LinkType::LINUX_SLL2,
            false,
        ),
        attached(
            "filter_attaches_cooked_deep",
            Target::LiveCooked,
            LinkType::LINUX_SLL2,
            true,
        ),
        attached(
            "filter_attaches_file",
            Target::File,
            LinkType::ETHERNET,
            false,
        ),
        powers.trial("filter_in_kernel_passes_what_matches", || {
            kernel_agrees(false)
        }),
        powers.trial("filter_in_kernel_deep_passes_what_matches", || {
            kernel_agrees(true)
        }),
    ]
}

/// The expressions of the table, and random ones: the same each time.
fn texts() -> Vec<String> {
    let tables = [table::PEERS, table::OWN, table::DEEP].concat();
    let known = tables.iter().flat_map(|(_, rows)| rows.iter());
    let mut texts: Vec<String> = known.map(|(text, _)| (*text).to_owned()).collect();
    let mut runner = TestRunner::deterministic();
    let strategy = expressions::expression(true);
    texts.extend((0..GENERATED).map(|_| strategy.new_tree(&mut runner).unwrap().current()));
    texts
}

/// The filter, where the target has every word of the expression.
fn compiled(text: &str, target: Target, link_type: LinkType, deep: bool) -> Option<Filter> {
    let options = Options {
        deep,
        target,
        link_type,
        snaplen: 0,
        netmask: None,
        resolve: &NoNames,
    };
    Filter::compile(&Expression::parse(text).expect(text), &options).ok()
}

fn program(filter: &Filter) -> Vec<SockFilter> {
    let instructions = filter.program().iter();
    instructions
        .map(|i| SockFilter::new(i.code, i.jump_true, i.jump_false, i.k))
        .collect()
}

fn every_program_attaches(target: Target, link_type: LinkType, deep: bool) -> Result<(), Failed> {
    let kind = match target {
        Target::LiveCooked => Type::DGRAM,
        Target::Live | Target::File => Type::RAW,
    };
    // Without a protocol it hears nothing; each program takes the place of the one before.
    let socket = Socket::new(Domain::PACKET, kind, None)?;
    let mut attached = 0;
    let mut refused = Vec::new();
    for text in texts() {
        let Some(filter) = compiled(&text, target, link_type, deep) else {
            continue;
        };
        match socket.attach_filter(&program(&filter)) {
            Ok(()) => attached += 1,
            Err(error) => refused.push(format!("{text}: {error}")),
        }
    }
    if !refused.is_empty() {
        return Err(refused.join("\n").into());
    }
    if attached < 300 {
        return Err(format!("only {attached} expressions have a program here").into());
    }
    Ok(())
}

/// Sends the frames of every Ethernet capture of the tables through a pair of local sockets with
/// the program attached.
fn kernel_agrees(deep: bool) -> Result<(), Failed> {
    let tables = if deep {
        [table::DEEP].concat()
    } else {
        [table::PEERS, table::OWN].concat()
    };
    let mut judged = 0;
    let mut wrong = Vec::new();
    for (name, rows) in tables {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "captures", name]
            .iter()
            .collect();
        // A local socket's frames have no direction.
        for (text, _) in rows.iter().filter(|(text, _)| !text.contains("bound")) {
            let Some(filter) = compiled(text, Target::Live, LinkType::ETHERNET, deep) else {
                return Err(format!("{text} has no program").into());
            };
            let kernel = Kernel::new(&filter)?;
            let mut reader = open(&path)?;
            while let Some(batch) = reader.next_batch()? {
                for frame in batch.frames() {
                    let whole = usize::try_from(frame.wire_len) == Ok(frame.bytes.len());
                    if frame.link_type != LinkType::ETHERNET || !whole {
                        continue;
                    }
                    let matches = filter.matches(&frame);
                    let passes = kernel.passes(frame.bytes)?;
                    judged += 1;
                    if matches && !passes || passes && !matches && filter.is_exact() {
                        wrong.push(format!("{name} frame {}: {text}", frame.number));
                    }
                }
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    if judged < 20 {
        return Err(format!("only {judged} frames were judged").into());
    }
    Ok(())
}

/// Two local sockets with a program between them.
struct Kernel {
    sender: UnixDatagram,
    receiver: UnixDatagram,
}

impl Kernel {
    fn new(filter: &Filter) -> Result<Self, Failed> {
        let (sender, receiver) = UnixDatagram::pair()?;
        SockRef::from(&receiver).attach_filter(&program(filter))?;
        receiver.set_nonblocking(true)?;
        Ok(Self { sender, receiver })
    }

    /// Whether the frame comes through; it is there, or not, when it has been sent.
    fn passes(&self, bytes: &[u8]) -> Result<bool, Failed> {
        self.sender.send(bytes)?;
        match self.receiver.recv(&mut [0; 1]) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.to_string().into()),
        }
    }
}
