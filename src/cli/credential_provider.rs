//! `portwarden credential-provider`: the plugin by which a kubelet pulls images with the token of the pod's service
//! account, in place of a stored password.
//!
//! A kubelet runs it for each pull that is not cached: a CredentialProviderRequest on standard input, a
//! CredentialProviderResponse on standard output (credentialprovider.kubelet.k8s.io/v1). The kubelet decodes strictly, so
//! the answer has the members of that type and no other. The token is handed on as it is: only its `exp` is looked at,
//! and the registry checks the rest.

use std::{
    io::{self, IsTerminal, Read},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    CredentialProvider,
    output::{Failure, say},
};
use crate::workload::{JwtError, is_issuer_name, read_json, remaining_life};

/// The largest request, in bytes.
const LARGEST: u64 = 64 << 10;
/// The one version that carries tokens of service accounts.
const API_VERSION: &str = "credentialprovider.kubelet.k8s.io/v1";
/// A cached answer is dropped so long before its token expires: a pull that begins then still signs in.
const MARGIN: Duration = Duration::from_secs(60);

/// Answers one request.
///
/// # Errors
/// Options that no configuration could match, a request that is not one, no token, a token that has expired, or an
/// image of another registry. No message has a piece of the token in it, since kubelets log them.
pub(super) fn run(provider: &CredentialProvider) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Err(
            "expected the request of a kubelet on standard input, found a terminal: name this command in \
                    args of a CredentialProviderConfig (docs/kubernetes.md)"
                .into(),
        );
    }
    let mut request = Zeroizing::new(Vec::new());
    let read = io::stdin().lock().take(LARGEST + 1).read_to_end(&mut request);
    read.map_err(|error| format!("cannot read standard input: {error}"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    say(answer(provider, &request, now)?)
}

/// The response to a request; `now` in seconds since 1970.
fn answer(provider: &CredentialProvider, request: &[u8], now: u64) -> Result<Value, String> {
    check_options(provider)?;
    let request = read(request)?;
    let image = request.get("image").and_then(Value::as_str).unwrap_or_default();
    let registry = registry(image).ok_or(
        "the request's `image` begins with no registry, as registry.example/app does: pull by such a name",
    )?;
    let is_listed = |listed: &String| listed.eq_ignore_ascii_case(registry);
    if !provider.registry.is_empty() && !provider.registry.iter().any(is_listed) {
        return Err(format!(
            "the image is of {registry}, which no --registry names: add it to args, or take it out of matchImages"
        ));
    }
    let token = request.get("serviceAccountToken").and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err("the request has no `serviceAccountToken`: set tokenAttributes of this provider in the \
                    CredentialProviderConfig (Kubernetes 1.34, or 1.33 with the feature gate \
                    KubeletServiceAccountTokenForCredentialProviders), and a service account for the pod"
            .to_owned());
    }
    let left = remaining_life(token, now).map_err(|error| {
        let next = match error {
            JwtError::Expired => "compare the clocks of this node and of the API server",
            _ => "a kubelet sends the JWT of a service account",
        };
        format!("`serviceAccountToken`: {error}; {next}")
    })?;
    Ok(json!({
        "apiVersion": API_VERSION,
        "kind": "CredentialProviderResponse",
        "cacheKeyType": "Registry",
        "cacheDuration": format!("{}s", left.saturating_sub(MARGIN).as_secs()),
        "auth": {registry: {"username": provider.issuer, "password": token}},
    }))
}

/// Rejects options that no configuration and no image could match, so that a slip shows on the first pull.
fn check_options(provider: &CredentialProvider) -> Result<(), String> {
    if !is_issuer_name(&provider.issuer) {
        return Err(format!(
            "--issuer: expected a `name` of `workload_auth.issuers`, found {:?}: up to 32 lower case letters, digits, \
             `.`, `-` or `_`",
            provider.issuer
        ));
    }
    match provider.registry.iter().find(|name| !is_registry(name)) {
        Some(name) => {
            Err(format!("--registry: expected registry.example or registry.example:8443, found {name:?}"))
        }
        None => Ok(()),
    }
}

