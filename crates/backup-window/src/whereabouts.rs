//! Whether an engine runs on this machine: only then are its volumes here to be copied.

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
}

impl Default for Here {
    /// A machine of which nothing is known, and an engine on one of its sockets.
    fn default() -> Self {
        Self {
            reached_by: AddressKind::Unix,
            machine: None,
            kernel: None,
            memory_bytes: None,
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

    /// Asks the engine, and says why its volumes cannot be copied from here, if they cannot.
    ///
    /// On a socket of this machine, an engine that does not say where it is (a socket proxy may
    /// forbid it) is taken to be here.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached.
    pub async fn why_not(&self, engine: &dyn Engine) -> Result<Option<String>, EngineError> {
        let whereabouts = match engine.info().await {
            Ok(info) => self.judge(&info),
            Err(error) if is_unwilling(&error) => Whereabouts::Unknown,
            Err(error) => return Err(error),
        };
        let endpoint = engine.endpoint();
        Ok(match whereabouts {
            Whereabouts::Unknown if self.reached_by != AddressKind::Unix => Some(format!(
                "the engine at {endpoint} does not say on which machine it runs, and only the \
                 volumes of this one can be copied: let its proxy allow GET /info, or run this \
                 program on the engine's own machine"
            )),
            Whereabouts::Elsewhere => Some(format!(
                "the engine at {endpoint} runs on another machine, and only the volumes of this \
                 one can be copied: run this program on that machine"
            )),
            Whereabouts::Here | Whereabouts::Unknown => None,
        })
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
