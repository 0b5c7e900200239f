//! The relay: hyper, rustls and tokio, and nothing of Portwarden's. It tells how much of a small request is theirs.

use std::{
    env,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Connections to the registry that wait for a request.
type Idle = Arc<Mutex<Vec<SendRequest<Incoming>>>>;

/// Serves for ever if the command line is `--relay REGISTRY CERTIFICATE KEY`: an address, and two files in PEM.
pub fn serve_if_asked() {
    let words: Vec<String> = env::args().skip(1).collect();
    let [word, registry, certificate, key] = words.as_slice() else { return };
    if word != "--relay" {
        return;
    }
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(serve(TlsAcceptor::from(Arc::new(config)), Arc::from(registry.as_str())));
}

async fn serve(tls: TlsAcceptor, registry: Arc<str>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    let idle = Idle::default();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        let (tls, registry, idle) = (tls.clone(), Arc::clone(&registry), Arc::clone(&idle));
        tokio::spawn(async move {
            let Ok(client) = tls.accept(client).await else { return };
            let pass = service_fn(|request| pass(request, Arc::clone(&registry), Arc::clone(&idle)));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(client), pass).await;
        });
    }
}

/// Sends a request on a connection of its own, which is kept for the next one.
async fn pass(
    request: Request<Incoming>,
    registry: Arc<str>,
    idle: Idle,
) -> hyper::Result<Response<Incoming>> {
    let kept = idle.lock().unwrap().pop().filter(SendRequest::is_ready);
    let mut sender = match kept {
        Some(sender) => sender,
        None => {
            let server = TcpStream::connect(&*registry).await.unwrap();
            server.set_nodelay(true).unwrap();
            let (sender, connection) = handshake(TokioIo::new(server)).await?;
            tokio::spawn(connection);
            sender
        }
    };
    let answer = sender.send_request(request).await?;
    tokio::spawn(async move {
        if sender.ready().await.is_ok() {
            idle.lock().unwrap().push(sender);
        }
    });
    Ok(answer)
}
