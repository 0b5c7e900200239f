//! A JWT or a set of keys of a stranger: see `workload::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    portwarden::workload::fuzzing::read(data);
});
