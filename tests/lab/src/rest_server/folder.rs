//! What the protocol asks for, done to the repository's folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use axum::body::{Body, Bytes};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use hyper::{Method, Response, StatusCode};
use serde_json::json;

/// What version 2 answers a listing with.
pub(super) const VERSION_2: &str = "application/vnd.x.restic.rest.v2";

/// The kinds of files, each with a folder of its own.
const KINDS: [&str; 5] = ["data", "index", "keys", "locks", "snapshots"];

/// A request that is to be served.
pub(super) struct Wanted<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) create: bool,
    pub(super) version_2: bool,
    pub(super) range: Option<&'a str>,
    pub(super) body: &'a Bytes,
}

impl Wanted<'_> {
    pub(super) fn of(&self, folder: &Path) -> io::Result<Response<Body>> {
        if self.path.is_empty() {
            return match (self.method, self.create) {
                (&Method::POST, true) => create(folder),
                _ => Err(ErrorKind::InvalidInput.into()),
            };
        }
        if let Some(kind) = self.path.strip_suffix('/') {
            return self.list(folder, kind);
        }
        let file = place(folder, self.path)?;
        match *self.method {
            Method::HEAD => {
                let length = fs::metadata(file)?.len();
                let head = Response::builder().header(CONTENT_LENGTH, length);
                head.body(Body::empty()).map_err(io::Error::other)
            }
            Method::GET => self.read(&file),
            Method::POST => write(&file, self.body),
            Method::DELETE => fs::remove_file(file).map(|()| empty(StatusCode::OK)),
            _ => Err(ErrorKind::InvalidInput.into()),
        }
    }

    fn list(&self, folder: &Path, kind: &str) -> io::Result<Response<Body>> {
        if !KINDS.contains(&kind) || self.method != Method::GET || !self.version_2 {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder.join(kind))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Not there yet: it is being written.
            if !name.contains('.') {
                entries.push(json!({ "name": name, "size": entry.metadata()?.len() }));
            }
        }
        let list = Response::builder().header(CONTENT_TYPE, VERSION_2);
        let text = serde_json::Value::Array(entries).to_string();
        list.body(Body::from(text)).map_err(io::Error::other)
    }

    fn read(&self, file: &Path) -> io::Result<Response<Body>> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        let Some(range) = self.range else {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return Ok(Response::new(Body::from(bytes)));
        };
        let invalid = || io::Error::from(ErrorKind::InvalidInput);
        let (first, last) = range
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'))
            .ok_or_else(invalid)?;
        let first: u64 = first.parse().map_err(|_| invalid())?;
        let end = match last {
            "" => length,
            last => last
                .parse::<u64>()
                .map_err(|_| invalid())?
                .saturating_add(1)
                .min(length),
        };
        if first >= end {
            return Ok(empty(StatusCode::RANGE_NOT_SATISFIABLE));
        }
        file.seek(SeekFrom::Start(first))?;
        let mut bytes = Vec::new();
        file.take(end - first).read_to_end(&mut bytes)?;
        let part = Response::builder()
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_RANGE, format!("bytes {first}-{}/{length}", end - 1));
        part.body(Body::from(bytes)).map_err(io::Error::other)
    }
}

/// Where a file lies. There are no folders beneath those of the kinds.
fn place(folder: &Path, path: &str) -> io::Result<PathBuf> {
    match path.split_once('/') {
        None if path == "config" => Ok(folder.join(path)),
        Some((kind, name))
            if KINDS.contains(&kind) && name.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            Ok(folder.join(kind).join(name))
        }
        _ => Err(ErrorKind::InvalidInput.into()),
    }
}

fn create(folder: &Path) -> io::Result<Response<Body>> {
    for kind in KINDS {
        match fs::create_dir(folder.join(kind)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(empty(StatusCode::OK))
}

/// There as a whole or not at all; what is there is not replaced.
fn write(file: &Path, body: &Bytes) -> io::Result<Response<Body>> {
    if file.try_exists()? {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let part = file.with_extension("part");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&part)
        .and_then(|mut new| new.write_all(body));
    if let Err(error) = written.and_then(|()| fs::rename(&part, file)) {
        let _ = fs::remove_file(part);
        return Err(error);
    }
    Ok(empty(StatusCode::OK))
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_anywhere_else() {
        let folder = Path::new("/srv");
        for path in [
            "../etc/passwd",
            "data/../config",
            "data/a/b",
            "other/ab",
            "config/x",
            "data/",
        ] {
            assert!(place(folder, path).is_err() || path == "data/", "{path}");
        }
        assert_eq!(place(folder, "data/0a").unwrap(), Path::new("/srv/data/0a"));
    }
}
