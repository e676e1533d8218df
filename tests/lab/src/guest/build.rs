//! Making the image, of Debian's packages.
//!
//! `debootstrap` makes the system from wherever this machine gets its own packages. The kernel is
//! downloaded by that system's own `apt`, which checks it, and unpacked rather than installed: it
//! needs neither a boot loader nor the initial file system that Debian would make, which is many
//! times the size of the one made here.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use walkdir::WalkDir;

use super::GuestError;
use super::image::{INITRD, KERNEL, ROOT};
use crate::cable::{BROADCAST, HOST, PREFIX};
use crate::isolation::find_program;

/// What is installed besides the smallest Debian.
const PACKAGES: &str = "openssh-server,sudo,systemd-sysv";

/// The package that depends on the newest kernel for virtual machines.
const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";

/// The kernel's modules that a disk and a network card of QEMU take, each after those it needs. What
/// a kernel does not have as a module, it has built in.
const MODULES: [&str; 9] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
];

/// Run in the new system. What is masked takes time at every boot and is of no use here; the keys
/// of the SSH server would be the same in all guests.
const FINISH: &str = "\
set -e
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
rm -f /etc/ssh/ssh_host_*
echo backup-nas > /etc/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 backup-nas\\n' > /etc/hosts
echo 5eca07110000400080005eca07110000 > /etc/machine-id
: > /etc/fstab
for unit in getty@.service serial-getty@.service apt-daily.timer apt-daily-upgrade.timer \\
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer logrotate.timer \\
    getty-static.service systemd-timesyncd.service systemd-firstboot.service systemd-update-utmp.service; do
    ln -sf /dev/null /etc/systemd/system/$unit
done
";

/// Where the first boot's marker is in the guest.
const DONE: &str = "/var/lib/first-boot.done";

/// The first program of a boot: loads the modules, gives the network card its address, mounts the
/// disk, does what is to be done at the first boot, and hands over to Debian.
fn init() -> String {
    let modules = MODULES.join(" ");
    format!(
        "\
#!/bin/busybox sh
b=/bin/busybox
fail() {{
    $b echo \"the boot failed: $1\"
    $b sync
    $b poweroff -f
}}
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
for module in {modules}; do
    [ ! -e /modules/$module.ko ] || $b insmod /modules/$module.ko || fail \"the module $module\"
done
tries=0
while [ ! -b /dev/vda ] || [ ! -b /dev/vdb ]; do
    tries=$((tries + 1))
    [ $tries -le 600 ] || fail 'its disks do not appear'
    $b usleep 50000
done
$b ip link set lo up
$b ip addr add {HOST}/{PREFIX} brd {BROADCAST} dev eth0
$b ip link set eth0 up
$b mount -t ext4 -o noatime /dev/vda /root || fail 'its disk cannot be mounted'
$b mount --move /dev /root/dev
if [ ! -e /root{DONE} ]; then
    $b rm -rf /root/.first-boot
    $b mkdir /root/.first-boot
    $b tar -xf /root/dev/vdb -C /root/.first-boot || fail 'nothing says what its first boot is to do'
    $b chroot /root /bin/sh -e /.first-boot/set-up || fail 'its first boot'
    $b rm -rf /root/.first-boot
    # A plug that is pulled soon afterwards must not take it back.
    $b sync
    $b touch /root{DONE}
    $b sync
fi
$b umount /proc
$b umount /sys
exec $b switch_root /root /sbin/init
"
    )
}

/// All that the image depends on besides the packages themselves.
pub(super) fn recipe() -> Vec<String> {
    let parts = [PACKAGES, KERNEL_PACKAGE, FINISH].map(str::to_owned);
    [&parts[..], &[init()]].concat()
}

