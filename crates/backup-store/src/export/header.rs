//! The blocks of an archive that say what comes.

use std::io::{self, Write};

use rustic_core::repofile::Metadata;
use tar::{EntryType, Header};

use crate::mode;

/// Archives are made of blocks of this size.
pub(super) const BLOCK_BYTES: usize = 512;

/// The largest number that seven octal digits hold: of owners and devices. Greater ones go into a
/// record.
const SEVEN_DIGITS: u64 = 0o7_777_777;

/// The largest number that eleven octal digits hold: of sizes and times.
const ELEVEN_DIGITS: u64 = 0o77_777_777_777;

const NANOSECONDS: i128 = 1_000_000_000;

/// The records of an extended header: `LENGTH KEYWORD=VALUE`, a line each.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    pub(super) fn add(&mut self, keyword: &str, value: &[u8]) {
        // The length counts its own digits too.
        let rest = keyword.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.0.extend(format!("{length} {keyword}=").as_bytes());
        self.0.extend(value);
        self.0.push(b'\n');
    }
}

/// One entry's header, and the records that say what it cannot.
#[derive(Debug)]
pub(super) struct Entry {
    header: Header,
    records: Records,
}

impl Entry {
    pub(super) fn new(kind: EntryType, path: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        let mut entry = Self {
            header,
            records: Records::default(),
        };
        if !entry.set_name(path) {
            entry.records.add("path", path);
        }
        entry
    }

    /// Puts as much of a name into the header as there is room for, and says whether it is all.
    pub(super) fn set_name(&mut self, name: &[u8]) -> bool {
        self.header
            .as_ustar_mut()
            .is_some_and(|header| fill(&mut header.name, name))
    }

    pub(super) fn set_link(&mut self, target: &[u8]) {
        let fits = self
            .header
            .as_ustar_mut()
            .is_some_and(|header| fill(&mut header.linkname, target));
        if !fits {
            self.records.add("linkpath", target);
        }
    }

    pub(super) fn record(&mut self, keyword: &str, value: &[u8]) {
        self.records.add(keyword, value);
    }

    pub(super) fn set_size(&mut self, bytes: u64) {
        if bytes > ELEVEN_DIGITS {
            self.records.add("size", bytes.to_string().as_bytes());
        } else {
            self.header.set_size(bytes);
        }
    }

    /// Fails if the numbers are greater than the format has room for.
    pub(super) fn set_device(&mut self, major: u32, minor: u32) -> bool {
        u64::from(major.max(minor)) <= SEVEN_DIGITS
            && self.header.set_device_major(major).is_ok()
            && self.header.set_device_minor(minor).is_ok()
    }

    /// Owner, mode and time.
    pub(super) fn set_metadata(&mut self, metadata: &Metadata) {
        if let Some(stored) = metadata.mode {
            self.header.set_mode(mode::permissions(stored));
        }
        for (keyword, id, set) in [
            ("uid", metadata.uid, Header::set_uid as fn(&mut Header, u64)),
            ("gid", metadata.gid, Header::set_gid),
        ] {
            let id = u64::from(id.unwrap_or_default());
            if id > SEVEN_DIGITS {
                self.records.add(keyword, id.to_string().as_bytes());
            } else {
                set(&mut self.header, id);
            }
        }
        if let Some(modified) = metadata.mtime {
            let nanoseconds = modified.as_nanosecond();
            match u64::try_from(nanoseconds.div_euclid(NANOSECONDS)) {
                Ok(seconds) if nanoseconds % NANOSECONDS == 0 && seconds <= ELEVEN_DIGITS => {
                    self.header.set_mtime(seconds);
                }
                _ => self.records.add("mtime", decimal(nanoseconds).as_bytes()),
            }
        }
    }

    /// Writes the extended header, if one is needed, and the header.
    pub(super) fn write(mut self, to: &mut impl Write) -> io::Result<()> {
        let records = self.records.0;
        if !records.is_empty() {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::XHeader);
            header.set_mode(0o600);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(records.len() as u64);
            if let Some(ustar) = header.as_ustar_mut() {
                fill(&mut ustar.name, b"PaxHeaders/entry");
            }
            header.set_cksum();
            to.write_all(header.as_bytes())?;
            to.write_all(&records)?;
            pad(to, records.len() as u64)?;
        }
        self.header.set_cksum();
        to.write_all(self.header.as_bytes())
    }
}

/// Fills up what was written to whole blocks.
pub(super) fn pad(to: &mut impl Write, written_bytes: u64) -> io::Result<()> {
    const BLOCK: u64 = BLOCK_BYTES as u64;
    let missing = usize::try_from((BLOCK - written_bytes % BLOCK) % BLOCK).unwrap_or_default();
    to.write_all(&[0; BLOCK_BYTES][..missing])
}

/// Whether all of the text fitted, and no reader will take it for another: a name that is not
/// ASCII is told in a record as well, whose encoding is known.
fn fill(field: &mut [u8], text: &[u8]) -> bool {
    let length = field.len().min(text.len());
    field[..length].copy_from_slice(&text[..length]);
    field[length..].fill(0);
    length == text.len() && text.is_ascii()
}

/// Seconds since 1970 with a fraction. Before 1970 both count backwards, as GNU tar has it.
fn decimal(nanoseconds: i128) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let absolute = nanoseconds.unsigned_abs();
    let unit = NANOSECONDS.unsigned_abs();
    let (seconds, fraction) = (absolute / unit, absolute % unit);
    format!("{sign}{seconds}.{fraction:09}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        // From the standard: "25 ctime=1084839148.1212\n" foo.
        let mut records = Records::default();
        records.add("ctime", b"1084839148.1212");
        assert_eq!(records.0, b"25 ctime=1084839148.1212\n");
        for length in [0, 1, 92, 93, 94, 95, 990, 991, 992, 993, 9_990] {
            let mut records = Records::default();
            records.add("path", &vec![b'x'; length]);
            let text = String::from_utf8(records.0).unwrap();
            let counted: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(counted, text.len());
        }
    }

    #[test]
    fn times_before_1970_count_backwards() {
        assert_eq!(decimal(1_600_000_000_123_456_789), "1600000000.123456789");
        assert_eq!(decimal(-86_400_250_000_001), "-86400.250000001");
        assert_eq!(decimal(-250_000_000), "-0.250000000");
    }

    #[test]
    fn what_does_not_fit_goes_into_a_record() {
        let mut out = Vec::new();
        let long = [b'n'; 300];
        let mut entry = Entry::new(EntryType::Regular, &long);
        let metadata = Metadata {
            uid: Some(4_000_000_000),
            gid: Some(70),
            ..Metadata::default()
        };
        entry.set_metadata(&metadata);
        entry.set_size(ELEVEN_DIGITS + 1);
        entry.write(&mut out).unwrap();
        assert_eq!(out.len() % BLOCK_BYTES, 0);
        let records = String::from_utf8_lossy(&out[BLOCK_BYTES..2 * BLOCK_BYTES]);
        assert!(records.contains("path=nnn"), "{records}");
        assert!(records.contains("uid=4000000000\n"), "{records}");
        assert!(records.contains("size=8589934592\n"), "{records}");
        assert!(!records.contains("gid"), "{records}");
    }
}
