//! What a drill makes on an engine, and takes away again.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, Replica};
use crate::model::{Container, ContainerId, Volume};

/// The label of all that a drill makes. Its value is the drill's identifier.
pub(crate) const MARK_LABEL: &str = "backup-window.drill-id";

/// What the names of all that a drill makes begin with.
const NAME_PREFIX: &str = "backup-window-drill-";

/// The mark of one drill, on everything that it makes.
///
/// ```
/// let mark = docker_stacks::Mark::new("20260301T030000");
/// assert_eq!(mark.name("db"), "backup-window-drill-20260301T030000-db");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(String);

impl Mark {
    /// The mark of the drill of this identifier. What an engine does not take in a name becomes
    /// a dash.
    pub fn new(drill: impl AsRef<str>) -> Self {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let plain = |c| if allowed(c) { c } else { '-' };
        Self(drill.as_ref().chars().map(plain).collect())
    }

    /// The drill's identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of something that the drill makes.
    #[must_use]
    pub fn name(&self, what: &str) -> String {
        format!("{NAME_PREFIX}{}-{what}", self.0)
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(MARK_LABEL.to_owned(), self.0.clone())])
    }

    /// Did this drill make it; or any drill, if none is named? Both the label and the name must say
    /// so: a label may have been copied from somewhere, and what is taken for a drill's is deleted.
    pub(crate) fn made<'a>(
        mark: Option<&Self>,
        name: &str,
        labels: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> bool {
        let label = labels.into_iter().find(|(key, _)| *key == MARK_LABEL);
        let Some((_, drill)) = label else {
            return false;
        };
        let is_named = |mark: &Self| name.starts_with(&mark.name(""));
        is_named(&Self(drill.clone())) && mark.is_none_or(|mark| mark.0 == *drill)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a drill made this container.
pub(crate) fn is_of_a_drill(container: &Container) -> bool {
    Mark::made(None, &container.name, &container.labels)
}

/// What was taken away of a drill.
///
/// ```
/// let nothing = docker_stacks::Cleared::default();
/// assert!(nothing.is_nothing());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleared {
    /// The containers, by their names.
    pub containers: Vec<String>,
    /// The networks, by their names.
    pub networks: Vec<String>,
    /// The volumes, by their names.
    pub volumes: Vec<String>,
}

impl Cleared {
    /// There was nothing to take away.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }
}

/// An engine on which copies of containers can be made, tried, and taken away.
///
/// # Contract
///
/// - All that is made has the drill's [`Mark`], as a label and in its name. Only what has both is
///   ever taken away.
/// - Nothing is pulled: an image that the engine does not have is an error.
/// - A network leads nowhere, neither out of the machine nor to it.
/// - [`clear`](Workbench::clear) goes on where something cannot be taken away, and then ends with
///   the first error; it can be called again.
///
/// `testing::conformance` (feature `testing`) has a check for it, and `testing::MemoryEngine` is one
/// in memory.
///
/// ```no_run
/// use docker_stacks::{Mark, Workbench};
///
/// # async fn example(engine: &dyn Workbench) -> Result<(), docker_stacks::EngineError> {
/// let mark = Mark::new("20260301T030000");
/// let volume = engine.make_volume(&mark, &mark.name("data")).await?;
/// println!("{} is empty, and lies at {}", volume.name, volume.mount_point.display());
/// engine.clear(Some(&mark)).await?;
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Workbench: Engine {
    /// Makes an empty volume of the `local` driver. The name is one of [`Mark::name`].
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn make_volume(&self, mark: &Mark, name: &str) -> Result<Volume, EngineError>;

    /// Makes a network out of which nothing leads. The name is one of [`Mark::name`].
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn make_network(&self, mark: &Mark, name: &str) -> Result<(), EngineError>;

    /// Makes a container, and does not start it.
    ///
    /// # Errors
    ///
    /// If the image is not there, the engine cannot be reached, or it refuses.
    async fn make_container(
        &self,
        mark: &Mark,
        replica: &Replica,
    ) -> Result<ContainerId, EngineError>;

    /// Takes away all that a drill has made, or with `None` what any drill has: containers, also
    /// those that run, then networks and volumes.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn clear(&self, mark: Option<&Mark>) -> Result<Cleared, EngineError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::container;

    #[test]
    fn only_what_has_label_and_name_is_a_drills() {
        let mark = Mark::new("a b/1");
        assert_eq!(mark.as_str(), "a-b-1");
        let mut db = container(&mark.name("db"));
        assert!(!is_of_a_drill(&db), "a name alone is nothing");
        db.labels = mark.labels();
        assert!(is_of_a_drill(&db));
        assert!(Mark::made(Some(&mark), &db.name, &db.labels));
        let other = Mark::new("2");
        assert!(!Mark::made(Some(&other), &db.name, &db.labels));
        db.name = "shop_db_1".to_owned();
        assert!(!is_of_a_drill(&db), "a label alone is nothing");
        db.name = other.name("db");
        assert!(!is_of_a_drill(&db), "they must agree");
    }
}
