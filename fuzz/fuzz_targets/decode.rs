//! Any bytes as a capture file: read, dissected and described in every word.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/mutation/listener.rs"]
mod listener;

fuzz_target!(|bytes: &[u8]| {
    listener::hear(bytes.to_vec());
});
