//! Whether an engine runs on this machine: only then are its volumes here, and are read from where
//! they are. Others are read through the engine.

use std::{fs, io, path::Path};

use docker_stacks::{AddressKind, Engine, EngineError, EngineErrorKind, EngineInfo};

#[cfg(test)]
mod tests;

/// What this program knows of the machine that it runs on, and of its way to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// How the engine is reached.
    pub reached_by: AddressKind,
    /// This machine's name; `None` in a container, which has a name of its own.
    pub machine: Option<String>,
    /// The release of this machine's kernel (`/proc/sys/kernel/osrelease`), the same in a container.
    pub kernel: Option<String>,
    /// This machine's memory (`MemTotal` of `/proc/meminfo`), the same in a container.
    pub memory_bytes: Option<u64>,
    /// Whether this program may read every user's files.
    pub reads_all: bool,
}

impl Default for Here {
    /// A machine of which nothing is known, and an engine on one of its sockets.
    fn default() -> Self {
        Self {
            reached_by: AddressKind::Unix,
            machine: None,
            kernel: None,
            memory_bytes: None,
            reads_all: true,
        }
    }
}

/// Where an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// On this machine.
    Here,
    /// On another.
    Elsewhere,
    /// It did not say enough.
    Unknown,
}

/// How the data of an engine's containers is read.
///
/// ```
/// use backup_window::whereabouts::Way;
///
/// let way = Way::Engine {
///     why: "the engine runs on another machine".to_owned(),
///     files_are_here: false,
/// };
/// assert!(way.through_engine("/srv/wiki".as_ref()).is_some());
/// assert!(Way::Paths.through_engine("/".as_ref()).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// From the paths that the engine names, where they are here.
    Paths,
    /// Through the engine, whatever it names.
    Engine {
        /// Why, as a sentence without its end.
        why: String,
        /// Whether the files that it names are this machine's all the same.
        files_are_here: bool,
    },
}

impl Way {
    /// Why what lies at `source` is to be read through the engine; nothing if it is to be read from
    /// there. Of files that are not this machine's, none is looked at.
    #[must_use]
    pub fn through_engine(&self, source: &Path) -> Option<String> {
        match self {
            Self::Engine { why, .. } => Some(why.clone()),
            Self::Paths => match look_at(source) {
                Ok(()) => None,
                Err(error) => Some(format!(
                    "{} is not to be read here: {error}",
                    source.display()
                )),
            },
        }
    }

    /// Whether files that are named beside the data, such as Compose's, are here.
    #[must_use]
    pub fn files_are_here(&self) -> bool {
        match self {
            Self::Paths => true,
            Self::Engine { files_are_here, .. } => *files_are_here,
        }
    }
}

