//! `wasi:sockets`.

use super::super::Host;
use super::super::poll::Pollable;
use super::super::resources::Held;
use super::super::sockets::address::{IpAddress, IpSocketAddress};
use super::super::sockets::lookup::{self, Resolution};
use super::super::sockets::options;
use super::super::sockets::tcp::{self, ShutdownType, TcpSocket};
use super::super::sockets::udp::{self, Datagram, IncomingStream, OutgoingStream, UdpSocket};
use super::super::sockets::{AddressFamily, ErrorCode};
use super::super::stream::{Input, IoError, Output};
use super::{Calling, Get, define, dropping, own};
use hatchery::Error;
use hatchery::component::{Caller, ComponentType, Lift, Linker, Lower, Resource};
use std::net::SocketAddr;

/// `network`: stands for whatever the embedder allows.
struct Network;

/// `incoming-datagram`.
#[derive(ComponentType, Lower)]
struct IncomingDatagram {
    data: Vec<u8>,
    remote_address: IpSocketAddress,
}

/// `outgoing-datagram`.
#[derive(ComponentType, Lift)]
struct OutgoingDatagram {
    data: Vec<u8>,
    remote_address: Option<IpSocketAddress>,
}

pub(super) fn add<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut network = linker.instance("wasi:sockets/network@0.2.12")?;
    network.resource::<Network>("network", dropping(get))?;
    define!(network, get, "network-error-code", |host, error: Resource<IoError>| {
        Some(ErrorCode::from(host.ctx().resources.get::<IoError>(error.rep())?.0))
    });
    let mut instance = linker.instance("wasi:sockets/instance-network@0.2.12")?;
    define!(instance, get, "instance-network", |host| own::<Network>(host.ctx().resources.push(Held::Network)?));
    lookup(linker, get)?;
    tcp(linker, get)?;
    tcp_options(linker, get)?;
    udp(linker, get)?;
    datagrams(linker, get)
}

fn lookup<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut names = linker.instance("wasi:sockets/ip-name-lookup@0.2.12")?;
    names.resource::<Resolution>("resolve-address-stream", dropping(get))?;
    define!(names, get, "resolve-addresses", |host, _network: Resource<Network>, name: String| {
        lookup::resolve_addresses(host, &name)?.map(own::<Resolution>)
    });
    define!(names, get, "[method]resolve-address-stream.resolve-next-address", |host, this: Resource<Resolution>| {
        lookup::resolve_next_address(host, this.rep())?.map(|address| address.map(IpAddress::from))
    });
    define!(names, get, "[method]resolve-address-stream.subscribe", |host, this: Resource<Resolution>| {
        own::<Pollable>(lookup::subscribe(host, this.rep())?)
    });
    Ok(())
}

