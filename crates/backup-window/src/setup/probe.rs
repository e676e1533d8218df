//! Probes of what a configuration or a command line names.

use reachability::{BuildError, Probe, ProbeSpec};

use super::SetupError;
use crate::sentence;

/// The probe of one specification.
///
/// # Errors
/// When there is none, or this process may not use it.
pub fn probe(spec: &ProbeSpec) -> Result<Box<dyn Probe>, SetupError> {
    spec.build().map_err(|source| SetupError::Probe {
        source: Box::new(source),
    })
}

/// The probes of several, all of which must be answered. An echo request that this process may not
/// send is left out and said so, if another probe is left.
///
/// # Errors
/// As [`probe`].
pub fn probes(specs: &[ProbeSpec]) -> Result<Vec<Box<dyn Probe>>, SetupError> {
    let mut probes = Vec::new();
    let mut left_out = Vec::new();
    for spec in specs {
        match probe(spec) {
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
        let error = probes(&specs).unwrap_err();
        assert!(
            error.to_string().contains("truenas:https://nas/"),
            "{error}"
        );
        assert_eq!(probes(&specs[..1]).unwrap()[0].target(), "ssh:nas:22");
    }
}
