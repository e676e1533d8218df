//! Copies of what can be read once, from its beginning to its end.

use std::{
    io::{self, Read},
    os::unix::fs::FileExt,
};

use super::{Contents, Extent, Put};
use crate::account::Account;

/// How much is read, looked at for zeros, and written at once. Pieces of this size lie next to each
/// other in the spool.
const PIECE_BYTES: usize = 256 << 10;

/// A piece that becomes a hole.
static ZEROS: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

/// Why nothing became of a copy.
#[derive(Debug)]
pub(crate) enum PutError {
    Read(io::Error),
    Write(io::Error),
    Cancelled,
}

impl Contents {
    /// Copies so many bytes. Long runs of zeros become holes. If there is no room for all of it,
    /// nothing of it stays, and not all of it is read.
    pub(crate) fn put_stream(
        &mut self,
        from: &mut impl Read,
        bytes: u64,
        run: &Account,
    ) -> Result<Put, PutError> {
        let (end, reserved) = (self.end, self.reserved_bytes);
        let mut extents: Vec<Extent> = Vec::new();
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < bytes {
            if !run.may_go_on() {
                return Err(PutError::Cancelled);
            }
            let left = usize::try_from(bytes - at).unwrap_or(usize::MAX);
            buffer.resize(left.min(PIECE_BYTES), 0);
            from.read_exact(&mut buffer).map_err(PutError::Read)?;
            let length = buffer.len() as u64;
            // A small file costs less than the hole in it.
            let is_hole = buffer == ZEROS;
            if !is_hole {
                let room = self.make_room(length);
                let written = room.map(|spooled_at| self.file.write_all_at(&buffer, spooled_at));
                match (room, written) {
                    (Some(spooled_at), Some(Ok(()))) => add(&mut extents, at, spooled_at, length),
                    (_, Some(Err(error))) if error.kind() != io::ErrorKind::StorageFull => {
                        return Err(PutError::Write(error));
                    }
                    _ => {
                        self.take_back(end, reserved);
                        return Ok(Put::Full);
                    }
                }
            }
            at += length;
        }
        Ok(Put::Spooled(extents))
    }

    fn take_back(&mut self, end: u64, reserved: u64) {
        use std::sync::atomic::Ordering::Relaxed;
        let given_back = self.reserved_bytes - reserved;
        self.spool.used_bytes.fetch_sub(given_back, Relaxed);
        (self.end, self.reserved_bytes) = (end, reserved);
    }
}

fn add(extents: &mut Vec<Extent>, at: u64, spooled_at: u64, bytes: u64) {
    if let Some(last) = extents.last_mut()
        && last.at + last.bytes == at
        && last.spooled_at + last.bytes == spooled_at
    {
        last.bytes += bytes;
    } else {
        extents.push(Extent {
            at,
            spooled_at,
            bytes,
        });
    }
}
