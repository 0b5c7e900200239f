//! The certificate that `serve` shows: by ACME from the start on, and what a reload may change about it.

use std::{sync::Arc, time::Duration};

use crate::{acme::Acme, config::Config, state::State, telemetry::Metrics};

/// The client that renews the certificate, with one to start with; `None` where the certificate comes from files.
///
/// # Errors
/// There is no certificate to start with, or no authority can be trusted.
pub(super) fn start(config: &Config, state: &Arc<State>) -> Result<Option<Arc<Acme>>, String> {
    let settings = config.server.tls.as_ref().and_then(|tls| tls.acme());
    settings.map(|settings| Acme::new(Arc::clone(settings), state).map(Arc::new)).transpose()
}

/// The pause after a defect: what it orders before it breaks down again stays within the limits of an authority.
const AFTER_DEFECT: Duration = Duration::from_secs(3600);

/// Renews the certificate for ever. A defect of the client, or of its library, must not end that unseen.
pub(super) async fn keep_renewing(acme: Arc<Acme>) {
    keep_running(|| {
        let renewing = Arc::clone(&acme);
        async move { renewing.run().await }
    })
    .await;
}

async fn keep_running<R>(begin: impl Fn() -> R)
where
    R: Future<Output = ()> + Send + 'static,
{
    loop {
        let ended = tokio::spawn(begin()).await;
        if ended.is_err_and(|error| error.is_panic()) {
            tracing::error!("the renewal of the certificate broke down; it goes on in an hour");
        }
        tokio::time::sleep(AFTER_DEFECT).await;
    }
}

/// Compares a new configuration with what the server was started with; other settings of ACME are reported.
///
/// # Errors
/// TLS was turned on or off, or another source of certificates was chosen.
pub(super) fn check_reload(config: &Config, is_tls: bool, acme: Option<&Acme>) -> Result<(), String> {
    if config.server.tls.is_some() != is_tls {
        let why = "TLS cannot be turned on or off by a reload; to add or remove \
                   server.certificate and server.key, restart Portwarden";
        return Err(why.to_owned());
    }
    match (config.server.tls.as_ref().and_then(|tls| tls.acme()), acme) {
        (None, None) => Ok(()),
        (Some(new), Some(acme)) => {
            if **new != *acme.settings() {
                tracing::warn!(
                    "server.letsencrypt, server.acme and state.key_file change with a restart only"
                );
            }
            Ok(())
        }
        _ => Err("server.letsencrypt cannot be added or removed by a reload; restart Portwarden".to_owned()),
    }
}

/// Notes when the certificates end that come from files.
pub(super) fn tell_of_certificates(config: &Config, metrics: &Metrics) {
    for (purpose, end) in config.certificates_end() {
        metrics.certificate_expires(purpose, end);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn renewing_goes_on_an_hour_after_a_defect() {
        let (began, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let running = keep_running(|| {
            let began = Arc::clone(&began);
            async move {
                let number = began.fetch_add(1, Ordering::SeqCst);
                assert_eq!(start.elapsed(), AFTER_DEFECT * u32::try_from(number).unwrap());
                assert!(number == 2, "a defect");
                std::future::pending::<()>().await;
            }
        });
        assert!(timeout(AFTER_DEFECT * 10, running).await.is_err(), "it has ended");
        assert_eq!(began.load(Ordering::SeqCst), 3, "it goes on as long as there is no defect");
    }
}
