//! Rendering what had to wait for the in-order stage: frames that carry fragments or show that
//! one never came, the datagrams that they complete, and frames that are odd beside others.
//!
//! Knows no output format; what several frames mean together is survey/'s business.

use super::render::{Output, Piece, Renderer};
use super::shot::Beyond;
use super::text::Text;
use crate::survey::reassembly::{Reassembly, Together, Whole};
use crate::wire::frame::{Frame, Offload};
use crate::wire::packet::{Judge, dissect};

impl Renderer {
    /// Renders a frame that a worker left open, now that it can be seen beside earlier ones and
    /// it is known what was `tracked` over them, unless it is `refused` or not odd where only odd ones are wanted; answers where its delta
    /// time belongs if it is shown, and the datagram that the frame completes.
    pub(super) fn late(
        &mut self,
        piece: &Piece,
        frame: &Frame<'_>,
        refused: bool,
        (reassembly, tracked): (&mut Reassembly, &[Together]),
        out: &mut Text,
    ) -> (Option<usize>, Option<Whole>) {
        if let Output::Line(line) = &mut self.output {
            line.start_at(piece.origin);
        }
        let judge = Judge {
            // No host uses a fragment whose header is wrong.
            checksums: true,
            ..self.judge
        };
        dissect(frame, judge, &mut self.packet);
        let seen = reassembly.track(frame, &self.packet);
        if refused {
            return (None, seen.whole);
        }
        let mut involved = Vec::new();
        let overdue = reassembly.overdue(&self.packet);
        let together = overdue.iter().chain(&seen.together);
        for (anomaly, layer, frames) in together.chain(tracked) {
            if self.judge.anomalies {
                self.packet.add_anomaly(*anomaly, *layer);
                involved.push((*anomaly, frames.clone()));
            }
        }
        if self.is_left_out() {
            return (None, seen.whole);
        }
        let file = piece.file.as_deref();
        let beyond = Beyond {
            involved: &involved,
            differences: &seen.differences,
            whole: None,
        };
        let gap = self.render(frame, &piece.batch, file, beyond, out);
        (Some(gap), seen.whole)
    }

    /// Renders the datagram that a frame completed, if the filter lets it through; answers where
    /// its delta time belongs.
    pub(super) fn whole(
        &mut self,
        piece: &Piece,
        frame: &Frame<'_>,
        whole: &Whole,
        out: &mut Text,
    ) -> Option<usize> {
        let frame = Frame {
            link_type: whole.link_type,
            wire_len: u32::try_from(whole.bytes.len()).unwrap_or(u32::MAX),
            bytes: &whole.bytes,
            // What the hardware left open in one fragment says nothing of the whole.
            offload: Offload::default(),
            comments: &[],
            ..*frame
        };
        if let Some(selector) = &mut self.selector {
            // A filter that asks for what this link type has not got does not match.
            if !selector.matches(&frame).unwrap_or(false) {
                return None;
            }
        }
        dissect(&frame, self.judge, &mut self.packet);
        if self.is_left_out() {
            return None;
        }
        let file = piece.file.as_deref();
        let beyond = Beyond {
            whole: Some(whole),
            ..Beyond::default()
        };
        Some(self.render(&frame, &piece.batch, file, beyond, out))
    }
}
