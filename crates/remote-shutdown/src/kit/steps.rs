//! What to do on each kind of system, in order.

use super::command::SudoCommand;
use super::{Kit, KitFile, KitOptions, KitStep, files};
use crate::System;
use crate::dispatcher::NAME;

/// The folder for the kit's programs where nothing else is said. The systems of
/// appliances are replaced by upgrades; their pools are not.
pub(super) fn directory(system: &System) -> &'static str {
    match system {
        System::TrueNasCore | System::TrueNasScale | System::TrueNasScale2410 => {
            "/mnt/POOL/backup-window"
        }
        System::Synology => "/volume1/backup-window",
        System::LinuxSystemd | System::Command(_) => "/usr/local/libexec",
    }
}

pub(super) fn steps(
    kit: &Kit,
    options: &KitOptions,
    command: &SudoCommand,
    directory: &str,
) -> Vec<KitStep> {
    let mut steps = Vec::new();
    if options.public_key.is_none() {
        steps.push(key());
    }
    if options.dispatcher {
        steps.push(dispatcher(options, command, directory));
    }
    match options.system {
        System::TrueNasCore => core(kit, directory, &mut steps),
        System::TrueNasScale | System::TrueNasScale2410 => scale(kit, command, &mut steps),
        System::Synology => synology(kit, &mut steps),
        System::LinuxSystemd | System::Command(_) => linux(kit, &mut steps),
    }
    steps.push(configure(kit, options));
    steps
}

fn step(title: impl Into<String>, notes: &[&str]) -> KitStep {
    KitStep {
        title: title.into(),
        notes: notes.iter().map(|&note| note.to_owned()).collect(),
        commands: Vec::new(),
        file: None,
    }
}

impl KitStep {
    fn run(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn write(mut self, path: impl Into<String>, mode: &str, owner: &str, content: String) -> Self {
        self.file = Some(KitFile {
            path: path.into(),
            mode: mode.to_owned(),
            owner: owner.to_owned(),
            content,
        });
        self
    }
}

fn key() -> KitStep {
    step(
        "Here: make a key",
        &["Then print this kit again, with --public-key FILE.pub: PUBLIC-KEY stands for it below."],
    )
    .run("ssh-keygen -t ed25519 -N '' -f /etc/backup-window/shutdown_ed25519")
}

fn dispatcher(options: &KitOptions, command: &SudoCommand, directory: &str) -> KitStep {
    let mut step = step(
        "On the host: install the dispatcher",
        &["Only root may be able to write to it and to its folder."],
    );
    if options.directory.is_none() && directory.contains("POOL") {
        step = step.note(
            "POOL stands for your pool: print this kit again, with --directory /mnt/…/backup-window.",
        );
    }
    step.write(
        format!("{directory}/{NAME}"),
        "0755",
        "root",
        files::dispatcher(command),
    )
}

fn core(kit: &Kit, directory: &str, steps: &mut Vec<KitStep>) {
    steps.push(
        step(
            format!("In the web interface: Accounts, Users, Add: the user {}", kit.user),
            &[
                "Home Directory: one of its own on a pool. Shell: sh (nologin would refuse the key's command).",
                "Disable Password: Yes. SSH Public Key: this line, as one line.",
            ],
        )
        .run(&kit.authorized_key),
    );
    steps.push(
        step(
            "On the host: install the script that puts the sudo rule back",
            &["CORE writes its sudoers anew at each boot, and when users are changed; then run it again."],
        )
        .write(
            format!("{directory}/backup-window-sudoers"),
            "0755",
            "root",
            files::init_script(&kit.sudoers),
        ),
    );
    steps.push(
        step(
            "In the web interface: Tasks, Init/Shutdown Scripts, Add",
            &["Type: Script. When: Post Init. Script: the file above. Run it once now, too:"],
        )
        .run(format!("sh {directory}/backup-window-sudoers")),
    );
}

fn scale(kit: &Kit, command: &SudoCommand, steps: &mut Vec<KitStep>) {
    steps.push(
        step(
            format!("In the web interface: Credentials, Local Users, Add: the user {}", kit.user),
            &[
                "Disable Password: yes. Home Directory: one of its own on a pool, with Create Home Directory",
                "(the usual /var/empty can hold no key). Shell: /usr/bin/sh (nologin would refuse the key's command).",
                "Authorized Keys: this line, as one line.",
            ],
        )
        .run(&kit.authorized_key),
    );
    steps.push(
        step(
            "In the same form: Allowed sudo commands with no password",
            &["Nothing else there, and nothing in Allowed sudo commands. TrueNAS writes this sudo rule of it:"],
        )
        .note(format!("    {}", kit.sudoers))
        .run(command.without_sudo()),
    );
}

fn synology(kit: &Kit, steps: &mut Vec<KitStep>) {
    steps.push(step(
        format!("In the web interface: Control Panel, User & Group: the user {}", kit.user),
        &[
            "DSM lets only members of the group administrators log in by SSH: a long random password, and no",
            "access to folders and applications. It is the line below that restricts the key.",
            "Control Panel, Terminal & SNMP: SSH service. User & Group, Advanced: user home service.",
        ],
    ));
    steps.push(authorized_keys(
        kit,
        &format!("/var/services/homes/{}", kit.user),
    ));
    steps.push(sudo_rule(kit, "/etc/sudoers.d/backup-window"));
}

fn linux(kit: &Kit, steps: &mut Vec<KitStep>) {
    let user = &kit.user;
    steps.push(
        step(
            format!("On the host: make the user {user}"),
            &[
                "A real shell, because sshd runs the key's command by it. No password (*), but not locked either (!):",
                "sshd lets locked users in by no key.",
            ],
        )
        .run(format!("useradd --create-home --shell /bin/sh --password '*' {user}")),
    );
    steps.push(authorized_keys(kit, &format!("/home/{user}")));
    steps.push(sudo_rule(kit, "/etc/sudoers.d/backup-window"));
}

fn authorized_keys(kit: &Kit, home: &str) -> KitStep {
    step(
        "On the host: let the key in",
        &["No other key in this file."],
    )
    .write(
        format!("{home}/.ssh/authorized_keys"),
        "0600",
        &kit.user,
        format!("{}\n", kit.authorized_key),
    )
}

fn sudo_rule(kit: &Kit, path: &str) -> KitStep {
    step(
        "On the host: allow the command",
        &["This command with these arguments, and nothing else. Check it before you log out: visudo -c"],
    )
    .write(path, "0440", "root", format!("{}\n", kit.sudoers))
}

fn configure(kit: &Kit, options: &KitOptions) -> KitStep {
    let dispatcher = if options.dispatcher {
        "nas-shutdown check then proves it all, without switching anything off."
    } else {
        "nas-shutdown check then logs in, and says what it cannot prove. Without the dispatcher, whatever else \
         is tried with this key (ssh, sftp) switches the host off."
    };
    let mut step = step(
        "Here: say so in the configuration, [backup_nas.shutdown]",
        &[dispatcher],
    )
    .run(format!("user = \"{}\"", kit.user));
    step = match &options.system {
        System::Command(command) => step.run(format!("system = {{ command = \"{command}\" }}")),
        named => step.run(format!("system = \"{named}\"")),
    };
    if options.dispatcher {
        step = step.run("dispatcher = true");
    }
    step
}
