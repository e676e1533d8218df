//! The lab's stacks: Compose projects with data in volumes and in bind mounts, some of it excluded
//! by the configuration that the examples use.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use docker_stacks::testing::{Behaviour, MemoryEngine, bind, container, in_project, volume};
use docker_stacks::{Engine as _, Volume};

use super::{HomelabError, LabEngine, create_dir};
use crate::docker::PrivateDocker;

/// Waits, and leaves a line in its data when it is stopped properly: a copy that lacks the line was
/// taken from a running service.
const SERVICE: &str = "trap 'for d in /data/*; do echo stopped properly >> $$d/log; done; exit 0' TERM; \
                       while :; do sleep 1 & wait $$!; done";

/// A stack of the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabStack {
    /// Its name.
    pub name: &'static str,
    /// What is copied of it: the name that it has in a snapshot, and where it lies on this machine.
    pub data: Vec<(PathBuf, PathBuf)>,
}

/// What a stack is made of: services, each with its data.
struct Plan {
    name: &'static str,
    services: &'static [(&'static str, &'static [Data])],
}

enum Data {
    /// A volume, by its name.
    Volume(&'static str),
    /// A volume that the configuration of the examples excludes.
    Excluded(&'static str),
    /// A bind mount of a folder beside the Compose file.
    Folder(&'static str),
}

const PLANS: [Plan; 4] = [
    Plan {
        name: "wiki",
        services: &[
            ("db", &[Data::Volume("wiki_db")]),
            ("app", &[Data::Volume("wiki_pages")]),
        ],
    },
    Plan {
        name: "media",
        services: &[(
            "server",
            &[Data::Folder("config"), Data::Excluded("nfs_data")],
        )],
    },
    Plan {
        name: "syncthing",
        services: &[(
            "syncthing",
            &[
                Data::Volume("syncthing_config"),
                Data::Excluded("syncthing_shared"),
            ],
        )],
    },
    Plan {
        name: "portainer",
        services: &[("portainer", &[Data::Excluded("portainer_data")])],
    },
];

impl Plan {
    fn data(&self) -> impl Iterator<Item = &'static Data> {
        self.services.iter().flat_map(|(_, data)| data.iter())
    }
}

/// Starts the stacks on a private engine, or else in memory.
pub(super) async fn start(dir: &Path) -> Result<(LabEngine, Vec<LabStack>), HomelabError> {
    let projects = dir.join("stacks");
    create_dir(&projects)?;
    let docker_dir = dir.join("docker");
    create_dir(&docker_dir)?;
    match PrivateDocker::start(&docker_dir).await {
        Ok(docker) => {
            let stacks = start_in_docker(&docker, &projects).await?;
            Ok((LabEngine::Docker(Box::new(docker)), stacks))
        }
        Err(missing) => {
            let (engine, stacks) = start_in_memory(&projects)?;
            let why = missing.to_string();
            Ok((LabEngine::Memory { engine, why }, stacks))
        }
    }
}

async fn start_in_docker(
    docker: &PrivateDocker,
    projects: &Path,
) -> Result<Vec<LabStack>, HomelabError> {
    let failed =
        |stack: &str, source: Box<dyn std::error::Error + Send + Sync>| HomelabError::Stack {
            stack: stack.to_owned(),
            source,
        };
    let image = docker
        .import_busybox()
        .await
        .map_err(|error| failed("(the image)", error.into()))?;
    for plan in &PLANS {
        let project = write_project(projects, plan, &image)?;
        for data in plan.data() {
            if let Data::Folder(name) = data {
                write_data(&project.join(name), plan.name)?;
            }
        }
        docker
            .compose_up(&project)
            .await
            .map_err(|error| failed(plan.name, error.into()))?;
    }
    let volumes = docker
        .engine()
        .await
        .map_err(|error| failed("(the volumes)", error.into()))?
        .volumes()
        .await
        .map_err(|error| failed("(the volumes)", error.into()))?;
    for volume in &volumes {
        write_data(&volume.mount_point, &volume.name)?;
    }
    Ok(describe(projects, |name| {
        volumes
            .iter()
            .find(|volume| volume.name == name)
            .map(|volume| volume.mount_point.clone())
            .unwrap_or_default()
    }))
}

fn start_in_memory(projects: &Path) -> Result<(Arc<MemoryEngine>, Vec<LabStack>), HomelabError> {
    let engine = MemoryEngine::new();
    let volumes = projects.join("volumes");
    for plan in &PLANS {
        let project = write_project(projects, plan, "busybox")?;
        for (service, data) in plan.services {
            let mut container = container(&format!("{}_{service}_1", plan.name));
            for data in *data {
                container.mounts.push(match data {
                    Data::Volume(name) | Data::Excluded(name) => {
                        let folder = volumes.join(name);
                        write_data(&folder, name)?;
                        let made = Volume::local(*name, folder);
                        engine.add_volume(made.clone());
                        volume(&made, format!("/data/{name}"))
                    }
                    Data::Folder(name) => {
                        let folder = project.join(name);
                        write_data(&folder, name)?;
                        bind(folder, format!("/data/{name}"))
                    }
                });
            }
            engine.add(
                in_project(container, plan.name, service),
                Behaviour::default(),
            );
        }
    }
    let stacks = describe(projects, |name| volumes.join(name));
    Ok((Arc::new(engine), stacks))
}

fn describe(projects: &Path, volume: impl Fn(&str) -> PathBuf) -> Vec<LabStack> {
    PLANS
        .iter()
        .map(|plan| LabStack {
            name: plan.name,
            data: plan
                .data()
                .filter_map(|data| match data {
                    Data::Volume(name) => Some((Path::new("volumes").join(name), volume(name))),
                    Data::Excluded(_) => None,
                    Data::Folder(name) => {
                        let folder = projects.join(plan.name).join(name);
                        let inside = folder.strip_prefix("/").unwrap_or(&folder);
                        Some((Path::new("binds").join(inside), folder.clone()))
                    }
                })
                .collect(),
        })
        .collect()
}

/// Writes a project's Compose file, in the format that Compose 1.29 and 2 both read.
fn write_project(projects: &Path, plan: &Plan, image: &str) -> Result<PathBuf, HomelabError> {
    let project = projects.join(plan.name);
    create_dir(&project)?;
    let mut compose = String::from("version: \"2.4\"\nservices:\n");
    let mut volumes = String::new();
    for (service, data) in plan.services {
        let _ = write!(
            compose,
            "  {service}:\n    image: {image}\n    command: [\"/bin/sh\", \"-c\", \"{SERVICE}\"]\n    \
             volumes:\n"
        );
        for data in *data {
            let (source, name) = match data {
                Data::Volume(name) | Data::Excluded(name) => {
                    let _ = write!(volumes, "  {name}:\n    name: {name}\n");
                    ((*name).to_owned(), name)
                }
                Data::Folder(name) => (format!("./{name}"), name),
            };
            let _ = writeln!(compose, "      - {source}:/data/{name}");
        }
    }
    if !volumes.is_empty() {
        let _ = write!(compose, "volumes:\n{volumes}");
    }
    let file = project.join("docker-compose.yml");
    fs::write(&file, compose).map_err(|source| HomelabError::File {
        path: file.clone(),
        source,
    })?;
    Ok(project)
}

/// Puts some files where a service keeps its data: text, and what does not compress.
fn write_data(folder: &Path, seed: &str) -> Result<(), HomelabError> {
    for page in 0..40 {
        let chapter = folder.join(format!("chapter-{}", page % 4));
        create_dir(&chapter)?;
        let file = chapter.join(format!("page-{page}.txt"));
        let text = format!("Page {page} of {seed}.\n").repeat(20 * (page + 1));
        write_file(&file, text.as_bytes())?;
    }
    write_file(&folder.join("blob.bin"), &noise(seed, 1 << 20))
}

fn write_file(file: &Path, contents: &[u8]) -> Result<(), HomelabError> {
    fs::write(file, contents).map_err(|source| HomelabError::File {
        path: file.to_owned(),
        source,
    })
}

/// The same bytes for the same seed, which no compressor makes smaller (xorshift64, Marsaglia 2003).
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
