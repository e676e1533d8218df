//! Certificates for an engine behind TLS, as its documentation has one make them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use docker_stacks::{ClientCertificate, EngineTls};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use super::PrivateDockerError;

/// An authority of its own with a certificate for an engine on the loopback interface and one for a
/// client, as files in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Makes them; the folder is made if it is not there.
    ///
    /// # Errors
    ///
    /// If a certificate cannot be made or a file not be written.
    pub fn make(dir: &Path) -> Result<Self, PrivateDockerError> {
        let made = Self {
            dir: dir.to_owned(),
        };
        made.write_all().map_err(|source| PrivateDockerError::Io {
            operation: "make certificates in",
            path: dir.to_owned(),
            source,
        })?;
        Ok(made)
    }

    /// What a client with a certificate of its own says.
    #[must_use]
    pub fn tls(&self) -> EngineTls {
        EngineTls {
            ca_file: self.dir.join("ca.pem"),
            client: Some(ClientCertificate {
                certificate_file: self.dir.join("cert.pem"),
                key_file: self.dir.join("key.pem"),
            }),
        }
    }

    /// What `dockerd` is told, to listen on this port and let in only who has a certificate.
    #[must_use]
    pub fn dockerd_arguments(&self, port: u16) -> Vec<String> {
        let file = |flag: &str, name: &str| format!("{flag}={}", self.dir.join(name).display());
        vec![
            format!("--host=tcp://127.0.0.1:{port}"),
            "--tlsverify".to_owned(),
            file("--tlscacert", "ca.pem"),
            file("--tlscert", "server-cert.pem"),
            file("--tlskey", "server-key.pem"),
        ]
    }

    fn write_all(&self) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = named("the lab's authority", Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).map_err(io::Error::other)?;
        fs::write(self.dir.join("ca.pem"), authority.pem())?;
        let issuer = Issuer::new(params, key);

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = named("engine", names)?;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&server, &issuer, "server-cert.pem", "server-key.pem")?;
        let mut client = named("client", Vec::new())?;
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&client, &issuer, "cert.pem", "key.pem")
    }

    fn issue(
        &self,
        params: &CertificateParams,
        issuer: &Issuer<'_, KeyPair>,
        certificate_file: &str,
        key_file: &str,
    ) -> io::Result<()> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let made = params.signed_by(&key, issuer).map_err(io::Error::other)?;
        fs::write(self.dir.join(certificate_file), made.pem())?;
        fs::write(self.dir.join(key_file), key.serialize_pem())
    }
}

fn named(name: &str, alternatives: Vec<String>) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(alternatives).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
