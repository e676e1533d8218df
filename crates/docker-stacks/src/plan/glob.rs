//! Patterns of paths, as containers see them and as sources have them.

use std::{collections::BTreeSet, fmt, os::unix::ffi::OsStrExt, path::Path, str::FromStr};

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

/// What a part of a pattern must not be or hold besides what `globset` refuses.
const BAD_PARTS: [&str; 2] = [".", ".."];

/// A pattern of paths that are not copied.
///
/// The patterns are those of `.gitignore` files (<https://git-scm.com/docs/gitignore>), without
/// negation: with a leading slash, a pattern begins at the top; without one, it matches at any
/// depth. `*` and `?` stand for any characters but a slash, `[…]` for one of a class, `{a,b}` for
/// either (neither may hold a slash), and `**` for any number of folders. A folder that matches is
/// left out with all that is in it.
///
/// In a container's label and in the configuration, the top is the container's `/`; in
/// [`MountPlan::exclude`](crate::MountPlan::exclude), it is the mount's source.
///
/// ```
/// use docker_stacks::PathGlob;
///
/// let cache: PathGlob = "/var/lib/app/cache/**".parse()?;
/// assert!(cache.leaves_out("/var/lib/app/cache/a/b".as_ref()));
/// let logs: PathGlob = "*.log".parse()?;
/// assert!(logs.leaves_out("/srv/app/error.log".as_ref()));
/// assert!("/a/../b".parse::<PathGlob>().is_err());
/// # Ok::<(), docker_stacks::PathGlobError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathGlob(String);

/// What a pattern leaves out of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Beneath {
    /// All that is in it.
    Everything,
    /// What these patterns match, whose top is the mount's; nothing if there are none.
    Matches(Vec<PathGlob>),
}

/// A part of a pattern between two slashes.
#[derive(Debug)]
enum Part {
    AnyDepth,
    Name(String),
    /// What is before, between and after its stars, and nothing else that is special.
    Stars(Vec<String>),
    Glob(GlobMatcher),
}

impl PathGlob {
    /// The pattern, as it was written but for slashes that say nothing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does the pattern match a path (from the top, with or without a leading slash), or a folder
    /// above it?
    #[must_use]
    pub fn leaves_out(&self, path: &Path) -> bool {
        matches!(self.beneath(path), Beneath::Everything)
            && path.components().next().is_some()
            && self.covers(path)
    }

    /// The pattern of exactly this path from the top.
    pub(super) fn exactly(path: &Path) -> Option<Self> {
        let text = path.to_str()?.trim_start_matches('/');
        format!("/{}", globset::escape(text)).parse().ok()
    }

    /// The same pattern for a folder that holds the top in this path.
    pub(super) fn moved_into(&self, folder: &Path) -> Option<Self> {
        let folder = Self::exactly(folder)?;
        match self.0.strip_prefix('/') {
            Some(anchored) => format!("{folder}/{anchored}"),
            None => format!("{folder}/**/{}", self.0),
        }
        .parse()
        .ok()
    }

    /// What is left out of a mount on this place.
    pub(super) fn beneath(&self, place: &Path) -> Beneath {
        let written = self.parts();
        let parts: Vec<Part> = written.iter().filter_map(|part| Part::new(part)).collect();
        // How many parts may have been used up; every `**` may stand for nothing.
        let mut states = spread(&parts, BTreeSet::from([0]));
        for name in place.components().filter_map(|component| match component {
            std::path::Component::Normal(name) => Some(Path::new(name)),
            _ => None,
        }) {
            let mut next = BTreeSet::new();
            for state in states {
                match parts.get(state) {
                    Some(Part::AnyDepth) => next.insert(state),
                    Some(part) if part.matches(name) => next.insert(state + 1),
                    _ => false,
                };
            }
            states = spread(&parts, next);
            if states.contains(&parts.len()) {
                return Beneath::Everything;
            }
        }
        let any_depth = |state: usize| matches!(parts.get(state), Some(Part::AnyDepth));
        if parts
            .len()
            .checked_sub(1)
            .is_some_and(|last| states.contains(&last) && any_depth(last))
        {
            return Beneath::Everything;
        }
        let rests = states
            .iter()
            // What follows a `**` matches wherever the `**` itself does.
            .filter(|&&state| !(state > 0 && any_depth(state - 1) && states.contains(&(state - 1))))
            .map(|&state| {
                let rest = written[state..].iter().skip_while(|part| **part == "**");
                let rest = rest.copied().collect::<Vec<_>>().join("/");
                Self(if any_depth(state) {
                    rest
                } else {
                    format!("/{rest}")
                })
            });
        Beneath::Matches(rests.collect())
    }

