use jiff::{ToSpan, civil::date};
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use rustic_core::Id;

use super::*;

const HOST: &str = "docker01";

fn id(number: u64) -> SnapshotId {
    SnapshotId::new(format!("{number:064x}").parse::<Id>().unwrap())
}

fn snapshot(number: u64, time: &str) -> Snapshot {
    at(number, time.parse().unwrap())
}

fn at(number: u64, time: Timestamp) -> Snapshot {
    Snapshot {
        id: id(number),
        time,
        stack: "wiki".to_owned(),
        host: HOST.to_owned(),
        made_here: true,
        tags: Vec::new(),
        paths: Vec::new(),
        files: Some(1),
        processed_bytes: Some(1000),
    }
}

fn tagged(tag: &str, snapshot: Snapshot) -> Snapshot {
    Snapshot {
        tags: vec![tag.to_owned()],
        ..snapshot
    }
}

fn sized(bytes: u64, snapshot: Snapshot) -> Snapshot {
    Snapshot {
        processed_bytes: Some(bytes),
        ..snapshot
    }
}

fn rules(keep: Keep) -> RetentionRules {
    RetentionRules::new(HOST, keep, TimeZone::get("Europe/Paris").unwrap())
}

fn now() -> Timestamp {
    "2026-12-31T12:00:00Z".parse().unwrap()
}

/// The numbers of the snapshots that stay.
fn kept(snapshots: &[Snapshot], rules: &RetentionRules) -> Vec<u64> {
    let forgotten = retain(snapshots, rules, now()).forgotten();
    snapshots
        .iter()
        .enumerate()
        .filter(|(_, snapshot)| !forgotten.contains(&snapshot.id))
        .map(|(index, _)| index as u64)
        .collect()
}

/// A snapshot each night at 03:00 in Paris, from 1 January 2026 on, numbered from 0.
fn nightly(nights: i64) -> Vec<Snapshot> {
    let paris = TimeZone::get("Europe/Paris").unwrap();
    (0..nights)
        .map(|night| {
            let date = date(2026, 1, 1).checked_add(night.days()).unwrap();
            let time = paris.to_ambiguous_timestamp(date.at(3, 0, 0, 0));
            at(night.unsigned_abs(), time.compatible().unwrap())
        })
        .collect()
}

#[test]
fn a_year_of_nights_leaves_what_the_rules_say() {
    let keep = Keep {
        last: 3,
        daily: 7,
        weekly: 4,
        monthly: 6,
        yearly: 2,
    };
    let year = nightly(365);
    // Daily 358 to 364; the Sundays 346, 353, 360 (13, 20, 27 December) and the running week's
    // 364; the last days of July to November, and 31 December.
    assert_eq!(
        kept(&year, &rules(keep)),
        [
            211, 242, 272, 303, 333, 346, 353, 358, 359, 360, 361, 362, 363, 364
        ]
    );
}

#[test]
fn forgetting_every_night_leaves_the_same_as_forgetting_once() {
    let keep = Keep {
        last: 2,
        daily: 7,
        weekly: 5,
        monthly: 12,
        yearly: 1,
    };
    let rules = rules(keep);
    let mut repository: Vec<Snapshot> = Vec::new();
    for night in nightly(400) {
        repository.push(night);
        let forgotten = retain(&repository, &rules, now()).forgotten();
        repository.retain(|snapshot| !forgotten.contains(&snapshot.id));
    }
    let all = nightly(400);
    let at_once: Vec<_> = kept(&all, &rules).into_iter().map(id).collect();
    let nightly: Vec<_> = repository.iter().map(|snapshot| snapshot.id).collect();
    assert_eq!(nightly, at_once);
}

#[test]
fn days_are_those_of_the_house_through_summer_time() {
    // In Paris, all three are on 29 March 2026, the day on which summer time begins, which has 23
    // hours; in UTC, the first is on the 28th. The last is on the 30th, though it is the 29th in UTC.
    let snapshots = [
        snapshot(0, "2026-03-28T23:10:00Z"),
        snapshot(1, "2026-03-29T00:59:00Z"),
        snapshot(2, "2026-03-29T21:59:00Z"),
        snapshot(3, "2026-03-29T22:01:00Z"),
    ];
    let daily = Keep {
        daily: 9,
        ..Keep::default()
    };
    assert_eq!(kept(&snapshots, &rules(daily)), [2, 3]);

    // The day on which it ends has 25 hours, and the hour from two to three twice.
    let snapshots = [
        snapshot(0, "2026-10-24T22:01:00Z"),
        snapshot(1, "2026-10-25T00:30:00Z"),
        snapshot(2, "2026-10-25T01:30:00Z"),
        snapshot(3, "2026-10-25T22:59:00Z"),
        snapshot(4, "2026-10-25T23:01:00Z"),
    ];
    assert_eq!(kept(&snapshots, &rules(daily)), [3, 4]);
}

