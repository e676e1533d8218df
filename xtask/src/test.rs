//! `cargo xtask test`: installs, runs, and tells.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cargo::cargo;
use crate::plan::{Decision, Machine, Plan, Request, plan};
use crate::suite::{Need, Step, Suite};
use crate::verdict::Verdict;
use crate::{deny, fuzz, machine};

/// Runs the suites and tells how they ended.
pub(crate) fn run(request: &Request) -> ExitCode {
    let plan = prepare(request);
    let mut results = Vec::new();
    for (suite, decision) in plan.suites {
        let start = now();
        let verdict = match decision {
            Decision::Run => run_suite(suite, request.quick),
            Decision::LeftOut => Verdict::LeftOut,
            Decision::Blocked(missing) => Verdict::Blocked(missing),
        };
        results.push((suite, verdict, start.elapsed()));
    }
    println!("\n{}", summary(&results));
    if results.iter().any(|(_, verdict, _)| verdict.is_failure()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Plans, and installs what the plan asks for.
fn prepare(request: &Request) -> Plan {
    let first = plan(request, &machine::look());
    if first.install.is_empty() {
        return first;
    }
    if let Err(error) = machine::install(&first.install) {
        println!("failed to install {}: {error}", first.install.join(" "));
    }
    plan(
        request,
        &Machine {
            can_install: false,
            ..machine::look()
        },
    )
}

fn run_suite(suite: Suite, quick: bool) -> Verdict {
    println!("\n== {} ==", suite.name());
    let verdict = match suite {
        Suite::Deny => deny::run(),
        Suite::Fuzz => fuzz::run(),
        _ => run_steps(suite.steps(quick)),
    };
    verdict.unwrap_or_else(|error| {
        println!("failed to run the suite {}: {error}", suite.name());
        Verdict::Failed
    })
}

/// Runs the commands up to the first that fails: the others build on it.
fn run_steps(steps: &[Step]) -> io::Result<Verdict> {
    for step in steps {
        println!("$ cargo {}", step.cargo);
        if !cargo()
            .args(step.cargo.split_whitespace())
            .envs(step.env)
            .status()?
            .success()
        {
            return Ok(Verdict::Failed);
        }
    }
    Ok(Verdict::Passed)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the suites really take is the point"
)]
fn now() -> Instant {
    Instant::now()
}

/// The table, and the final word.
fn summary(results: &[(Suite, Verdict, Duration)]) -> String {
    let mut lines = Vec::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (suite, verdict, took) in results {
        let (count, text) = match verdict {
            Verdict::Passed => (&mut passed, "ok".to_owned()),
            Verdict::PassedExcept(what) => (&mut passed, format!("ok ({what})")),
            Verdict::Failed => (&mut failed, "FAILED".to_owned()),
            Verdict::LeftOut => (&mut skipped, "left out".to_owned()),
            Verdict::Blocked(missing) => (&mut failed, blocked(*suite, missing)),
        };
        *count += 1;
        let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
        lines.push(format!(
            "{:<10} {minutes:>3}:{seconds:02}  {text}",
            suite.name()
        ));
    }
    let skipped = if skipped == 0 {
        String::new()
    } else {
        format!(", {skipped} skipped")
    };
    lines.push(format!("\n{passed} passed, {failed} failed{skipped}"));
    lines.join("\n")
}

fn blocked(suite: Suite, missing: &[Need]) -> String {
    let missing: Vec<String> = missing
        .iter()
        .map(|need| format!("{} (package {})", need.name, need.package))
        .collect();
    format!(
        "FAILED: needs {}; or add --without {}",
        missing.join(", "),
        suite.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sshd() -> Need {
        *Suite::Lab
            .needs()
            .iter()
            .find(|need| need.name == "sshd")
            .unwrap()
    }

    #[test]
    fn the_table_shows_every_suite_with_its_time() {
        let results = [
            (Suite::Fmt, Verdict::Passed, Duration::from_millis(1400)),
            (
                Suite::Deny,
                Verdict::PassedExcept("no advisories"),
                Duration::from_secs(3),
            ),
            (Suite::Unit, Verdict::Failed, Duration::from_secs(75)),
            (Suite::Lab, Verdict::Blocked(vec![sshd()]), Duration::ZERO),
            (Suite::EndToEnd, Verdict::LeftOut, Duration::ZERO),
        ];
        let expected = "\
fmt          0:01  ok
deny         0:03  ok (no advisories)
unit         1:15  FAILED
lab          0:00  FAILED: needs sshd (package openssh-server); or add --without lab
end-to-end   0:00  left out

2 passed, 2 failed, 1 skipped";
        assert_eq!(summary(&results), expected);
    }

    #[test]
    fn a_blocked_suite_is_a_failure_and_one_left_out_is_not() {
        assert!(Verdict::Blocked(vec![sshd()]).is_failure());
        assert!(Verdict::Failed.is_failure());
        assert!(!Verdict::LeftOut.is_failure());
        assert!(!Verdict::PassedExcept("…").is_failure());
    }
}
