use std::fs::OpenOptions;
use std::io::Write;

use jiff::civil::date;

use super::*;
use crate::step::Step;
use crate::step::StepEnd;

fn night() -> Night {
    Night {
        date: date(2026, 11, 23),
        start: "2026-11-23T01:45:00Z".parse().unwrap(),
        end: "2026-11-23T04:00:00Z".parse().unwrap(),
    }
}

fn record(step: Step, minute: i8, outcome: Outcome) -> StepRecord {
    let at = night().start + jiff::SignedDuration::from_mins(i64::from(minute));
    StepRecord {
        step,
        began: at,
        ended: at,
        end: StepEnd::Done,
        summary: "done".to_owned(),
        evidence: Vec::new(),
        attention: Vec::new(),
        outcome,
    }
}

fn wake(minute: i8, found_off: bool) -> StepRecord {
    record(
        Step::Wake,
        minute,
        Outcome::Wake {
            found_off,
            ready: true,
        },
    )
}

fn confirm(minute: i8) -> StepRecord {
    record(Step::Confirm, minute, Outcome::Confirm { off: true })
}

fn with(records: Vec<StepRecord>) -> NightHistory {
    NightHistory {
        night: night(),
        records,
    }
}

#[test]
fn what_was_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::in_folder(folder.path().join("history"));
    assert_eq!(history.read(night().date).unwrap(), None);
    assert!(history.dates().unwrap().is_empty());
    let records = vec![wake(0, true), confirm(90)];
    for record in &records {
        history.append(&night(), record).unwrap();
    }
    assert_eq!(history.read(night().date).unwrap(), Some(with(records)));
    assert_eq!(history.dates().unwrap(), [date(2026, 11, 23)]);
}

#[test]
fn a_record_that_a_crash_cut_off_is_left_out_and_the_next_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::in_folder(folder.path().to_owned());
    history.append(&night(), &wake(0, true)).unwrap();
    let mut file = OpenOptions::new()
        .append(true)
        .open(folder.path().join("2026-11-23.jsonl"))
        .unwrap();
    file.write_all(b"{\"step\":\"stacks\",\"beg").unwrap();
    history.append(&night(), &confirm(90)).unwrap();
    let read = history.read(night().date).unwrap().unwrap();
    assert_eq!(read.records, [wake(0, true), confirm(90)]);
}

#[test]
fn a_line_that_is_not_ours_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::in_folder(folder.path().to_owned());
    history.append(&night(), &wake(0, true)).unwrap();
    let path = folder.path().join("2026-11-23.jsonl");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"step\":\"dance\"}\n").unwrap();
    let error = history.read(night().date).unwrap_err().to_string();
    assert!(error.contains("2026-11-23.jsonl:3"), "{error}");
}

#[test]
fn a_newer_format_is_not_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("2026-11-23.jsonl"), "{\"format\":9}\n").unwrap();
    let history = History::in_folder(folder.path().to_owned());
    let error = history.read(night().date).unwrap_err().to_string();
    assert!(error.contains("has format 9"), "{error}");
}

#[test]
fn a_nas_that_was_off_and_then_found_up_again_is_still_ours() {
    let woken = night().start;
    assert_eq!(with(vec![wake(0, true)]).found_off_and_woke(), Some(woken));
    assert_eq!(
        with(vec![wake(0, true), wake(10, false)]).found_off_and_woke(),
        Some(woken)
    );
}

#[test]
fn a_nas_that_was_up_before_or_was_switched_off_since_is_not_ours() {
    assert_eq!(with(vec![]).found_off_and_woke(), None);
    assert_eq!(with(vec![wake(0, false)]).found_off_and_woke(), None);
    assert_eq!(
        with(vec![wake(0, true), confirm(90)]).found_off_and_woke(),
        None
    );
}

#[test]
fn the_last_run_decides_when_the_backup_ended() {
    let ended: Timestamp = "2026-11-23T02:10:00Z".parse().unwrap();
    let stacks = |backup_ended| {
        record(
            Step::Stacks,
            20,
            Outcome::Stacks {
                backup_ended,
                saved: Vec::new(),
            },
        )
    };
    assert_eq!(with(vec![stacks(Some(ended))]).backup_ended(), Some(ended));
    assert_eq!(
        with(vec![stacks(Some(ended)), stacks(None)]).backup_ended(),
        None
    );
}
