//! Socket options that neither socket2 nor nix has: one pair of functions over plain values.
//! Which option means what is its caller's matter.

#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, socklen_t};

/// A type that is nothing but its bytes: any bytes are one of its values, and none is padding.
///
/// # Safety
/// Both must be true of the type.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: an integer is its bytes.
unsafe impl Plain for c_int {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u8 {}
// SAFETY: an array is its elements, one after the other.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Sets an option (setsockopt(2)).
///
/// # Errors
/// What the kernel says.
pub(super) fn set<T: Plain>(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: &T,
) -> io::Result<()> {
    let length = socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open while it is borrowed, and the pointer and length are those of
    // one whole value without padding, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads an option (getsockopt(2)).
///
/// # Errors
/// What the kernel says, or when it has less to say than the type holds.
pub(super) fn get<T: Plain>(socket: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let mut length = socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open while it is borrowed; the kernel writes at most `length`
    // bytes, which is the room there is.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if usize::try_from(length).ok() != Some(size_of::<T>()) {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    // SAFETY: the kernel has filled all of it, and any bytes are a value of the type.
    Ok(unsafe { value.assume_init() })
}

/// Takes a datagram socket's peer away, and the address that connecting gave it (connect(2)).
///
/// # Errors
/// What the kernel says.
pub(super) fn disconnect(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: zeros are an address of no family (AF_UNSPEC is 0).
    let nobody: libc::sockaddr = unsafe { std::mem::zeroed() };
    let length = socklen_t::try_from(size_of::<libc::sockaddr>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open while it is borrowed, and the pointer and length are those of
    // one whole address, which the kernel only reads.
    let result = unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, length) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
