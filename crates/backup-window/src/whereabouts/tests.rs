use docker_stacks::testing::MemoryEngine;
use docker_stacks::{OutageOptions, PlanRules, SwarmRole};
use proptest::prelude::*;

use super::*;
use crate::step::stacks::{HostView, Permission, StacksOptions, plan_stacks};

fn here(reached_by: AddressKind) -> Here {
    Here {
        reached_by,
        machine: Some("docker-host".to_owned()),
        kernel: Some("6.1.0-37-amd64".to_owned()),
        memory_bytes: Some(16_000_000_000),
    }
}

fn info(machine: &str, kernel: &str, memory_bytes: u64) -> EngineInfo {
    let mut info = EngineInfo::new(SwarmRole::None);
    info.machine = Some(machine.to_owned());
    info.kernel = Some(kernel.to_owned());
    info.memory_bytes = Some(memory_bytes);
    info
}

fn own() -> EngineInfo {
    info("docker-host", "6.1.0-37-amd64", 16_000_000_000)
}

const ALL: [AddressKind; 3] = [AddressKind::Unix, AddressKind::Tcp, AddressKind::Ssh];

#[test]
fn an_engine_is_where_its_kernel_and_its_memory_are() {
    for kind in ALL {
        assert_eq!(here(kind).judge(&own()), Whereabouts::Here);
        for other in [
            info("docker-host", "6.12.0-1-amd64", 16_000_000_000),
            info("docker-host", "6.1.0-37-amd64", 16_000_004_096),
        ] {
            assert_eq!(here(kind).judge(&other), Whereabouts::Elsewhere);
        }
        let silent = EngineInfo::new(SwarmRole::None);
        assert_eq!(here(kind).judge(&silent), Whereabouts::Unknown);
    }
}

#[test]
fn a_twin_at_the_end_of_a_network_is_another_machine() {
    let twin = info("docker-twin", "6.1.0-37-amd64", 16_000_000_000);
    assert_eq!(here(AddressKind::Ssh).judge(&twin), Whereabouts::Elsewhere);
    assert_eq!(here(AddressKind::Tcp).judge(&twin), Whereabouts::Elsewhere);
    // On a socket it is this machine under another name, as systemd-nspawn gives.
    assert_eq!(here(AddressKind::Unix).judge(&twin), Whereabouts::Here);
    // In a container, behind a proxy, the name says nothing.
    let contained = Here {
        machine: None,
        ..here(AddressKind::Tcp)
    };
    assert_eq!(contained.judge(&own()), Whereabouts::Here);
}

#[test]
fn a_release_with_two_numbers_is_the_one_that_docker_makes_of_it() {
    for (kernel, docker) in [
        ("6.12-arch1", "6.12.0-arch1"),
        ("5.10\n", "5.10.0"),
        ("6.1.0-37-amd64", "6.1.0-37-amd64"),
        ("6.18.5", "6.18.5"),
        ("6.6-rc1.2", "6.6.0-rc1.2"),
        ("4.4.302+", "4.4.302+"),
        ("odd", "odd"),
        ("", ""),
        (".5", ".5"),
    ] {
        assert_eq!(as_docker_writes_it(kernel), docker);
    }
}

proptest! {
    #[test]
    fn writing_a_release_again_changes_nothing(release in "[0-9]{0,2}[.]?[0-9]{0,2}[a-z0-9.+-]{0,12}") {
        let once = as_docker_writes_it(&release);
        prop_assert_eq!(as_docker_writes_it(&once), once);
    }

    #[test]
    fn what_is_known_to_differ_is_never_here(
        kernel in "[a-c]", memory in 0_u64..3, other_kernel in "[a-c]", other_memory in 0_u64..3,
    ) {
        let mine = Here {
            kernel: Some(kernel.clone()),
            memory_bytes: Some(memory),
            ..Here::default()
        };
        let judged = mine.judge(&info("x", &other_kernel, other_memory));
        let equal = kernel == other_kernel && memory == other_memory;
        prop_assert_eq!(judged == Whereabouts::Here, equal);
        prop_assert_eq!(judged == Whereabouts::Elsewhere, !equal);
    }
}

#[tokio::test]
async fn the_reason_is_one_sentence_and_says_what_to_do() {
    let engine = MemoryEngine::new();
    // It says nothing of its machine.
    assert_eq!(
        here(AddressKind::Unix).why_not(&engine).await.unwrap(),
        None
    );
    insta::assert_snapshot!(here(AddressKind::Tcp).why_not(&engine).await.unwrap().unwrap(), @"the engine at memory does not say on which machine it runs, and only the volumes of this one can be copied: let its proxy allow GET /info, or run this program on the engine's own machine");
    engine.set_info(info("nas", "5.15.0", 8));
    insta::assert_snapshot!(here(AddressKind::Unix).why_not(&engine).await.unwrap().unwrap(), @"the engine at memory runs on another machine, and only the volumes of this one can be copied: run this program on that machine");
    engine.go_away_for(1);
    assert!(here(AddressKind::Unix).why_not(&engine).await.is_err());
    engine.refuse_info();
    assert_eq!(
        here(AddressKind::Unix).why_not(&engine).await.unwrap(),
        None
    );
    assert!(
        here(AddressKind::Ssh)
            .why_not(&engine)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_plan_for_another_machine_warns() {
    let engine = MemoryEngine::new();
    let options = StacksOptions {
        rules: PlanRules::default(),
        host_view: HostView::Unknown,
        only: Vec::new(),
        permission: Permission::Now,
        outage: OutageOptions::default(),
        here: here(AddressKind::Tcp),
    };
    engine.set_info(own());
    let plan = plan_stacks(&engine, &options).await.unwrap();
    assert_eq!(plan.warnings, Vec::<String>::new());
    engine.set_info(info("nas", "5.15.0", 8));
    let plan = plan_stacks(&engine, &options).await.unwrap();
    insta::assert_debug_snapshot!(plan.warnings, @r#"
    [
        "nothing of this will be backed up: the engine at memory runs on another machine, and only the volumes of this one can be copied: run this program on that machine",
    ]
    "#);
}
