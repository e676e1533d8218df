//! Reading a long list in pages, so that what is read is whole.
//!
//! Pages are counted from the front, and the NAS may take or remove a snapshot between two of them.
//! So each page begins with the last entry of the one before; if that is not there any more, the
//! list has moved, and is read again from the front.

use crate::{Snapshot, SnapshotName};

/// How many entries are asked for at once: some megabytes. More than 10,000 are refused from 25.04
/// on.
pub(crate) const PAGE_ENTRIES: usize = 5_000;

/// How often a list that moves is read from the front.
const ATTEMPTS: u32 = 5;

/// A page to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

/// What to do after a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Ask for this page.
    Next(Page),
    /// The list is whole.
    Done,
    /// It moves faster than it can be read.
    GiveUp,
}

/// A list that is being read. Only what is wanted of each page is kept.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    limit: usize,
    page: Page,
    last: Option<SnapshotName>,
    attempts_left: u32,
    kept: Vec<T>,
}

impl<T> Pages<T> {
    /// Pages of `limit` entries, two at least.
    pub(crate) fn of(limit: usize) -> Self {
        let limit = limit.max(2);
        Self {
            limit,
            page: Page { offset: 0, limit },
            last: None,
            attempts_left: ATTEMPTS,
            kept: Vec::new(),
        }
    }

    /// The page to ask for.
    pub(crate) fn page(&self) -> Page {
        self.page
    }

    /// Takes a page: entries as the NAS lists them, and what of each is wanted.
    pub(crate) fn take(
        &mut self,
        entries: Vec<T>,
        snapshot: impl Fn(&T) -> &Snapshot,
        wanted: impl Fn(&T) -> bool,
    ) -> Turn {
        let name = |entry: &T| snapshot(entry).full_name();
        let is_full = entries.len() >= self.page.limit;
        let newest = entries.last().map(name);
        let mut entries = entries.into_iter();
        if let Some(last) = &self.last
            && entries.next().as_ref().map(name).as_ref() != Some(last)
        {
            self.attempts_left -= 1;
            if self.attempts_left == 0 {
                return Turn::GiveUp;
            }
            self.kept.clear();
            self.last = None;
            self.page.offset = 0;
            return Turn::Next(self.page);
        }
        self.kept.extend(entries.filter(wanted));
        if !is_full {
            return Turn::Done;
        }
        self.last = newest;
        self.page.offset += self.limit - 1;
        Turn::Next(self.page)
    }

    /// Everything that was wanted.
    pub(crate) fn into_kept(self) -> Vec<T> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn list(names: impl IntoIterator<Item = usize>) -> Vec<Snapshot> {
        let snapshot = |number: usize| Snapshot {
            dataset: "tank".to_owned(),
            name: number.to_string(),
            created: Timestamp::UNIX_EPOCH,
            guid: None,
        };
        names.into_iter().map(snapshot).collect()
    }

    fn cut(list: &[Snapshot], page: Page) -> Vec<Snapshot> {
        list.iter()
            .skip(page.offset)
            .take(page.limit)
            .cloned()
            .collect()
    }

    /// Reads a list that is another one at each request.
    fn read(
        limit: usize,
        mut list_at: impl FnMut(usize) -> Vec<Snapshot>,
    ) -> Option<Vec<Snapshot>> {
        let mut pages = Pages::of(limit);
        for request in 0.. {
            let entries = cut(&list_at(request), pages.page());
            match pages.take(entries, |snapshot| snapshot, |_| true) {
                Turn::Next(page) => assert_eq!(page, pages.page()),
                Turn::Done => return Some(pages.into_kept()),
                Turn::GiveUp => return None,
            }
        }
        None
    }

    #[test]
    fn what_moves_meanwhile_is_read_again() {
        let before = list(0..10);
        let after = list(1..10);
        // The third request finds that the first entry is gone.
        let found = read(4, |request| {
            if request < 2 {
                before.clone()
            } else {
                after.clone()
            }
        });
        assert_eq!(found, Some(after));
    }

    #[test]
    fn what_never_stands_still_is_given_up() {
        assert_eq!(read(4, |request| list(request..request + 10)), None);
    }

    proptest! {
        #[test]
        fn a_list_that_stands_still_is_read_whole(entries in 0_usize..60, limit in 0_usize..20) {
            let whole = list(0..entries);
            prop_assert_eq!(read(limit, |_| whole.clone()), Some(whole));
        }
    }
}
