use super::*;

fn container(name: &str, labels: &[(&str, &str)]) -> Container {
    let mut container = Container::new(format!("id-{name}"), name);
    container.labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    container
}

fn names(stacks: &[Stack]) -> Vec<(&str, Vec<&str>)> {
    stacks
        .iter()
        .map(|stack| {
            let containers = stack.containers.iter().map(|c| c.name.as_str()).collect();
            (stack.name.as_str(), containers)
        })
        .collect()
}

#[test]
fn containers_are_sorted_by_what_deployed_them() {
    let stacks = find_stacks(vec![
        container("web-1", &[(COMPOSE_PROJECT, "shop")]),
        container("portainer", &[]),
        container("db-1", &[(COMPOSE_PROJECT, "shop")]),
        container(
            "mon_prom.1.x",
            &[(SWARM_STACK, "mon"), (SWARM_SERVICE, "mon_prom")],
        ),
        container("lone.1.y", &[(SWARM_SERVICE, "lone")]),
        container("empty", &[(COMPOSE_PROJECT, "")]),
    ]);
    assert_eq!(
        names(&stacks),
        [
            ("empty", vec!["empty"]),
            ("lone", vec!["lone.1.y"]),
            ("mon", vec!["mon_prom.1.x"]),
            ("portainer", vec!["portainer"]),
            ("shop", vec!["db-1", "web-1"]),
        ]
    );
    assert_eq!(stacks[1].kind, StackKind::Swarm);
    assert_eq!(stacks[2].kind, StackKind::Swarm);
    assert_eq!(stacks[0].kind, StackKind::Single);
}

#[test]
fn a_project_and_a_container_of_one_name_stay_apart() {
    let stacks = find_stacks(vec![
        container("shop", &[]),
        container("shop-web-1", &[(COMPOSE_PROJECT, "shop")]),
    ]);
    assert_eq!(
        names(&stacks),
        [("shop", vec!["shop-web-1"]), ("shop", vec!["shop"])]
    );
}

fn files(stacks: &[Stack]) -> Vec<String> {
    let StackKind::Compose { config_files, .. } = &stacks[0].kind else {
        panic!("not a project: {stacks:?}");
    };
    config_files
        .iter()
        .map(|file| file.display().to_string())
        .collect()
}

#[test]
fn the_labels_of_compose_2_name_absolute_files() {
    let stacks = find_stacks(vec![
        container(
            "a",
            &[
                (COMPOSE_PROJECT, "shop"),
                (COMPOSE_WORKING_DIR, "/srv/shop"),
                (
                    COMPOSE_CONFIG_FILES,
                    "/srv/shop/compose.yaml,/srv/common.yaml",
                ),
                (COMPOSE_ENVIRONMENT_FILE, "/srv/shop/prod.env"),
            ],
        ),
        // Created by an earlier `up`, with other files.
        container(
            "b",
            &[
                (COMPOSE_PROJECT, "shop"),
                (COMPOSE_WORKING_DIR, "/srv/shop"),
                (
                    COMPOSE_CONFIG_FILES,
                    "/srv/shop/compose.yaml,/srv/shop/old.yaml",
                ),
            ],
        ),
    ]);
    assert_eq!(
        files(&stacks),
        [
            "/srv/shop/compose.yaml",
            "/srv/common.yaml",
            "/srv/shop/old.yaml",
            "/srv/shop/prod.env"
        ]
    );
}

#[test]
fn the_labels_of_compose_1_are_relative_to_the_working_directory() {
    let stacks = find_stacks(vec![container(
        "a",
        &[
            (COMPOSE_PROJECT, "shop"),
            (COMPOSE_WORKING_DIR, "/srv/shop"),
            (COMPOSE_CONFIG_FILES, "docker-compose.yml, -,"),
        ],
    )]);
    assert_eq!(
        files(&stacks),
        ["/srv/shop/docker-compose.yml", "/srv/shop/.env"]
    );
}

#[test]
fn files_that_cannot_be_found_are_not_named() {
    let stacks = find_stacks(vec![container(
        "a",
        &[
            (COMPOSE_PROJECT, "shop"),
            (COMPOSE_CONFIG_FILES, "docker-compose.yml"),
        ],
    )]);
    assert!(files(&stacks).is_empty());
}

proptest::proptest! {
    #[test]
    fn every_container_is_in_exactly_one_stack(
        projects in proptest::collection::vec(proptest::option::of("[a-c]?"), 0..12)
    ) {
        let containers: Vec<Container> = projects
            .iter()
            .enumerate()
            .map(|(index, project)| match project {
                Some(project) => container(&format!("c{index}"), &[(COMPOSE_PROJECT, project)]),
                None => container(&format!("c{index}"), &[]),
            })
            .collect();
        let mut expected: Vec<String> = containers.iter().map(|c| c.name.clone()).collect();
        let mut found: Vec<String> = find_stacks(containers)
            .into_iter()
            .flat_map(|stack| stack.containers)
            .map(|c| c.name)
            .collect();
        expected.sort();
        found.sort();
        proptest::prop_assert_eq!(found, expected);
    }
}
