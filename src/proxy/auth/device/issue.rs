//! The token of a program that a person has allowed: made when the program comes for it, if the session of that person
//! could make it at that moment.

use super::{DeviceRequest, Grant};
use crate::{
    authn::Secret,
    proxy::{
        Snapshot, auth::session, personal_tokens::WantedToken, request_log::RequestLog, snapshot::Issued,
    },
    registry::Scope,
    state::NewPersonalToken,
    telemetry::Event,
};

/// Seconds of a day.
const DAY: u64 = 24 * 3600;

/// Makes the token, and leaves a line in the audit log.
///
/// # Errors
/// The account may have none by now, or it cannot be stored: why, in a sentence.
pub(super) async fn issue(
    snapshot: &Snapshot,
    grant: &Grant,
    request: &DeviceRequest,
    log: &RequestLog,
) -> Result<(Secret, NewPersonalToken), String> {
    let session = grant.session.as_ref().map_err(Clone::clone)?;
    if session::has_ended(session, snapshot) {
        return Err("the session in which it was allowed has ended".to_owned());
    }
    // As for the next request of the session: what was revoked, removed or ended since counts.
    let issued = Issued {
        account: &session.account,
        auth_source: session.auth_source.as_ref(),
        stamp: &session.stamp,
    };
    let identity = snapshot.holder(issued, None).await.map_err(|error| error.to_string())?;
    if let Some(password) = &grant.password
        && !snapshot.fingerprint(&session.account).is_some_and(|now| now.is_same(password))
    {
        return Err("the password of the account has changed since it was allowed".to_owned());
    }
    let may_have = snapshot.may_log_in_programs() && identity.personal.is_none();
    let longest = snapshot.longest_lifetime(&identity.account, identity.source).filter(|_| may_have);
    let longest = longest.ok_or("this account cannot have tokens of its own")?;
    let wanted = WantedToken {
        comment: &grant.comment,
        scopes: &grant.scopes,
        days: grant.days.min(longest.as_secs() / DAY),
    };
    let made = snapshot.make_token(&identity, &session.stamp, wanted).await;
    let (token, new) = made.map_err(|error| error.to_string())?;
    let until =
        humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_secs(new.ends));
    let what = format!("made for portwarden login{}, until {until}", on(&request.host_name));
    log.changed_personal_token(Event::PersonalToken, &new, &what);
    Ok((token, new))
}

/// The machine of a program, for a line of the audit log.
pub(in crate::proxy) fn on(host_name: &str) -> String {
    if host_name.is_empty() { String::new() } else { format!(" on {host_name:?}") }
}

/// The scopes of a request, as the page of tokens has them: the repositories, and what may be done in all of them.
///
/// # Errors
/// They cannot be written so: what is wrong.
pub(super) fn as_on_the_page(scopes: &[Scope]) -> Result<(String, &'static str), String> {
    const ACCESS: [(&str, &[&str]); 3] =
        [("pull", &["pull"]), ("push", &["pull", "push"]), ("delete", &["pull", "push", "delete"])];
    let Some(first) = scopes.first() else { return Ok((String::new(), "pull")) };
    let is_alike = |scope: &Scope| scope.resource_type == "repository" && is_same(scope, &first.actions);
    if !scopes.iter().all(is_alike) {
        return Err("expected scopes of repositories, all with the same actions".to_owned());
    }
    let access = ACCESS.into_iter().find(|(_, actions)| {
        let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
        is_same(first, &actions)
    });
    let (access, _) = access.ok_or("expected the actions pull, pull,push or pull,push,delete")?;
    let names = scopes.iter().map(|scope| scope.name.as_str());
    Ok((names.collect::<Vec<_>>().join(" "), access))
}

/// Returns whether a scope has these actions, in any order.
fn is_same(scope: &Scope, actions: &[String]) -> bool {
    let all = |some: &[String], of: &[String]| some.iter().all(|action| of.contains(action));
    all(&scope.actions, actions) && all(actions, &scope.actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::parse_token_scope;

    #[test]
    fn scopes_are_shown_as_the_form_of_a_token_has_them() {
        let of = |scopes: &[&str]| {
            let scopes: Vec<Scope> = scopes.iter().map(|scope| parse_token_scope(scope).unwrap()).collect();
            as_on_the_page(&scopes)
        };
        let fine = |names: &str, access| Ok((names.to_owned(), access));
        assert_eq!(of(&[]), fine("", "pull"));
        assert_eq!(of(&["repository:team/*:pull"]), fine("team/*", "pull"));
        assert_eq!(of(&["repository:a:push,pull", "repository:b:pull,push"]), fine("a b", "push"));
        assert_eq!(of(&["repository:/.*/:pull,push,delete"]), fine("/.*/", "delete"));
        for wrong in [
            &["registry:catalog:*"][..],
            &["repository:a:pull", "repository:b:push"],
            &["repository:a:push"],
            &["repository:a:*"],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }
}
