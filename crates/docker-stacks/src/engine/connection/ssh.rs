//! A connection through `ssh` and the `docker` command of another machine, as docker's own
//! [`connhelper`](https://pkg.go.dev/github.com/docker/cli/cli/connhelper) makes it.

use std::{
    ffi::OsString,
    io,
    path::Path,
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use super::{super::EngineSsh, failure::Failure};

/// More than any complaint of ssh, and nothing for a server to fill our memory with.
const MOST_SAID_BYTES: usize = 8 * 1024;

/// How long ssh may take to say why it gave up, once it has. A connection that it shares with
/// others (`ControlPersist`) may keep its output open for ever.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where to log in, and what to connect to there.
pub(super) struct Target<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    pub(super) socket: Option<&'a str>,
}

/// Starts `ssh`. Whether it gets through is known when the first answer comes, or none.
pub(super) fn open(
    target: &Target<'_>,
    options: &EngineSsh,
    deadline: Duration,
) -> io::Result<(SshStream, Said)> {
    let mut child = Command::new("ssh")
        .args(arguments(target, options, deadline))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is for this program to heed: it starts the containers again before it ends, and
        // needs the connection for that.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::Ssh {
                said: "ssh: not found; is openssh-client installed on this machine?".to_owned(),
            }
            .into(),
            _ => error,
        })?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::Error::other("ssh was started without pipes"));
    };
    let stream = SshStream {
        stdin: Some(stdin),
        stdout,
        _child: child,
    };
    Ok((stream, Said::listen(stderr)))
}

fn arguments(target: &Target<'_>, options: &EngineSsh, deadline: Duration) -> Vec<OsString> {
    let seconds = deadline.as_secs().max(1);
    let mut arguments: Vec<OsString> = [
        // Nobody is there to answer questions, and an unknown host key is no question.
        "-oBatchMode=yes",
        "-oStrictHostKeyChecking=yes",
        "-oUpdateHostKeys=no",
        "-oClearAllForwardings=yes",
        "-oForwardAgent=no",
        "-oPermitLocalCommand=no",
        // A machine that is switched off in the middle is noticed.
        "-oServerAliveInterval=15",
        "-T",
    ]
    .map(Into::into)
    .to_vec();
    arguments.push(format!("-oConnectTimeout={seconds}").into());
    if let Some(key) = &options.key_file {
        arguments.push("-oIdentitiesOnly=yes".into());
        arguments.push(with_file("-oIdentityFile=", key));
    }
    if let Some(known) = &options.known_hosts_file {
        arguments.push("-oGlobalKnownHostsFile=none".into());
        arguments.push(with_file("-oUserKnownHostsFile=", known));
    }
    if let Some(port) = target.port {
        arguments.push(format!("-oPort={port}").into());
    }
    if let Some(user) = target.user {
        arguments.push("-l".into());
        arguments.push(user.into());
    }
    // What follows is no option, whatever it looks like.
    arguments.push("--".into());
    arguments.push(target.host.into());
    let remote = match target.socket {
        None => "docker system dial-stdio".to_owned(),
        Some(socket) => {
            // The shell of that machine reads it.
            let quoted = socket.replace('\'', r"'\''");
            format!("docker --host 'unix://{quoted}' system dial-stdio")
        }
    };
    arguments.push(remote.into());
    arguments
}

/// An option that takes a path: quoted, and with no placeholder in it (`TOKENS` in `ssh_config(5)`).
fn with_file(option: &str, file: &Path) -> OsString {
    // ssh reads its options as text; a path that is none does not exist for it.
    let path = file.to_string_lossy().replace('%', "%%");
    format!("{option}\"{path}\"").into()
}

/// Both directions of a running `ssh`, which ends with it.
pub(super) struct SshStream {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    _child: Child,
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}

impl SshStream {
    fn input(&mut self) -> io::Result<Pin<&mut ChildStdin>> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.stdin.as_mut().map(Pin::new).ok_or_else(gone)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.input()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input()?.poll_flush(context)
    }

    /// A pipe's end is told by closing it.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

/// What `ssh` says on its standard error.
pub(super) struct Said {
    text: Arc<Mutex<Vec<u8>>>,
    listening: JoinHandle<()>,
}

impl Said {
    fn listen(mut stderr: ChildStderr) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&text);
        let listening = tokio::spawn(async move {
            let mut part = [0; 1024];
            // What is too much is read and forgotten, so that ssh does not wait for us.
            while let Ok(length @ 1..) = stderr.read(&mut part).await {
                let mut text = heard.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MOST_SAID_BYTES.saturating_sub(text.len());
                text.extend_from_slice(&part[..length.min(room)]);
            }
        });
        Self { text, listening }
    }

    /// Why nothing came: what ssh said, or else the error that was seen.
    pub(super) async fn failure(self, error: hyper::Error) -> Failure {
        // Late or not, what has been said is said.
        let _ = timeout(LAST_WORDS, self.listening).await;
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        match last_words(&String::from_utf8_lossy(&text)) {
            Some(said) => Failure::Ssh { said },
            None => Failure::Http { source: error },
        }
    }
}

/// The line that says most: the last, but for the one that only says that it is over.
fn last_words(text: &str) -> Option<String> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let over = |line: &&str| !(line.starts_with("Connection to ") && line.contains("closed"));
    let line = lines().rfind(over).or_else(|| lines().next_back())?;
    Some(line.chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(target: &Target<'_>, options: &EngineSsh) -> String {
        let words = arguments(target, options, Duration::from_mins(1));
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn ssh_is_told_never_to_ask_and_never_to_believe() {
        let target = Target {
            user: Some("backup"),
            host: "docker.lan",
            port: Some(2222),
            socket: None,
        };
        assert_eq!(
            joined(&target, &EngineSsh::default()),
            "-oBatchMode=yes -oStrictHostKeyChecking=yes -oUpdateHostKeys=no \
             -oClearAllForwardings=yes -oForwardAgent=no -oPermitLocalCommand=no \
             -oServerAliveInterval=15 -T -oConnectTimeout=60 -oPort=2222 -l backup -- docker.lan \
             docker system dial-stdio"
        );
    }

    #[test]
    fn files_and_sockets_keep_their_odd_characters() {
        let target = Target {
            user: None,
            host: "pi",
            port: None,
            socket: Some("/run/it's/docker.sock"),
        };
        let options = EngineSsh {
            key_file: Some("/etc/my keys/100%".into()),
            known_hosts_file: Some("/etc/known".into()),
        };
        let line = joined(&target, &options);
        assert!(
            line.contains(
                r#"-oIdentitiesOnly=yes -oIdentityFile="/etc/my keys/100%%" -oGlobalKnownHostsFile=none -oUserKnownHostsFile="/etc/known" -- pi"#
            ),
            "{line}"
        );
        assert!(
            line.ends_with(r"docker --host 'unix:///run/it'\''s/docker.sock' system dial-stdio"),
            "{line}"
        );
    }

    #[test]
    fn the_line_that_says_why_is_found() {
        let text = "Warning: x\nHost key verification failed.\r\nConnection to pi closed.\n\n";
        assert_eq!(last_words(text).unwrap(), "Host key verification failed.");
        assert_eq!(
            last_words("Connection to pi closed.").unwrap(),
            "Connection to pi closed."
        );
        assert_eq!(last_words("\n"), None);
    }
}
