//! The commands of the five binaries.

mod backup_window;
mod docker_backup;
mod nas_replication;
mod nas_shutdown;
mod nas_wake;

pub use self::backup_window::BackupWindow;
pub use docker_backup::DockerBackup;
pub use nas_replication::NasReplication;
pub use nas_shutdown::NasShutdown;
pub use nas_wake::NasWake;
