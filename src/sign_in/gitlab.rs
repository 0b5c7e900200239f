//! GitLab, by its authorization code flow and its REST API. Its access token ends in two hours, and is renewed by a
//! refresh token that changes with each use.

use serde_json::Value;

use super::{
    Attempt, Failure, Person,
    http::{Connection, access_token, encoded, secret},
};
use crate::authn::{Labels, Secret};

/// The scope, as docker_auth asks for it. It tells no groups.
const SCOPE: &str = "read_user";

/// GitLab.com, or another GitLab.
#[derive(Debug)]
pub(super) struct Gitlab {
    pub(super) web: String,
    pub(super) api: String,
    pub(super) client_id: String,
}

impl Gitlab {
    /// The address that a browser is sent to.
    pub(super) fn authorization(&self, attempt: &Attempt) -> String {
        let challenge = attempt.challenge();
        let query = [
            ("response_type", "code"),
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", attempt.redirect_uri.as_deref().unwrap_or_default()),
            ("scope", SCOPE),
            ("state", &attempt.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        format!("{}/oauth/authorize?{}", self.web, encoded(&query))
    }

    /// The person for whom a code was made.
    pub(super) async fn redeem(
        &self,
        to: &Connection,
        code: &str,
        (attempt, client_secret): (&Attempt, &str),
    ) -> Result<Person, Failure> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", &attempt.verifier),
            ("redirect_uri", attempt.redirect_uri.as_deref().unwrap_or_default()),
        ];
        self.ask(to, &form, client_secret).await
    }

    /// The person of a refresh token, as it is now.
    pub(super) async fn refresh(
        &self,
        to: &Connection,
        token: &Secret,
        (redirect_uri, client_secret): (&str, &str),
    ) -> Result<Person, Failure> {
        let token = token.expose_text().unwrap_or_default();
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", token), ("redirect_uri", redirect_uri)];
        self.ask(to, &form, client_secret).await
    }

    async fn ask(
        &self,
        to: &Connection,
        form: &[(&str, &str)],
        client_secret: &str,
    ) -> Result<Person, Failure> {
        let client = [("client_id", self.client_id.as_str()), ("client_secret", client_secret)];
        let answer = to.token(&format!("{}/oauth/token", self.web), &[form, &client].concat(), None).await?;
        let token = access_token(&answer)?;
        let uri = format!("{}/user", self.api);
        let user = to.object(&uri, token.expose_text().unwrap_or_default()).await?;
        let text = |name: &str| user.get(name).and_then(Value::as_str);
        let (Some(id), Some(name)) = (user.get("id").and_then(Value::as_u64), text("username")) else {
            return Err(Failure::Misconfigured(format!("{uri}: the answer has no `id` and `username`")));
        };
        if text("state") != Some("active") {
            return Err(Failure::not_member("GitLab has blocked this account: ask its administrator"));
        }
        Person::new(&id.to_string(), name, Labels::new(), secret(&answer, "refresh_token"))
    }
}
