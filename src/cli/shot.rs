//! One frame as a renderer sees it: the frame, its dissection, and what its file says about it.

use crate::survey::reassembly::{Difference, Whole};
use crate::wire::anomaly::Anomaly;
use crate::wire::frame::Frame;
use crate::wire::packet::Packet;

/// Everything a renderer may show of one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shot<'a> {
    pub(super) frame: &'a Frame<'a>,
    pub(super) packet: &'a Packet,
    /// The capture's name, where several are read.
    pub(super) file: Option<&'a str>,
    /// The interface's name, where the file knows it.
    pub(super) interface: Option<&'a str>,
    /// Digits of a second the source keeps: 6 or 9.
    pub(super) digits: usize,
    /// Show anomalies.
    pub(super) show_anomalies: bool,
    /// What earlier frames have to do with it.
    pub(super) beyond: Beyond<'a>,
}

/// What is seen of a frame only beside earlier ones.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beyond<'a> {
    /// Which frames an anomaly of several frames involves.
    pub(super) involved: &'a [(Anomaly, Vec<u64>)],
    /// Where a fragment contradicts earlier ones.
    pub(super) differences: &'a [Difference],
    /// The datagram that this is instead of a frame, put together from fragments; the number and
    /// the time are of the frame that completed it.
    pub(super) whole: Option<&'a Whole>,
}

impl Shot<'_> {
    /// The frames an anomaly of several frames involves.
    pub(super) fn frames_of(&self, anomaly: Anomaly) -> Option<&[u64]> {
        self.beyond
            .involved
            .iter()
            .find(|(of, _)| *of == anomaly)
            .map(|(_, frames)| frames.as_slice())
    }

    /// Where the bytes lie that make this anomaly, and what they are.
    pub(super) fn differences_of(&self, anomaly: Anomaly) -> &[Difference] {
        match anomaly {
            Anomaly::Ipv4FragmentConflict => self.beyond.differences,
            _ => &[],
        }
    }
}
