//! Certificates of simulated servers, and their ports.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

/// A self-signed certificate, as a new TrueNAS has one, and its key.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn new(hostname: &str, ip: IpAddr) -> io::Result<Self> {
        let names = [hostname.to_owned(), "localhost".to_owned(), ip.to_string()];
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let der = made.cert.der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![der.clone()], key.into())
            })
            .map_err(io::Error::other)?;
        Ok(Self {
            der,
            pem: made.cert.pem(),
            config: Arc::new(config),
        })
    }
}

/// Serves until it is dropped, and every connection with it; in clear if it has no identity.
pub(crate) async fn serve<S>(listener: &TcpListener, identity: Option<Identity>, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let acceptor = identity.map(|identity| TlsAcceptor::from(identity.config));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(acceptor.clone(), stream, service.clone()));
                }
                Err(error) => debug!(%error, "not accepted"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<S>(acceptor: Option<TlsAcceptor>, stream: TcpStream, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some(acceptor) = acceptor else {
        return speak(stream, service).await;
    };
    match acceptor.accept(stream).await {
        Ok(stream) => speak(stream, service).await,
        // A client that does not trust the certificate breaks off here: nothing to make a noise
        // about.
        Err(error) => debug!(%error, "no handshake"),
    }
}

async fn speak<S>(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if let Err(error) = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
    {
        debug!(%error, "the connection ended");
    }
}
