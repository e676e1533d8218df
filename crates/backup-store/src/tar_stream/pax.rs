//! Extended headers: records such as `20 path=wiki/page\n`, each of which says how long it is, so that
//! a value may hold anything, newlines and zeros included.

use std::{collections::BTreeMap, ffi::OsString, io, os::unix::ffi::OsStringExt};

use jiff::Timestamp;

use super::bad;

/// star's keyword for an extended attribute, which others took over.
const ATTRIBUTE: &str = "SCHILY.xattr.";

/// GNU's keywords for sparse files.
const SPARSE: &str = "GNU.sparse.";

/// Keywords that are understood, or say what nobody restores: names of users belong to the machine,
/// and the other two times are the system's to set.
const KNOWN: [&str; 11] = [
    "path", "linkpath", "size", "uid", "gid", "mtime", "atime", "ctime", "uname", "gname",
    "comment",
];

/// Records by their keyword.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

impl Records {
    pub(super) fn parse(mut text: &[u8]) -> io::Result<Self> {
        let wrong = || bad("an extended header is damaged");
        let mut records = BTreeMap::new();
        while !text.is_empty() {
            let blank = text.iter().position(|byte| *byte == b' ');
            let blank = blank.ok_or_else(wrong)?;
            let length: usize = std::str::from_utf8(&text[..blank])
                .ok()
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(wrong)?;
            let record = text.get(blank + 1..length).ok_or_else(wrong)?;
            let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=');
            let equals = equals.ok_or_else(wrong)?;
            let (keyword, value) = (record[..equals].to_vec(), record[equals + 1..].to_vec());
            records.insert(keyword, value);
            text = &text[length..];
        }
        Ok(Self(records))
    }

    /// Later records beat earlier ones, and an empty one takes an earlier one away.
    pub(super) fn update(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    pub(super) fn get(&self, keyword: &str) -> Option<&[u8]> {
        let value = self.0.get(keyword.as_bytes())?;
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn number<N: std::str::FromStr>(&self, keyword: &str) -> io::Result<Option<N>> {
        let Some(value) = self.get(keyword) else {
            return Ok(None);
        };
        let number = std::str::from_utf8(value)
            .ok()
            .and_then(|digits| digits.parse().ok());
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(bad(&format!("{keyword} is no number that is fit for it"))),
        }
    }

    pub(super) fn size(&self) -> io::Result<Option<u64>> {
        self.number("size")
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.0.keys().any(|key| key.starts_with(SPARSE.as_bytes()))
    }

    /// Extended attributes may be empty, other than everything else.
    pub(super) fn attributes(&self) -> Vec<(OsString, Vec<u8>)> {
        let attribute = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            let name = key.strip_prefix(ATTRIBUTE.as_bytes())?;
            Some((OsString::from_vec(name.to_vec()), value.clone()))
        };
        self.0.iter().filter_map(attribute).collect()
    }

    pub(super) fn not_understood(&self) -> Vec<String> {
        let keys = self.0.keys().map(|key| String::from_utf8_lossy(key));
        keys.filter(|key| !KNOWN.contains(&&**key) && !key.starts_with(ATTRIBUTE))
            .map(String::from)
            .collect()
    }
}

/// Seconds since 1970, with as many decimals as there are: `1700000000.123456789`, `-0.5`. What is
/// finer than nanoseconds is cut off. Nothing if there is no such date.
pub(super) fn time(text: &[u8]) -> io::Result<Option<Timestamp>> {
    let wrong = || bad("a time is no number");
    let text = std::str::from_utf8(text).map_err(|_| wrong())?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) {
        return Err(wrong());
    }
    let nanoseconds: i32 = format!("{decimals:0<9.9}").parse().map_err(|_| wrong())?;
    let Ok(seconds) = whole.parse::<i64>() else {
        return Ok(None);
    };
    Ok(Timestamp::new(
        sign * seconds,
        i32::try_from(sign).unwrap_or(1) * nanoseconds,
    )
    .ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_they_are_written() {
        for (text, expected) in [
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("1700000000.5", "2023-11-14T22:13:20.5Z"),
            ("1700000000.123456789999", "2023-11-14T22:13:20.123456789Z"),
            ("-1.25", "1969-12-31T23:59:58.75Z"),
            ("-0.5", "1969-12-31T23:59:59.5Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(time(text.as_bytes()).unwrap(), Some(expected), "{text}");
        }
        assert_eq!(time(b"999999999999999").unwrap(), None);
        assert_eq!(time(b"99999999999999999999999").unwrap(), None);
        for wrong in ["", "-", ".5", "1.x", "1e9", "+1", "--1", "\u{fc}"] {
            assert!(time(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_may_hold_anything() {
        let mut text = b"14 path=a\nb\n=\n".to_vec();
        text.extend_from_slice(b"27 SCHILY.xattr.user.a=\0\n\n\n");
        let records = Records::parse(&text).unwrap();
        assert_eq!(records.get("path").unwrap(), b"a\nb\n=");
        assert_eq!(
            records.attributes(),
            [("user.a".into(), b"\0\n\n".to_vec())]
        );
        assert_eq!(records.not_understood(), Vec::<String>::new());
    }

    #[test]
    fn records_that_are_longer_or_shorter_than_they_say_are_damaged() {
        for wrong in [
            "5 a=b\n",
            "7 a=b\n",
            "a=b\n",
            "6 a=bc",
            "4 ab\n",
            "99999999999999999999999 a=b\n",
            "1 a=b\n",
            "0 a=b\n",
            "6 a=b\n1",
        ] {
            assert!(Records::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(Records::parse(b"6 a=b\n").is_ok());
    }
}
