#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    portwarden::workload::fuzzing::read(data);
});
