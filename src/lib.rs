//! dotquad works on IPv4 from both ends: it takes packets apart field by field, and it puts
//! packets on the wire.
//!
//! The crate is a row of rooms, and every door opens to the left:
//!
//! ```text
//! error <- wire <- { capture, filter, probe, survey } <- net <- cli <- main
//! ```
//!
//! * [`wire`]: what bytes mean. Bytes to values and back; no I/O, no clock, no printing.
//! * [`capture`]: saved packets, read from and written to any `Read` and `Write`.
//! * [`filter`]: the pcap-filter language, compiled to classic BPF and run over frames.
//! * [`probe`]: ping and trace as machines that are told the time.
//! * [`survey`]: what several packets mean together.
//! * [`net`]: the kernel. Interfaces, the clock, the resolver child, the sandbox.
//! * [`cli`]: what the user typed and what the user reads.
//!
//! A room imports only from rooms to its left, and each dependency belongs to one room;
//! `tests/layering.rs` holds the tree to both.

pub mod capture;
pub mod cli;
pub mod error;
pub mod filter;
pub mod net;
pub mod probe;
pub mod survey;
pub mod wire;

pub use error::{Error, Result};
