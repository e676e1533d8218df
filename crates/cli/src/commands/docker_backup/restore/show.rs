//! What restores say.

use std::path::Path;

use backup_store::{RestoreSummary, Snapshot};
use backup_window::evidence::Bytes;
use backup_window::exit::Exit;
use backup_window::restore::{FreshReport, InPlaceReport, Restored};

/// What a process that the kernel does not confine is remarked upon with.
const UNCONFINED: &str = "this kernel has no Landlock: the process that restored could have written \
                          anywhere, which the configuration allows ([restore] unconfined)";

pub(super) fn exit(restored: &Restored) -> Exit {
    if restored.summary.incomplete.is_empty() && restored.confined {
        Exit::Done
    } else {
        Exit::Attention
    }
}

pub(super) fn to_folder(
    restored: &Restored,
    stack: &str,
    snapshot: &Snapshot,
    to: &Path,
) -> String {
    let summary = &restored.summary;
    let mut lines = vec![format!(
        "restored {} files ({}) of {stack} from the snapshot {} to {}",
        summary.files,
        Bytes(summary.bytes),
        snapshot.id,
        to.display()
    )];
    lines.extend(incomplete(summary));
    if !restored.confined {
        lines.push(UNCONFINED.to_owned());
    }
    lines.join("\n")
}

pub(super) fn in_place(report: &InPlaceReport, snapshot: &Snapshot) -> String {
    let summary = &report.summary;
    let mut lines = vec![format!(
        "restored {} files ({}) of {} from the snapshot {}, in place:",
        summary.files,
        Bytes(summary.bytes),
        report.stack,
        snapshot.id,
    )];
    let replaced = report.replaced.iter();
    lines.extend(replaced.map(|path| format!("  {}", path.display())));
    if let Some(milliseconds) = report.outage_milliseconds {
        lines.push(format!(
            "it was down for {}.{} s",
            milliseconds / 1000,
            milliseconds % 1000 / 100
        ));
    }
    if let Some(safety) = &report.safety_snapshot {
        let id = safety.get(..8).unwrap_or(safety);
        lines.push(format!(
            "what was there before is in the snapshot {id}: `docker-backup restore {} --snapshot \
             {id}` brings it back",
            report.stack
        ));
    }
    for kept in &report.kept {
        lines.push(format!(
            "the stack DOES NOT RUN WELL: what was there before is kept in {}; when all is well, \
             `docker-backup recover` removes it",
            kept.display()
        ));
    }
    lines.extend(incomplete(summary));
    lines.extend(report.remarks.iter().cloned());
    if !report.confined {
        lines.push(UNCONFINED.to_owned());
    }
    lines.join("\n")
}

pub(super) fn fresh(report: &FreshReport, snapshot: &Snapshot) -> String {
    let summary = &report.summary;
    let mut lines = vec![format!(
        "restored {} files ({}) from the snapshot {}:",
        summary.files,
        Bytes(summary.bytes),
        snapshot.id,
    )];
    lines.extend(
        report
            .volumes
            .iter()
            .map(|name| format!("  created the volume {name}")),
    );
    lines.extend(
        report
            .data
            .iter()
            .map(|path| format!("  data     {}", path.display())),
    );
    lines.extend(
        report
            .files
            .iter()
            .map(|path| format!("  file     {}", path.display())),
    );
    lines.extend(incomplete(summary));
    if !report.confined {
        lines.push(UNCONFINED.to_owned());
    }
    if report.next.is_empty() {
        lines.push(
            "next: start its containers; how they were made is in the snapshot's containers/*.json \
             (--only containers/NAME.json --to DIR)"
                .to_owned(),
        );
    } else {
        lines.push("next:".to_owned());
        lines.extend(report.next.iter().map(|command| format!("  {command}")));
    }
    lines.join("\n")
}

fn incomplete(summary: &RestoreSummary) -> Vec<String> {
    let incomplete = summary.incomplete.iter();
    incomplete
        .map(|it| format!("{}: {}", it.path.display(), it.reason))
        .collect()
}
