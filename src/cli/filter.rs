//! `dotquad filter`: an expression as the program it becomes, and in words.

use std::fmt::Write as _;

use super::args::{FilterArgs, Notation};
use super::{Console, Outcome};
use crate::error::{Error, Result};
use crate::filter::{self, Expression, Filter, Listing, Options, Target};
use crate::net::resolver::OnDemand;
use crate::wire::frame::LinkType;

/// Runs the command: the program on standard output, the words on standard error.
///
/// # Errors
/// An expression outside the language, or one that means nothing on the link type.
pub(super) fn run(args: &FilterArgs, console: &mut Console<'_>) -> Result<Outcome> {
    let text = args.words.join(" ");
    let expression = Expression::parse(&text)?;
    let names = OnDemand::default();
    let link_type = link_type(&args.link_type)?;
    let options = Options {
        deep: args.deep,
        target: match link_type {
            _ if !args.live => Target::File,
            // The socket does not see these headers: they are made when a packet comes.
            LinkType::LINUX_SLL | LinkType::LINUX_SLL2 => Target::LiveCooked,
            _ => Target::Live,
        },
        link_type,
        snaplen: args.snaplen,
        netmask: None,
        resolve: &names,
    };
    let filter = Filter::compile(&expression, &options)?;
    let notation = match args.format {
        Notation::Asm => filter::Notation::Assembly,
        Notation::C => filter::Notation::C,
        Notation::Decimal => filter::Notation::Decimal,
    };
    let listing = Listing {
        program: filter.program(),
        notation,
    };
    write!(console.out, "{listing}")
        .map_err(|error| Error::write("writing the program", &error))?;
    // Words that nobody can read any more are no reason to fail.
    let _ = write!(console.err, "{}", words(&expression, &filter, &options));
    Ok(Outcome::Done)
}

/// What the expression looks for, and how well the program does it.
fn words(expression: &Expression, filter: &Filter, options: &Options<'_>) -> String {
    let mut words = expression.explain().to_string();
    if !words.ends_with('\n') {
        words.push('\n');
    }
    let length = filter.program().len();
    let does = if filter.never_matches() {
        "no frame of this link type can match"
    } else if filter.accepts_all() {
        "every frame matches"
    } else if filter.is_exact() {
        "exact: it accepts the frames that match and no others"
    } else {
        "a superset: it accepts every frame that matches and some more, which are judged again outside the kernel"
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        words,
        "{length} instruction{} for {}; {does}",
        if length == 1 { "" } else { "s" },
        options.link_type
    );
    if options.link_type == LinkType::NULL {
        words.push_str(
            "for frames in this machine's byte order; decode takes frames in the other one too\n",
        );
    }
    words
}

/// A link type by its number or its LINKTYPE_ or DLT_ name.
fn link_type(word: &str) -> Result<LinkType> {
    if let Ok(number) = word.parse() {
        return Ok(LinkType(number));
    }
    let upper = word.to_uppercase();
    let name = upper
        .trim_start_matches("LINKTYPE_")
        .trim_start_matches("DLT_");
    let name = if name == "EN10MB" { "ETHERNET" } else { name };
    (0..=u16::MAX)
        .rev()
        .map(LinkType)
        .find(|link_type| link_type.name() == Some(name))
        .ok_or_else(|| {
            Error::usage(
                format!("reading --link-type {word:?}"),
                "no link type has this name",
            )
            .advice("ETHERNET, RAW, LINUX_SLL2, NULL, PPP ..., or its number")
        })
}
