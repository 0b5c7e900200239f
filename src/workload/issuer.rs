//! One issuer: from a JWT to a login, and from a session to the claims that still suffice.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hyper::Uri;
use serde_json::Value;

use super::{
    ClaimName, IssuerSettings, JwtError, KeySource, KeysReading, Requirement, discovery,
    jwks::Jwk,
    jwt::Jwt,
    keys::{Fetched, Keys},
};
use crate::{
    authn::{Labels, RequiredClaims, WorkloadSession},
    backend::HttpsClient,
};

/// Bytes of the digest that stands for an issuer's settings.
const DIGEST_BYTES: usize = 12;
/// The characters of `kid` that the log has.
const LOGGED_KEY_ID: usize = 64;

/// One issuer, with its keys.
#[derive(Debug)]
pub struct Issuer {
    settings: IssuerSettings,
    audiences: Vec<String>,
    keys: Keys,
    /// A digest of all settings that say what a JWT means, but `require`.
    digest: String,
}

/// A JWT of this issuer that passes every check but that of its signature and of the claims that only a signed one may
/// answer.
pub struct Unproved {
    jwt: Jwt,
    key: Arc<Jwk>,
    issuer: Arc<Issuer>,
}

/// A login that a JWT has proved.
#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    /// `<issuer>:…`.
    pub account: String,
    /// Its labels, each of one value.
    pub labels: Labels,
    /// The claims that `require` names.
    pub claims: RequiredClaims,
    /// `jti`, as the log has it.
    pub id: Option<String>,
    /// `kid`.
    pub key_id: String,
    /// A digest of the key.
    pub key_fingerprint: String,
    /// A digest of the issuer's settings.
    pub settings: String,
    /// `iat`, in seconds since 1970 by the clock of the issuer.
    pub issued_at: i64,
}

impl Issuer {
    /// An issuer, with the keys of `before` if there is one.
    ///
    /// # Errors
    /// The TLS library refuses its certificates.
    pub fn new(
        settings: IssuerSettings,
        audiences: &[String],
        before: Option<&Self>,
    ) -> Result<Self, String> {
        let keys = match before {
            Some(before) => before.keys.clone(),
            None => keys(&settings)?,
        };
        let digest = digest_of(&settings, audiences);
        Ok(Self { settings, audiences: audiences.to_vec(), keys, digest })
    }

    /// Returns true if its keys are those that an issuer with these settings would have.
    pub(super) fn has_keys_of(&self, settings: &IssuerSettings) -> bool {
        self.settings.issuer == settings.issuer && self.settings.keys == settings.keys
    }

    /// `name`.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// `issuer`: the `iss` of its JWTs.
    pub fn url(&self) -> &str {
        &self.settings.issuer
    }

    /// `bearer`: its JWTs are taken on `/v2` as well, without a login.
    pub fn takes_bearer(&self) -> bool {
        self.settings.bearer
    }

    /// Returns the state of its keys, where they are fetched.
    pub fn reading(&self) -> Option<KeysReading> {
        self.keys.reading()
    }

