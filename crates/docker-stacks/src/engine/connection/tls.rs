//! TLS over a connection.

use std::{error::Error, io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    super::{ClientCertificate, EngineTls},
    failure::Failure,
};

/// Shakes hands as the client.
pub(super) async fn over(
    stream: TcpStream,
    host: &str,
    tls: &EngineTls,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let config = config(tls).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

async fn config(tls: &EngineTls) -> Result<ClientConfig, Failure> {
    let authorities = certificates(&tls.ca_file).await?;
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots
            .add(authority)
            .map_err(|error| bad(&tls.ca_file, error))?;
    }
    // The provider is named: whether the process has a default one is the program's business.
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&tls.ca_file, error))?
        .with_root_certificates(roots);
    let Some(client) = &tls.client else {
        return Ok(builder.with_no_client_auth());
    };
    let ClientCertificate {
        certificate_file,
        key_file,
    } = client;
    let chain = certificates(certificate_file).await?;
    let pem = read(key_file).await?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| bad(key_file, error))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| bad(certificate_file, error))
}

/// All certificates in a file, of which there is at least one.
async fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = read(file).await?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(file, error))?;
    if found.is_empty() {
        return Err(bad(file, "there is no certificate in it"));
    }
    Ok(found)
}

async fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    tokio::fs::read(file)
        .await
        .map_err(|error| bad(file, error))
}

fn bad(file: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
    Failure::File {
        file: file.to_owned(),
        source: source.into(),
    }
}
