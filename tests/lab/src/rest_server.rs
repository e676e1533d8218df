//! A restic REST server: version 2 of [its protocol][protocol] over a folder, with faults on demand.
//!
//! Debian has no package of one. That this one is one is for `restic` itself to say, which the tests
//! have use it as well.
//!
//! [protocol]: https://restic.readthedocs.io/en/stable/REST_backend.html

mod folder;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue, RANGE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::folder::{VERSION_2, Wanted, empty};
use crate::tls::{self, Identity};

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
    certificate: Option<String>,
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
        Self::start_as(folder, login, None).await
    }

    /// The same with TLS, by a certificate that nobody has signed but itself.
    ///
    /// # Errors
    /// When no port can be had, or no certificate be made.
    pub async fn start_with_tls(folder: &Path, login: Option<(&str, &str)>) -> io::Result<Self> {
        let identity = Identity::new("localhost", Ipv4Addr::LOCALHOST.into())?;
        Self::start_as(folder, login, Some(identity)).await
    }

    async fn start_as(
        folder: &Path,
        login: Option<(&str, &str)>,
        identity: Option<Identity>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let house = Arc::new(House {
            folder: folder.to_owned(),
            authorization: login.map(|(user, password)| {
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }),
            faults: Mutex::new(Box::new(|_| Reply::Serve)),
            seen: Mutex::default(),
        });
        let service = {
            let house = Arc::clone(&house);
            service_fn(move |request| answer(Arc::clone(&house), request))
        };
        let certificate = identity.as_ref().map(|identity| identity.pem.clone());
        let task = tokio::spawn(async move { tls::serve(&listener, identity, service).await });
        Ok(Self {
            address,
            certificate,
            house,
            task,
        })
    }

    /// Its address, as `backup-store` takes it; `restic` wants `rest:` before it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/", self.address)
    }

    /// Its certificate (PEM), where it speaks TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
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
    let authorization = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
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