#[test]
fn nights_that_were_missed_leave_no_fewer() {
    let years_apart = [
        snapshot(0, "2019-05-01T03:00:00Z"),
        snapshot(1, "2021-05-01T03:00:00Z"),
        snapshot(2, "2025-05-01T03:00:00Z"),
    ];
    let keep = Keep {
        daily: 3,
        ..Keep::default()
    };
    assert_eq!(kept(&years_apart, &rules(keep)), [0, 1, 2]);
}

#[test]
fn a_week_belongs_to_the_year_of_its_thursday() {
    let snapshots = [
        snapshot(0, "2025-12-29T03:00:00Z"),
        snapshot(1, "2026-01-04T03:00:00Z"),
        snapshot(2, "2026-01-05T03:00:00Z"),
    ];
    let keep = Keep {
        weekly: 2,
        ..Keep::default()
    };
    assert_eq!(kept(&snapshots, &rules(keep)), [1, 2]);
}

#[test]
fn the_last_good_one_outlives_any_number_of_others() {
    let mut snapshots = nightly(10);
    for snapshot in &mut snapshots[3..] {
        snapshot.tags.push(TAG_INCOMPLETE.to_owned());
    }
    assert_eq!(kept(&snapshots, &rules(Keep::default())), [2, 9]);
}

#[test]
fn the_good_one_stands_for_its_day() {
    let snapshots = [
        snapshot(0, "2026-05-01T03:00:00Z"),
        tagged(TAG_INCOMPLETE, snapshot(1, "2026-05-01T09:00:00Z")),
        snapshot(2, "2026-05-02T03:00:00Z"),
    ];
    let keep = Keep {
        daily: 2,
        ..Keep::default()
    };
    assert_eq!(kept(&snapshots, &rules(keep)), [0, 2]);
}

#[test]
fn others_snapshots_are_none_of_our_business() {
    let mut snapshots = nightly(4);
    snapshots[0].made_here = false;
    snapshots[1].host = "docker02".to_owned();
    let retention = retain(&snapshots, &rules(Keep::default()), now());
    assert_eq!(retention.verdicts.len(), 2);
    assert_eq!(retention.forgotten(), [id(2)]);
}

#[test]
fn every_stack_is_judged_by_itself() {
    let mut snapshots = nightly(4);
    // It is gone since the first night.
    snapshots[0].stack = "gone".to_owned();
    assert_eq!(kept(&snapshots, &rules(Keep::default())), [0, 3]);
}

#[test]
fn a_live_copy_goes_when_something_follows_it() {
    let mut snapshots = vec![
        tagged(TAG_LIVE, snapshot(0, "2026-05-01T03:00:00Z")),
        tagged(TAG_LIVE, snapshot(1, "2026-05-02T03:00:00Z")),
    ];
    assert_eq!(kept(&snapshots, &rules(Keep::default())), [1]);
    snapshots.push(snapshot(2, "2026-05-02T03:01:00Z"));
    assert_eq!(kept(&snapshots, &rules(Keep::default())), [2]);
}

#[test]
fn a_safety_snapshot_stays_for_its_time_and_counts_for_nothing() {
    let snapshots = [
        snapshot(0, "2026-11-01T03:00:00Z"),
        tagged(TAG_SAFETY, snapshot(1, "2026-12-01T11:59:59Z")),
        tagged(TAG_SAFETY, snapshot(2, "2026-12-01T12:00:00Z")),
    ];
    assert_eq!(kept(&snapshots, &rules(Keep::default())), [0, 2]);
}

#[test]
fn a_stack_that_shrank_forgets_nothing_until_that_is_accepted() {
    let mut snapshots = nightly(5);
    for (snapshot, bytes) in snapshots.iter_mut().zip([1000, 900, 449, 449, 449]) {
        *snapshot = sized(bytes, snapshot.clone());
    }
    let mut rules = rules(Keep::default());
    let retention = retain(&snapshots, &rules, now());
    assert_eq!(retention.forgotten(), []);
    let [shrunk] = retention.shrunk.as_slice() else {
        panic!("one stack shrank: {:?}", retention.shrunk);
    };
    assert_eq!((shrunk.before, shrunk.before_bytes), (id(1), 900));
    assert_eq!((shrunk.after, shrunk.after_bytes), (id(4), 449));

    // What comes after the acceptance is compared with what was accepted.
    rules.accepted.insert("wiki".to_owned(), snapshots[4].time);
    assert_eq!(kept(&snapshots, &rules), [4]);
    let mut later = snapshots.clone();
    later.extend(nightly(6).into_iter().skip(5).map(|last| sized(1, last)));
    assert_eq!(kept(&later, &rules).len(), 6);
}

