//! Asking the kernel for one of its tables.
//!
//! Netlink answers for the network namespace that this process is in. `/sys/class/net` shows the
//! one of whoever mounted it, which is another in some containers.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use socket2::{Domain, Protocol, Socket, Type};

/// `AF_NETLINK` and `NETLINK_ROUTE` of the kernel's interface.
const NETLINK: i32 = 16;
const ROUTE: i32 = 0;

/// Larger than what the kernel puts into one answer.
const ANSWER: usize = 64 * 1024;

/// The kernel answers at once; this is for one that does not.
const PATIENCE: Duration = Duration::from_secs(2);

/// All entries of the table that `question` asks for.
///
/// An entry that cannot be read, because a newer kernel says more about it than the library knows,
/// is left out.
pub(super) fn dump(question: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(
        Domain::from(NETLINK),
        Type::RAW,
        Some(Protocol::from(ROUTE)),
    )?;
    socket.set_read_timeout(Some(PATIENCE))?;

    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = 1;
    let mut question = NetlinkMessage::new(header, NetlinkPayload::from(question));
    question.finalize();
    let mut bytes = vec![0; question.buffer_len()];
    question.serialize(&mut bytes);
    socket.write_all(&bytes)?;

    let mut entries = Vec::new();
    let mut buffer = vec![0; ANSWER];
    loop {
        let length = socket.read(&mut buffer)?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((message, behind)) = split_first(rest) {
            rest = behind;
            let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else {
                continue;
            };
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(entries),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(entry) => entries.push(entry),
                _ => {}
            }
        }
    }
}

/// The first message, whose length is its first number, and what follows it at the next multiple
/// of four.
fn split_first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let message = bytes.get(..length).filter(|message| message.len() >= 16)?;
    let behind = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((message, behind))
}

#[cfg(test)]
mod tests {
    use super::split_first;

    #[test]
    fn messages_begin_at_multiples_of_four_and_end_where_they_say() {
        let mut bytes = 18_u32.to_ne_bytes().to_vec();
        bytes.resize(20, 7);
        bytes.extend(16_u32.to_ne_bytes());
        bytes.resize(36, 8);

        let (first, rest) = split_first(&bytes).unwrap();
        assert_eq!((first.len(), rest.len()), (18, 16));
        let (second, rest) = split_first(rest).unwrap();
        assert_eq!((second[15], rest.len()), (8, 0));
        assert_eq!(split_first(rest), None);
        assert_eq!(split_first(&bytes[..17]), None, "cut short");
        assert_eq!(split_first(&[4, 0, 0, 0]), None, "shorter than a header");
        assert_eq!(split_first(&[0; 16]), None, "without an end");
    }
}
