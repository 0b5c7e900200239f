//! GitHub, by its web application flow and its REST API. A token of it does not end by itself, and is asked again about.

use hyper::{StatusCode, header};
use serde_json::Value;

use super::{
    Attempt, Failure, Person,
    http::{Connection, access_token, by_reply, encoded},
};
use crate::{
    authn::{Labels, Secret},
    backend::HttpsReply,
    registry::percent_encode,
    strict_json,
    workload::discovery::origin,
};

/// The scopes, as docker_auth asks for them.
const SCOPE: &str = "user:email read:org";
/// The most pages of teams, fifty on each.
const MOST_PAGES: usize = 40;

/// GitHub, or a GitHub Enterprise Server.
#[derive(Debug)]
pub(super) struct Github {
    pub(super) web: String,
    pub(super) api: String,
    pub(super) organization: Option<String>,
    pub(super) client_id: String,
}

impl Github {
    /// The address that a browser is sent to.
    pub(super) fn authorization(&self, attempt: &Attempt) -> String {
        let challenge = attempt.challenge();
        let mut query = vec![
            ("client_id", self.client_id.as_str()),
            ("scope", SCOPE),
            ("state", &attempt.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        query.extend(attempt.redirect_uri.as_deref().map(|uri| ("redirect_uri", uri)));
        format!("{}/login/oauth/authorize?{}", self.web, encoded(&query))
    }

    /// The person for whom a code was made.
    pub(super) async fn redeem(
        &self,
        to: &Connection,
        code: &str,
        (attempt, secret): (&Attempt, &str),
    ) -> Result<Person, Failure> {
        let mut form = vec![
            ("client_id", self.client_id.as_str()),
            ("client_secret", secret),
            ("code", code),
            ("code_verifier", &attempt.verifier),
        ];
        form.extend(attempt.redirect_uri.as_deref().map(|uri| ("redirect_uri", uri)));
        let answer = to.token(&format!("{}/login/oauth/access_token", self.web), &form, None).await?;
        let token = access_token(&answer)?;
        let person = self.person(to, &token).await?;
        Ok(Person { secret: Some(token), ..person })
    }

    /// The person of an access token, as it is now.
    pub(super) async fn person(&self, to: &Connection, token: &Secret) -> Result<Person, Failure> {
        let token = token.expose_text().unwrap_or_default();
        let uri = format!("{}/user", self.api);
        let user = to.object(&uri, token).await?;
        let (id, login) = (user.get("id").and_then(Value::as_u64), user.get("login").and_then(Value::as_str));
        let (Some(id), Some(login)) = (id, login) else {
            return Err(Failure::Misconfigured(format!("{uri}: the answer has no `id` and `login`")));
        };
        let mut labels = Labels::new();
        if let Some(organization) = &self.organization {
            self.check_member(to, token, (organization, login)).await?;
            labels.insert("organization".to_owned(), vec![organization.clone()]);
            labels.insert("teams".to_owned(), self.teams(to, token, organization).await?);
        }
        Person::new(&id.to_string(), login, labels, None)
    }

    /// 204 for a member; 302 to one that is none itself, and may not know.
    async fn check_member(
        &self,
        to: &Connection,
        token: &str,
        (organization, login): (&str, &str),
    ) -> Result<(), Failure> {
        let (organization_part, login) = (percent_encode(organization), percent_encode(login));
        let uri = format!("{}/orgs/{organization_part}/members/{login}", self.api);
        let reply = to.get(&uri, token).await?;
        match reply.status {
            StatusCode::NO_CONTENT => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::FOUND => Err(Failure::not_member(format!(
                "only members of the organization {organization} may sign in: ask its owners, and let them approve this \
                 application if the organization restricts access"
            ))),
            _ => Err(by_reply(&uri, &reply)),
        }
    }

    /// The teams in the organization, with their parents, as docker_auth has them.
    async fn teams(&self, to: &Connection, token: &str, organization: &str) -> Result<Vec<String>, Failure> {
        let mut teams = std::collections::BTreeSet::new();
        let mut next = Some(format!("{}/user/teams?per_page=50", self.api));
        for _ in 0..MOST_PAGES {
            let Some(uri) = next.take() else { return Ok(teams.into_iter().collect()) };
            let reply = to.get(&uri, token).await?;
            if reply.status != StatusCode::OK {
                return Err(by_reply(&uri, &reply));
            }
            let wrong = || Failure::Misconfigured(format!("{uri}: the answer is not a list of teams"));
            let page = strict_json::read(&reply.body, strict_json::once);
            for team in page.as_ref().and_then(Value::as_array).ok_or_else(wrong)? {
                let text = |pointer: &str| team.pointer(pointer).and_then(Value::as_str);
                let is_in =
                    text("/organization/login").is_some_and(|of| of.eq_ignore_ascii_case(organization));
                if is_in {
                    teams.insert(text("/slug").ok_or_else(wrong)?.to_owned());
                    teams.extend(text("/parent/slug").map(str::to_owned));
                }
            }
            next = self.next_page(&reply)?;
        }
        match next {
            None => Ok(teams.into_iter().collect()),
            Some(_) => {
                Err(Failure::refused("this person is in more than 2,000 teams, which are not read here"))
            }
        }
    }

    /// The address of the next page (RFC 8288). The token goes to the API and nowhere else.
    fn next_page(&self, reply: &HttpsReply) -> Result<Option<String>, Failure> {
        let link = reply.headers.get(header::LINK).and_then(|link| link.to_str().ok()).unwrap_or_default();
        let next = link.split(',').find_map(|link| {
            let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
            let is_next = parameters.split(';').any(|one| matches!(one.trim(), "rel=\"next\"" | "rel=next"));
            is_next.then_some(target)
        });
        let Some(next) = next else { return Ok(None) };
        let of = |uri: &str| uri.parse().ok().and_then(|uri| origin(&uri));
        if of(next).is_some() && of(next) == of(&self.api) {
            return Ok(Some(next.to_owned()));
        }
        Err(Failure::Misconfigured(format!("{}: the next page of teams is on another host", self.api)))
    }
}
