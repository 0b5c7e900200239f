//! The answers of Portwarden's own endpoints: pages and tokens.

use std::time::Instant;

use hyper::{Response, http::request::Parts};

use super::Service;
use crate::{
    proxy::{
        CorsSettings, Upstream,
        auth::{cross_site, device, token_endpoint},
        body::request_body::RequestBody,
        pages::{self, Answer},
        request::{
            context::{RequestContext, require_plain},
            target::DeviceEndpoint,
        },
        request_log::RequestLog,
        response::body::ResponseBody,
    },
    registry::{ErrorCode, Method, Refusal},
    ui::PagePath,
};

impl Service {
    /// The web pages, whose questions to the registry are authorised one by one. No `page`: it is not there. Boxed:
    /// they are large.
    pub(super) async fn answer_page(
        &self,
        page: Option<PagePath>,
        context: RequestContext<'_>,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<Answer, Refusal> {
        require_plain(context.head)?;
        let address = context.address()?;
        log.from(address);
        let request = pages::Request {
            context,
            body: Some(body),
            address,
            upstream: Upstream::clone(&self.upstream.load()),
            pages: &self.pages,
            authentication: &self.authentication,
            freeze: &self.freeze,
            write_once: &self.write_once,
            closure: &self.closure,
            log,
            known: None,
            registry_is_down: false,
        };
        Ok(Box::pin(pages::answer(page, request)).await)
    }

    /// Answers at the token endpoint.
    pub(super) async fn answer_token(
        &self,
        context: RequestContext<'_>,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let RequestContext { head, origin, snapshot, .. } = context;
        require_known_method(head)?;
        let address = context
            .address()
            .map_err(|refusal| Refusal { message: format!("Bad request: {}", refusal.message), ..refusal })?;
        log.from(address);
        cross_site::refuse(head, origin, &snapshot.settings.cors)?;
        self.authentication.token_requests.admit(
            address,
            snapshot.settings.token_requests,
            Instant::now(),
        )?;
        token_endpoint::answer(context, body, address, &self.authentication, log).await
    }

    /// Answers a program that wants a token of a person. Boxed: it is large.
    pub(super) async fn answer_device(
        &self,
        endpoint: DeviceEndpoint,
        context: RequestContext<'_>,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let RequestContext { head, origin, snapshot, .. } = context;
        require_known_method(head)?;
        let address = context.address()?;
        log.from(address);
        cross_site::refuse(head, origin, &CorsSettings::default())?;
        if !origin.is_private() {
            let why = "a token would cross the network in the clear: use https";
            return Err(Refusal::new(ErrorCode::BadRequest, why));
        }
        let authentication = &self.authentication;
        let rate = snapshot.settings.token_requests;
        authentication.token_requests.admit(address, rate, Instant::now())?;
        Box::pin(device::endpoint::answer(endpoint, context, body, address, authentication, log)).await
    }
}

/// Refuses, at an endpoint of Portwarden itself, whatever [`require_plain`] refuses, and methods that no route knows.
pub(super) fn require_known_method(head: &Parts) -> Result<(), Refusal> {
    require_plain(head)?;
    match Method::parse(head.method.as_str()) {
        Some(_) => Ok(()),
        None => Err(Refusal::new(ErrorCode::Unsupported, "the method is not supported")),
    }
}
