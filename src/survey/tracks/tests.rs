//! Simulated datagrams.
