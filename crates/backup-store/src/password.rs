//! Passwords for new repositories.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::rand::{GetRandomFlags, getrandom};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroize};

use crate::StoreError;

const PASSWORD_BYTES: usize = 32;

/// A new password: 256 bits from the kernel's generator, as 64 hexadecimal digits.
///
/// # Errors
///
/// [`StoreError::Password`] if the kernel has no randomness to give.
pub fn generate_password() -> Result<SecretString, StoreError> {
    let mut random = [0_u8; PASSWORD_BYTES];
    // Up to 256 bytes come all at once or not at all: getrandom(2).
    let result = getrandom(&mut random[..], GetRandomFlags::empty()).and_then(|filled| {
        if filled == PASSWORD_BYTES {
            Ok(())
        } else {
            Err(rustix::io::Errno::IO)
        }
    });
    result.map_err(|errno| StoreError::Password {
        operation: "get random bytes for a password from the kernel".to_owned(),
        source: errno.into(),
    })?;
    let mut password = String::with_capacity(2 * PASSWORD_BYTES);
    for byte in random {
        for digit in [byte >> 4, byte & 0xf] {
            password.extend(char::from_digit(digit.into(), 16));
        }
    }
    random.zeroize();
    Ok(password.into())
}

/// Saves a password in a new file that only its owner can read (mode 0600), with a newline at the
/// end, as `restic --password-file` reads it.
///
/// # Errors
///
/// [`StoreError::Password`] if the file exists (it is never overwritten: the password in it may be
/// the only one that opens some repository) or cannot be written.
pub fn write_password_file(path: &Path, password: &SecretString) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(password.expose_secret().as_bytes())?;
        file.write_all(b"\n")?;
        // A repository whose password is lost with the power is lost as well.
        file.sync_all()
    };
    write().map_err(|source| StoreError::Password {
        operation: format!("write the new password file {}", path.display()),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn passwords_are_long_and_differ() {
        let (a, b) = (generate_password().unwrap(), generate_password().unwrap());
        for password in [&a, &b] {
            assert_eq!(password.expose_secret().len(), 64);
            assert!(
                password
                    .expose_secret()
                    .chars()
                    .all(|c| c.is_ascii_hexdigit())
            );
        }
        assert_ne!(a.expose_secret(), b.expose_secret());
    }

    #[test]
    fn a_password_file_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        write_password_file(&path, &"one".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );

        let error = write_password_file(&path, &"two".into()).unwrap_err();
        assert!(matches!(&error, StoreError::Password { source, .. }
            if source.kind() == io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        assert!(!format!("{error} {error:?}").contains("two"));
    }
}
