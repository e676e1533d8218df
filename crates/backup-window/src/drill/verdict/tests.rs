use proptest::prelude::*;

use super::*;

fn well() -> Findings {
    Findings {
        containers: vec![ContainerEnd {
            container: "db".to_owned(),
            life: Life::Healthy,
        }],
        checks: vec![check(Some(0), Some(false))],
        ..Findings::default()
    }
}

fn check(code: Option<i64>, passes_on_empty: Option<bool>) -> CheckEnd {
    CheckEnd {
        container: "db".to_owned(),
        command: "count".to_owned(),
        code,
        said: "3 rows".to_owned(),
        passes_on_empty,
    }
}

fn verdict_with(change: impl Fn(&mut Findings)) -> Verdict {
    let mut findings = well();
    change(&mut findings);
    judge(&findings).0
}

#[test]
fn each_rule_decides() {
    use Verdict::{Inconclusive, Pass, Unusable};
    let life = |life: Life| move |f: &mut Findings| f.containers[0].life = life.clone();
    let with = |check: CheckEnd| move |f: &mut Findings| f.checks = vec![check.clone()];
    assert_eq!(verdict_with(|_| {}), Pass);
    assert_eq!(verdict_with(|f| f.checks.clear()), Pass);
    assert_eq!(
        verdict_with(|f| f.handicaps = vec!["no devices".to_owned()]),
        Pass
    );
    assert_eq!(
        verdict_with(|f| f.unreadable = Some("damaged".to_owned())),
        Unusable
    );
    assert_eq!(
        verdict_with(|f| f.differences = vec!["a: mode".to_owned()]),
        Unusable
    );
    assert_eq!(
        verdict_with(|f| f.untried = Some("no image".to_owned())),
        Inconclusive
    );
    assert_eq!(verdict_with(|f| f.containers.clear()), Inconclusive);
    for (end, verdict) in [
        (Life::Runs, Pass),
        (Life::Completed, Pass),
        (Life::Unhealthy, Unusable),
        (Life::Ended { code: 1 }, Unusable),
        (Life::Ended { code: 0 }, Inconclusive),
        (Life::Ended { code: 137 }, Inconclusive),
        (Life::NotInTime, Inconclusive),
        (Life::NotStarted { why: String::new() }, Inconclusive),
    ] {
        assert_eq!(verdict_with(life(end.clone())), verdict, "{end}");
    }
    for (end, verdict) in [
        (check(Some(0), None), Pass),
        (check(Some(1), None), Unusable),
        (check(Some(127), None), Inconclusive),
        (check(None, None), Inconclusive),
        (check(Some(0), Some(true)), Inconclusive),
    ] {
        assert_eq!(verdict_with(with(end.clone())), verdict, "{end:?}");
    }
}

#[test]
fn what_was_withheld_takes_the_blame() {
    let mut findings = well();
    findings.checks = vec![check(Some(1), None)];
    findings.handicaps = vec!["db went without devices".to_owned()];
    insta::assert_snapshot!(judge(&findings).1, @"the check of db (count) failed with code 1: 3 rows, which may be for another reason than its data: db went without devices");
    findings.handicaps.clear();
    findings.checks = vec![check(Some(0), Some(true))];
    insta::assert_snapshot!(judge(&findings).1, @"the check of db (count) is worth nothing: it passes on empty volumes as well");
    assert_eq!(Verdict::Unusable.exit(), Exit::Failed);
}

fn any_findings() -> impl Strategy<Value = Findings> {
    let text = || prop::option::of(Just("why".to_owned()));
    let list = || prop::collection::vec(Just("what".to_owned()), 0..2);
    let life = prop_oneof![
        Just(Life::Healthy),
        Just(Life::Runs),
        Just(Life::Unhealthy),
        Just(Life::NotInTime),
        (0..140_i64).prop_map(|code| Life::Ended { code }),
    ];
    let ends = prop::collection::vec(
        life.prop_map(|life| ContainerEnd {
            container: "c".to_owned(),
            life,
        }),
        0..3,
    );
    let one = (prop::option::of(0..3_i64), prop::option::of(any::<bool>()));
    let checks = prop::collection::vec(one.prop_map(|(code, empty)| check(code, empty)), 0..3);
    (text(), list(), text(), list(), ends, checks).prop_map(
        |(unreadable, differences, untried, handicaps, containers, checks)| Findings {
            unreadable,
            differences,
            untried,
            handicaps,
            containers,
            checks,
        },
    )
}

proptest! {
    #[test]
    fn a_pass_has_nothing_against_it_and_a_handicap_is_never_the_datas_fault(findings in any_findings()) {
        let (verdict, reason) = judge(&findings);
        prop_assert!(!reason.is_empty());
        let data_is_good = findings.unreadable.is_none() && findings.differences.is_empty();
        if verdict == Verdict::Pass {
            prop_assert!(data_is_good && findings.untried.is_none());
            prop_assert!(findings.containers.iter().all(|end| end.life.is_well()));
            prop_assert!(findings.checks.iter().all(CheckEnd::passed));
        }
        prop_assert!(data_is_good || verdict == Verdict::Unusable);
        if data_is_good && !findings.handicaps.is_empty() {
            prop_assert_ne!(verdict, Verdict::Unusable);
        }
    }
}