    /// Checks all of a JWT that costs little, and finds its key. `now` in seconds since 1970.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub async fn look_at(self: &Arc<Self>, token: &str, now: u64) -> Result<Unproved, JwtError> {
        let jwt = Jwt::parse(token, &self.settings.algorithms)?;
        jwt.check(&self.settings.issuer, &self.audiences, now)?;
        let key = self.keys.find(&jwt.key_id).await?;
        Ok(Unproved { jwt, key, issuer: Arc::clone(self) })
    }

    /// The claims of a JWT whose signature, issuer, audience and times are right: for an ID token, which is no login of a
    /// job. `now` in seconds since 1970.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub async fn claims(self: &Arc<Self>, token: &str, now: u64) -> Result<Value, JwtError> {
        let Unproved { jwt, key, .. } = self.look_at(token, now).await?;
        key.verify(jwt.algorithm, jwt.message.as_bytes(), &jwt.signature)?;
        Ok(jwt.claims)
    }

    /// The second, since 1970, in which a session began, if it still suffices: the settings are the same, the key of its
    /// JWT still stands in the file of keys if there is one, and what `require` demands now holds for the claims it
    /// carries. A claim that it does not carry is never taken for one that fits.
    pub(super) fn beginning(&self, session: &WorkloadSession) -> Option<u64> {
        let WorkloadSession { start, claims } = session;
        let is_met = |(name, requirement): &(ClaimName, Requirement)| {
            claims.get(name.as_str()).is_some_and(|value| requirement.is_met(value))
        };
        let suffices = start.settings == self.digest
            && self.keys.may_hold(&start.key_id, &start.key_fingerprint)
            && self.settings.require.iter().all(is_met);
        suffices.then_some(start.began)
    }

    fn log_in(&self, jwt: &Jwt, key: &Jwk) -> Result<Login, JwtError> {
        let mut claims = RequiredClaims::new();
        for (name, requirement) in &self.settings.require {
            let value = name.text(&jwt.claims)?;
            if !requirement.is_met(value) {
                return Err(JwtError::Requirement(name.as_str().to_owned()));
            }
            claims.insert(name.as_str().to_owned(), value.to_owned());
        }
        let labels = self.settings.labels.iter();
        let label = |(label, name): &(String, ClaimName)| {
            Ok((label.clone(), vec![name.text(&jwt.claims)?.to_owned()]))
        };
        Ok(Login {
            account: self.settings.account.account(&self.settings.name, &jwt.claims)?,
            labels: labels.map(label).collect::<Result<_, JwtError>>()?,
            claims,
            id: jwt.id(),
            issued_at: jwt.time("iat")?.ok_or(JwtError::Malformed)?,
            key_id: jwt.key_id.clone(),
            key_fingerprint: key.fingerprint(),
            settings: self.digest.clone(),
        })
    }
}

impl Login {
    /// `kid`, as the log has it.
    pub fn logged_key_id(&self) -> String {
        self.key_id.chars().filter(|c| !c.is_control()).take(LOGGED_KEY_ID).collect()
    }
}

impl Unproved {
    /// Checks the signature, then what the issuer requires. Takes up to a millisecond of a processor.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn prove(&self) -> Result<Login, JwtError> {
        let Jwt { algorithm, message, signature, .. } = &self.jwt;
        self.key.verify(*algorithm, message.as_bytes(), signature)?;
        self.issuer.log_in(&self.jwt, &self.key)
    }
}

fn keys(settings: &IssuerSettings) -> Result<Keys, String> {
    let (uri, authorities) = match &settings.keys {
        KeySource::File(keys) => return Ok(Keys::Fixed(keys.clone())),
        KeySource::Fetched { uri, authorities } => (uri.clone(), authorities.clone()),
    };
    let client = HttpsClient::trusting(authorities)
        .map_err(|error| format!("workload_auth: issuer {:?}: {error}", settings.name))?;
    let issuer = settings.issuer.clone();
    let fetch = move || {
        let (client, issuer, uri) = (client.clone(), issuer.clone(), uri.clone());
        Box::pin(async move { discovery::fetch(&client, &issuer, uri.as_ref()).await }) as _
    };
    Ok(Keys::Fetched(Fetched::new(settings.name.clone(), Box::new(fetch))))
}

/// A digest of the settings: the same for the same meaning of a session.
fn digest_of(settings: &IssuerSettings, audiences: &[String]) -> String {
    let IssuerSettings { issuer, algorithms, account, labels, keys, .. } = settings;
    let source = match keys {
        KeySource::File(_) => "jwks_file".to_owned(),
        KeySource::Fetched { uri, .. } => uri.as_ref().map(Uri::to_string).unwrap_or_default(),
    };
    let algorithms: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
    let labels: Vec<(&str, &str)> =
        labels.iter().map(|(label, claim)| (label.as_str(), claim.as_str())).collect();
    let written =
        serde_json::json!([issuer, algorithms, account.as_str(), labels, audiences, source]).to_string();
    let digest = digest::digest(&digest::SHA256, written.as_bytes());
    BASE64URL.encode(digest.as_ref().get(..DIGEST_BYTES).unwrap_or_default())
}
