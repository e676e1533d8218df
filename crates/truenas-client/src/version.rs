//! The version a TrueNAS reports, in the three ways that it has been written.

use std::fmt;

use serde::Serialize;

/// Which product runs on the NAS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Edition {
    /// FreeBSD: `FreeNAS-11.3-U5`, `TrueNAS-13.0-U6.7`.
    Core,
    /// Linux: `TrueNAS-SCALE-24.10.1`, and from 25.04 on without the word: `TrueNAS-25.04.1`.
    Scale,
    /// The version did not look like either.
    Unknown,
}

/// The version of a TrueNAS, such as `TrueNAS-SCALE-24.10.1`.
///
/// Reading one never fails: a NAS with a version of an unexpected form is still worth asking.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Version {
    raw: String,
    edition: Edition,
    release: Option<(u32, u32)>,
}

impl Version {
    /// Reads a version as `system.info` reports it.
    #[must_use]
    pub fn parse(raw: &str) -> Self {
        // From the left: a brand, on Linux before 25.04 the word SCALE, then the numbers.
        let mut parts = raw.trim().split('-');
        let brand = parts.next().unwrap_or_default();
        let mut number = parts.next().unwrap_or_default();
        let says_scale = number.eq_ignore_ascii_case("SCALE");
        if says_scale {
            number = parts.next().unwrap_or_default();
        }
        let known_brand = ["truenas", "freenas"].contains(&brand.to_ascii_lowercase().as_str());
        let release = known_brand.then(|| release(number)).flatten();
        let edition = match release {
            Some(_) if says_scale => Edition::Scale,
            // CORE ends with 13; SCALE, which is numbered by year, begins with 20.
            Some((..20, _)) => Edition::Core,
            Some(_) => Edition::Scale,
            None => Edition::Unknown,
        };
        Self {
            raw: raw.trim().to_owned(),
            edition,
            release,
        }
    }

    /// The product.
    #[must_use]
    pub fn edition(&self) -> Edition {
        self.edition
    }

    /// The release series, such as `(24, 10)` or `(13, 0)`; `None` if the version could not be read.
    #[must_use]
    pub fn release(&self) -> Option<(u32, u32)> {
        self.release
    }

    /// The version as the NAS wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

fn release(number: &str) -> Option<(u32, u32)> {
    let mut numbers = number.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_of_all_generations_are_read() {
        for (raw, edition, release) in [
            ("TrueNAS-SCALE-24.10.1", Edition::Scale, Some((24, 10))),
            ("TrueNAS-SCALE-24.10.0.2", Edition::Scale, Some((24, 10))),
            ("TrueNAS-SCALE-22.12.4.2", Edition::Scale, Some((22, 12))),
            ("TrueNAS-13.0-U6.7", Edition::Core, Some((13, 0))),
            ("TrueNAS-13.3-U1.2", Edition::Core, Some((13, 3))),
            ("FreeNAS-11.3-U5", Edition::Core, Some((11, 3))),
            ("TrueNAS-25.04.1", Edition::Scale, Some((25, 4))),
            ("TrueNAS-26.0.0-BETA.3", Edition::Scale, Some((26, 0))),
            ("TrueNAS-SCALE-MASTER", Edition::Unknown, None),
            ("ProxmoxVE-24.10.1", Edition::Unknown, None),
            ("", Edition::Unknown, None),
        ] {
            let version = Version::parse(raw);
            assert_eq!(
                (version.edition(), version.release()),
                (edition, release),
                "{raw}"
            );
            assert_eq!(version.to_string(), raw);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_version(raw in ".*") {
            let version = Version::parse(&raw);
            prop_assert_eq!(version.as_str(), raw.trim());
        }
    }
}
