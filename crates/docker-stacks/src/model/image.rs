//! Images, as far as a container is made again from them.

use serde::{Deserialize, Serialize};

/// An image, as the engine lists it.
///
/// ```
/// use docker_stacks::Image;
///
/// fn can_be_pulled_again(image: &Image) -> bool {
///     !image.digests.is_empty()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Image {
    /// Its identifier, which [`Container::image_id`](crate::Container::image_id) names.
    pub id: String,
    /// The names that it has here: `postgres:17`. They may mean another image tomorrow.
    pub tags: Vec<String>,
    /// What registries know it by, whatever becomes of its names: `postgres@sha256:…`. Empty for
    /// an image that was built here, which no registry has.
    pub digests: Vec<String>,
}

impl Image {
    /// An image without names or digests.
    ///
    /// ```
    /// use docker_stacks::Image;
    ///
    /// let mut image = Image::new("sha256:0123");
    /// image.tags.push("postgres:17".into());
    /// assert!(image.digests.is_empty(), "it was built here");
    /// ```
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            tags: Vec::new(),
            digests: Vec::new(),
        }
    }
}
