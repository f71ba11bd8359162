//! What a person sees at a terminal while packets go to a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Failed;
use nix::pty::{OpenptyResult, Winsize, openpty};

use super::{count, dotquad, folder, send};

/// A sniffer whose words go to a terminal.
struct AtTerminal {
    child: Child,
    screen: File,
    /// All that was drawn so far.
    drawn: String,
}

impl AtTerminal {
    fn start(path: &Path) -> Result<Self, Failed> {
        let size = Winsize {
            ws_row: 24,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } = openpty(Some(&size), None)?;
        let child = Command::new(dotquad())
            .args(["sniff", "-i", "lo", "-w"])
            .arg(path)
            .arg("udp")
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::from(slave.try_clone()?))
            .stderr(Stdio::from(slave))
            .spawn()?;
        Ok(Self {
            child,
            screen: File::from(master),
            drawn: String::new(),
        })
    }

    /// Reads on until this has been drawn; at the end of all it is not.
    fn draws(&mut self, words: &str) -> Result<(), Failed> {
        let mut bytes = [0; 4096];
        while !self.drawn.contains(words) {
            // When nobody has the other end any more, that is an error of the terminal.
            let length = self.screen.read(&mut bytes).unwrap_or(0);
            let read = bytes.get(..length).unwrap_or_default();
            if read.is_empty() {
                return Err(format!("{words:?} was not drawn: {:?}", self.drawn).into());
            }
            self.drawn.push_str(&String::from_utf8_lossy(read));
        }
        Ok(())
    }

    fn signal(&self, signal: &str) -> Result<(), Failed> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status()?;
        assert!(status.success());
        Ok(())
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn status_line() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let mut sniffer = AtTerminal::start(&path)?;
    sniffer.draws("listening on lo")?;
    send(7)?;
    // Rate, bytes, drops and how full the ring is, drawn each second.
    sniffer.draws("7 packets, ")?;
    sniffer.draws("; 0 dropped; ring 0 % full")?;
    let line = sniffer.drawn.lines().last().unwrap_or_default().to_owned();
    assert!(line.contains("/s, ") && line.contains("B/s"), "{line:?}");
    // Counters that are asked for stand above the line, which comes back below them.
    sniffer.drawn.clear();
    sniffer.signal("USR1")?;
    sniffer.draws("7 matched\r\n")?;
    sniffer.draws("7 written\r\n")?;
    sniffer.draws("0 dropped by the interface\r\n")?;
    sniffer.drawn.clear();
    sniffer.draws("7 packets, 0/s")?;
    sniffer.drawn.clear();
    sniffer.signal("INT")?;
    sniffer.draws("7 written\r\n")?;
    sniffer.draws("dropped by the interface\r\n")?;
    // The line is taken away before the counters are told: nothing of it comes after them.
    let told = sniffer.drawn.split_once("7 matched").ok_or("counters")?;
    assert!(!told.1.contains("packets, "), "{:?}", sniffer.drawn);
    assert_eq!(sniffer.child.wait()?.code(), Some(0));
    assert_eq!(count(&path)?, 7);
    Ok(())
}
