//! What is left out of the mounts that are copied.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    PlanRules,
    glob::{Beneath, PathGlob},
    labels,
};
use crate::model::{Container, Mount};

/// A part of a mount that is not copied, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeftOut {
    pub(super) why: String,
    /// Its top is the mount's source.
    pub(super) glob: PathGlob,
}

/// What the patterns of the configuration and of a container's label leave out of a mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// All that is in it: by which pattern, and who says so.
    pub(super) everything: Option<(PathGlob, String)>,
    pub(super) parts: Vec<LeftOut>,
}

/// A container's patterns, each with who says it.
#[derive(Debug)]
pub(super) struct Patterns(Vec<(PathGlob, String)>);

impl Patterns {
    pub(super) fn of(container: &Container, rules: &PlanRules) -> Self {
        let by_configuration = rules
            .exclude_paths
            .iter()
            .map(|glob| (glob.clone(), "the configuration".to_owned()));
        let by_label = labels::exclude(container)
            .into_iter()
            .map(|glob| (glob, format!("the label of {}", container.name)));
        Self(by_configuration.chain(by_label).collect())
    }

    pub(super) fn on(&self, mount: &Mount) -> Said {
        let mut said = Said::default();
        for (glob, who) in &self.0 {
            match glob.beneath(&mount.destination) {
                Beneath::Everything => {
                    said.everything
                        .get_or_insert_with(|| (glob.clone(), who.clone()));
                }
                Beneath::Matches(globs) => {
                    said.parts.extend(globs.into_iter().map(|glob| LeftOut {
                        why: who.clone(),
                        glob,
                    }));
                }
            }
        }
        said
    }
}

/// What must stay out of a source that is copied, whatever the labels say: what lies in it without
/// being this machine's data, where the copies go, and what the configuration excludes by its path.
pub(super) fn within(source: &Path, rules: &PlanRules) -> Vec<LeftOut> {
    let real = rules.host.real(source);
    let mut left_out = Vec::new();
    let mut add = |top: &Path, path: &Path, why: String| {
        if let Ok(inner) = path.strip_prefix(top)
            && let Some(glob) = PathGlob::exactly(inner)
        {
            left_out.push(LeftOut { why, glob });
        }
    };
    for (mount_point, what) in rules.host.foreign_within(real) {
        let wanted =
            |path: &PathBuf| path == mount_point || *path == inside(real, source, mount_point);
        if !rules.include.iter().filter_map(|i| i.path()).any(wanted) {
            add(real, mount_point, what);
        }
    }
    if let Some(target) = &rules.copies_go_to {
        add(real, target, "the repository itself".to_owned());
    }
    for exclusion in &rules.exclude {
        if let Some(path) = exclusion.path() {
            let why = "the configuration".to_owned();
            add(source, path, why.clone());
            if real != source {
                add(real, path, why);
            }
        }
    }
    left_out
}

/// Where something within the real source is by the name that the source has.
fn inside(real: &Path, source: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(real)
        .map_or_else(|_| path.to_owned(), |inner| source.join(inner))
}

/// Who leaves out what, in words: `; without '/cache' and '*.log' (the label of db)`.
pub(super) fn in_words(left_out: &[LeftOut]) -> String {
    let mut words = String::new();
    let mut reasons: Vec<&str> = left_out.iter().map(|part| part.why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for why in reasons {
        let globs: Vec<String> = left_out
            .iter()
            .filter(|part| part.why == why)
            .map(|part| format!("'{}'", part.glob))
            .collect();
        // Writing to a string cannot fail.
        let _ = write!(words, "; without {} ({why})", globs.join(", "));
    }
    words
}
