//! How long a frame may claim to be, and what is said of a claim that is odd.

use super::batch::Chunk;

/// The most bytes of one frame that are believed, as libpcap and Wireshark have it: more than
/// any link but USB and D-Bus carries.
const MAX_CAPTURED: u32 = 262_144;

/// What [`MAX_CAPTURED`] may be raised to by a file that declares a larger snaplen.
const MAX_DECLARED: u32 = 16 << 20;

/// The most bytes of one frame on a link whose "frames" are whole transfers.
pub(super) const MAX_TRANSFER: u32 = 128 << 20;

/// The most bytes that one frame may claim to hold. Anything above is damage, told before a
/// byte of it is waited for.
pub(super) fn max_captured(link_type: u16, snaplen: u32) -> u32 {
    match link_type {
        // USB_LINUX, USB_LINUX_MMAPPED, DBUS, USBPCAP, USB_DARWIN, EBHSCR
        189 | 220 | 231 | 249 | 266 | 279 => MAX_TRANSFER,
        _ => snaplen.clamp(MAX_CAPTURED, MAX_DECLARED),
    }
}

/// What has been said about odd lengths: each thing is said once a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Oddities {
    told_snaplen: bool,
    told_wire_len: bool,
    told_option: bool,
}

impl Oddities {
    /// Notices, on the chunk, what is odd about the next frame, which is at this place in it.
    #[inline]
    pub(super) fn check(
        &mut self,
        chunk: &mut Chunk,
        at: usize,
        captured: u32,
        wire_len: u32,
        snaplen: u32,
    ) {
        if captured > wire_len || (captured > snaplen && snaplen != 0) {
            self.tell(chunk, at, captured, wire_len, snaplen);
        }
    }

    /// Notices an option that reaches past its block: the frame is whole, what is said of it is
    /// not.
    #[cold]
    pub(super) fn option(&mut self, chunk: &mut Chunk, at: usize) {
        if !std::mem::replace(&mut self.told_option, true) {
            let byte = chunk.base + at as u64;
            let number = chunk.next_number();
            chunk.notices.push(format!(
                "frame {number} at byte {byte}: an option reaches past its block; the options from there on are left out"
            ));
        }
    }

    #[cold]
    fn tell(&mut self, chunk: &mut Chunk, at: usize, captured: u32, wire_len: u32, snaplen: u32) {
        let byte = chunk.base + at as u64;
        let place = format!("frame {} at byte {byte}", chunk.next_number());
        if captured > snaplen && snaplen != 0 && !self.told_snaplen {
            self.told_snaplen = true;
            chunk.notices.push(format!(
                "{place}: captured length {captured} exceeds the snaplen {snaplen}; read anyway"
            ));
        }
        if captured > wire_len && !self.told_wire_len {
            self.told_wire_len = true;
            chunk.notices.push(format!(
                "{place}: captured length {captured} exceeds the length on the wire {wire_len}; read anyway"
            ));
        }
    }
}
