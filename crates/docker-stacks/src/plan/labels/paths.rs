//! The labels that name paths and mounts.

use std::path::Path;

use super::{EXCLUDE, INCLUDE};
use crate::{
    model::{Container, Mount, MountKind},
    plan::{glob::PathGlob, normal},
};

/// What an entry of `backup-window.include` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::plan) struct Named(String);

impl Named {
    fn read(entry: &str) -> Result<Self, String> {
        let is_path = entry.starts_with('/');
        let is_name = entry
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if is_path || is_name {
            Ok(Self(entry.to_owned()))
        } else {
            Err(format!(
                "'{entry}' is neither a path as the container sees it, such as /data, nor the name \
                 of a volume"
            ))
        }
    }

    pub(in crate::plan) fn names(&self, mount: &Mount) -> bool {
        if self.0.starts_with('/') {
            return normal(Path::new(&self.0)) == normal(&mount.destination);
        }
        matches!(&mount.kind, MountKind::Volume { name, .. } if *name == self.0)
    }

    pub(in crate::plan) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The patterns of paths, as the container sees them, that it wants to be left out.
pub(in crate::plan) fn exclude(container: &Container) -> Vec<PathGlob> {
    entries(container, EXCLUDE)
        .filter_map(|entry| entry.parse().ok())
        .collect()
}

/// What of its mounts the container wants to be copied against the rules.
pub(in crate::plan) fn include(container: &Container) -> Vec<Named> {
    entries(container, INCLUDE)
        .filter_map(|entry| Named::read(entry).ok())
        .collect()
}

/// Does the container want this mount to be copied against the rules?
pub(in crate::plan) fn is_named(container: &Container, mount: &Mount) -> bool {
    entries(container, INCLUDE)
        .filter_map(|entry| Named::read(entry).ok())
        .any(|named| named.names(mount))
}

/// What is wrong with these labels, in sentences that name the container.
pub(super) fn complaints(container: &Container) -> Vec<String> {
    let begin = |label: &str| format!("container {}: the label {label}", container.name);
    let mut complaints = Vec::new();
    for label in [EXCLUDE, INCLUDE] {
        if container.label(label).is_some() && entries(container, label).next().is_none() {
            complaints.push(format!("{} is empty; it is ignored", begin(label)));
        }
    }
    for entry in entries(container, EXCLUDE) {
        if let Err(error) = entry.parse::<PathGlob>() {
            let begin = begin(EXCLUDE);
            complaints.push(format!("{begin}: cannot {error}; it is ignored"));
        }
    }
    for entry in entries(container, INCLUDE) {
        let begin = begin(INCLUDE);
        match Named::read(entry) {
            Err(what) => complaints.push(format!("{begin}: {what}; it is ignored")),
            Ok(named) if !container.mounts.iter().any(|mount| named.names(mount)) => {
                complaints.push(format!("{begin}: nothing is mounted as '{entry}'"));
            }
            Ok(_) => {}
        }
    }
    complaints
}

/// The entries of a label that is a list: on lines of their own, or with commas between them (those
/// within braces belong to a pattern).
fn entries<'a>(container: &'a Container, label: &str) -> impl Iterator<Item = &'a str> {
    let text = container.label(label).unwrap_or_default();
    let mut depth = 0_usize;
    text.split(move |character| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '\n' => depth = 0,
            _ => {}
        }
        character == '\n' || (character == ',' && depth == 0)
    })
    .map(str::trim)
    .filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{bind, container};

    fn labelled(label: &str, value: &str) -> Container {
        let mut db = container("db");
        db.labels.insert(label.to_owned(), value.to_owned());
        db.mounts = vec![bind("/srv/db", "/data")];
        db
    }

    #[test]
    fn lists_have_lines_or_commas() {
        let db = labelled(EXCLUDE, "*.log, /cache/** \n\n node_modules,*.{tmp,bak}\n");
        let read: Vec<String> = exclude(&db).iter().map(ToString::to_string).collect();
        assert_eq!(read, ["*.log", "/cache/**", "node_modules", "*.{tmp,bak}"]);
        assert_eq!(complaints(&db), Vec::<String>::new());
    }

    #[test]
    fn a_mount_is_included_by_its_place_or_its_volume() {
        let db = labelled(INCLUDE, "/data/, nfs_data");
        assert!(is_named(&db, &db.mounts[0]));
        assert!(!is_named(&db, &bind("/data", "/other")));
        insta::assert_snapshot!(complaints(&db).join("\n"), @"container db: the label backup-window.include: nothing is mounted as 'nfs_data'");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut db = labelled(EXCLUDE, "/a/../b, [, *.log");
        db.labels.insert(INCLUDE.to_owned(), "a b".to_owned());
        assert_eq!(exclude(&db).len(), 1);
        insta::assert_snapshot!(complaints(&db).join("\n"), @r#"
        container db: the label backup-window.exclude: cannot read '/a/../b' as a pattern of paths: '.' and '..' are not known here; expected something like *.log, node_modules or /var/lib/app/cache/**; it is ignored
        container db: the label backup-window.exclude: cannot read '[' as a pattern of paths: unclosed character class; missing ']'; expected something like *.log, node_modules or /var/lib/app/cache/**; it is ignored
        container db: the label backup-window.include: 'a b' is neither a path as the container sees it, such as /data, nor the name of a volume; it is ignored
        "#);
        let empty = labelled(EXCLUDE, " , ");
        assert_eq!(
            complaints(&empty),
            ["container db: the label backup-window.exclude is empty; it is ignored"]
        );
    }

    proptest! {
        #[test]
        fn an_entry_is_either_followed_or_spoken_of(value in "[a-c*/.,!{}\\[\\]\\n ]{0,16}") {
            let db = labelled(EXCLUDE, &value);
            let count = entries(&db, EXCLUDE).count();
            let spoken = complaints(&db).len();
            prop_assert_eq!(exclude(&db).len() + spoken, count.max(1));
        }
    }
}
