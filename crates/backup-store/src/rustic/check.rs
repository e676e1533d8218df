//! Checking.

use std::{error::Error, sync::Arc};

use rustic_core::{CheckOptions, ReadSubsetOption, RusticError};

use super::{Shared, Task, damaged, failure, list};
use crate::{CheckDepth, CheckReport, Finding, Severity, StoreError, WorkKind, account::Account};

pub(super) const TASK: Task = Task("check the repository");

pub(super) fn run(
    shared: &Shared,
    depth: CheckDepth,
    account: &Arc<Account>,
) -> Result<CheckReport, StoreError> {
    let options = options(depth)?;
    // A file that a prune has just taken away must not pass for damage.
    let _reading = shared.place.to_read(&shared.key)?;
    let folder = shared.folder();
    // Nobody reads gigabytes for a caller who has gone.
    folder.keep_account(Some(Arc::clone(account)));
    // Without the cache: what counts is what is in the repository.
    let repository = shared
        .repository_for(&folder, None, Some(WorkKind::Check))
        .map_err(|error| damaged(&shared.path, "the file \"config\"", &error))?;
    let (snapshots, unreadable) = list::read_all(&shared.path, &folder, &repository)?;
    let mut findings: Vec<_> = unreadable
        .into_iter()
        .map(|(id, detail)| error(format!("the snapshot {id} cannot be read: {detail}")))
        .collect();
    let trees = snapshots.iter().map(|(_, file)| file.tree).collect();
    match repository.check_with_trees(options, trees) {
        Ok(results) => findings.extend(results.0.iter().map(|(level, finding)| Finding {
            // The library exports neither of the two types, but both can be printed.
            severity: match format!("{level:?}").as_str() {
                "Warn" => Severity::Warning,
                _ => Severity::Error,
            },
            message: in_short(finding),
        })),
        Err(failure) => match failure::file_error(&failure) {
            Some(error) => return Err(error),
            None => findings.push(error(format!(
                "the check could not go on: {}",
                failure::in_short(&failure)
            ))),
        },
    }
    let snapshots = snapshots.len() as u64;
    Ok(CheckReport {
        snapshots,
        read_bytes: folder.read_bytes(),
        findings,
    })
}

fn options(depth: CheckDepth) -> Result<CheckOptions, StoreError> {
    Ok(match depth {
        CheckDepth::Structure => CheckOptions::default(),
        CheckDepth::ReadData { percent: 100 } => CheckOptions::default().read_data(true),
        CheckDepth::ReadData {
            percent: percent @ 1..100,
        } => CheckOptions::default()
            .read_data(true)
            .read_data_subset(ReadSubsetOption::Percentage(percent.into())),
        CheckDepth::ReadShare { share, of } if share < of => CheckOptions::default()
            .read_data(true)
            .read_data_subset(ReadSubsetOption::IdSubSet((share, of))),
        CheckDepth::ReadShare { share, of } => {
            return Err(StoreError::InvalidRequest {
                reason: format!("there is no share {share} of {of} (they are counted from 0)"),
            });
        }
        CheckDepth::ReadData { percent } => {
            return Err(StoreError::InvalidRequest {
                reason: format!("{percent} % of the data cannot be read (expected 1 to 100)"),
            });
        }
    })
}

fn error(message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        message,
    }
}

/// A finding in one line: where the library has a cause for it, it prints a page of it.
fn in_short(finding: &(dyn Error + 'static)) -> String {
    let text = finding.to_string();
    match finding
        .source()
        .and_then(|cause| cause.downcast_ref::<Box<RusticError>>())
    {
        Some(cause) => {
            let what = text.split(" : ").next().unwrap_or_default();
            format!("{what}: {}", failure::in_short(cause))
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_part_of_the_data_can_be_read() {
        for percent in [0, 101, 255] {
            assert!(options(CheckDepth::ReadData { percent }).is_err());
        }
        for percent in [1, 99, 100] {
            assert!(options(CheckDepth::ReadData { percent }).unwrap().read_data);
        }
        assert!(!options(CheckDepth::Structure).unwrap().read_data);
        assert!(
            options(CheckDepth::ReadShare { share: 29, of: 30 })
                .unwrap()
                .read_data
        );
        for (share, of) in [(30, 30), (0, 0), (u32::MAX, 1)] {
            assert!(options(CheckDepth::ReadShare { share, of }).is_err());
        }
    }
}
