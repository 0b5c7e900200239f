//! Values of several sections: addresses, durations, sizes, certificates and keys.

pub(super) mod address;
pub(super) mod moment;
pub(super) mod pem;
pub(super) mod quantity;
