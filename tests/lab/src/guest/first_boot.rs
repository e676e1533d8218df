//! What a guest is told at its first boot: a disk that is a tar archive of files and of a script
//! that puts them in their places.

use std::fs::File;
use std::io;
use std::path::Path;

use tar::{Builder, Header};

use super::GuestOptions;

/// Where the archive is unpacked in the guest; see [`build`](super::build).
const UNPACKED: &str = "/.first-boot";

/// Writes the disk.
pub(super) fn write_disk(path: &Path, options: &GuestOptions) -> io::Result<()> {
    let mut archive = Builder::new(File::create(path)?);
    add(&mut archive, "set-up", script(options).as_bytes())?;
    for (number, file) in options.files.iter().enumerate() {
        add(&mut archive, &number.to_string(), &file.contents)?;
    }
    archive.into_inner()?.sync_all()
}

fn add(archive: &mut Builder<File>, name: &str, contents: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(contents.len().try_into().map_err(io::Error::other)?);
    header.set_mode(0o600);
    archive.append_data(&mut header, name, contents)
}

/// The script, to be run by `sh -e`.
fn script(options: &GuestOptions) -> String {
    let mut lines = vec!["export PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
    for user in &options.users {
        let user = quoted(user);
        lines.push(format!("useradd --create-home --shell /bin/sh {user}"));
    }
    lines.extend(options.commands.iter().cloned());
    for (number, file) in options.files.iter().enumerate() {
        let path = quoted(&file.path.to_string_lossy());
        let owner = quoted(&file.owner);
        lines.push(format!(
            "install -D -m {:o} {UNPACKED}/{number} {path}\nchown {owner} {path}",
            file.mode
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::{GuestFile, GuestOptions};
    use super::script;

    #[test]
    fn accounts_and_commands_come_before_the_files() {
        let options = GuestOptions {
            users: vec!["off".to_owned()],
            files: vec![GuestFile::new("/home/off/it's", 0o640, "x").of("off:off")],
            commands: vec!["true".to_owned()],
            ..GuestOptions::default()
        };
        let expected = "\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
useradd --create-home --shell /bin/sh 'off'
true
install -D -m 640 /.first-boot/0 '/home/off/it'\\''s'
chown 'off:off' '/home/off/it'\\''s'
";
        assert_eq!(script(&options), expected);
    }
}
