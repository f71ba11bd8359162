//! The trace machine on simulated internets, each a file in `tests/scenarios/`: it must find the
//! truth of each, with as many probes as it takes and no more. No packet leaves, and no time
//! passes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test that cannot go on has failed, and its networks are small"
)]

#[path = "internet/bytes.rs"]
mod bytes;
#[path = "internet/drive.rs"]
mod drive;
#[path = "internet/internet.rs"]
mod internet;
#[path = "trace/multipath.rs"]
mod multipath;
#[path = "trace/paris.rs"]
mod paris;
#[path = "trace/random.rs"]
mod random;
#[path = "trace/scenarios.rs"]
mod scenarios;
#[path = "trace/traceroute.rs"]
mod traceroute;
