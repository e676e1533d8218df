//! The machine itself: a process of QEMU, and its disks.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};
use wol::MacAddr;

use super::build::run;
use super::first_boot;
use super::image::{INITRD, Image, KERNEL, ROOT};
use super::network::TAP;
use super::{GuestError, GuestOptions};
use crate::isolation::find_program;

/// A machine, off or on.
#[derive(Debug)]
pub(super) struct Machine {
    qemu: PathBuf,
    mac: MacAddr,
    kernel: PathBuf,
    initrd: PathBuf,
    disk: PathBuf,
    first_boot: PathBuf,
    console: PathBuf,
    complaints: PathBuf,
}

impl Machine {
    /// Makes its disks in this folder.
    pub(super) fn assemble(
        dir: &Path,
        image: &Image,
        options: &GuestOptions,
    ) -> Result<Self, GuestError> {
        let qemu_img = find_program("qemu-img", "qemu-utils")?;
        let machine = Self {
            qemu: find_program("qemu-system-x86_64", "qemu-system-x86")?,
            mac: options.mac,
            kernel: image.file(KERNEL),
            initrd: image.file(INITRD),
            disk: dir.join("disk.qcow2"),
            first_boot: dir.join("first-boot.tar"),
            console: dir.join("console.log"),
            complaints: dir.join("qemu.log"),
        };
        // A console of the guest before would be taken for this one's.
        let _ = fs::remove_file(&machine.console);
        run(
            "make the guest's disk",
            std::process::Command::new(qemu_img)
                .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
                .args([&image.file(ROOT), &machine.disk]),
        )?;
        first_boot::write_disk(&machine.first_boot, options).map_err(GuestError::system(
            format!("write {}", machine.first_boot.display()),
        ))?;
        Ok(machine)
    }

    /// The file that its console is written to.
    pub(super) fn console(&self) -> &Path {
        &self.console
    }

    /// Switches it on. To be called on a thread in its network. The power goes off when the process
    /// ends, and when this is dropped.
    pub(super) fn switch_on(&self) -> Result<Child, GuestError> {
        let complaints = File::create(&self.complaints).map_err(GuestError::system(format!(
            "create {}",
            self.complaints.display()
        )))?;
        let mut command = Command::new(&self.qemu);
        command
            // Emulated, not virtualised: it works everywhere, and everywhere alike.
            .args(["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "1024"])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initrd)
            .args(["-append", "console=ttyS0 quiet loglevel=4 net.ifnames=0"])
            .arg("-chardev")
            .arg(option("file,id=console,append=on,path=", &self.console))
            .args(["-serial", "chardev:console"])
            // The disk is in memory and goes with the test: nothing is gained by syncing it.
            .arg("-drive")
            .arg(option(
                "if=virtio,format=qcow2,cache=unsafe,file=",
                &self.disk,
            ))
            .arg("-drive")
            .arg(option(
                "if=virtio,format=raw,readonly=on,file=",
                &self.first_boot,
            ))
            .arg("-netdev")
            .arg(format!("tap,id=lan,ifname={TAP},script=no,downscript=no"))
            .arg("-device")
            .arg(format!(
                "virtio-net-pci,netdev=lan,mac={},romfile=",
                self.mac
            ));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(complaints)
            .kill_on_drop(true)
            .spawn()
            .map_err(GuestError::system(format!("run {}", self.qemu.display())))
    }

    /// What QEMU complained about since it was last switched on.
    pub(super) fn complaints(&self) -> String {
        let text = fs::read(&self.complaints).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}

/// An option with a path at its end. QEMU takes a comma for the end of the path unless it is doubled.
fn option(beginning: &str, path: &Path) -> String {
    let path = path.to_string_lossy().replace(',', ",,");
    format!("{beginning}{path}")
}