/// This machine's release of Debian, such as `bookworm`.
pub(super) fn release() -> Result<String, GuestError> {
    let path = "/etc/os-release";
    let text = fs::read_to_string(path).map_err(GuestError::system(format!("read {path}")))?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_matches('"').to_owned())
    };
    match (value("ID=").as_deref(), value("VERSION_CODENAME=")) {
        (Some("debian"), Some(codename)) => Ok(codename),
        (id, _) => Err(GuestError::NotDebian {
            why: format!(
                "{path} names no release of Debian (ID={})",
                id.unwrap_or_default()
            ),
        }),
    }
}

/// Where this machine gets the packages of its release from.
fn mirror(release: &str) -> Result<String, GuestError> {
    let listed = run(
        "ask apt for its sources",
        Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(SITE) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ]),
    )?;
    let of_the_release = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let site = words.next()?.to_owned();
        let is_it = words.next() == Some(release) && words.next() == Some("main");
        (is_it && site.starts_with("http")).then_some(site)
    };
    listed
        .lines()
        .find_map(of_the_release)
        .ok_or_else(|| GuestError::NotDebian {
            why: format!("apt has no source for the component main of {release}"),
        })
}

/// The proxy that this machine's `apt` goes through, if any.
fn proxy() -> Result<Option<String>, GuestError> {
    let line = run(
        "ask apt for its proxy",
        Command::new("apt-config").args(["shell", "proxy", "Acquire::http::Proxy"]),
    )?;
    let value = line.trim().strip_prefix("proxy=");
    Ok(value
        .map(|value| value.trim_matches('\'').to_owned())
        .filter(|value| !value.is_empty() && value != "DIRECT"))
}

/// Makes an image in this folder, which must be empty.
pub(super) fn build(dir: &Path) -> Result<(), GuestError> {
    let release = release()?;
    let mirror = mirror(&release)?;
    let proxy = proxy()?;
    let root = dir.join("root");
    // What is mounted there meanwhile is seen by nobody else, and goes with the program.
    let mut debootstrap = Command::new(find_program("unshare", "util-linux")?);
    debootstrap
        .arg("--mount")
        .arg(find_program("debootstrap", "debootstrap")?)
        .args(["--variant=minbase", "--arch=amd64"])
        .arg(format!("--include={PACKAGES}"))
        .args([OsStr::new(&release), root.as_os_str(), OsStr::new(&mirror)])
        .envs(proxy.iter().map(|proxy| ("http_proxy", proxy)));
    run("make the guest's system", &mut debootstrap)?;

    let kernel = dir.join("kernel");
    unpack_kernel(&root, &kernel, proxy.as_deref())?;
    in_the_guest("finish the guest's system", &root, FINISH, None)?;
    make_disk(&root, &dir.join(ROOT))?;
    copy(&find_file(&kernel, "vmlinuz-")?, &dir.join(KERNEL))?;
    make_initrd(dir, &kernel)?;
    for leftover in [&root, &kernel] {
        fs::remove_dir_all(leftover)
            .map_err(GuestError::system(format!("remove {}", leftover.display())))?;
    }
    Ok(())
}

fn unpack_kernel(root: &Path, to: &Path, proxy: Option<&str>) -> Result<(), GuestError> {
    let download = format!(
        "set -e\n\
         apt-get update\n\
         cd /tmp\n\
         apt-get download \"$(apt-cache depends {KERNEL_PACKAGE} | sed -n 's/^ *Depends: //p')\"\n"
    );
    in_the_guest("download the guest's kernel", root, &download, proxy)?;
    let package = find_file(&root.join("tmp"), "linux-image-")?;
    run(
        "unpack the guest's kernel",
        Command::new("dpkg-deb").arg("-x").arg(&package).arg(to),
    )?;
    fs::remove_file(&package).map_err(GuestError::system(format!("remove {}", package.display())))
}

