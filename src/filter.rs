//! The pcap-filter language: text to a typed tree, the tree to classic BPF for one link type, and
//! a machine that runs the program over saved frames.
//!
//! ```text
//! text -> lexer -> parser -> tree -> resolve -> lower -> graph -> optimise -> emit -> program
//! ```
//!
//! Knows frames and link types, nothing of files, sockets, resolvers or terminals: names are
//! resolved by whoever implements [`Resolve`].
//!
//! A frame that does not hold the bytes a filter needs does not match it, with `not` before the
//! primitive or without: that is classic BPF's rule, and every part of this room keeps it.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod behaviour;
mod bpf;
mod deep;
mod emit;
mod evaluate;
mod explain;
mod fault;
mod graph;
mod layout;
mod lexer;
mod lower;
mod machine;
mod names;
mod optimise;
mod parser;
mod prologue;
mod resolve;
mod tree;
mod value;

use std::net::Ipv4Addr;
use std::sync::Arc;

pub use bpf::{Instruction, Invalid, LONGEST_KERNEL_PROGRAM, Listing, Notation, validate};
pub use deep::Fragments;
pub use explain::Explanation;
pub use fault::{CompileError, Span, SyntaxError};
pub use machine::Machine;
pub use prologue::{Scope, on_socket};

use crate::wire::frame::{Frame, LinkType};
use evaluate::Evaluator;
use fault::Fault;
use graph::{ACCEPT, Graph, REJECT};
use layout::{Loader, Order, Source, View};
use lower::Lowering;
use value::{Ancillary, Comparison, Logic, Value, ValueId, Values};

/// Where a program will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Over saved frames, here.
    File,
    /// In the kernel, on a packet socket that sees the link layer.
    Live,
    /// In the kernel, on a packet socket without link layer headers, such as the one for all
    /// interfaces; frames are saved with a cooked header that the program does not see, and behind
    /// it the VLAN tag that was taken out, if one was: the header's protocol is then the tag's, and
    /// the packet's stands in the tag.
    LiveCooked,
}

/// Turns names into addresses; the language asks only where an expression has a name.
pub trait Resolve {
    /// The IPv4 addresses of a host.
    ///
    /// # Errors
    ///
    /// Why there are none, in a few words.
    fn host(&self, name: &str) -> Result<Vec<Ipv4Addr>, String>;

    /// The address and the mask of an IPv4 net.
    ///
    /// # Errors
    ///
    /// Why there is none, in a few words.
    fn network(&self, _name: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
        Err("nets have no names here; write a net in numbers, such as 10.1.0.0/16".to_owned())
    }

    /// The Ethernet address of a host.
    ///
    /// # Errors
    ///
    /// Why there is none, in a few words.
    fn ethernet(&self, _name: &str) -> Result<[u8; 6], String> {
        Err("Ethernet addresses have no names here; write the address in numbers".to_owned())
    }
}

/// Resolves nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoNames;

impl Resolve for NoNames {
    fn host(&self, _name: &str) -> Result<Vec<Ipv4Addr>, String> {
        Err("names are not resolved here".to_owned())
    }
}

/// What an expression is compiled for.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Look through VLAN tags, MPLS, `PPPoE` and tunnels.
    pub deep: bool,
    /// Where the program will run.
    pub target: Target,
    /// The link type of the frames, as they are saved.
    pub link_type: LinkType,
    /// How many bytes of a frame the program asks for when it matches; 0 is taken as 262,144.
    pub snaplen: u32,
    /// The netmask of the capturing interface, for `ip broadcast`: most significant byte first.
    pub netmask: Option<u32>,
    /// Resolves the expression's names.
    pub resolve: &'a dyn Resolve,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("deep", &self.deep)
            .field("target", &self.target)
            .field("link_type", &self.link_type)
            .field("snaplen", &self.snaplen)
            .field("netmask", &self.netmask)
            .finish_non_exhaustive()
    }
}

/// The VLAN tags that the kernel knows and takes out (eth_type_vlan in if_vlan.h).
const KERNEL_TAGS: [u32; 2] = [0x8100, 0x88a8];

/// What tcpdump asks for when nothing else is said.
const WHOLE_FRAME: u32 = 262_144;

/// More tests than this in one graph are refused: the work grows with their square.
const MOST_TESTS: usize = 30_000;

/// A parsed expression, for any link type.
#[derive(Debug, Clone)]
pub struct Expression {
    text: Arc<str>,
    /// None for the empty expression, which every frame matches.
    tree: Option<tree::Node>,
    /// Names have become addresses.
    is_resolved: bool,
}

