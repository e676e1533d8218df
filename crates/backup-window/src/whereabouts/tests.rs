use docker_stacks::testing::{self, Behaviour, MemoryEngine, ServiceBehaviour};
use docker_stacks::{OutageOptions, PlanRules, ServiceMode, SwarmRole, Volume};
use proptest::prelude::*;

use super::*;
use crate::step::stacks::{HostView, Permission, StacksOptions, plan_stacks};

fn here(reached_by: AddressKind) -> Here {
    Here {
        reached_by,
        machine: Some("docker-host".to_owned()),
        kernel: Some("6.1.0-37-amd64".to_owned()),
        memory_bytes: Some(16_000_000_000),
        reads_all: true,
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
    insta::assert_snapshot!(here(AddressKind::Tcp).why_not(&engine).await.unwrap().unwrap(), @"the engine at memory does not say on which machine it runs, and only the volumes of this one can be written to: let its proxy allow GET /info, or run this program on the engine's own machine");
    engine.set_info(info("nas", "5.15.0", 8));
    insta::assert_snapshot!(here(AddressKind::Unix).why_not(&engine).await.unwrap().unwrap(), @"the engine at memory runs on another machine, and only the volumes of this one can be written to: run this program on that machine");
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
async fn what_is_not_here_is_read_through_the_engine() {
    let engine = MemoryEngine::new();
    engine.set_info(own());
    let folder = tempfile::tempdir().unwrap();
    let here_way = here(AddressKind::Tcp).way(&engine).await.unwrap();
    assert_eq!(here_way, Way::Paths);
    assert!(here_way.files_are_here());
    assert_eq!(here_way.through_engine(folder.path()), None);
    // By volume: what is not where the engine says it is, is read through it.
    let gone = folder.path().join("gone");
    let why = here_way.through_engine(&gone).unwrap();
    assert!(why.ends_with("gone is not to be read here: No such file or directory (os error 2)"));

    engine.set_info(info("nas", "5.15.0", 8));
    let way = here(AddressKind::Unix).way(&engine).await.unwrap();
    assert!(!way.files_are_here());
    // A folder of that name is another one.
    let why = way.through_engine(folder.path()).unwrap();
    insta::assert_snapshot!(why, @"the engine at memory runs on another machine");
    engine.refuse_info();
    let way = here(AddressKind::Tcp).way(&engine).await.unwrap();
    let why = way.through_engine(folder.path()).unwrap();
    insta::assert_snapshot!(why, @"the engine at memory does not say on which machine it runs");
    assert_eq!(
        here(AddressKind::Unix).way(&engine).await.unwrap(),
        Way::Paths
    );
    engine.go_away_for(1);
    assert!(here(AddressKind::Unix).way(&engine).await.is_err());
}

#[tokio::test]
async fn an_ordinary_user_reads_the_volumes_of_a_rootless_engine_through_it() {
    let engine = MemoryEngine::new();
    let mut rootless = own();
    rootless.rootless = true;
    engine.set_info(rootless);
    assert_eq!(
        here(AddressKind::Unix).way(&engine).await.unwrap(),
        Way::Paths
    );
    let user = Here {
        reads_all: false,
        ..here(AddressKind::Unix)
    };
    let way = user.way(&engine).await.unwrap();
    assert!(way.files_are_here());
    insta::assert_snapshot!(way.through_engine("/".as_ref()).unwrap(), @"the engine at memory and this program both run as an ordinary user, and the files in volumes belong to others");
    assert_eq!(user.why_not(&engine).await.unwrap(), None);
}

#[tokio::test]
async fn a_plan_for_another_machine_warns_of_swarm_stacks_only() {
    let engine = MemoryEngine::new();
    let data = Volume::local("mon_data", "/v/mon_data/_data");
    let prom = testing::service("mon_prom", ServiceMode::Replicated { replicas: 1 });
    let prom = testing::mounting(prom, &testing::volume(&data, "/data"));
    let prom = testing::placed(testing::in_stack(prom, "mon"), None);
    let wiki = Volume::local("wiki_data", "/v/wiki_data/_data");
    let mut app = testing::container("wiki");
    app.mounts.push(testing::volume(&wiki, "/data"));
    engine.add_volume(data);
    engine.add_volume(wiki);
    engine.add(app, Behaviour::default());
    engine.add_service(prom, ServiceBehaviour::default());
    let options = StacksOptions {
        rules: PlanRules::default(),
        host_view: HostView::Unknown,
        only: Vec::new(),
        permission: Permission::Now,
        outage: OutageOptions::default(),
        here: here(AddressKind::Tcp),
    };
    let mut info_of = own();
    info_of.swarm = SwarmRole::Manager;
    engine.set_info(info_of.clone());
    let plan = plan_stacks(&engine, &options).await.unwrap();
    assert_eq!(plan.warnings, Vec::<String>::new());
    info_of.kernel = Some("5.15.0".to_owned());
    engine.set_info(info_of);
    let plan = plan_stacks(&engine, &options).await.unwrap();
    insta::assert_debug_snapshot!(plan.warnings, @r#"
    [
        "stack mon will not be backed up: the engine at memory runs on another machine, and what is there is read through stopped containers, which a swarm takes away: run this program on that machine",
    ]
    "#);
}