fn make_disk(root: &Path, image: &Path) -> Result<(), GuestError> {
    /// Sparse: what is not written costs nothing.
    const SIZE: u64 = 1 << 30;

    fs::File::create(image)
        .and_then(|file| file.set_len(SIZE))
        .map_err(GuestError::system(format!("create {}", image.display())))?;
    let mut mkfs = Command::new(find_program("mkfs.ext4", "e2fsprogs")?);
    mkfs.args(["-q", "-F", "-d"]).args([root, image]);
    run("make the guest's disk", &mut mkfs)?;
    Ok(())
}

fn make_initrd(dir: &Path, kernel: &Path) -> Result<(), GuestError> {
    let busybox = find_program("busybox", "busybox-static")?;
    let files = dir.join("initrd.d");
    for folder in ["bin", "dev", "proc", "sys", "modules", "root"] {
        let folder = files.join(folder);
        fs::create_dir_all(&folder)
            .map_err(GuestError::system(format!("create {}", folder.display())))?;
    }
    copy(&busybox, &files.join("bin/busybox"))?;
    for module in MODULES {
        copy_module(kernel, module, &files.join("modules"))?;
    }
    let init_file = files.join("init");
    fs::write(&init_file, init())
        .and_then(|()| fs::set_permissions(&init_file, fs::Permissions::from_mode(0o755)))
        .map_err(GuestError::system(format!("write {}", init_file.display())))?;
    let pack = "set -e; find . | \"$0\" cpio -o -H newc | gzip -1 > \"$1\"";
    run(
        "pack the guest's first file system",
        Command::new("sh")
            .args(["-c", pack])
            .args([&busybox, &dir.join(INITRD)])
            .current_dir(&files),
    )?;
    fs::remove_dir_all(&files).map_err(GuestError::system(format!("remove {}", files.display())))
}

/// Copies a module, unpacked, if the kernel has it as one.
fn copy_module(kernel: &Path, module: &str, to: &Path) -> Result<(), GuestError> {
    let plain = format!("{module}.ko");
    let packed = format!("{module}.ko.xz");
    let to = to.join(&plain);
    if let Some(file) = look_for(kernel, |name| name == plain) {
        return copy(&file, &to);
    }
    let Some(file) = look_for(kernel, |name| name == packed) else {
        return Ok(());
    };
    let unpack = "set -e; xz --decompress --stdout \"$0\" > \"$1\"";
    run(
        "unpack a module of the guest's kernel",
        Command::new("sh").args(["-c", unpack]).args([&file, &to]),
    )?;
    Ok(())
}

fn find_file(dir: &Path, beginning: &str) -> Result<PathBuf, GuestError> {
    look_for(dir, |name| name.starts_with(beginning)).ok_or_else(|| {
        let what = format!("find {beginning}* in {}", dir.display());
        GuestError::system(what)(std::io::ErrorKind::NotFound.into())
    })
}

fn look_for(dir: &Path, is_it: impl Fn(&str) -> bool) -> Option<PathBuf> {
    WalkDir::new(dir)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .find(|entry| entry.file_name().to_str().is_some_and(&is_it))
        .map(walkdir::DirEntry::into_path)
}

fn copy(from: &Path, to: &Path) -> Result<(), GuestError> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(GuestError::system(format!("copy {}", from.display())))
}

fn in_the_guest(
    what: &'static str,
    root: &Path,
    script: &str,
    proxy: Option<&str>,
) -> Result<(), GuestError> {
    let mut command = Command::new(find_program("chroot", "coreutils")?);
    command
        .arg(root)
        .args(["/bin/sh", "-c", script])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .envs(proxy.map(|proxy| ("http_proxy", proxy)));
    run(what, &mut command)?;
    Ok(())
}

/// Runs a program to its end, and gives what it printed.
pub(super) fn run(what: &'static str, command: &mut Command) -> Result<String, GuestError> {
    /// The end of what it printed says why it failed.
    const SHOWN_LINES: usize = 30;

    let line = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(GuestError::system(format!("{what}: run {line}")))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let all = printed + &String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = all.lines().collect();
    Err(GuestError::Program {
        what,
        command: line,
        said: lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"),
    })
}
