//! The command line of `backup-window`: its help, and what it says of bad input.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::process::{Command, Output};

fn backup_window(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_backup-window"))
        .args(arguments)
        .env_remove("BACKUP_WINDOW_CONFIG")
        .output()
        .unwrap()
}

#[test]
fn help_is_understood_by_a_newcomer() {
    let help = backup_window(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8(help.stdout).unwrap());
}

#[test]
fn a_missing_configuration_ends_with_code_2_and_says_what_to_do() {
    let output = backup_window(&["run", "--config", "/no/such/config.toml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/no/such/config.toml"), "{said}");
    assert!(said.contains("--config"), "{said}");
}

#[test]
fn an_unknown_command_ends_with_code_2() {
    assert_eq!(backup_window(&["dance"]).status.code(), Some(2));
    assert_eq!(backup_window(&[]).status.code(), Some(2));
}
