//! `wasi:io/poll`: what can be waited for, and which of several are ready.

use super::Host;
use super::refusal::Refusal;
use super::sockets::tcp::Socket;
use super::waiting::Step;
use crate::WasiCtx;
use crate::host::{Descriptor, File, Interest, Ready, Watch, wait};
use crate::p1::Table;
use hatchery::Error;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A `pollable`. It shares what it waits for with the value that it was made for, and each poll asks what that is then: a
/// guest may subscribe once and keep it.
#[derive(Debug, Clone)]
pub(crate) enum Pollable {
    /// Ready from the start.
    Always,
    /// Ready when the monotonic clock shows this many nanoseconds.
    At(u64),
    /// Ready when something that has a descriptor is.
    Watched(Watched, Interest),
    /// Ready when what the socket is doing can be finished.
    Tcp(Arc<Socket>),
    /// Ready when something that has no descriptor may be tried again.
    Retry(Arc<Retry>),
}

/// What has a descriptor to wait on.
#[derive(Debug, Clone)]
pub(crate) enum Watched {
    /// The guest's descriptor with this number: 0, 1 or 2.
    Standard(u8),
    File(Arc<File>),
    Fd(Arc<OwnedFd>),
}

impl Watched {
    /// The descriptor, if there is one; without, it is always ready.
    pub(super) fn fd<'a>(&'a self, table: &'a Table) -> Option<BorrowedFd<'a>> {
        match self {
            Self::Standard(number) => table.peek_standard(*number).and_then(Descriptor::watched),
            Self::File(file) => file.watched(),
            Self::Fd(fd) => Some(fd.as_fd()),
        }
    }
}

/// When something may be tried again that found nothing to do and has no descriptor to wait on: an embedder's stream.
#[derive(Debug, Default)]
pub(crate) struct Retry(Mutex<Option<Instant>>);

impl Retry {
    /// How long until it is tried again.
    const PAUSE: Duration = Duration::from_millis(1);

