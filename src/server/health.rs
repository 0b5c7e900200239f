//! The listener for monitoring: `/metrics` for Prometheus, `/healthz` and `/readyz` for supervisors.
//!
//! Of its own, so that it can be kept from the network, and answers while the port for clients has too much to do.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{ACCEPT_PAUSE, Accepting, Admission};
use crate::{
    acme::Acme,
    proxy::Service,
    telemetry::{Exposition, OrderReading},
};

/// More than any monitoring needs.
const CONNECTIONS: usize = 64;
/// The lifetime of one connection, which is for one request: no client can keep the others out.
const LIFETIME: Duration = Duration::from_secs(15);
/// For the head of a request.
const DEADLINE: Duration = Duration::from_secs(5);

/// Answers for ever: also while connections drain, when it is not ready any more, once `stopping` is true.
pub async fn serve_health(
    listener: Accepting,
    service: Arc<Service>,
    admission: Arc<Admission>,
    acme: Option<Arc<Acme>>,
    stopping: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((accepted, _)) = listener.next().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (service, admission) = (Arc::clone(&service), Arc::clone(&admission));
        let (acme, stopping) = (acme.clone(), stopping.clone());
        tokio::spawn(async move {
            let Ok(stream) = accepted.here() else { return };
            let answer =
                service_fn(|request| answer(request, &service, (&admission, acme.as_deref()), &stopping));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(DEADLINE)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            let _ = timeout(LIFETIME, connection).await;
            drop(slot);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    service: &Service,
    (admission, acme): (&Admission, Option<&Acme>),
    stopping: &watch::Receiver<bool>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned()));
    }
    let stopping = *stopping.borrow();
    Ok(match request.uri().path() {
        "/metrics" => metrics(&request, service, admission, acme),
        "/healthz" => text(StatusCode::OK, "alive\n".to_owned()),
        "/readyz" => match ready(service, stopping).await {
            Ok(()) => text(StatusCode::OK, ready_text(service, acme)),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "ask for /metrics, /healthz or /readyz\n".to_owned()),
    })
}

/// Returns whether requests can be served: a registry answers, and the server is not about to stop.
async fn ready(service: &Service, stopping: bool) -> Result<(), String> {
    if stopping {
        return Err("stopping".to_owned());
    }
    service.ask_registry().await
}

/// Without the state file, or a new certificate, requests are served all the same: all replicas unready at once would be
/// an outage.
fn ready_text(service: &Service, acme: Option<&Acme>) -> String {
    let state = service.state().trouble().map(|why| format!("degraded: nothing can be revoked: {why}\n"));
    let order = acme.and_then(|acme| acme.reading().error);
    let order = order.map(|why| format!("degraded: the certificate is not renewed: {why}\n"));
    let storage = service.without_storage_answers();
    let storage = storage.map(|why| format!("degraded: no read is answered from registry.storage: {why}\n"));
    let degraded: String = [state, order, storage].into_iter().flatten().collect();
    format!("ready\n{degraded}")
}

fn metrics(
    request: &Request<Incoming>,
    service: &Service,
    admission: &Admission,
    acme: Option<&Acme>,
) -> Response<Full<Bytes>> {
    let accept = request.headers().get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = Exposition::accepted(&accept.collect::<Vec<_>>().join(","));
    let mut snapshot = service.metrics_snapshot();
    snapshot.limited.extend([
        ("connections", admission.closed_idle()),
        ("connections_per_address", admission.refused()),
        ("streams", admission.closed_flooding()),
    ]);
    if let Some(reading) = acme.map(Acme::reading) {
        let expires = UNIX_EPOCH + Duration::from_secs(reading.expires);
        service.telemetry().metrics.certificate_expires("server", expires);
        snapshot.orders = Some(OrderReading {
            done: reading.done,
            failed: reading.failed,
            is_failing: reading.error.is_some(),
            last_failure: reading.last_failure,
        });
    }
    match service.telemetry().metrics.render(&snapshot, form) {
        Ok(rendered) => {
            let mut response = text(StatusCode::OK, rendered);
            let media_type = HeaderValue::from_static(form.media_type());
            response.headers_mut().insert(header::CONTENT_TYPE, media_type);
            response
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n".to_owned()),
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