impl Expression {
    /// Parses `text`; a blank one matches every frame.
    ///
    /// # Errors
    ///
    /// Where the text leaves the language, and what was expected there. Expressions that are
    /// longer than a megabyte or nest deeper than 200 levels are refused.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text: Arc<str> = Arc::from(text);
        let tree = parser::parse(&text)?;
        Ok(Self {
            text,
            tree,
            is_resolved: false,
        })
    }

    /// The same with addresses instead of names, so that compiling it asks nobody: for whoever
    /// meets a link type when names can no longer be looked up.
    ///
    /// # Errors
    ///
    /// A name that does not resolve; the place is pointed at.
    pub fn resolved(&self, resolve: &dyn Resolve) -> Result<Self, CompileError> {
        Ok(Self {
            text: Arc::clone(&self.text),
            tree: self.without_names(resolve)?,
            is_resolved: true,
        })
    }

    fn without_names(&self, resolve: &dyn Resolve) -> Result<Option<tree::Node>, CompileError> {
        match &self.tree {
            Some(tree) if !self.is_resolved => {
                resolve::resolved(tree, &self.text, resolve).map(Some)
            }
            tree => Ok(tree.clone()),
        }
    }

    /// What it looks for, in words.
    #[must_use]
    pub fn explain(&self) -> Explanation<'_> {
        Explanation(self)
    }

    /// The text it was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A filter ready to run over frames of one link type. Clones share everything.
#[derive(Debug, Clone)]
pub struct Filter {
    program: Arc<[Instruction]>,
    /// Where a host's byte order matters, the program for frames in the other one.
    swapped: Option<Arc<[Instruction]>>,
    exact: bool,
    user: User,
}

/// How saved frames are judged, exactly.
#[derive(Debug, Clone)]
enum User {
    /// By a program for saved frames.
    Machine(Arc<Machine>),
    /// By the program for the byte order that the frame is in: this machine's, or the other.
    EitherOrder(Arc<[Machine; 2]>),
    /// By the tree, where no program can.
    Tree(Arc<Evaluator>),
    /// They have been judged by the kernel, on what a saved frame does not hold.
    Judged,
}

impl Filter {
    /// Compiles for a link type and a target.
    ///
    /// # Errors
    ///
    /// A word that means nothing on this link type or target, a name that does not resolve, or an
    /// expression too big to compile; the place is pointed at.
    pub fn compile(expression: &Expression, options: &Options<'_>) -> Result<Self, CompileError> {
        Self::new(expression, options, false)
    }

    /// As [`compile`](Self::compile), with a program that lets every fragment pass and every frame
    /// that may hold one inside: for whoever puts datagrams together before they are judged.
    /// [`matches`](Self::matches) goes by the expression alone.
    ///
    /// # Errors
    ///
    /// As `compile`; and a word about what only the kernel knows of a frame.
    pub fn with_fragments(
        expression: &Expression,
        options: &Options<'_>,
    ) -> Result<Self, CompileError> {
        Self::new(expression, options, true)
    }

    fn new(
        expression: &Expression,
        options: &Options<'_>,
        fragments: bool,
    ) -> Result<Self, CompileError> {
        let text = &expression.text;
        let tree = expression.without_names(options.resolve)?;
        let (mut program, mut exact) =
            compiled(text, tree.as_ref(), options, Order::HOST, fragments)?;
        let live = options.target != Target::File;
        if live && program.len() + prologue::LONGEST > LONGEST_KERNEL_PROGRAM {
            (program, exact) = (vec![accepting(options)], false);
        }
        let saved = if live && tree.is_some() {
            compiled(
                text,
                tree.as_ref(),
                &Options {
                    target: Target::File,
                    ..*options
                },
                Order::HOST,
                false,
            )
        } else {
            Ok((program.clone(), exact))
        };
        // A file does not say whose byte order its loopback headers are in.
        let swapped = if !live && options.link_type == LinkType::NULL {
            let (program, _) =
                compiled(text, tree.as_ref(), options, Order::HOST.other(), fragments)?;
            Some(program)
        } else {
            None
        };
        let machine = |program: &[Instruction]| {
            Machine::new(program)
                .map_err(|invalid| whole(text, format!("the program is invalid: {invalid}")))
        };
        let user = match (saved, tree) {
            (Ok((program, true)), _) => match &swapped {
                Some(other) => User::EitherOrder(Arc::new([machine(&program)?, machine(other)?])),
                None => User::Machine(Arc::new(machine(&program)?)),
            },
            (Ok((_, false)), Some(tree)) => {
                let (link_type, netmask, deep) = (options.link_type, options.netmask, options.deep);
                User::Tree(Arc::new(Evaluator {
                    tree,
                    link_type,
                    netmask,
                    deep,
                }))
            }
            (Err(_), _) if exact => User::Judged,
            (Err(error), _) => return Err(error),
            (Ok((_, false)), None) => User::Judged,
        };
        Ok(Self {
            program: program.into(),
            swapped: swapped.map(Into::into),
            exact,
            user,
        })
    }

    /// True when the frame matches, whatever the program lets pass. The frame must be of the link
    /// type this was compiled for, and as it is saved.
    #[must_use]
    pub fn matches(&self, frame: &Frame<'_>) -> bool {
        match &self.user {
            User::Machine(machine) => machine.run(frame) != 0,
            User::EitherOrder(machines) => {
                let [own, other] = &**machines;
                let is_own = Order::of_small(frame.bytes) == Order::HOST;
                (if is_own { own } else { other }).run(frame) != 0
            }
            User::Tree(evaluator) => evaluator.evaluate(frame, None) == Some(true),
            User::Judged => true,
        }
    }

