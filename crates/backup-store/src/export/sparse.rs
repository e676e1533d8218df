//! Which parts of a file are data, and how GNU tar is told.

use std::fmt::Write;

/// The parts of a file that are not holes, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Map {
    parts: Vec<(u64, u64)>,
    size: u64,
    hole_bytes: u64,
}

impl Map {
    /// Adds the next piece of the file.
    pub(super) fn push(&mut self, length: u64, is_hole: bool) {
        if is_hole {
            self.hole_bytes += length;
        } else {
            match self.parts.last_mut() {
                Some((start, part)) if *start + *part == self.size => *part += length,
                _ => self.parts.push((self.size, length)),
            }
        }
        self.size += length;
    }

    /// The size of the file, holes included, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The file has holes.
    pub(super) fn is_sparse(&self) -> bool {
        self.hole_bytes > 0
    }

    /// What comes before the data of a sparse file, without the filling up to a whole block: how
    /// many parts there are, then where each starts and how long it is, a number a line. A hole at
    /// the end has a part of no length behind it.
    pub(super) fn text(&self) -> String {
        let mut parts = self.parts.clone();
        if parts
            .last()
            .is_none_or(|(start, length)| start + length < self.size)
        {
            parts.push((self.size, 0));
        }
        let mut text = format!("{}\n", parts.len());
        for (start, length) in parts {
            // Writing to a string does not fail.
            let _ = write!(text, "{start}\n{length}\n");
        }
        text
    }

    /// How many bytes of data there are.
    pub(super) fn data_bytes(&self) -> u64 {
        self.size - self.hole_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pieces: &[(u64, bool)]) -> Map {
        let mut map = Map::default();
        for (length, is_hole) in pieces {
            map.push(*length, *is_hole);
        }
        map
    }

    #[test]
    fn pieces_of_data_that_touch_are_one_part() {
        let map = map(&[(5, false), (3, false), (10, true), (2, false)]);
        assert!(map.is_sparse());
        assert_eq!((map.size(), map.data_bytes()), (20, 10));
        assert_eq!(map.text(), "2\n0\n8\n18\n2\n");
    }

    #[test]
    fn a_hole_at_the_end_is_told() {
        assert_eq!(map(&[(5, false), (7, true)]).text(), "2\n0\n5\n12\n0\n");
        assert_eq!(map(&[(7, true)]).text(), "1\n7\n0\n");
    }

    #[test]
    fn a_file_without_holes_is_not_sparse() {
        assert!(!map(&[]).is_sparse());
        assert!(!map(&[(5, false)]).is_sparse());
    }
}
