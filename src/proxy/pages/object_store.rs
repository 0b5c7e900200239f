//! Object stores to which the registry redirects its clients, for the blobs that the pages show
//! (`registry.follow_redirects`).

use std::time::{Duration, Instant};

use hyper::{HeaderMap, Uri, body::Bytes, header};
use tokio::sync::OnceCell;

use super::reader::LARGEST;
use crate::{
    backend::{HttpsBounds, HttpsClient, HttpsError},
    limits::{FailureLog, count_suppressed},
    proxy::{UpstreamAddress, WebOrigin, response::location::same_authority},
    registry::Digest,
    ui::{NoConfig, StoreFault},
};

/// The client for object stores, made when it is first needed and the system has certificates of authorities.
#[derive(Debug)]
pub(super) struct ObjectStores {
    client: OnceCell<HttpsClient>,
    failures: FailureLog,
}

impl Default for ObjectStores {
    fn default() -> Self {
        Self { client: OnceCell::new(), failures: FailureLog::every(Duration::from_secs(60)) }
    }
}

/// As much as the pages look into, in the time that a page waits for its parts.
const BOUNDS: HttpsBounds = HttpsBounds { timeout: Duration::from_secs(5), body: LARGEST };

impl ObjectStores {
    /// Follows a redirect of the registry, once, to one of the `allowed` origins, and returns the blob with that
    /// digest. The request has no headers of the visitor and no credentials: the URL is signed where the store needs
    /// that.
    ///
    /// # Errors
    /// The redirect leads elsewhere, or the store does not send that blob.
    pub(super) async fn follow(
        &self,
        redirect: &HeaderMap,
        allowed: &[WebOrigin],
        registry: &UpstreamAddress,
        digest: &str,
    ) -> Result<Bytes, NoConfig> {
        // Content under another algorithm could not be checked.
        if !digest.starts_with("sha256:") {
            return Err(NoConfig::Unreadable);
        }
        let location = redirect.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let url: Option<Uri> = location.and_then(|location| location.parse().ok());
        let Some((url, origin)) = url.and_then(|url| WebOrigin::of(&url).map(|origin| (url, origin))) else {
            return Err(NoConfig::Elsewhere(None));
        };
        // Its address is for the operator alone, and no store to list.
        let authority = url.authority().map_or("", |authority| authority.as_str());
        if matches!(registry, UpstreamAddress::Tcp(ours) if same_authority(ours, authority)) {
            return Err(NoConfig::Elsewhere(None));
        }
        if !allowed.contains(&origin) {
            return Err(NoConfig::Elsewhere(Some(origin.to_string())));
        }
        self.fetch(url, digest).await.map_err(|(fault, why)| {
            if let Some(suppressed) = self.failures.due("object store", Instant::now()) {
                let suppressed = count_suppressed(suppressed);
                tracing::warn!(%origin, error = why, suppressed, "an object store in registry.follow_redirects did not send a blob for the web pages; see whether this machine \
                     reaches it, and its own log");
            }
            NoConfig::Store { origin: origin.to_string(), fault }
        })
    }

    /// Fetches a blob, or the fault with its details for the log.
    async fn fetch(&self, url: Uri, digest: &str) -> Result<Bytes, (StoreFault, String)> {
        let unreachable = |why: String| (StoreFault::Unreachable, why);
        let client = match self.client.get_or_try_init(trusting_the_system).await {
            Ok(client) => client.clone(),
            Err(_) if url.scheme_str() == Some("http") => {
                HttpsClient::without_trust().map_err(|error| unreachable(error.to_string()))?
            }
            Err(why) => return Err(unreachable(why)),
        };
        let reply = client.get(url, None, BOUNDS).await.map_err(|error| match error {
            HttpsError::TooLarge(_) => (StoreFault::TooLarge, error.to_string()),
            HttpsError::Timeout(_) | HttpsError::Failed(_) => unreachable(error.to_string()),
        })?;
        let status = reply.status.as_u16();
        match status {
            200 if is_content_of(digest, &reply.body) => Ok(reply.body),
            200 => Err((StoreFault::WrongDigest, format!("the content is not that of {digest}"))),
            300..400 => Err((StoreFault::Redirects, format!("status {status}"))),
            _ => Err((StoreFault::Status(status), format!("status {status}"))),
        }
    }
}

/// Makes a client that trusts the authorities of the system.
async fn trusting_the_system() -> Result<HttpsClient, String> {
    let make = || HttpsClient::trusting(rustls_native_certs::load_native_certs().certs);
    let made = tokio::task::spawn_blocking(make).await.map_err(|error| error.to_string())?;
    made.map_err(|error| {
        format!("no certificates of authorities to trust ({error}): install ca-certificates")
    })
}

/// Returns true for the content that a SHA-256 digest names.
fn is_content_of(named: &str, content: &[u8]) -> bool {
    Digest::of(content).as_str() == named
}
