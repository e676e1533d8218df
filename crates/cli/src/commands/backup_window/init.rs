//! `backup-window init`: a configuration to start from, with what this machine can find out.

mod template;

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use ::backup_window::exit::Exit;
use ::backup_window::sentence;
use clap::Args;
use jiff::tz::TimeZone;
use reachability::{Probe as _, TcpProbe};
use serde::Serialize;
use truenas_client::fetch_certificate;
use url::Url;

use crate::failure::Failure;
use crate::session::Session;

use template::Key;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The primary NAS, as `https://HOST`: its certificate is looked up.
    #[arg(long, value_name = "URL")]
    primary: Option<Url>,

    /// The address of the backup NAS, which must be up: its network card and its certificate are
    /// looked up.
    #[arg(long, value_name = "ADDRESS")]
    backup: Option<IpAddr>,
}

/// How long a port may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Report {
    file: String,
    /// What was found out, and stands in the file.
    found: Vec<Finding>,
    /// What was looked for and not found: the file has an example in its place.
    not_found: Vec<NotFound>,
}

#[derive(Debug, Serialize)]
struct Finding {
    key: Key,
    value: String,
}

#[derive(Debug, Serialize)]
struct NotFound {
    key: Key,
    why: String,
}

impl Report {
    fn note(&mut self, key: Key, looked: Result<String, String>) {
        match looked {
            Ok(value) => self.found.push(Finding { key, value }),
            Err(why) => self.not_found.push(NotFound { key, why }),
        }
    }

    fn text(&self) -> String {
        let found = self
            .found
            .iter()
            .map(|Finding { key, value }| format!("  {key} = {value}"));
        let not_found = self
            .not_found
            .iter()
            .map(|NotFound { key, why }| format!("  {key}: {why}"));
        let mut lines = vec![format!("{} is written.", self.file)];
        lines.push("Found out, and to be compared with what the NAS itself shows:".to_owned());
        lines.extend(found);
        if !self.not_found.is_empty() {
            lines.push("Not found out; the file has an example there:".to_owned());
            lines.extend(not_found);
        }
        lines.push(
            "All else in it is an example: go through it, and then run `backup-window check`."
                .to_owned(),
        );
        lines.join("\n")
    }
}

pub(super) async fn run(session: &Session, args: InitArgs) -> Result<Exit, Failure> {
    let file = &session.global().config;
    // Before anything is asked: who has a configuration wants to keep it.
    if file.exists() {
        return Err(exists(file));
    }
    let mut report = Report {
        file: file.display().to_string(),
        ..Report::default()
    };
    let zone = TimeZone::system();
    let zone = zone.iana_name().map(str::to_owned);
    let zone = zone.ok_or_else(|| "this machine does not say which it is in".to_owned());
    report.note(Key::TimeZone, zone);
    if let Some(primary) = args.primary {
        let certificate = fetch_certificate(&primary).await;
        let certificate = certificate.map(|found| found.fingerprint.to_string());
        let address = primary.origin().ascii_serialization();
        report.note(Key::PrimaryUrl, Ok(address));
        report.note(
            Key::PrimaryCertificate,
            certificate.map_err(|error| sentence::failed_to(&error)),
        );
    }
    if let Some(backup) = args.backup {
        look_at_backup(&mut report, backup).await;
    }
    let found = report.found.iter();
    let found = found.map(|Finding { key, value }| (*key, value.as_str()));
    let text = template::fill(found).map_err(|error| Failure::failed(&error))?;
    write_new(file, &text)?;
    session.output().write(&report, || report.text())?;
    Ok(if report.not_found.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

async fn look_at_backup(report: &mut Report, address: IpAddr) {
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let url = format!("https://{host}");
    report.note(Key::BackupAddress, Ok(address.to_string()));
    report.note(Key::BackupUrl, Ok(url.clone()));
    // Whoever is spoken to is in the kernel's table of neighbours afterwards, whatever it answers.
    let name = address.to_string();
    let (ssh, web) = (TcpProbe::new(&name, 22), TcpProbe::new(&name, 443));
    let (_, web) = tokio::join!(ssh.probe(ANSWERS_WITHIN), web.probe(ANSWERS_WITHIN));
    let mac = match wol::lookup_neighbour(address) {
        Ok(Some(mac)) => Ok(mac.to_string()),
        Ok(None) => Err(format!(
            "{address} is off, or on no network of this machine; `ip link` or `ifconfig` on the \
             NAS shows it"
        )),
        Err(error) => Err(sentence::failed_to(&error)),
    };
    report.note(Key::BackupMac, mac);
    let certificate = match (web.is_up(), Url::parse(&url)) {
        (true, Ok(url)) => match fetch_certificate(&url).await {
            Ok(found) => Ok(found.fingerprint.to_string()),
            Err(error) => Err(sentence::failed_to(&error)),
        },
        _ => Err(format!("its web page at {url} is {web}")),
    };
    report.note(Key::BackupCertificate, certificate);
}

fn exists(file: &Path) -> Failure {
    Failure::text(
        Exit::Refused,
        format!(
            "{} exists and stays as it is; expected no file there: name another with --config, or \
             move it away",
            file.display()
        ),
    )
}

/// Writes a file that was not there, for its owner alone: it names where the secrets are.
fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut open| {
            open.write_all(text.as_bytes())?;
            open.sync_all()
        });
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(file)),
        Err(error) => Err(Failure::text(
            Exit::Failed,
            format!("failed to write {}: {error}", file.display()),
        )),
        Ok(()) => Ok(()),
    }
}
