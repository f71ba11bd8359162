//! Which frames a filter lets through, whatever link types a capture mixes.
//!
//! Knows how to get a filter for each link type when the first frame of it comes; what an
//! expression means is filter/'s business.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::filter::{Expression, Filter, Fragments, NoNames, Options, Target};
use crate::net::live::Wanted;
use crate::net::resolver::OnDemand;
use crate::wire::frame::{Frame, LinkType};

/// What a filter has to know of the order of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing: each frame is judged by itself.
    Any,
    /// Fragments belong to what came before them.
    Kept,
    /// As `Kept`, and the frames that it selects are numbered, the others never having been there.
    Renumbered,
}

/// A filter over frames of any link types; every worker has its own.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    expression: Arc<Expression>,
    deep: bool,
    pub(super) order: Order,
    /// Filters for frames that the kernel has judged before.
    live: bool,
    /// The kernel lets fragments pass, to be put together before they are judged.
    fragments: bool,
    compiled: Vec<(LinkType, Filter)>,
}

impl Selector {
    /// Parses the words of a command line and looks up the names in them; none of them make no
    /// filter.
    ///
    /// # Errors
    /// Where the words leave the language, or a name without an address.
    pub(super) fn parse(words: &str, deep: bool) -> Result<Option<Self>> {
        if words.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            expression: looked_up(words)?,
            deep,
            order: if deep { Order::Kept } else { Order::Any },
            live: false,
            fragments: false,
            compiled: Vec::new(),
        }))
    }

    /// The words of a command line for frames that come live. Some of them may not match, where
    /// the kernel's program is coarser than the words; so no words make a filter too. With
    /// `fragments` it lets every fragment pass.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(super) fn parse_live(words: &str, deep: bool, fragments: bool) -> Result<Self> {
        Ok(Self {
            expression: looked_up(words)?,
            deep,
            order: Order::Renumbered,
            live: true,
            fragments,
            compiled: Vec::new(),
        })
    }

    /// The filter of one socket, kept to judge what comes out of it.
    ///
    /// # Errors
    /// As [`filter`](Self::filter).
    pub(super) fn for_socket(&mut self, wanted: &Wanted<'_>) -> Result<Filter> {
        let options = Options {
            deep: self.deep,
            target: wanted.target,
            link_type: wanted.link_type,
            snaplen: wanted.snaplen,
            netmask: wanted.netmask,
            resolve: &NoNames,
        };
        let filter = if self.fragments {
            Filter::with_fragments(&self.expression, &options)
        } else {
            Filter::compile(&self.expression, &options)
        };
        Ok(filter?)
    }

    /// Judges frames of this link type with this filter.
    pub(super) fn keep(&mut self, link_type: LinkType, filter: Filter) {
        if !self.compiled.iter().any(|(known, _)| *known == link_type) {
            self.compiled.push((link_type, filter));
        }
    }

    /// True when the kernel lets no frame pass that does not match.
    pub(super) fn is_exact(&self) -> bool {
        self.compiled.iter().all(|(_, filter)| filter.is_exact())
    }

    /// The filter for a link type.
    ///
    /// # Errors
    /// A word that means nothing on this link type.
    pub(super) fn filter(&mut self, link_type: LinkType) -> Result<&Filter> {
        if !self.compiled.iter().any(|(known, _)| *known == link_type) {
            let options = Options {
                deep: self.deep,
                target: self.target(link_type),
                link_type,
                snaplen: 0,
                netmask: None,
                resolve: &NoNames,
            };
            let filter = Filter::compile(&self.expression, &options)?;
            self.compiled.push((link_type, filter));
        }
        let found = self.compiled.iter().find(|(known, _)| *known == link_type);
        found
            .map(|(_, filter)| filter)
            .ok_or_else(|| Error::usage("compiling the filter", "it was lost"))
    }

    fn target(&self, link_type: LinkType) -> Target {
        match link_type {
            _ if !self.live => Target::File,
            LinkType::LINUX_SLL | LinkType::LINUX_SLL2 => Target::LiveCooked,
            _ => Target::Live,
        }
    }

    /// True when the frame matches by itself.
    ///
    /// # Errors
    /// As [`filter`](Self::filter).
    #[inline]
    pub(super) fn matches(&mut self, frame: &Frame<'_>) -> Result<bool> {
        Ok(self.filter(frame.link_type)?.matches(frame))
    }

    /// True when the frame matches, or continues a datagram whose first fragment did; frames
    /// come in order.
    ///
    /// # Errors
    /// As [`filter`](Self::filter).
    pub(super) fn matches_in_order(
        &mut self,
        frame: &Frame<'_>,
        fragments: &mut Fragments,
    ) -> Result<bool> {
        Ok(fragments.matches(self.filter(frame.link_type)?, frame))
    }
}

/// An expression in which names have become addresses.
fn looked_up(words: &str) -> Result<Arc<Expression>> {
    let expression = Expression::parse(words)?.resolved(&OnDemand::default())?;
    Ok(Arc::new(expression))
}
