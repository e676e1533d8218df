//! What a backup leaves out: patterns of paths within a source.

use std::{fmt, path::Path, str::FromStr};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern of paths within a source that stay out of the backup.
///
/// The patterns are those of `.gitignore` files (<https://git-scm.com/docs/gitignore>), without
/// negation: with a leading slash, a pattern begins at the top of the source; without one, it
/// matches at any depth. `*` and `?` stand for any characters but a slash, `[…]` for one of a
/// class, `{a,b}` for either, and `**` for any number of folders. A folder that matches is left out
/// with all that is in it: it is not even opened.
///
/// ```
/// use backup_store::ExcludePattern;
///
/// let logs: ExcludePattern = "*.log".parse()?;
/// assert!(logs.leaves_out("deep/down/error.log".as_ref()));
///
/// let cache: ExcludePattern = "/cache/**".parse()?;
/// assert!(cache.leaves_out("cache/a/b".as_ref()));
/// assert!(!cache.leaves_out("cache".as_ref()), "only what is in it");
/// assert!(!cache.leaves_out("old/cache/a".as_ref()), "only at the top");
/// # Ok::<(), backup_store::InvalidExcludePattern>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExcludePattern(String);

impl ExcludePattern {
    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does the pattern match a path within the source, or a folder above it?
    #[must_use]
    pub fn leaves_out(&self, path: &Path) -> bool {
        let exclusions = Exclusions::new(std::slice::from_ref(self));
        path.ancestors()
            .filter(|part| !part.as_os_str().is_empty())
            .any(|part| exclusions.match_exactly(part))
    }

    /// The same pattern as `globset` understands it, for paths without a leading slash.
    fn to_glob(&self) -> Result<globset::Glob, globset::Error> {
        let text = match self.0.strip_prefix('/') {
            Some(anchored) => anchored.to_owned(),
            None => format!("**/{}", self.0),
        };
        GlobBuilder::new(text.trim_end_matches('/'))
            .literal_separator(true)
            .backslash_escape(true)
            .build()
    }
}

impl FromStr for ExcludePattern {
    type Err = InvalidExcludePattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason: &str| InvalidExcludePattern {
            pattern: text.to_owned(),
            reason: reason.to_owned(),
        };
        if text.trim_matches('/').is_empty() {
            return Err(bad("it names nothing"));
        }
        if text.starts_with('!') {
            return Err(bad("negations are not known here"));
        }
        if text.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(bad("'.' and '..' are not known here"));
        }
        let pattern = Self(text.to_owned());
        match pattern.to_glob() {
            Ok(_) => Ok(pattern),
            Err(error) => Err(bad(&error.kind().to_string())),
        }
    }
}

impl fmt::Display for ExcludePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "read '{pattern}' as a pattern of paths to leave out: {reason}; expected something like *.log, \
     node_modules or /cache/**"
)]
pub struct InvalidExcludePattern {
    pattern: String,
    reason: String,
}

/// The patterns of one source, ready for use.
#[derive(Debug, Clone)]
pub(crate) struct Exclusions(GlobSet);

impl Exclusions {
    pub(crate) fn new(patterns: &[ExcludePattern]) -> Self {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(
                pattern
                    .to_glob()
                    .expect("a pattern was built once when it was read"),
            );
        }
        // What is too large together is so only with patterns of megabytes.
        Self(set.build().expect("each of the patterns was built before"))
    }

    /// Does a pattern match this very path within the source?
    pub(crate) fn match_exactly(&self, path: &Path) -> bool {
        self.0.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use proptest::prelude::*;

    use super::*;

    fn leaves_out(pattern: &str, path: &str) -> bool {
        pattern
            .parse::<ExcludePattern>()
            .unwrap()
            .leaves_out(path.as_ref())
    }

    #[test]
    fn patterns_are_those_of_gitignore() {
        for (pattern, path, expected) in [
            ("*.log", "a.log", true),
            ("*.log", "x/y/a.log", true),
            ("*.log", "x/y/a.log/inside", true),
            ("*.log", "a.logs", false),
            ("*.log", ".log", true),
            ("node_modules", "a/node_modules/b", true),
            ("node_modules/", "a/node_modules/b", true),
            ("/node_modules", "a/node_modules", false),
            ("a/b", "x/a/b", true),
            ("/a/*", "a/b/c", true),
            ("/a/*", "a", false),
            ("/a/*/c", "a/b/b/c", false),
            ("/a/**/c", "a/b/b/c", true),
            ("/a/**/c", "a/c", true),
            ("/*.{tmp,bak}", "x.bak", true),
            ("cache[0-9]", "x/cache7", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
        ] {
            assert_eq!(leaves_out(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn names_need_not_be_unicode() {
        let pattern: ExcludePattern = "*.log".parse().unwrap();
        assert!(pattern.leaves_out(Path::new(OsStr::from_bytes(b"caf\xe9/\xff.log"))));
        assert!(!pattern.leaves_out(Path::new(OsStr::from_bytes(b"caf\xe9.txt"))));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "/", "//", "[", "a{b", "!x", "../x", "a/./b"] {
            let error = bad.parse::<ExcludePattern>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{bad}'")), "{error}");
            assert!(error.contains("expected something like"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_can_be_used(text in "\\PC{0,12}|[/*?{},\\[\\]a-c\\\\.]{0,10}") {
            if let Ok(pattern) = text.parse::<ExcludePattern>() {
                prop_assert_eq!(pattern.as_str(), &text);
                prop_assert!(!pattern.leaves_out(Path::new("")));
                let _ = Exclusions::new(&[pattern.clone(), pattern]);
            }
        }

        #[test]
        fn a_folder_takes_what_is_in_it_along(
            pattern in "/?(\\*\\*/)?[ab*?]{1,2}(/[ab*]{1,2})?(/\\*\\*)?",
            path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
            beneath in "[ab]{1,2}",
        ) {
            if leaves_out(&pattern, &path) {
                let inner = format!("{path}/{beneath}");
                prop_assert!(leaves_out(&pattern, &inner));
            }
        }
    }
}
