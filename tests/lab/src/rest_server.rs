//! A restic REST server: version 2 of [its protocol][protocol] over a folder, with faults on demand.
//!
//! Debian has no package of one. That this one is one is for `restic` itself to say, which the tests
//! have use it as well.
//!
//! [protocol]: https://restic.readthedocs.io/en/stable/REST_backend.html

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What version 2 answers a listing with.
const VERSION_2: &str = "application/vnd.x.restic.rest.v2";

/// The kinds of files, each with a folder of its own.
const KINDS: [&str; 5] = ["data", "index", "keys", "locks", "snapshots"];

/// No file of a repository is longer.
const LONGEST_BYTES: usize = 1 << 30;

/// A request, as a fault is decided upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, `POST`, `HEAD` or `DELETE`.
    pub method: String,
    /// The path without the slash at its beginning: `config`, `data/`, `locks/0123…`.
    pub path: String,
    /// How many requests came before it.
    pub number: usize,
}

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// What it asks for.
    Serve,
    /// Nothing but an answer with this status.
    Status(u16),
    /// Nothing: the connection breaks off.
    HangUp,
    /// What it asks for, and then the connection breaks off before the answer.
    LoseAnswer,
    /// What it asks for, after a while.
    After(Duration),
}

type Faults = Box<dyn Fn(&Asked) -> Reply + Send>;

/// A server on the loopback interface. Dropping it switches it off.
#[derive(Debug)]
pub struct RestServer {
    address: SocketAddr,
    house: Arc<House>,
    task: JoinHandle<()>,
}

struct House {
    folder: PathBuf,
    /// What `Authorization` has to say.
    authorization: Option<String>,
    faults: Mutex<Faults>,
    seen: Mutex<Vec<Asked>>,
}

impl std::fmt::Debug for House {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("House")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl RestServer {
    /// Serves a folder, which must be there, to this user with this password, or to everybody.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(folder: &Path, login: Option<(&str, &str)>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let house = Arc::new(House {
            folder: folder.to_owned(),
            authorization: login.map(|(user, password)| {
                format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
            }),
            faults: Mutex::new(Box::new(|_| Reply::Serve)),
            seen: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&house)));
        Ok(Self {
            address,
            house,
            task,
        })
    }

    /// Its address, as `backup-store` takes it; `restic` wants `rest:` before it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on, this decides what is done with requests.
    pub fn on_request(&self, faults: impl Fn(&Asked) -> Reply + Send + 'static) {
        *locked(&self.house.faults) = Box::new(faults);
    }

    /// What was asked for so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Asked> {
        locked(&self.house.seen).clone()
    }
}

impl Drop for RestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, house: Arc<House>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let house = Arc::clone(&house);
                let service = service_fn(move |request| answer(Arc::clone(&house), request));
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "the connection ended");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// An error ends the connection without an answer.
async fn answer(house: Arc<House>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let asked = {
        let mut seen = locked(&house.seen);
        let asked = Asked {
            method: request.method().to_string(),
            path,
            number: seen.len(),
        };
        seen.push(asked.clone());
        asked
    };
    let hang_up = || Err(io::Error::from(ErrorKind::ConnectionAborted));
    let reply = locked(&house.faults)(&asked);
    match reply {
        Reply::Serve | Reply::LoseAnswer => {}
        Reply::Status(status) => {
            let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
            return Ok(empty(status));
        }
        Reply::HangUp => return hang_up(),
        Reply::After(time) => tokio::time::sleep(time).await,
    }
    let (head, body) = request.into_parts();
    let authorization = head
        .headers
        .get(AUTHORIZATION)
        .map(|value| value.as_bytes());
    let expected = house.authorization.as_deref().map(str::as_bytes);
    if expected.is_some() && authorization != expected {
        return Ok(empty(StatusCode::UNAUTHORIZED));
    }
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let body = to_bytes(Body::new(body), LONGEST_BYTES)
        .await
        .map_err(io::Error::other)?;
    let wanted = Wanted {
        method: &head.method,
        path: &asked.path,
        create: head.uri.query() == Some("create=true"),
        version_2: text(ACCEPT) == Some(VERSION_2),
        range: text(RANGE),
        body: &body,
    };
    let answer = wanted.of(&house.folder).or_else(|error| {
        Ok::<_, io::Error>(empty(match error.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::AlreadyExists => StatusCode::FORBIDDEN,
            ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }))
    })?;
    if reply == Reply::LoseAnswer {
        return hang_up();
    }
    Ok(answer)
}

/// A request that is to be served.
struct Wanted<'a> {
    method: &'a Method,
    path: &'a str,
    create: bool,
    version_2: bool,
    range: Option<&'a str>,
    body: &'a Bytes,
}

impl Wanted<'_> {
    fn of(&self, folder: &Path) -> io::Result<Response<Body>> {
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
            if !name.ends_with(".part") {
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
            .header(
                "Content-Range",
                format!("bytes {first}-{}/{length}", end - 1),
            );
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

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// <https://datatracker.ietf.org/doc/html/rfc4648#section-4>
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| u32::from(three.get(at).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for digit in 0..4 {
            if digit <= three.len() {
                let value = (bits >> (18 - 6 * digit)) & 63;
                text.push(char::from(DIGITS[value as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_encoded_as_the_rfc_shows() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

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
