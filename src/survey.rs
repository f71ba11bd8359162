//! What several packets mean together. Knows dissected packets and their times, as they come;
//! no I/O, no clock.

pub mod as_table;
pub mod reassembly;
pub mod stats;
pub mod tracks;
