//! The words of findings about each section, with their lines.

use std::fs;

use crate::config::{
    Config,
    tests::{REST, SERVER, TOKEN, cut, directory, of_ours, of_server, of_token, said, write},
};

#[test]
fn addresses_and_prefixes() {
    let address = |text: &str| said(&format!("server:\n  addr: {text}\n{TOKEN}{REST}"));
    assert_eq!(address("5001"), "f.yml:2:3: server.addr: the address has no port. Write `:5001`");
    assert_eq!(
        address("[':1', 'a.example:1']"),
        "f.yml:2:16: server.addr[1]: the address has a name where an IP address should be. Write `:443`, \
        `127.0.0.1:443` or \
         `[::1]:443`"
    );
    assert_eq!(of_server("  net: tcp4\n"), "f.yml:3:3: server.net: unknown network. Write `tcp` or `unix`");
    let prefix = "f.yml:3:3: server.path_prefix: must be an absolute path. Write it as `/prefix`: letters, \
    digits, `-`, `.`, \
                  `_`, `~` and single slashes";
    for wrong in ["auth", "/a//b", "/a?b", "/../a", "//"] {
        assert_eq!(of_server(&format!("  path_prefix: {wrong}\n")), prefix, "{wrong}");
    }
}

#[test]
fn redirects_are_followed_to_origins_only() {
    let with = |list: &str| {
        said(&format!("server:\n  addr: ':443'\nregistry:\n  follow_redirects: {list}\n{TOKEN}{REST}"))
    };
    let none = with("[]");
    for right in [
        "https://bucket.s3.example.com",
        "[https://bucket.s3.example.com, 'https://b.example:9000', http://minio.internal:9000]",
        "['http://10.0.0.7:9000', 'http://[::1]:9000', 'http://[fd00::1]', http://localhost, http://minio]",
    ] {
        assert_eq!(with(right), none, "{right}");
    }
    let hint = "Write the scheme, the host and the port of the store, as `https://bucket.s3.example.com`, without a path, \
                a user or a wildcard";
    for wrong in [
        "https://b.example/bucket",
        "https://u:p@b.example",
        "https://*.example",
        "b.example",
        "'*'",
        "ftp://b",
    ] {
        assert!(
            with(wrong).contains(&format!("f.yml:4:3: registry.follow_redirects: not an origin. {hint}")),
            "{wrong}: {}",
            with(wrong)
        );
    }
    assert!(
        with("[https://b.example, 'https://b.example?x']")
            .contains("registry.follow_redirects[1]: not an origin")
    );
    for (clear, host) in [("http://b.example", "b.example"), ("http://169.254.169.254", "169.254.169.254")] {
        let warning = format!("in the clear, for others to read. Write `https://{host}`");
        assert!(with(clear).contains(&warning), "{clear}: {}", with(clear));
    }
}

#[test]
fn a_port_redirects_to_https_only_where_that_is_spoken() {
    let with = |addr: &str, more: &str, redirect: &str| {
        said(&format!("server:\n  addr: {addr}\n{more}  redirect_addr: {redirect}\n{TOKEN}{REST}"))
    };
    let tls = "  certificate: cert.pem\n  key: key.pem\n";
    let warned = with("':443'", tls, "");
    for right in ["':80'", "[':80', '127.0.0.1:8080']", "''", "[]"] {
        assert_eq!(with("':443'", tls, right), warned, "{right}");
    }
    assert_eq!(with("'127.0.0.1:443'", tls, "'127.0.0.2:443'"), warned);
    assert_eq!(with("'127.0.0.1:0'", tls, "'127.0.0.1:0'"), warned);
    assert_eq!(
        with("':443'", "", "':80'"),
        "f.yml:3:3: server.redirect_addr: redirects to HTTPS, which the server does not speak. Add `certificate` and \
         `key`, or remove this"
    );
    assert!(with("a.socket", &format!("  net: unix\n{tls}"), "':80'").contains(
        "f.yml:6:3: server.redirect_addr: redirects to a TCP port, and `server.addr` is a Unix socket. Remove this, or let \
         `addr` be a TCP address"
    ));
    assert!(
        with("':443'", tls, "'80'").contains("server.redirect_addr: the address has no port. Write `:80`")
    );
    assert!(with("':443'", tls, "[':80', x]").contains("server.redirect_addr[1]: the address has no port"));
    for (served, redirect) in [
        ("[':443', ':80']", "':http'"),
        ("':80'", "'127.0.0.1:80'"),
        ("'[::1]:80'", "[':8080', ':80']"),
        ("'127.0.0.1:80'", "'0.0.0.0:80'"),
    ] {
        let said = with(served, tls, redirect);
        let clash = ":80` is an address of `server.addr`, where HTTPS is spoken. Write another port, as `:80";
        assert!(said.contains(clash), "{served} {redirect}: {said}");
    }
}

