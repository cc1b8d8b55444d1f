//! `udp-socket` and its two streams of datagrams.

use super::super::poll::{Pollable, Watched};
use super::super::refusal::Refusal;
use super::super::{Answer, Host};
use super::options::{buffer, hops, set_hops};
use super::tcp::{destination, local, peer, suitable};
use super::{AddressFamily, ErrorCode};
use crate::host::{Interest, Network, Ready, SocketUse, Watch, wait};
use hatchery::Error;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Done<T> = Answer<T, ErrorCode>;
type Attempt<T> = Result<T, ErrorCode>;

/// Where a socket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// New.
    Unbound,
    /// Being bound.
    BindStarted,
    /// Has an address.
    Bound,
}

/// A `udp-socket`.
#[derive(Debug)]
pub(crate) struct UdpSocket {
    fd: Arc<OwnedFd>,
    family: AddressFamily,
    state: State,
    /// The only correspondent, if there is one.
    remote: Option<SocketAddr>,
    senders: Senders,
    /// How often streams were made, of which only the last are used.
    streams: Arc<AtomicU64>,
}

/// Whose datagrams a socket without a correspondent receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Senders {
    /// Anybody's: it may have its address.
    All,
    /// Those to whom it may send: it has its address only to do so.
    Allowed,
}

/// Whether streams are still their socket's.
#[derive(Clone, Debug)]
struct Current {
    streams: Arc<AtomicU64>,
    these: u64,
}

impl Current {
    /// Those that are made now: the others are not any more.
    fn new(streams: &Arc<AtomicU64>) -> Self {
        // A guest is on one thread at a time, so nothing is published by this.
        Self { these: streams.fetch_add(1, Ordering::Relaxed) + 1, streams: streams.clone() }
    }

    fn check(&self) -> Attempt<()> {
        if self.streams.load(Ordering::Relaxed) == self.these { Ok(()) } else { Err(ErrorCode::InvalidState) }
    }
}

/// An `incoming-datagram-stream`.
#[derive(Debug)]
pub(crate) struct IncomingStream {
    fd: Arc<OwnedFd>,
    remote: Option<SocketAddr>,
    current: Current,
    /// What says whose datagrams are received, if not everybody's are.
    network: Option<Network>,
}

/// An `outgoing-datagram-stream`.
#[derive(Debug)]
pub(crate) struct OutgoingStream {
    fd: Arc<OwnedFd>,
    family: AddressFamily,
    remote: Option<SocketAddr>,
    current: Current,
    network: Network,
    /// How many datagrams the guest may send, as it was told last.
    permit: u64,
}

/// A datagram, and where it came from or goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram<A> {
    pub(crate) data: Vec<u8>,
    pub(crate) remote: A,
}

/// The longest datagram that there is.
const LONGEST: usize = 65535;

/// As many datagrams as are received or sent at a time.
const MOST: u64 = 16;

