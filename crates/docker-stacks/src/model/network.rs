//! Networks, and containers' places in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A network, as the engine lists it: what it takes to make it again.
///
/// ```
/// use docker_stacks::Network;
///
/// let network = Network::bridge("1f2e", "shop_default");
/// assert_eq!(network.driver, "bridge");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Network {
    /// What the engine knows it by.
    pub id: String,
    /// Its name: `shop_default`.
    pub name: String,
    /// Its driver: `bridge`, `macvlan`, `overlay`…
    pub driver: String,
    /// Nothing leads out of it.
    pub internal: bool,
    /// Containers may be attached to it by hand (overlay networks).
    pub attachable: bool,
    /// It has IPv6 addresses.
    pub ipv6: bool,
    /// What hands out its addresses: `default`, unless a plugin was asked for.
    pub ipam_driver: Option<String>,
    /// The addresses that it hands out.
    pub pools: Vec<AddressPool>,
    /// What its driver was given: `parent=eth0`…
    pub options: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// A bridge without addresses of its own choice, as `docker network create NAME` makes it.
    ///
    /// ```
    /// let network = docker_stacks::Network::bridge("8f1e", "shop_default");
    /// assert_eq!(network.driver, "bridge");
    /// ```
    pub fn bridge(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            driver: "bridge".to_owned(),
            internal: false,
            attachable: false,
            ipv6: false,
            ipam_driver: None,
            pools: Vec::new(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// Addresses that a network hands out.
///
/// ```no_run
/// # async fn example(engine: &dyn docker_stacks::Engine) -> Result<(), docker_stacks::EngineError> {
/// for pool in engine.networks().await?.iter().flat_map(|network| &network.pools) {
///     println!("{:?} by way of {:?}", pool.subnet, pool.gateway);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressPool {
    /// All of them: `172.20.0.0/16`.
    pub subnet: Option<String>,
    /// Those that containers get: `172.20.5.0/24`.
    pub range: Option<String>,
    /// The way out: `172.20.0.1`.
    pub gateway: Option<String>,
}

/// A container's place in a network.
///
/// ```
/// use docker_stacks::{Attachment, Container};
///
/// let mut web = Container::new("1f2e", "web");
/// web.networks.insert("shop_default".into(), Attachment::default());
/// assert!(web.networks["shop_default"].aliases.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attachment {
    /// The names that others in the network find it by, besides its own.
    pub aliases: Vec<String>,
    /// The addresses that it asked for; none if any would do.
    pub wanted_addresses: Vec<String>,
    /// The addresses that it had when the engine was asked; none if it did not run.
    pub addresses: Vec<String>,
    /// Its hardware address, where it has one.
    pub mac_address: Option<String>,
}
