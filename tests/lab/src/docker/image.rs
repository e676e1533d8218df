//! An image made of nothing but busybox.

use std::path::Path;

use bollard::query_parameters::CreateImageOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::TryStreamExt as _;

use super::{BUSYBOX_IMAGE, PrivateDockerError};

/// How long the engine may take to unpack 2 MB, in seconds.
const IMPORT_DEADLINE_SECONDS: u64 = 60;

/// The commands that the lab's containers may use; they are links to busybox.
const APPLETS: [&str; 32] = [
    "cat", "chmod", "chown", "cp", "date", "dd", "echo", "env", "false", "grep", "head",
    "hostname", "httpd", "id", "kill", "ln", "ls", "md5sum", "mkdir", "mv", "nc", "ps", "rm",
    "sed", "sh", "sleep", "sync", "tail", "test", "touch", "true", "wget",
];

/// The size of a tar file's blocks.
const BLOCK: usize = 512;

pub(super) async fn import_busybox(
    socket: &Path,
    busybox: &Path,
) -> Result<(), PrivateDockerError> {
    let program = tokio::fs::read(busybox)
        .await
        .map_err(|source| PrivateDockerError::Io {
            operation: "read",
            path: busybox.to_owned(),
            source,
        })?;
    let archive = archive(&program);
    let failed = |source: bollard::errors::Error| PrivateDockerError::Import {
        source: source.into(),
    };
    let docker = Docker::connect_with_unix(
        &socket.to_string_lossy(),
        IMPORT_DEADLINE_SECONDS,
        API_DEFAULT_VERSION,
    )
    .map_err(failed)?;
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(BUSYBOX_IMAGE)
        .tag("latest")
        .build();
    docker
        .create_image(
            Some(options),
            Some(bollard::body_full(archive.into())),
            None,
        )
        .try_for_each(|_| async { Ok(()) })
        .await
        .map_err(failed)
}

/// A root file system in a tar file: busybox, the links to it, and the folders that programs expect.
fn archive(busybox: &[u8]) -> Vec<u8> {
    let mut archive = Vec::with_capacity(busybox.len() + 64 * BLOCK);
    for folder in ["bin/", "data/", "etc/", "tmp/"] {
        add(&mut archive, &Entry::Folder(folder));
    }
    add(&mut archive, &Entry::Program("bin/busybox", busybox));
    for applet in APPLETS {
        add(
            &mut archive,
            &Entry::Link(&format!("bin/{applet}"), "busybox"),
        );
    }
    // Two empty blocks end the archive.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

enum Entry<'a> {
    Folder(&'a str),
    Program(&'a str, &'a [u8]),
    Link(&'a str, &'a str),
}

/// Adds an entry in the format of POSIX.1-1988 (`ustar`), owned by root, of the time 0.
fn add(archive: &mut Vec<u8>, entry: &Entry<'_>) {
    let (name, mode, contents, kind, target): (&str, u32, &[u8], u8, &str) = match entry {
        Entry::Folder(name) => (name, 0o755, &[], b'5', ""),
        Entry::Program(name, contents) => (name, 0o755, contents, b'0', ""),
        Entry::Link(name, target) => (name, 0o777, &[], b'2', target),
    };
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\x000000000\0");
    put(
        124,
        format!("{:011o}\0{:011o}\0", contents.len(), 0).as_bytes(),
    );
    // The checksum counts its own field as spaces.
    put(148, b"        ");
    put(156, &[kind]);
    put(157, target.as_bytes());
    put(257, b"ustar\x0000root");
    put(297, b"root");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend_from_slice(&header);
    archive.extend_from_slice(contents);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}
