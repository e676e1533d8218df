//! The certificate of a simulated NAS, and its port.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::SimulatorError;

/// A self-signed certificate, as a new TrueNAS has one, and its key.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(super) fn new(hostname: &str, ip: IpAddr) -> Result<Self, SimulatorError> {
        let names = [hostname.to_owned(), "localhost".to_owned(), ip.to_string()];
        let made = rcgen::generate_simple_self_signed(names).map_err(|source| {
            SimulatorError::Certificate {
                source: source.into(),
            }
        })?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let der = made.cert.der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![der.clone()], key.into())
            })
            .map_err(|source| SimulatorError::Certificate {
                source: source.into(),
            })?;
        Ok(Self {
            der,
            pem: made.cert.pem(),
            config: Arc::new(config),
        })
    }
}

pub(super) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), SimulatorError> {
    let bound: io::Result<_> = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }
    .await;
    bound.map_err(|source| SimulatorError::Bind { address, source })
}

/// Serves until it is dropped, and every connection with it.
pub(super) async fn serve(listener: TcpListener, identity: Identity, router: Router) {
    let acceptor = TlsAcceptor::from(identity.config);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(acceptor.clone(), stream, router.clone()));
                }
                Err(error) => debug!(%error, "not accepted"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, router: Router) {
    // A client that does not trust the certificate breaks off here: nothing to make a noise about.
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return debug!(%error, "no handshake"),
    };
    let service = TowerToHyperService::new(router);
    if let Err(error) = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
    {
        debug!(%error, "the connection ended");
    }
}
