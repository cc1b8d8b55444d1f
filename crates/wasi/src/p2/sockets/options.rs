//! Options of `tcp-socket`, and what those of `udp-socket` have in common with them.

use super::super::Host;
use super::tcp::{Attempt, Done, with};
use super::{AddressFamily, ErrorCode};
use rustix::net::sockopt;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// `[method]tcp-socket.keep-alive-enabled`.
pub(crate) fn keep_alive_enabled(host: &mut impl Host, this: u32) -> Done<bool> {
    with(host, this, |socket| Ok(sockopt::socket_keepalive(socket.usable()?)?))
}

/// `[method]tcp-socket.set-keep-alive-enabled`.
pub(crate) fn set_keep_alive_enabled(host: &mut impl Host, this: u32, enabled: bool) -> Done<()> {
    with(host, this, |socket| Ok(sockopt::set_socket_keepalive(socket.usable()?, enabled)?))
}

/// Times of TCP are whole seconds, of which the kernel takes at most this many.
const MOST_SECONDS: u64 = 32767;

fn seconds(nanos: u64) -> Attempt<Duration> {
    if nanos == 0 {
        return Err(ErrorCode::InvalidArgument);
    }
    Ok(Duration::from_secs(nanos.div_ceil(1_000_000_000).min(MOST_SECONDS)))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `[method]tcp-socket.keep-alive-idle-time`.
pub(crate) fn keep_alive_idle_time(host: &mut impl Host, this: u32) -> Done<u64> {
    with(host, this, |socket| Ok(nanos(sockopt::tcp_keepidle(socket.usable()?)?)))
}

/// `[method]tcp-socket.set-keep-alive-idle-time`.
pub(crate) fn set_keep_alive_idle_time(host: &mut impl Host, this: u32, time: u64) -> Done<()> {
    with(host, this, |socket| Ok(sockopt::set_tcp_keepidle(socket.usable()?, seconds(time)?)?))
}

/// `[method]tcp-socket.keep-alive-interval`.
pub(crate) fn keep_alive_interval(host: &mut impl Host, this: u32) -> Done<u64> {
    with(host, this, |socket| Ok(nanos(sockopt::tcp_keepintvl(socket.usable()?)?)))
}

/// `[method]tcp-socket.set-keep-alive-interval`.
pub(crate) fn set_keep_alive_interval(host: &mut impl Host, this: u32, time: u64) -> Done<()> {
    with(host, this, |socket| Ok(sockopt::set_tcp_keepintvl(socket.usable()?, seconds(time)?)?))
}

/// `[method]tcp-socket.keep-alive-count`.
pub(crate) fn keep_alive_count(host: &mut impl Host, this: u32) -> Done<u32> {
    with(host, this, |socket| Ok(sockopt::tcp_keepcnt(socket.usable()?)?))
}

/// `[method]tcp-socket.set-keep-alive-count`; the kernel takes at most 127.
pub(crate) fn set_keep_alive_count(host: &mut impl Host, this: u32, count: u32) -> Done<()> {
    with(host, this, |socket| match count {
        0 => Err(ErrorCode::InvalidArgument),
        count => Ok(sockopt::set_tcp_keepcnt(socket.usable()?, count.min(127))?),
    })
}

/// `[method]tcp-socket.hop-limit`.
pub(crate) fn hop_limit(host: &mut impl Host, this: u32) -> Done<u8> {
    with(host, this, |socket| hops(socket.usable()?, socket.family))
}

/// `[method]tcp-socket.set-hop-limit`.
pub(crate) fn set_hop_limit(host: &mut impl Host, this: u32, limit: u8) -> Done<()> {
    with(host, this, |socket| set_hops(socket.usable()?, socket.family, limit))
}

pub(super) fn hops(fd: &OwnedFd, family: AddressFamily) -> Attempt<u8> {
    Ok(match family {
        AddressFamily::Ipv4 => u8::try_from(sockopt::ip_ttl(fd)?).unwrap_or(u8::MAX),
        AddressFamily::Ipv6 => sockopt::ipv6_unicast_hops(fd)?,
    })
}

pub(super) fn set_hops(fd: &OwnedFd, family: AddressFamily, limit: u8) -> Attempt<()> {
    if limit == 0 {
        return Err(ErrorCode::InvalidArgument);
    }
    match family {
        AddressFamily::Ipv4 => sockopt::set_ip_ttl(fd, limit.into())?,
        AddressFamily::Ipv6 => sockopt::set_ipv6_unicast_hops(fd, Some(limit))?,
    }
    Ok(())
}

/// A buffer's size as the kernel takes it; more than it allows is less.
pub(super) fn buffer(size: u64) -> Attempt<usize> {
    match size {
        0 => Err(ErrorCode::InvalidArgument),
        size => Ok(usize::try_from(size).unwrap_or(usize::MAX).min(1 << 30)),
    }
}

/// `[method]tcp-socket.receive-buffer-size`. The kernel counts its own books in, by doubling what it was told.
pub(crate) fn receive_buffer_size(host: &mut impl Host, this: u32) -> Done<u64> {
    with(host, this, |socket| Ok(sockopt::socket_recv_buffer_size(socket.usable()?)? as u64 / 2))
}

/// `[method]tcp-socket.set-receive-buffer-size`.
pub(crate) fn set_receive_buffer_size(host: &mut impl Host, this: u32, size: u64) -> Done<()> {
    with(host, this, |socket| Ok(sockopt::set_socket_recv_buffer_size(socket.usable()?, buffer(size)?)?))
}

/// `[method]tcp-socket.send-buffer-size`.
pub(crate) fn send_buffer_size(host: &mut impl Host, this: u32) -> Done<u64> {
    with(host, this, |socket| Ok(sockopt::socket_send_buffer_size(socket.usable()?)? as u64 / 2))
}

/// `[method]tcp-socket.set-send-buffer-size`.
pub(crate) fn set_send_buffer_size(host: &mut impl Host, this: u32, size: u64) -> Done<()> {
    with(host, this, |socket| Ok(sockopt::set_socket_send_buffer_size(socket.usable()?, buffer(size)?)?))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::Plain;
    use super::super::tcp::{create, start_bind};
    use super::*;
    use crate::WasiCtx;
    use crate::host::Network;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn options_are_kept_and_odd_ones_refused() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let socket = create(&mut host, AddressFamily::Ipv6).unwrap().unwrap();
        set_keep_alive_enabled(&mut host, socket, true).unwrap().unwrap();
        assert_eq!(keep_alive_enabled(&mut host, socket).unwrap(), Ok(true));
        set_keep_alive_idle_time(&mut host, socket, 1).unwrap().unwrap();
        assert_eq!(keep_alive_idle_time(&mut host, socket).unwrap(), Ok(1_000_000_000));
        set_hop_limit(&mut host, socket, 42).unwrap().unwrap();
        assert_eq!(hop_limit(&mut host, socket).unwrap(), Ok(42));
        assert_eq!(set_hop_limit(&mut host, socket, 0).unwrap(), Err(ErrorCode::InvalidArgument));
        assert_eq!(set_keep_alive_count(&mut host, socket, 0).unwrap(), Err(ErrorCode::InvalidArgument));
        assert_eq!(
            start_bind(&mut host, socket, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap(),
            Err(ErrorCode::InvalidArgument)
        );
    }
}
