//! A repository on a REST server: the only place that talks to one.
//!
//! The protocol is version 2 of [restic's]. Whatever is asked here can be asked again without harm:
//! a file is named after the SHA-256 of what it holds, so writing it twice writes the same. Hence
//! a request that fails for a reason that passes is repeated until the server's patience is over.
//!
//! The requests run on a small runtime of their own, because the library calls from threads of its
//! own that know no runtime, and because a lock has to be refreshed whatever the caller does.
//!
//! [restic's]: https://restic.readthedocs.io/en/stable/REST_backend.html

mod connection;
pub(crate) mod lock;
mod server;

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use rustic_core::{BytesList, FileType, Id};
use serde::Deserialize;

pub(crate) use self::connection::Connection;
use self::connection::{Request, missing};
pub use self::server::{InvalidRestServer, RestServer};
use crate::backend::{FileError, Files};

/// A repository's files on a server.
#[derive(Debug)]
pub(crate) struct Remote {
    connection: Arc<Connection>,
}

/// An entry of a list.
#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    size: u64,
}

impl Remote {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    fn entries(&self, kind: FileType) -> Result<Vec<(Id, u64)>, FileError> {
        if kind == FileType::Config {
            let size = self.connection.size("config")?;
            return Ok(size.map(|size| (Id::default(), size)).into_iter().collect());
        }
        let entries = list(&self.connection, kind.dirname())?;
        let known = |entry: Entry| Some((Id::parse_some(&entry.name, kind)?, entry.size));
        Ok(entries.into_iter().filter_map(known).collect())
    }
}

/// The list of a folder; one that is not there is an error.
fn list(connection: &Connection, folder: &str) -> Result<Vec<Entry>, FileError> {
    let place = format!("{folder}/");
    let answer = connection.ask(&Request::new("list", Method::GET, &place))?;
    serde_json::from_slice(&answer.body).map_err(|error| {
        let why = format!("the answer is no list of version 2 of the protocol ({error})");
        connection.failed("list", &place, std::io::Error::other(why))
    })
}

fn place(kind: FileType, id: &Id) -> String {
    match kind {
        FileType::Config => kind.dirname().to_owned(),
        _ => format!("{}/{}", kind.dirname(), id.to_hex().as_str()),
    }
}

impl Files for Remote {
    fn location(&self) -> String {
        self.connection.shown().display().to_string()
    }

    fn name(&self, kind: FileType, id: &Id) -> String {
        self.connection.address(&place(kind, id))
    }

    fn has_config(&self) -> Result<bool, FileError> {
        Ok(self.connection.size("config")?.is_some())
    }

    fn list(&self, kind: FileType) -> Result<Vec<Id>, FileError> {
        Ok(self.entries(kind)?.into_iter().map(|(id, _)| id).collect())
    }

    fn list_with_size(&self, kind: FileType) -> Result<Vec<(Id, u32)>, FileError> {
        let size = |(id, size): (Id, u64)| {
            let size = u32::try_from(size).map_err(|_| {
                let error = std::io::ErrorKind::FileTooLarge.into();
                self.connection.failed("examine", &place(kind, &id), error)
            })?;
            Ok((id, size))
        };
        self.entries(kind)?.into_iter().map(size).collect()
    }

    fn read(&self, kind: FileType, id: &Id) -> Result<Bytes, FileError> {
        let place = place(kind, id);
        let answer = self
            .connection
            .ask(&Request::new("read", Method::GET, &place))?;
        Ok(answer.body)
    }

    fn read_part(
        &self,
        kind: FileType,
        id: &Id,
        offset: u32,
        length: u32,
    ) -> Result<Bytes, FileError> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let place = place(kind, id);
        let request = Request {
            range: Some((offset.into(), length.into())),
            ..Request::new("read", Method::GET, &place)
        };
        Ok(self.connection.ask(&request)?.body)
    }

    fn create(&self) -> Result<(), FileError> {
        let request = Request::new("create", Method::POST, "?create=true");
        self.connection.ask(&request).map(|_| ())
    }

    fn write(&self, kind: FileType, id: &Id, content: BytesList) -> Result<(), FileError> {
        let body = Bytes::from(content.into_vec().concat());
        write(&self.connection, &place(kind, id), body)
    }

    fn remove(&self, kind: FileType, id: &Id) -> Result<(), FileError> {
        remove(&self.connection, &place(kind, id))
    }
}

/// Writes a file. A server that got it the first time, but whose answer was lost, refuses it the
/// second time because it is there: then what is there must have the length of what was sent.
fn write(connection: &Connection, place: &str, body: Bytes) -> Result<(), FileError> {
    let length = body.len() as u64;
    let request = Request {
        body: Some(body),
        ..Request::new("write", Method::POST, place)
    };
    match connection.tries(&request)? {
        (answer, _) if answer.status.is_success() => Ok(()),
        (answer, tries)
            if tries > 1
                && matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::CONFLICT)
                && connection.size(place)? == Some(length) =>
        {
            Ok(())
        }
        (answer, _) => Err(connection.refused(&request, &answer)),
    }
}

/// Removes a file. One that is gone at the second try went at the first.
fn remove(connection: &Connection, place: &str) -> Result<(), FileError> {
    let request = Request::new("remove", Method::DELETE, place);
    match connection.tries(&request)? {
        (answer, _) if answer.status.is_success() => Ok(()),
        (answer, tries) if tries > 1 && missing(&answer) => Ok(()),
        (answer, _) => Err(connection.refused(&request, &answer)),
    }
}