    /// The program for the target. For [`LinkType::NULL`], whose header is in the byte order of the
    /// host that wrote it, it is the program for frames of hosts like this machine;
    /// [`Filter::matches`] takes either order.
    #[must_use]
    pub fn program(&self) -> &[Instruction] {
        &self.program
    }

    /// False when the program lets frames pass that do not match.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// True when no frame of this link type can match.
    #[must_use]
    pub fn never_matches(&self) -> bool {
        self.all_return(|kept| kept == 0)
    }

    /// True when every frame matches.
    #[must_use]
    pub fn accepts_all(&self) -> bool {
        self.all_return(|kept| kept != 0)
    }

    /// Every program does nothing but return a number like this.
    fn all_return(&self, like: impl Fn(u32) -> bool) -> bool {
        let mut programs = [Some(&self.program), self.swapped.as_ref()]
            .into_iter()
            .flatten();
        programs.all(|program| matches!(**program, [Instruction { code: 0x06, k, .. }] if like(k)))
    }
}

fn whole(text: &Arc<str>, message: impl Into<String>) -> CompileError {
    CompileError(Fault::new(
        text,
        Span {
            start: 0,
            end: text.len(),
        },
        message,
    ))
}

/// The instruction that accepts a frame.
fn accepting(options: &Options<'_>) -> Instruction {
    let bytes = if options.snaplen == 0 {
        WHOLE_FRAME
    } else {
        options.snaplen
    };
    Instruction::new(0x06, bytes)
}

/// Whether a value is this number.
fn equals(values: &mut Values, value: ValueId, number: u32) -> Logic {
    let right = values.constant(number);
    layout::test(values, Comparison::Equal, value, right)
}

/// The program, and whether it is exact; with `fragments` it lets all of them pass.
fn compiled(
    text: &Arc<str>,
    tree: Option<&tree::Node>,
    options: &Options<'_>,
    order: Order,
    fragments: bool,
) -> Result<(Vec<Instruction>, bool), CompileError> {
    let mut values = Values::default();
    let mut exact = true;
    let mut lowered = |values: &mut Values, source: Source| -> Result<Logic, CompileError> {
        let Some(tree) = tree else {
            return Ok(Logic::Constant(true));
        };
        let mut lowering = Lowering {
            text,
            loader: Loader {
                values,
                source,
                link_type: options.link_type,
                order,
            },
            view: View::new(options.link_type, order),
            tunnels: 0,
            positive: true,
            exact: true,
            target: options.target,
            deep: options.deep,
            netmask: options.netmask,
        };
        let mut logic = lowering.node(tree)?;
        exact &= lowering.exact;
        if options.deep || fragments {
            exact = false;
            logic = Logic::any([lowering.encapsulated(), logic]);
        }
        Ok(logic)
    };
    let mut facts = optimise::Facts::default();
    let mut graph = Graph::default();
    let header = match (options.target, options.link_type) {
        (Target::LiveCooked, LinkType::LINUX_SLL2) => Some(20),
        (Target::LiveCooked, LinkType::LINUX_SLL) => Some(16),
        _ => None,
    };
    let saved = lowered(&mut values, header.map_or(Source::Saved, Source::Headless))?;
    let mut entry = graph.build(&saved, ACCEPT, REJECT);
    // Whether the hardware took a tag out is known only frame by frame.
    let untagged = match header {
        Some(header) => Some(Source::Tagless(header + 4)),
        None if options.target == Target::Live && options.link_type == LinkType::ETHERNET => {
            Some(Source::Untagged)
        }
        None => None,
    };
    if let Some(source) = untagged {
        let untagged = lowered(&mut values, source)?;
        let other = graph.build(&untagged, ACCEPT, REJECT);
        if other != entry {
            let present = values.intern(Value::Ancillary(Ancillary::VlanTagPresent));
            let present = equals(&mut values, present, 1);
            entry = graph.build(&present, other, entry);
            let tag = values.intern(Value::Ancillary(Ancillary::VlanProtocol));
            facts.assume(tag, &KERNEL_TAGS);
        }
    }
    if header.is_some() && ![ACCEPT, REJECT].contains(&entry) {
        // The kernel tells a cooked socket of a tag that it left in the packet as of one taken out,
        // and of several as of one (vlan_get_protocol_dgram in af_packet.c); its filter sees none of
        // them. Such frames pass, and are judged as they are saved.
        let protocol = values.intern(Value::Ancillary(Ancillary::Protocol));
        let tags = KERNEL_TAGS.map(|tag| equals(&mut values, protocol, tag));
        entry = graph.build(&Logic::any(tags), ACCEPT, entry);
        exact = false;
    }
    if graph.len() > MOST_TESTS {
        return Err(whole(text, "the expression makes too many tests"));
    }
    let (graph, entry) = optimise::optimised(&values, graph, entry, &facts);
    let program = emit::program(&values, &graph, entry, accepting(options).k)
        .ok_or_else(|| whole(text, "a number is too deeply nested to compute"))?;
    Ok((program, exact))
}
