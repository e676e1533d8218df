//! From the text to the probe.

use std::io;
use std::path::PathBuf;

use super::ProbeSpec;
#[cfg(feature = "https")]
use crate::HttpsProbe;
use crate::probe::IcmpUnavailable;
use crate::{IcmpProbe, Probe, SshProbe, TcpProbe};

/// Why there is no probe of what a [`ProbeSpec`] says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// This crate has no such probe: whoever joins it with a client of TrueNAS builds one, from the
    /// address and the trust in the specification.
    #[error(
        "build the probe {spec}: it takes a client of TrueNAS, which is not part of this crate"
    )]
    #[non_exhaustive]
    NeedsBuilder {
        /// The specification.
        spec: Box<ProbeSpec>,
    },
    /// This process may not send echo requests. Others can still be used: whoever has several
    /// probes may leave this one out, and say so.
    #[error(transparent)]
    Icmp(#[from] IcmpUnavailable),
    /// This crate was compiled without the feature `https`.
    #[error("build the probe {spec}: this program was compiled without HTTPS")]
    #[non_exhaustive]
    WithoutHttps {
        /// The specification.
        spec: Box<ProbeSpec>,
    },
    /// The file with the authorities cannot be used.
    #[error("read the certificates in {} (expected PEM): {source}", file.display())]
    #[non_exhaustive]
    CaFile {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// TLS cannot be set up on this machine: it has no certificates of authorities, for example.
    #[error("set up TLS for {url}: {why}")]
    #[non_exhaustive]
    Tls {
        /// What was to be asked.
        url: String,
        /// What is wrong.
        why: String,
    },
}

impl ProbeSpec {
    /// The probe itself. Nothing is asked yet, not even a name service; but whether this process may
    /// ask is known now, and files are read.
    ///
    /// # Errors
    /// When there is no such probe here: see [`BuildError`].
    pub fn build(&self) -> Result<Box<dyn Probe>, BuildError> {
        Ok(match self {
            Self::Icmp { host } => Box::new(IcmpProbe::open(host)?),
            Self::Tcp { host, port } => Box::new(TcpProbe::new(host, *port)),
            Self::Ssh { host, port } => Box::new(SshProbe::new(host, *port)),
            #[cfg(feature = "https")]
            Self::Https { url, trust } => Box::new(HttpsProbe::new(url.clone(), trust.clone())?),
            #[cfg(not(feature = "https"))]
            Self::Https { .. } => {
                return Err(BuildError::WithoutHttps {
                    spec: Box::new(self.clone()),
                });
            }
            Self::TrueNas { .. } => {
                return Err(BuildError::NeedsBuilder {
                    spec: Box::new(self.clone()),
                });
            }
        })
    }
}
