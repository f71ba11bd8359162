//! Which frames a filter lets through, whatever link types a capture mixes.
//!
//! Knows how to get a filter for each link type when the first frame of it comes; what an
//! expression means is filter/'s business.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::filter::{Expression, Filter, Fragments, NoNames, Options, Target};
use crate::net::resolver::OnDemand;
use crate::wire::frame::{Frame, LinkType};

/// A filter over frames of any link types; every worker has its own.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    expression: Arc<Expression>,
    pub(super) deep: bool,
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
        let expression = Expression::parse(words)?.resolved(&OnDemand::default())?;
        Ok(Some(Self {
            expression: Arc::new(expression),
            deep,
            compiled: Vec::new(),
        }))
    }

    /// The filter for a link type.
    ///
    /// # Errors
    /// A word that means nothing on this link type.
    pub(super) fn filter(&mut self, link_type: LinkType) -> Result<&Filter> {
        if !self.compiled.iter().any(|(known, _)| *known == link_type) {
            let options = Options {
                deep: self.deep,
                target: Target::File,
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
