//! The repository that the configuration describes.

use backup_store::RepositoryPlace;
use secrecy::ExposeSecret;

use super::SetupError;
use crate::config::{Config, PlaceSettings, RepositorySettings};
use crate::mount::{self, Mounted, NotMounted};
use crate::restore::JobRepository;

/// Where the repository is, with all that is needed to be let in.
///
/// # Errors
/// When the configuration has none, or a file that it names cannot be read.
pub fn repository_place(config: &Config) -> Result<RepositoryPlace, SetupError> {
    let settings = match &config.repository()?.place {
        PlaceSettings::Folder { path, .. } => return Ok(RepositoryPlace::from(path)),
        PlaceSettings::Server(settings) => settings,
    };
    let mut server = settings.server.clone();
    if let Some((user, file)) = &settings.login {
        server = server.login(user, config.read_secret(file)?);
    }
    if let Some(file) = &settings.ca_file {
        server = server.trusting(config.read_text(file)?);
    }
    Ok(RepositoryPlace::from(server))
}

/// The same, for the process that restores.
///
/// # Errors
/// As [`repository_place`].
pub fn repository_for_job(config: &Config) -> Result<JobRepository, SetupError> {
    Ok(match &config.repository()?.place {
        PlaceSettings::Folder { path, .. } => JobRepository::Folder(path.clone()),
        PlaceSettings::Server(settings) => JobRepository::Server {
            url: settings.server.to_string(),
            login: match &settings.login {
                Some((user, file)) => {
                    let password = config.read_secret(file)?.expose_secret().to_owned();
                    Some((user.clone(), password))
                }
                None => None,
            },
            authorities: match &settings.ca_file {
                Some(file) => Some(config.read_text(file)?),
                None => None,
            },
        },
    })
}

/// Whether the NAS is mounted that the repository is on (I9). A server has nothing to be mounted: it
/// answers or not.
///
/// # Errors
/// When it is not, or that is not known.
pub fn check_mount(repository: &RepositorySettings) -> Result<Option<Mounted>, NotMounted> {
    match &repository.place {
        PlaceSettings::Folder { path, mount } => mount::check(path, mount).map(Some),
        PlaceSettings::Server(_) => Ok(None),
    }
}
