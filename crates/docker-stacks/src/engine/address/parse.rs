//! Taking addresses apart.

use super::{AddressError, Place};

/// `HOST[:PORT]`, after `tcp://`.
pub(super) fn tcp(text: &str, rest: &str) -> Result<Place, AddressError> {
    // Docker's own documentation writes the slash at the end here and there.
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(bad(
            text,
            "expected nothing after the port, as in tcp://127.0.0.1:2375",
        ));
    }
    if authority.contains('@') {
        return Err(bad(
            text,
            "expected no user: tcp:// has none; with TLS a certificate takes its place",
        ));
    }
    let (host, port) = host_and_port(text, authority)?;
    Ok(Place::Tcp { host, port })
}

/// `[USER@]HOST[:PORT][/SOCKET]`, after `ssh://`.
pub(super) fn ssh(text: &str, rest: &str) -> Result<Place, AddressError> {
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => return Err(AddressError::HasPassword),
        Some((user, host)) => (Some(checked_user(text, user)?), host),
        None => (None, authority),
    };
    let (host, port) = host_and_port(text, host)?;
    if path.contains(['?', '#']) || path.chars().any(char::is_control) {
        return Err(bad(text, "expected the path of a socket after the host"));
    }
    Ok(Place::Ssh {
        user,
        host,
        port,
        socket: (!matches!(path, "" | "/")).then(|| path.to_owned()),
    })
}

fn checked_user(text: &str, user: &str) -> Result<String, AddressError> {
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if user.is_empty() || user.starts_with('-') || user.contains(odd) {
        return Err(bad(
            text,
            "expected the name of a user before the @, as in ssh://backup@docker.lan",
        ));
    }
    Ok(user.to_owned())
}

fn host_and_port(text: &str, authority: &str) -> Result<(String, Option<u16>), AddressError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let Some((host, after)) = bracketed.split_once(']') else {
                return Err(bad(text, "the bracket [ is not closed"));
            };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(bad(text, "expected an IPv6 address in the brackets"));
            }
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(bad(text, "expected a colon and a port after the bracket")),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (checked_name(text, host)?, Some(port)),
            None => (checked_name(text, authority)?, None),
        },
    };
    let port = match port.map(str::parse) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(bad(text, "expected a port from 1 to 65535 after the colon")),
    };
    Ok((host.to_owned(), port))
}

fn checked_name<'a>(text: &str, host: &'a str) -> Result<&'a str, AddressError> {
    let usual = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || host.starts_with('-') || !host.chars().all(usual) {
        return Err(bad(
            text,
            "expected a host name or an address, an IPv6 address in brackets",
        ));
    }
    Ok(host)
}

fn bad(text: &str, problem: &str) -> AddressError {
    AddressError::BadPart {
        address: text.to_owned(),
        problem: problem.to_owned(),
    }
}