fn tcp<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut create = linker.instance("wasi:sockets/tcp-create-socket@0.2.12")?;
    define!(create, get, "create-tcp-socket", |host, family: AddressFamily| {
        tcp::create(host, family)?.map(own::<TcpSocket>)
    });
    let mut socket = linker.instance("wasi:sockets/tcp@0.2.12")?;
    socket.resource::<TcpSocket>("tcp-socket", dropping(get))?;
    define!(
        socket,
        get,
        "[method]tcp-socket.start-bind",
        |host, this: Resource<TcpSocket>, _network: Resource<Network>, address: IpSocketAddress| {
            tcp::start_bind(host, this.rep(), address.into())?
        }
    );
    define!(socket, get, "[method]tcp-socket.finish-bind", |host, this: Resource<TcpSocket>| {
        tcp::finish_bind(host, this.rep())?
    });
    define!(
        socket,
        get,
        "[method]tcp-socket.start-connect",
        |host, this: Resource<TcpSocket>, _network: Resource<Network>, address: IpSocketAddress| {
            tcp::start_connect(host, this.rep(), address.into())?
        }
    );
    define!(socket, get, "[method]tcp-socket.finish-connect", |host, this: Resource<TcpSocket>| {
        tcp::finish_connect(host, this.rep())?.map(|(input, output)| (own::<Input>(input), own::<Output>(output)))
    });
    define!(socket, get, "[method]tcp-socket.start-listen", |host, this: Resource<TcpSocket>| {
        tcp::start_listen(host, this.rep())?
    });
    define!(socket, get, "[method]tcp-socket.finish-listen", |host, this: Resource<TcpSocket>| {
        tcp::finish_listen(host, this.rep())?
    });
    define!(socket, get, "[method]tcp-socket.accept", |host, this: Resource<TcpSocket>| {
        let accepted = tcp::accept(host, this.rep())?;
        accepted.map(|(socket, input, output)| (own::<TcpSocket>(socket), own::<Input>(input), own::<Output>(output)))
    });
    define!(socket, get, "[method]tcp-socket.local-address", |host, this: Resource<TcpSocket>| {
        tcp::local_address(host, this.rep())?.map(IpSocketAddress::from)
    });
    define!(socket, get, "[method]tcp-socket.remote-address", |host, this: Resource<TcpSocket>| {
        tcp::remote_address(host, this.rep())?.map(IpSocketAddress::from)
    });
    define!(socket, get, "[method]tcp-socket.is-listening", |host, this: Resource<TcpSocket>| {
        tcp::is_listening(host, this.rep())?
    });
    define!(socket, get, "[method]tcp-socket.address-family", |host, this: Resource<TcpSocket>| {
        tcp::address_family(host, this.rep())?
    });
    define!(socket, get, "[method]tcp-socket.subscribe", |host, this: Resource<TcpSocket>| {
        own::<Pollable>(tcp::subscribe(host, this.rep())?)
    });
    define!(socket, get, "[method]tcp-socket.shutdown", |host, this: Resource<TcpSocket>, how: ShutdownType| {
        tcp::shutdown(host, this.rep(), how)?
    });
    Ok(())
}

/// Options of an interface: what reads each, and what sets it.
macro_rules! options {
    ($interface:ident, $get:ident, $socket:ty, $module:ident, $($read:literal $reader:ident, $set:literal $setter:ident, $ty:ty;)*) => {
        $(
            define!($interface, $get, $read, |host, this: Resource<$socket>| $module::$reader(host, this.rep())?);
            define!($interface, $get, $set, |host, this: Resource<$socket>, value: $ty| {
                $module::$setter(host, this.rep(), value)?
            });
        )*
    };
}

fn tcp_options<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut socket = linker.instance("wasi:sockets/tcp@0.2.12")?;
    define!(socket, get, "[method]tcp-socket.set-listen-backlog-size", |host, this: Resource<TcpSocket>, size: u64| {
        tcp::set_listen_backlog_size(host, this.rep(), size)?
    });
    options! {
        socket, get, TcpSocket, options,
        "[method]tcp-socket.keep-alive-enabled" keep_alive_enabled,
        "[method]tcp-socket.set-keep-alive-enabled" set_keep_alive_enabled, bool;
        "[method]tcp-socket.keep-alive-idle-time" keep_alive_idle_time,
        "[method]tcp-socket.set-keep-alive-idle-time" set_keep_alive_idle_time, u64;
        "[method]tcp-socket.keep-alive-interval" keep_alive_interval,
        "[method]tcp-socket.set-keep-alive-interval" set_keep_alive_interval, u64;
        "[method]tcp-socket.keep-alive-count" keep_alive_count,
        "[method]tcp-socket.set-keep-alive-count" set_keep_alive_count, u32;
        "[method]tcp-socket.hop-limit" hop_limit,
        "[method]tcp-socket.set-hop-limit" set_hop_limit, u8;
        "[method]tcp-socket.receive-buffer-size" receive_buffer_size,
        "[method]tcp-socket.set-receive-buffer-size" set_receive_buffer_size, u64;
        "[method]tcp-socket.send-buffer-size" send_buffer_size,
        "[method]tcp-socket.set-send-buffer-size" set_send_buffer_size, u64;
    }
    Ok(())
}

