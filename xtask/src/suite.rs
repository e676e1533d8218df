//! The suites, in their order, and what each of them takes.

use clap::ValueEnum;

/// A group of checks with a name and a result of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Suite {
    /// The formatting.
    Fmt,
    /// The lints.
    Clippy,
    /// Licences, banned crates and sources of the dependencies, advisories.
    Deny,
    /// The tests of the libraries and binaries, without the lab.
    Unit,
    /// The examples in the documentation, and the documentation.
    Doc,
    /// The tests on real parts: Docker, sshd, namespaces, file systems.
    Lab,
    /// Whole nights through the binaries.
    EndToEnd,
    /// Waking and switching off a real machine, in an emulator.
    Guest,
    /// A minute of answers that nobody has thought of.
    Fuzz,
}

/// Something that a suite needs on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    /// The program, or the library's name for pkg-config.
    pub(crate) name: &'static str,
    pub(crate) kind: NeedKind,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NeedKind {
    Program,
    Library,
}

const fn program(name: &'static str, package: &'static str) -> Need {
    Need {
        name,
        kind: NeedKind::Program,
        package,
    }
}

const fn library(name: &'static str, package: &'static str) -> Need {
    Need {
        name,
        kind: NeedKind::Library,
        package,
    }
}

/// What compiling the workspace takes: C code of three dependencies, and the
/// OpenSSL that libssh2 encrypts with. pkg-config first: it finds the library.
const TO_COMPILE: [Need; 3] = [
    program("cc", "gcc"),
    program("pkg-config", "pkg-config"),
    library("openssl", "libssl-dev"),
];

/// What fuzzing takes besides: libFuzzer is C++.
const TO_FUZZ: [Need; 4] = [
    TO_COMPILE[0],
    TO_COMPILE[1],
    TO_COMPILE[2],
    program("c++", "g++"),
];

const FOR_THE_LAB: [Need; 29] = [
    TO_COMPILE[0],
    TO_COMPILE[1],
    TO_COMPILE[2],
    program("btrfs", "btrfs-progs"),
    program("busybox", "busybox-static"),
    program("conmon", "conmon"),
    program("docker", "docker.io"),
    program("docker-compose", "docker-compose"),
    program("dockerd", "docker.io"),
    program("etherwake", "etherwake"),
    program("ip", "iproute2"),
    program("mkfs.btrfs", "btrfs-progs"),
    program("mkfs.ext4", "e2fsprogs"),
    program("mkfs.xfs", "xfsprogs"),
    program("mount", "mount"),
    // PostgreSQL's own programs lie beside the PATH; this one comes with them.
    program("pg_lsclusters", "postgresql-15"),
    program("podman", "podman"),
    program("restic", "restic"),
    program("runc", "runc"),
    program("script", "bsdutils"),
    program("ssh", "openssh-client"),
    program("sftp", "openssh-client"),
    program("ssh-keygen", "openssh-client"),
    program("sshd", "openssh-server"),
    program("sudo", "sudo"),
    program("time", "time"),
    program("unshare", "util-linux"),
    program("useradd", "passwd"),
    program("wakeonlan", "wakeonlan"),
];

/// What the suites with a real machine take: to make its image, and to run it. Its switch loses
/// packets by rules of the kernel, and its network card is woken by another program too.
const FOR_THE_GUEST: [Need; 17] = [
    TO_COMPILE[0],
    TO_COMPILE[1],
    TO_COMPILE[2],
    program("busybox", "busybox-static"),
    program("chroot", "coreutils"),
    program("debootstrap", "debootstrap"),
    program("dpkg-deb", "dpkg"),
    program("etherwake", "etherwake"),
    program("ip", "iproute2"),
    program("mkfs.ext4", "e2fsprogs"),
    program("nft", "nftables"),
    program("qemu-img", "qemu-utils"),
    program("qemu-system-x86_64", "qemu-system-x86"),
    program("setpriv", "util-linux"),
    program("ssh-keygen", "openssh-client"),
    program("unshare", "util-linux"),
    program("xz", "xz-utils"),
];