/// `create-udp-socket`.
pub(crate) fn create(host: &mut impl Host, family: AddressFamily) -> Done<u32> {
    if !host.ctx().resources.takes_socket(1) {
        return Ok(Err(ErrorCode::NewSocketLimit));
    }
    match new(family) {
        Ok(socket) => host.ctx().resources.add(socket).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

fn new(family: AddressFamily) -> Attempt<UdpSocket> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(family.system(), SocketType::DGRAM, flags, None)?;
    if family == AddressFamily::Ipv6 {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    let (fd, streams) = (Arc::new(fd), Arc::default());
    Ok(UdpSocket { fd, family, state: State::Unbound, remote: None, senders: Senders::All, streams })
}

fn with<T>(host: &mut impl Host, this: u32, act: impl FnOnce(&mut UdpSocket) -> Attempt<T>) -> Done<T> {
    Ok(act(host.ctx().resources.get::<UdpSocket>(this)?))
}

/// `[method]udp-socket.start-bind`.
pub(crate) fn start_bind(host: &mut impl Host, this: u32, address: SocketAddr) -> Done<()> {
    let network = &host.ctx().network;
    let senders = if network.allows(address, SocketUse::UdpBind) {
        Senders::All
    } else if network.allows_client(address) {
        Senders::Allowed
    } else {
        return Ok(Err(ErrorCode::AccessDenied));
    };
    with(host, this, |socket| {
        if socket.state != State::Unbound {
            return Err(ErrorCode::InvalidState);
        }
        suitable(socket.family, address.ip())?;
        rustix::net::bind(&socket.fd, &address)?;
        (socket.state, socket.senders) = (State::BindStarted, senders);
        Ok(())
    })
}

/// `[method]udp-socket.finish-bind`.
pub(crate) fn finish_bind(host: &mut impl Host, this: u32) -> Done<()> {
    with(host, this, |socket| match socket.state {
        State::BindStarted => {
            socket.state = State::Bound;
            Ok(())
        }
        _ => Err(ErrorCode::NotInProgress),
    })
}

/// `[method]udp-socket.stream`.
pub(crate) fn stream(host: &mut impl Host, this: u32, remote: Option<SocketAddr>) -> Done<(u32, u32)> {
    let network = host.ctx().network.clone();
    if remote.is_some_and(|remote| !network.allows(remote, SocketUse::UdpSend)) {
        return Ok(Err(ErrorCode::AccessDenied));
    }
    let streams = with(host, this, |socket| {
        if socket.state != State::Bound {
            return Err(ErrorCode::InvalidState);
        }
        correspond(socket, remote)?;
        let (fd, family, current) = (socket.fd.clone(), socket.family, Current::new(&socket.streams));
        let senders = (socket.senders == Senders::Allowed).then(|| network.clone());
        let incoming = IncomingStream { fd: fd.clone(), remote, current: current.clone(), network: senders };
        Ok((incoming, OutgoingStream { fd, family, remote, current, network, permit: 0 }))
    })?;
    match streams {
        Ok((incoming, outgoing)) => {
            let resources = &mut host.ctx().resources;
            Ok(Ok((resources.add(incoming)?, resources.add(outgoing)?)))
        }
        Err(code) => Ok(Err(code)),
    }
}

/// Sets or ends the restriction to one correspondent.
fn correspond(socket: &mut UdpSocket, remote: Option<SocketAddr>) -> Attempt<()> {
    match remote {
        Some(remote) => {
            destination(socket.family, remote)?;
            match rustix::net::connect(&socket.fd, &remote) {
                // The last correspondent is on another network, whose address of ours the system keeps until it is let go.
                Err(Errno::INVAL) if socket.remote.is_some() => {
                    rustix::net::connect_unspec(&socket.fd)?;
                    socket.remote = None;
                    rustix::net::connect(&socket.fd, &remote)?;
                }
                connected => connected?,
            }
        }
        None if socket.remote.is_some() => rustix::net::connect_unspec(&socket.fd)?,
        None => {}
    }
    socket.remote = remote;
    Ok(())
}

/// `[method]udp-socket.local-address`.
pub(crate) fn local_address(host: &mut impl Host, this: u32) -> Done<SocketAddr> {
    with(host, this, |socket| match socket.state {
        State::Bound => local(&socket.fd),
        _ => Err(ErrorCode::InvalidState),
    })
}

/// `[method]udp-socket.remote-address`.
pub(crate) fn remote_address(host: &mut impl Host, this: u32) -> Done<SocketAddr> {
    with(host, this, |socket| if socket.remote.is_some() { peer(&socket.fd) } else { Err(ErrorCode::InvalidState) })
}

/// `[method]udp-socket.address-family`.
pub(crate) fn address_family(host: &mut impl Host, this: u32) -> Result<AddressFamily, Error> {
    Ok(host.ctx().resources.get::<UdpSocket>(this)?.family)
}

/// `[method]udp-socket.unicast-hop-limit`.
pub(crate) fn unicast_hop_limit(host: &mut impl Host, this: u32) -> Done<u8> {
    with(host, this, |socket| hops(&socket.fd, socket.family))
}

/// `[method]udp-socket.set-unicast-hop-limit`.
pub(crate) fn set_unicast_hop_limit(host: &mut impl Host, this: u32, limit: u8) -> Done<()> {
    with(host, this, |socket| set_hops(&socket.fd, socket.family, limit))
}

/// `[method]udp-socket.receive-buffer-size`. The kernel counts its own books in, by doubling what it was told.
pub(crate) fn receive_buffer_size(host: &mut impl Host, this: u32) -> Done<u64> {
    with(host, this, |socket| Ok(sockopt::socket_recv_buffer_size(&socket.fd)? as u64 / 2))
}

/// `[method]udp-socket.set-receive-buffer-size`.
pub(crate) fn set_receive_buffer_size(host: &mut impl Host, this: u32, size: u64) -> Done<()> {
    with(host, this, |socket| Ok(sockopt::set_socket_recv_buffer_size(&socket.fd, buffer(size)?)?))
}

/// `[method]udp-socket.send-buffer-size`.
pub(crate) fn send_buffer_size(host: &mut impl Host, this: u32) -> Done<u64> {
    with(host, this, |socket| Ok(sockopt::socket_send_buffer_size(&socket.fd)? as u64 / 2))
}

/// `[method]udp-socket.set-send-buffer-size`.
pub(crate) fn set_send_buffer_size(host: &mut impl Host, this: u32, size: u64) -> Done<()> {
    with(host, this, |socket| Ok(sockopt::set_socket_send_buffer_size(&socket.fd, buffer(size)?)?))
}

/// `[method]udp-socket.subscribe`: nothing that a socket does takes time.
pub(crate) fn subscribe(host: &mut impl Host, this: u32) -> Result<u32, Error> {
    let resources = &mut host.ctx().resources;
    resources.get::<UdpSocket>(this)?;
    resources.add(Pollable::Always)
}

/// `[method]incoming-datagram-stream.receive`.
pub(crate) fn receive(host: &mut impl Host, this: u32, most: u64) -> Done<Vec<Datagram<SocketAddr>>> {
    let stream = host.ctx().resources.get::<IncomingStream>(this)?;
    Ok(received(stream, most.min(MOST)))
}

/// At most so many datagrams, less those of others.
fn received(stream: &IncomingStream, most: u64) -> Attempt<Vec<Datagram<SocketAddr>>> {
    stream.current.check()?;
    let mut datagrams = Vec::new();
    let mut room = vec![0; if most == 0 { 0 } else { LONGEST }];
    for _ in 0..most {
        let flags = RecvFlags::empty();
        let got = rustix::io::retry_on_intr(|| rustix::net::recvfrom(&stream.fd, &mut *room, flags));
        match got {
            Ok((len, _, from)) => {
                let Some(remote) = from.and_then(|from| SocketAddr::try_from(from).ok()) else { continue };
                if stream.hears(remote) {
                    datagrams.push(Datagram { data: room[..len].to_vec(), remote });
                }
            }
            Err(Errno::AGAIN) => break,
            Err(errno) if datagrams.is_empty() => return Err(errno.into()),
            Err(_) => break,
        }
    }
    Ok(datagrams)
}

impl IncomingStream {
    fn hears(&self, sender: SocketAddr) -> bool {
        match (self.remote, &self.network) {
            // The kernel filters for connected sockets, but for what had arrived before.
            (Some(only), _) => only == sender,
            (None, Some(network)) => network.allows(sender, SocketUse::UdpSend),
            (None, None) => true,
        }
    }
}

/// `[method]incoming-datagram-stream.subscribe`.
pub(crate) fn subscribe_incoming(host: &mut impl Host, this: u32) -> Result<u32, Error> {
    let resources = &mut host.ctx().resources;
    let stream = resources.get::<IncomingStream>(this)?;
    let pollable = Pollable::Watched(Watched::Fd(stream.fd.clone()), Interest::Read);
    resources.add(pollable)
}

/// `[method]outgoing-datagram-stream.check-send`.
pub(crate) fn check_send(host: &mut impl Host, this: u32) -> Done<u64> {
    let stream = host.ctx().resources.get::<OutgoingStream>(this)?;
    if let Err(code) = stream.current.check() {
        return Ok(Err(code));
    }
    let watch = [Watch { fd: stream.fd.as_fd(), interest: Interest::Write }];
    let found = wait(&watch, Duration::ZERO).map_err(Error::host)?;
    let ready = found.first().is_some_and(|ready| *ready != Ready::No);
    stream.permit = if ready { MOST } else { 0 };
    Ok(Ok(stream.permit))
}

/// `[method]outgoing-datagram-stream.send`: how many of the datagrams were sent.
pub(crate) fn send(host: &mut impl Host, this: u32, datagrams: &[Datagram<Option<SocketAddr>>]) -> Done<u64> {
    let stream = host.ctx().resources.get::<OutgoingStream>(this)?;
    let sent = datagrams.len() as u64;
    let Some(left) = stream.permit.checked_sub(sent) else {
        return Err(Refusal::ExcessDatagrams { sent, permit: stream.permit }.into());
    };
    stream.permit = left;
    for (done, datagram) in (0..).zip(datagrams) {
        match send_one(stream, datagram) {
            Ok(()) => {}
            // Those before it have been sent, which the guest must learn; the next call meets the error again.
            Err(_) if done > 0 => return Ok(Ok(done)),
            Err(ErrorCode::WouldBlock) => return Ok(Ok(0)),
            Err(code) => return Ok(Err(code)),
        }
    }
    Ok(Ok(sent))
}

fn send_one(stream: &OutgoingStream, datagram: &Datagram<Option<SocketAddr>>) -> Attempt<()> {
    stream.current.check()?;
    let flags = SendFlags::NOSIGNAL;
    let sent = match (stream.remote, datagram.remote) {
        (Some(only), Some(remote)) if only != remote => return Err(ErrorCode::InvalidArgument),
        (Some(_), _) => rustix::io::retry_on_intr(|| rustix::net::send(&stream.fd, &datagram.data, flags)),
        (None, None) => return Err(ErrorCode::InvalidArgument),
        (None, Some(remote)) => {
            destination(stream.family, remote)?;
            if !stream.network.allows(remote, SocketUse::UdpSend) {
                return Err(ErrorCode::AccessDenied);
            }
            rustix::io::retry_on_intr(|| rustix::net::sendto(&stream.fd, &datagram.data, flags, &remote))
        }
    };
    Ok(sent.map(drop)?)
}

/// `[method]outgoing-datagram-stream.subscribe`.
pub(crate) fn subscribe_outgoing(host: &mut impl Host, this: u32) -> Result<u32, Error> {
    let resources = &mut host.ctx().resources;
    let stream = resources.get::<OutgoingStream>(this)?;
    let pollable = Pollable::Watched(Watched::Fd(stream.fd.clone()), Interest::Write);
    resources.add(pollable)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::Plain;
    use super::*;
    use crate::WasiCtx;

    fn bound(host: &mut Plain) -> (u32, SocketAddr) {
        let socket = create(host, AddressFamily::Ipv4).unwrap().unwrap();
        start_bind(host, socket, "127.0.0.1:0".parse().unwrap()).unwrap().unwrap();
        finish_bind(host, socket).unwrap().unwrap();
        let address = local_address(host, socket).unwrap().unwrap();
        (socket, address)
    }

    #[test]
    fn datagrams_go_both_ways() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let (a, address_a) = bound(&mut host);
        let (b, address_b) = bound(&mut host);
        let (_, to_b) = stream(&mut host, a, Some(address_b)).unwrap().unwrap();
        let (from_a, to_a) = stream(&mut host, b, None).unwrap().unwrap();
        let hello = Datagram { data: b"hello".to_vec(), remote: None };
        assert!(send(&mut host, to_b, std::slice::from_ref(&hello)).is_err());
        assert!(check_send(&mut host, to_b).unwrap().unwrap() >= 1);
        assert_eq!(send(&mut host, to_b, std::slice::from_ref(&hello)).unwrap(), Ok(1));
        let arrived = subscribe_incoming(&mut host, from_a).unwrap();
        host.block(arrived);
        let expected = Datagram { data: b"hello".to_vec(), remote: address_a };
        assert_eq!(receive(&mut host, from_a, 10).unwrap(), Ok(vec![expected]));
        assert_eq!(receive(&mut host, from_a, 10).unwrap(), Ok(vec![]));
        check_send(&mut host, to_a).unwrap().unwrap();
        assert_eq!(send(&mut host, to_a, &[hello]).unwrap(), Err(ErrorCode::InvalidArgument));
    }

    #[test]
    fn a_correspondent_on_another_network_can_follow() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let socket = client(&mut host);
        stream(&mut host, socket, Some("127.0.0.1:9".parse().unwrap())).unwrap().unwrap();
        let elsewhere = stream(&mut host, socket, Some("192.0.2.1:9".parse().unwrap())).unwrap();
        // Where there is another network, and not one only.
        assert!(matches!(elsewhere, Ok(_) | Err(ErrorCode::RemoteUnreachable)), "{elsewhere:?}");
    }

    #[test]
    fn nothing_is_sent_without_permission() {
        let only_bind = Network::checked(|_, wanted| wanted == SocketUse::UdpBind);
        let mut host = Plain(WasiCtx::builder().network(only_bind).build());
        let (socket, address) = bound(&mut host);
        assert_eq!(stream(&mut host, socket, Some(address)).unwrap(), Err(ErrorCode::AccessDenied));
        let (_, out) = stream(&mut host, socket, None).unwrap().unwrap();
        check_send(&mut host, out).unwrap().unwrap();
        let datagram = Datagram { data: vec![1], remote: Some(address) };
        assert_eq!(send(&mut host, out, &[datagram]).unwrap(), Err(ErrorCode::AccessDenied));
    }
    fn client(host: &mut Plain) -> u32 {
        let socket = create(host, AddressFamily::Ipv4).unwrap().unwrap();
        start_bind(host, socket, "0.0.0.0:0".parse().unwrap()).unwrap().unwrap();
        finish_bind(host, socket).unwrap().unwrap();
        socket
    }

    #[test]
    fn nothing_is_sent_to_an_address_that_stands_for_another() {
        // Says no to the local host, as an embedder would that keeps guests from its own services.
        let others = Network::checked(|address, wanted| wanted == SocketUse::UdpBind || !address.ip().is_loopback());
        let mut host = Plain(WasiCtx::builder().network(others).build());
        let (socket, address) = bound(&mut host);
        let (incoming, out) = stream(&mut host, socket, None).unwrap().unwrap();
        let itself = SocketAddr::new("0.0.0.0".parse().unwrap(), address.port());
        for remote in [itself, "192.0.2.1:0".parse().unwrap(), "[::]:9".parse().unwrap()] {
            check_send(&mut host, out).unwrap().unwrap();
            let datagram = Datagram { data: vec![1], remote: Some(remote) };
            assert_eq!(send(&mut host, out, &[datagram]).unwrap(), Err(ErrorCode::InvalidArgument), "{remote}");
            let socket = client(&mut host);
            assert_eq!(stream(&mut host, socket, Some(remote)).unwrap(), Err(ErrorCode::InvalidArgument), "{remote}");
        }
        assert_eq!(receive(&mut host, incoming, 1).unwrap(), Ok(vec![]));
    }

    #[test]
    fn a_client_hears_those_that_it_may_speak_to() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let allowed = server.local_addr().unwrap();
        let rule = allowed.to_string().parse().unwrap();
        let mut host = Plain(WasiCtx::builder().network(Network::rules([rule])).build());
        let socket = client(&mut host);
        let port = local_address(&mut host, socket).unwrap().unwrap().port();
        let (incoming, out) = stream(&mut host, socket, None).unwrap().unwrap();
        check_send(&mut host, out).unwrap().unwrap();
        let to = |remote| [Datagram { data: b"hello".to_vec(), remote: Some(remote) }];
        assert_eq!(send(&mut host, out, &to(allowed)).unwrap(), Ok(1));
        let denied = send(&mut host, out, &to(stranger.local_addr().unwrap())).unwrap();
        assert_eq!(denied, Err(ErrorCode::AccessDenied));
        let mut room = [0; 8];
        let (_, from) = server.recv_from(&mut room).unwrap();
        assert_eq!(from.port(), port);
        stranger.send_to(b"noise", from).unwrap();
        server.send_to(b"answer", from).unwrap();
        let arrived = subscribe_incoming(&mut host, incoming).unwrap();
        host.block(arrived);
        let answer = Datagram { data: b"answer".to_vec(), remote: allowed };
        assert_eq!(receive(&mut host, incoming, 10).unwrap(), Ok(vec![answer]));
        // Only a client's: any other address is as it was, and without rules there are no clients.
        let other = create(&mut host, AddressFamily::Ipv4).unwrap().unwrap();
        for address in ["0.0.0.0:5353", "127.0.0.1:0"] {
            let bound = start_bind(&mut host, other, address.parse().unwrap()).unwrap();
            assert_eq!(bound, Err(ErrorCode::AccessDenied), "{address}");
        }
        for network in [Network::rules([]), Network::checked(|_, _| false), Network::none()] {
            let mut host = Plain(WasiCtx::builder().network(network).build());
            let socket = create(&mut host, AddressFamily::Ipv4).unwrap().unwrap();
            let bound = start_bind(&mut host, socket, "0.0.0.0:0".parse().unwrap()).unwrap();
            assert_eq!(bound, Err(ErrorCode::AccessDenied));
        }
    }

    #[test]
    fn only_the_last_streams_of_a_socket_are_used() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let ((socket, _), (_, a), (_, b)) = (bound(&mut host), bound(&mut host), bound(&mut host));
        let (from_a, to_a) = stream(&mut host, socket, Some(a)).unwrap().unwrap();
        check_send(&mut host, to_a).unwrap().unwrap();
        let (from_b, to_b) = stream(&mut host, socket, Some(b)).unwrap().unwrap();
        let datagram = [Datagram { data: vec![1], remote: None }];
        assert_eq!(send(&mut host, to_a, &datagram).unwrap(), Err(ErrorCode::InvalidState));
        assert_eq!(check_send(&mut host, to_a).unwrap(), Err(ErrorCode::InvalidState));
        assert_eq!(receive(&mut host, from_a, 1).unwrap(), Err(ErrorCode::InvalidState));
        check_send(&mut host, to_b).unwrap().unwrap();
        assert_eq!(send(&mut host, to_b, &datagram).unwrap(), Ok(1));
        assert_eq!(receive(&mut host, from_b, 1).unwrap(), Ok(vec![]));
    }
}
