//! Step 4 of the journey: what a request may have by the policy in force, or the challenge that its client is given.

use super::{CatalogSettings, Snapshot, caller::Caller, exchange::Exchange, failure::undecided};
use crate::{
    authz::{self, CatalogView, Denial, NotPermitted, Permit},
    registry::{ChallengeError, Endpoint, Method, Refusal, Route},
};

/// What a request may have.
pub(super) enum Admitted<'a> {
    /// What it asks for.
    Whole(Permit),
    /// The names of the catalogue that the caller may see.
    InPart(CatalogView<'a>, Route),
}

/// A permit, or the challenge that fits.
///
/// Nobody is challenged at `/v2/` even where the anonymous user exists: clients learn there that they can log in.
pub(super) async fn admit<'a>(
    caller: Option<&'a Caller>,
    route: Route,
    snapshot: &'a Snapshot,
    exchange: &mut Exchange,
) -> Result<Admitted<'a>, Refusal> {
    let nothing_shown = caller.is_none_or(|caller| !caller.presented);
    let challenge = |needs| Refusal::unauthorized(needs, None, None);
    let Some(caller) = caller else { return Err(challenge(route.needs())) };
    if nothing_shown && *route.endpoint() == Endpoint::Base {
        return Err(challenge(route.needs()));
    }
    let asked = caller.as_authz(&snapshot.settings.service);
    let is_list = *route.endpoint() == Endpoint::Catalog && route.method() == Method::Get;
    let listed = (is_list && snapshot.settings.catalog == CatalogSettings::Filtered).then(|| route.clone());
    let denial = match authz::authorize(&snapshot.authorizers, asked, route).await {
        Ok(permit) => {
            exchange.ruled(|| permit.decided_by());
            return Ok(Admitted::Whole(permit));
        }
        Err(NotPermitted::Unavailable(error)) => return Err(undecided(&error)),
        Err(NotPermitted::Denied(denial)) => denial,
    };
    if let Some(route) = listed
        && let Some(view) = CatalogView::instead_of(&denial, &snapshot.authorizers, asked)
    {
        exchange.ruled(|| format!("the names that may be pulled; not all: {}", denial.by.in_full()));
        return Ok(Admitted::InPart(view, route));
    }
    exchange.ruled(|| denial.by.in_full());
    log_denial(&denial, caller, exchange);
    if nothing_shown {
        return Err(challenge(denial.needs));
    }
    let mut description = denial.explain(caller.account());
    if snapshot.settings.explain_denials {
        description = format!("{description}: {}", denial.by.in_full());
    }
    Err(Refusal::unauthorized(denial.needs, Some(ChallengeError::InsufficientScope), Some(description)))
}

fn log_denial(denial: &Denial, caller: &Caller, exchange: &Exchange) {
    let by = denial.by.in_full();
    tracing::info!(account = caller.account(), missing = %denial.missing, by, request = %exchange.id(), "denied");
}