/// What the benchmark of downtimes takes besides a lab that can be built: the
/// tools to compare with.
pub(crate) const FOR_THE_BENCH: [Need; 12] = [
    program("bash", "bash"),
    program("borg", "borgbackup"),
    program("busybox", "busybox-static"),
    program("docker", "docker.io"),
    program("docker-compose", "docker-compose"),
    program("dockerd", "docker.io"),
    program("ip", "iproute2"),
    program("mkfs.ext4", "e2fsprogs"),
    program("restic", "restic"),
    program("rsync", "rsync"),
    program("time", "time"),
    program("zstd", "zstd"),
];

/// One command of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What follows `cargo`; no argument holds a space.
    pub(crate) cargo: &'static str,
    /// A variable to set.
    pub(crate) env: Option<(&'static str, &'static str)>,
}

const fn step(cargo: &'static str) -> Step {
    Step { cargo, env: None }
}

const FMT: [Step; 1] = [step("fmt --all --check")];

const CLIPPY: [Step; 1] = [step(
    "clippy --locked --workspace --all-targets --all-features -- -D warnings",
)];

const UNIT: [Step; 1] = [step(
    "test --locked --workspace --exclude lab --exclude end-to-end --exclude guest \
     --all-features --no-fail-fast --lib --bins --tests",
)];

const DOC: [Step; 2] = [
    step("test --locked --workspace --all-features --no-fail-fast --doc"),
    Step {
        cargo: "doc --locked --workspace --all-features --no-deps --lib",
        env: Some(("RUSTDOCFLAGS", "-D warnings")),
    },
];

const LAB: [Step; 1] = [step(
    "test --locked --package lab --all-features --no-fail-fast --lib --tests",
)];

const END_TO_END: [Step; 3] = [
    // The suites run the binaries and some examples, which no test of another package builds.
    step("build --locked --workspace --bins --examples"),
    step("test --locked --package end-to-end --no-fail-fast --lib --tests"),
    step("run --locked --package examples --example night"),
];

const GUEST: [Step; 2] = [
    // As above.
    step("build --locked --workspace --bins"),
    step("test --locked --package guest --no-fail-fast --lib --tests"),
];

impl Suite {
    pub(crate) const ALL: [Self; 9] = [
        Self::Fmt,
        Self::Clippy,
        Self::Deny,
        Self::Unit,
        Self::Doc,
        Self::Lab,
        Self::EndToEnd,
        Self::Guest,
        Self::Fuzz,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Deny => "deny",
            Self::Unit => "unit",
            Self::Doc => "doc",
            Self::Lab => "lab",
            Self::EndToEnd => "end-to-end",
            Self::Guest => "guest",
            Self::Fuzz => "fuzz",
        }
    }

    /// Whether `--quick` runs it.
    pub(crate) fn is_quick(self) -> bool {
        matches!(self, Self::Fmt | Self::Clippy | Self::Unit | Self::Doc)
    }

    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::Fmt | Self::Deny => &[],
            Self::Clippy | Self::Unit | Self::Doc => &TO_COMPILE,
            Self::Fuzz => &TO_FUZZ,
            Self::Lab | Self::EndToEnd => &FOR_THE_LAB,
            Self::Guest => &FOR_THE_GUEST,
        }
    }

    /// The commands, in order. `deny` and `fuzz` have their own ways, see [`crate::deny`] and
    /// [`crate::fuzz`].
    pub(crate) fn steps(self, quick: bool) -> &'static [Step] {
        match self {
            Self::Fmt => &FMT,
            Self::Clippy => &CLIPPY,
            Self::Deny | Self::Fuzz => &[],
            Self::Unit => &UNIT,
            Self::Doc if quick => &DOC[..1],
            Self::Doc => &DOC,
            Self::Lab => &LAB,
            Self::EndToEnd => &END_TO_END,
            Self::Guest => &GUEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_str(suite.name(), false), Ok(suite));
        }
        assert!(Suite::ALL.is_sorted());
    }

    #[test]
    fn quick_needs_nothing_but_a_compiler() {
        for suite in Suite::ALL.into_iter().filter(|suite| suite.is_quick()) {
            assert!(
                suite.needs().iter().all(|need| TO_COMPILE.contains(need)),
                "{suite:?}"
            );
        }
    }

    #[test]
    fn every_suite_has_commands_or_its_own_way() {
        for suite in Suite::ALL {
            assert_eq!(
                suite.steps(false).is_empty(),
                matches!(suite, Suite::Deny | Suite::Fuzz),
                "{suite:?}"
            );
        }
        assert!(Suite::Doc.steps(true).len() < Suite::Doc.steps(false).len());
    }
}
