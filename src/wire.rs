//! What bytes mean: frames in, layers and fields out. No I/O, no clock, no printing.

pub mod frame;
