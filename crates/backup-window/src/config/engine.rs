//! `[docker.tls]` and `[docker.ssh]`: how an engine of another machine is known.

use docker_stacks::{AddressKind, EngineAddress};
use serde::Deserialize;

use super::file_ref::FileRef;

/// `[docker.tls]`: how the engine at a `tcp://` address is known, and what it knows this program by.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WrittenTls")]
pub struct TlsSettings {
    /// The authority that issued the engine's certificate.
    pub ca_file: FileRef,
    /// This program's certificate and its key, where the engine asks for one.
    pub client: Option<ClientCertificateSettings>,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct ClientCertificateSettings {
    /// The certificate.
    pub certificate_file: FileRef,
    /// The private key.
    pub key_file: FileRef,
}

/// `[docker.ssh]`: how to log in at an `ssh://` address. What is not said is as `ssh` itself is
/// configured.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshSettings {
    /// The private key.
    pub key_file: Option<FileRef>,
    /// The file with the known host keys.
    pub known_hosts: Option<FileRef>,
}

/// The keys of `[docker.tls]` as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "keys that name files say so, in the whole configuration"
)]
struct WrittenTls {
    ca_file: FileRef,
    certificate_file: Option<FileRef>,
    key_file: Option<FileRef>,
}

impl TryFrom<WrittenTls> for TlsSettings {
    type Error = String;

    fn try_from(written: WrittenTls) -> Result<Self, String> {
        let client = match (written.certificate_file, written.key_file) {
            (None, None) => None,
            (Some(certificate_file), Some(key_file)) => Some(ClientCertificateSettings {
                certificate_file,
                key_file,
            }),
            (Some(_), None) => {
                return Err(
                    "certificate_file is given without key_file: expected both, or neither"
                        .to_owned(),
                );
            }
            (None, Some(_)) => {
                return Err(
                    "key_file is given without certificate_file: expected both, or neither"
                        .to_owned(),
                );
            }
        };
        Ok(Self {
            ca_file: written.ca_file,
            client,
        })
    }
}

/// A section that the engine's address has no use for: where it is, and what is wrong.
pub(super) fn contradiction(
    host: &EngineAddress,
    tls: Option<&TlsSettings>,
    ssh: &SshSettings,
) -> Option<(usize, String)> {
    if let Some(tls) = tls.filter(|_| host.kind() != AddressKind::Tcp) {
        return Some((
            tls.ca_file.span_start(),
            format!(
                "[docker.tls] is for an engine at tcp://HOST:PORT, and host is {host}: correct host \
                 in [docker], or remove this section"
            ),
        ));
    }
    let file = ssh.key_file.as_ref().or(ssh.known_hosts.as_ref())?;
    (host.kind() != AddressKind::Ssh).then(|| {
        (
            file.span_start(),
            format!(
                "[docker.ssh] is for an engine at ssh://USER@HOST, and host is {host}: correct host \
                 in [docker], or remove this section"
            ),
        )
    })
}
