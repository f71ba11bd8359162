//! Where live tests run: a network namespace for each, and a cable in it between two interfaces.

use std::process::{Command, Stdio};
use std::thread;

use dotquad::net::interface::{self, State};
use libtest_mimic::Failed;
use nix::sched::{CloneFlags, unshare};

/// True when interfaces can be made here, by ip(8).
pub(super) fn has_ip() -> bool {
    let mut version = Command::new("ip");
    version.arg("-V").stdout(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Runs a test on a thread in a network namespace of its own, loopback up.
pub(super) fn alone(test: fn() -> Result<(), Failed>) -> Result<(), Failed> {
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        ip("link set dev lo up")?;
        test()
    };
    thread::spawn(run)
        .join()
        .unwrap_or_else(|_| Err("the test panicked".into()))
}

/// Changes the interfaces of this namespace.
pub(super) fn ip(words: &str) -> Result<(), Failed> {
    let output = Command::new("ip").args(words.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Two ends of a cable, up; what is sent to 10.7.0.2 goes in at `left` and comes out at `right`.
pub(super) fn cable() -> Result<(), Failed> {
    ip("link add left type veth peer name right")?;
    for name in ["left", "right"] {
        // No neighbour discovery of IPv6 beside the packets of the test.
        ip(&format!("link set dev {name} addrgenmode none"))?;
    }
    ip("link set dev right address 02:00:00:00:00:02")?;
    ip("address add 10.7.0.1/24 dev left")?;
    up(&["left", "right"])?;
    ip("neighbour add 10.7.0.2 lladdr 02:00:00:00:00:02 dev left nud permanent")
}

/// Switches interfaces on, and waits until they can carry packets: the kernel sees to that on a
/// thread of its own, and throws away what is sent before.
pub(super) fn up(names: &[&str]) -> Result<(), Failed> {
    let switch_on = || {
        names
            .iter()
            .try_for_each(|name| ip(&format!("link set dev {name} up")))
    };
    switch_on()?;
    for _ in 0..100_000 {
        let interfaces = interface::interfaces()?;
        let ready = names.iter().all(|name| {
            let found = interfaces.iter().find(|it| it.name.as_os_str() == *name);
            found.is_some_and(|it| it.state() == State::Up)
        });
        if ready {
            // The same lock is held while the interface is made ready: it is free by now.
            return switch_on();
        }
        thread::yield_now();
    }
    Err(format!("{names:?} do not come up").into())
}
