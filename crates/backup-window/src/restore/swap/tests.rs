use std::os::unix::fs::symlink;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::*;

/// What lies where, by name: enough to tell the old from the new.
fn tree(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path_of = entry.unwrap().path();
            let name = path_of.strip_prefix(path).unwrap().display().to_string();
            let metadata = fs::symlink_metadata(&path_of).unwrap();
            if metadata.is_dir() {
                found.push(format!("{name}/ {:o}", metadata.mode() & 0o777));
                folders.push(path_of);
            } else if metadata.is_file() {
                found.push(format!("{name} = {}", fs::read_to_string(path_of).unwrap()));
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    let mode = fs::metadata(path).unwrap().mode() & 0o777;
    found.push(format!("{mode:o}"));
    found
}

fn scene(how: How, keep: &[&str]) -> (tempfile::TempDir, Swap) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let staging = match how {
        How::Children => path.join(".backup-window-restore-0"),
        _ => dir.path().join(".backup-window-restore-0"),
    };
    if how != How::Move {
        fs::create_dir_all(path.join("sub/cache")).unwrap();
        fs::write(path.join("a"), "old").unwrap();
        fs::write(path.join("only before"), "old").unwrap();
        fs::write(path.join("sub/cache/film"), "kept").unwrap();
        symlink("/nonexistent", path.join("link")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
    }
    let other = staging.join("volumes/data");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("a"), "new").unwrap();
    fs::write(other.join("only now"), "new").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o700)).unwrap();
    let inode = fs::metadata(&other).unwrap().ino();
    let swap = Swap {
        path,
        staging,
        other,
        how,
        inode,
        keep: keep.iter().map(|&text| text.to_owned()).collect(),
        within: PathBuf::new(),
    };
    (dir, swap)
}

#[test]
fn the_restored_data_takes_the_place_and_what_is_left_out_of_backups_stays() {
    for how in [How::Exchange, How::Children] {
        let (_dir, swap) = scene(how, &["/sub/cache/**"]);
        swap.swap().unwrap();
        swap.clear().unwrap();
        assert_eq!(
            tree(&swap.path),
            [
                "a = new",
                "only now = new",
                "sub/ 755",
                "sub/cache/ 755",
                "sub/cache/film = kept",
                "700"
            ],
            "{how:?}"
        );
    }
    let (_dir, swap) = scene(How::Move, &[]);
    swap.swap().unwrap();
    assert_eq!(tree(&swap.path), ["a = new", "only now = new", "700"]);
}

#[test]
fn whatever_was_done_of_it_is_undone() {
    for how in [How::Exchange, How::Children] {
        for swapped in [false, true] {
            let (_dir, swap) = scene(how, &["/sub/cache/**"]);
            let (_other, before) = scene(how, &[]);
            before.clear().unwrap();
            if swapped {
                swap.swap().unwrap();
            }
            // Also when the undoing itself is not the first.
            swap.undo().unwrap();
            swap.undo().unwrap();
            swap.clear().unwrap();
            assert_eq!(tree(&swap.path), tree(&before.path), "{how:?} {swapped}");
        }
    }
    let (_dir, swap) = scene(How::Move, &[]);
    swap.swap().unwrap();
    swap.undo().unwrap();
    assert!(!swap.path.exists());
    swap.clear().unwrap();
}

#[test]
fn an_exchange_in_three_steps_is_undone_after_each() {
    for steps in 1..=3 {
        let (_dir, swap) = scene(How::Exchange, &[]);
        let before = tree(&swap.path);
        let renames = [
            (swap.path.clone(), swap.old()),
            (swap.other.clone(), swap.path.clone()),
            (swap.old(), swap.other.clone()),
        ];
        for (from, to) in &renames[..steps] {
            fs::rename(from, to).unwrap();
        }
        swap.undo().unwrap();
        assert_eq!(tree(&swap.path), before, "after {steps} steps");
    }
}

proptest! {
    #![proptest_config(Config {
        rng_seed: RngSeed::Fixed(20_261_123),
        cases: 64,
        ..Config::default()
    })]

    /// Cut short anywhere in moving one after the other, what was there comes back whole.
    #[test]
    fn moving_one_after_the_other_is_undone_from_anywhere(
        taken_out in 0..5_usize, put_in in 0..3_usize, undone in 0..3_usize,
    ) {
        let (_dir, swap) = scene(How::Children, &[]);
        let (_other, before) = scene(How::Children, &[]);
        before.clear().unwrap();
        let children = |path: &Path| {
            let mut children: Vec<PathBuf> =
                fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            children.retain(|path| *path != swap.staging);
            children.sort();
            children
        };
        let move_some = |from: &Path, to: &Path, count: usize| {
            let all = children(from);
            for child in all.iter().take(count) {
                fs::rename(child, to.join(child.file_name().unwrap())).unwrap();
            }
            count >= all.len()
        };
        fs::create_dir(swap.old()).unwrap();
        copy_attributes(&swap.path, &swap.old()).unwrap();
        if move_some(&swap.path, &swap.old(), taken_out) {
            File::create(swap.filling()).unwrap();
            move_some(&swap.other, &swap.path, put_in);
            fs::create_dir(swap.staging.join("undone")).unwrap();
            move_some(&swap.path, &swap.staging.join("undone"), undone);
        }
        swap.undo().unwrap();
        swap.clear().unwrap();
        prop_assert_eq!(tree(&swap.path), tree(&before.path));
    }
}
