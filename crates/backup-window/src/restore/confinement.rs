//! What a process that restores may do to the file system: read the repository, write beneath the
//! target, and nothing else (I12).
//!
//! The rules are the kernel's ([Landlock]), so that they hold whatever a hostile repository makes
//! this program do. They do not cover a change of owner, mode, times or extended attributes by
//! name; those are made through the descriptors of what was written.
//!
//! [Landlock]: https://docs.kernel.org/userspace-api/landlock.html

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus,
};
use thiserror::Error;

/// The least that is wanted: linking a file into another folder can be allowed since Linux 5.19,
/// and hard links need it.
const LEAST: ABI = ABI::V2;

/// The most that is known of; what the kernel does not know of it cannot be done there either.
const MOST: ABI = ABI::V5;

/// Why a process is not confined.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfinementError {
    /// The kernel cannot do it.
    #[error(
        "this kernel cannot confine the process that restores: Landlock is wanted, which Linux has \
         since 5.19 where it is not switched off (`lsm=` on the kernel's command line)"
    )]
    Unsupported,
    /// A path that is to be allowed cannot be opened.
    #[error("{path} cannot be opened")]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel can do it, and refuses.
    #[error("the process that restores cannot be confined")]
    Refused {
        /// What the kernel said.
        source: Box<RulesetError>,
    },
}

/// Confines this thread, and every thread and process that it starts from now on, for good.
///
/// To be called before there are others.
///
/// # Errors
/// When the kernel cannot do it, or one of the paths is not there. The process is then as free as
/// before.
pub fn confine(reads: &[&Path], writes: &[&Path]) -> Result<(), ConfinementError> {
    let refused = |error: RulesetError| ConfinementError::Refused {
        source: Box::new(error),
    };
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))
        .map_err(|_| ConfinementError::Unsupported)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(MOST))
        .map_err(refused)?;
    let mut created = ruleset.create().map_err(refused)?;
    let to_read = AccessFs::ReadFile | AccessFs::ReadDir;
    for (paths, access) in [(reads, to_read), (writes, AccessFs::from_all(MOST))] {
        for path in paths {
            let opened = PathFd::new(path).map_err(|error| ConfinementError::Path {
                path: (*path).to_owned(),
                source: io::Error::other(error),
            })?;
            created = created
                .add_rule(PathBeneath::new(opened, access))
                .map_err(refused)?;
        }
    }
    let status = created.restrict_self().map_err(refused)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(ConfinementError::Unsupported);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Runs something on a thread of its own, which is confined with all that it starts.
    fn confined<T: Send>(reads: &Path, writes: &Path, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                confine(&[reads], &[writes]).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    #[test]
    fn who_is_confined_writes_beneath_the_target_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["repository", "target", "target/a", "outside"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("repository/file"), "kept").unwrap();
        fs::write(path("outside/file"), "kept").unwrap();
        symlink(path("outside"), path("target/way out")).unwrap();
        symlink(path("outside/file"), path("target/file")).unwrap();
        confined(&path("repository"), &path("target"), || {
            assert_eq!(fs::read(path("repository/file")).unwrap(), b"kept");
            fs::write(path("target/new"), "x").unwrap();
            fs::hard_link(path("target/new"), path("target/a/link")).unwrap();
            let denied = |result: io::Result<()>| {
                let error = result.unwrap_err().kind();
                assert!(
                    matches!(
                        error,
                        io::ErrorKind::PermissionDenied | io::ErrorKind::CrossesDevices
                    ),
                    "{error}"
                );
            };
            denied(fs::write(path("target/file"), "evil"));
            denied(fs::write(path("target/way out/evil"), "evil"));
            denied(fs::write(path("target/../evil"), "evil"));
            denied(fs::write(path("repository/file"), "evil"));
            denied(fs::remove_file(path("outside/file")));
            denied(fs::rename(path("outside/file"), path("target/taken")));
            denied(fs::rename(path("target/new"), path("outside/evil")));
            denied(fs::hard_link(path("target/new"), path("outside/evil")));
            denied(fs::read(path("outside/file")).map(|_| ()));
        });
        // This thread is as free as before.
        assert_eq!(fs::read(path("outside/file")).unwrap(), b"kept");
        assert_eq!(fs::read_dir(path("outside")).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        let error = std::thread::spawn(|| confine(&[Path::new("/nonexistent/x")], &[]));
        let error = error.join().unwrap().unwrap_err();
        assert!(
            matches!(&error, ConfinementError::Path { path, .. } if path.ends_with("x")),
            "{error}"
        );
    }
}
