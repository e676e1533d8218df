//! Eight stacks on an engine of the lab's own, and their heartbeats.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use lab::docker::{BUSYBOX_IMAGE, PrivateDocker};
use tokio::{
    runtime::Runtime,
    time::{Instant, sleep},
};

use crate::{Outcome, beats::START, data::BIG_FILE};

/// Where the containers write their heartbeats: in memory, and in the lab's namespaces alone, which
/// have a `/run` of their own.
pub(crate) const BEATS: &str = "/run/beats";

/// How long a service may take to beat again.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);

/// A Compose project with one volume.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    services: &'static [&'static str],
}

const STACKS: [Stack; 8] = [
    two("shop"),
    two("wiki"),
    two("photos"),
    two("mail"),
    one("music"),
    one("notes"),
    one("feeds"),
    one("vault"),
];

const fn two(name: &'static str) -> Stack {
    Stack {
        name,
        services: &["app", "db"],
    }
}

const fn one(name: &'static str) -> Stack {
    Stack {
        name,
        services: &["app"],
    }
}

impl Stack {
    /// As Compose names them.
    pub(crate) fn containers(&self) -> Vec<String> {
        let services = self.services.iter();
        services
            .map(|service| format!("{}_{service}_1", self.name))
            .collect()
    }
}

#[derive(Debug)]
pub(crate) struct House {
    stacks: &'static [Stack],
    docker: PrivateDocker,
    runtime: Runtime,
}

impl House {
    pub(crate) fn build(folder: &Path, stacks: usize) -> Outcome<Self> {
        let stacks = STACKS.get(..stacks).ok_or("there are no more stacks")?;
        let runtime = Runtime::new()?;
        let docker = runtime.block_on(async {
            let docker = PrivateDocker::start(&folder.join("docker")).await?;
            docker.import_busybox().await?;
            Outcome::Ok(docker)
        })?;
        fs::create_dir(BEATS)?;
        let house = Self {
            stacks,
            docker,
            runtime,
        };
        for stack in stacks {
            let project = folder.join("stacks").join(stack.name);
            fs::create_dir_all(&project)?;
            fs::write(project.join("docker-compose.yml"), compose(stack))?;
            house.runtime.block_on(house.docker.compose_up(&project))?;
        }
        Ok(house)
    }

    pub(crate) fn stacks(&self) -> &'static [Stack] {
        self.stacks
    }

    pub(crate) fn services(&self) -> Vec<String> {
        self.stacks().iter().flat_map(Stack::containers).collect()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.docker.socket()
    }

    /// Where the data of a stack lies.
    pub(crate) fn volume(&self, stack: &Stack) -> Outcome<PathBuf> {
        let name = format!("{}_data", stack.name);
        let inspect = ["volume", "inspect", "--format={{.Mountpoint}}", &name];
        Ok(self.docker(&inspect)?.into())
    }

    pub(crate) fn volumes(&self) -> Outcome<Vec<PathBuf>> {
        self.stacks().iter().map(|it| self.volume(it)).collect()
    }

    /// All at once, as docker's command line does it.
    pub(crate) fn stop(&self, containers: &[String]) -> Outcome<()> {
        self.docker_with(&["stop"], containers)
    }

    /// One after the other, as docker's command line does it.
    pub(crate) fn start(&self, containers: &[String]) -> Outcome<()> {
        self.docker_with(&["start"], containers)
    }

    fn docker_with(&self, arguments: &[&str], containers: &[String]) -> Outcome<()> {
        let names = containers.iter().map(String::as_str);
        let arguments: Vec<_> = arguments.iter().copied().chain(names).collect();
        self.docker(&arguments).map(drop)
    }

    fn docker(&self, arguments: &[&str]) -> Outcome<String> {
        Ok(self.runtime.block_on(self.docker.docker(arguments))?)
    }

    #[expect(clippy::unused_self, reason = "there are none without a house")]
    pub(crate) fn beats_of(&self, container: &str) -> PathBuf {
        Path::new(BEATS).join(container)
    }

    /// How much every service has written by now, in bytes.
    pub(crate) fn marks(&self) -> Outcome<Vec<usize>> {
        let services = self.services();
        let services = services.iter();
        services
            .map(|service| match fs::metadata(self.beats_of(service)) {
                Ok(metadata) => Ok(usize::try_from(metadata.len())?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                Err(error) => Err(error)?,
            })
            .collect()
    }

    /// Waits until every service has beaten several times more.
    pub(crate) fn await_beats(&self) -> Outcome<()> {
        const SEVERAL_BYTES: usize = 100;
        let before = self.marks()?;
        self.runtime.block_on(async {
            let begun = Instant::now();
            loop {
                sleep(Duration::from_millis(50)).await;
                let now = self.marks()?;
                let mut both = now.iter().zip(&before);
                if both.all(|(now, before)| now > &(before + SEVERAL_BYTES)) {
                    return Ok(());
                }
                if begun.elapsed() > LONGEST_SILENCE {
                    return Err("not every service has a heartbeat")?;
                }
            }
        })
    }
}

/// The project's file. A service writes a line every 50 ms with what the shell has built in, so that
/// it costs next to nothing: the time since the machine was started, in hundredths of a second. The
/// first service of the first stack also writes a page of its big file every second.
fn compose(stack: &Stack) -> String {
    let mut lines = vec!["version: \"2.4\"".to_owned(), "services:".to_owned()];
    for service in stack.services {
        let beats = format!("/beats/{}_{service}_1", stack.name);
        let writes = stack.name == STACKS[0].name && *service == STACKS[0].services[0];
        let page = format!(
            "n=$$((n+1)); [ $$((n%20)) = 0 ] && [ -s /data/{BIG_FILE} ] && dd if=/dev/urandom \
             of=/data/{BIG_FILE} bs=8192 count=1 seek=$$((RANDOM%256)) conv=notrunc 2>/dev/null; "
        );
        let page = if writes { page.as_str() } else { "" };
        lines.push(format!("  {service}:\n    image: {BUSYBOX_IMAGE}"));
        lines.push("    restart: unless-stopped".to_owned());
        lines.push(format!("    volumes: [\"data:/data\", \"{BEATS}:/beats\"]"));
        lines.push("    command:\n      - sh\n      - -c\n      - >-".to_owned());
        lines.push(format!(
            "        trap 'exit 0' TERM; n=0; [ -p /tmp/wait ] || busybox mkfifo /tmp/wait; \
             exec 3<>/tmp/wait; read up idle </proc/uptime; echo \"{START}$$up\" >>{beats}; \
             while :; do read up idle </proc/uptime; echo $$up >>{beats}; {page}\
             read -t 0.05 none <&3; done"
        ));
    }
    lines.push("volumes:\n  data: {}\n".to_owned());
    lines.join("\n")
}
