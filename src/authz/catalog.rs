//! The part of the catalogue that a caller may see: all names, or those of the repositories that it may pull.
//!
//! The question about each name is the one that a pull of it would ask, so that the list never says more than a pull
//! would. Reading the names, and handing them out in pages, is left to the proxy.

use super::{
    Authorizers, Caller, DecidedBy, Denial, DeniedBy, Permit,
    permit::{Held, hold},
};
use crate::{
    backend::Unavailable,
    registry::{CatalogPage, RepositoryName, Route, Scope},
};

/// The right to see the catalogue, whole or in part.
#[derive(Debug, Clone, Copy)]
pub struct CatalogView<'a> {
    authorizers: &'a Authorizers,
    caller: Caller<'a>,
    is_whole: bool,
}

impl<'a> CatalogView<'a> {
    /// Returns the part of the catalogue that the caller may see.
    ///
    /// # Errors
    /// A back end that has to be asked gives no answer.
    pub async fn of(authorizers: &'a Authorizers, caller: Caller<'a>) -> Result<Self, Unavailable> {
        let held = hold(authorizers, caller, &Scope::new("registry", "catalog", &["*"]), None).await?;
        Ok(Self { authorizers, caller, is_whole: matches!(held, Held::Granted(..)) })
    }

    /// For a caller that was denied the whole catalogue: the part that it may see. `None` where something else was
    /// denied.
    ///
    /// A token must have been asked for the catalogue. Which repositories it was asked for makes no difference then: a
    /// denied scope stays in the token without its actions, and says what the token is for.
    pub fn instead_of(denial: &Denial, authorizers: &'a Authorizers, caller: Caller<'a>) -> Option<Self> {
        let is_catalog = |scope: &Scope| scope.resource_type == "registry" && scope.name == "catalog";
        let by_policy = matches!(denial.by, DeniedBy::Policy(_));
        let asked_for_it = caller.ceiling.is_none_or(|access| access.iter().any(is_catalog));
        let may = is_catalog(&denial.missing) && by_policy && asked_for_it;
        may.then_some(Self { authorizers, caller: Caller { ceiling: None, ..caller }, is_whole: false })
    }

    /// Returns true if all names may be seen.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns true if this name may be seen.
    ///
    /// # Errors
    /// A back end that has to be asked gives no answer.
    pub async fn sees(&self, name: &RepositoryName) -> Result<Visibility, Unavailable> {
        if self.is_whole {
            return Ok(Visibility { is_seen: true, by_command: false });
        }
        let held =
            hold(self.authorizers, self.caller, &Scope::repository(name.as_str(), &["pull"]), None).await?;
        let by_command = matches!(
            held,
            Held::Granted(DecidedBy::Command, _) | Held::Missing(_, DeniedBy::Policy(DecidedBy::Command))
        );
        Ok(Visibility { is_seen: matches!(held, Held::Granted(..)), by_command })
    }
}

/// The visibility of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visibility {
    /// It may.
    pub is_seen: bool,
    /// The command of `ext_authz` said so: no rule did.
    pub by_command: bool,
}

impl Permit {
    /// The permit to read a page of names: for the proxy itself, which shows a client no more of it than
    /// [`CatalogView::sees`] lets through.
    pub fn to_read_names(page: CatalogPage<'_>) -> Self {
        Self::new(Route::catalog(page), Vec::new())
    }
}
