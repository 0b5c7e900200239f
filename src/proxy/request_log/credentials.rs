//! The fields about the account behind a request, and about what proved that account.

use std::{sync::Arc, time::SystemTime};

use super::{LONGEST_CLAIM, RequestLog};
use crate::{
    authn::{ClientCertificate, Identity, Source, fit_to_log},
    state::NewPersonalToken,
    telemetry::{Event, Record},
    workload::Login,
};

impl RequestLog {
    /// Records its credentials, and the name that is claimed with them: unproved until it is checked.
    pub(in crate::proxy) fn shows(&mut self, credentials: &'static str, claimed: Option<&str>) {
        self.record.credentials = Some(credentials);
        if self.telemetry.keeps_records() {
            self.record.account = claimed.map(|name| fit_to_log(name).chars().take(LONGEST_CLAIM).collect());
        }
    }

    /// Records its account.
    pub(in crate::proxy) fn asked_by(&mut self, identity: &Identity) {
        if self.telemetry.keeps_records() {
            self.record.account = Some(identity.account.clone());
            self.record.source = (!identity.account.is_empty()).then(|| identity.source.section());
            self.record.robot_token = identity.token.as_ref().map(|token| token.id.to_string());
            self.record.personal_token = identity.personal.as_ref().map(|token| token.id.to_string());
            self.record.token_comment =
                identity.token.as_ref().and_then(|token| token.comment.as_deref().map(str::to_owned));
            // A token may carry a part of them. Written down, that would be read as all.
            let are_whole = !identity.account.is_empty() && identity.left_out.is_empty();
            self.record.labels =
                (self.telemetry.audit.has_labels() && are_whole).then(|| Arc::clone(&identity.labels));
        }
    }

    /// Records the personal token that was shown, also where it is refused.
    pub(in crate::proxy) fn with_personal_token(&mut self, id: &str) {
        if self.telemetry.keeps_records() {
            self.record.personal_token = Some(id.to_owned());
        }
    }

    /// Records the certificate that proved the account, or is beside its token.
    pub(in crate::proxy) fn certified(&mut self, certificate: &ClientCertificate) {
        if self.telemetry.keeps_records() {
            self.record.certificate_serial = Some(certificate.serial());
            self.record.certificate_sha256 = Some(certificate.sha256());
        }
    }

    /// Records which JWT proved the account, never the JWT.
    pub(in crate::proxy) fn proved_by(&mut self, login: &Login) {
        self.record.credentials = Some("jwt");
        if self.telemetry.keeps_records() {
            self.record.jti.clone_from(&login.id);
            self.record.kid = Some(login.logged_key_id());
        }
    }

    /// Writes a line of its own about a program that waits for its login: what an account has decided, or what came of
    /// that.
    pub(in crate::proxy) fn decided_on_device(
        &self,
        account: &str,
        source: Source,
        scopes: Option<&str>,
        what: &str,
    ) {
        let mut record = Record::new(Event::DeviceLogin);
        record.time = SystemTime::now();
        record.request_id = self.id.as_str().to_owned();
        record.address = self.record.address;
        record.account = Some(account.to_owned());
        record.source = Some(source.section());
        record.granted = scopes.map(|scopes| scopes.split(' ').map(str::to_owned).collect());
        record.reason = Some(what.to_owned());
        self.telemetry.audit.write(&record);
    }

    /// Writes a line of its own about a personal token that its account has made or revoked.
    pub(in crate::proxy) fn changed_personal_token(
        &self,
        event: Event,
        token: &NewPersonalToken,
        what: &str,
    ) {
        let mut record = Record::new(event);
        record.time = SystemTime::now();
        record.request_id = self.id.as_str().to_owned();
        record.address = self.record.address;
        record.account = Some(token.account.to_string());
        record.source = Some(token.source.section());
        record.personal_token = Some(token.digest.id());
        record.token_comment = Some(token.comment.to_string());
        record.granted = Some(token.scopes.split(' ').map(str::to_owned).collect());
        record.reason = Some(what.to_owned());
        self.telemetry.audit.write(&record);
    }
}
