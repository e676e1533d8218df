//! The block of 512 bytes that every entry begins with, see `tar(5)`.

use std::{io, ops::Range};

use super::bad;

pub(super) const BLOCK_BYTES: usize = 512;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MODIFIED: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;

/// POSIX's magic. GNU's, of two blanks, means that there are other things where POSIX has the prefix.
const POSIX: &[u8] = b"ustar\0";

#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) modified_second: i64,
    pub(super) kind: u8,
    pub(super) link: Vec<u8>,
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl Header {
    /// Nothing if it is a block of zeros, with which archives end.
    pub(super) fn parse(block: &[u8; BLOCK_BYTES]) -> io::Result<Option<Self>> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // The checksum is that of the block with blanks in its place.
        let sum: i64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| i64::from(if CHECKSUM.contains(&at) { b' ' } else { *byte }))
            .sum();
        if number(&block[CHECKSUM])? != sum {
            return Err(bad("a header is damaged"));
        }
        let mut name = text(&block[NAME]);
        let prefix = text(&block[PREFIX]);
        if &block[MAGIC] == POSIX && !prefix.is_empty() {
            name = [&prefix[..], b"/", &name].concat();
        }
        Ok(Some(Self {
            name,
            mode: small(&block[MODE])?,
            uid: small(&block[UID])?,
            gid: small(&block[GID])?,
            size: u64::try_from(number(&block[SIZE])?)
                .map_err(|_| bad("a header has a negative size"))?,
            modified_second: number(&block[MODIFIED])?,
            kind: block[KIND],
            link: text(&block[LINK]),
            major: small(&block[MAJOR])?,
            minor: small(&block[MINOR])?,
        }))
    }
}

/// Up to the first zero, which need not be there.
fn text(field: &[u8]) -> Vec<u8> {
    let end = field.iter().position(|byte| *byte == 0);
    field[..end.unwrap_or(field.len())].to_vec()
}

fn small(field: &[u8]) -> io::Result<u32> {
    u32::try_from(number(field)?).map_err(|_| bad("a header has a number that is too large"))
}

/// Octal digits, with blanks before and a blank or zero behind; or, where those do not suffice, the
/// number itself in two's complement with the highest bit as the sign of it (GNU's and star's).
fn number(field: &[u8]) -> io::Result<i64> {
    let wrong = || bad("a header has a number that is none");
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            // The second highest bit is the number's own sign.
            let negative = first & 0x40 != 0;
            let start = i64::from(first & 0x3f) - if negative { 0x40 } else { 0 };
            rest.iter().try_fold(start, |value, byte| {
                value
                    .checked_mul(256)
                    .and_then(|value| value.checked_add(i64::from(*byte)))
                    .ok_or_else(wrong)
            })
        }
        _ => {
            let digits = field.split(|byte| matches!(byte, 0 | b' '));
            let digits: Vec<_> = digits.filter(|part| !part.is_empty()).collect();
            match digits[..] {
                [] => Ok(0),
                [digits] => std::str::from_utf8(digits)
                    .ok()
                    .filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')))
                    .and_then(|digits| i64::from_str_radix(digits, 8).ok())
                    .ok_or_else(wrong),
                _ => Err(wrong()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_forms() {
        for (field, value) in [
            (&b"0000755\0"[..], 0o755),
            (b"   755 \0", 0o755),
            (b"\0\0\0\0", 0),
            (b"77777777777\0", 0o77_777_777_777),
            (b"\x80\0\0\0\0\0\0\x01", 1),
            (b"\x80\0\0\x02\0\0\0\0", 1 << 33),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
        ] {
            assert_eq!(number(field).unwrap(), value, "{field:?}");
        }
        for wrong in [
            &b"0000789\0"[..],
            b"-1\0\0\0\0\0\0",
            b"1 2\0\0\0\0\0",
            b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(number(wrong).is_err(), "{wrong:?}");
        }
        assert!(small(b"\xff\xff\xff\xff\xff\xff\xff\xfe").is_err());
    }
}
