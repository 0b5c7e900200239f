//! `portwarden prune` at the server's side.

use std::{io, pin::pin};

use tokio::{
    io::AsyncReadExt,
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{ControlAnswer, ControlHandler, say};
use crate::proxy::PruneRequest;

impl ControlHandler {
    /// Runs it, and passes its reports on. When the client goes away, it stops before its next step.
    pub(super) async fn prune(
        &self,
        request: PruneRequest,
        mut asker: OwnedReadHalf,
        mut write: OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut reports = self.service.prune(request);
        let mut gone = pin!(async move { asker.read_u8().await });
        loop {
            tokio::select! {
                report = reports.recv() => match report {
                    Some(report) => say(&mut write, &ControlAnswer::Prune(report)).await?,
                    None => return Ok(()),
                },
                _ = &mut gone => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }
}
