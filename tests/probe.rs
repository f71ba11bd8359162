//! The probe machines on a simulated network with a simulated clock: no test takes real time,
//! sleeps or tries again.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on has failed"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each scenario uses what it needs"
)]

#[path = "probe/network.rs"]
mod network;
#[path = "probe/ping.rs"]
mod ping;
