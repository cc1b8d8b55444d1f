//! `tcp-socket`. Every socket is non-blocking; what takes time is started, waited for by a pollable, and finished.

use super::super::poll::Pollable;
use super::super::stream::{Input, Output, Sink, Source};
use super::super::{Answer, Host};
use super::{AddressFamily, ErrorCode};
use crate::host::{Interest, SocketUse};
use hatchery::Error;
use hatchery::component::{ComponentType, Lift};
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, SocketType, sockopt};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What functions of this interface answer.
pub(crate) type Done<T> = Answer<T, ErrorCode>;

pub(super) type Attempt<T> = Result<T, ErrorCode>;

/// Where a socket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// New: can be bound, or connected.
    Unbound,
    /// Being bound.
    BindStarted,
    /// Has an address: can be connected, or listen.
    Bound,
    /// Being connected.
    ConnectStarted,
    /// Has streams.
    Connected,
    /// About to listen.
    ListenStarted,
    /// Accepts connections.
    Listening,
    /// Could not be connected: can only be dropped.
    Failed,
}

/// A socket of the system, and how far it is. Its streams and pollables share it: they must know what happens to it after
/// they were made.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: Arc<OwnedFd>,
    life: Mutex<Life>,
}

#[derive(Debug)]
struct Life {
    state: State,
    /// The guest has shut receiving down.
    deaf: bool,
    /// The guest has shut sending down.
    mute: bool,
    /// The output stream has bytes that the system had no room for. The end of what is sent must not overtake them.
    pending: bool,
}

impl Socket {
    fn new(fd: OwnedFd, state: State) -> Arc<Self> {
        let life = Life { state, deaf: false, mute: false, pending: false };
        Arc::new(Self { fd: Arc::new(fd), life: Mutex::new(life) })
    }

    /// Nothing panics with the lock.
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Whether bytes may still be received.
    pub(crate) fn receives(&self) -> bool {
        !self.life().deaf
    }

    /// Whether more bytes may be sent.
    pub(crate) fn sends(&self) -> bool {
        !self.life().mute
    }

    /// Whether there are bytes that were written and not sent. With the last of them the end is sent, if it is due.
    pub(crate) fn set_pending(&self, pending: bool) {
        let was = std::mem::replace(&mut self.life().pending, pending);
        if was && !pending && !self.sends() {
            // Who has lost the connection meanwhile needs no end.
            let _ = rustix::net::shutdown(&self.fd, Shutdown::Write);
        }
    }

    /// What there is to wait for until what was started can be finished, or a connection be accepted.
    pub(crate) fn awaited(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        match self.life().state {
            State::ConnectStarted => Some((self.fd.as_fd(), Interest::Write)),
            State::Listening => Some((self.fd.as_fd(), Interest::Read)),
            _ => None,
        }
    }

    fn shut_down(&self, how: ShutdownType) -> Attempt<()> {
        let mut life = self.life();
        life.deaf |= how != ShutdownType::Send;
        life.mute |= how != ShutdownType::Receive;
        let how = match how {
            ShutdownType::Receive => Shutdown::Read,
            ShutdownType::Send if life.pending => return Ok(()),
            ShutdownType::Both if life.pending => Shutdown::Read,
            ShutdownType::Send => Shutdown::Write,
            ShutdownType::Both => Shutdown::Both,
        };
        Ok(rustix::net::shutdown(&self.fd, how)?)
    }
}

/// A `tcp-socket`.
#[derive(Debug)]
pub(crate) struct TcpSocket {
    socket: Arc<Socket>,
    pub(super) family: AddressFamily,
    backlog: i32,
}

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// Connections that wait to be accepted, when the guest does not say.
const BACKLOG: i32 = 128;

