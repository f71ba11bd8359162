//! What is known of addresses beside the path: what was typed for them, their names, whose
//! networks they are in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::naming::Naming;
use crate::cli::text::Text;
use crate::survey::as_table::{AsTable, System};

/// Facts about addresses.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) naming: Option<Naming>,
    pub(super) table: Option<AsTable>,
    /// What was typed for a target.
    pub(super) labels: HashMap<Ipv4Addr, String>,
}

impl Facts {
    /// The name of an address; printable ASCII.
    pub(super) fn name(&self, address: Ipv4Addr) -> Option<&str> {
        self.naming.as_ref()?.name(address)
    }

    pub(super) fn system(&self, address: Ipv4Addr) -> Option<System> {
        self.table.as_ref()?.system(address)
    }

    /// What a person calls a target.
    pub(super) fn label(&self, target: Ipv4Addr) -> Cow<'_, str> {
        match self.labels.get(&target) {
            Some(label) => Cow::Borrowed(label),
            None => Cow::Owned(target.to_string()),
        }
    }

    /// An address as traceroute has it: alone, or behind its name; its network where that is
    /// known.
    pub(super) fn person(&self, address: Ipv4Addr, out: &mut Text) {
        match self.name(address) {
            Some(name) => out.display(&format_args!("{name} ({address})")),
            None => out.display(&address),
        }
        if let Some(System { number, holder }) = self.system(address) {
            out.display(&format_args!(" [AS{number}"));
            if let Some(holder) = holder {
                out.push(b' ');
                out.escaped(holder.as_bytes());
            }
            out.push(b']');
        }
    }
}
