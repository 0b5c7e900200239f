//! Personal tokens at the server's side of `portwarden token list` and `revoke`.

use std::{sync::Arc, time::SystemTime};

use super::{ControlAnswer, ControlHandler, PersonalTokenEntry, refused, revocation::rfc3339, since_1970};
use crate::{
    state::{PersonalTokenRecord, Target},
    telemetry::{Event, Record},
};

impl ControlHandler {
    /// The personal tokens that are not revoked; with `account`, those of its spellings.
    pub(super) fn personal_tokens(&self, account: Option<&str>) -> Vec<ControlAnswer> {
        let (snapshot, now) = (self.service.snapshot(), since_1970().as_secs());
        let entry = |token: Arc<PersonalTokenRecord>| {
            let (made, ends) = (&token.made, snapshot.end_of_token(&token.made));
            ControlAnswer::PersonalToken(PersonalTokenEntry {
                account: made.account.to_string(),
                source: made.source.section().to_owned(),
                token: token.id(),
                comment: made.comment.to_string(),
                scopes: made.scopes.split(' ').map(str::to_owned).collect(),
                made: rfc3339(made.at),
                ends: rfc3339(ends),
                last_use: token.last_use().map(rfc3339),
                is_out: now >= ends || !snapshot.has_personal_tokens(),
            })
        };
        snapshot.state.personal_tokens(account).into_iter().map(entry).collect()
    }

    /// Revokes the personal token `id`, and leaves a line in the log and in the audit log; `None` if there is none.
    pub(super) async fn revoke_personal_token(&self, id: &str, user: u32) -> Option<ControlAnswer> {
        let (state, now) = (self.service.state(), since_1970().as_secs());
        let token = state.personal_tokens(None).into_iter().find(|token| token.id() == id)?;
        let (account, ended) = (token.made.account.to_string(), state.end_personal_token(id, now).await);
        let and = ended.as_ref().err().map(|error| format!("; it could not be stored: {error}"));
        let and = and.unwrap_or_default();
        tracing::warn!(id, account, user, "a personal token is revoked{and}");
        let mut record = Record::new(Event::Revocation);
        record.time = SystemTime::now();
        record.account = Some(account.clone());
        record.source = Some(token.made.source.section());
        record.personal_token = Some(id.to_owned());
        record.reason = Some(format!("revoked by user {user}{and}"));
        self.telemetry.audit.write(&record);
        Some(match ended {
            Ok(_) => {
                let target = Target::Token(id.to_owned());
                ControlAnswer::Revoked {
                    target,
                    at: rfc3339(now),
                    robot: None,
                    account: Some(account),
                    forgotten: false,
                }
            }
            Err(error) => refused(&format!(
                "the server refuses it from now on, but could not store that, so a restart may bring it back: {error}"
            )),
        })
    }
}
