//! Probes of what a configuration or a command line names.

use reachability::{BuildError, Probe, ProbeSpec, Trust};
use url::Url;

use super::SetupError;
use crate::config::{Config, NasApi};
use crate::sentence;
use crate::truenas_probe::TrueNasProbe;

/// The probe of one specification. The key for a TrueNAS comes from the configuration.
///
/// # Errors
/// When there is none, or this process may not use it.
pub fn probe(config: Option<&Config>, spec: &ProbeSpec) -> Result<Box<dyn Probe>, SetupError> {
    if let ProbeSpec::TrueNas { url, trust } = spec {
        return truenas(config, spec, url, trust);
    }
    spec.build().map_err(|source| SetupError::Probe {
        source: Box::new(source),
    })
}

fn truenas(
    config: Option<&Config>,
    spec: &ProbeSpec,
    url: &Url,
    trust: &Trust,
) -> Result<Box<dyn Probe>, SetupError> {
    let known = config.and_then(|config| {
        let backup = config.backup_nas().ok().and_then(|nas| nas.api.as_ref());
        let primary = config.primary_nas().ok().map(|nas| &nas.api);
        [(backup, "[backup_nas]"), (primary, "[primary_nas]")]
            .into_iter()
            .filter_map(|(api, section)| Some((config, api?, section)))
            .find(|(_, api, _)| api.url.origin() == url.origin())
    });
    let Some((config, api, section)) = known else {
        return Err(SetupError::NoKeyFor {
            spec: Box::new(spec.clone()),
        });
    };
    let trust = trust_of(config, api, trust)?;
    let nas = super::client(config, api, section, trust)?;
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    Ok(Box::new(TrueNasProbe::new(host, port, Box::new(nas))))
}

/// What the address says of the certificate, or else the configuration.
fn trust_of(config: &Config, api: &NasApi, trust: &Trust) -> Result<Trust, SetupError> {
    match trust {
        Trust::SystemRoots => super::trust(config, &api.trust),
        said => Ok(said.clone()),
    }
}

/// The probes of several, all of which must be answered. An echo request that this process may not
/// send is left out and said so, if another probe is left.
///
/// # Errors
/// As [`probe`].
pub fn probes(
    config: Option<&Config>,
    specs: &[ProbeSpec],
) -> Result<Vec<Box<dyn Probe>>, SetupError> {
    let mut probes = Vec::new();
    let mut left_out = Vec::new();
    for spec in specs {
        match probe(config, spec) {
            Ok(probe) => probes.push(probe),
            Err(error) if is_left_out(&error) => left_out.push((spec, error)),
            Err(error) => return Err(error),
        }
    }
    if probes.is_empty()
        && let Some((_, error)) = left_out.pop()
    {
        return Err(error);
    }
    for (spec, error) in &left_out {
        tracing::warn!("{spec} is left out: {}", sentence::failed_to(error));
    }
    Ok(probes)
}

fn is_left_out(error: &SetupError) -> bool {
    matches!(error, SetupError::Probe { source } if matches!(**source, BuildError::Icmp(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_built_is_an_error_and_nothing_of_it_is_left_out() {
        let specs: Vec<ProbeSpec> = ["ssh:nas", "truenas:https://nas"]
            .map(|text| text.parse().unwrap())
            .into();
        let error = probes(None, &specs).unwrap_err();
        assert!(
            error.to_string().contains("truenas:https://nas/"),
            "{error}"
        );
        assert_eq!(probes(None, &specs[..1]).unwrap()[0].target(), "ssh:nas:22");
    }
}
