//! What the user typed and what the user reads.

pub mod interfaces;
