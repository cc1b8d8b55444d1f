//! What a guest holds handles of: host values by number.

use super::filesystem::{Descriptor, DirectoryStream};
use super::poll::Pollable;
use super::refusal::Refusal;
use super::sockets::lookup::Resolution;
use super::sockets::tcp::TcpSocket;
use super::sockets::udp::{IncomingStream, OutgoingStream, UdpSocket};
use super::stream::{Input, IoError, Output};
use hatchery::Error;

/// A host value that a guest has a handle of. Children own what they need of their parents, so that the order in which
/// a guest drops them does not matter.
#[derive(Debug)]
pub(crate) enum Held {
    Error(IoError),
    Pollable(Pollable),
    Input(Input),
    Output(Output),
    TerminalInput,
    TerminalOutput,
    Descriptor(Descriptor),
    DirectoryStream(DirectoryStream),
    Network,
    Tcp(TcpSocket),
    Udp(UdpSocket),
    Incoming(IncomingStream),
    Outgoing(OutgoingStream),
    Resolution(Resolution),
}

/// One of the kinds of [`Held`].
pub(crate) trait Kind: Sized {
    /// What messages call it.
    const NAME: &'static str;
    fn of(held: &mut Held) -> Option<&mut Self>;
    fn hold(self) -> Held;
}

macro_rules! kinds {
    ($($variant:ident $ty:ty, $name:literal;)*) => {
        $(impl Kind for $ty {
            const NAME: &'static str = $name;

            fn of(held: &mut Held) -> Option<&mut Self> {
                match held {
                    Held::$variant(value) => Some(value),
                    _ => None,
                }
            }

            fn hold(self) -> Held {
                Held::$variant(self)
            }
        })*
    };
}

kinds! {
    Error IoError, "error";
    Pollable Pollable, "pollable";
    Input Input, "input-stream";
    Output Output, "output-stream";
    Descriptor Descriptor, "descriptor";
    DirectoryStream DirectoryStream, "directory-entry-stream";
    Tcp TcpSocket, "tcp-socket";
    Udp UdpSocket, "udp-socket";
    Incoming IncomingStream, "incoming-datagram-stream";
    Outgoing OutgoingStream, "outgoing-datagram-stream";
    Resolution Resolution, "resolve-address-stream";
}

/// Host values by number. Numbers are used again, the last one freed first.
#[derive(Debug)]
pub(crate) struct Resources {
    slots: Vec<Option<Held>>,
    free: Vec<u32>,
    limit: usize,
}

impl Resources {
    /// Holds at most `limit` values at a time.
    pub(crate) fn new(limit: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), limit }
    }

    /// How many values are held.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether a socket may be made that takes so many places. The last quarter of them is kept for the streams, pollables
    /// and errors of those that there are: without a socket more a guest goes on, without a place for these it ends.
    pub(crate) fn takes_socket(&self, places: usize) -> bool {
        self.len() + places <= self.limit - self.limit / 4
    }

    /// Holds a value.
    ///
    /// # Errors
    ///
    /// When as many are held as may be.
    pub(crate) fn push(&mut self, held: Held) -> Result<u32, Error> {
        if let Some(number) = self.free.pop() {
            self.slots[number as usize] = Some(held);
            return Ok(number);
        }
        if self.slots.len() >= self.limit {
            return Err(Refusal::TooManyResources { limit: self.limit }.into());
        }
        self.slots.push(Some(held));
        Ok(self.slots.len() as u32 - 1)
    }

    /// As [`push`](Resources::push).
    pub(crate) fn add<K: Kind>(&mut self, value: K) -> Result<u32, Error> {
        self.push(value.hold())
    }

    /// The value with this number.
    ///
    /// # Errors
    ///
    /// When there is none, or it is another kind: handles are typed, so this is the host's mistake.
    pub(crate) fn get<K: Kind>(&mut self, number: u32) -> Result<&mut K, Error> {
        let held = self.slots.get_mut(number as usize).and_then(Option::as_mut);
        held.and_then(K::of).ok_or_else(|| Refusal::NoSuchResource { kind: K::NAME, number }.into())
    }

    /// Lets go of a value.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Held> {
        let held = self.slots.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_end_at_the_limit() {
        let mut resources = Resources::new(2);
        assert_eq!(resources.push(Held::Network).unwrap(), 0);
        assert_eq!(resources.add(Pollable::Always).unwrap(), 1);
        let refusal = resources.push(Held::Network).unwrap_err();
        assert!(matches!(refusal.downcast_ref(), Some(Refusal::TooManyResources { limit: 2 })));
        assert!(resources.get::<Pollable>(1).is_ok());
        assert!(resources.get::<Pollable>(0).is_err());
        assert!(resources.remove(0).is_some());
        assert!(resources.remove(0).is_none());
        assert_eq!(resources.len(), 1);
        assert_eq!(resources.push(Held::Network).unwrap(), 0);
    }
}
