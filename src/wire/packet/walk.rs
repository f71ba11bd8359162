//! The state of a walk, and all that protocol files do to it: read a region, record a layer, a
//! verdict, an anomaly, or why the walk ends.
//!
//! It knows no protocol; what comes first and what comes next is for others to say.

use super::{
    Found, Fragment, Judge, Layer, MAX_QUOTES, Next, Packet, Protocol, Reason, Region, Stopped,
    narrow,
};
use crate::wire::anomaly::Anomaly;
use crate::wire::checksum::{Pseudo, Verdict};
use crate::wire::field::Lens;
use crate::wire::frame::Frame;

/// What the layers above have told the ones below: what a transport needs of its network layer.
#[derive(Debug, Clone, Copy)]
pub(in crate::wire) struct Context {
    /// Addresses for the transport's pseudo header, `None` before the first network layer and
    /// where they are not what the sender summed over (source routes).
    pub(in crate::wire) pseudo: Option<Pseudo>,
    /// The datagram is a fragment: its transport checksum cannot be judged.
    pub(in crate::wire) fragmented: bool,
    /// TTL or hop limit of the innermost network layer.
    pub(in crate::wire) ttl: Option<u8>,
    /// The innermost network layer is addressed to many: broadcast or multicast.
    pub(in crate::wire) to_many: bool,
    /// The link is a host's loopback: a host speaking to itself breaks no rule of the wire.
    pub(in crate::wire) loopback: bool,
}

/// The state of one walk over one frame. Protocol files are handed it to read and to record.
#[derive(Debug)]
pub struct Walk<'a> {
    pub(in crate::wire) frame: &'a Frame<'a>,
    pub(in crate::wire) judge: Judge,
    pub(in crate::wire) context: Context,
    pub(super) packet: &'a mut Packet,
    pub(super) depth: u8,
}

impl<'a> Walk<'a> {
    /// The captured bytes of a region.
    #[inline]
    pub(in crate::wire) fn bytes(&self, region: Region) -> &'a [u8] {
        self.frame
            .bytes
            .get(region.start..region.end)
            .unwrap_or_default()
    }

    /// The captured bytes of a region as a lens.
    #[inline]
    pub(in crate::wire) fn lens(&self, region: Region) -> Lens<'a> {
        Lens(self.bytes(region))
    }

    /// Records a layer whose header takes the first `header_len` bytes of `region`, or as many
    /// as there are. Anomalies recorded afterwards belong to it.
    #[inline]
    pub(in crate::wire) fn push(&mut self, protocol: Protocol, region: Region, header_len: usize) {
        self.packet.layers.push(Layer {
            protocol,
            depth: self.depth,
            checksum: Verdict::None,
            start: narrow(region.start),
            header_len: narrow(header_len.min(region.len())),
            end: narrow(region.end),
            promised_end: narrow(region.promised_end),
        });
    }

    /// Records the verdict on the last layer's checksum.
    #[inline]
    pub(in crate::wire) fn set_checksum(&mut self, verdict: Verdict) {
        if let Some(layer) = self.packet.layers.last_mut() {
            layer.checksum = verdict;
        }
    }

    /// The verdict on the last layer's checksum.
    #[inline]
    pub(in crate::wire) fn checksum(&self) -> Verdict {
        self.packet
            .layers
            .last()
            .map_or(Verdict::None, |layer| layer.checksum)
    }

    /// Records an anomaly of the last layer. What an ICMP error quotes was cut and rewritten on
    /// its way and is not judged.
    #[inline]
    pub(in crate::wire) fn anomaly(&mut self, anomaly: Anomaly) {
        if self.judge.anomalies && self.depth == 0 {
            let layer = u8::try_from(self.packet.layers.len().saturating_sub(1)).unwrap_or(u8::MAX);
            let found = Found { anomaly, layer };
            if !self.packet.anomalies.contains(&found) {
                self.packet.anomalies.push(found);
            }
        }
    }

    /// Ends the walk: what stands at `region` cannot be read as `protocol`.
    #[inline]
    pub(in crate::wire) fn stop(
        &mut self,
        protocol: Protocol,
        region: Region,
        reason: Reason,
    ) -> Next {
        if self.packet.stopped.is_none() {
            self.packet.stopped = Some(Stopped {
                protocol,
                offset: narrow(region.start),
                reason,
            });
        }
        None
    }

    /// Ends the walk: `protocol` needs `need` header bytes and the region has fewer.
    #[inline]
    pub(in crate::wire) fn stop_cut(
        &mut self,
        protocol: Protocol,
        region: Region,
        need: usize,
    ) -> Next {
        self.stop(
            protocol,
            region,
            Reason::Cut {
                need: narrow(need),
                have: narrow(region.len()),
            },
        )
    }

    /// Ends the walk at a header of `need` bytes that is not all there: records the layer with
    /// what there is of it, and `truncated` where the rest was left out by the sender, and
    /// neither by the capture nor for the next fragment of a tunnel to bring.
    #[inline]
    pub(in crate::wire) fn stop_short(
        &mut self,
        protocol: Protocol,
        region: Region,
        need: usize,
        truncated: Option<Anomaly>,
    ) -> Next {
        if !region.is_empty() {
            self.push(protocol, region, need);
            if let Some(anomaly) = truncated
                && region.promised_len() < need
                && !self.context.fragmented
            {
                self.anomaly(anomaly);
            }
        }
        self.stop_cut(protocol, region, need)
    }

    /// True inside what an ICMP error quotes.
    #[inline]
    pub(in crate::wire) fn is_quoted(&self) -> bool {
        self.depth > 0
    }

    /// From here on, layers are what the last layer quotes.
    #[inline]
    pub(in crate::wire) fn enter_quote(&mut self) -> bool {
        if self.depth >= MAX_QUOTES {
            return false;
        }
        self.depth += 1;
        true
    }

    /// Bytes behind the end that an inner length gives: shown as a trailer, fed to no one.
    #[inline]
    pub(in crate::wire) fn trailer(&mut self, region: Region) {
        if !region.is_empty() && self.depth == 0 {
            self.packet.trailers.push(region);
        }
    }

    /// Notes that the frame carries a fragment; the outermost one is kept.
    #[inline]
    pub(in crate::wire) fn fragment(&mut self, offset: u32, more: bool, data: Region) {
        if self.depth == 0 && self.packet.fragment.is_none() {
            let layer = u8::try_from(self.packet.layers.len().saturating_sub(1)).unwrap_or(u8::MAX);
            self.packet.fragment = Some(Fragment {
                layer,
                offset,
                more,
                data,
            });
        }
    }
}
