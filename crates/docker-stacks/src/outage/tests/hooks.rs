//! Commands in containers: before the first stop, after the last start.

use super::*;
use crate::engine::ExecCommand;

fn with_hooks(mut container: Container, labels: &[(&str, &str)]) -> Container {
    for (key, value) in labels {
        let key = format!("backup-window.{key}");
        container.labels.insert(key, (*value).to_owned());
    }
    container
}

fn lab() -> Lab {
    let both = [("exec-pre", "dump"), ("exec-post", "wipe")];
    Lab::of([
        with_hooks(service("a"), &both),
        service("b"),
        with_hooks(service("c"), &[("exec-pre", r#"["dump", "c d"]"#)]),
    ])
}

fn failures(hooks: &[HookReport]) -> Vec<String> {
    hooks
        .iter()
        .filter_map(|hook| match &hook.end {
            HookEnd::Done => None,
            HookEnd::Failed { why } => Some(format!("{} {}: {why}", hook.container, hook.command)),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn they_run_while_everything_runs() {
    let lab = lab();
    let report = lab.outage(async {}).await;
    assert_eq!(lab.calls(), "a:dump c:dump c d -a -b -c +c +b +a a:wipe");
    assert_eq!(failures(&report.hooks), Vec::<String>::new());
    assert_eq!(report.hooks.len(), 3);
    assert_eq!(lab.journal.record(), None);
    assert_eq!(lab.journal.history()[0].as_ref().unwrap().hooks.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_said_and_the_copy_is_made_all_the_same() {
    let lab = lab();
    lab.engine.on_exec(|name, command: &ExecCommand| {
        let takes = if name == "c" { 301 * SECOND } else { SECOND };
        let failed = command.to_string() == "wipe";
        ExecBehaviour {
            takes,
            code: if failed { 2 } else { 0 },
            output: "first\nno such table".into(),
        }
    });
    let report = lab.outage(async { "copied" }).await;
    assert_eq!(report.work, WorkEnd::Finished("copied"));
    assert_eq!(
        failures(&report.hooks),
        [
            "c dump c d: it had not ended after 300 s, and said: no such table",
            "a wipe: it ended with code 2, and said: no such table"
        ]
    );
    assert!(lab.all_run());
    assert_eq!(lab.journal.record(), None, "it is tried once");
}

#[tokio::test(start_paused = true)]
async fn who_ends_the_run_ends_the_wait_and_what_is_owed_is_run() {
    let lab = lab();
    lab.engine.on_exec(|_, command| ExecBehaviour {
        takes: if command.to_string() == "dump" {
            60 * SECOND
        } else {
            SECOND
        },
        ..ExecBehaviour::default()
    });
    let report = lab
        .outage_until(sleep(10 * SECOND), async { unreachable!() })
        .await;
    assert_eq!(report.work, WorkEnd::<()>::Cancelled);
    assert_eq!(lab.calls(), "a:dump a:wipe", "nothing is stopped");
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_runs_what_is_owed() {
    let lab = lab();
    lab.die_after(5 * SECOND).await;
    // Created anew meanwhile, it is owed it all the same.
    lab.engine.recreate("a");
    let report = lab.recover().await.unwrap();
    assert_eq!(lab.calls(), "a:dump c:dump c d -a -b -c +c +b +a a:wipe");
    assert_eq!(failures(&report.hooks), Vec::<String>::new());
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_run_stays_owed_its_command() {
    let lab = lab();
    let refuse = |refused_starts| Behaviour {
        refused_starts,
        ..Behaviour::default()
    };
    lab.behave("a", &refuse(99));
    let report = lab.outage(async {}).await;
    assert_eq!(
        failures(&report.hooks),
        ["a wipe: its container does not run"]
    );
    let record = lab.journal.record().unwrap();
    assert_eq!((record.containers.len(), record.hooks.len()), (1, 1));
    lab.behave("a", &refuse(0));
    assert!(failures(&lab.recover().await.unwrap().hooks).is_empty());
    assert!(lab.calls().ends_with("+a a:wipe"), "{}", lab.calls());
}

#[tokio::test(start_paused = true)]
async fn what_is_copied_live_has_its_commands_without_a_stop() {
    let labels = [
        ("stop", "false"),
        ("exec-pre", "dump"),
        ("exec-post", "wipe"),
    ];
    let lab = Lab::of([with_hooks(service("a"), &labels)]);
    let report = lab.outage(async { lab.journal.record().unwrap() }).await;
    assert_eq!(lab.calls(), "a:dump a:wipe");
    let WorkEnd::Finished(record) = report.work else {
        panic!("{:?}", report.work);
    };
    assert_eq!((record.containers.len(), record.hooks.len()), (0, 1));
    assert_eq!(report.outage, Duration::ZERO);
    assert_eq!(lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_run_in_what_is_paused_or_left_alone() {
    let hooks = [("exec-pre", "dump")];
    let mut paused = with_hooks(service("a"), &hooks);
    paused.state = ContainerState::Paused;
    let disabled = with_hooks(service("b"), &[("exec-pre", "dump"), ("enable", "false")]);
    let lab = Lab::of([paused, disabled, service("c")]);
    let stacks = find_stacks(lab.engine.containers().await.unwrap());
    let plan = plan(&stacks, &[], &PlanRules::default());
    assert!(plan.groups[0].hooks.is_empty());
    assert_eq!(
        plan.warnings,
        ["container a is paused: the commands of its labels cannot be run in it"]
    );
}
