//! A repository that somebody forged who knows its password: whatever it names, nothing outside of
//! the target changes, the exit code is right, and nothing panics.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;

use backup_store::testing::{ForgedEntry, ForgedKind, compare_trees, forge};
use end_to_end::{DockerHost, DockerHostOptions, Ended};
use lab::isolation::isolated;

const FILE: ForgedKind = ForgedKind::File { bytes: 100 };

fn forged(at: &str, name: &str, kind: ForgedKind) -> ForgedEntry {
    let (at, name) = (at.into(), name.to_owned());
    ForgedEntry { at, name, kind }
}

struct Scene(DockerHost);

impl Scene {
    fn new() -> Self {
        let host = DockerHost::build(&DockerHostOptions::default());
        host.run("docker-backup", &["init"]).expect_code(0);
        // The folder with the state is made before anything is looked at.
        host.run("docker-backup", &["snapshots"]).expect_code(0);
        let outside = host.dir.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "as it was").unwrap();
        Self(host)
    }

    fn forge(&self, stack: &str, entries: Vec<ForgedEntry>) {
        let repository = self.0.nas.repository();
        forge(&repository, "a password of the lab", stack, entries).unwrap();
    }

    /// Restores a stack to a folder, and looks whether anything outside of it changed.
    fn restore(&self, stack: &str, to: &Path) -> Ended {
        let host = &self.0;
        let (outside, copy) = (host.dir.join("outside"), host.dir.join("copy"));
        let mut copying = Command::new("cp");
        copying.arg("--archive").args([&outside, &copy]);
        assert!(copying.status().unwrap().success());
        let before = names(&host.dir);
        let ended = host.run(
            "docker-backup",
            &["restore", stack, "--to", to.to_str().unwrap()],
        );
        assert!(!ended.err.contains("panicked"), "{ended:?}");
        let differences = compare_trees(&outside, &copy);
        assert!(differences.is_empty(), "{stack}: {differences:#?}");
        let mut after = names(&host.dir);
        after.retain(|name| before.contains(name) || *name != to.file_name().unwrap());
        assert_eq!(after, before, "{stack}");
        fs::remove_dir_all(&copy).unwrap();
        ended
    }
}

fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    isolated(|| {
        let scene = Scene::new();
        let outside = scene.0.dir.join("outside");
        let absolute = outside.join("evil");
        let link = ForgedKind::Link {
            to: outside.clone(),
        };
        let hostile = [
            (
                "absolute",
                vec![forged("a/b", absolute.to_str().unwrap(), FILE)],
            ),
            ("above", vec![forged("a/b", "../../outside/precious", FILE)]),
            (
                "dots",
                vec![
                    forged("a/b", "..", ForgedKind::Directory),
                    forged("a/b/c", "evil", FILE),
                ],
            ),
            // A link, and then a directory and a file of its name that would be gone through.
            (
                "folder-link",
                vec![
                    forged("a", "a", link.clone()),
                    forged("a", "a", ForgedKind::Directory),
                    forged("a/evil", "evil", FILE),
                ],
            ),
            (
                "file-link",
                vec![
                    forged(
                        "a",
                        "a",
                        ForgedKind::Link {
                            to: outside.join("precious"),
                        },
                    ),
                    forged("a", "a", FILE),
                ],
            ),
        ];
        for (stack, entries) in hostile {
            scene.forge(stack, entries);
            let ended = scene.restore(stack, &scene.0.dir.join("target"));
            ended.expect_code(4);
            assert!(ended.err.contains("unsafe name"), "{ended:?}");
            fs::remove_dir(scene.0.dir.join("target")).unwrap();
            // Nor is it compared or exported.
            let archive = scene.0.dir.join("archive");
            let archive = archive.to_str().unwrap();
            let ended = scene.0.run("docker-backup", &["export", stack, archive]);
            assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        }
    });
}

#[test]
fn what_is_odd_and_harmless_is_restored() {
    isolated(|| {
        let scene = Scene::new();
        let target = scene.0.dir.join("target");
        // A link to elsewhere is a link, and what comes after it lies beside it.
        scene.forge(
            "links",
            vec![
                ForgedEntry::honest(
                    "a",
                    ForgedKind::Link {
                        to: scene.0.dir.join("outside"),
                    },
                ),
                ForgedEntry::honest("b/c", FILE),
                ForgedEntry::honest("device", ForgedKind::BlockDevice { device: 0x0801 }),
            ],
        );
        scene.restore("links", &target).expect_code(0);
        assert!(target.join("a").is_symlink());
        let device = fs::symlink_metadata(target.join("device")).unwrap();
        assert!(device.file_type().is_block_device());
        assert_eq!(fs::metadata(target.join("b/c")).unwrap().len(), 100);
        fs::remove_dir_all(&target).unwrap();

        let deep = vec!["n".repeat(100); 300].join("/");
        scene.forge("deep", vec![ForgedEntry::honest(deep, FILE)]);
        let ended = scene.restore("deep", &target);
        assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
        let long = "n".repeat(300);
        scene.forge("long", vec![ForgedEntry::honest(long, FILE)]);
        let other = scene.0.dir.join("other");
        scene.restore("long", &other).expect_code(1);
    });
}

#[test]
fn a_planted_target_is_refused_and_a_full_one_is_an_error() {
    isolated(|| {
        let scene = Scene::new();
        let dir = &scene.0.dir;
        let sizes = ["a", "b", "c"]
            .map(|name| ForgedEntry::honest(name, ForgedKind::File { bytes: 3 << 20 }));
        scene.forge("large", sizes.to_vec());
        // The target itself a link, or with a link in it where the snapshot has a file.
        symlink("outside", dir.join("linked")).unwrap();
        scene.restore("large", &dir.join("linked")).expect_code(4);
        let planted = dir.join("planted");
        fs::create_dir(&planted).unwrap();
        symlink(dir.join("outside/precious"), planted.join("a")).unwrap();
        scene.restore("large", &planted).expect_code(4);
        assert_eq!(names(&planted), ["a"]);

        let full = dir.join("full");
        fs::create_dir(&full).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("none", &full, "tmpfs", flags, Some(c"size=4m")).unwrap();
        let ended = scene.restore("large", &full.join("target"));
        ended.expect_code(1);
        assert!(ended.err.contains("No space left on device"), "{ended:?}");
        let archive = full.join("archive");
        let ended = scene.0.run(
            "docker-backup",
            &["export", "large", archive.to_str().unwrap()],
        );
        ended.expect_code(1);
        assert_eq!(names(&full), ["target"]);
    });
}
