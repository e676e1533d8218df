//! A restore onto a machine that does not have the stack: after a disk was lost.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use backup_store::{RestoreSummary, Snapshot, SnapshotPath};
use docker_stacks::{Engine, Volume};
use serde::Serialize;
use serde_json::Value;

use super::journal::{Phase, SwapJournal, SwapRecord};
use super::place::Swap;
use super::swap::copy_attributes;
use super::swap_all::{failed, make_staging, settle};
use super::targets::Target;
use super::whole::{give_up, prepare, swap, write};
use super::{RestoreFailure, RestoreJob, Restorer};
use crate::exit::Exit;
use crate::sentence;

/// What belongs to the system: a snapshot is not enough to be let write there.
const SYSTEM: [&str; 11] = [
    "bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr",
];

/// What came of a restore onto a fresh machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FreshReport {
    /// The volumes that were created.
    pub volumes: Vec<String>,
    /// The directories and files that data was put into.
    pub data: Vec<PathBuf>,
    /// The Compose files and their like that were put in their places.
    pub files: Vec<PathBuf>,
    /// What was written.
    pub summary: RestoreSummary,
    /// The kernel kept the process that wrote it to its folder.
    pub confined: bool,
    /// The commands that start the stack.
    pub next: Vec<String>,
}

/// Makes a stack's volumes, and puts its data and its Compose files where they were.
///
/// Everything is looked at before anything is written: data is only put where there is none, and a
/// file that is there and different is replaced only with `replace_files` (it is kept beside, with
/// `.before-restore` at the end of its name). `scratch` is a folder that only this program uses.
///
/// # Errors
/// When something is in the way, or cannot be written. Volumes that were created stay.
pub async fn onto_fresh_host(
    engine: &dyn Engine,
    restorer: &dyn Restorer,
    journal: &SwapJournal,
    snapshot: &Snapshot,
    scratch: &Path,
    replace_files: bool,
) -> Result<FreshReport, RestoreFailure> {
    let clear = || match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", scratch, &error))
        }
        _ => Ok(()),
    };
    clear()?;
    make_staging(&scratch.to_owned())?;
    let done = put_back(engine, restorer, journal, snapshot, scratch, replace_files).await;
    let cleared = clear();
    let report = done?;
    cleared.map(|()| report)
}

async fn put_back(
    engine: &dyn Engine,
    restorer: &dyn Restorer,
    journal: &SwapJournal,
    snapshot: &Snapshot,
    scratch: &Path,
    replace_files: bool,
) -> Result<FreshReport, RestoreFailure> {
    let mut report = FreshReport {
        confined: true,
        ..FreshReport::default()
    };
    for part in ["compose", "containers", "volumes.json"] {
        let has = |path: &String| Path::new(path.trim_start_matches('/')).starts_with(part);
        if !snapshot.paths.iter().any(has) {
            continue;
        }
        let to = scratch.join(format!("of-{part}"));
        make_staging(&to)?;
        let job = RestoreJob {
            snapshot: snapshot.id,
            only: Some(place(part)?),
            to,
            verify: Vec::new(),
        };
        report.confined &= restorer.restore(job).await?.confined;
    }
    let files = compose_files(&scratch.join("of-compose/compose"))?;
    for (from, to) in &files {
        may_be_written(to)?;
        if to.exists() && !same(from, to) && !replace_files {
            return Err(in_the_way(
                to,
                "and is different; --force replaces it and keeps a copy",
            ));
        }
    }
    let known = volumes(&scratch.join("of-volumes.json/volumes.json"))?;
    let (volumes, binds) = sources(snapshot)?;
    for (_, path) in &binds {
        may_be_written(path)?;
        only_if_empty(path)?;
    }
    let targets = make_volumes(engine, &known, volumes, &mut report).await?;
    let targets: Vec<Target> = targets.into_iter().chain(binds).map(target).collect();
    for target in &targets {
        if let Some(parent) = target.path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed("make", parent, &error))?;
        }
    }
    let swaps = targets.iter().enumerate();
    let swaps = swaps.map(|(number, target)| Swap::plan(target, number));
    let mut record = SwapRecord {
        stack: snapshot.stack.clone(),
        snapshot: format!("{:#}", snapshot.id),
        safety: None,
        phase: Phase::Preparing,
        swaps: swaps.collect::<Result<_, _>>()?,
    };
    write(journal, &record)?;
    let done = match prepare(restorer, snapshot, &targets, &mut record).await {
        Ok(prepared) => swap(journal, &mut record).await.map(|()| prepared),
        Err(failure) => Err(failure),
    };
    let (summary, confined) = match done {
        Ok(done) => done,
        Err(failure) => return Err(give_up(journal, &record, failure).await),
    };
    settle(journal, &record).await?;
    report.summary = summary;
    report.confined &= confined;
    report.data = targets.into_iter().map(|target| target.path).collect();
    for (from, to) in &files {
        if !same(from, to) {
            put_file(from, to).map_err(|error| failed("write", to, &error))?;
            report.files.push(to.clone());
        }
    }
    report.next = commands(&scratch.join("of-containers/containers"));
    Ok(report)
}

