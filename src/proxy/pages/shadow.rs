//! The differences that the next rules would make, for visitors that may see the whole registry.

use std::time::{Duration, SystemTime};

use super::{
    answer::Answer,
    page_error::{PageError, PageResult},
    visit::{Request, Visit},
};
use crate::{
    authz::Comparison,
    proxy::{Difference, Shadow},
    ui::{Change, NextRules, ShadowRow, views},
};

/// The page.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> PageResult {
    if !request.sees_others(visit).await? {
        let why = "what would change is for those who have signed in and may see the whole catalogue (registry:catalog:*)";
        return Err(PageError::Denied(why.to_owned()));
    }
    let next = request.context.snapshot.shadow.as_ref().map(next_rules);
    Ok(Answer::page(views::shadow(&request.frame(), next.as_ref())))
}

fn next_rules(shadow: &Shadow) -> NextRules {
    let (differences, more) = shadow.differences();
    NextRules {
        file: shadow.file().to_owned(),
        until: at(shadow.until()),
        has_ended: shadow.has_ended(),
        rows: differences.into_iter().map(row).collect(),
        more,
    }
}

fn row(difference: Difference) -> ShadowRow {
    let Difference { subject, count, first, last, rule } = difference;
    ShadowRow {
        account: subject.account,
        change: match subject.comparison {
            Comparison::Loss => Change::Loss,
            Comparison::Gain => Change::Gain,
            Comparison::Same | Comparison::Undecided => Change::Undecided,
        },
        action: subject.action,
        name: subject.name,
        count,
        first: at(first),
        last: at(last),
        rule: rule.unwrap_or_default(),
    }
}

/// A time in seconds since 1970, as far as it has four digits for its year.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799))
}
