//! Commands that do not run, and one that does.

use lab::isolation::isolated;

use crate::matrix::{By, Matrix};
use crate::nas::{Nas, Settings};

/// A command of our own, which is sent as it is.
fn own(good: &Settings, command: &str) -> Settings {
    Settings {
        system: format!("{{ command = \"{command}\" }}"),
        dispatcher: false,
        ..good.clone()
    }
}

#[test]
fn commands_behind_the_dispatcher() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        nas.wake();
        let good = nas.settings();
        let dir = nas.dir.display().to_string();
        let mut matrix = Matrix::of(&nas);
        let m = &mut matrix;

        // What is right: it goes off, and that is seen.
        let plan = nas.run_dry(&good);
        plan.expect(0, "would be sent `poweroff`");
        assert!(plan.pressed.is_empty(), "{plan:#?}");
        let off = nas.shut_down(&good, true);
        off.expect(0, "the backup NAS is off");
        assert_eq!(off.pressed, ["root now"]);
        // What accepts and stays on is not believed.
        m.case(
            "accepted, and still on",
            By::Run,
            &good,
            3,
            "the backup NAS is not off",
            1,
        );

        nas.then("echo 'a scrub is running'; exit 3");
        m.case(
            "the command fails",
            By::Run,
            &good,
            1,
            "the command ended with status 3: a scrub is running",
            1,
        );
        nas.then("kill -9 $$");
        m.case(
            "the command is killed",
            By::Run,
            &good,
            3,
            "the command was ended by the signal",
            1,
        );
        nas.then("exit 0");

        nas.sudoers("");
        m.run(
            "not in the sudoers",
            &good,
            1,
            "sudo refuses it without a password",
        );
        nas.sudoers(&format!("shutdown ALL=(root) {dir}/power-off now"));
        m.run(
            "sudo asks for a password",
            &good,
            1,
            "a password is required; the user's sudo rule on the host must have NOPASSWD",
        );
        nas.sudoers(&format!(
            "shutdown ALL=(root) NOPASSWD: {dir}/power-off later"
        ));
        m.run(
            "sudo allows other arguments only",
            &good,
            1,
            "sudo refuses it without a password",
        );
        println!("{}", matrix.told(6));
    });
}

#[test]
fn commands_of_our_own() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        nas.wake();
        let good = nas.settings();
        let mut matrix = Matrix::of(&nas);
        let m = &mut matrix;
        let dir = nas.dir.display().to_string();
        // Without a forced command, ours is what runs.
        nas.authorize("restrict");
        m.run(
            "arguments that sudo does not allow",
            &own(&good, &format!("sudo -n {dir}/power-off later")),
            1,
            "sudo refuses it without a password",
        );
        m.run(
            "a command that sudo does not allow",
            &own(&good, "sudo -n /usr/bin/id"),
            1,
            "sudo refuses it without a password",
        );
        m.run(
            "no such command",
            &own(&good, "/nonexistent now"),
            1,
            "the host cannot run the command: /nonexistent now (status 127)",
        );
        nas.file("not-executable", "");
        m.run(
            "a command that cannot be run",
            &own(&good, &format!("{dir}/not-executable")),
            1,
            "(status 126)",
        );
        nas.sudoers("shutdown ALL=(root) NOPASSWD: /nonexistent");
        m.run(
            "no such command, says sudo",
            &own(&good, "sudo -n /nonexistent"),
            1,
            "the host cannot run the command",
        );
        nas.install_kit(&[]);

        m.run(
            "a dispatcher that is asked as if there were none",
            &own(&good, "sudo -n /sbin/poweroff"),
            1,
            "its dispatcher refuses the request",
        );
        nas.host
            .shell("usermod --shell /usr/sbin/nologin shutdown")
            .unwrap();
        m.run(
            "an account without a shell",
            &good,
            1,
            "This account is currently not available",
        );
        nas.host
            .shell("usermod --shell /bin/sh shutdown; usermod --lock shutdown")
            .unwrap();
        m.run(
            "an account that is locked",
            &good,
            1,
            "the key is not accepted for the user shutdown",
        );
        nas.host
            .shell("usermod --unlock shutdown || usermod --password '*' shutdown")
            .unwrap();

        println!("{}", matrix.told(8));
    });
}

#[test]
fn a_plain_command_behind_the_key() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &["--plain"]);
        nas.wake();
        let good = nas.settings();
        let mut matrix = Matrix::of(&nas);
        let m = &mut matrix;
        let settings = own(&good, &nas.command());
        let off = nas.shut_down(&settings, true);
        off.expect(0, "the backup NAS is off");
        assert_eq!(off.pressed, ["root now"]);
        // Whatever is asked for, the command behind the key is what runs.
        m.case(
            "the plain command, and still on",
            By::Run,
            &own(&good, "id"),
            3,
            "the backup NAS is not off",
            1,
        );

        println!("{}", matrix.told(1));
    });
}
