//! `token:`: issuer, key, and lifetime.

use std::{fs, path::Path as FilePath, time::Duration};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use zeroize::Zeroizing;

use super::acme;
use crate::{
    config::{
        Context, TokenSettings,
        diagnostics::{
            path::Path,
            unusable_keys::{self, Unusable},
        },
        schema::{File, Integer, Server, Text, Token},
        settings,
        values::{
            pem::{self, PairFiles},
            quantity::counted,
        },
    },
    token::{Algorithm, SigningKey},
};

/// Clients assume that a token lasts a minute when they are not told, and fail on shorter ones.
const SHORTEST: i64 = 60;

/// The two commands that make a pair which outlives the server's.
const OWN_PAIR: &str = "Make a pair with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out token.key` \
                        and `openssl req -x509 -new -key token.key -subj /CN=tokens -days 3650 -out token.crt`, and name \
                        both as `certificate` and `key` under `token`";

/// Reads `token:`; `None` after an error. `serves_tls` is true if the pair of `server` is there and usable for TLS.
pub(crate) fn settings(file: &File, serves_tls: bool, context: &mut Context<'_>) -> Option<TokenSettings> {
    let none = Token::default();
    let written = file.token.as_ref().unwrap_or(&none);
    let issuer = issuer(written, context);
    let lifetime = lifetime(written, context);
    let PairFiles { certificate, key } = signing_pair(written, file, context)?;
    if acme::is_renewed(&key, file, context) {
        let message =
            "is the key of `server.letsencrypt`, which changes with each renewal: every login would end";
        context.report.error("token.key", message, OWN_PAIR);
    }
    let is_own = present(written.key.as_ref());
    if !context.without_files && (is_own || serves_tls && can_sign(&certificate, context)) {
        let section = if is_own { "token" } else { "server" };
        look_at_key(&key, &Path::from(section).key("key"), context);
    }
    Some(TokenSettings {
        issuer: issuer?,
        lifetime: lifetime?,
        certificate: Some(certificate),
        key,
        legacy_key_id: !written.disable_legacy_key_id.unwrap_or_default().0,
    })
}

/// `token.realm`: where clients fetch their tokens; `None` for our own endpoint.
pub(crate) fn realm(file: &File, context: &mut Context<'_>) -> Option<String> {
    let Text(url) = file.token.as_ref()?.realm.as_ref().filter(|text| !text.0.is_empty())?;
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let printable = url.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\<>".contains(&b));
    if rest.is_empty() || rest.starts_with('/') || !printable {
        let hint =
            "Write the address of the token endpoint, as `https://registry.example/auth`, or leave it out";
        context.report.error("token.realm", "not a URL", hint);
    }
    Some(url.clone())
}

/// `token.refresh_tokens`. Off by default: docker would keep such a token in place of the password.
pub(crate) fn refresh_tokens(file: &File) -> bool {
    file.token.as_ref().and_then(|token| token.refresh_tokens).unwrap_or_default().0
}

fn issuer(written: &Token, context: &mut Context<'_>) -> Option<String> {
    let issuer = written.issuer.as_ref().map(|text| text.0.clone()).filter(|text| !text.is_empty());
    match &issuer {
        None => {
            let hint =
                "Write any name, as `Acme auth server`; a registry with `auth: token` must have the same";
            context.report.error("token.issuer", "missing", hint);
        }
        Some(text) if text.chars().any(char::is_control) => {
            context.report.error("token.issuer", "holds a control character", "Write it on one line");
        }
        Some(_) => {}
    }
    issuer
}

fn lifetime(written: &Token, context: &mut Context<'_>) -> Option<Duration> {
    let bounds = const { settings::count("token.expiration") };
    let (at, longest) = (bounds.key, bounds.most);
    let Some(Integer(seconds)) = written.expiration else {
        context.report.error(at, "missing", "Write a number of seconds, as `900`");
        return None;
    };
    if !(bounds.least.into()..=longest.into()).contains(&seconds) {
        let message = format!("must be from {} to {longest} seconds, is {seconds}", bounds.least);
        context.report.error(at, message, "Write a number of seconds, as `900`");
        return None;
    }
    if seconds < SHORTEST {
        let message = format!(
            "{} is too short for clients: tokens last {SHORTEST} seconds",
            counted(usize::try_from(seconds).unwrap_or_default(), "second")
        );
        context.report.warn(at, message, "Write `60` or more");
    }
    u64::try_from(seconds.max(SHORTEST)).ok().map(Duration::from_secs)
}

fn present(text: Option<&Text>) -> bool {
    text.is_some_and(|text| !text.0.is_empty())
}

/// Returns whether the pair of `server`, which serves TLS, may sign tokens too.
fn can_sign(certificate: &FilePath, context: &mut Context<'_>) -> bool {
    let pem = fs::read(certificate).unwrap_or_default();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let Some(Unusable { why, hint, .. }) = unusable_keys::cannot_sign(&chain) else { return true };
    let hint = hint.replacen("Make a pair with", "Name another pair under `token`, made with", 1);
    context.report.error("server.certificate", format!("{} {why}", certificate.display()), hint);
    false
}

/// Reports a key that cannot sign. One of Ed25519 serves Portwarden, and stands in the way back.
fn look_at_key(file: &FilePath, at: &Path, context: &mut Context<'_>) {
    let Ok(pem) = fs::read(file) else { return };
    match SigningKey::from_pem(&Zeroizing::new(pem), true) {
        Ok(key) if key.algorithm() == Algorithm::EdDSA => {
            let message = "signs tokens with Ed25519, which docker_auth refuses";
            let hint =
                "For the way back to docker_auth use an RSA key of 2048 bits or more, or an EC key on P-256";
            context.report.warn(at, message, hint);
        }
        Ok(_) => {}
        Err(error) => context.report.error(at, format!("{} {error}", file.display()), ""),
    }
}

/// The token's own pair, or else the server's, which `tls` has checked.
fn signing_pair(written: &Token, file: &File, context: &mut Context<'_>) -> Option<PairFiles> {
    if present(written.certificate.as_ref()) || present(written.key.as_ref()) {
        return pem::pair("token", written.certificate.as_ref(), written.key.as_ref(), context);
    }
    let none = Server::default();
    let server = file.server.as_ref().unwrap_or(&none);
    match (&server.certificate, &server.key) {
        (Some(Text(certificate)), Some(Text(key))) if !certificate.is_empty() && !key.is_empty() => {
            Some(PairFiles { certificate: context.path(certificate), key: context.path(key) })
        }
        _ if acme::is_on(server) => {
            let message =
                "tokens need a key that stays, and the key of `server.letsencrypt` changes with each renewal";
            context.report.error("token", message, OWN_PAIR);
            None
        }
        // One without the other has been reported.
        _ if present(server.certificate.as_ref()) || present(server.key.as_ref()) => None,
        _ => {
            let hint = "Add `certificate` and `key` here, or under `server`";
            context.report.error("token", "there is no certificate and key to sign tokens with", hint);
            None
        }
    }
}
