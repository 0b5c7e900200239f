//! The words of findings about certificates by ACME.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::{
    acme::{AcmeSettings, ChallengeKind, LETS_ENCRYPT},
    config::{
        Config,
        tests::{REST, TOKEN, cut, directory, said, write},
    },
};

const HOST: &str = "  letsencrypt: {host: Registry.Example, cache_dir: cache}\n";

fn with(server: &str) -> String {
    said(&format!("server:\n  addr: ':443'\n{server}{TOKEN}{REST}"))
}

/// The settings of a configuration that is right; `token` needs `cert.pem` of its own.
fn meant(server: &str) -> AcmeSettings {
    let directory = directory();
    write(directory.path(), "eab.key", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W\n");
    let text = format!("server:\n  addr: ':443'\n{server}{TOKEN}{REST}");
    let loaded = Config::parse(&text, "f.yml", directory.path()).unwrap_or_else(|error| panic!("{error}"));
    let settings = loaded.config.server.tls.unwrap().acme().cloned().unwrap();
    std::sync::Arc::into_inner(settings).unwrap_or_else(|| panic!("the only one"))
}

#[test]
fn docker_auths_keys_are_enough_and_the_others_override() {
    let plain = meant(HOST);
    assert_eq!((plain.host.as_str(), plain.directory.as_str()), ("registry.example", LETS_ENCRYPT));
    assert_eq!((plain.challenge, plain.email), (ChallengeKind::TlsAlpn, None));
    assert!(plain.cache_dir.ends_with("cache") && plain.external_account.is_none());
    let other = meant(&format!(
        "{HOST}  redirect_addr: ':80'\n  acme:\n    directory: https://ca.example/acme/directory\n    \
         ca_certificate: other.pem\n    challenge: http-01\n    eab: {{kid: k, key_file: eab.key}}\n"
    ));
    assert_eq!((other.challenge, other.authorities.len()), (ChallengeKind::Http, 1));
    assert_eq!(other.directory, "https://ca.example/acme/directory");
    let external = other.external_account.unwrap();
    assert_eq!((external.id.as_str(), external.key.expose().len()), ("k", 48));
    assert!(!format!("{external:?}").contains("zWND"), "{external:?}");
}

#[test]
fn an_empty_section_asks_for_nothing() {
    for idle in ["{}", "{host: ''}", "{email: , host: , cache_dir: }"] {
        assert_eq!(with(&format!("  letsencrypt: {idle}\n")), "", "{idle}");
    }
}

#[test]
fn each_mistake_is_named_with_its_remedy() {
    for (written, at, said) in [
        ("{email: a@b.example, cache_dir: cache}", "server.letsencrypt.host", "missing"),
        ("{host: '*.registry.example', cache_dir: cache}", "server.letsencrypt.host", "in the DNS only"),
        ("{host: 192.0.2.1, cache_dir: cache}", "server.letsencrypt.host", "found an address"),
        ("{host: '::1', cache_dir: cache}", "server.letsencrypt.host", "found an address"),
        ("{host: a..example, cache_dir: cache}", "server.letsencrypt.host", "not a name of the DNS"),
        ("{host: ../example, cache_dir: cache}", "server.letsencrypt.host", "not a name of the DNS"),
        ("{host: a.example, email: ops, cache_dir: cache}", "server.letsencrypt.email", "not one address"),
        ("{host: a.example}", "server.letsencrypt.cache_dir", "missing"),
        ("{host: a.example, cache_dir: no/such}", "server.letsencrypt.cache_dir", "expected a directory"),
        ("{host: a.example, cache_dir: cert.pem}", "server.letsencrypt.cache_dir", "expected a directory"),
    ] {
        let found = with(&format!("  letsencrypt: {written}\n"));
        assert!(found.contains(at) && found.contains(said), "{written}: {found}");
    }
    for (acme, at, said) in [
        ("{directory: http://ca.example}", "server.acme.directory", "not an https URL"),
        ("{challenge: dns-01}", "server.acme.challenge", "not a challenge"),
        ("{challenge: http-01}", "server.acme.challenge", "redirect_addr"),
        ("{ca_certificate: empty.pem}", "server.acme.ca_certificate", "empty.pem is empty"),
        ("{eab: {kid: x}}", "server.acme.eab", "needs `kid` and `key_file`"),
        ("{eab: {kid: x, key_file: empty.pem}}", "server.acme.eab.key_file", "holds no key"),
    ] {
        let found = with(&format!("{HOST}  acme: {acme}\n"));
        assert!(found.contains(at) && found.contains(said), "{acme}: {found}");
    }
    assert!(with("  acme: {}\n").contains("server.acme: stands without `letsencrypt`"));
    let both = with(&format!("{HOST}  certificate: cert.pem\n  key: key.pem\n"));
    assert!(both.contains("server.letsencrypt: stands beside `certificate` and `key`"), "{both}");
}

/// Tokens are signed with the key of the server by default, and each renewal would end every login.
#[test]
fn rule_61_tokens_need_a_key_that_is_not_renewed() {
    let token = "token: {issuer: Acme, expiration: 900}\n";
    let found = said(&format!("server:\n  addr: ':443'\n{HOST}{token}{REST}"));
    let commands = ["openssl genpkey -algorithm EC", "openssl req -x509 -new -key token.key"];
    assert!(found.contains("token: tokens need a key that stays"), "{found}");
    assert!(commands.iter().all(|command| found.contains(command)), "{found}");

    let directory = directory();
    fs::create_dir(directory.path().join("cache")).unwrap();
    let pem = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    write(directory.path(), "cache/registry.example", &format!("{}{}", pem("key.pem"), pem("cert.pem")));
    let cached = "cache/registry.example";
    let token = format!("token: {{issuer: Acme, expiration: 900, certificate: {cached}, key: ./{cached}}}\n");
    let text = format!("server:\n  addr: ':443'\n{HOST}{token}{REST}");
    let Err(found) = Config::parse(&text, "f.yml", directory.path()) else { panic!("it is accepted") };
    assert!(
        cut(&found, directory.path()).contains("token.key: is the key of `server.letsencrypt`"),
        "{found}"
    );
}

#[test]
fn rule_61_files_that_others_may_open_or_replace_are_refused() {
    let directory = directory();
    let cache = directory.path().join("cache");
    fs::create_dir(&cache).unwrap();
    let text = format!("server:\n  addr: ':443'\n{HOST}{TOKEN}{REST}");
    let parse = || Config::parse(&text, "f.yml", directory.path());
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&cache, 0o700);
    assert!(parse().is_ok());
    mode(&cache, 0o777);
    assert!(parse().err().unwrap().to_string().contains("chmod go-w"));
    mode(&cache, 0o755);
    write(&cache, "registry.example", "");
    assert!(parse().is_ok());
    mode(&cache.join("registry.example"), 0o644);
    assert!(parse().err().unwrap().to_string().contains("other users may open it: mode 644"));
}
