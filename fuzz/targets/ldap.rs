//! Any bytes of a directory: see `portwarden::authn::ldap::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    portwarden::authn::ldap::fuzzing::message(data);
});
