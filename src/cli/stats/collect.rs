//! One worker's share of a survey: filter, dissect and sum up the frames of a batch, with no
//! memory of any other frame. Frames with fragments are noted for who has one.
//!
//! It must not know how sums are shown.

use std::sync::Arc;

use crate::capture::Batch;
use crate::cli::pipeline::{self, Dealt, Made, Work};
use crate::cli::selector::Selector;
use crate::survey::stats::Digest;
use crate::survey::tracks::{Origin, Passing};
use crate::wire::frame::Frame;
use crate::wire::packet::{Judge, Packet, dissect};

/// Sums up batches; every worker has its own.
#[derive(Debug, Clone)]
pub(super) struct Collector {
    selector: Option<Selector>,
    judge: Judge,
    packet: Packet,
    /// The secret that datagrams are known again with, where they are.
    track: Option<[u64; 2]>,
    worker: usize,
}

/// What a batch holds.
pub(super) struct Part {
    pub(super) batch: Batch,
    pub(super) file: Option<Arc<str>>,
    pub(super) digest: Digest,
    /// Frames by interface, as the batch numbers them.
    pub(super) interfaces: Vec<u64>,
    /// Places of the frames with fragments.
    pub(super) fragments: Vec<u32>,
    /// Places of the frames that were selected, where the frames before them had a say in it.
    pub(super) selected: Option<Vec<u32>>,
    /// The number of the first of them, where those are numbered that are selected.
    numbered: Option<u64>,
    /// What passed by, and at which places.
    pub(super) passings: Vec<(u32, Passing)>,
    worker: usize,
}

type Storage = (Digest, Vec<u64>, Vec<(u32, Passing)>);

impl Collector {
    pub(super) fn new(
        selector: Option<Selector>,
        anomalies: bool,
        track: Option<[u64; 2]>,
    ) -> Self {
        Self {
            selector,
            judge: Judge {
                checksums: anomalies,
                anomalies,
            },
            packet: Packet::new(),
            track,
            worker: 0,
        }
    }

    /// Takes a frame apart once more.
    pub(super) fn dissect(&mut self, frame: &Frame<'_>) -> &Packet {
        dissect(frame, self.judge, &mut self.packet);
        &self.packet
    }
}

impl Part {
    /// The frame of this place in the batch.
    pub(super) fn frame(&self, index: u32) -> Option<Frame<'_>> {
        let mut frame = self.batch.frame(index as usize)?;
        if let (Some(first), Some(selected)) = (self.numbered, &self.selected) {
            let before = selected.partition_point(|place| *place < index);
            frame.number = first.saturating_add(before as u64);
        }
        Some(frame)
    }
}

impl Work for Collector {
    type Piece = Part;

    fn for_worker(&self, worker: usize) -> Self {
        Self {
            worker,
            ..self.clone()
        }
    }

    fn selector(&self) -> Option<&Selector> {
        self.selector.as_ref()
    }

    fn batch(
        &mut self,
        dealt: &Dealt,
        storage: &mut dyn FnMut() -> Option<Storage>,
        send: &mut dyn FnMut(Made<Part>) -> bool,
    ) -> bool {
        let (mut digest, mut interfaces, mut passings) = storage().unwrap_or_default();
        digest.clear();
        interfaces.clear();
        passings.clear();
        interfaces.resize(dealt.batch.interfaces().len(), 0);
        let mut fragments = Vec::new();
        let origin = |seed| Origin::new(seed, dealt.file.as_deref());
        let origin = self.track.map(origin);
        for (index, frame) in (0..).zip(dealt.batch.frames()) {
            match dealt.selects(self.selector.as_mut(), &frame, index) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => return send(Made::Failed(error)),
            }
            let mut frame = frame;
            if let Some(first) = dealt.numbered {
                frame.number = first.saturating_add(digest.packets());
            }
            dissect(&frame, self.judge, &mut self.packet);
            digest.add(&frame, &self.packet);
            if let Some(packets) = interfaces.get_mut(frame.interface.unwrap_or(0) as usize) {
                *packets += 1;
            }
            if self.judge.anomalies {
                if self.packet.fragment().is_some() {
                    fragments.push(index);
                }
                if let Some(origin) = &origin {
                    let passing = Passing::read(&frame, &self.packet, origin);
                    passings.extend(passing.map(|passing| (index, passing)));
                }
            }
        }
        send(Made::Piece(Part {
            batch: dealt.batch.clone(),
            file: dealt.file.clone(),
            digest,
            interfaces,
            fragments,
            selected: dealt.selected.clone(),
            numbered: dealt.numbered,
            passings,
            worker: self.worker,
        }))
    }
}

impl pipeline::Part for Part {
    type Storage = Storage;

    fn is_last(&self) -> bool {
        true
    }

    fn worker(&self) -> usize {
        self.worker
    }

    fn into_storage(self) -> Self::Storage {
        (self.digest, self.interfaces, self.passings)
    }
}
