//! Making what a restore needs.

use std::{collections::HashMap, time::Duration};

use bollard::plugin::VolumeCreateRequest;

use super::BollardEngine;
use crate::{
    engine::{EngineError, convert},
    model::Volume,
};

impl BollardEngine {
    /// Makes a volume. Docker answers the same for a volume that is there already, with what it
    /// finds, so that the answer and not the question says what there is.
    pub(super) async fn make_volume(&self, volume: &Volume) -> Result<Volume, EngineError> {
        let map = |pairs: &std::collections::BTreeMap<String, String>| {
            let pairs = pairs
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()));
            pairs.collect::<HashMap<_, _>>()
        };
        let request = VolumeCreateRequest {
            name: Some(volume.name.clone()),
            driver: Some(volume.driver.clone()),
            driver_opts: Some(map(&volume.options)),
            labels: Some(map(&volume.labels)),
            ..VolumeCreateRequest::default()
        };
        let operation = format!("create the volume {}", volume.name);
        self.call(&operation, Duration::ZERO, |docker| async move {
            docker.create_volume(request).await
        })
        .await
        .map(convert::volume)
    }
}