#[test]
fn growing_back_ends_the_alarm_and_half_is_enough() {
    let mut snapshots = nightly(4);
    for (snapshot, bytes) in snapshots.iter_mut().zip([1000, 1, 500, 600]) {
        *snapshot = sized(bytes, snapshot.clone());
    }
    assert_eq!(kept(&snapshots[..2], &rules(Keep::default())), [0, 1]);
    assert_eq!(kept(&snapshots, &rules(Keep::default())), [3]);
}

#[test]
fn without_an_alarm_nothing_pauses() {
    let snapshots = [
        sized(1000, snapshot(0, "2026-05-01T03:00:00Z")),
        sized(0, snapshot(1, "2026-05-02T03:00:00Z")),
    ];
    let never = RetentionRules {
        shrink_alarm_percent: 100,
        ..rules(Keep::default())
    };
    assert_eq!(kept(&snapshots, &never), [1]);
}

prop_compose! {
    fn any_snapshot()(
        hours in 0..40_000_i64,
        stack in 0..3_u8,
        tag in prop_oneof![
            4 => Just(None),
            2 => Just(Some(TAG_INCOMPLETE)),
            1 => Just(Some(TAG_LIVE)),
            1 => Just(Some(TAG_SAFETY)),
        ],
        bytes in prop_oneof![Just(None), (0..10_000_u64).prop_map(Some)],
        made_here in prop::bool::weighted(0.9),
    ) -> Snapshot {
        let time = Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap();
        Snapshot {
            stack: format!("stack{stack}"),
            tags: tag.map(str::to_owned).into_iter().collect(),
            processed_bytes: bytes,
            made_here,
            ..at(0, time)
        }
    }
}

fn any_keep() -> impl Strategy<Value = Keep> {
    (0..5_u32, 0..9_u32, 0..6_u32, 0..14_u32, 0..4_u32).prop_map(
        |(last, daily, weekly, monthly, yearly)| Keep {
            last,
            daily,
            weekly,
            monthly,
            yearly,
        },
    )
}

fn is_regular(snapshot: &Snapshot) -> bool {
    let special = [TAG_LIVE, TAG_SAFETY];
    !snapshot
        .tags
        .iter()
        .any(|tag| special.contains(&tag.as_str()))
}

proptest! {
    #![proptest_config(Config { rng_seed: RngSeed::Fixed(20_261_123), ..Config::default() })]

    #[test]
    fn whatever_is_forgotten_the_promises_hold(
        snapshots in prop::collection::vec(any_snapshot(), 0..60),
        keep in any_keep(),
        alarm in prop_oneof![Just(100_u8), 0..=100_u8],
    ) {
        let snapshots: Vec<Snapshot> = snapshots
            .into_iter()
            .enumerate()
            .map(|(number, snapshot)| Snapshot { id: id(number as u64), ..snapshot })
            .collect();
        let rules = RetentionRules { shrink_alarm_percent: alarm, ..rules(keep) };
        let retention = retain(&snapshots, &rules, now());
        let forgotten = retention.forgotten();
        for snapshot in &snapshots {
            // Nobody else's is ever forgotten.
            prop_assert!(snapshot.made_here || !forgotten.contains(&snapshot.id));
        }
        for stack in ["stack0", "stack1", "stack2"] {
            let mut own: Vec<_> = snapshots
                .iter()
                .filter(|snapshot| {
                    snapshot.made_here && snapshot.stack == stack && is_regular(snapshot)
                })
                .collect();
            own.sort_by_key(|snapshot| (snapshot.time, snapshot.id));
            let stays = |snapshot: &&&Snapshot| !forgotten.contains(&snapshot.id);
            // The last good one stays, and the newest, and as many as were asked for.
            let is_good = |snapshot: &&&Snapshot| snapshot.tags.is_empty();
            prop_assert!(own.iter().rev().find(is_good).is_none_or(|good| stays(&good)));
            prop_assert!(own.last().is_none_or(|newest| stays(&newest)));
            let count = own.iter().filter(stays).count();
            let most = [keep.last, 1].into_iter().max().unwrap() as usize;
            prop_assert!(count >= most.min(own.len()));
            // Who shrank keeps everything.
            if retention.shrunk.iter().any(|shrunk| shrunk.stack == stack) {
                prop_assert_eq!(count, own.len());
            }
        }
        // What is left is not judged differently: forgetting is done once.
        let left: Vec<_> = snapshots
            .iter()
            .filter(|snapshot| !forgotten.contains(&snapshot.id))
            .cloned()
            .collect();
        if retention.shrunk.is_empty() && alarm == 100 {
            prop_assert_eq!(retain(&left, &rules, now()).forgotten(), []);
        }
    }
}