/// Whether there is something here, or something else is wrong with it than that it is not for this
/// program: that is to be said when it is read.
fn look_at(source: &Path) -> io::Result<()> {
    let looked = fs::metadata(source).and_then(|found| {
        if found.is_dir() {
            fs::read_dir(source)?;
        }
        Ok(())
    });
    match looked {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

impl Here {
    /// Judges where an engine is, by what it says of its machine.
    ///
    /// A kernel or a memory other than this machine's is proof of another machine. That both are
    /// the same is proof of this one where the engine is on a socket; at the end of a network, where
    /// machines may be alike as twins, the names must be the same as well, unless this program runs
    /// in a container and does not know its machine's name: it talks to a socket proxy then.
    #[must_use]
    pub fn judge(&self, info: &EngineInfo) -> Whereabouts {
        let kernel = same(
            self.kernel.as_deref().map(as_docker_writes_it).as_ref(),
            info.kernel.as_deref().map(as_docker_writes_it).as_ref(),
        );
        let memory = same(self.memory_bytes.as_ref(), info.memory_bytes.as_ref());
        if kernel == Some(false) || memory == Some(false) {
            return Whereabouts::Elsewhere;
        }
        let is_near = self.reached_by == AddressKind::Unix;
        let name = same(self.machine.as_ref(), info.machine.as_ref());
        if !is_near && name == Some(false) {
            return Whereabouts::Elsewhere;
        }
        if kernel == Some(true) && memory == Some(true) {
            Whereabouts::Here
        } else {
            Whereabouts::Unknown
        }
    }

    /// Asks the engine, and says how the data of its containers is read.
    ///
    /// On a socket of this machine, an engine that does not say where it is (a socket proxy may
    /// forbid it) is taken to be here.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached.
    pub async fn way(&self, engine: &dyn Engine) -> Result<Way, EngineError> {
        let (whereabouts, rootless) = self.ask(engine).await?;
        Ok(match self.elsewhere(whereabouts, engine) {
            Some((why, _)) => Way::Engine {
                why,
                files_are_here: false,
            },
            None if rootless && !self.reads_all => Way::Engine {
                why: format!(
                    "the engine at {} and this program both run as an ordinary user, and the files \
                     in volumes belong to others",
                    engine.endpoint()
                ),
                files_are_here: true,
            },
            None => Way::Paths,
        })
    }

    /// Asks the engine, and says why nothing can be written to its volumes from here, if that is so.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached.
    pub async fn why_not(&self, engine: &dyn Engine) -> Result<Option<String>, EngineError> {
        let (whereabouts, _) = self.ask(engine).await?;
        Ok(self
            .elsewhere(whereabouts, engine)
            .map(|(why, what_to_do)| {
                format!("{why}, and only the volumes of this one can be written to: {what_to_do}")
            }))
    }

    /// Where the engine is, and whether it runs as an ordinary user.
    async fn ask(&self, engine: &dyn Engine) -> Result<(Whereabouts, bool), EngineError> {
        match engine.info().await {
            Ok(info) => Ok((self.judge(&info), info.rootless)),
            Err(error) if is_unwilling(&error) => Ok((Whereabouts::Unknown, false)),
            Err(error) => Err(error),
        }
    }

    /// What is known of an engine that is not known to be here, and what can be done about it.
    fn elsewhere(
        &self,
        whereabouts: Whereabouts,
        engine: &dyn Engine,
    ) -> Option<(String, &'static str)> {
        let endpoint = engine.endpoint();
        match whereabouts {
            Whereabouts::Unknown if self.reached_by != AddressKind::Unix => Some((
                format!("the engine at {endpoint} does not say on which machine it runs"),
                "let its proxy allow GET /info, or run this program on the engine's own machine",
            )),
            Whereabouts::Elsewhere => Some((
                format!("the engine at {endpoint} runs on another machine"),
                "run this program on that machine",
            )),
            Whereabouts::Here | Whereabouts::Unknown => None,
        }
    }
}

/// The engine is there, and does not answer this question.
fn is_unwilling(error: &EngineError) -> bool {
    !error.is_away()
        && matches!(
            error.kind(),
            EngineErrorKind::Refused | EngineErrorKind::NotFound | EngineErrorKind::BadAnswer
        )
}

fn same<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> Option<bool> {
    Some(one? == other?)
}

/// Docker takes a release apart and puts it together again, with three numbers where there were
/// two: `6.12-arch1` is `6.12.0-arch1` (`pkg/parsers/kernel` in its source).
fn as_docker_writes_it(release: &str) -> String {
    let digits_end = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let release = release.trim();
    let first = digits_end(release);
    let Some(after) = release[first..].strip_prefix('.') else {
        return release.to_owned();
    };
    let rest = &after[digits_end(after)..];
    let has_third = rest
        .strip_prefix('.')
        .is_some_and(|third| third.starts_with(|c: char| c.is_ascii_digit()));
    if has_third || first == 0 {
        return release.to_owned();
    }
    let two = &release[..release.len() - rest.len()];
    format!("{two}.0{rest}")
}
