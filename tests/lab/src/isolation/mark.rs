//! How a program that was run again knows where it is: variables, which it verifies.

use std::env;
use std::path::{Path, PathBuf};

use super::lab_id::LabId;
use super::namespaces::Namespaces;

/// `init` or `inside`.
const STAGE: &str = "BACKUP_WINDOW_LAB";
/// The lab's [`LabId`].
const ID: &str = "BACKUP_WINDOW_LAB_ID";
/// The lab's own file system.
const SCRATCH: &str = "BACKUP_WINDOW_LAB_SCRATCH";
/// The namespaces of the program outside.
const OUTSIDE: &str = "BACKUP_WINDOW_LAB_OUTSIDE";

/// Where a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// On the machine.
    Outside,
    /// In the lab's namespaces, as their PID 1, before anything is set up.
    Init,
    /// In the lab.
    Inside,
}

/// Where this program is, verified; or why that cannot be told.
pub(super) fn stage() -> Result<Stage, String> {
    let stage = match env::var(STAGE).as_deref() {
        Err(_) => return Ok(Stage::Outside),
        Ok("init") => Stage::Init,
        Ok("inside") => Stage::Inside,
        Ok(other) => return Err(format!("{STAGE}={other:?} means nothing; unset it")),
    };
    let outside: Namespaces = env::var(OUTSIDE)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{STAGE} is set, but {OUTSIDE} is not; unset both"))?;
    let own =
        Namespaces::own().map_err(|error| format!("failed to read /proc/self/ns: {error}"))?;
    if !own.share_nothing_with(&outside) {
        return Err(format!(
            "{STAGE} is set, but this process is not in namespaces of its own; unset it"
        ));
    }
    Ok(stage)
}

/// The lab's file system.
pub(super) fn scratch() -> Option<PathBuf> {
    env::var_os(SCRATCH).map(PathBuf::from)
}

/// The lab that this program is in.
pub(super) fn id() -> Option<LabId> {
    env::var(ID).ok()?.parse().ok()
}

/// The variables for PID 1.
pub(super) fn for_init(
    id: LabId,
    scratch: &Path,
    outside: &Namespaces,
) -> [(&'static str, std::ffi::OsString); 4] {
    [
        (STAGE, "init".into()),
        (ID, id.to_string().into()),
        (SCRATCH, scratch.into()),
        (OUTSIDE, outside.to_string().into()),
    ]
}

/// The variable that PID 1 changes for the program inside.
pub(super) const FOR_INSIDE: (&str, &str) = (STAGE, "inside");
