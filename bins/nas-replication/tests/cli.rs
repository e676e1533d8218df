//! The command line of `nas-replication`: its help, and what it says of bad input.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::process::{Command, Output};

fn nas_replication(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nas-replication"))
        .args(arguments)
        .env_remove("BACKUP_WINDOW_CONFIG")
        .output()
        .unwrap()
}

#[test]
fn help_is_understood_by_a_newcomer() {
    let help = nas_replication(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8(help.stdout).unwrap());
}

#[test]
fn a_missing_configuration_ends_with_code_2_and_says_what_to_do() {
    let output = nas_replication(&["status", "--config", "/no/such/config.toml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/no/such/config.toml"), "{said}");
    assert!(said.contains("--config"), "{said}");
}

#[test]
fn an_unknown_command_ends_with_code_2() {
    assert_eq!(nas_replication(&["dance"]).status.code(), Some(2));
    assert_eq!(nas_replication(&[]).status.code(), Some(2));
}