#[test]
fn tls_settings() {
    assert_eq!(
        of_server("  tls_min_version: TLS10\n"),
        "f.yml:3:3: warning: server.tls_min_version: older than TLS 1.2, which is the oldest spoken. Write \
        `TLS12` or `TLS13`"
    );
    assert_eq!(
        of_server("  tls_min_version: TLS14\n"),
        "f.yml:3:3: server.tls_min_version: unknown version of TLS. Write `TLS12` or `TLS13`"
    );
    assert_eq!(
        of_server("  tls_cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n"),
        "f.yml:3:3: server.tls_cipher_suites: lists no suite that is known and safe. Remove it, or list at \
        least one suite of \
         TLS 1.2 with ECDHE and GCM or CHACHA20"
    );
    assert_eq!(
        of_server("  tls_cipher_suites: [0xc02f]\n"),
        "f.yml:3:3: warning: server.tls_cipher_suites: ignored: the safe suites are offered, and no others. \
        Remove it"
    );
}

#[test]
fn certificates_and_keys_must_be_there_and_fit() {
    let pair = |certificate: &str, key: &str| {
        of_token(&format!("  issuer: A\n  expiration: 900\n  certificate: {certificate}\n  key: {key}\n"))
    };
    assert_eq!(
        pair("missing.pem", "key.pem"),
        "f.yml:6:3: token.certificate: cannot read missing.pem: No such file or directory (os error 2). \
        Give a PEM file that \
         this user may read; a relative path starts at this file's directory"
    );
    assert_eq!(
        pair("key.pem", "cert.pem"),
        "f.yml:6:3: token.certificate: key.pem holds a private key and no certificate. Give the file of the \
        certificate; \
         perhaps the two are swapped\n\
         f.yml:7:3: token.key: cert.pem holds a certificate and no private key. Give the file of the key; \
         perhaps the two are \
         swapped"
    );
    assert_eq!(pair("cert.pem", "empty.pem"), "f.yml:7:3: token.key: empty.pem is empty. Copy it again");
    assert_eq!(
        pair("cert.pem", "otherkey.pem"),
        "f.yml:7:3: token.key: otherkey.pem is not the key of cert.pem. Give the key that the certificate \
        was made with"
    );
    assert_eq!(
        of_server("  certificate: cert.pem\n"),
        "f.yml:3:3: server.certificate: stands without `key`. Add `key`, or remove this; the two belong \
        together"
    );
}

#[test]
fn a_key_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory();
    fs::set_permissions(directory.path().join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let loaded = Config::parse(&format!("{SERVER}{TOKEN}{REST}"), "f.yml", directory.path());
    let warnings = loaded.map(|loaded| loaded.warnings).unwrap_or_default();
    assert_eq!(
        cut(&warnings, directory.path()),
        "f.yml:7:3: warning: token.key: key.pem can be read by every user of this machine. Run `chmod \
        o-rwx` on it"
    );
}

