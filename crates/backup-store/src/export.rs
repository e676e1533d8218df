//! A snapshot as one compressed tar archive.
//!
//! The format is that of POSIX.1-2001 ([pax interchange format][pax]), in the dialect that GNU tar
//! reads and writes: extended attributes as `SCHILY.xattr.NAME`, access lists as
//! `SCHILY.acl.access` and `SCHILY.acl.default` (both are star's, from whose author they have their
//! name), and sparse files in [version 1.0 of GNU's format][sparse].
//!
//! [pax]: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_01
//! [sparse]: https://www.gnu.org/software/tar/manual/html_node/PAX-1.html

mod acl;
mod archive;
mod header;
mod sparse;

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::{ExportRequest, ExportSummary, StoreError, restore::Contents, rustic::Task};

pub(crate) const TASK: Task = Task("export the snapshot");

/// zstd's own default.
const COMPRESSION_LEVEL: i32 = 3;

pub(crate) fn run(
    contents: &Contents<'_>,
    request: &ExportRequest,
) -> Result<ExportSummary, StoreError> {
    let to = &request.to;
    let failed = |source: io::Error| StoreError::Export {
        path: to.clone(),
        source,
    };
    if fs::symlink_metadata(to).is_ok() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let tree = contents.tree_of_snapshot()?;
    contents.survey(tree)?;
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // It is made for its owner alone (0600), and removed again if anything fails.
    let mut file = tempfile::Builder::new()
        .prefix(".export-")
        .suffix(".partial")
        .tempfile_in(folder)
        .map_err(failed)?;
    let encoder = zstd::Encoder::new(BufWriter::new(file.as_file_mut()), COMPRESSION_LEVEL)
        .and_then(|mut encoder| {
            encoder.include_checksum(true)?;
            Ok(encoder)
        })
        .map_err(failed)?;
    let (encoder, mut summary) = archive::write(contents, tree, to, encoder)?;
    encoder
        .finish()
        .and_then(|mut buffer| buffer.flush())
        .map_err(failed)?;
    summary.archive_bytes = put_in_place(file, to, folder).map_err(failed)?;
    tracing::info!(
        snapshot = %request.snapshot,
        to = %to.display(),
        files = summary.files,
        bytes = summary.bytes,
        "exported"
    );
    Ok(summary)
}

fn put_in_place(file: NamedTempFile, to: &Path, folder: &Path) -> io::Result<u64> {
    file.as_file().sync_all()?;
    let bytes = file.as_file().metadata()?.len();
    file.persist_noclobber(to).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(bytes)
}
