//! The TLS part of `server:`. Cipher suites and curves are rustls's own safe choice: lists of them are
//! checked and then not used.

use std::sync::Arc;

use rustls::{CipherSuite, crypto::aws_lc_rs};

use super::acme;
use crate::{
    config::{
        Context,
        schema::{File, Server, Text},
        values::pem,
    },
    server::{CertificateSource, TlsSettings, TlsVersion},
};

/// Returns the TLS settings; `None` for plain HTTP, or after an error.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> Option<TlsSettings> {
    let written = file.server.as_ref()?;
    let min_version = min_version(written, context);
    cipher_suites(written, min_version, context);
    if written.tls_curve_preferences.as_ref().is_some_and(|list| !list.is_empty()) {
        let hint = "Remove it: X25519MLKEM768, X25519, P-256 and P-384 are offered";
        context.report.warn("server.tls_curve_preferences", "ignored", hint);
    }
    let acme = acme::settings(file, context);
    let source = if acme::is_on(written) {
        CertificateSource::Acme(Arc::new(acme?))
    } else {
        let pair = pem::pair("server", written.certificate.as_ref(), written.key.as_ref(), context)?;
        CertificateSource::Files { certificate: pair.certificate, key: pair.key }
    };
    Some(TlsSettings { source, min_version })
}

/// docker_auth's names, in any case, or the number of the version on the wire.
fn min_version(written: &Server, context: &mut Context<'_>) -> TlsVersion {
    let Some(Text(text)) = &written.tls_min_version else { return TlsVersion::default() };
    let at = "server.tls_min_version";
    match (text.to_ascii_uppercase().as_str(), number(text)) {
        ("", _) | ("TLS12", _) | (_, Some(0x0303)) => TlsVersion::Tls12,
        ("TLS13", _) | (_, Some(0x0304)) => TlsVersion::Tls13,
        ("SSL30" | "TLS10" | "TLS11", _) | (_, Some(0x0300..=0x0302)) => {
            context.report.warn(
                at,
                "older than TLS 1.2, which is the oldest spoken",
                "Write `TLS12` or `TLS13`",
            );
            TlsVersion::Tls12
        }
        _ => {
            context.report.error(at, "unknown version of TLS", "Write `TLS12` or `TLS13`");
            TlsVersion::Tls12
        }
    }
}

/// A list of suites excludes all others, so a list without a supported one cannot be served; any other is ignored.
fn cipher_suites(written: &Server, min_version: TlsVersion, context: &mut Context<'_>) {
    let Some(list) = &written.tls_cipher_suites else { return };
    let at = "server.tls_cipher_suites";
    if min_version == TlsVersion::Tls13 {
        context.report.error(at, "the suites of TLS 1.3 cannot be chosen", "Remove it");
    } else if !list.is_empty() && !list.iter().any(|Text(suite)| spoken(suite)) {
        let hint = "Remove it, or list at least one suite of TLS 1.2 with ECDHE and GCM or CHACHA20";
        context.report.error(at, "lists no suite that is known and safe", hint);
    } else if !list.is_empty() {
        context.report.warn(at, "ignored: the safe suites are offered, and no others", "Remove it");
    }
}

/// Returns true if rustls supports a suite, given by name or number; Go also knows ChaCha20 without the hash.
fn spoken(written: &str) -> bool {
    let number = number(written);
    let suites = aws_lc_rs::ALL_CIPHER_SUITES.iter().map(|suite| suite.suite());
    suites.into_iter().any(|suite: CipherSuite| {
        let name = format!("{suite:?}").replace("TLS13_", "TLS_");
        let short = name.strip_suffix("_SHA256").filter(|name| name.contains("CHACHA20"));
        name == written || short == Some(written) || number == Some(u16::from(suite))
    })
}

fn number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_safe_suites_by_name_and_number() {
        for suite in [
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
            "TLS_AES_128_GCM_SHA256",
            "0xc02f",
            "49199",
        ] {
            assert!(spoken(suite), "{suite}");
        }
        for suite in
            ["TLS_RSA_WITH_RC4_128_SHA", "TLS_ECDHE_RSA_WITH_AES_128_GCM", "0xc014", "nonsense", "", "99999"]
        {
            assert!(!spoken(suite), "{suite}");
        }
    }
}
