//! Access lists as text.
//!
//! The kernel keeps them in the extended attributes `system.posix_acl_access` and
//! `system.posix_acl_default`, in the form of `linux/posix_acl_xattr.h`: a version, then entries of
//! a tag, permissions and a number, all little-endian. Archives have the text of acl(5), with
//! numbers, since names belong to the host.

use std::fmt::Write;

const VERSION: u32 = 2;
const HEADER_BYTES: usize = 4;
const ENTRY_BYTES: usize = 8;

/// The text of an access list, or nothing if it is none that we know.
pub(super) fn to_text(value: &[u8]) -> Option<String> {
    let (version, entries) = value.split_at_checked(HEADER_BYTES)?;
    if u32::from_le_bytes(version.try_into().ok()?) != VERSION || entries.len() % ENTRY_BYTES != 0 {
        return None;
    }
    let mut text = String::new();
    for entry in entries.chunks_exact(ENTRY_BYTES) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let permissions = u16::from_le_bytes([entry[2], entry[3]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let (kind, id) = match tag {
            0x01 => ("user", None),
            0x02 => ("user", Some(id)),
            0x04 => ("group", None),
            0x08 => ("group", Some(id)),
            0x10 => ("mask", None),
            0x20 => ("other", None),
            _ => return None,
        };
        if !text.is_empty() {
            text.push(',');
        }
        let id = id.map_or_else(String::new, |id| id.to_string());
        let letter = |bit: u16, letter| if permissions & bit != 0 { letter } else { '-' };
        let (r, w, x) = (letter(4, 'r'), letter(2, 'w'), letter(1, 'x'));
        // Writing to a string does not fail.
        let _ = write!(text, "{kind}:{id}:{r}{w}{x}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            value.extend(tag.to_le_bytes());
            value.extend(permissions.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        value
    }

    #[test]
    fn a_list_has_the_text_that_setfacl_takes() {
        let value = list(&[
            (0x01, 7, u32::MAX),
            (0x02, 5, 1000),
            (0x04, 4, u32::MAX),
            (0x08, 6, 33),
            (0x10, 7, u32::MAX),
            (0x20, 0, u32::MAX),
        ]);
        assert_eq!(
            to_text(&value).unwrap(),
            "user::rwx,user:1000:r-x,group::r--,group:33:rw-,mask::rwx,other::---"
        );
        assert_eq!(to_text(&list(&[])).unwrap(), "");
    }

    #[test]
    fn anything_else_is_no_list() {
        assert_eq!(to_text(b""), None);
        assert_eq!(to_text(b"\x01\0\0\0"), None, "another version");
        assert_eq!(to_text(b"\x02\0\0\0short"), None);
        assert_eq!(to_text(&list(&[(0x40, 7, 0)])), None, "an unknown tag");
    }
}
