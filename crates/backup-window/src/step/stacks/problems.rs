//! What an outage left for somebody to look at, in sentences.

use docker_stacks::{
    ContainerReport, HaltEnd, HookEnd, HookReport, HookTime, NotRunning, OutageReport,
    RecoveryReport, ServiceReport, StartEnd, StopEnd, Stopped,
};

/// What somebody should look at after an outage.
pub(crate) fn of_outage<T>(report: &OutageReport<T>) -> Vec<String> {
    let mut problems: Vec<String> = report.containers.iter().flat_map(of_container).collect();
    problems.extend(report.services.iter().flat_map(of_service));
    problems.extend(report.not_running.iter().map(of_missing));
    problems.extend(report.hooks.iter().filter_map(of_hook));
    problems.extend(report.others_started.iter().map(|other| {
        format!(
            "{other} was started during the outage and can write to what was copied, so that the \
             copy may not be clean"
        )
    }));
    problems.extend(report.warnings.iter().cloned());
    problems
}

/// What somebody should know after the outage of an earlier run was ended.
pub(in crate::step) fn of_recovery(report: &RecoveryReport) -> Vec<String> {
    let stacks: Vec<&str> = report
        .stacks
        .iter()
        .map(docker_stacks::StackName::as_str)
        .collect();
    let mut problems = vec![format!(
        "an earlier run that began at {} had left {} stopped; they were started again",
        report.begun_at,
        stacks.join(", ")
    )];
    problems.extend(of_what_is_left(report));
    problems
}

/// What a recovery could not do.
pub(super) fn of_what_is_left(report: &RecoveryReport) -> Vec<String> {
    let missing = report.not_running.iter().map(of_missing);
    let hooks = report.hooks.iter().filter_map(of_hook);
    let warnings = report.warnings.iter().cloned();
    missing.chain(hooks).chain(warnings).collect()
}

fn of_hook(report: &HookReport) -> Option<String> {
    let HookEnd::Failed { why } = &report.end else {
        return None;
    };
    let label = match report.time {
        HookTime::Before => "backup-window.exec-pre",
        HookTime::After => "backup-window.exec-post",
    };
    Some(format!(
        "the command of {}'s label {label} failed ({}): {why}",
        report.container, report.command
    ))
}

fn of_container(report: &ContainerReport) -> Vec<String> {
    let name = &report.container.name;
    let mut problems = Vec::new();
    match &report.stop {
        StopEnd::Stopped(Stopped::Killed) => problems.push(format!(
            "{name} did not stop in time and was killed, so its data may not be clean; look whether \
             its main process handles its stop signal, or give it more time: stop_grace_period in \
             its Compose file, or the label backup-window.stop-timeout"
        )),
        StopEnd::Failed { why } => problems.push(format!("{name} could not be stopped: {why}")),
        StopEnd::NotAsked | StopEnd::Stopped(_) => {}
    }
    if let StartEnd::Unhealthy { why } = &report.start {
        problems.push(format!(
            "{name} is not healthy after its start: {why}; look at `docker logs {name}` and at \
             what its health check prints: `docker inspect {name}`"
        ));
    }
    if report.disturbed {
        problems.push(format!(
            "something else started {name} during the outage, so its copy may not be clean"
        ));
    }
    problems
}

fn of_service(report: &ServiceReport) -> Vec<String> {
    let name = &report.service.name;
    let mut problems = Vec::new();
    match &report.halt {
        HaltEnd::MayBeKilled => problems.push(format!(
            "the tasks of {name} took longer to stop than their grace time and may have been \
             killed, so its data may not be clean; give it a longer stop_grace_period in its \
             stack's file"
        )),
        HaltEnd::Failed { why } => problems.push(format!("{name} could not be halted: {why}")),
        HaltEnd::NotAsked | HaltEnd::Ended => {}
    }
    if report.disturbed {
        problems.push(format!(
            "something else resumed {name} during the outage, so its copy may not be clean"
        ));
    }
    problems
}

fn of_missing(missing: &NotRunning) -> String {
    format!(
        "{} does not run: {}; look at `{}`",
        missing.what.name(),
        missing.why,
        missing.what.look_at()
    )
}
