//! A homelab's night, supervised: wake the backup NAS, back up the Docker stacks to the primary
//! NAS, wait until TrueNAS has replicated them, prove it, and switch the backup NAS off again.
//!
//! This crate joins seven others that do not know each other ([`wol`], [`reachability`],
//! [`remote_shutdown`], [`docker_stacks`], [`backup_store`], [`::fs_snapshots`], [`truenas_client`]) and adds what only
//! the whole has: the configuration ([`config`]), the hours in which a night may run ([`window`]),
//! the steps ([`step`]) with their [`evidence`], the [`history`], and the [`night`] itself.
//!
//! Each step is a function of its own that takes the outside systems as traits and leaves a
//! [`StepRecord`](step::StepRecord). The single-step binaries call one of them; the night calls
//! them all.
//!
//! ```
//! use backup_window::config::Config;
//!
//! let text = r#"
//!     [window]
//!     start = "02:45"
//!     end = "05:00"
//!     time_zone = "Europe/Paris"
//! "#;
//! let config = Config::parse("config.toml".as_ref(), text.to_owned())?;
//! let night = config.window()?.night_of(jiff::civil::date(2026, 11, 23))?;
//! assert_eq!(night.start.to_string(), "2026-11-23T01:45:00Z");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod clock;
pub mod config;
pub mod drill;
pub mod evidence;
pub mod exit;
pub mod fs_snapshots;
pub mod history;
pub mod lock;
pub mod mount;
pub mod nas_clock;
pub mod nas_error;
pub mod nas_status;
pub mod night;
pub mod restore;
pub mod sentence;
pub mod setup;
pub mod state;
pub mod step;
pub mod truenas_probe;
pub mod upkeep;
pub mod whereabouts;
pub mod window;
