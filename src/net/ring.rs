//! A ring of blocks that the kernel fills with packets (`TPACKET_V3`, packet(7) and
//! Documentation/networking/packet_mmap.rst), and what else of packet sockets is raw memory.
//!
//! Knows who owns a block when, and nothing of what is in it.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fmt;
use std::io;
use std::mem::size_of;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::sockopt;
use crate::capture::Lease;

/// Where a block's status is, from its start (`struct tpacket_block_desc`).
const STATUS: usize = 8;
/// The block is the program's (`TP_STATUS_USER`); otherwise the kernel's.
const USER: u32 = libc::TP_STATUS_USER;

/// The largest block.
const BLOCK: u32 = 1 << 20;
/// The smallest block: a frame of 64 KiB still fits.
const SMALLEST_BLOCK: u32 = 1 << 17;

/// Listens on an interface, all if it is 0, for every protocol: from here on packets come.
pub(super) fn bind(socket: BorrowedFd<'_>, interface: c_int) -> io::Result<()> {
    // SAFETY: an address of zeros is a valid value of this plain structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or_default().to_be();
    address.sll_ifindex = interface;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>());
    // SAFETY: the descriptor is open while it is borrowed, and the kernel reads one whole address.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            length.map_err(io::Error::other)?,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Asks the driver to stamp every packet it receives (`SIOCSHWTSTAMP`, timestamping.rst).
pub(super) fn stamp_in_hardware(socket: BorrowedFd<'_>, interface: &str) -> io::Result<()> {
    /// `struct hwtstamp_config`: flags, transmit type (off), receive filter (all).
    const ALL: [c_int; 3] = [0, 0, 1];
    let mut config = ALL;
    // SAFETY: a request of zeros is a valid value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len().saturating_sub(1);
    for (to, from) in request
        .ifr_name
        .iter_mut()
        .zip(interface.bytes().take(room))
    {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = config.as_mut_ptr().cast();
    // SAFETY: the name ends with a zero, and the data is the structure that this request reads and
    // writes; both live until the call returns.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSHWTSTAMP as _,
            &raw mut request,
        )
    };
    if result >= 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The memory of a ring, and which of its blocks are lent out.
struct Map {
    start: NonNull<c_void>,
    block_len: usize,
    /// One for each block: true from when it is taken until it is given back.
    lent: Box<[AtomicBool]>,
}

// SAFETY: the memory is reached only through the atomic status words and through blocks, each of
// which is held by one owner at a time.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    fn length(&self) -> usize {
        self.block_len.saturating_mul(self.lent.len())
    }

    /// Where the block begins; none beyond the ring.
    fn block(&self, index: usize) -> Option<NonNull<u8>> {
        let offset = self.block_len.checked_mul(index)?;
        if index >= self.lent.len() {
            return None;
        }
        // SAFETY: the offset is below the length of the mapping.
        Some(unsafe { self.start.cast::<u8>().add(offset) })
    }

    /// The word that says whose the block is.
    fn status(&self, index: usize) -> Option<&AtomicU32> {
        let block = self.block(index)?;
        // SAFETY: a block begins at a page and is longer than its header, so the word is aligned
        // and inside the mapping, which lives as long as `self`. It is only ever reached as an
        // atomic while it may change: the slices of a block are gone when it is given back.
        Some(unsafe { AtomicU32::from_ptr(block.add(STATUS).cast().as_ptr()) })
    }

    /// True when the program has the block, or could have it.
    fn is_waiting(&self, index: usize) -> bool {
        self.lent
            .get(index)
            .is_some_and(|lent| lent.load(Ordering::Relaxed))
            || self
                .status(index)
                .is_some_and(|status| status.load(Ordering::Relaxed) & USER != 0)
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, whole, and nothing points into it any more: blocks hold on
        // to the map.
        let _ = unsafe { munmap(self.start, self.length()) };
    }
}