#[test]
fn a_signing_key_that_docker_auth_refuses_is_warned_of() {
    for (algorithm, said) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, ""),
        (&rcgen::PKCS_ECDSA_P384_SHA384, ""),
        (
            &rcgen::PKCS_ED25519,
            "f.yml:7:3: warning: token.key: signs tokens with Ed25519, which docker_auth refuses. For the way back to \
             docker_auth use an RSA key of 2048 bits or more, or an EC key on P-256",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate =
            rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        write(directory.path(), "cert.pem", &certificate.pem());
        write(directory.path(), "key.pem", &key.serialize_pem());
        let loaded = Config::parse(&format!("{SERVER}{TOKEN}{REST}"), "f.yml", directory.path()).unwrap();
        assert_eq!(cut(&loaded.warnings, directory.path()), said);
    }
}

#[test]
fn the_life_of_a_token() {
    let expiration = |n: &str| {
        of_token(&format!("  issuer: A\n  expiration: {n}\n  certificate: cert.pem\n  key: key.pem\n"))
    };
    let range = "must be from 1 to 31622400 seconds, is 0. Write a number of seconds, as `900`";
    assert_eq!(expiration("0"), format!("f.yml:5:3: token.expiration: {range}"));
    for (written, told) in [
        ("9223372036854775807", "must be from 1 to 31622400 seconds, is 9223372036854775807"),
        ("31622401", "must be from 1 to 31622400 seconds, is 31622401"),
        ("-900", "must be from 1 to 31622400 seconds, is -900"),
        ("0.5", "must be from 1 to 31622400 seconds, is 0"),
        ("99999999999999999999", "whole number"),
        ("15m", "whole number"),
        ("\"900\"", "whole number"),
    ] {
        let said = expiration(written);
        assert!(said.contains("token.expiration") && said.contains(told), "{written}: {said}");
    }
    assert_eq!(expiration("~"), "f.yml:5:3: token.expiration: missing. Write a number of seconds, as `900`");
    assert_eq!(
        expiration("30"),
        "f.yml:5:3: warning: token.expiration: 30 seconds is too short for clients: tokens last 60 \
        seconds. Write `60` or \
         more"
    );
}

#[test]
fn believing_anybody_is_said_loudly() {
    let loud = of_server("  real_ip_header: X-Forwarded-For\n");
    assert_eq!(
        loud,
        "f.yml:3:3: warning: server.real_ip_header: ANY client is believed about its own address: each \
        can send this header, so rules with `ip` protect nothing. Name your proxies in `server.trusted_proxies`, as \
         `[\"10.0.0.1\"]`"
    );
    let trusted = "  real_ip_header: X-Forwarded-For\n  trusted_proxies: 10.0.0.1\n";
    assert_eq!(of_server(trusted), "");
    assert_eq!(
        of_server("  trusted_proxies: [10.0.0.1, nobody]\n"),
        "f.yml:3:31: server.trusted_proxies[1]: not a block of addresses. Write an address or a block, as \
        `10.0.0.1` or \
         `10.0.0.0/8`"
    );
    for wide in ["0.0.0.0/0", "'::/0'", "128.0.0.0/1", "'2000::/3'", "[10.0.0.1, 0.0.0.0/0]"] {
        let said = of_server(&format!("  trusted_proxies: {}\n", wide));
        assert!(said.contains("ANY host in `") && said.lines().count() == 1, "{wide}: {said}");
    }
    for fine in ["10.0.0.0/8", "fc00::/7", "172.16.0.0/12", "2400:cb00::/32", "192.0.2.1/32", "104.16.0.0/13"]
    {
        assert_eq!(of_server(&format!("  trusted_proxies: \"{fine}\"\n")), "", "{fine}");
    }
    assert_eq!(
        of_server("  trusted_proxies: 10.0.0.1/8\n"),
        "f.yml:3:3: warning: server.trusted_proxies: holds all of `10.0.0.0/8`, and not `10.0.0.1` alone. Write `10.0.0.1` for \
         one proxy, or `10.0.0.0/8`"
    );
    let rule = "acl:\n  - match: {ip: 127.0.0.0/8}\n    actions: []\n";
    assert_eq!(
        said(&format!("{SERVER}{trusted}{TOKEN}users: {{}}\n{rule}")),
        "f.yml:12:13: warning: acl[0].match.ip: behind a proxy on this machine every client has this \
        address when the proxy does not name the client. Match accounts instead, or make sure that the \
        proxy always sends the client's address"
    );
    assert_eq!(said(&format!("{SERVER}{TOKEN}users: {{}}\n{rule}")), "");
}

