//! The complete configuration that the project shows, with some values in place of its own.

use std::fmt;

use serde::{Serialize, Serializer};
use toml_edit::{DocumentMut, TomlError, value};

/// The example that the README shows.
const EXAMPLE: &str = include_str!("../../../../../../examples/homelab.toml");

/// A key that can be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    TimeZone,
    PrimaryUrl,
    PrimaryCertificate,
    BackupAddress,
    BackupMac,
    BackupUrl,
    BackupCertificate,
}

impl Key {
    /// Its section and its name.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::TimeZone => ("window", "time_zone"),
            Self::PrimaryUrl => ("primary_nas", "url"),
            Self::PrimaryCertificate => ("primary_nas", "certificate_sha256"),
            Self::BackupAddress => ("backup_nas", "address"),
            Self::BackupMac => ("backup_nas", "mac"),
            Self::BackupUrl => ("backup_nas", "url"),
            Self::BackupCertificate => ("backup_nas", "certificate_sha256"),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (section, name) = self.place();
        write!(f, "[{section}] {name}")
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (section, name) = self.place();
        serializer.collect_str(&format_args!("{section}.{name}"))
    }
}

/// The example with these values in place of its own, and all of its comments.
pub(super) fn fill<'a>(
    found: impl IntoIterator<Item = (Key, &'a str)>,
) -> Result<String, TomlError> {
    let mut document: DocumentMut = EXAMPLE.parse()?;
    for (key, text) in found {
        let (section, name) = key.place();
        document[section][name] = value(text);
        if key == Key::BackupAddress {
            // That of the example's network. Without it, packets go to every network there is.
            if let Some(section) = document[section].as_table_mut() {
                section.remove("broadcast");
            }
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use backup_window::config::Config;

    use super::*;

    #[test]
    fn without_findings_it_is_the_example() {
        assert_eq!(fill([]).unwrap(), EXAMPLE);
    }

    #[test]
    fn what_was_found_is_in_it_and_all_comments_stay() {
        let certificate = ["0a"; 32].join(":");
        let found = [
            (Key::TimeZone, "Asia/Kolkata"),
            (Key::PrimaryUrl, "https://198.51.100.10"),
            (Key::PrimaryCertificate, &certificate),
            (Key::BackupAddress, "198.51.100.11"),
            (Key::BackupMac, "d0:94:66:12:34:56"),
            (Key::BackupUrl, "https://198.51.100.11"),
            (Key::BackupCertificate, &certificate),
        ];
        let text = fill(found).unwrap();
        for (key, value) in found {
            let (_, name) = key.place();
            assert!(
                text.contains(&format!("{name} = \"{value}\"")),
                "{key}\n{text}"
            );
        }
        let comments = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| line.starts_with('#'));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(comments(&text), comments(EXAMPLE));
        let config = Config::parse(Path::new("/etc/config.toml"), text).unwrap();
        let nas = config.backup_nas().unwrap();
        assert_eq!(nas.address, "198.51.100.11");
        assert_eq!(nas.mac.to_string(), "d0:94:66:12:34:56");
        assert!(nas.aim.broadcasts.is_empty(), "{:?}", nas.aim);
        let primary = config.primary_nas().unwrap();
        assert_eq!(primary.api.url.as_str(), "https://198.51.100.10/");
    }
}
