//! A part of a request that is decided by itself; and the audit log as it is read by a page.

use std::{sync::Arc, time::Instant};

use super::RequestLog;
use crate::{
    registry::RepositoryName,
    telemetry::{HeldDecision, History},
};

impl RequestLog {
    /// Begins the observation of a part of this request that is decided by itself, about something of a repository. It
    /// has lines of its own in the audit log, with the same request ID.
    pub(in crate::proxy) fn part(&self, name: &RepositoryName, reference: &str) -> Box<Self> {
        let mut part = Box::new(Self {
            telemetry: Arc::clone(&self.telemetry),
            id: self.id.clone(),
            began: Instant::now(),
            record: self.record.clone(),
            decision: HeldDecision::default(),
            subject: self.subject,
            method: self.method.clone(),
            status: None,
            bytes_in: None,
            bytes_out: 0,
            sent: None,
            ended: None,
            origin: self.origin.clone(),
            gone: None,
            pull: None,
            intent: None,
            is_part: true,
        });
        part.about(name, Some(reference));
        part
    }

    /// The last lines of the audit log, the newest last; `None` where none is written.
    pub(in crate::proxy) fn recent(&self) -> Option<Vec<Vec<u8>>> {
        self.telemetry.audit.recent()
    }

    /// The files of the audit log; `None` where it is not written to a file.
    pub(in crate::proxy) fn history(&self) -> Option<History> {
        self.telemetry.audit.history()
    }
}
