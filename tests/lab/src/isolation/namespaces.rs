//! Which namespaces a process is in.

use std::fs;
use std::io;
use std::str::FromStr;

/// The identities of a process's mount, network and PID namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Namespaces([String; 3]);

const KINDS: [&str; 3] = ["mnt", "net", "pid"];

impl Namespaces {
    /// Those of this process.
    pub(super) fn own() -> io::Result<Self> {
        let mut links = [const { String::new() }; 3];
        for (link, kind) in links.iter_mut().zip(KINDS) {
            let target = fs::read_link(format!("/proc/self/ns/{kind}"))?;
            *link = target.to_string_lossy().into_owned();
        }
        Ok(Self(links))
    }

    /// Whether not one of them is the same.
    pub(super) fn share_nothing_with(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| own != other)
    }
}

impl std::fmt::Display for Namespaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl FromStr for Namespaces {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let links: Vec<String> = text.split(',').map(str::to_owned).collect();
        let links: [String; 3] = links.try_into().map_err(|_| ())?;
        let are_links = links
            .iter()
            .zip(KINDS)
            .all(|(link, kind)| link.starts_with(&format!("{kind}:[")));
        are_links.then_some(Self(links)).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::Namespaces;

    #[test]
    fn one_namespace_in_common_is_too_many() {
        let own = Namespaces::own().unwrap();
        assert_eq!(own.to_string().parse(), Ok(own.clone()));
        assert!(!own.share_nothing_with(&own));

        let parse = |text: &str| text.parse::<Namespaces>().unwrap();
        let here = parse("mnt:[1],net:[2],pid:[3]");
        assert!(here.share_nothing_with(&parse("mnt:[4],net:[5],pid:[6]")));
        assert!(!here.share_nothing_with(&parse("mnt:[4],net:[2],pid:[6]")));
        assert!("mnt:[1],net:[2]".parse::<Namespaces>().is_err());
        assert!("net:[1],mnt:[2],pid:[3]".parse::<Namespaces>().is_err());
        assert!("".parse::<Namespaces>().is_err());
    }
}
