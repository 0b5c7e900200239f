//! Step 4 of the journey: what a request may have by the policy in force, or the challenge that its client is given.

use super::caller::Caller;
use crate::proxy::{CatalogSettings, Snapshot, request_log::RequestLog, response::upstream_error::undecided};
use crate::{
    authz::{self, ByTag, CatalogView, Denial, NotPermitted, Permit},
    registry::{ChallengeError, Endpoint, Method, Refusal, Route, Scope},
};

/// The part of a request that is granted.
pub(crate) enum Admitted<'a> {
    /// All of it.
    Whole(Permit),
    /// A request that is granted for some tags only, and is to be looked up.
    ByTag(Box<ByTag>),
    /// The names of the catalogue that the caller may see, to be listed from what is known of them.
    InPart(CatalogView<'a>, Route),
}

/// A permit, or the challenge that fits.
///
/// A client that shows nothing is challenged for each answer that differs by account, even where the anonymous user
/// exists: many sign in only when they are asked to. Front ends on pages that the operator has named cannot, and keep
/// the anonymous user's catalogue.
pub(crate) async fn admit<'a>(
    caller: Option<&'a Caller>,
    route: Route,
    is_of_named_page: bool,
    snapshot: &'a Snapshot,
    log: &mut RequestLog,
) -> Result<Admitted<'a>, Refusal> {
    let nothing_shown = caller.is_none_or(|caller| !caller.presented);
    let challenge = |needs: &[Scope]| Refusal::unauthorized(needs.to_vec(), None, None);
    let Some(caller) = caller else { return Err(challenge(route.needs())) };
    let differs_by_account = match route.endpoint() {
        Endpoint::Base => true,
        Endpoint::Catalog => !is_of_named_page,
        _ => false,
    };
    if nothing_shown && differs_by_account {
        return Err(challenge(route.needs()));
    }
    let asked = caller.as_authz(&snapshot.settings.service);
    let is_list = *route.endpoint() == Endpoint::Catalog && route.method() == Method::Get;
    let listed = (is_list && snapshot.settings.catalog == CatalogSettings::Filtered).then(|| route.clone());
    let mount = route.source().is_some().then(|| route.needs().to_vec());
    let shadow =
        snapshot.shadow.as_ref().filter(|shadow| shadow.is_on()).map(|shadow| (shadow, route.clone()));
    let decided = authz::authorize(&snapshot.authorizers, asked, route).await;
    if let Some((shadow, route)) = shadow {
        shadow.observe(asked, route, &decided, log);
    }
    let denial = match decided {
        // Without its source: an account might have it.
        Ok(permit) if nothing_shown && permit.route().source().is_none() && mount.is_some() => {
            return Err(challenge(mount.as_deref().unwrap_or_default()));
        }
        Ok(permit) => {
            log.ruled(|| permit.decided_by());
            // Anyone may ask for this: not each of them has the registry read its store.
            if is_list && caller.account().is_empty() {
                let view = CatalogView::of(&snapshot.authorizers, asked).await;
                return view
                    .map(|view| Admitted::InPart(view, permit.route().clone()))
                    .map_err(|error| undecided(&error));
            }
            return Ok(Admitted::Whole(permit));
        }
        Err(NotPermitted::Unavailable(error)) => return Err(undecided(&error)),
        Err(NotPermitted::ByTag(by_tag)) => {
            log.ruled(|| by_tag.decided_by());
            return Ok(Admitted::ByTag(by_tag));
        }
        Err(NotPermitted::Denied(denial)) => denial,
    };
    if let Some(route) = listed
        && let Some(view) = CatalogView::instead_of(&denial, &snapshot.authorizers, asked)
    {
        log.ruled(|| format!("the names that may be pulled; not all: {}", denial.by.in_full()));
        return Ok(Admitted::InPart(view, route));
    }
    log.ruled(|| denial.by.in_full());
    if nothing_shown {
        return Err(challenge(&denial.needs));
    }
    log_denial(&denial, caller, log);
    let mut description = denial.explain(caller.account());
    if snapshot.settings.explain_denials {
        description = format!("{description}: {}", denial.by.in_full());
    }
    Err(Refusal::unauthorized(denial.needs, Some(ChallengeError::InsufficientScope), Some(description)))
}

fn log_denial(denial: &Denial, caller: &Caller, log: &RequestLog) {
    let by = denial.by.in_full();
    tracing::info!(account = caller.account(), missing = %denial.missing, by, request = %log.id(), "denied");
}
