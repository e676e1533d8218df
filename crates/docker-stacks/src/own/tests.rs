use proptest::prelude::*;

use super::*;

const ID: &str = "5f1c0b2d9a6e4f7788990011223344556677889900aabbccddeeff0011223344";
const OTHER: &str = "00aabbccddeeff00112233445f1c0b2d9a6e4f77889900112233445566778899";

fn this() -> OwnContainer {
    OwnContainer::This(ContainerId::new(ID))
}

fn in_network_of(id: &str) -> OwnContainer {
    OwnContainer::InNetworkOf(ContainerId::new(id))
}

#[test]
fn the_control_group_has_the_identifier() {
    for cgroup in [
        format!("13:rdma:/\n12:cpu,cpuacct:/docker/{ID}\n0::/docker/{ID}\n"),
        format!("0::/system.slice/docker-{ID}.scope\n"),
        format!("0::/machine.slice/libpod-{ID}.scope/container\n"),
        format!("0::/docker/{OTHER}/docker/{ID}\n"),
        format!("1:name=systemd:/user.slice/a:b/docker-{ID}.scope"),
    ] {
        assert_eq!(own_container("", &cgroup, "host"), Some(this()), "{cgroup}");
    }
}

/// As in a container of a Docker whose directory is a file system of its own.
fn mountinfo(id: &str) -> String {
    format!(
        "672 561 0:63 / / rw,relatime master:244 - overlay overlay rw,lowerdir=/l/A,upperdir=/d/{OTHER}/diff\n\
         680 672 254:1 /docker/containers/{id}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n\
         681 672 254:1 /docker/containers/{id}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n"
    )
}

#[test]
fn the_engines_files_have_that_of_the_networks_owner() {
    assert_eq!(
        own_container(&mountinfo(ID), "0::/\n", "backup"),
        Some(in_network_of(ID))
    );
    // The control group knows better.
    let cgroup = format!("0::/docker/{ID}");
    assert_eq!(own_container(&mountinfo(OTHER), &cgroup, "x"), Some(this()));
}

#[test]
fn the_hostname_is_the_beginning_of_the_identifier() {
    assert_eq!(
        own_container("", "0::/", "5f1c0b2d9a6e\n"),
        Some(in_network_of("5f1c0b2d9a6e"))
    );
    for hostname in ["", "5f1c0b2d9a6", "5F1C0B2D9A6E", "homeserver01", ID] {
        assert_eq!(own_container("", "0::/", hostname), None, "{hostname}");
    }
}

#[test]
fn a_machine_with_containers_is_none() {
    let mountinfo = format!(
        "25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
         99 25 0:52 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n\
         98 25 254:1 /var/lib/docker/volumes/{ID}/_data /mnt/data rw - ext4 /dev/vda1 rw\n\
         short line\n"
    );
    let cgroup = "0::/user.slice/user-1000.slice/session-3.scope\n";
    assert_eq!(own_container(&mountinfo, cgroup, "homeserver"), None);
}

proptest! {
    #[test]
    fn nothing_that_is_no_identifier_is_taken_for_one(
        mountinfo in "(\\PC|\n|/etc/hosts| /){0,40}",
        cgroup in "(\\PC|\n|:|/|docker-|\\.scope){0,40}",
        hostname in "[0-9a-g.-]{0,11}",
    ) {
        prop_assert_eq!(own_container(&mountinfo, &cgroup, &hostname), None);
    }

    #[test]
    fn every_identifier_is_found(id in "[0-9a-f]{64}", before in "(/[a-z.]{1,8}){0,3}") {
        let own = own_container("", &format!("0::{before}/docker-{id}.scope\n"), "h");
        prop_assert_eq!(own, Some(OwnContainer::This(ContainerId::new(id.clone()))));
        prop_assert_eq!(own_container(&mountinfo(&id), "0::/", "h"), Some(in_network_of(&id)));
    }
}