fn place(text: &str) -> Result<SnapshotPath, RestoreFailure> {
    SnapshotPath::new(text)
        .map_err(|error| RestoreFailure::new(Exit::Usage, sentence::failed_to(&error)))
}

fn in_the_way(path: &Path, why: &str) -> RestoreFailure {
    RestoreFailure::new(
        Exit::Refused,
        format!(
            "nothing was restored: {} is there already {why}",
            path.display()
        ),
    )
}

fn may_be_written(path: &Path) -> Result<(), RestoreFailure> {
    let first = path.components().find_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    if first.is_some_and(|first| !SYSTEM.contains(&first)) {
        return Ok(());
    }
    Err(RestoreFailure::new(
        Exit::Refused,
        format!(
            "nothing was restored: the snapshot has something for {}, which belongs to the system; \
             restore it with --to DIR, and put in its place what you want there",
            path.display()
        ),
    ))
}

fn only_if_empty(path: &Path) -> Result<(), RestoreFailure> {
    let is_empty = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed("look at", path, &error)),
        Ok(metadata) if metadata.is_dir() => fs::read_dir(path)
            .map_err(|error| failed("look into", path, &error))?
            .next()
            .is_none(),
        Ok(_) => false,
    };
    if is_empty {
        Ok(())
    } else {
        Err(in_the_way(
            path,
            "and is not empty; move it away, or restore with --to DIR",
        ))
    }
}

type Part = (SnapshotPath, PathBuf);

fn target((place, path): Part) -> Target {
    Target {
        place,
        path,
        exclude: Vec::new(),
        within: PathBuf::new(),
    }
}

/// The names of the volumes that a snapshot has the data of, and its binds with where they were.
fn sources(snapshot: &Snapshot) -> Result<(Vec<String>, Vec<Part>), RestoreFailure> {
    let (mut volumes, mut binds) = (Vec::new(), Vec::new());
    for path in &snapshot.paths {
        let place = place(path.trim_start_matches('/'))?;
        let names: Vec<_> = place.as_path().iter().collect();
        match names.as_slice() {
            [first, name] if *first == "volumes" => {
                volumes.push(name.to_string_lossy().into_owned());
            }
            [first, rest @ ..] if *first == "binds" && !rest.is_empty() => {
                let to = Path::new("/").join(rest.iter().collect::<PathBuf>());
                binds.push((place, to));
            }
            _ => {}
        }
    }
    Ok((volumes, binds))
}

fn volumes(file: &Path) -> Result<Vec<Volume>, RestoreFailure> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", file, &error)),
    };
    serde_json::from_slice(&text).map_err(|error| {
        RestoreFailure::new(
            Exit::Failed,
            format!("failed to understand volumes.json in the snapshot: {error}"),
        )
    })
}

/// Creates what is missing, and says where each volume's data belongs.
async fn make_volumes(
    engine: &dyn Engine,
    known: &[Volume],
    with_data: Vec<String>,
    report: &mut FreshReport,
) -> Result<Vec<Part>, RestoreFailure> {
    let refused = |error: docker_stacks::EngineError| {
        RestoreFailure::new(Exit::Failed, sentence::failed_to(&error))
    };
    let there = engine.volumes().await.map_err(refused)?;
    let names: BTreeSet<&str> = known.iter().map(|volume| volume.name.as_str()).collect();
    let plain = with_data
        .iter()
        .filter(|name| !names.contains(name.as_str()));
    let plain = plain.map(|name| Volume::local(name.clone(), ""));
    let wanted: Vec<Volume> = known.iter().cloned().chain(plain).collect();
    let mut targets = Vec::new();
    // All are looked at before one is made.
    for volume in there
        .iter()
        .filter(|volume| with_data.contains(&volume.name))
    {
        only_if_empty(&data_of(volume))?;
    }
    for volume in &wanted {
        let has_data = with_data.contains(&volume.name);
        if has_data && data_of(volume) != volume.mount_point {
            let device = data_of(volume);
            may_be_written(&device)?;
            only_if_empty(&device)?;
            fs::create_dir_all(&device).map_err(|error| failed("make", &device, &error))?;
        }
        let made = engine.create_volume(volume).await.map_err(refused)?;
        if !there.iter().any(|there| there.name == volume.name) {
            report.volumes.push(volume.name.clone());
        }
        if has_data {
            targets.push((place(&format!("volumes/{}", volume.name))?, data_of(&made)));
        }
    }
    Ok(targets)
}

