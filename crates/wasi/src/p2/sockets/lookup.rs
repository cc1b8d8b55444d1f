//! `ip-name-lookup`: asked of the system on a thread of its own, as it cannot be asked without waiting.

use super::super::poll::{Pollable, Watched};
use super::super::{Answer, Host};
use super::ErrorCode;
use crate::host::Interest;
use hatchery::Error;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// A `resolve-address-stream`.
#[derive(Debug)]
pub(crate) struct Resolution {
    state: State,
    /// Hangs up when the answer is there.
    done: Option<Arc<OwnedFd>>,
}

#[derive(Debug)]
enum State {
    Waiting(Receiver<Result<Vec<IpAddr>, ErrorCode>>),
    /// What is left, taken from the end.
    Found(Vec<IpAddr>),
    Failed(ErrorCode),
}

/// `resolve-addresses`.
pub(crate) fn resolve_addresses(host: &mut impl Host, name: &str) -> Answer<u32, ErrorCode> {
    let ctx = host.ctx();
    match begin(name, ctx.network.allows_lookup(), ctx.lookups()) {
        Ok(resolution) => host.ctx().resources.add(resolution).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

/// Names of hosts are at most this long (RFC 1035, with a dot at the end).
const LONGEST: usize = 254;

/// Most threads that look names up for one guest, whether it still waits for them or not.
const MOST_LOOKUPS: usize = 8;

fn begin(name: &str, allowed: bool, lookups: &Arc<()>) -> Result<Resolution, ErrorCode> {
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    // An address needs no looking up, so it tells nobody anything.
    if let Ok(address) = literal.parse() {
        return Ok(Resolution { state: State::Found(vec![address]), done: None });
    }
    let odd = name.is_empty() || name.len() > LONGEST || name.contains(|c: char| c.is_whitespace() || c.is_control());
    if odd || name.contains(['/', ':', '@', '[', ']']) {
        return Err(ErrorCode::InvalidArgument);
    }
    if !allowed {
        return Err(ErrorCode::AccessDenied);
    }
    // One is the context's own.
    if Arc::strong_count(lookups) > MOST_LOOKUPS {
        return Err(ErrorCode::TemporaryResolverFailure);
    }
    let running = lookups.clone();
    let (done, hangs_up) = std::io::pipe().map_err(|_| ErrorCode::OutOfMemory)?;
    let (answer, answered) = channel();
    let name = name.to_owned();
    let ask = move || {
        // Nobody may be waiting any more.
        let _ = answer.send(resolve(&name));
        drop((running, hangs_up));
    };
    std::thread::Builder::new().name("lookup".into()).spawn(ask).map_err(|_| ErrorCode::OutOfMemory)?;
    Ok(Resolution { state: State::Waiting(answered), done: Some(Arc::new(done.into())) })
}

fn resolve(name: &str) -> Result<Vec<IpAddr>, ErrorCode> {
    let found = (name, 0).to_socket_addrs().map_err(|_| ErrorCode::NameUnresolvable)?;
    let mut addresses: Vec<_> = Vec::new();
    for address in found.map(|address| address.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.reverse();
    if addresses.is_empty() { Err(ErrorCode::NameUnresolvable) } else { Ok(addresses) }
}

/// `[method]resolve-address-stream.resolve-next-address`.
pub(crate) fn resolve_next_address(host: &mut impl Host, this: u32) -> Answer<Option<IpAddr>, ErrorCode> {
    let resolution = host.ctx().resources.get::<Resolution>(this)?;
    if let State::Waiting(answer) = &resolution.state {
        resolution.state = match answer.try_recv() {
            Ok(Ok(addresses)) => State::Found(addresses),
            Ok(Err(code)) => State::Failed(code),
            Err(TryRecvError::Empty) => return Ok(Err(ErrorCode::WouldBlock)),
            Err(TryRecvError::Disconnected) => State::Failed(ErrorCode::Unknown),
        };
    }
    Ok(match &mut resolution.state {
        State::Found(addresses) => Ok(addresses.pop()),
        State::Failed(code) => Err(*code),
        State::Waiting(_) => Err(ErrorCode::WouldBlock),
    })
}

/// `[method]resolve-address-stream.subscribe`.
pub(crate) fn subscribe(host: &mut impl Host, this: u32) -> Result<u32, Error> {
    let resources = &mut host.ctx().resources;
    let resolution = resources.get::<Resolution>(this)?;
    let pollable = match (&resolution.state, &resolution.done) {
        (State::Waiting(_), Some(done)) => Pollable::Watched(Watched::Fd(done.clone()), Interest::Read),
        _ => Pollable::Always,
    };
    resources.add(pollable)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::Plain;
    use super::*;
    use crate::WasiCtx;
    use crate::host::Network;

    #[test]
    fn the_local_host_has_an_address() {
        let mut host = Plain(WasiCtx::builder().network(Network::all()).build());
        let resolution = resolve_addresses(&mut host, "localhost").unwrap().unwrap();
        let pollable = subscribe(&mut host, resolution).unwrap();
        host.block(pollable);
        let address = resolve_next_address(&mut host, resolution).unwrap().unwrap().unwrap();
        assert!(address.is_loopback());
    }

    #[test]
    fn a_guest_has_few_threads_that_look_names_up() {
        let lookups = Arc::new(());
        let running: Vec<_> = (0..MOST_LOOKUPS).map(|_| lookups.clone()).collect();
        assert_eq!(begin("localhost", true, &lookups).err(), Some(ErrorCode::TemporaryResolverFailure));
        drop(running);
        assert!(begin("localhost", true, &lookups).is_ok());
    }

    #[test]
    fn names_need_permission_and_addresses_none() {
        let mut host = Plain(WasiCtx::builder().build());
        assert_eq!(resolve_addresses(&mut host, "localhost").unwrap(), Err(ErrorCode::AccessDenied));
        assert_eq!(resolve_addresses(&mut host, "a b").unwrap(), Err(ErrorCode::InvalidArgument));
        let resolution = resolve_addresses(&mut host, "[::1]").unwrap().unwrap();
        assert_eq!(resolve_next_address(&mut host, resolution).unwrap(), Ok(Some("::1".parse().unwrap())));
        assert_eq!(resolve_next_address(&mut host, resolution).unwrap(), Ok(None));
    }
}