    /// Was all of the pattern used up, rather than left out by a `**` at its end?
    fn covers(&self, path: &Path) -> bool {
        // `/cache/**` leaves out all that is in `/cache`, but not the folder itself.
        let Some(folder) = self.0.strip_suffix("/**") else {
            return true;
        };
        if folder.is_empty() {
            return true;
        }
        let folder = Self(folder.to_owned());
        path.parent()
            .is_some_and(|parent| matches!(folder.beneath(parent), Beneath::Everything))
    }

    /// The parts between the slashes, beginning with `**` where the pattern may begin anywhere.
    fn parts(&self) -> Vec<&str> {
        match self.0.strip_prefix('/') {
            Some(anchored) => anchored.split('/').collect(),
            None => std::iter::once("**").chain(self.0.split('/')).collect(),
        }
    }
}

impl Part {
    /// A part that was read once can be read again.
    fn new(text: &str) -> Option<Self> {
        if text == "**" {
            Some(Self::AnyDepth)
        } else if text.contains(['?', '[', ']', '{', '}', '\\']) {
            Some(Self::Glob(glob(text).ok()?.compile_matcher()))
        } else if text.contains('*') {
            // To make a regular expression of each of hundreds of labels takes longer than to ask
            // an engine for them.
            Some(Self::Stars(text.split('*').map(str::to_owned).collect()))
        } else {
            Some(Self::Name(text.to_owned()))
        }
    }

    fn matches(&self, name: &Path) -> bool {
        match self {
            Self::AnyDepth => true,
            Self::Name(text) => name.as_os_str() == text.as_str(),
            Self::Stars(texts) => between_stars(texts, name.as_os_str().as_bytes()),
            Self::Glob(glob) => glob.is_match(name),
        }
    }
}

/// Does a name have these texts one after the other, the first and the last at its ends?
fn between_stars(texts: &[String], name: &[u8]) -> bool {
    let [first, middle @ .., last] = texts else {
        return false;
    };
    let ends = name
        .strip_prefix(first.as_bytes())
        .and_then(|rest| rest.strip_suffix(last.as_bytes()));
    let Some(mut rest) = ends else {
        return false;
    };
    for text in middle.iter().map(String::as_bytes) {
        let Some(at) = rest.windows(text.len()).position(|part| part == text) else {
            return false;
        };
        rest = &rest[at + text.len()..];
    }
    true
}

fn glob(text: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
}

fn spread(parts: &[Part], mut states: BTreeSet<usize>) -> BTreeSet<usize> {
    for (state, part) in parts.iter().enumerate() {
        // At the end, a `**` stands for something: it does not match the folder that it is in.
        if states.contains(&state) && matches!(part, Part::AnyDepth) && state + 1 < parts.len() {
            states.insert(state + 1);
        }
    }
    states
}

impl FromStr for PathGlob {
    type Err = PathGlobError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason: &str| PathGlobError {
            pattern: text.to_owned(),
            reason: reason.to_owned(),
        };
        if text.starts_with('!') {
            return Err(bad("negations are not known here"));
        }
        let mut parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        parts.dedup_by(|a, b| a == b && *a == "**");
        if parts.is_empty() {
            return Err(bad("it names nothing"));
        }
        for part in &parts {
            if BAD_PARTS.contains(part) {
                return Err(bad("'.' and '..' are not known here"));
            }
            if *part != "**" && part.contains("**") {
                return Err(bad("'**' must stand alone between slashes"));
            }
            glob(part).map_err(|error| bad(&error.kind().to_string()))?;
        }
        let leading = if text.starts_with('/') { "/" } else { "" };
        Ok(Self(format!("{leading}{}", parts.join("/"))))
    }
}

impl fmt::Display for PathGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PathGlob {
    type Error = PathGlobError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PathGlob> for String {
    fn from(glob: PathGlob) -> Self {
        glob.0
    }
}

/// A text that is no pattern of paths.
///
/// ```
/// let error = "a**".parse::<docker_stacks::PathGlob>().unwrap_err();
/// assert!(error.to_string().contains("'**' must stand alone"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "read '{pattern}' as a pattern of paths: {reason}; expected something like *.log, node_modules or /var/lib/app/cache/**"
)]
pub struct PathGlobError {
    pattern: String,
    reason: String,
}

#[cfg(test)]
mod tests;
