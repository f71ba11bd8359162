//! The kernel: what it knows of its interfaces, names by way of a child process, and the sandbox.
//!
//! The only room that reads a clock or opens a socket. It must not know what is printed, nor
//! what was typed. Linux is the platform; elsewhere on Unix the portable half remains.

#[cfg(target_os = "linux")]
mod ancillary;
#[cfg(target_os = "linux")]
mod batch;
pub mod clock;
mod databases;
#[cfg(target_os = "linux")]
pub mod drive;
#[cfg(target_os = "linux")]
pub mod engine;
pub mod interface;
#[cfg(target_os = "linux")]
pub mod lanes;
pub mod live;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
pub mod pace;
pub mod resolver;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
pub mod route;
pub mod sandbox;
pub mod signals;
#[cfg(target_os = "linux")]
mod sockopt;
#[cfg(target_os = "linux")]
pub mod transmit;

/// What an I/O error says, without the number that nobody looks up.
#[cfg(target_os = "linux")]
fn plain(why: &std::io::Error) -> String {
    let text = why.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
