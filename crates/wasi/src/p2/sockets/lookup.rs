//! `ip-name-lookup`: asked of the system on a thread of its own, as it cannot be asked without waiting.

use super::super::poll::{Pollable, Watched};
use super::super::{Answer, Host};
use super::ErrorCode;
use crate::host::Interest;
use hatchery::Error;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, LazyLock};

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
    match begin(name, ctx.network.allows_lookup(), [ctx.lookups(), &PROCESS]) {
        Ok(resolution) => host.ctx().resources.add(resolution).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

/// Names of hosts are at most this long (RFC 1035, with a dot at the end).
const LONGEST: usize = 254;

/// Most threads that look names up for one guest, whether it still waits for them or not.
const MOST_OF_GUEST: usize = 8;

/// Most threads that look names up for all guests of this process. They outlive their guests: a name whose servers do not
/// answer keeps its thread for as long as the system asks them.
const MOST_OF_PROCESS: usize = 128;

static PROCESS: LazyLock<Arc<Threads>> = LazyLock::new(|| Threads::at_most(MOST_OF_PROCESS));

/// How many threads look names up for somebody, and may.
#[derive(Debug)]
pub(crate) struct Threads {
    running: AtomicUsize,
    most: usize,
}

/// One of the [`Threads`], as long as it runs.
#[derive(Debug)]
struct Running(Arc<Threads>);

impl Threads {
    fn at_most(most: usize) -> Arc<Self> {
        Arc::new(Self { running: AtomicUsize::new(0), most })
    }

    /// Those of one guest.
    pub(crate) fn of_guest() -> Arc<Self> {
        Self::at_most(MOST_OF_GUEST)
    }

    /// Counts one more, unless there are as many as may be.
    fn start(self: &Arc<Self>) -> Option<Running> {
        let one_more = |running| (running < self.most).then_some(running + 1);
        // Only the count matters, which nothing else is published by.
        self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Running(self.clone()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn begin(name: &str, allowed: bool, threads: [&Arc<Threads>; 2]) -> Result<Resolution, ErrorCode> {
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
    let [Some(of_guest), Some(of_process)] = threads.map(Threads::start) else {
        return Err(ErrorCode::TemporaryResolverFailure);
    };
    let (done, hangs_up) = std::io::pipe().map_err(|_| ErrorCode::OutOfMemory)?;
    let (answer, answered) = channel();
    let name = name.to_owned();
    let ask = move || {
        // Nobody may be waiting any more.
        let _ = answer.send(resolve(&name));
        drop((of_guest, of_process, hangs_up));
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
    use crate::host::{Network, Ready, Watch, wait};
    use std::os::fd::AsFd;
    use std::time::Duration;

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
        let (guest, process) = (Threads::of_guest(), Threads::at_most(1000));
        let running: Vec<_> = std::iter::repeat_with(|| guest.start()).map_while(|running| running).collect();
        assert_eq!(running.len(), MOST_OF_GUEST);
        let refused = begin("localhost", true, [&guest, &process]);
        assert_eq!(refused.err(), Some(ErrorCode::TemporaryResolverFailure));
        drop(running);
        assert!(begin("localhost", true, [&guest, &process]).is_ok());
    }

    #[test]
    fn guests_that_come_and_go_have_few_threads_together() {
        let process = Threads::at_most(2);
        let of_guests_that_are_gone: Vec<_> = (0..2).map(|_| process.start().unwrap()).collect();
        let refused = begin("localhost", true, [&Threads::of_guest(), &process]);
        assert_eq!(refused.err(), Some(ErrorCode::TemporaryResolverFailure));
        drop(of_guests_that_are_gone);
        let mut last = begin("localhost", true, [&Threads::of_guest(), &process]).unwrap();
        // When the answer is there, the thread counts no more.
        let done = last.done.take().unwrap();
        let watch = [Watch { fd: done.as_fd(), interest: Interest::Read }];
        while wait(&watch, Duration::from_secs(1)).unwrap() == [Ready::No] {}
        assert_eq!(process.running.load(Ordering::Relaxed), 0);
        let guest = WasiCtx::builder().build().lookups().clone();
        assert_eq!((guest.most, PROCESS.most), (MOST_OF_GUEST, MOST_OF_PROCESS));
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
