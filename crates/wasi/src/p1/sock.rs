//! Sockets: preview 1 can only use those it was given, and none are given. Every descriptor is therefore not a socket.

use super::{Answer, Errno, Guest};

fn refuse<G: Guest>(guest: &mut G, fd: i32) -> Answer<G> {
    guest.split()?.1.table.slot(fd)?;
    Err(Errno::NotSock.into())
}

/// Would accept a connection.
pub fn sock_accept<G: Guest>(guest: &mut G, fd: i32, _flags: i32, _out: i32) -> Answer<G> {
    refuse(guest, fd)
}

/// Would receive a message.
pub fn sock_recv<G: Guest>(
    guest: &mut G,
    fd: i32,
    _buffers: i32,
    _count: i32,
    _flags: i32,
    _out: i32,
    _flags_out: i32,
) -> Answer<G> {
    refuse(guest, fd)
}

/// Would send a message.
pub fn sock_send<G: Guest>(guest: &mut G, fd: i32, _buffers: i32, _count: i32, _flags: i32, _out: i32) -> Answer<G> {
    refuse(guest, fd)
}

/// Would end one direction of a connection.
pub fn sock_shutdown<G: Guest>(guest: &mut G, fd: i32, _how: i32) -> Answer<G> {
    refuse(guest, fd)
}