/// The ring of one packet socket. The memory stays until the last block has been given back.
pub(super) struct Ring {
    map: Arc<Map>,
    /// The block that the kernel fills next, or has filled.
    next: usize,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("block_len", &self.map.block_len)
            .field("blocks", &self.map.lent.len())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Ring {
    /// Makes the ring: to be called before the socket is bound. A block that is not full is handed
    /// over `timeout` after its first packet, or a little later.
    ///
    /// # Errors
    /// What the kernel says: no memory, or no such ring.
    pub(super) fn open(
        socket: BorrowedFd<'_>,
        mebibytes: u32,
        timeout: Duration,
    ) -> io::Result<Self> {
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        sockopt::set(socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version)?;
        // Room in which a VLAN tag is put back.
        let reserve: c_int = 4;
        sockopt::set(socket, libc::SOL_PACKET, libc::PACKET_RESERVE, &reserve)?;
        let mebibytes = mebibytes.max(1);
        let (block_len, blocks) = if mebibytes < 8 {
            (SMALLEST_BLOCK, mebibytes * (BLOCK / SMALLEST_BLOCK))
        } else {
            (BLOCK, mebibytes)
        };
        let timeout = u32::try_from(timeout.as_millis())
            .unwrap_or(u32::MAX)
            .max(1);
        // `struct tpacket_req3`: the ring's frames are its blocks, as packets of this version lie
        // in a block without gaps.
        let request: [u32; 7] = [block_len, blocks, block_len, blocks, timeout, 0, 0];
        sockopt::set(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let blocks = usize::try_from(blocks).map_err(io::Error::other)?;
        let block_len = usize::try_from(block_len).map_err(io::Error::other)?;
        let length = blocks.checked_mul(block_len).and_then(NonZeroUsize::new);
        let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let start = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, socket, 0)? };
        Ok(Self {
            map: Arc::new(Map {
                start,
                block_len,
                lent: (0..blocks).map(|_| AtomicBool::new(false)).collect(),
            }),
            next: 0,
        })
    }

    /// The next block, if the kernel has finished it.
    pub(super) fn take(&mut self) -> Option<Block> {
        let index = self.next;
        let lent = self.map.lent.get(index)?;
        // A block on loan still says that it is the program's. It is given back in two steps, the
        // status first: whoever sees the second step sees the first too.
        if lent.load(Ordering::Acquire) {
            return None;
        }
        if self.map.status(index)?.load(Ordering::Acquire) & USER == 0 {
            return None;
        }
        lent.store(true, Ordering::Relaxed);
        self.next = (index + 1) % self.map.lent.len().max(1);
        Some(Block {
            map: Arc::clone(&self.map),
            index,
        })
    }

    /// A handle that tells how full it is.
    pub(super) fn gauge(&self) -> Gauge {
        Gauge(Arc::clone(&self.map))
    }
}

/// Tells how full a ring is, from any thread.
pub(super) struct Gauge(Arc<Map>);

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauge").field(&self.read()).finish()
    }
}

impl Gauge {
    /// Blocks that wait to be read or given back, and blocks there are.
    pub(super) fn read(&self) -> (usize, usize) {
        let blocks = self.0.lent.len();
        let waiting = (0..blocks)
            .filter(|&index| self.0.is_waiting(index))
            .count();
        (waiting, blocks)
    }
}

/// One block that the kernel has filled, until it is given back by dropping it.
pub(super) struct Block {
    map: Arc<Map>,
    index: usize,
}

impl Block {
    /// Its bytes, to be put in order before anyone else sees them.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let Some(start) = self.map.block(self.index) else {
            return &mut [];
        };
        // SAFETY: the block is inside the mapping, which `self.map` keeps; the kernel does not
        // touch it while its status says that it is the program's; and `self` is its only owner,
        // borrowed mutably as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), self.map.block_len) }
    }
}

impl Lease for Block {
    fn bytes(&self) -> &[u8] {
        let Some(start) = self.map.block(self.index) else {
            return &[];
        };
        // SAFETY: as above, for sharing: nobody writes while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.map.block_len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Whatever was read of the block has been read before the kernel gets it.
        if let Some(status) = self.map.status(self.index) {
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        }
        if let Some(lent) = self.map.lent.get(self.index) {
            lent.store(false, Ordering::Release);
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
