//! Which suites run: a pure function of what was asked for and of what the
//! machine has.

use std::collections::BTreeSet;

use clap::Args;

use crate::suite::{Need, Suite};

/// What was asked for.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Request {
    /// Only fmt, clippy, unit and the documentation's examples
    #[arg(long)]
    pub(crate) quick: bool,

    /// Leave this suite out, also when its programs are missing
    #[arg(long, value_name = "SUITE")]
    pub(crate) without: Vec<Suite>,
}

/// What the machine has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    /// The needs, of any suite, that are not met.
    pub(crate) missing: BTreeSet<Need>,
    /// Whether packages can be installed.
    pub(crate) can_install: bool,
}

/// What becomes of one suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Run,
    /// `--without` names it.
    LeftOut,
    /// It cannot run for want of these, and nobody has said that it need not.
    Blocked(Vec<Need>),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Debian packages to install first, sorted.
    pub(crate) install: Vec<&'static str>,
    /// The suites of this request, in their order.
    pub(crate) suites: Vec<(Suite, Decision)>,
}

/// Makes the plan. Where packages can be installed, nothing is blocked yet:
/// they may fail to install, so plan again afterwards, without `can_install`.
pub(crate) fn plan(request: &Request, machine: &Machine) -> Plan {
    let mut install = BTreeSet::new();
    let wanted = Suite::ALL
        .into_iter()
        .filter(|suite| !request.quick || suite.is_quick());
    let suites = wanted
        .map(|suite| {
            if request.without.contains(&suite) {
                return (suite, Decision::LeftOut);
            }
            let missing: Vec<Need> = suite
                .needs()
                .iter()
                .copied()
                .filter(|need| machine.missing.contains(need))
                .collect();
            if missing.is_empty() {
                (suite, Decision::Run)
            } else if machine.can_install {
                install.extend(missing.iter().map(|need| need.package));
                (suite, Decision::Run)
            } else {
                (suite, Decision::Blocked(missing))
            }
        })
        .collect();
    Plan {
        install: install.into_iter().collect(),
        suites,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(name: &str) -> Need {
        let needs = Suite::ALL.into_iter().flat_map(Suite::needs);
        *needs.into_iter().find(|need| need.name == name).unwrap()
    }

    fn lacking(names: &[&str], can_install: bool) -> Machine {
        Machine {
            missing: names.iter().map(|name| need(name)).collect(),
            can_install,
        }
    }

    fn decision(plan: &Plan, suite: Suite) -> &Decision {
        &plan
            .suites
            .iter()
            .find(|(found, _)| *found == suite)
            .unwrap()
            .1
    }

    #[test]
    fn a_machine_with_everything_runs_everything_in_order() {
        let plan = plan(&Request::default(), &lacking(&[], false));
        let expected: Vec<_> = Suite::ALL.map(|suite| (suite, Decision::Run)).into();
        assert_eq!(
            plan,
            Plan {
                install: Vec::new(),
                suites: expected
            }
        );
    }

    #[test]
    fn quick_never_asks_for_the_labs_programs() {
        let request = Request {
            quick: true,
            ..Request::default()
        };
        let plan = plan(&request, &lacking(&["dockerd", "sshd"], false));
        let suites: Vec<Suite> = plan.suites.iter().map(|(suite, _)| *suite).collect();
        assert_eq!(suites, [Suite::Fmt, Suite::Clippy, Suite::Unit, Suite::Doc]);
        assert!(
            plan.suites
                .iter()
                .all(|(_, decision)| *decision == Decision::Run)
        );
    }

    #[test]
    fn missing_programs_are_installed_once_where_that_is_possible() {
        let plan = plan(&Request::default(), &lacking(&["sshd", "dockerd"], true));
        assert_eq!(plan.install, ["docker.io", "openssh-server"]);
        assert!(
            plan.suites
                .iter()
                .all(|(_, decision)| *decision == Decision::Run)
        );
    }

    #[test]
    fn elsewhere_they_block_their_suites_and_no_others() {
        let plan = plan(&Request::default(), &lacking(&["sshd"], false));
        let blocked = Decision::Blocked(vec![need("sshd")]);
        assert_eq!(*decision(&plan, Suite::Lab), blocked);
        assert_eq!(*decision(&plan, Suite::EndToEnd), blocked);
        assert_eq!(*decision(&plan, Suite::Unit), Decision::Run);
        assert!(plan.install.is_empty());
    }

    #[test]
    fn what_is_left_out_is_neither_blocked_nor_installed_for() {
        let request = Request {
            without: vec![Suite::Lab, Suite::EndToEnd],
            ..Request::default()
        };
        for can_install in [false, true] {
            let plan = plan(&request, &lacking(&["sshd"], can_install));
            assert_eq!(*decision(&plan, Suite::Lab), Decision::LeftOut);
            assert!(plan.install.is_empty());
        }
    }

    #[test]
    fn without_a_compiler_only_the_formatting_and_the_tree_are_checked() {
        let plan = plan(&Request::default(), &lacking(&["openssl"], false));
        let run: Vec<Suite> = plan
            .suites
            .iter()
            .filter_map(|(suite, decision)| (*decision == Decision::Run).then_some(*suite))
            .collect();
        assert_eq!(run, [Suite::Fmt, Suite::Deny]);
    }
}
