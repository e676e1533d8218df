//! How far long work has come, for whoever waits for it.

use std::{
    fmt::{self, Debug, Display},
    sync::Arc,
};

use rustic_core::{Progress as LibraryProgress, ProgressBars, ProgressType, RusticProgress};

/// Who is told how far long work has come.
///
/// ```
/// use std::sync::Arc;
///
/// use backup_store::{OpenOptions, Progress, Work, WorkProgress};
///
/// #[derive(Debug)]
/// struct Lines;
///
/// impl Progress for Lines {
///     fn begin(&self, work: &Work) -> Box<dyn WorkProgress> {
///         println!("{work}");
///         Box::new(Lines)
///     }
/// }
///
/// impl WorkProgress for Lines {
///     fn is_to_be(&self, _total_bytes: u64) {}
///     fn advance(&self, _bytes: u64) {}
/// }
///
/// let options = OpenOptions {
///     progress: Some(Arc::new(Lines)),
///     ..OpenOptions::default()
/// };
/// # drop(options);
/// ```
///
/// # Contract
///
/// - Nothing here waits or fails: some of it is called while stacks are down.
/// - Several pieces of work may go on at once, and each may be told of from several threads.
pub trait Progress: Debug + Send + Sync + 'static {
    /// Work begins. It has ended, well or not, when what this returns is dropped.
    fn begin(&self, work: &Work) -> Box<dyn WorkProgress>;
}

/// One piece of work, while it is done.
pub trait WorkProgress: Debug + Send + Sync {
    /// How much there is to do as a whole, where that was not known at the beginning.
    fn is_to_be(&self, total_bytes: u64);

    /// So much more has been done.
    fn advance(&self, bytes: u64);
}

/// Work that may take long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// What is done.
    pub kind: WorkKind,
    /// The stack that it is done for, where it is done for one.
    pub stack: Option<String>,
    /// How many bytes are to be read or written, where that is known. Files may still grow and
    /// shrink, so that this is not a promise.
    pub total_bytes: Option<u64>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkKind {
    /// What has changed goes into the repository while the stack is at work.
    CopyLive,
    /// Large files are copied to the local disk while the stack is at work.
    CopyAhead,
    /// What has changed is copied to the local disk while the stack is down.
    Capture,
    /// A snapshot is written into the repository.
    Archive,
    /// A snapshot is written to disk.
    Restore,
    /// Files are compared with a snapshot.
    Compare,
    /// A snapshot is written into an archive.
    Export,
    /// The repository's data is read and checked.
    Check,
    /// What is still needed is packed anew, so that the rest can be deleted.
    Prune,
}

impl Display for WorkKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CopyLive => "copying before the stop",
            Self::CopyAhead => "copying large files before the stop",
            Self::Capture => "copying what has changed, while it is down",
            Self::Archive => "writing the snapshot",
            Self::Restore => "restoring",
            Self::Compare => "comparing",
            Self::Export => "exporting",
            Self::Check => "reading the repository's data",
            Self::Prune => "packing the repository anew",
        })
    }
}

impl Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stack {
            Some(stack) => write!(formatter, "{stack}: {}", self.kind),
            None => Display::fmt(&self.kind, formatter),
        }
    }
}

/// Whom a store tells, if anybody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listener(pub(crate) Option<Arc<dyn Progress>>);

impl Listener {
    pub(crate) fn begin(
        &self,
        kind: WorkKind,
        stack: Option<&str>,
        total_bytes: Option<u64>,
    ) -> Option<Box<dyn WorkProgress>> {
        let work = Work {
            kind,
            stack: stack.map(ToOwned::to_owned),
            total_bytes,
        };
        Some(self.0.as_ref()?.begin(&work))
    }

    /// The bars of the library: it tells of the bytes of its work as the listener's `kind`, and of
    /// nothing without one. The rest (lists, indexes, trees) is quickly done.
    pub(crate) fn bars(&self, kind: Option<WorkKind>) -> Bars {
        Bars {
            listener: self.clone(),
            kind,
        }
    }
}

/// Bars for the library.
#[derive(Debug)]
pub(crate) struct Bars {
    listener: Listener,
    kind: Option<WorkKind>,
}

impl ProgressBars for Bars {
    fn progress(&self, progress_type: ProgressType, _prefix: &str) -> LibraryProgress {
        let work = match (progress_type, self.kind) {
            (ProgressType::Bytes, Some(kind)) => self.listener.begin(kind, None, None),
            _ => None,
        };
        match work {
            Some(work) => LibraryProgress::new(Bar(work)),
            None => LibraryProgress::hidden(),
        }
    }
}

#[derive(Debug)]
struct Bar(Box<dyn WorkProgress>);

impl RusticProgress for Bar {
    fn is_hidden(&self) -> bool {
        false
    }

    fn set_length(&self, len: u64) {
        self.0.is_to_be(len);
    }

    fn set_title(&self, _title: &str) {}

    fn inc(&self, inc: u64) {
        self.0.advance(inc);
    }

    /// It is dropped soon after.
    fn finish(&self) {}
}
