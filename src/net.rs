//! The kernel: signals for now.

pub mod resolver;
pub mod signals;