#[test]
fn pages_of_other_origins_are_named_one_by_one() {
    let of = |cors: &str| of_server(&format!("  cors: {cors}\n"));
    let origin = "Write each origin by name, as `https://ui.example`: its pages use the passwords that a browser knows for \
                  this registry";
    assert_eq!(of("{origins: ['https://ui.example', 'http://localhost:8080'], methods: [GET, DELETE]}"), "");
    assert_eq!(of("{origins: '*'}"), format!("f.yml:3:10: server.cors.origins: not an origin. {origin}"));
    assert_eq!(of("{methods: [GET]}"), format!("f.yml:3:3: server.cors.origins: missing. {origin}"));
    assert_eq!(
        of("{origins: [https://a.example, https://b.example/x], methods: [get]}"),
        format!(
            "f.yml:3:39: server.cors.origins[1]: not an origin. {origin}\n\
             f.yml:3:71: server.cors.methods[0]: not a method of the registry. Write some of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`"
        )
    );
    let warned = of("{origins: 'http://ui.example'}");
    assert!(
        warned.contains("warning: server.cors.origins: a page that comes over the network in the clear"),
        "{warned}"
    );
}

#[test]
fn our_own_sections() {
    assert_eq!(
        of_ours("registry: {url: 'https://registry:5000'}\n"),
        "f.yml:10:12: registry.url: a registry behind TLS is not supported: it needs no TLS of its own. \
        Bind the registry to \
         this machine or to a Unix socket. Write `http://127.0.0.1:5000`"
    );
    assert_eq!(
        of_ours("registry: {url: 'localhost:5000'}\n"),
        "f.yml:10:12: registry.url: not the address of a registry. Write `http://127.0.0.1:5000` or \
        `unix:/path/of/socket`"
    );
    assert_eq!(
        of_ours("limits: {idle_body: 5}\n"),
        "f.yml:10:10: limits.idle_body: not a duration. Write a number with a unit: `30s`, `5m`, `1h30m`"
    );
    assert_eq!(
        of_ours("limits: {handshake_timeout: 0s, streams: 0, header_bytes: 1KiB}\n"),
        "f.yml:10:10: limits.handshake_timeout: must be from 1s to 1h. Write a number with a unit: \
        `30s`, `5m`, `1h30m`\n\
         f.yml:10:33: limits.streams: must be from 1 to 10000. Write a whole number, or leave it out for \
         100\n\
         f.yml:10:45: limits.header_bytes: must be from 8192 to 1048576 bytes. Write bytes as a number, or \
         with a unit: \
         `65536`, `64KiB`, `1MiB`"
    );
    assert_eq!(
        of_ours("log: {level: trace}\n"),
        "f.yml:10:7: log.level: unknown value. Write one of error, warn, info, debug"
    );
    let remote = of_ours("registry: {url: 'http://registry:5000'}\n");
    assert!(
        remote.starts_with("f.yml:10:12: warning: registry.url: the registry is not on this machine"),
        "{remote}"
    );
}

#[test]
fn the_state_is_a_file_of_this_user_alone() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let with = |path: &std::path::Path| {
        said(&format!("server:\n  addr: ':443'\nstate:\n  file: {}\n{TOKEN}{REST}", path.display()))
    };
    let fine = with(&file);
    assert!(!fine.contains("state.file"), "one that is still to be made: {fine}");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(with(&file), fine);
    let link = directory.path().join("link");
    symlink(&file, &link).unwrap();
    assert!(with(&link).contains("f.yml:4:3: state.file: expected a file at "), "{}", with(&link));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(with(&file).contains("f.yml:4:3: state.file: other users may open "), "{}", with(&file));
}