/// Where a volume's data is: a volume that is a bind mount in disguise has it elsewhere.
fn data_of(volume: &Volume) -> PathBuf {
    let options = volume.options.get("o").map_or("", String::as_str);
    let is_bind = options
        .split(',')
        .any(|option| matches!(option, "bind" | "rbind"));
    match volume.options.get("device") {
        Some(device) if is_bind && device.starts_with('/') => device.into(),
        _ => volume.mount_point.clone(),
    }
}

/// The files that were restored, with where they belong.
fn compose_files(from: &Path) -> Result<Vec<(PathBuf, PathBuf)>, RestoreFailure> {
    let mut files = Vec::new();
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed("read", &folder, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed("read", &folder, &error))?;
            let kind = entry
                .file_type()
                .map_err(|error| failed("read", &entry.path(), &error))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let beneath = entry.path();
                let beneath = beneath.strip_prefix(from).unwrap_or(&beneath);
                files.push((entry.path(), Path::new("/").join(beneath)));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn same(a: &Path, b: &Path) -> bool {
    fs::read(a)
        .ok()
        .zip(fs::read(b).ok())
        .is_some_and(|(a, b)| a == b)
}

/// Puts a file in its place whole, and keeps the one that was there.
fn put_file(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let new = tempfile::Builder::new()
        .prefix(".backup-window-restore-")
        .tempfile_in(folder)?;
    fs::copy(from, new.path())?;
    copy_attributes(from, new.path())?;
    new.as_file().sync_all()?;
    if fs::symlink_metadata(to).is_ok() {
        let mut kept = to.as_os_str().to_owned();
        kept.push(".before-restore");
        fs::rename(to, PathBuf::from(kept))?;
    }
    new.persist(to).map_err(|error| error.error)?;
    super::swap::sync(folder)
}

/// The commands that start what these definitions of containers belong to.
fn commands(definitions: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(definitions) else {
        return Vec::new();
    };
    let definitions = entries
        .flatten()
        .filter_map(|entry| fs::read(entry.path()).ok())
        .filter_map(|text| serde_json::from_slice::<Value>(&text).ok());
    let commands: BTreeSet<String> = definitions.filter_map(|it| command(&it)).collect();
    commands.into_iter().collect()
}

/// The command that starts a container of a Compose project with its project.
fn command(definition: &Value) -> Option<String> {
    let labels = definition
        .pointer("/Config/Labels")
        .or(definition.get("labels"))?;
    let label = |name: &str| {
        labels
            .get(format!("com.docker.compose.project{name}"))?
            .as_str()
    };
    let mut command = format!("docker compose --project-name {}", quoted(label("")?));
    let folder = label(".working_dir").map(Path::new);
    if let Some(folder) = folder {
        command.push_str(" --project-directory ");
        command.push_str(&quoted(&folder.display().to_string()));
    }
    let files = label(".config_files").unwrap_or_default().split(',');
    for file in files.filter(|file| !file.is_empty()) {
        // Old releases of Compose say where it is from the project's folder.
        let file = folder.map_or_else(|| file.into(), |folder| folder.join(file));
        command.push_str(" --file ");
        command.push_str(&quoted(&file.display().to_string()));
    }
    command.push_str(" up --detach");
    Some(command)
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_that_of_the_project() {
        let definition = serde_json::json!({"Config": {"Labels": {
            "com.docker.compose.project": "wiki",
            "com.docker.compose.project.working_dir": "/srv/my wiki",
            "com.docker.compose.project.config_files": "a.yml,/srv/b.yml",
        }}});
        assert_eq!(
            command(&definition).unwrap(),
            "docker compose --project-name wiki --project-directory '/srv/my wiki' \
             --file '/srv/my wiki/a.yml' --file /srv/b.yml up --detach"
        );
        assert_eq!(
            command(&serde_json::json!({"Config": {"Labels": {}}})),
            None
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn what_belongs_to_the_system_is_not_written() {
        for path in ["/", "/etc/cron.d/x", "/usr/bin/x", "/lib"] {
            let failure = may_be_written(Path::new(path)).unwrap_err();
            assert_eq!(failure.exit, Exit::Refused, "{path}");
        }
        for path in ["/srv/wiki", "/opt/x", "/etcetera", "/home/me/x"] {
            may_be_written(Path::new(path)).unwrap();
        }
    }

    #[test]
    fn the_data_of_a_volume_that_is_a_bind_mount_is_elsewhere() {
        let mut volume = Volume::local("films", "/var/lib/docker/volumes/films/_data");
        assert_eq!(data_of(&volume), volume.mount_point);
        volume.options.insert("device".into(), "/srv/films".into());
        assert_eq!(data_of(&volume), volume.mount_point, "a disk, or a share");
        volume.options.insert("o".into(), "ro,bind".into());
        assert_eq!(data_of(&volume), Path::new("/srv/films"));
    }
}
