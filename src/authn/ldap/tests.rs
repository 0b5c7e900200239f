//! A login against a directory of a few lines, that answers what no real one would. Real ones: `tests/ldap.rs`.
