//! An image of `PostgreSQL`, made of what Debian's packages have put on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{POSTGRES_IMAGE, PrivateDocker, PrivateDockerError};
use crate::isolation::find_program;

/// Where Debian's package puts the programs of this release.
const HOME: &str = "/usr/lib/postgresql/15";
const SHARE: &str = "/usr/share/postgresql/15";

/// What the lab runs of it.
const PROGRAMS: [&str; 4] = ["initdb", "pg_isready", "postgres", "psql"];

/// Who `PostgreSQL` runs as in the image; it refuses to be root.
const USER: u32 = 70;

/// The commands besides; they are links to busybox.
const APPLETS: [&str; 4] = ["sh", "sleep", "cat", "test"];

pub(super) async fn import(
    docker: &PrivateDocker,
    busybox: &Path,
) -> Result<(), PrivateDockerError> {
    // `psql` of the machine is a script that looks for the release's own; it tells that the package
    // is there.
    find_program("pg_lsclusters", "postgresql-15")?;
    let root = docker.dir.join("postgres-image");
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| PrivateDockerError::Io {
            operation,
            path,
            source,
        }
    };
    let libraries = libraries()
        .await
        .map_err(failed("look at", Path::new(HOME)))?;
    fill(&root, busybox, &libraries).map_err(failed("fill", &root))?;
    let archive = docker.dir.join("postgres-image.tar");
    let status = tokio::process::Command::new("tar")
        .args(["--numeric-owner", "-C"])
        .arg(&root)
        .arg("-cf")
        .arg(&archive)
        .arg(".")
        .stdin(Stdio::null())
        .status()
        .await;
    let status = status.map_err(failed("run tar for", &archive))?;
    if !status.success() {
        return Err(failed("write", &archive)(io::Error::other(
            status.to_string(),
        )));
    }
    let import = ["import", &archive.to_string_lossy(), POSTGRES_IMAGE];
    docker.docker(&import).await?;
    fs::remove_dir_all(&root).map_err(failed("remove", &root))?;
    fs::remove_file(&archive).map_err(failed("remove", &archive))
}

/// The shared libraries that the programs load, as the dynamic linker finds them.
async fn libraries() -> io::Result<BTreeSet<PathBuf>> {
    let programs = PROGRAMS.map(|program| format!("{HOME}/bin/{program}"));
    let output = tokio::process::Command::new("ldd")
        .args(programs)
        .stdin(Stdio::null())
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `NAME => PATH (ADDRESS)`, and for the linker itself `PATH (ADDRESS)`.
    let words = text.split_ascii_whitespace();
    Ok(words
        .filter(|word| word.starts_with("/lib") && !word.ends_with(':'))
        .map(Into::into)
        .collect())
}

fn fill(root: &Path, busybox: &Path, libraries: &BTreeSet<PathBuf>) -> io::Result<()> {
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let copy = |from: &Path, to: &Path| {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from, to).map(drop)
    };
    for library in libraries {
        copy(library, &inside(library))?;
    }
    for program in PROGRAMS {
        let program = Path::new(HOME).join("bin").join(program);
        copy(&program, &inside(&program))?;
    }
    // Extensions are loaded from beside the programs; their bitcode for the compiler is not needed.
    for folder in [Path::new(HOME).join("lib").as_path(), Path::new(SHARE)] {
        let walk = walkdir::WalkDir::new(folder).into_iter();
        for entry in walk.filter_entry(|entry| entry.file_name() != "bitcode") {
            let entry = entry?;
            let is_compiler = entry.file_name() == "llvmjit.so";
            if entry.path().is_file() && !is_compiler {
                copy(entry.path(), &inside(entry.path()))?;
            }
        }
    }
    copy(busybox, &root.join("bin/busybox"))?;
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    fs::create_dir_all(root.join("etc"))?;
    let users = format!("root:x:0:0::/:/bin/sh\npostgres:x:{USER}:{USER}::/data:/bin/sh\n");
    fs::write(root.join("etc/passwd"), users)?;
    for (folder, mode) in [("data", 0o700), ("tmp", 0o1777)] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode))?;
    }
    // A new volume takes this over.
    chown(root.join("data"), Some(USER), Some(USER))
}
