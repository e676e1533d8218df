//! The format's encryption of single files: AES-256 in counter mode and Poly1305-AES, as the
//! [design] has it.
//!
//! [design]: https://restic.readthedocs.io/en/stable/100_references.html#keys-encryption-and-mac

use std::io;

use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, aead::Aead};
use rustic_core::repofile::MasterKey;
use rustix::rand::{GetRandomFlags, getrandom};

const NONCE_BYTES: usize = 16;

/// What begins a file that is compressed with zstd; one that is not begins with its JSON.
const COMPRESSED: u8 = 2;

/// No lock is longer.
const LIMIT_BYTES: usize = 1 << 20;

/// The key in the order of the cipher.
pub(super) fn key(master: &MasterKey) -> Option<[u8; 64]> {
    let parts = [&master.encrypt[..], &master.mac.k[..], &master.mac.r[..]];
    parts.concat().try_into().ok()
}

pub(super) fn seal(key: &[u8; 64], text: &[u8]) -> io::Result<Vec<u8>> {
    let mut sealed = vec![0; NONCE_BYTES];
    // So few come all at once or not at all: getrandom(2).
    let filled = getrandom(&mut sealed[..], GetRandomFlags::empty())?;
    if filled != NONCE_BYTES {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let body = Aes256CtrPoly1305Aes::new(Key::from_slice(key))
        .encrypt(Nonce::from_slice(&sealed), text)
        .map_err(|_| io::Error::other("it cannot be encrypted"))?;
    sealed.extend(body);
    Ok(sealed)
}

pub(super) fn open(key: &[u8; 64], sealed: &[u8]) -> io::Result<Vec<u8>> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let (nonce, body) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
    let text = Aes256CtrPoly1305Aes::new(Key::from_slice(key))
        .decrypt(Nonce::from_slice(nonce), body)
        .map_err(|_| damaged())?;
    match text.split_first() {
        Some((&COMPRESSED, packed)) => zstd::bulk::decompress(packed, LIMIT_BYTES),
        _ => Ok(text),
    }
}