/// `create-tcp-socket`.
pub(crate) fn create(host: &mut impl Host, family: AddressFamily) -> Done<u32> {
    if !host.ctx().resources.takes_socket(1) {
        return Ok(Err(ErrorCode::NewSocketLimit));
    }
    match TcpSocket::new(family) {
        Ok(socket) => host.ctx().resources.add(socket).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

impl TcpSocket {
    fn new(family: AddressFamily) -> Attempt<Self> {
        let fd = rustix::net::socket_with(family.system(), SocketType::STREAM, FLAGS, None)?;
        if family == AddressFamily::Ipv6 {
            sockopt::set_ipv6_v6only(&fd, true)?;
        }
        Ok(Self { socket: Socket::new(fd, State::Unbound), family, backlog: BACKLOG })
    }

    fn fd(&self) -> &OwnedFd {
        self.socket.fd()
    }

    fn state(&self) -> State {
        self.socket.life().state
    }

    fn becomes(&self, state: State) {
        self.socket.life().state = state;
    }

    fn expect(&self, state: State) -> Attempt<()> {
        if self.state() == state { Ok(()) } else { Err(ErrorCode::InvalidState) }
    }

    /// What is started must have been, before it can be finished.
    fn started(&self, state: State) -> Attempt<()> {
        if self.state() == state { Ok(()) } else { Err(ErrorCode::NotInProgress) }
    }

    fn start_bind(&mut self, address: SocketAddr) -> Attempt<()> {
        self.expect(State::Unbound)?;
        suitable(self.family, address.ip())?;
        // So that a server can be started again while connections of its predecessor are still being closed.
        sockopt::set_socket_reuseaddr(self.fd(), true)?;
        rustix::net::bind(self.fd(), &address)?;
        self.becomes(State::BindStarted);
        Ok(())
    }

    fn start_connect(&mut self, address: SocketAddr) -> Attempt<()> {
        if !matches!(self.state(), State::Unbound | State::Bound) {
            return Err(ErrorCode::InvalidState);
        }
        destination(self.family, address)?;
        match rustix::net::connect(self.fd(), &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {
                self.becomes(State::ConnectStarted);
                Ok(())
            }
            Err(errno) => {
                self.becomes(State::Failed);
                Err(not_connected(errno))
            }
        }
    }

    fn finish_connect(&mut self) -> Attempt<()> {
        self.started(State::ConnectStarted)?;
        match sockopt::socket_error(self.fd())? {
            Err(errno) => {
                self.becomes(State::Failed);
                Err(not_connected(errno))
            }
            Ok(()) => match rustix::net::getpeername(self.fd()) {
                Err(Errno::NOTCONN) => Err(ErrorCode::WouldBlock),
                Err(errno) => Err(errno.into()),
                Ok(_) => {
                    self.becomes(State::Connected);
                    Ok(())
                }
            },
        }
    }

    fn streams(&self) -> (Input, Output) {
        let (source, sink) = (Source::Socket(self.socket.clone()), Sink::Socket(self.socket.clone()));
        (Input::new(source), Output::new(sink))
    }

    fn accept(&self) -> Attempt<TcpSocket> {
        self.expect(State::Listening)?;
        let accepted = rustix::io::retry_on_intr(|| rustix::net::accept_with(self.fd(), FLAGS));
        let fd = accepted.map_err(not_accepted)?;
        Ok(Self { socket: Socket::new(fd, State::Connected), family: self.family, backlog: BACKLOG })
    }

    /// Options of the socket can be changed until it has failed.
    pub(super) fn usable(&self) -> Attempt<&OwnedFd> {
        if self.state() == State::Failed { Err(ErrorCode::InvalidState) } else { Ok(self.fd()) }
    }
}

/// Why there is no connection. To connect, the system binds a socket itself: that it has no address for it means that all are
/// in use.
fn not_connected(errno: Errno) -> ErrorCode {
    if errno == Errno::ADDRNOTAVAIL { ErrorCode::AddressInUse } else { errno.into() }
}

/// Why no connection was accepted. Linux reports what happened to a connection that waited, which is not the listener's error.
fn not_accepted(errno: Errno) -> ErrorCode {
    match errno {
        Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NONET
        | Errno::PROTO
        | Errno::NOPROTOOPT
        | Errno::OPNOTSUPP
        | Errno::CONNRESET => ErrorCode::ConnectionAborted,
        _ => errno.into(),
    }
}

/// An address must be of the socket's family, for one recipient, and not the other family in disguise.
pub(super) fn suitable(family: AddressFamily, ip: IpAddr) -> Attempt<()> {
    let fits = match ip {
        IpAddr::V4(ip) => family == AddressFamily::Ipv4 && !ip.is_broadcast() && !ip.is_multicast(),
        IpAddr::V6(ip) => family == AddressFamily::Ipv6 && !ip.is_multicast() && ip.to_ipv4_mapped().is_none(),
    };
    if fits { Ok(()) } else { Err(ErrorCode::InvalidArgument) }
}

/// What is sent somewhere has a suitable address and a port. The system takes an unspecified address for the local host,
/// which is none of those that the embedder was asked about.
pub(super) fn destination(family: AddressFamily, address: SocketAddr) -> Attempt<()> {
    suitable(family, address.ip())?;
    if address.ip().is_unspecified() || address.port() == 0 { Err(ErrorCode::InvalidArgument) } else { Ok(()) }
}

pub(super) fn with<T>(host: &mut impl Host, this: u32, act: impl FnOnce(&mut TcpSocket) -> Attempt<T>) -> Done<T> {
    Ok(act(host.ctx().resources.get::<TcpSocket>(this)?))
}

/// `[method]tcp-socket.start-bind`.
pub(crate) fn start_bind(host: &mut impl Host, this: u32, address: SocketAddr) -> Done<()> {
    let allowed = host.ctx().network.allows(address, SocketUse::TcpBind);
    with(host, this, |socket| if allowed { socket.start_bind(address) } else { Err(ErrorCode::AccessDenied) })
}

/// `[method]tcp-socket.finish-bind`.
pub(crate) fn finish_bind(host: &mut impl Host, this: u32) -> Done<()> {
    with(host, this, |socket| {
        socket.started(State::BindStarted)?;
        socket.becomes(State::Bound);
        Ok(())
    })
}

/// `[method]tcp-socket.start-connect`.
pub(crate) fn start_connect(host: &mut impl Host, this: u32, address: SocketAddr) -> Done<()> {
    let allowed = host.ctx().network.allows(address, SocketUse::TcpConnect);
    with(host, this, |socket| if allowed { socket.start_connect(address) } else { Err(ErrorCode::AccessDenied) })
}

/// `[method]tcp-socket.finish-connect`.
pub(crate) fn finish_connect(host: &mut impl Host, this: u32) -> Done<(u32, u32)> {
    match with(host, this, |socket| socket.finish_connect().map(|()| socket.streams()))? {
        Ok(streams) => hold(host, streams).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

fn hold(host: &mut impl Host, (input, output): (Input, Output)) -> Result<(u32, u32), Error> {
    let resources = &mut host.ctx().resources;
    Ok((resources.add(input)?, resources.add(output)?))
}

/// `[method]tcp-socket.start-listen`.
pub(crate) fn start_listen(host: &mut impl Host, this: u32) -> Done<()> {
    with(host, this, |socket| {
        socket.expect(State::Bound)?;
        rustix::net::listen(socket.fd(), socket.backlog)?;
        socket.becomes(State::ListenStarted);
        Ok(())
    })
}

/// `[method]tcp-socket.finish-listen`.
pub(crate) fn finish_listen(host: &mut impl Host, this: u32) -> Done<()> {
    with(host, this, |socket| {
        socket.started(State::ListenStarted)?;
        socket.becomes(State::Listening);
        Ok(())
    })
}

/// `[method]tcp-socket.accept`.
pub(crate) fn accept(host: &mut impl Host, this: u32) -> Done<(u32, u32, u32)> {
    // The socket and its streams. What is not accepted waits.
    if !host.ctx().resources.takes_socket(3) {
        return Ok(Err(ErrorCode::NewSocketLimit));
    }
    match with(host, this, |socket| socket.accept())? {
        Ok(socket) => {
            let streams = socket.streams();
            let number = host.ctx().resources.add(socket)?;
            let (input, output) = hold(host, streams)?;
            Ok(Ok((number, input, output)))
        }
        Err(code) => Ok(Err(code)),
    }
}

/// `[method]tcp-socket.local-address`.
pub(crate) fn local_address(host: &mut impl Host, this: u32) -> Done<SocketAddr> {
    with(host, this, |socket| match socket.state() {
        State::Unbound | State::BindStarted | State::Failed => Err(ErrorCode::InvalidState),
        _ => local(socket.fd()),
    })
}

pub(super) fn local(fd: &OwnedFd) -> Attempt<SocketAddr> {
    SocketAddr::try_from(rustix::net::getsockname(fd)?).map_err(ErrorCode::from)
}

pub(super) fn peer(fd: &OwnedFd) -> Attempt<SocketAddr> {
    let address = rustix::net::getpeername(fd)?.ok_or(ErrorCode::InvalidState)?;
    SocketAddr::try_from(address).map_err(ErrorCode::from)
}

/// `[method]tcp-socket.remote-address`.
pub(crate) fn remote_address(host: &mut impl Host, this: u32) -> Done<SocketAddr> {
    with(host, this, |socket| {
        socket.expect(State::Connected)?;
        peer(socket.fd())
    })
}

/// `[method]tcp-socket.is-listening`.
pub(crate) fn is_listening(host: &mut impl Host, this: u32) -> Result<bool, Error> {
    Ok(host.ctx().resources.get::<TcpSocket>(this)?.state() == State::Listening)
}

/// `[method]tcp-socket.address-family`.
pub(crate) fn address_family(host: &mut impl Host, this: u32) -> Result<AddressFamily, Error> {
    Ok(host.ctx().resources.get::<TcpSocket>(this)?.family)
}

/// `[method]tcp-socket.set-listen-backlog-size`.
pub(crate) fn set_listen_backlog_size(host: &mut impl Host, this: u32, size: u64) -> Done<()> {
    with(host, this, |socket| {
        if size == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        socket.backlog = i32::try_from(size).unwrap_or(i32::MAX);
        match socket.state() {
            State::Unbound | State::BindStarted | State::Bound => Ok(()),
            State::ListenStarted | State::Listening => Ok(rustix::net::listen(socket.fd(), socket.backlog)?),
            _ => Err(ErrorCode::InvalidState),
        }
    })
}

/// `[method]tcp-socket.subscribe`.
pub(crate) fn subscribe(host: &mut impl Host, this: u32) -> Result<u32, Error> {
    let resources = &mut host.ctx().resources;
    let socket = resources.get::<TcpSocket>(this)?.socket.clone();
    resources.add(Pollable::Tcp(socket))
}

/// `shutdown-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
pub(crate) enum ShutdownType {
    Receive,
    Send,
    Both,
}

/// `[method]tcp-socket.shutdown`.
pub(crate) fn shutdown(host: &mut impl Host, this: u32, how: ShutdownType) -> Done<()> {
    with(host, this, |socket| {
        socket.expect(State::Connected)?;
        socket.socket.shut_down(how)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::io;
    use super::super::super::poll::ready;
    use super::super::super::stream::split;
    use super::super::super::tests::Plain;
    use super::super::{options::set_send_buffer_size, udp};
    use super::*;
    use crate::WasiCtx;
    use crate::host::Network;
    use std::time::{Duration, Instant};

    fn local_host() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    fn listening(host: &mut Plain) -> (u32, SocketAddr) {
        let server = create(host, AddressFamily::Ipv4).unwrap().unwrap();
        start_bind(host, server, local_host()).unwrap().unwrap();
        assert_eq!(start_listen(host, server).unwrap(), Err(ErrorCode::InvalidState));
        finish_bind(host, server).unwrap().unwrap();
        start_listen(host, server).unwrap().unwrap();
        finish_listen(host, server).unwrap().unwrap();
        let address = local_address(host, server).unwrap().unwrap();
        (server, address)
    }

    #[test]
    fn a_client_and_a_server_talk() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let (server, address) = listening(&mut host);
        assert_eq!(accept(&mut host, server).unwrap(), Err(ErrorCode::WouldBlock));
        let client = create(&mut host, AddressFamily::Ipv4).unwrap().unwrap();
        start_connect(&mut host, client, address).unwrap().unwrap();
        let connected = subscribe(&mut host, client).unwrap();
        host.block(connected);
        let (from_server, to_server) = finish_connect(&mut host, client).unwrap().unwrap();
        let incoming = subscribe(&mut host, server).unwrap();
        host.block(incoming);
        let (_, from_client, to_client) = accept(&mut host, server).unwrap().unwrap();
        host.write(to_server, b"ping").unwrap();
        assert_eq!(host.read(from_client), Ok(b"ping".to_vec()));
        host.write(to_client, b"pong").unwrap();
        assert_eq!(host.read(from_server), Ok(b"pong".to_vec()));
        shutdown(&mut host, client, ShutdownType::Send).unwrap().unwrap();
        assert_eq!(host.read(from_client), Err(io::StreamError::Closed));
        assert_eq!(remote_address(&mut host, client).unwrap(), Ok(address));
    }

    #[test]
    fn nothing_is_reached_without_permission() {
        let mut host = Plain(WasiCtx::builder().build());
        let socket = create(&mut host, AddressFamily::Ipv4).unwrap().unwrap();
        assert_eq!(start_bind(&mut host, socket, local_host()).unwrap(), Err(ErrorCode::AccessDenied));
        let address = "127.0.0.1:80".parse().unwrap();
        assert_eq!(start_connect(&mut host, socket, address).unwrap(), Err(ErrorCode::AccessDenied));
    }

    #[test]
    fn a_refused_connection_says_so() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let (server, address) = listening(&mut host);
        host.ctx().resources.remove(server);
        let client = create(&mut host, AddressFamily::Ipv4).unwrap().unwrap();
        let started = start_connect(&mut host, client, address).unwrap();
        if started.is_ok() {
            let pollable = subscribe(&mut host, client).unwrap();
            host.block(pollable);
            assert_eq!(finish_connect(&mut host, client).unwrap(), Err(ErrorCode::ConnectionRefused));
        } else {
            assert_eq!(started, Err(ErrorCode::ConnectionRefused));
        }
        assert_eq!(start_connect(&mut host, client, address).unwrap(), Err(ErrorCode::InvalidState));
    }

    /// A client and a server that are connected: the client, and the streams of both.
    fn connected(host: &mut Plain) -> (u32, [u32; 2], [u32; 2]) {
        let (server, address) = listening(host);
        let client = create(host, AddressFamily::Ipv4).unwrap().unwrap();
        start_connect(host, client, address).unwrap().unwrap();
        let (started, incoming) = (subscribe(host, client).unwrap(), subscribe(host, server).unwrap());
        host.block(started);
        let (from_server, to_server) = finish_connect(host, client).unwrap().unwrap();
        host.block(incoming);
        let (_, from_client, to_client) = accept(host, server).unwrap().unwrap();
        (client, [from_server, to_server], [from_client, to_client])
    }

    #[test]
    fn a_guest_that_has_many_sockets_gets_no_more_and_goes_on() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).max_resources(16).build());
        let (server, address) = listening(&mut host);
        let mut clients: Vec<_> = (0..4).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let incoming = subscribe(&mut host, server).unwrap();
        host.block(incoming);
        let mut accepted: Vec<_> = (0..3).map(|_| accept(&mut host, server).unwrap().unwrap()).collect();
        assert_eq!(accept(&mut host, server).unwrap(), Err(ErrorCode::NewSocketLimit));
        let created = create(&mut host, AddressFamily::Ipv4).unwrap().unwrap();
        assert_eq!(create(&mut host, AddressFamily::Ipv4).unwrap(), Err(ErrorCode::NewSocketLimit));
        assert_eq!(udp::create(&mut host, AddressFamily::Ipv4).unwrap(), Err(ErrorCode::NewSocketLimit));
        // Those there are can be used, and waited for.
        let (_, input, _) = accepted[0];
        std::io::Write::write_all(&mut clients[0], b"x").unwrap();
        let readable = io::subscribe_input(&mut host, input).unwrap();
        host.block(readable);
        assert_eq!(host.read(input), Ok(b"x".to_vec()));
        // Once some are dropped, the connection that waits is accepted.
        let (socket, input, output) = accepted.remove(2);
        for number in [socket, input, output, created] {
            host.ctx().resources.remove(number);
        }
        accept(&mut host, server).unwrap().unwrap();
    }

    #[test]
    fn a_pollable_is_of_whatever_the_socket_does_later() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let server = create(&mut host, AddressFamily::Ipv4).unwrap().unwrap();
        let kept = subscribe(&mut host, server).unwrap();
        assert!(ready(&mut host, kept).unwrap());
        start_bind(&mut host, server, local_host()).unwrap().unwrap();
        finish_bind(&mut host, server).unwrap().unwrap();
        start_listen(&mut host, server).unwrap().unwrap();
        assert!(ready(&mut host, kept).unwrap());
        finish_listen(&mut host, server).unwrap().unwrap();
        assert!(!ready(&mut host, kept).unwrap());
        let address = local_address(&mut host, server).unwrap().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        host.block(kept);
        accept(&mut host, server).unwrap().unwrap();
        assert!(!ready(&mut host, kept).unwrap());
        drop(client);
    }

    #[test]
    fn the_end_of_what_is_sent_is_behind_all_that_was_written() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let (client, [_, to_server], [from_client, _]) = connected(&mut host);
        set_send_buffer_size(&mut host, client, 1).unwrap().unwrap();
        // Until something is pending, as nobody reads.
        let mut written = 0_u64;
        while !host.ctx().resources.get::<TcpSocket>(client).unwrap().socket.life().pending {
            let (table, resources) = split(host.ctx());
            resources.get::<Output>(to_server).unwrap().accept(table, &[7; 4096]).unwrap();
            written += 4096;
        }
        shutdown(&mut host, client, ShutdownType::Send).unwrap().unwrap();
        assert_eq!(io::check_write(&mut host, to_server).unwrap(), Ok(0));
        assert_eq!(io::begin_write(host.ctx(), to_server, b"x").unwrap(), Err(io::StreamError::Closed));
        let (mut received, start) = (0, Instant::now());
        loop {
            assert!(start.elapsed() < Duration::from_secs(30), "{received} of {written} bytes, and no end");
            match io::read(&mut host, from_client, 1 << 20).unwrap() {
                Ok(bytes) => received += bytes.len() as u64,
                Err(error) => break assert_eq!(error, io::StreamError::Closed),
            }
            // Once everything is passed on, the stream is closed.
            let _ = io::flush(&mut host, to_server).unwrap();
        }
        assert_eq!(received, written);
        assert_eq!(io::check_write(&mut host, to_server).unwrap(), Err(io::StreamError::Closed));
    }

    #[test]
    fn a_socket_that_does_not_receive_has_no_input() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let (client, [from_server, to_server], [from_client, to_client]) = connected(&mut host);
        host.write(to_client, b"too late").unwrap();
        shutdown(&mut host, client, ShutdownType::Receive).unwrap().unwrap();
        shutdown(&mut host, client, ShutdownType::Receive).unwrap().unwrap();
        assert_eq!(host.read(from_server), Err(io::StreamError::Closed));
        host.write(to_server, b"still").unwrap();
        assert_eq!(host.read(from_client), Ok(b"still".to_vec()));
    }
}
