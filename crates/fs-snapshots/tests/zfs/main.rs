//! Snapshots of ZFS, with a stand-in for `zfs` that keeps how it was called. What it answers is what
//! OpenZFS 2.1 to 2.3 answers.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::{fs, os::unix::fs::symlink, path::PathBuf, sync::Arc, time::Duration};

use fs_snapshots::{
    Holder, Ledger, NotServed, Origin, Owner, SnapshotError, SnapshotId, Snapshotter,
    SystemOptions, SystemSnapshotter,
};
use jiff::Timestamp;
use tempfile::TempDir;

/// The program that is a stand-in. A link to it, because a file that a test writes cannot be run
/// while another test starts a program: the child holds it open for a moment.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zfs/zfs");

const NAME: &str = "backup-window-nas-20260301T030000Z-0";

/// A machine with a dataset `tank/my apps`, mounted at `mounted` (as `legacy` or not: the kernel tells
/// no difference), one more mounted in it, and a part of it bound elsewhere.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self { folder };
        for path in ["mounted/wiki", "mounted/deep/dataset", "bound", "programs"] {
            fs::create_dir_all(machine.path(path)).unwrap();
        }
        symlink(STAND_IN, machine.path("zfs")).unwrap();
        let at = machine.path("").display().to_string();
        let mounts = format!(
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
             2 1 0:40 / {at}mounted rw,noatime shared:2 - zfs tank/my\\040apps rw,xattr,posixacl\n\
             3 2 0:41 / {at}mounted/deep/dataset rw - zfs tank/my\\040apps/deep rw\n\
             4 1 0:40 /wiki {at}bound rw - zfs tank/my\\040apps rw\n"
        );
        fs::write(machine.path("mountinfo"), mounts).unwrap();
        machine
    }

    fn path(&self, within: &str) -> PathBuf {
        self.folder.path().join(within)
    }

    fn snapshotter(&self) -> SystemSnapshotter {
        let options = SystemOptions {
            programs: vec![self.path("programs"), self.path("")],
            mountinfo: self.path("mountinfo"),
            deadline: Duration::from_mins(1),
        };
        SystemSnapshotter::new(Owner::new("nas"), options)
    }

    fn answer(&self, how: &str, text: &str) {
        fs::write(self.path(how), text).unwrap();
    }

    /// How the stand-in was called, without what its environment held.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls
            .lines()
            .map(|line| {
                let (call, environment) = line.split_once(" environment: ").unwrap();
                // The shell sets `PWD` and `_` itself.
                let given = environment
                    .split_whitespace()
                    .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
                assert_eq!(given.collect::<Vec<_>>(), ["LC_ALL", "PATH"]);
                call.to_owned()
            })
            .collect()
    }

    fn origin(&self) -> Origin {
        Origin::Zfs {
            dataset: "tank/my apps".to_owned(),
            mount_point: self.path("mounted"),
        }
    }
}

fn now() -> Timestamp {
    "2026-03-01T03:00:00Z".parse().unwrap()
}

fn zfs(snapshot: &str) -> SnapshotId {
    SnapshotId::Zfs {
        snapshot: snapshot.to_owned(),
    }
}

#[tokio::test]
async fn a_path_is_served_by_the_dataset_that_is_mounted_there() {
    let machine = Machine::new();
    let link = machine.path("link");
    symlink(machine.path("mounted/wiki"), &link).unwrap();
    let paths = [
        machine.path("mounted/wiki"),
        link.clone(),
        machine.path("mounted"),
        machine.path("bound"),
        machine.path("programs"),
        machine.path("missing"),
    ];
    let answers = machine.snapshotter().survey(&paths).await;
    for (answer, asked) in answers[..2].iter().zip(&paths) {
        let served = answer.as_ref().unwrap();
        assert_eq!(served.asked, *asked);
        assert_eq!(served.path, machine.path("mounted/wiki"));
        assert_eq!(served.origin, machine.origin());
    }
    let why: Vec<_> = answers
        .into_iter()
        .skip(2)
        .map(Result::unwrap_err)
        .collect();
    assert_eq!(
        why[..3],
        [
            NotServed::MountBeneath {
                mount_point: machine.path("mounted/deep/dataset"),
                file_system: "zfs".to_owned(),
            },
            NotServed::PartOnly {
                of: "ZFS dataset",
                mount_point: machine.path("bound"),
            },
            NotServed::NoSnapshots {
                file_system: "ext4".to_owned(),
            },
        ]
    );
    assert!(matches!(&why[3], NotServed::NotThere { path, .. } if path.ends_with("missing")));
    assert_eq!(machine.calls(), Vec::<String>::new(), "nobody was asked");
}

#[tokio::test]
async fn without_the_program_nothing_is_served() {
    let machine = Machine::new();
    fs::remove_file(machine.path("zfs")).unwrap();
    let answers = machine
        .snapshotter()
        .survey(&[machine.path("mounted/wiki")])
        .await;
    assert_eq!(
        answers[0].as_ref().unwrap_err().to_string(),
        "`zfs` is not installed, which makes snapshots of ZFS (package zfsutils-linux)"
    );
    let error = machine
        .snapshotter()
        .remove(&zfs(&format!("tank@{NAME}")))
        .await
        .unwrap_err();
    assert!(matches!(error, SnapshotError::ProgramMissing { .. }));
}