/// The request, whose form is right. Nothing of it is quoted in an error: it has the token.
fn read(request: &[u8]) -> Result<Value, String> {
    if request.len() as u64 > LARGEST {
        return Err(
            "the request is larger than 64 KiB: a kubelet sends none that is; call this command as its \
                    credential provider"
                .to_owned(),
        );
    }
    let request = read_json(request).filter(Value::is_object).ok_or(
        "standard input is not a JSON object, or one that repeats a name: call this command as the credential \
         provider of a kubelet",
    )?;
    let is = |member: &str, expected: &str| request.get(member).and_then(Value::as_str) == Some(expected);
    if !is("apiVersion", API_VERSION) {
        return Err(format!(
            "expected a request of `apiVersion: {API_VERSION}`: set it as apiVersion of this provider in the \
             CredentialProviderConfig"
        ));
    }
    if !is("kind", "CredentialProviderRequest") {
        return Err(
            "expected `kind: CredentialProviderRequest`: call this command as the credential provider of a \
                    kubelet"
                .to_owned(),
        );
    }
    Ok(request)
}

/// The registry of an image; `None` where the name begins with none, or with what would be a pattern in the answer.
fn registry(image: &str) -> Option<&str> {
    let (registry, _) = image.split_once('/')?;
    let is_host = registry.contains(['.', ':']) || registry == "localhost";
    Some(registry).filter(|_| is_host && is_registry(registry))
}