    /// It was tried in vain.
    pub(super) fn later(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + Self::PAUSE);
    }

    /// From when on it may be tried, if it ever was in vain.
    fn due(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is to wait for until a pollable is ready.
pub(super) enum Awaited<'a> {
    /// Nothing: it is ready.
    Nothing,
    /// Until the guest's monotonic clock shows this many nanoseconds.
    Clock(u64),
    /// Until this moment of the host.
    Moment(Instant),
    /// For a descriptor.
    Descriptor(Watch<'a>),
}

impl Pollable {
    pub(super) fn awaited<'a>(&'a self, table: &'a Table) -> Awaited<'a> {
        let watch = |(fd, interest)| Awaited::Descriptor(Watch { fd, interest });
        match self {
            Self::Always => Awaited::Nothing,
            Self::At(deadline) => Awaited::Clock(*deadline),
            Self::Watched(watched, interest) => watched.fd(table).map_or(Awaited::Nothing, |fd| watch((fd, *interest))),
            Self::Tcp(socket) => socket.awaited().map_or(Awaited::Nothing, watch),
            Self::Retry(retry) => retry.due().map_or(Awaited::Nothing, Awaited::Moment),
        }
    }
}

/// Which of the pollables are ready by now, or become so within the time given: their positions.
pub(super) fn look(ctx: &mut WasiCtx, pollables: &[Pollable], patience: Duration) -> Result<Vec<u32>, Error> {
    let mut ready: Vec<u32> = Vec::new();
    let (mut watches, mut watched) = (Vec::new(), Vec::new());
    let clock = pollables.iter().any(|p| matches!(p, Pollable::At(_))).then(|| ctx.clock().monotonic());
    for (position, pollable) in (0..).zip(pollables) {
        match pollable.awaited(&ctx.table) {
            Awaited::Nothing => ready.push(position),
            Awaited::Clock(deadline) if clock.is_some_and(|now| now >= deadline) => ready.push(position),
            Awaited::Moment(due) if Instant::now() >= due => ready.push(position),
            Awaited::Clock(_) | Awaited::Moment(_) => {}
            Awaited::Descriptor(watch) => {
                watches.push(watch);
                watched.push(position);
            }
        }
    }
    let patience = if ready.is_empty() { patience } else { Duration::ZERO };
    if !watches.is_empty() || !patience.is_zero() {
        let found = wait(&watches, patience).map_err(Error::host)?;
        ready.extend(found.into_iter().zip(watched).filter(|(found, _)| *found != Ready::No).map(|(_, at)| at));
        ready.sort_unstable();
    }
    Ok(ready)
}

/// How long it takes until the first of the times waited for; `None` when there is none. A clock that can jump there does
/// so.
pub(super) fn time_left(ctx: &mut WasiCtx, pollables: &[Pollable]) -> Option<Duration> {
    let deadlines = pollables.iter().filter_map(|pollable| match pollable {
        Pollable::At(deadline) => Some(*deadline),
        _ => None,
    });
    let moments = pollables.iter().filter_map(|pollable| match pollable {
        Pollable::Retry(retry) => retry.due(),
        _ => None,
    });
    let of_guest = deadlines.min().map(|deadline| until(ctx, deadline));
    let of_host = moments.min().map(|due| due.saturating_duration_since(Instant::now()));
    of_guest.into_iter().chain(of_host).min()
}

fn until(ctx: &mut WasiCtx, deadline: u64) -> Duration {
    let left = deadline.saturating_sub(ctx.clock().monotonic());
    if ctx.clock().skip(left) { Duration::ZERO } else { Duration::from_nanos(left) }
}

/// `[method]pollable.ready`.
pub(crate) fn ready(host: &mut impl Host, this: u32) -> Result<bool, Error> {
    let pollable = host.ctx().resources.get::<Pollable>(this)?.clone();
    Ok(!look(host.ctx(), &[pollable], Duration::ZERO)?.is_empty())
}

/// `[method]pollable.block`.
pub(crate) fn block(ctx: &mut WasiCtx, this: u32) -> Result<Step<()>, Error> {
    let pollable = ctx.resources.get::<Pollable>(this)?.clone();
    Ok(first_ready(ctx, vec![pollable])?.map(drop))
}

/// As many pollables as one call may have; each takes some of the host's memory.
const MOST: usize = 4096;

/// `poll`.
pub(crate) fn poll(ctx: &mut WasiCtx, list: &[u32]) -> Result<Step<Vec<u32>>, Error> {
    if list.is_empty() || list.len() > MOST {
        return Err(Refusal::Pollables { count: list.len(), most: MOST }.into());
    }
    let pollables = list.iter().map(|this| ctx.resources.get::<Pollable>(*this).cloned());
    let pollables = pollables.collect::<Result<Vec<_>, _>>()?;
    first_ready(ctx, pollables)
}

/// The positions of those that are ready, if one is.
fn first_ready(ctx: &mut WasiCtx, pollables: Vec<Pollable>) -> Result<Step<Vec<u32>>, Error> {
    let ready = look(ctx, &pollables, Duration::ZERO)?;
    Ok(if ready.is_empty() { Step::Wait(pollables) } else { Step::Done(ready) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::Plain;
    use super::super::waiting::blocking;
    use super::*;
    use crate::host::VirtualClock;

    fn wait_for(host: &mut impl Host, pollables: &[Pollable]) -> Vec<u32> {
        blocking(host, |ctx| first_ready(ctx, pollables.to_vec())).unwrap()
    }

    #[test]
    fn the_first_deadline_ends_the_waiting() {
        let mut host = Plain(WasiCtx::builder().clock(VirtualClock::new(0, 1)).build());
        let now = host.ctx().clock().monotonic();
        let far = Pollable::At(now + 1_000_000_000_000);
        let near = Pollable::At(now + 1_000_000_000);
        assert_eq!(wait_for(&mut host, &[far.clone(), near]), [1]);
        assert_eq!(wait_for(&mut host, &[far, Pollable::Always]), [1]);
    }

    #[test]
    fn descriptors_are_waited_for() {
        let mut host = Plain(WasiCtx::builder().build());
        let (read, write) = rustix::pipe::pipe().unwrap();
        let watched = Watched::Fd(Arc::new(read));
        let pollable = host.ctx().resources.add(Pollable::Watched(watched, Interest::Read)).unwrap();
        assert!(!ready(&mut host, pollable).unwrap());
        rustix::io::write(&write, b"x").unwrap();
        assert!(ready(&mut host, pollable).unwrap());
        assert_eq!(blocking(&mut host, |ctx| poll(ctx, &[pollable, pollable])).unwrap(), [0, 1]);
        assert!(poll(host.ctx(), &[]).is_err());
    }
    #[test]
    fn what_has_no_descriptor_is_tried_again_after_a_pause() {
        let mut host = Plain(WasiCtx::builder().build());
        let retry = Arc::new(Retry::default());
        let pollable = Pollable::Retry(retry.clone());
        assert_eq!(wait_for(&mut host, std::slice::from_ref(&pollable)), [0]);
        let tried = Instant::now();
        retry.later();
        assert!(look(host.ctx(), std::slice::from_ref(&pollable), Duration::ZERO).unwrap().is_empty());
        assert_eq!(wait_for(&mut host, &[Pollable::At(u64::MAX), pollable]), [1]);
        assert!(tried.elapsed() >= Retry::PAUSE);
    }
}
