//! What `/proc` knows of other processes.

use std::fs;

/// The fields of `/proc/PID/stat` that are of use here; see `proc_pid_stat(5)`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    exiting: bool,
    started: u64,
}

/// `PF_EXITING` of the kernel's `include/linux/sched.h`.
const EXITING: u64 = 0x4;

/// When the process started, in clock ticks since boot; `None` if there is none.
pub(super) fn started(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.started)
}

/// Whether the process is about to end, or has ended: its own code does not run any more, though
/// it may take for ever, as PID 1 of a namespace does that waits for the others in it.
pub(super) fn is_ending(pid: u32) -> bool {
    stat(pid).is_none_or(|stat| stat.exiting)
}

/// The processes whose parent is this one.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent))
        .collect()
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in parentheses, which may itself hold spaces and
/// parentheses: the fields are counted from the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let flags: u64 = fields.get(6)?.parse().ok()?;
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        exiting: flags & EXITING != 0,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Stat, children, is_ending, parse_stat, started};

    #[test]
    fn names_with_spaces_and_parentheses_do_not_shift_the_fields() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0\n";
        assert_eq!(
            parse_stat(text),
            Some(Stat {
                parent: 7,
                exiting: false,
                started: 98765
            })
        );
        let exiting = parse_stat(&text.replace("4194560", "4194564")).unwrap();
        assert!(exiting.exiting);
        assert_eq!(parse_stat("42 (a"), None);
        assert_eq!(parse_stat("42 (a) S 7 42"), None);
    }

    #[test]
    fn a_child_is_found_while_it_lives() {
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        assert!(children(std::process::id()).contains(&child.id()));
        assert!(started(child.id()) >= started(std::process::id()));
        assert!(!is_ending(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children(std::process::id()).contains(&child.id()));
        assert!(is_ending(child.id()));
    }
}