fn udp<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut create = linker.instance("wasi:sockets/udp-create-socket@0.2.12")?;
    define!(create, get, "create-udp-socket", |host, family: AddressFamily| {
        udp::create(host, family)?.map(own::<UdpSocket>)
    });
    let mut socket = linker.instance("wasi:sockets/udp@0.2.12")?;
    socket.resource::<UdpSocket>("udp-socket", dropping(get))?;
    define!(
        socket,
        get,
        "[method]udp-socket.start-bind",
        |host, this: Resource<UdpSocket>, _network: Resource<Network>, address: IpSocketAddress| {
            udp::start_bind(host, this.rep(), address.into())?
        }
    );
    define!(socket, get, "[method]udp-socket.finish-bind", |host, this: Resource<UdpSocket>| {
        udp::finish_bind(host, this.rep())?
    });
    define!(
        socket,
        get,
        "[method]udp-socket.stream",
        |host, this: Resource<UdpSocket>, remote: Option<IpSocketAddress>| {
            let streams = udp::stream(host, this.rep(), remote.map(Into::into))?;
            streams.map(|(incoming, outgoing)| (own::<IncomingStream>(incoming), own::<OutgoingStream>(outgoing)))
        }
    );
    define!(socket, get, "[method]udp-socket.local-address", |host, this: Resource<UdpSocket>| {
        udp::local_address(host, this.rep())?.map(IpSocketAddress::from)
    });
    define!(socket, get, "[method]udp-socket.remote-address", |host, this: Resource<UdpSocket>| {
        udp::remote_address(host, this.rep())?.map(IpSocketAddress::from)
    });
    define!(socket, get, "[method]udp-socket.address-family", |host, this: Resource<UdpSocket>| {
        udp::address_family(host, this.rep())?
    });
    options! {
        socket, get, UdpSocket, udp,
        "[method]udp-socket.unicast-hop-limit" unicast_hop_limit,
        "[method]udp-socket.set-unicast-hop-limit" set_unicast_hop_limit, u8;
        "[method]udp-socket.receive-buffer-size" receive_buffer_size,
        "[method]udp-socket.set-receive-buffer-size" set_receive_buffer_size, u64;
        "[method]udp-socket.send-buffer-size" send_buffer_size,
        "[method]udp-socket.set-send-buffer-size" set_send_buffer_size, u64;
    }
    define!(socket, get, "[method]udp-socket.subscribe", |host, this: Resource<UdpSocket>| {
        own::<Pollable>(udp::subscribe(host, this.rep())?)
    });
    Ok(())
}

fn datagrams<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut streams = linker.instance("wasi:sockets/udp@0.2.12")?;
    streams.resource::<IncomingStream>("incoming-datagram-stream", dropping(get))?;
    streams.resource::<OutgoingStream>("outgoing-datagram-stream", dropping(get))?;
    define!(
        streams,
        get,
        "[method]incoming-datagram-stream.receive",
        |host, this: Resource<IncomingStream>, most: u64| {
            udp::receive(host, this.rep(), most)?.map(|datagrams| {
                let datagram = |Datagram { data, remote }: Datagram<SocketAddr>| IncomingDatagram {
                    data,
                    remote_address: remote.into(),
                };
                datagrams.into_iter().map(datagram).collect::<Vec<_>>()
            })
        }
    );
    define!(streams, get, "[method]incoming-datagram-stream.subscribe", |host, this: Resource<IncomingStream>| {
        own::<Pollable>(udp::subscribe_incoming(host, this.rep())?)
    });
    define!(streams, get, "[method]outgoing-datagram-stream.check-send", |host, this: Resource<OutgoingStream>| {
        udp::check_send(host, this.rep())?
    });
    define!(
        streams,
        get,
        "[method]outgoing-datagram-stream.send",
        |host, this: Resource<OutgoingStream>, datagrams: Vec<OutgoingDatagram>| {
            let datagram =
                |OutgoingDatagram { data, remote_address }| Datagram { data, remote: remote_address.map(Into::into) };
            let datagrams: Vec<_> = datagrams.into_iter().map(datagram).collect();
            udp::send(host, this.rep(), &datagrams)?
        }
    );
    define!(streams, get, "[method]outgoing-datagram-stream.subscribe", |host, this: Resource<OutgoingStream>| {
        own::<Pollable>(udp::subscribe_outgoing(host, this.rep())?)
    });
    Ok(())
}
