//! Any bytes as a table of autonomous systems, which is asked for an address.
#![no_main]

use dotquad::survey::as_table::AsTable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, &[u8])| {
    let (address, bytes) = input;
    if let Ok(table) = AsTable::read(bytes.to_vec()) {
        let _ = table.system(address.into());
    }
});
