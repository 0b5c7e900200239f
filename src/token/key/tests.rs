//! The kinds of key, their names, and the errors for files that hold none. Tokens made with them: `authority`.

use base64::{Engine, engine::general_purpose};

use super::*;
use crate::token::testing::{KINDS, P256, generate, shell};

fn key(pem: &[u8]) -> SigningKey {
    SigningKey::from_pem(pem, true).unwrap()
}

fn fault(pem: &[u8]) -> String {
    SigningKey::from_pem(pem, true).unwrap_err().to_string()
}

#[test]
fn every_kind_of_key_signs_with_its_algorithm() {
    let expected = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
    for (kind, algorithm) in KINDS.into_iter().zip(expected) {
        let (key, other) = (key(&generate(kind)), key(&generate(kind)));
        assert_eq!(key.algorithm(), algorithm);
        let signature = key.sign(b"message").unwrap();
        assert!(key.has_signed(b"message", &signature), "{kind}");
        assert!(!key.has_signed(b"massage", &signature), "{kind}");
        assert!(!other.has_signed(b"message", &signature), "{kind}");
        assert!(!key.has_signed(b"message", b""), "{kind}");
    }
}

#[test]
fn the_key_is_the_same_however_its_file_is_written() {
    let forms = [
        (KINDS[0], "openssl rsa -traditional", "BEGIN RSA PRIVATE KEY"),
        (KINDS[1], "openssl ec", "BEGIN EC PRIVATE KEY"),
        (KINDS[2], "openssl ec", "BEGIN EC PRIVATE KEY"),
        (KINDS[3], "cat", "BEGIN PRIVATE KEY"),
        (KINDS[1], "(openssl ecparam -name prime256v1; openssl ec)", "BEGIN EC PARAMETERS"),
    ];
    for (kind, command, begins) in forms {
        let pem = generate(kind);
        let converted = shell(command, &pem);
        assert!(String::from_utf8_lossy(&converted).contains(begins), "{command}");
        let (one, two) = (key(&pem), key(&converted));
        assert_eq!(one.key_id(), two.key_id(), "{command}");
        assert!(two.has_signed(b"m", &one.sign(b"m").unwrap()), "{command}");
        let tags = [one, two].map(|key| hmac::sign(&key.derive_key("a"), b"m"));
        assert_eq!(tags[0].as_ref(), tags[1].as_ref(), "{command}");
    }
}

#[test]
fn a_derived_secret_belongs_to_one_key_and_one_purpose() {
    let (one, other) = (key(&generate(P256)), key(&generate(P256)));
    let tag = |key: &SigningKey, purpose| hmac::sign(&key.derive_key(purpose), b"m").as_ref().to_vec();
    assert_eq!(tag(&one, "a"), tag(&one, "a"));
    assert_ne!(tag(&one, "a"), tag(&one, "b"));
    assert_ne!(tag(&one, "a"), tag(&other, "a"));
}

#[test]
fn the_legacy_key_id_is_what_openssl_computes() {
    for kind in KINDS {
        let pem = generate(kind);
        let command =
            "openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | head -c 30 | base32";
        let base32 = String::from_utf8(shell(command, &pem)).unwrap();
        let groups: Vec<&str> =
            base32.trim().as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap()).collect();
        assert_eq!(key(&pem).key_id(), groups.join(":"), "{kind}");
    }
}

#[test]
fn the_other_key_id_is_the_thumbprint_of_rfc_7638() {
    let base64url = |bytes: &[u8]| general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    for (kind, name, half) in [(KINDS[1], "P-256", 32), (KINDS[2], "P-384", 48)] {
        let pem = generate(kind);
        let spki = shell("openssl pkey -pubout -outform DER", &pem);
        let (x, y) = spki[spki.len() - 2 * half..].split_at(half);
        let jwk = format!(r#"{{"crv":"{name}","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y));
        let expected = base64url(&shell("openssl dgst -sha256 -binary", jwk.as_bytes()));
        assert_eq!(SigningKey::from_pem(&pem, false).unwrap().key_id(), expected);
    }
    let pem = generate(KINDS[0]);
    // `Modulus=` and hexadecimal digits.
    let modulus = shell("openssl rsa -noout -modulus | cut -d= -f2 | tr -d '\\n' | xxd -r -p", &pem);
    let jwk = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#, base64url(&modulus));
    let expected = base64url(&shell("openssl dgst -sha256 -binary", jwk.as_bytes()));
    assert_eq!(SigningKey::from_pem(&pem, false).unwrap().key_id(), expected);
}

#[test]
fn the_thumbprint_of_an_ed25519_key_is_that_of_rfc_8037() {
    let seed =
        general_purpose::URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let der = [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec(), seed].concat();
    let text = general_purpose::STANDARD.encode(der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let key = SigningKey::from_pem(pem.as_bytes(), false).unwrap();
    assert_eq!(key.key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn an_error_names_what_was_found_and_what_to_do() {
    let (rsa, ec) = (generate(KINDS[0]), generate(P256));
    let public = shell("openssl pkey -pubout", &ec);
    assert!(fault(&public).contains("only: PUBLIC KEY; name the file of the private key"));
    assert!(
        fault(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .contains("only: CERTIFICATE")
    );
    assert!(fault(b"").contains("no PEM block"));
    assert!(fault(b"\x30\x82").contains("no PEM block"));
    assert!(
        fault(b"-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n").contains("openssl pkey")
    );
    assert!(
        fault(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").contains("openssl pkey")
    );
    assert!(fault(&rsa[..rsa.len() / 2]).contains("cannot be decoded"));
    for encrypt in
        ["openssl pkcs8 -topk8 -passout pass:x", "openssl rsa -traditional -aes128 -passout pass:x"]
    {
        assert!(fault(&shell(encrypt, &rsa)).contains("passphrase"), "{encrypt}");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_named() {
    for (kind, name) in [
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "P-521"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "secp256k1"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "fewer than 2048"),
        ("-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "RSA-PSS"),
        ("-algorithm X25519", "X25519"),
        ("-algorithm ED448", "Ed448"),
    ] {
        let message = fault(&generate(kind));
        assert!(message.contains(name) && message.contains("use an RSA key"), "{kind}: {message}");
    }
    let small = shell("openssl rsa -traditional", &generate("-algorithm RSA -pkeyopt rsa_keygen_bits:1024"));
    assert!(fault(&small).contains("fewer than 2048"));
}

#[test]
fn rule_16_a_key_prints_as_stars() {
    assert_eq!(format!("{:?}", key(&generate(P256))), "***");
}
