//! A configuration of somebody's house, pointed at the lab.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Homelab, HomelabError, LabEngine};
use crate::truenas::Control;
use crate::window::open_window;

pub(super) fn write(lab: &Homelab, template: &str) -> Result<PathBuf, HomelabError> {
    let mut config: Table = template
        .parse()
        .map_err(|error: toml::de::Error| bad(error.message()))?;
    set(&mut config, "", "state_dir", path(&lab.dir.join("state")))?;
    set_window(lab, &mut config)?;
    if let LabEngine::Docker(docker) = &lab.engine {
        let socket = format!("unix://{}", docker.socket().display());
        set(&mut config, "docker", "host", Value::String(socket))?;
    }
    set(
        &mut config,
        "repository",
        "path",
        path(&lab.nas.repository()),
    )?;
    set(
        &mut config,
        "repository",
        "mount",
        path(lab.nas.mount_point()),
    )?;
    let password_file = lab.dir.join("repository.password");
    set(
        &mut config,
        "repository",
        "password_file",
        path(&password_file),
    )?;

    set_api(
        lab,
        &mut config,
        "primary_nas",
        &lab.primary.control(),
        lab.primary.url().as_str(),
    )?;
    set(&mut config, "primary_nas", "poll_interval", text("300ms"))?;

    let url = match lab.host.service("truenas") {
        Some(address) => format!("https://{address}"),
        None => return Err(bad("the backup NAS has no web server")),
    };
    set_api(lab, &mut config, "backup_nas", &lab.backup, &url)?;
    set(
        &mut config,
        "backup_nas",
        "address",
        text(&lab.host.address().to_string()),
    )?;
    set(
        &mut config,
        "backup_nas",
        "mac",
        text(&lab.host.mac().to_string()),
    )?;
    let broadcast = Value::Array(vec![text(&lab.host.broadcast().to_string())]);
    set(&mut config, "backup_nas", "broadcast", broadcast)?;
    set(&mut config, "backup_nas", "wake_deadline", text("30s"))?;
    set(&mut config, "backup_nas", "wake_interval", text("1s"))?;
    set(&mut config, "backup_nas", "silent_for", text("3s"))?;
    set(&mut config, "backup_nas", "off_deadline", text("30s"))?;

    let port = match lab.host.service("ssh") {
        Some(address) => Value::Integer(address.port().into()),
        None => return Err(bad("the backup NAS has no SSH server")),
    };
    let section = "backup_nas.shutdown";
    set(&mut config, section, "user", text(&lab.ssh.user))?;
    set(&mut config, section, "port", port)?;
    set(
        &mut config,
        section,
        "key_file",
        path(&lab.ssh.client_key_file),
    )?;
    set(
        &mut config,
        section,
        "host_key_sha256",
        text(&lab.ssh.host_key_sha256),
    )?;

    lab.write_file("config.toml", 0o644, &config.to_string())
}

/// A window that is open now, by the primary NAS's clock.
fn set_window(lab: &Homelab, config: &mut Table) -> Result<(), HomelabError> {
    let [start, end] = open_window(lab.primary.control().now());
    set(config, "window", "start", text(&start))?;
    set(config, "window", "end", text(&end))?;
    set(config, "window", "time_zone", text("UTC"))
}

fn set_api(
    lab: &Homelab,
    config: &mut Table,
    section: &str,
    nas: &Control,
    url: &str,
) -> Result<(), HomelabError> {
    let key = lab.write_file(
        &format!("{section}.key"),
        0o600,
        &format!("{}\n", nas.api_key()),
    )?;
    set(config, section, "url", text(url.trim_end_matches('/')))?;
    set(config, section, "api_key_file", path(&key))?;
    set(
        config,
        section,
        "certificate_sha256",
        text(&nas.certificate_sha256()),
    )
}

/// Sets a key in a section that must be there: what the template does not describe is not added.
fn set(config: &mut Table, section: &str, key: &str, value: Value) -> Result<(), HomelabError> {
    let mut table = config;
    for part in section.split('.').filter(|part| !part.is_empty()) {
        table = table
            .get_mut(part)
            .and_then(Value::as_table_mut)
            .ok_or_else(|| bad(&format!("it has no section [{section}]")))?;
    }
    table.insert(key.to_owned(), value);
    Ok(())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn path(path: &Path) -> Value {
    Value::String(path.display().to_string())
}

fn bad(why: &str) -> HomelabError {
    HomelabError::Template {
        why: why.to_owned(),
    }
}
