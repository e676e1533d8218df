use std::fs;
use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use super::*;

const HOMELAB: &str = r#"
state_dir = "/var/lib/backup-window"

[window]
start = "02:45"
end = "05:00"
time_zone = "Europe/Paris"

[repository]
path = "/mnt/nas/restic"
mount = "/mnt/nas"
password_file = "/etc/backup-window/repository.password"

[primary_nas]
url = "https://192.0.2.10"
api_key_file = "/etc/backup-window/primary.key"
replication_tasks = ["docker_backup to the backup NAS"]

[backup_nas]
address = "192.0.2.11"
mac = "00:25:90:aa:bb:cc"
broadcast = ["192.0.2.255"]

[backup_nas.shutdown]
user = "shutdown"
key_file = "/etc/backup-window/shutdown_ed25519"
host_key_sha256 = "SHA256:uNiVztksCsDhcc0u9e8BrHl4LT/1YT4+2ZUZeWK5p2c"
system = "truenas-core"
"#;

fn load(text: &str) -> Result<Config, ConfigError> {
    Config::parse("homelab.toml".as_ref(), text.to_owned())
}

/// The complaint about the homelab with `from` replaced by `to`.
#[track_caller]
fn complaint(from: &str, to: &str) -> String {
    assert!(HOMELAB.contains(from), "{from} is not in the configuration");
    load(&HOMELAB.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_complete_configuration_is_read() {
    let config = load(HOMELAB).unwrap();
    assert_eq!(config.backup_nas().unwrap().address, "192.0.2.11");
    assert_eq!(
        config.backup_nas().unwrap().ready.to_string(),
        "ssh:192.0.2.11:22"
    );
    assert_eq!(config.shutdown().unwrap().port, 22);
}

#[test]
fn the_readme_shows_the_example() {
    let example = include_str!("../../../../examples/homelab.toml");
    let bare = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let readme = include_str!("../../../../README.md");
    let blocks = readme.split("```toml\n").skip(1);
    let shown = blocks
        .filter_map(|block| block.split_once("```"))
        .map(|(block, _)| bare(block))
        .max_by_key(Vec::len);
    assert_eq!(shown.unwrap(), bare(example));
    load(example).unwrap();
    // What stands there for those who want it is right as well.
    for line in [
        "trigger = true",
        "stalled_after = \"10m\"",
        "poll_interval = \"10s\"",
        "user = \"backup\"     # for TrueNAS 25.04 and later",
    ] {
        let commented = format!("# {line}");
        assert!(example.contains(&commented), "{line}");
        load(&example.replace(&commented, line)).unwrap();
    }
}

#[test]
fn every_complaint_names_the_line_and_what_was_expected() {
    insta::assert_snapshot!(complaint("end = ", "finish = "), @"homelab.toml:6: unknown field `finish`, expected one of `start`, `end`, `time_zone`; correct the key or remove the line");
    insta::assert_snapshot!(complaint("00:25:90:aa:bb:cc", "00:25:90:aa:bb"), @r#"homelab.toml:21: mac: cannot use "00:25:90:aa:bb" as a MAC address: expected six pairs of hexadecimal digits, such as d0:94:66:12:34:56, D0-94-66-12-34-56, d094.6612.3456 or d09466123456"#);
    insta::assert_snapshot!(complaint("02:45", "25:45"), @r#"homelab.toml:5: start: `25:45` is no time of day: expected hours and minutes, such as "02:45""#);
    insta::assert_snapshot!(complaint("Europe/Paris", "Europe/Atlantis"), @r#"homelab.toml:7: time_zone: `Europe/Atlantis` is no known time zone: expected a name such as "Europe/Paris" or "UTC""#);
    insta::assert_snapshot!(complaint("https://192.0.2.10", "http://192.0.2.10"), @"homelab.toml:15: url: `http://192.0.2.10` is not encrypted, and TrueNAS revokes an API key that it sees in clear: expected https://HOST, without a path");
    insta::assert_snapshot!(complaint("https://192.0.2.10", "https://root:secret@192.0.2.10"), @"homelab.toml:15: url: the URL holds a user or password, which would appear in logs: expected https://HOST, without a path");
    insta::assert_snapshot!(complaint("[\"docker_backup to the backup NAS\"]", "[]"), @"homelab.toml:14: replication_tasks is empty: expected the name of at least one replication task, as TrueNAS shows it under Data Protection");
    insta::assert_snapshot!(complaint("truenas-core", "windows"), @"homelab.toml:28: system: unknown variant `windows`, expected one of `truenas-core`, `truenas-scale`, `truenas-scale-24.10`, `linux-systemd`, `synology`, `command`");
    insta::assert_snapshot!(complaint("host_key_sha256", "# host_key_sha256"), @"homelab.toml:24: expected either host_key_sha256 (what `ssh-keygen -lf` prints for the NAS's host key) or known_hosts, and not both");
    insta::assert_snapshot!(complaint("[\"192.0.2.255\"]", "[\"192.0.2.300\"]"), @r#"homelab.toml:22: broadcast: use "192.0.2.300" as a destination of magic packets: expected the IPv4 broadcast address of the machine's subnet, with or without a port, such as 192.168.0.255 or 192.168.0.255:9"#);
    insta::assert_snapshot!(complaint("[repository]", "[docker]\ninclude = [\"/srv/media\"]\n[repository]"), @"homelab.toml:10: include: read '/srv/media' as an inclusion: expected volume:NAME or bind:/ABSOLUTE/PATH");
    insta::assert_snapshot!(complaint("[repository]", "[docker]\nexclude_paths = [\"/srv/../x\"]\n[repository]"), @"homelab.toml:10: exclude_paths: read '/srv/../x' as a pattern of paths: '.' and '..' are not known here; expected something like *.log, node_modules or /var/lib/app/cache/**");
    insta::assert_snapshot!(complaint("[window]", "[window"), @"homelab.toml:4: unclosed table, expected `]`");
}

#[test]
fn what_is_kept_is_read_and_has_defaults() {
    let config = load(HOMELAB).unwrap();
    let repository = config.repository().unwrap();
    assert_eq!(repository.keep, None, "nothing is forgotten unasked");
    assert_eq!(repository.read_all_within_nights, 30);
    assert_eq!(repository.prune, crate::upkeep::PruneSchedule::Weekly);
    assert_eq!(repository.chunks.to_string(), "fixed-128KiB");

    let keys = "mount = \"/mnt/nas\"\nkeep = { last = 3, weekly = 4 }\nprune = \"monthly\"\n\
                chunks = \"content-1024KiB\"\nshrink_alarm_percent = 20";
    let config = load(&HOMELAB.replace("mount = \"/mnt/nas\"", keys)).unwrap();
    let repository = config.repository().unwrap();
    let keep = repository.keep.unwrap();
    assert_eq!((keep.last, keep.daily, keep.weekly), (3, 0, 4));
    assert_eq!(repository.shrink_alarm_percent, 20);

    let mount = "mount = \"/mnt/nas\"";
    let with = |key: &str| complaint(mount, &format!("{mount}\n{key}"));
    insta::assert_snapshot!(with("keep = { lst = 3 }"), @"homelab.toml:12: unknown field `lst`, expected one of `last`, `daily`, `weekly`, `monthly`, `yearly`; correct the key or remove the line");
    insta::assert_snapshot!(with("chunks = \"128K\""), @r#"homelab.toml:12: chunks: read "128K" as a kind of chunks (expected fixed-128KiB, or content-1024KiB as restic has them; sizes from 64KiB to 4096KiB, by content only powers of two)"#);
    insta::assert_snapshot!(with("shrink_alarm_percent = 101"), @"homelab.toml:12: shrink_alarm_percent: 101 is no share: expected a number from 0 to 100");
}

#[test]
fn a_repository_is_in_a_folder_or_on_a_server() {
    let folder = "path = \"/mnt/nas/restic\"\nmount = \"/mnt/nas\"";
    let login = "user = \"docker01\"\nserver_password_file = \"/etc/backup-window/server\"";
    let server = format!("url = \"https://192.0.2.12:8000/docker01\"\n{login}");
    let config = load(&HOMELAB.replace(folder, &server)).unwrap();
    let place = &config.repository().unwrap().place;
    assert_eq!(place.shown(), "https://192.0.2.12:8000/docker01/");
    assert_eq!(
        place.folder(),
        None,
        "nothing here is left out of the copies for it"
    );
    let PlaceSettings::Server(settings) = place else {
        panic!("{place:?} is no server");
    };
    assert_eq!(settings.login.as_ref().unwrap().0, "docker01");

    let with = |keys: &str| complaint(folder, keys);
    insta::assert_snapshot!(with(""), @"homelab.toml:9: expected path and mount (a folder of a mounted NAS), or url (a REST server)");
    insta::assert_snapshot!(with("path = \"/mnt/nas/restic\""), @"homelab.toml:9: expected path and mount (a folder of a mounted NAS), or url (a REST server)");
    insta::assert_snapshot!(with(&format!("{folder}\nurl = \"https://192.0.2.12/\"")), @"homelab.toml:9: url is given together with path or mount: a repository is either on a server or in a folder; remove the other");
    insta::assert_snapshot!(with(&format!("{folder}\n{login}")), @"homelab.toml:9: user is given, which is for a server, and path, which is a folder: remove user, or give url in place of path and mount");
    insta::assert_snapshot!(with("url = \"https://192.0.2.12/\"\nuser = \"docker01\""), @"homelab.toml:9: user is given without server_password_file: expected both, or neither");
    insta::assert_snapshot!(with("url = \"https://docker01:secret@192.0.2.12/\""), @"homelab.toml:9: url: the URL holds a user or a password, which would appear in logs: give the user and a file with the password apart from it");
    insta::assert_snapshot!(with("url = \"http://192.0.2.12:8000/\""), @"homelab.toml:9: url: http sends the server's password in clear: expected https, or http to this machine itself (127.0.0.1, ::1 or localhost)");
    insta::assert_snapshot!(with("url = \"sftp://192.0.2.12/\""), @"homelab.toml:9: url: this is the address of no REST server: expected https://HOST:PORT/PATH/");
}

#[test]
fn what_is_copied_against_the_rules_is_read() {
    let text = "[docker]\ninclude = [\"volume:nfs_data\", \"bind:/etc/ssl/../letsencrypt/\"]\n";
    let config = load(text).unwrap();
    let options = crate::setup::ConfiguredHost::options(
        &config,
        Vec::new(),
        crate::step::stacks::Permission::Now,
    );
    let included: Vec<String> = options
        .rules
        .include
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(included, ["volume:nfs_data", "bind:/etc/letsencrypt"]);
}

#[test]
fn what_is_left_out_and_where_the_copies_go_is_read() {
    let text = "[docker]\nexclude = [\"bind:/srv/media/\"]\nexclude_paths = [\"*.log\", \"/cache/**\"]\n\
        [repository]\npath = \"/mnt/nas/restic\"\nmount = \"/mnt/nas\"\npassword_file = \"/p\"\n";
    let config = load(text).unwrap();
    let options = crate::setup::ConfiguredHost::options(
        &config,
        Vec::new(),
        crate::step::stacks::Permission::Now,
    );
    assert_eq!(
        options.host_view,
        crate::step::stacks::HostView::ThisMachine
    );
    let rules = options.rules;
    assert_eq!(rules.exclude[0].to_string(), "bind:/srv/media");
    let globs: Vec<&str> = rules
        .exclude_paths
        .iter()
        .map(docker_stacks::PathGlob::as_str)
        .collect();
    assert_eq!(globs, ["*.log", "/cache/**"]);
    assert_eq!(
        rules.copies_go_to.unwrap(),
        std::path::Path::new("/mnt/nas/restic")
    );
}

#[test]
fn a_missing_section_is_named_with_what_it_must_hold() {
    let config = load("").unwrap();
    insta::assert_snapshot!(config.window().unwrap_err(), @"homelab.toml: the section [window] is missing, which this command needs; add it with start, end and time_zone");
    insta::assert_snapshot!(config.shutdown().unwrap_err(), @"homelab.toml: the section [backup_nas] is missing, which this command needs; add it with address and mac");
}

/// The complaint about the password file, with what was done to it.
fn password_complaint(prepare: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.password");
    prepare(&file);
    let text = HOMELAB.replace(
        "/etc/backup-window/repository.password",
        file.to_str().unwrap(),
    );
    let config = load(&text).unwrap();
    let complaint = config
        .read_secret(&config.repository().unwrap().password_file)
        .unwrap_err()
        .to_string();
    complaint.replace(folder.path().to_str().unwrap(), "FOLDER")
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_line_that_names_it() {
    insta::assert_snapshot!(password_complaint(|_| {}), @"homelab.toml:12: password_file: FOLDER/repository.password does not exist; expected a file there: create it, or correct the path");
    insta::assert_snapshot!(password_complaint(|file| fs::create_dir(file).unwrap()), @"homelab.toml:12: password_file: FOLDER/repository.password is not a regular file; expected the path of one");
    insta::assert_snapshot!(password_complaint(|file| {
        fs::write(file, "hunter2\n").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o640)).unwrap();
    }), @"homelab.toml:12: password_file: FOLDER/repository.password holds a secret and has mode 0640, so that others can read it; expected 0600: `chmod 600` it");
    insta::assert_snapshot!(password_complaint(|file| {
        fs::write(file, "\n").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }), @"homelab.toml:12: password_file: FOLDER/repository.password is empty; expected the secret in its first line");
}

#[test]
fn where_magic_packets_go_is_said_or_found_out() {
    let broadcast = "broadcast = [\"192.0.2.255\"]";
    let aim = |keys: &str| {
        let config = load(&HOMELAB.replace(broadcast, keys)).unwrap();
        config.backup_nas().unwrap().aim.clone()
    };
    assert_eq!(aim(""), wol::Aim::default());
    assert_eq!(aim(broadcast).broadcasts.len(), 1);
    assert_eq!(aim("interface = \"eno1\"").interfaces, ["eno1"]);
    let frames = aim("interfaces = [\"eno1\", \"eno2\"]\nethernet = true");
    assert_eq!(frames.interfaces, ["eno1", "eno2"]);
    assert!(frames.ethernet);

    let with = |keys: &str| complaint(broadcast, keys);
    insta::assert_snapshot!(with("broadcast = []"), @"homelab.toml:19: broadcast is empty: leave it out, and every network is used that this machine is on by a network card");
    insta::assert_snapshot!(with("interface = \"eno1\"\ninterfaces = [\"eno1\"]"), @"homelab.toml:19: interface and interfaces are both given: expected one of them; remove the other");
}

#[test]
fn a_secure_on_password_is_read_from_a_file_that_only_its_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secure-on");
    let text = HOMELAB.replace(
        "broadcast = ",
        &format!("secure_on_file = \"{}\"\nbroadcast = ", file.display()),
    );
    let wake = |contents: &str, mode: u32| {
        fs::write(&file, contents).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let config = load(&text).unwrap();
        crate::setup::wake(&config)
            .map(|(options, _)| options.secure_on.unwrap().as_bytes().to_vec())
            .map_err(|error| {
                error
                    .to_string()
                    .replace(folder.path().to_str().unwrap(), "FOLDER")
            })
    };
    assert_eq!(wake("1.2.3.4\n", 0o600), Ok(vec![1, 2, 3, 4]));
    insta::assert_snapshot!(wake("sesame\n", 0o600).unwrap_err(), @"homelab.toml:22: secure_on_file: FOLDER/secure-on cannot be used: failed to read a SecureOn password: expected four bytes as dotted decimals, such as 192.168.1.1, or six as hexadecimals with colons, such as 00:22:44:66:88:aa");
    insta::assert_snapshot!(wake("1.2.3.4\n", 0o644).unwrap_err(), @"homelab.toml:22: secure_on_file: FOLDER/secure-on holds a secret and has mode 0644, so that others can read it; expected 0600: `chmod 600` it");
}

#[test]
fn a_secret_is_read_without_its_newline_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.password");
    fs::write(&file, "hunter2\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = HOMELAB.replace(
        "/etc/backup-window/repository.password",
        file.to_str().unwrap(),
    );
    let config = load(&text).unwrap();
    let secret = config
        .read_secret(&config.repository().unwrap().password_file)
        .unwrap();
    assert_eq!(secret.expose_secret(), "hunter2");
    assert!(!format!("{config:?} {secret:?}").contains("hunter2"));
}

#[test]
fn a_secret_may_be_a_credential_of_the_service() {
    let text = HOMELAB.replace(
        "/etc/backup-window/repository.password",
        "credential:password",
    );
    let config = load(&text).unwrap();
    let file = &config.repository().unwrap().password_file;
    let folder = tempfile::tempdir().unwrap();
    let here = || {
        config
            .clone()
            .with_credentials(Some(folder.path().to_owned()))
    };
    let complaint = |config: &Config| {
        let text = config.read_secret(file).unwrap_err().to_string();
        text.replace(folder.path().to_str().unwrap(), "FOLDER")
    };
    insta::assert_snapshot!(complaint(&config), @"homelab.toml:12: password_file: credential:password is a credential, and there are none here ($CREDENTIALS_DIRECTORY is not set); expected to be started by systemd with a line LoadCredential=NAME:FILE in the unit: run the service, or name a file");
    insta::assert_snapshot!(complaint(&here()), @"homelab.toml:12: password_file: credential:password does not exist; expected a file there: create it, or correct the path");

    let path = folder.path().join("password");
    fs::write(&path, "hunter2\n").unwrap();
    // As systemd does it for a service with a user of its own.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
    assert_eq!(here().read_secret(file).unwrap().expose_secret(), "hunter2");
    assert_eq!(here().secret_path(file).unwrap(), path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(complaint(&here()).contains("others can read it"));

    for name in ["", ".", "..", "../shadow", "a/b"] {
        let written = format!("credential:{name}");
        let complaint = complaint_about_file(&written);
        assert!(
            complaint.contains("is no credential: expected credential:NAME"),
            "{complaint}"
        );
    }
}

fn complaint_about_file(file: &str) -> String {
    complaint("/etc/backup-window/repository.password", file)
}

#[test]
fn how_the_replication_is_waited_for_is_read_and_has_defaults() {
    let replication = |keys: &str| {
        let key = "replication_tasks = [\"docker_backup to the backup NAS\"]";
        let config = load(&HOMELAB.replace(key, &format!("{key}\n{keys}"))).unwrap();
        let user = config.primary_nas().unwrap().api.user.clone();
        (crate::setup::replication(&config).unwrap(), user)
    };
    let (usual, user) = replication("");
    assert_eq!(usual.tasks, ["docker_backup to the backup NAS"]);
    assert_eq!(usual.stalled_after, std::time::Duration::from_mins(10));
    assert!(!usual.trigger);
    assert_eq!(user, None);
    let (other, user) = replication("user = \"backup\"\ntrigger = true\nstalled_after = \"1h\"");
    assert_eq!(other.stalled_after, std::time::Duration::from_hours(1));
    assert!(other.trigger);
    assert_eq!(user.as_deref(), Some("backup"));

    let address = "address = \"192.0.2.11\"";
    let with = |key: &str| complaint(address, &format!("{address}\n{key}"));
    insta::assert_snapshot!(with("user = \" \""), @"homelab.toml:21: user: it is empty: expected the name of the user that the API key belongs to, as TrueNAS shows it beside the key; or no such line for a key without a user");
    insta::assert_snapshot!(with("user = \"backup\""), @"homelab.toml:19: user is given without url and api_key_file: it is the user of the API key; the one that switches the NAS off is in [backup_nas.shutdown]");
}

/// The complaint about a configuration of nothing but these lines.
#[track_caller]
fn complaint_about(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn the_ways_to_an_engine_are_read_with_what_each_needs() {
    let docker = |text: &str| load(text).unwrap().docker().clone();
    let plain = docker("[docker]\nhost = \"tcp://socket-proxy:2375\"\nsettle = \"10s\"\n");
    assert_eq!(plain.host.to_string(), "tcp://socket-proxy:2375");
    assert_eq!(plain.settle, std::time::Duration::from_secs(10));
    assert!(plain.tls.is_none());
    let by_ssh = docker(
        "[docker]\nhost = \"ssh://me@pi\"\n[docker.ssh]\nkey_file = \"/k\"\nknown_hosts = \"/h\"\n",
    );
    let key_file = by_ssh.ssh.key_file.unwrap();
    assert_eq!(key_file.locate(None).unwrap(), Path::new("/k"));

    insta::assert_snapshot!(complaint_about("[docker]\nhost = \"npipe:////./pipe/docker\"\n"), @"homelab.toml:2: host: use the engine at 'npipe:////./pipe/docker': npipe:// is not supported, expected unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST");
    insta::assert_snapshot!(complaint_about("[docker]\nhost = \"tcp://:2375\"\n"), @"homelab.toml:2: host: read 'tcp://:2375' as the address of an engine: expected a host name or an address, an IPv6 address in brackets");
    insta::assert_snapshot!(complaint_about("[docker]\nsettle = 3\n"), @"homelab.toml:2: settle: invalid type: integer `3`, expected a string");
    insta::assert_snapshot!(complaint_about("[docker]\nhost = \"tcp://nas\"\n[docker.tls]\nca_file = \"/ca\"\nkey_file = \"/key\"\n"), @"homelab.toml:3: key_file is given without certificate_file: expected both, or neither");
    insta::assert_snapshot!(complaint_about("[docker]\nhost = \"tcp://nas\"\n[docker.tls]\nca = \"/ca\"\n"), @"homelab.toml:4: unknown field `ca`, expected one of `ca_file`, `certificate_file`, `key_file`; correct the key or remove the line");
    insta::assert_snapshot!(complaint_about("[docker.tls]\nca_file = \"/ca\"\n"), @"homelab.toml:2: [docker.tls] is for an engine at tcp://HOST:PORT, and host is unix:///var/run/docker.sock: correct host in [docker], or remove this section");
    insta::assert_snapshot!(complaint_about("[docker]\nhost = \"tcp://nas\"\n\n[docker.ssh]\nknown_hosts = \"/h\"\n"), @"homelab.toml:5: [docker.ssh] is for an engine at ssh://USER@HOST, and host is tcp://nas: correct host in [docker], or remove this section");
}

#[test]
fn the_files_for_the_way_to_an_engine_are_checked_before_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, "PEM").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let text = format!(
        "[docker]\nhost = \"tcp://nas\"\n[docker.tls]\nca_file = \"{}\"\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
        file("ca.pem", 0o644),
        file("cert.pem", 0o644),
        file("key.pem", 0o600)
    );
    crate::setup::engine(&load(&text).unwrap()).unwrap();
    let complaint = |text: &str| {
        let error = crate::setup::engine(&load(text).unwrap()).unwrap_err();
        let text = error.to_string();
        text.replace(folder.path().to_str().unwrap(), "FOLDER")
    };
    let missing = text.replace("ca.pem", "no.pem");
    insta::assert_snapshot!(complaint(&missing), @"homelab.toml:4: ca_file: FOLDER/no.pem does not exist; expected a file there: create it, or correct the path");
    file("key.pem", 0o644);
    insta::assert_snapshot!(complaint(&text), @"homelab.toml:6: key_file: FOLDER/key.pem holds a secret and has mode 0644, so that others can read it; expected 0600: `chmod 600` it");
}

#[test]
fn a_drills_memory_is_a_size() {
    insta::assert_snapshot!(complaint_about("[drill]\nmemory = \"much\"\n"), @"homelab.toml:2: memory: `much` is no size: expected a number with its unit, such as 500MB or 4GiB");
    insta::assert_snapshot!(complaint_about("[drill]\nmemory = \"1024\"\n"), @"homelab.toml:2: memory: `1024` is no size: expected a number with its unit, such as 500MB or 4GiB");
    let text = "[drill]\nnightly = true\nmemory = \"512 MiB\"\ntimeout = \"2m\"\n".to_owned();
    let config = Config::parse(Path::new("homelab.toml"), text).unwrap();
    assert!(config.drill().nightly);
    assert_eq!(config.drill().memory_bytes, 512 << 20);
}

#[test]
fn the_account_that_switches_off_has_a_key_and_its_stages_have_deadlines() {
    let key = "key_file = \"/etc/backup-window/shutdown_ed25519\"";
    let more = format!("{key}\ndispatcher = true\ndeadlines = {{ execute = \"90s\" }}");
    let config = load(&HOMELAB.replace(key, &more)).unwrap();
    let shutdown = config.shutdown().unwrap();
    assert!(shutdown.dispatcher);
    assert_eq!(shutdown.deadlines.execute.as_secs(), 90);
    assert_eq!(shutdown.deadlines.connect.as_secs(), 10);
    let agent = "agent_socket = \"/run/agent\"\nagent_key = \"SHA256:uNiVztksCsDhcc0u9e8BrHl4LT/1YT4+2ZUZeWK5p2c\"";
    let config = load(&HOMELAB.replace(key, agent)).unwrap();
    assert!(matches!(
        config.shutdown().unwrap().key,
        ShutdownKey::Agent { .. }
    ));
    assert_eq!(
        crate::setup::shutdown(&config).unwrap().request(),
        "sudo -n /sbin/shutdown -p now"
    );
    let without = "homelab.toml:24: expected either key_file, with or without passphrase_file, or agent_socket together with agent_key (what `ssh-add -l` prints for the key)";
    assert_eq!(complaint(key, ""), without);
    assert_eq!(complaint(key, &format!("{key}\n{agent}")), without);
    assert_eq!(complaint(key, "agent_socket = \"/run/agent\""), without);
    insta::assert_snapshot!(complaint(key, &format!("{key}\ndeadlines = {{ execute = \"90\" }}")), @"homelab.toml:27: deadlines: `90` is no duration: expected a number with its unit, such as 90s, 10m or 2h");
}