#[tokio::test]
async fn a_hold_takes_two_calls() {
    let machine = Machine::new();
    let ledger = Ledger::new(machine.path("state/snapshots.json"));
    let holder = Holder::new(Arc::new(machine.snapshotter()), ledger.clone());
    let path = machine.path("mounted/wiki");
    let served = holder.survey(std::slice::from_ref(&path)).await;
    let served: Vec<_> = served.into_iter().flatten().collect();
    let prepared = holder.prepare(served, now()).await.unwrap();
    assert_eq!(machine.calls(), Vec::<String>::new(), "written down only");
    assert_eq!(ledger.owed().await.unwrap().len(), 1);

    let held = prepared.take().await;
    assert!(held.failures().is_empty(), "{:?}", held.failures());
    let expected = format!("mounted/.zfs/snapshot/{NAME}/wiki");
    assert_eq!(held.path_of(&path), Some(machine.path(&expected)));
    let removal = held.release().await.unwrap();
    assert!(removal.left.is_empty(), "{:?}", removal.left);
    assert_eq!(
        machine.calls(),
        [
            format!("[snapshot][tank/my apps@{NAME}]"),
            format!("[destroy][tank/my apps@{NAME}]"),
        ]
    );
    assert!(!ledger.path().exists());
}

#[tokio::test]
async fn errors_say_what_was_run_and_what_it_said() {
    let machine = Machine::new();
    machine.answer(
        "snapshot.says",
        "cannot create snapshot 'tank/my apps@x': out of space\n",
    );
    let name = Owner::new("nas").name(now(), 0);
    let error = machine
        .snapshotter()
        .create(&machine.origin(), &name)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "do what `zfs snapshot tank/my apps@{NAME}` should: cannot create snapshot \
             'tank/my apps@x': out of space"
        )
    );
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_seen_is_an_error() {
    let machine = Machine::new();
    let origin = Origin::Zfs {
        dataset: "tank".to_owned(),
        mount_point: machine.path("bound"),
    };
    let name = Owner::new("nas").name(now(), 0);
    let error = machine
        .snapshotter()
        .create(&origin, &name)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SnapshotError::NotVisible { path, .. } if path.starts_with(machine.path("bound"))),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_gone_is_removed_and_what_is_busy_is_tried_again() {
    let machine = Machine::new();
    let snapshot = zfs(&format!("tank/my apps@{NAME}"));
    machine.answer(
        "destroy.says",
        "could not find any snapshots to destroy; check snapshot names.\n",
    );
    machine.snapshotter().remove(&snapshot).await.unwrap();
    machine.answer(
        "destroy.says",
        "cannot open 'tank/my apps': dataset does not exist\n",
    );
    machine.snapshotter().remove(&snapshot).await.unwrap();
    fs::remove_file(machine.path("destroy.says")).unwrap();

    let before = machine.calls().len();
    machine.answer(
        "destroy.once",
        "cannot destroy snapshot tank/my apps@x: dataset is busy\n",
    );
    machine.snapshotter().remove(&snapshot).await.unwrap();
    assert_eq!(machine.calls().len(), before + 2);

    machine.answer(
        "destroy.says",
        "cannot destroy snapshot tank/my apps@x: dataset is busy\n",
    );
    let error = machine.snapshotter().remove(&snapshot).await.unwrap_err();
    assert!(error.to_string().contains("is busy"), "{error}");
}

#[tokio::test]
async fn nobody_else_s_snapshot_is_touched() {
    let machine = Machine::new();
    for name in [
        "tank@autosnap_2026-03-01_03:00:00_daily",
        "tank/my apps",
        "tank@",
        "",
        "-R",
    ] {
        let error = machine.snapshotter().remove(&zfs(name)).await.unwrap_err();
        assert!(matches!(error, SnapshotError::NotOurs { .. }), "{name}");
    }
    assert_eq!(machine.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn leftovers_are_asked_for_where_there_is_zfs() {
    let machine = Machine::new();
    machine.answer(
        "list.prints",
        &format!(
            "tank@autosnap_2026-03-01_03:00:00_daily\ntank/my apps@{NAME}\n\
             tank@backup-window-other-20260301T030000Z-0\n"
        ),
    );
    let ledger = Ledger::new(machine.path("snapshots.json"));
    let owed = zfs("tank@backup-window-oldname-20260228T030000Z-3");
    ledger.add(std::slice::from_ref(&owed)).await.unwrap();
    let holder = Holder::new(Arc::new(machine.snapshotter()), ledger.clone());
    let removal = holder.recover().await.unwrap();
    assert!(removal.left.is_empty() && removal.not_listed.is_none());
    assert_eq!(removal.gone, [owed, zfs(&format!("tank/my apps@{NAME}"))]);
    assert_eq!(
        machine.calls(),
        [
            "[list][-H][-p][-t][snapshot][-o][name]".to_owned(),
            "[destroy][tank@backup-window-oldname-20260228T030000Z-3]".to_owned(),
            format!("[destroy][tank/my apps@{NAME}]"),
        ]
    );

    fs::remove_file(machine.path("calls")).unwrap();
    fs::write(
        machine.path("mountinfo"),
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n",
    )
    .unwrap();
    let removal = holder.recover().await.unwrap();
    assert!(removal.gone.is_empty() && removal.not_listed.is_none());
    assert_eq!(machine.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_program_that_hangs_is_killed() {
    let machine = Machine::new();
    machine.answer("snapshot.hangs", "");
    let options = SystemOptions {
        programs: vec![machine.path("")],
        mountinfo: machine.path("mountinfo"),
        deadline: Duration::from_millis(300),
    };
    let snapshotter = SystemSnapshotter::new(Owner::new("nas"), options);
    let name = Owner::new("nas").name(now(), 0);
    let error = snapshotter
        .create(&machine.origin(), &name)
        .await
        .unwrap_err();
    assert!(
        matches!(error, SnapshotError::DeadlinePassed { .. }),
        "{error:?}"
    );
}
