use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

fn ended(exit_status: i32, stderr: &str) -> Result<Outcome, ShutdownError> {
    let end = CommandEnd {
        exit_status,
        stderr: stderr.into(),
        ..CommandEnd::default()
    };
    end.verdict("off@nas:22", "sudo -n /sbin/shutdown -p now")
}

#[test]
fn status_0_is_accepted_with_all_that_was_said() {
    let end = CommandEnd {
        stdout: b"Shutdown NOW!\r\n".to_vec(),
        stderr: b"shutdown: [pid 812]\n".to_vec(),
        ..CommandEnd::default()
    };
    let expected = Outcome::Accepted {
        exit_status: 0,
        output: "Shutdown NOW!\nshutdown: [pid 812]".into(),
    };
    assert_eq!(end.verdict("e", "c").unwrap(), expected);
}

#[test]
fn a_signal_is_neither_success_nor_failure() {
    let end = CommandEnd {
        signal: Some("TERM".into()),
        ..CommandEnd::default()
    };
    match end.verdict("e", "c").unwrap() {
        Outcome::SentUnknown { why } => assert!(why.contains("TERM"), "{why}"),
        other @ Outcome::Accepted { .. } => panic!("{other:?}"),
    }
}

#[test]
fn a_signal_that_a_shell_tells_of_is_one_too() {
    for status in [129, 137, 143] {
        let outcome = ended(status, "Killed").unwrap();
        assert!(matches!(outcome, Outcome::SentUnknown { .. }), "{status}");
    }
    // Chosen by a command, as likely as not.
    for status in [128, 130, 139, 255] {
        assert!(ended(status, "").is_err(), "{status}");
    }
}

#[test]
fn the_dispatchers_refusal_is_not_taken_for_a_missing_program() {
    let error = ended(126, "backup-window-dispatch 1 refused").unwrap_err();
    assert!(
        matches!(error, ShutdownError::DispatcherRefused { .. }),
        "{error:?}"
    );
    let error = ended(126, "sh: 1: /sbin/off: Permission denied").unwrap_err();
    assert!(
        matches!(error, ShutdownError::CommandNotFound { .. }),
        "{error:?}"
    );
}

#[test]
fn sudo_in_its_dialects_is_recognised() {
    let texts = [
        "sudo: a password is required",
        "sudo: a terminal is required to read the password; either use ssh's -t option or …",
        "sudo: interactive authentication is required",
        "sudo-rs: interactive authentication is required",
        "sudo: no tty present and no askpass program specified",
        "sudo: sorry, you must have a tty to run sudo",
        "Sorry, user shutdown is not allowed to execute '/sbin/shutdown -r now' as root on nas.",
        "shutdown is not in the sudoers file.  This incident will be reported.",
        "Sorry, user shutdown may not run sudo on nas.",
    ];
    for text in texts {
        match ended(1, text).unwrap_err() {
            ShutdownError::SudoRefused { stderr, .. } => assert_eq!(stderr, text),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_warning_of_sudo_is_no_refusal_of_sudo() {
    let error = ended(
        1,
        "sudo: unable to resolve host nas\nshutdown: NOT super-user",
    )
    .unwrap_err();
    assert!(
        matches!(error, ShutdownError::Refused { exit_status: 1, .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[test]
fn a_missing_program_is_recognised_in_every_shell() {
    let texts = [
        (127, "sh: 1: sudo: not found"),
        (127, "bash: line 1: sudo: command not found"),
        (1, "sudo: Command not found."),
        (1, "sudo: /usr/bin/midclt: command not found"),
    ];
    for (exit_status, text) in texts {
        let error = ended(exit_status, text).unwrap_err();
        assert!(
            matches!(error, ShutdownError::CommandNotFound { .. }),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn a_forced_command_may_complain_on_standard_output() {
    let end = CommandEnd {
        exit_status: 3,
        stdout: b"a scrub is running".to_vec(),
        ..CommandEnd::default()
    };
    match end.verdict("e", "c").unwrap_err() {
        ShutdownError::Refused {
            exit_status: 3,
            stderr,
            ..
        } => {
            assert_eq!(stderr, "a scrub is running");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn remote_text_cannot_drive_the_terminal() {
    assert_eq!(printable(b"\x1b[2Jdone\x07\n"), "[2Jdone");
    assert_eq!(printable(&[0xff, b'a']), "\u{fffd}a");
    assert_eq!(printable("x".repeat(9000).as_bytes()).len(), KEPT_CHARS);
}

proptest! {
    #[test]
    fn only_status_0_without_a_signal_is_accepted(status: i32, stderr in ".*", signalled: bool) {
        let end = CommandEnd {
            exit_status: status,
            signal: signalled.then(|| "KILL".into()),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        let accepted = matches!(end.verdict("e", "c"), Ok(Outcome::Accepted { .. }));
        prop_assert_eq!(accepted, status == 0 && !signalled);
    }
}
