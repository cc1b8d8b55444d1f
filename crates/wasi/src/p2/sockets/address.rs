//! Addresses and error codes, in the interface's order and in the host's form.

use crate::host::Error as HostError;
use hatchery::component::{ComponentType, Lift, Lower};
use rustix::io::Errno;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// `ip-address-family`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) enum AddressFamily {
    Ipv4,
    Ipv6,
}

impl AddressFamily {
    pub(super) fn system(self) -> rustix::net::AddressFamily {
        match self {
            Self::Ipv4 => rustix::net::AddressFamily::INET,
            Self::Ipv6 => rustix::net::AddressFamily::INET6,
        }
    }
}

/// `ip-address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
pub(crate) enum IpAddress {
    Ipv4((u8, u8, u8, u8)),
    Ipv6((u16, u16, u16, u16, u16, u16, u16, u16)),
}

/// `ipv4-socket-address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) struct Ipv4SocketAddress {
    port: u16,
    address: (u8, u8, u8, u8),
}

/// `ipv6-socket-address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) struct Ipv6SocketAddress {
    port: u16,
    flow_info: u32,
    address: (u16, u16, u16, u16, u16, u16, u16, u16),
    scope_id: u32,
}

/// `ip-socket-address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) enum IpSocketAddress {
    Ipv4(Ipv4SocketAddress),
    Ipv6(Ipv6SocketAddress),
}

impl From<IpAddr> for IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address.octets().into()),
            IpAddr::V6(address) => Self::Ipv6(address.segments().into()),
        }
    }
}

impl From<SocketAddr> for IpSocketAddress {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::Ipv4(Ipv4SocketAddress { port: v4.port(), address: v4.ip().octets().into() }),
            SocketAddr::V6(v6) => Self::Ipv6(Ipv6SocketAddress {
                port: v6.port(),
                flow_info: v6.flowinfo(),
                address: v6.ip().segments().into(),
                scope_id: v6.scope_id(),
            }),
        }
    }
}

impl From<IpSocketAddress> for SocketAddr {
    fn from(address: IpSocketAddress) -> Self {
        match address {
            IpSocketAddress::Ipv4(v4) => Self::V4(SocketAddrV4::new(<[u8; 4]>::from(v4.address).into(), v4.port)),
            IpSocketAddress::Ipv6(v6) => {
                let address = <[u16; 8]>::from(v6.address).into();
                Self::V6(SocketAddrV6::new(address, v6.port, v6.flow_info, v6.scope_id))
            }
        }
    }
}

/// `network.error-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) enum ErrorCode {
    Unknown,
    AccessDenied,
    NotSupported,
    InvalidArgument,
    OutOfMemory,
    Timeout,
    ConcurrencyConflict,
    NotInProgress,
    WouldBlock,
    InvalidState,
    NewSocketLimit,
    AddressNotBindable,
    AddressInUse,
    RemoteUnreachable,
    ConnectionRefused,
    ConnectionReset,
    ConnectionAborted,
    DatagramTooLarge,
    NameUnresolvable,
    TemporaryResolverFailure,
    PermanentResolverFailure,
}

impl From<Errno> for ErrorCode {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::WouldBlock,
            Errno::PERM | Errno::ACCESS => Self::AccessDenied,
            Errno::INVAL | Errno::DESTADDRREQ => Self::InvalidArgument,
            Errno::NOTSUP | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::NOPROTOOPT => Self::NotSupported,
            Errno::NOMEM | Errno::NOBUFS => Self::OutOfMemory,
            Errno::TIMEDOUT => Self::Timeout,
            Errno::MFILE | Errno::NFILE => Self::NewSocketLimit,
            Errno::ADDRNOTAVAIL => Self::AddressNotBindable,
            Errno::ADDRINUSE => Self::AddressInUse,
            Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NETUNREACH | Errno::NETDOWN | Errno::NONET => {
                Self::RemoteUnreachable
            }
            Errno::CONNREFUSED => Self::ConnectionRefused,
            Errno::CONNRESET | Errno::PIPE => Self::ConnectionReset,
            Errno::CONNABORTED => Self::ConnectionAborted,
            Errno::MSGSIZE => Self::DatagramTooLarge,
            Errno::NOTCONN | Errno::ISCONN => Self::InvalidState,
            _ => Self::Unknown,
        }
    }
}

impl From<HostError> for ErrorCode {
    fn from(error: HostError) -> Self {
        match error {
            HostError::WouldBlock => Self::WouldBlock,
            HostError::Escape | HostError::NotPermitted => Self::AccessDenied,
            HostError::Os(errno) => errno.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart_and_together() {
        for text in ["127.0.0.1:80", "[2001:db8::1]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddr::from(IpSocketAddress::from(address)), address);
        }
        let scoped = SocketAddr::V6(SocketAddrV6::new([1, 2, 3, 4, 5, 6, 7, 8].into(), 80, 1, 9));
        assert_eq!(SocketAddr::from(IpSocketAddress::from(scoped)), scoped);
    }
}