/// Returns true for a host and perhaps a port, without any character that a kubelet takes for a pattern.
fn is_registry(name: &str) -> bool {
    let (host, port) = name.split_once(':').map_or((name, None), |(host, port)| (host, Some(port)));
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    let is_port = |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit());
    (1..=253).contains(&host.len()) && host.bytes().all(fits) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn provider(registries: &[&str]) -> CredentialProvider {
        let registry = registries.iter().map(|name| (*name).to_owned()).collect();
        CredentialProvider { issuer: "cluster".to_owned(), registry }
    }

    fn token(expiry: &Value) -> String {
        let part = |value: &Value| BASE64URL.encode(value.to_string());
        format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&json!({"exp": expiry, "sub": "x"})))
    }

    fn request(image: &str, token: &str) -> Value {
        json!({"apiVersion": API_VERSION, "kind": "CredentialProviderRequest", "image": image,
            "serviceAccountToken": token, "serviceAccountAnnotations": {"a": "b"}})
    }

    fn ask(registries: &[&str], request: &Value) -> Result<Value, String> {
        answer(&provider(registries), request.to_string().as_bytes(), NOW)
    }

    #[test]
    fn the_token_is_the_password_at_the_registry_of_the_image() {
        let token = token(&json!(NOW + 3600));
        for (image, registry) in [
            ("registry.example/acme/app", "registry.example"),
            ("registry.example:8443/acme/app:1", "registry.example:8443"),
            ("localhost/app@sha256:00", "localhost"),
            ("REGISTRY.example/app", "REGISTRY.example"),
        ] {
            let listed = [registry.to_ascii_lowercase()];
            for registries in [&[][..], &[listed[0].as_str()]] {
                assert_eq!(
                    ask(registries, &request(image, &token)),
                    Ok(json!({
                        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
                        "kind": "CredentialProviderResponse",
                        "cacheKeyType": "Registry",
                        "cacheDuration": "3540s",
                        "auth": {registry: {"username": "cluster", "password": token}},
                    }))
                );
            }
        }
    }

    #[test]
    fn an_answer_is_cached_for_less_than_its_token_lives() {
        for (left, cached) in [(1, "0s"), (60, "0s"), (61, "1s"), (86_400, "86340s")] {
            let answer = ask(&[], &request("registry.example/a", &token(&json!(NOW + left)))).unwrap();
            assert_eq!(answer["cacheDuration"], cached, "{left}");
        }
    }

    #[test]
    fn a_token_goes_to_no_registry_that_is_not_listed_and_to_no_pattern() {
        let token = token(&json!(NOW + 3600));
        for image in [
            "other.example/app",
            "registry.example.evil.example/app",
            "registry.example:444/app",
            "xregistry.example/app",
        ] {
            let refused = ask(&["registry.example"], &request(image, &token)).unwrap_err();
            assert!(refused.contains("which no --registry names"), "{image}: {refused}");
        }
        for image in
            ["app", "acme/app", "", "*.example/app", "registry.*/app", "a.b?/c", "a.b[c]/d", "a.b:x/c"]
        {
            let refused = ask(&[], &request(image, &token)).unwrap_err();
            assert!(refused.contains("begins with no registry"), "{image}: {refused}");
        }
    }

    #[test]
    fn every_bad_request_is_refused_without_its_token() {
        let token = token(&json!(NOW + 3600));
        let good = request("registry.example/app", &token);
        let with = |member: &str, value: Value| {
            let mut request = good.clone();
            request[member] = value;
            request.to_string()
        };
        let twice = good.to_string().replacen('{', "{\"image\":\"registry.example/b\",", 1);
        let large = with("more", "x".repeat(65 << 10).into());
        for (request, said) in [
            (String::new(), "not a JSON object"),
            (format!("{token}\n"), "not a JSON object"),
            (format!("{good}{good}"), "not a JSON object"),
            (json!([token]).to_string(), "not a JSON object"),
            (twice, "not a JSON object"),
            (large, "larger than 64 KiB"),
            (with("kind", json!(token)), "expected `kind: CredentialProviderRequest`"),
            (with("kind", json!(null)), "expected `kind: CredentialProviderRequest`"),
            (with("apiVersion", json!("credentialprovider.kubelet.k8s.io/v1beta1")), "expected a request of"),
            (with("apiVersion", json!(token)), "expected a request of"),
            (with("image", json!(token)), "begins with no registry"),
            (with("serviceAccountToken", json!(null)), "has no `serviceAccountToken`: set tokenAttributes"),
            (with("serviceAccountToken", json!("")), "has no `serviceAccountToken`"),
            (with("serviceAccountToken", json!([token])), "has no `serviceAccountToken`"),
            (with("serviceAccountToken", json!("a.b")), "not a JWT"),
            (with("serviceAccountToken", json!(format!("{token}.x"))), "not a JWT"),
            (with("serviceAccountToken", json!("x".repeat(17_000))), "larger than 16 KiB"),
        ] {
            let refused = answer(&provider(&[]), request.as_bytes(), NOW).unwrap_err();
            assert!(refused.contains(said), "{said}: {refused}");
            assert!(token.split('.').all(|part| !refused.contains(part)), "{refused}");
        }
    }

    #[test]
    fn a_token_without_life_is_refused() {
        for (expiry, said) in [
            (json!(NOW), "it has expired (`exp`); compare the clocks"),
            (json!(NOW - 1), "it has expired (`exp`); compare the clocks"),
            (json!(0), "it has expired (`exp`); compare the clocks"),
            (json!(null), "not a JWT"),
            (json!("1"), "not a JWT"),
            (json!(-1), "not a JWT"),
        ] {
            let refused = ask(&[], &request("registry.example/a", &token(&expiry))).unwrap_err();
            assert!(refused.contains(said), "{expiry}: {refused}");
        }
    }

    #[test]
    fn options_that_match_nothing_are_refused() {
        let token = token(&json!(NOW + 3600));
        for name in
            ["https://registry.example", "registry.example/acme", "", "*.example", "a.b:port", "a.b:1:2"]
        {
            let refused = ask(&[name], &request("registry.example/a", &token)).unwrap_err();
            assert!(refused.starts_with("--registry: expected"), "{name}: {refused}");
        }
        for name in ["", "Cluster", "a:b", "a/b"] {
            let provider = CredentialProvider { issuer: name.to_owned(), registry: Vec::new() };
            let request = request("registry.example/a", &token).to_string();
            let refused = answer(&provider, request.as_bytes(), NOW).unwrap_err();
            assert!(refused.starts_with("--issuer: expected"), "{name}: {refused}");
        }
    }
}
