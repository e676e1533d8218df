//! The texts that are installed.

use super::PublicKey;
use super::command::SudoCommand;

/// What stands for the key as long as there is none.
const NO_KEY_YET: &str = "PUBLIC-KEY";

/// The line of the sudoers: this user, this command, these arguments.
pub(super) fn sudoers(user: &str, command: &SudoCommand) -> String {
    format!("{user} ALL=(root) NOPASSWD: {}", command.for_sudoers())
}

/// The line of `authorized_keys`. `restrict` forbids whatever a later OpenSSH
/// may come to allow, too. No part of it has a quotation mark or a backslash.
pub(super) fn authorized_key(
    forced: &str,
    from: Option<&str>,
    public_key: Option<&PublicKey>,
) -> String {
    let from = from.map_or_else(String::new, |from| format!(",from=\"{from}\""));
    let key = public_key.map_or_else(|| NO_KEY_YET.to_owned(), ToString::to_string);
    format!("restrict,command=\"{forced}\"{from} {key}")
}

/// The program behind the key.
pub(super) fn dispatcher(command: &SudoCommand) -> String {
    include_str!("backup-window-dispatch.sh").replace("@COMMAND@", &command.without_sudo())
}

/// The program that puts the sudo rule back at boot. The rule stands between
/// single quotation marks, and has none.
pub(super) fn init_script(rule: &str) -> String {
    include_str!("backup-window-sudoers.sh").replace("@RULE@", rule)
}
