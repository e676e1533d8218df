//! Real repositories in temporary folders, from making them to restoring from them.

// `cfg(test)` always holds here; it tells clippy that helpers may unwrap as tests may.
#[cfg(test)]
mod archives;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod export;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod staged;
#[cfg(test)]
mod upkeep;
