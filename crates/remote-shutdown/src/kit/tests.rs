use proptest::prelude::*;

use super::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

fn options(system: System) -> KitOptions {
    KitOptions {
        public_key: Some(format!("{KEY} me@here\n").parse().unwrap()),
        from: Some("192.168.0.137".into()),
        ..KitOptions::new(system)
    }
}

fn command(line: &str) -> KitOptions {
    options(System::Command(line.into()))
}

#[test]
fn the_kit_of_a_freebsd_nas_is_complete() {
    let mut options = options(System::TrueNasCore);
    options.directory = Some("/mnt/dozer/backup-window/".into());
    insta::assert_snapshot!(Kit::new(&options).unwrap());
}

#[test]
fn the_kit_of_a_linux_nas_is_complete() {
    insta::assert_snapshot!(Kit::new(&options(System::TrueNasScale)).unwrap());
}

#[test]
fn without_a_key_the_kit_says_how_to_make_one() {
    let kit = Kit::new(&KitOptions::new(System::LinuxSystemd)).unwrap();
    insta::assert_snapshot!(kit);
}

#[test]
fn the_plain_forced_command_is_the_command_itself() {
    let mut options = options(System::TrueNasCore);
    options.dispatcher = false;
    let kit = Kit::new(&options).unwrap();
    insta::assert_snapshot!(kit.authorized_key, @r#"restrict,command="sudo -n /sbin/shutdown -p now",from="192.168.0.137" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@here"#);
    assert!(!kit.files().any(|file| file.path.contains("dispatch")));
}

#[test]
fn a_rule_names_exactly_the_arguments() {
    let rule = |line: &str| Kit::new(&command(line)).unwrap().sudoers;
    insta::assert_snapshot!(rule("sudo -n /sbin/poweroff"), @r#"shutdown ALL=(root) NOPASSWD: /sbin/poweroff """#);
    insta::assert_snapshot!(rule("sudo -n /usr/bin/off at=now,later 1:2"), @r#"shutdown ALL=(root) NOPASSWD: /usr/bin/off at\=now\,later 1\:2"#);
    for (system, _) in System::NAMED {
        let kit = Kit::new(&options(system.clone())).unwrap();
        let (_, allowed) = kit.sudoers.split_once("NOPASSWD: ").unwrap();
        assert_eq!(format!("sudo -n {allowed}"), system.command());
    }
}

#[test]
fn a_command_that_would_be_read_otherwise_is_refused() {
    let complaint = |line: &str| Kit::new(&command(line)).unwrap_err().to_string();
    insta::assert_snapshot!(complaint("doas poweroff"), @r#"allow "doas poweroff" by a sudo rule: it does not begin with sudo -n; expected sudo -n /PATH ARGUMENT…, without quotes"#);
    insta::assert_snapshot!(complaint("sudo -n poweroff"), @r#"allow "sudo -n poweroff" by a sudo rule: its program is not named by its absolute path; expected sudo -n /PATH ARGUMENT…, without quotes"#);
    insta::assert_snapshot!(complaint("sudo -n /sbin/poweroff; id"), @r#"allow "sudo -n /sbin/poweroff; id" by a sudo rule: it has characters that a shell or sudo would read otherwise; expected sudo -n /PATH ARGUMENT…, without quotes"#);
    for line in [
        "sudo -n",
        "sudo -n /sbin/shutdown \"-p\" now",
        "sudo -n /sbin/shutdown *",
        "sudo -n /sbin/shutdown ^.*$",
        "sudo -n /sbin/a\nb",
    ] {
        assert!(Kit::new(&command(line)).is_err(), "{line}");
    }
}

#[test]
fn what_would_break_out_of_its_place_is_refused() {
    let with = |change: fn(&mut KitOptions)| {
        let mut options = options(System::TrueNasCore);
        change(&mut options);
        Kit::new(&options).unwrap_err().to_string()
    };
    insta::assert_snapshot!(with(|kit| kit.user = "a b".into()), @r#"use "a b" as the name of an account: expected small letters, digits, - and _, such as shutdown"#);
    insta::assert_snapshot!(with(|kit| kit.from = Some("10.0.0.1\" ".into())), @r#"use "10.0.0.1\" " as where the key may be used from: expected addresses, networks or names, separated by commas, such as 192.168.0.137"#);
    insta::assert_snapshot!(with(|kit| kit.directory = Some("/mnt/../x".into())), @r#"use "/mnt/../x" as the folder of the kit: expected an absolute path of letters, digits, . _ - and /, such as /usr/local/libexec"#);
    for user in ["", "ALL=", "%wheel", "Root", "-rf"] {
        assert!(check_user(user).is_err(), "{user}");
    }
    for from in ["", ",", "10.0.0.1,", "!"] {
        assert!(check_from(from).is_err(), "{from}");
    }
    check_from("192.168.0.0/24,fd00::1,!10.0.0.5,*.lan").unwrap();
    for directory in ["", "/", "tmp", "/a b", "/a'b", "/a//b"] {
        assert!(check_directory(directory).is_err(), "{directory}");
    }
}

#[test]
fn a_public_key_is_one_line_with_one_key() {
    let key: PublicKey = KEY.parse().unwrap();
    assert_eq!(
        key.fingerprint().to_string(),
        "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    );
    let complaint = |text: &str| text.parse::<PublicKey>().unwrap_err().to_string();
    insta::assert_snapshot!(complaint("-----BEGIN OPENSSH PRIVATE KEY-----"), @"read the public key: this is the private half, which stays where it is; expected the one line that ssh-keygen writes to a .pub file");
    insta::assert_snapshot!(complaint(&format!("{KEY}\n{KEY}")), @"read the public key: it has more than one line; expected the one line that ssh-keygen writes to a .pub file");
    insta::assert_snapshot!(complaint(&format!("no-pty {KEY}")), @"read the public key: it is no key; expected the one line that ssh-keygen writes to a .pub file");
    assert!("".parse::<PublicKey>().is_err());
    assert!(
        KEY.replace("ssh-ed25519 ", "ssh-rsa ")
            .parse::<PublicKey>()
            .is_err()
    );
}

proptest! {
    /// Whatever is allowed in, each line stays one line and each quotation closed.
    #[test]
    fn lines_stay_lines(user in ".{0,12}", from in ".{0,20}", directory in "/?.{0,12}", line in "sudo -n /.{0,20}", comment in "(?s).{0,20}") {
        let Ok(public_key) = format!("{KEY} {comment}").parse() else { return Ok(()) };
        let options = KitOptions {
            user,
            from: Some(from),
            directory: Some(directory),
            public_key: Some(public_key),
            ..KitOptions::new(System::Command(line))
        };
        if let Ok(kit) = Kit::new(&options) {
            let (restrictions, _) = kit.authorized_key.split_once(" ssh-ed25519 ").unwrap();
            prop_assert_eq!(restrictions.matches('"').count(), 4);
            prop_assert_eq!(kit.authorized_key.lines().count(), 1);
            prop_assert_eq!(kit.sudoers.lines().count(), 1);
        }
    }
}
