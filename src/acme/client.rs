//! The HTTPS client that speaks to the authority, for `instant-acme`: bounded in time and size, without redirects.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, header};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;

use crate::backend::{HttpsBounds, HttpsClient, HttpsReply};

/// For one request. A chain of certificates and every other document of RFC 8555 has a few KiB.
const BOUNDS: HttpsBounds = HttpsBounds { timeout: Duration::from_secs(30), body: 256 << 10 };

/// The longest pause that an authority may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// A client of one authority.
#[derive(Clone)]
pub(super) struct AcmeClient {
    https: HttpsClient,
    /// The time before which the authority does not want to be asked again.
    not_before: Arc<Mutex<Option<SystemTime>>>,
}

impl AcmeClient {
    /// Returns a client that trusts these authorities.
    ///
    /// # Errors
    /// None of them can be an authority's.
    pub(super) fn new(authorities: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        Ok(Self { https: HttpsClient::trusting(authorities)?, not_before: Arc::default() })
    }

    /// Takes the time before which the authority does not want to be asked again, if it has named one.
    pub(super) fn take_not_before(&self) -> Option<SystemTime> {
        self.not_before.lock().take()
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (head, body) = request.into_parts();
        if head.uri.scheme_str() != Some("https") {
            return Err(other(format!("expected an https URL from the authority, found {}", head.uri)));
        }
        let at = head.uri.authority().map(ToString::to_string).unwrap_or_default();
        let is_get = head.method == Method::GET;
        let Ok(body) = body.collect().await;
        let request = Request::from_parts(head, Full::new(body.to_bytes()));
        let reply = self.https.send(request, BOUNDS).await;
        let reply = reply.map_err(|error| other(format!("no answer from the authority at {at}: {error}")))?;
        let HttpsReply { status, mut headers, body } = reply;
        bound_retry_after(&mut headers);
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            *self.not_before.lock() = retry_after(&headers, SystemTime::now());
        }
        // An error of RFC 8555 is a document, which the library reads in answers to POST alone; a page of a load balancer
        // would be reported as bad JSON.
        if status.as_u16() >= 400 {
            match serde_json::from_slice::<Problem>(&body) {
                Ok(problem) if is_get => return Err(Error::Api(problem)),
                Ok(_) => {}
                Err(_) => return Err(other(format!("the authority at {at} answers {}", status.as_u16()))),
            }
        }
        let mut response = Response::new(Full::new(body));
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(BytesResponse::from(response))
    }
}

impl HttpClient for AcmeClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}

fn other(why: String) -> Error {
    Error::Other(why.into())
}

/// Makes a pause of more than a day one of a day. The library adds the seconds to the time of now, whatever they are.
fn bound_retry_after(headers: &mut HeaderMap) {
    let seconds =
        headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    if seconds.is_some_and(|seconds| seconds > LONGEST_PAUSE.as_secs()) {
        headers.insert(header::RETRY_AFTER, LONGEST_PAUSE.as_secs().into());
    }
}

/// The end of the pause that `Retry-After` asks for (RFC 9110 section 10.2.3), in seconds; a date is rare and passed over.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<SystemTime> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    now.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_pause_is_a_day_at_most_whatever_the_authority_asks_for() {
        for (written, meant) in [
            ("5", Some(5)),
            ("86400", Some(86_400)),
            ("18446744073709551615", Some(86_400)),
            ("18446744073709551616", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(written));
            bound_retry_after(&mut headers);
            let end = retry_after(&headers, UNIX_EPOCH);
            assert_eq!(end, meant.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)), "{written}");
        }
    }
}
