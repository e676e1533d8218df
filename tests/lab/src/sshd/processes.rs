//! Ends a process with all its descendants, by their numbers.

use std::fs;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

/// Kills the child and all that descend from it, and waits for the child.
///
/// There is no SIGTERM first: this is a machine losing its power. The child is
/// stopped while its descendants are looked up, so that it starts no more.
pub(crate) fn kill_tree(child: &mut Child) {
    if let Ok(Some(_)) = child.try_wait() {
        return;
    }
    let root = child.id();
    if let Some(pid) = pid(root) {
        let _ = kill_process(pid, Signal::STOP);
    }
    let descendants = descendants(root, &parents());
    let _ = child.kill();
    let _ = child.wait();
    for pid in descendants.into_iter().filter_map(pid) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

/// Each process with its parent, from `/proc`.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parent_in(&stat)?))
        })
        .collect()
}

/// The fourth field of `proc_pid_stat(5)`, counted from behind the name, which
/// may itself hold spaces and parentheses.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = parents
            .iter()
            .filter(|&&(pid, of)| of == parent && pid != root);
        found.extend(children.map(|&(pid, _)| pid));
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_of_descendants_are_found() {
        let parents = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 3), (1, 0)];
        assert_eq!(descendants(2, &parents), [3, 4, 6]);
        assert_eq!(descendants(4, &parents), [0; 0]);
    }

    #[test]
    fn names_with_parentheses_do_not_confuse() {
        assert_eq!(parent_in("812 (sshd: a) (b) S 77 812 0 0"), Some(77));
        assert_eq!(parent_in("812 (sshd"), None);
    }

    #[test]
    fn a_child_and_its_own_child_are_killed() {
        use std::io::Read as _;
        use std::process::{Command, Stdio};

        // Both hold the pipe: its end proves that both are gone.
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "sleep 300 & echo started; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = shell.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 8]).unwrap();
        kill_tree(&mut shell);
        assert_eq!(stdout.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
